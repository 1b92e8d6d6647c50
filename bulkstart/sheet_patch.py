"""Results in a copy of the analyst's own workbook: one worksheet gets columns, a tab and colours are added, nothing else changes.

Every other part is copied with its packed bytes. What is unusual is not guessed at: ``CannotPatchError``, and the results become a
plain workbook (decision 0009).
"""

from __future__ import annotations

import html
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from bulkstart.model import SheetSource
from bulkstart.result_columns import RESULT_COLUMNS, earlier_places
from bulkstart.sheet_bytes import digest_of
from bulkstart.sheet_cell_xml import CellWriter
from bulkstart.sheet_colours import FORMULAS, rules
from bulkstart.sheet_grid import column_index, letter
from bulkstart.sheet_layout import Table
from bulkstart.sheet_patch_parts import Book, area, part_name
from bulkstart.sheet_patch_tab import FailedTab, PatchedTab, Places, ResultCells
from bulkstart.sheet_prints import same_rows
from bulkstart.sheet_read import read_sheet
from bulkstart.sheet_rows import RowStream, columns_of, filled_columns_of
from bulkstart.sheet_spans import CannotPatchError, Document, Edit, Element, edited
from bulkstart.sheet_text import as_text
from bulkstart.sheet_write_xlsx import FAILED
from bulkstart.sheet_xml import MAX_COLUMNS
from bulkstart.sheet_zip import copy_part

if TYPE_CHECKING:
    import pandas as pd

_WIDTHS: Final = dict(zip(RESULT_COLUMNS, (16, 26, 22, 48, 9, 27), strict=True))
_WIDEST: Final = 48
_BEFORE_COLOURS: Final = frozenset(
    "sheetData sheetCalcPr sheetProtection protectedRanges scenarios autoFilter sortState dataConsolidate customSheetViews"
    " mergeCells phoneticPr conditionalFormatting".split()
)
"""What stands before conditional formatting in a worksheet (ECMA-376 18.3.1.99)."""
_PRIORITY: Final = re.compile(rb'\spriority="(\d{1,9})"')


@dataclass(frozen=True, slots=True)
class _Survey:
    """A worksheet without its rows, and the columns that anything stands in; ``filled``: without cells that are only formatted."""

    skeleton: Document
    head: int
    occupied: frozenset[int]
    filled: frozenset[int]
    regular: bool


def patch_workbook(file: BinaryIO, results: pd.DataFrame, table: Table, source: Path, *, macros: bool) -> list[str]:
    """Write a copy of ``source`` with the results in it; return notes about what had to be changed.

    ``macros``: the file is named ``.xlsm``. Raises ``CannotPatchError`` (half a sentence that says why) where that cannot be done
    without harm, and what the standard library raises on broken packages.
    """
    sheet = _verified(results, table, source)
    with source.open("rb") as raw, zipfile.ZipFile(raw) as archive:
        book = Book(archive, source, sheet.tab or "", macros=macros)
        survey = _survey(book, sheet)
        places = _places(table, sheet, survey, results.index.tolist())
        colours = book.formats()
        head, tail, columns = _frame(survey, places, table, colours)
        writer = CellWriter()
        cells = ResultCells(table, places, survey.skeleton.root.prefix, writer)
        opened = partial(book.open, book.part)
        patched = PatchedTab(opened, places, cells, head, tail)
        failed = FailedTab(
            opened,
            places,
            cells,
            failed=_failed(table, places),
            namespace=_namespace(survey.skeleton.root),
            columns=columns,
            first_format=colours,
        )
        part = book.failed_tab()
        streams = {book.part: patched.pieces, part_name(part): failed.pieces}
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as package:
            package.comment = archive.comment
            known = set(book.entries.values())
            for entry in archive.infolist():
                name = part_name(entry.filename)
                if name in streams and entry in known:
                    _write(package, entry.filename, streams.pop(name)())
                elif name in book.changed and entry in known:
                    package.writestr(entry.filename, book.changed[name])
                elif name not in book.removed:
                    copy_part(raw, entry, package)
            for name, pieces in streams.items():
                _write(package, name, pieces())
    return [*_said(failed.uncalculated), *writer.notes()]


def _write(package: zipfile.ZipFile, name: str, pieces: Iterable[bytes]) -> None:
    with package.open(name, "w") as part:
        for piece in pieces:
            part.write(piece)


def _said(uncalculated: int) -> list[str]:
    return [f"{uncalculated:,} formulas without a result are written as #N/A in the failed rows"] if uncalculated else []


