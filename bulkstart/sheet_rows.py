"""The rows of a worksheet as bytes: found, and given new cells, without reading the others. Streamed, in blocks of whole rows.

Raw ``<`` stands in no text and no attribute, so a tag is found by its first bytes, wherever comments and CDATA are not; where
they are, the worksheet is not touched at all.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from typing import IO, Final, NamedTuple

from bulkstart.sheet_grid import column_index, letter
from bulkstart.sheet_spans import CannotPatchError

_CHUNK: Final = 1 << 20
_LONGEST_HEAD: Final = 50_000_000
_SHEET_DATA: Final = re.compile(rb"<([\w.-]+:)?sheetData(?:\s[^<>]*)?/?>")
_ATTRIBUTES: Final = rb"""((?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*"""
_ROW: Final = re.compile(rb"""\sr\s*=\s*["'](\d+)["']""")
_CELL: Final = re.compile(rb"""\sr\s*=\s*["']([A-Z]{1,3})\d+["']""")
_SPANS: Final = re.compile(rb"""\sspans\s*=\s*(?:"[^"]*"|'[^']*')""")


class Row(NamedTuple):
    """One row of a block: its number, and where its start tag begins and ends, its cells end and the row ends."""

    number: int
    start: int
    opened: int
    closing: int
    end: int


class Cell(NamedTuple):
    """One cell of a row: its column from 0, its place in the block, its attributes and what stands in it."""

    column: int
    start: int
    end: int
    attributes: bytes
    inner: bytes


class _Columns(dict[bytes, int]):
    """Column letters → place from 0."""

    def __missing__(self, letters: bytes) -> int:
        return self.setdefault(letters, column_index(letters.decode()))


class Tags:
    """How rows and cells are spelled in one worksheet, whose tags may have a prefix."""

    def __init__(self, prefix: bytes) -> None:
        quoted = re.escape(prefix)
        self.prefix = prefix
        self.columns = _Columns()
        self.row = re.compile(rb"\s*(<" + quoted + rb"row" + _ATTRIBUTES + rb"(/?)>)")
        self.usual_row = re.compile(rb"<" + quoted + rb'row r="([0-9]+)"(?: [\w:.-]+="[^"<>]*")*(/?)>')
        self.row_start, self.row_end = b"<" + prefix + b"row", b"</" + prefix + b"row>"
        end = rb"(?:/>|>(.*?)</" + quoted + rb"c\s*>)"
        self.cell = re.compile(rb"<" + quoted + rb'c(?=[\s/>])(?: r="([A-Z]{1,3})\d+")?' + _ATTRIBUTES + end, re.DOTALL)
        self.reference = re.compile(rb"(<" + quoted + rb'c r="[A-Z]{1,3})[0-9]+')
        self.quick = re.compile(rb"<" + quoted + rb'c r="([A-Z]{1,3})[0-9]')
        self.cell_start = b"<" + prefix + b"c"
        self.data_end = b"</" + prefix + b"sheetData"
        self.value = re.compile(rb"<" + quoted + rb"v(?:\s[^<>]*)?>[^<]*</" + quoted + rb"v\s*>")
        self.inline = re.compile(rb"<" + quoted + rb"is(?:\s[^<>]*)?>.*?</" + quoted + rb"is\s*>", re.DOTALL)
        self.formula_start = b"<" + prefix + b"f"
        self.formula = re.compile(rb"<" + quoted + rb"f[\s/>]")


class RowStream:
    """A worksheet part being read: ``head`` up to its rows at once, then ``blocks()`` of whole rows, then ``tail``."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._buffer = b""
        while (found := _SHEET_DATA.search(self._buffer)) is None:
            chunk = stream.read(_CHUNK)
            if not chunk or len(self._buffer) > _LONGEST_HEAD:
                raise CannotPatchError("its rows cannot be found in its XML")
            self._buffer += chunk
        if found[0].endswith(b"/>"):
            raise CannotPatchError("it has no rows")
        self.tags = Tags(found[1] or b"")
        self.head, self._buffer = self._buffer[: found.end()], self._buffer[found.end() :]
        self.tail = b""

    def blocks(self) -> Iterator[bytes]:
        """Yield the rows in blocks; the blocks together are the bytes between head and tail."""
        tags, searched = self.tags, 0
        while (end := self._buffer.find(tags.data_end, searched)) < 0:
            searched = max(0, len(self._buffer) - len(tags.data_end))
            chunk = self._stream.read(_CHUNK)
            if not chunk:
                raise CannotPatchError("its XML is cut off")
            cut = self._buffer.rfind(tags.row_start)
            if cut > 0:
                yield self._checked(self._buffer[:cut])
                self._buffer, searched = self._buffer[cut:], 0
            self._buffer += chunk
        if end:
            yield self._checked(self._buffer[:end])
        rest = [self._buffer[end:]]
        while chunk := self._stream.read(_CHUNK):
            rest.append(chunk)
        self.tail, self._buffer = b"".join(rest), b""

    @staticmethod
    def _checked(block: bytes) -> bytes:
        if (b"!" in block and b"<!" in block) or (b"?" in block and b"<?" in block):  # one byte is found much sooner than two
            raise CannotPatchError("comments stand between its cells")
        return block


def rows_of(block: bytes, tags: Tags, before: int) -> Iterator[Row]:
    """Yield the rows of a block; ``before`` is the number of the last row before it. A row without a number follows the last one."""
    at, number, usual, find = 0, before, tags.usual_row.match, block.find
    row_end, length = tags.row_end, len(tags.row_end)
    while found := usual(block, at) or tags.row.match(block, at):
        if found.re is tags.usual_row:
            number, start, empty = int(found[1]), found.start(), found[2]
        else:
            named = _ROW.search(found[2])
            number, start, empty = int(named[1]) if named else number + 1, found.start(1), found[3]
        opened = found.end()
        if empty:
            closing = at = opened
        else:
            closing = find(row_end, opened)
            if closing < 0:
                raise CannotPatchError(f"row {number} has no end in its XML")
            at = closing + length
        yield Row(number, start, opened, closing, at)
    if block[at:].strip():
        raise CannotPatchError(f"something else than rows stands behind row {number}")


def cells_of(block: bytes, row: Row, tags: Tags, start: int | None = None) -> list[Cell]:
    """Return the cells of a row, from an offset on; one without a reference stands right of the last one."""
    found, column = [], -1
    for cell in tags.cell.finditer(block, row.opened if start is None else start, row.closing):
        letters, attributes, inner = cell.groups()
        if letters is None and (named := _CELL.search(attributes)):
            letters = named[1]
        column = column + 1 if letters is None else tags.columns[letters]
        found.append(Cell(column, cell.start(), cell.end(), attributes, inner or b""))
    return found


@lru_cache(8)
def _plain_cells(prefix: bytes, columns: frozenset[int]) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Return what begins a regular cell in one of some columns, and what nothing but such cells is, without looks and formulas."""
    names = b"|".join(letter(column).encode() for column in sorted(columns))
    tag = re.escape(prefix)
    start = b"<" + tag + b'c r="(?:' + names + b")[0-9]"
    value = rb"<%bv>[^<]*</%bv>|<%bis><%bt(?: [^<>]*)?>[^<]*</%bt></%bis>" % ((tag,) * 6)
    whole = start + rb'*"(?: t="[A-Za-z]+")?>(?:' + value + b")</" + tag + b"c>"
    return re.compile(start), re.compile(b"(?:" + whole + b")*")


def split(block: bytes, row: Row, tags: Tags, columns: frozenset[int]) -> int | None:
    """Return where the cells of a regular row begin that stand in some columns, when nothing but such cells, and plain ones, follows.

    ``None``: each cell must be looked at. What stands before the place that is returned is in none of the columns.
    """
    first, whole = _plain_cells(tags.prefix, columns)
    found = first.search(block, row.opened, row.closing)
    at = found.start() if found else row.closing
    return at if whole.fullmatch(block, at, row.closing) else None


def renumbered(cells: bytes, tags: Tags, number: int) -> bytes:
    """Return regular cells as they stand in another row."""
    pieces = tags.reference.split(cells)
    whole = [b"%d" % number] * (len(pieces) + len(pieces) // 2)
    whole[::3], whole[1::3] = pieces[::2], pieces[1::2]
    return b"".join(whole)


def columns_of(block: bytes, tags: Tags) -> tuple[set[int], bool]:
    """Return all columns that a block has cells in, blank ones too, and whether it is regular: each cell says where it stands first."""
    letters = tags.quick.findall(block)
    if len(letters) == block.count(tags.cell_start):  # whatever else begins so is not regular
        return {tags.columns[name] for name in set(letters)}, True
    return {cell.column for row in rows_of(block, tags, 0) for cell in cells_of(block, row, tags)}, False


def filled_columns_of(block: bytes, tags: Tags) -> set[int]:
    """Return the columns that a block has cells with something in them in."""
    return {cell.column for row in rows_of(block, tags, 0) for cell in cells_of(block, row, tags) if cell.inner.strip()}


def start_tag(block: bytes, row: Row) -> bytes:
    """Return a row's start tag for more cells: without its spans, and open."""
    tag = block[row.start : row.opened]
    if b"spans" in tag:
        tag = _SPANS.sub(b"", tag)
    return tag[:-2].rstrip() + b">" if tag.endswith(b"/>") else tag


def with_cells(
    block: bytes, row: Row, cells: Sequence[Cell], new: Sequence[tuple[int, bytes]], gone: Collection[int], tags: Tags
) -> bytes:
    """Return the cells of a row, those in the columns ``gone`` left out, and ``new`` ones, ascending, put where they belong."""
    pieces, waiting = [], list(reversed(new))
    for cell in cells:
        while waiting and waiting[-1][0] <= cell.column:
            pieces.append(waiting.pop()[1])
        if cell.column not in gone:
            pieces.append(block[cell.start : cell.end])
        elif tags.formula.search(cell.inner):
            raise CannotPatchError(f"a formula stands in a result column, in row {row.number}")
    pieces.extend(text for _, text in reversed(waiting))
    return b"".join(pieces)