def _verified(results: pd.DataFrame, table: Table, source: Path) -> SheetSource:
    """Return how the source was read, when its rows are proven to be the frame's, read anew where it or the frame was changed."""
    sheet = results.attrs.get("sheet")
    if not table.results:
        raise CannotPatchError("the frame has no result columns")
    if isinstance(sheet, SheetSource) and sheet.prints and sheet.digest == digest_of(source) and _same(results, table, sheet):
        return sheet
    if isinstance(sheet, SheetSource) and sheet.format == "xlsx":
        again = read_sheet(source, tab=sheet.tab, header_row=sheet.header_row, visible_only=sheet.visible_only)
    else:
        again = read_sheet(source)
    sheet = again.attrs["sheet"]
    assert isinstance(sheet, SheetSource)
    if not _same(results, table, sheet):
        raise CannotPatchError(
            "the frame's columns or cells are not those of the sheet, or the sheet was changed after it was read"
        )
    return sheet


def _same(results: pd.DataFrame, table: Table, sheet: SheetSource) -> bool:
    earlier = set(earlier_places(sheet.headers).values())
    own = tuple(header for place, header in enumerate(sheet.headers) if place not in earlier)
    if own != table.headers[: table.own] or str(results.index.dtype) != "int64":
        return False
    cells = (
        results.iloc[:, : table.own].to_numpy(dtype=object).tolist()
        if table.uncalculated
        else zip(*table.columns[: table.own], strict=True)
    )
    return same_rows(sheet.prints, results.index.tolist(), cells)


def _survey(book: Book, sheet: SheetSource) -> _Survey:
    with book.open(book.part) as stream:
        found = RowStream(stream)
        occupied: set[int] = set()
        regular = True
        for block in found.blocks():
            columns, all_regular = columns_of(block, found.tags)
            occupied |= columns
            regular = regular and all_regular
        skeleton = Document(found.head + found.tail)
    data = skeleton.child("sheetData")
    if data is None or data.opened != len(found.head) or len(skeleton.inside(skeleton.root, "sheetData")) != 1:
        raise CannotPatchError("its rows cannot be told from the rest of its XML")
    over = {column for taken in (*book.taken(), *_covered(skeleton, sheet.header_row)) for column in taken}
    last = MAX_COLUMNS - len(RESULT_COLUMNS) - 1
    filled = _filled(book) | over if max(occupied | over) >= last else occupied | over
    return _Survey(skeleton, len(found.head), frozenset(occupied | over), frozenset(filled), regular)


def _filled(book: Book) -> set[int]:
    columns: set[int] = set()
    with book.open(book.part) as stream:
        found = RowStream(stream)
        for block in found.blocks():
            columns |= filled_columns_of(block, found.tags)
    return columns


def _covered(skeleton: Document, header_row: int) -> list[range]:
    """Return the columns of merged cells and filters that reach the header or stand below it."""
    found = []
    for one in skeleton.elements:
        covered = area(one.attributes.get("ref", "")) if one.name in ("mergeCell", "autoFilter") else None
        if covered and covered.bottom >= header_row:
            found.append(range(covered.left, covered.right + 1))
    return found


def _places(table: Table, sheet: SheetSource, survey: _Survey, numbers: Sequence[int]) -> Places:
    letters = [column_index(name) for name in sheet.letters]
    earlier = {name: letters[place] for name, place in earlier_places(sheet.headers).items()}
    named = [
        column for column, text in zip(letters, sheet.headers, strict=True) if text.strip() and column not in earlier.values()
    ]
    own_right = max(named, default=letters[0])
    fresh = [name for name in table.results if name not in earlier]
    columns = earlier | dict(zip(fresh, _free(len(fresh), survey, max(earlier.values(), default=None), own_right), strict=True))
    wanted = tuple(columns[name] for name in table.results)
    return Places(
        header_row=sheet.header_row,
        positions={number: position for position, number in enumerate(numbers)},
        columns=wanted,
        gone=frozenset({*earlier.values(), *wanted}),
        kept=frozenset(earlier[name] for name in table.results if name in earlier),
        at_end=min(wanted) > max(survey.occupied) and not earlier,
        own_right=own_right,
        regular=survey.regular,
        behind=min(wanted) > max(survey.occupied - {*earlier.values(), *wanted}, default=-1),
    )


def _free(count: int, survey: _Survey, behind: int | None, own_right: int) -> range:
    """Return columns for new ones: right behind earlier results, else right of everything, else in the first gap there is."""
    starts = [] if behind is None else [behind + 1]
    starts += [max(survey.occupied) + 1, max(survey.filled) + 1, *range(own_right + 1, MAX_COLUMNS), *range(own_right)]
    for start in starts:
        found = range(start, start + count)
        if found.stop <= MAX_COLUMNS and survey.filled.isdisjoint(found):
            return found
    raise CannotPatchError("no columns beside each other are free in it")


def _failed(table: Table, places: Places) -> frozenset[int]:
    statuses = table.columns[table.own]
    return frozenset(number for number, position in places.positions.items() if as_text(statuses[position]) in FAILED)


def _namespace(root: Element) -> str:
    return root.attributes[f"xmlns:{root.prefix[:-1]}" if root.prefix else "xmlns"]


def _frame(survey: _Survey, places: Places, table: Table, colours: int | None) -> tuple[bytes, bytes, bytes]:
    """Return what stands before the rows and behind them, with extent, widths and colours, and the widths alone."""
    document, prefix = survey.skeleton, survey.skeleton.root.prefix
    before = []
    last = max(places.positions, default=places.header_row)
    dimension = document.child("dimension")
    if dimension is not None:
        before.append(_extent(document, dimension, max(places.columns), last))
    columns = _columns(document, table, places)
    old = document.child("cols")
    data = next(one for one in document.inside(document.root, "sheetData"))
    before.append((old.start, old.end, columns) if old else (data.start, data.start, columns))
    behind = [
        (one.start, one.end, b"") for one in document.inside(document.root, "conditionalFormatting") if _ours(document, one)
    ]
    if colours is not None and places.positions:
        at = max(one.end for one in document.inside(document.root) if one.name in _BEFORE_COLOURS)
        first = 1 + max(map(int, _PRIORITY.findall(edited(document.xml, behind))), default=0)
        name = letter(places.columns[0])
        text = rules(f"{name}{places.header_row + 1}:{name}{last}", first_format=colours, first_priority=first)
        behind.append((at, at, re.sub("<(/?)", rf"<\1{prefix}", text).encode()))
    shifted = [(start - survey.head, end - survey.head, text) for start, end, text in behind]
    return edited(document.xml[: survey.head], before), edited(document.xml[survey.head :], shifted), columns


def _ours(document: Document, formatting: Element) -> bool:
    """Whether a conditional formatting is that of an earlier results column: exactly our rules."""
    found = [one for one in document.elements if formatting.start < one.start < formatting.end and one.name == "formula"]
    texts = {html.unescape(document.xml[one.opened : one.closing].decode()) for one in found}
    return texts == FORMULAS


def _extent(document: Document, dimension: Element, right: int, bottom: int) -> Edit:
    """Return the edit that makes the stated extent hold the results too; one that cannot be read goes."""
    found = area(dimension.attributes.get("ref", ""))
    if found is None:
        return dimension.start, dimension.end, b""
    reference = f"{letter(found.left)}{found.top}:{letter(max(found.right, right))}{max(found.bottom, bottom)}"
    tag = re.sub(
        rb"""\sref\s*=\s*["'][^"']*["']""", f' ref="{reference}"'.encode(), document.xml[dimension.start : dimension.opened]
    )
    return dimension.start, dimension.opened, tag


def _columns(document: Document, table: Table, places: Places) -> bytes:
    """Return ``cols`` with widths for new result columns; what was said of these, or hid them, now ends before and begins behind."""
    prefix, cols = document.root.prefix, document.child("cols")
    new = {column: _WIDTHS.get(name, _WIDEST) for column, name in zip(places.columns, table.results, strict=True)}
    new = {column: width for column, width in new.items() if column not in places.kept}
    found = [
        (column, f'<{prefix}col min="{column + 1}" max="{column + 1}" width="{width}" customWidth="1"/>'.encode())
        for column, width in new.items()
    ]
    for one in document.inside(cols, "col") if cols else []:
        first, last = int(one.attributes["min"]) - 1, int(one.attributes["max"]) - 1
        edges = [first - 1, *sorted(column for column in new if first <= column <= last), last + 1]
        for left, right in pairwise(edges):
            if right - left > 1:
                tag = re.sub(rb"""\smin\s*=\s*["']\d+["']""", f' min="{left + 2}"'.encode(), document.text(one))
                found.append((left + 1, re.sub(rb"""\smax\s*=\s*["']\d+["']""", f' max="{right}"'.encode(), tag)))
    name = f"{prefix}cols".encode()
    return b"<" + name + b">" + b"".join(text for _, text in sorted(found)) + b"</" + name + b">" if found else b""
