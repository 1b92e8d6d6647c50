"""The XML of a workbook, read in one pass by expat: rows of cells, shared strings, and the small parts around them.

Own code instead of a reading library, because only the XML tells an error cell from a blank one, a formula that was never
calculated, hidden rows and the true extent, and because no broken file can take the process down (libraries 1 and 12). The
functions inside functions are for speed: they run once or more for each cell, and closures cost a third less than methods.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import IO, Final
from xml.parsers import expat

from bulkstart.errors import SheetError
from bulkstart.sheet_grid import MAX_CELLS, column_index, letter

MAX_TEXT: Final = 1_000_000
"""Characters in one cell or part of it; Excel itself holds 32,767."""
MAX_ELEMENTS: Final = 500_000
"""Elements of the small parts; Excel itself holds 65,490 cell formats."""
MAX_SHARED: Final = 200_000_000
"""Characters of the shared strings."""
MAX_ROWS: Final = 1_048_576
MAX_COLUMNS: Final = 16_384
_CHUNK: Final = 1 << 17
_ESCAPE: Final = re.compile("_x([0-9A-Fa-f]{4})_")


def unescape(text: str) -> str:
    """Return a text with ``_x000D_`` and the like as the characters they stand for (ECMA-376, ST_Xstring)."""
    return _ESCAPE.sub(_character, text)


def _character(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    return match[0] if 0xD800 <= code <= 0xDFFF else chr(code)  # noqa: PLR2004  the surrogates, which are no characters


class Parser:
    """Expat with bounded texts and no document type, so no entities, no bombs, no reading elsewhere.

    ``parts`` collects character data; who handles elements clears it. ``separator``: what stands between the address of a
    name's namespace and the name; without one names come with their prefixes.
    """

    def __init__(self, separator: str | None = None) -> None:
        self.parts: list[str] = []
        self._prefixed = separator is None
        self._expat = expat.ParserCreate(namespace_separator=separator)
        self._expat.buffer_text = True
        self._expat.StartDoctypeDeclHandler = self._doctype
        self._expat.CharacterDataHandler = self.parts.append

    def handle(self, start: Callable[[str, dict[str, str]], None], end: Callable[[str], None] | None = None) -> None:
        """Call these for each element, with names as they would be without the prefix of the document's first element."""

        def first(name: str, attributes: dict[str, str]) -> None:
            prefix = name[: name.find(":") + 1] if self._prefixed else ""
            begin, finish = start, end
            if prefix:
                begin = lambda name, attributes: start(name.removeprefix(prefix), attributes)  # noqa: E731  a twin of start
                finish = end and (lambda name: end(name.removeprefix(prefix)))
            self._expat.StartElementHandler, self._expat.EndElementHandler = begin, finish
            begin(name, attributes)

        self._expat.StartElementHandler = first

    def stop(self) -> None:
        """Leave the elements that follow alone; the part is still read to its end, where its check sum is compared."""
        self._expat.StartElementHandler = self._expat.EndElementHandler = self._expat.CharacterDataHandler = None
        self.parts.clear()

    def read(self, stream: IO[bytes]) -> None:
        while chunk := stream.read(_CHUNK):
            self._expat.Parse(chunk, False)
            if len(self.parts) > 1 and sum(map(len, self.parts)) > MAX_TEXT:
                raise SheetError(f"a text of more than {MAX_TEXT:,} characters")
        self._expat.Parse(b"", True)

    def _doctype(self, *_: object) -> None:
        raise SheetError("its XML declares a document type, which no workbook needs and hostile files use")


def elements(stream: IO[bytes], only: Collection[str] = ()) -> list[tuple[str, dict[str, str]]]:
    """Return the elements of a part in document order, all or ``only`` those: (name, attributes), both without prefixes."""
    found: list[tuple[str, dict[str, str]]] = []
    parser = Parser()

    def start(name: str, attributes: dict[str, str]) -> None:
        parser.parts.clear()
        bare = name.rpartition(":")[2]
        if not only or bare in only:
            if len(found) >= MAX_ELEMENTS:
                raise SheetError(f"more than {MAX_ELEMENTS:,} elements where no workbook needs so many")
            found.append((bare, {key.rpartition(":")[2]: value for key, value in attributes.items()}))

    parser.handle(start)
    parser.read(stream)
    return found


def shared_strings(stream: IO[bytes]) -> list[str]:
    """Return the texts of ``sharedStrings.xml``; formatting and phonetic hints left out."""
    parser = Parser()
    parts, strings = parser.parts, []
    text, phonetic, length = "", False, 0

    def start(name: str, _attributes: dict[str, str]) -> None:
        nonlocal phonetic
        parts.clear()
        if name == "rPh":
            phonetic = True

    def end(name: str) -> None:
        nonlocal text, phonetic, length
        if name == "t":
            if not phonetic:
                text += "".join(parts)
        elif name == "si":
            strings.append(unescape(text) if "_x" in text else text)
            length += len(text) + 1
            if length > MAX_SHARED:
                raise SheetError(f"texts of more than {MAX_SHARED:,} characters; split the sheet")
            text = ""
        elif name == "rPh":
            phonetic = False
        parts.clear()

    parser.handle(start, end)
    parser.read(stream)
    return strings


class Worksheet:
    """The rows of a worksheet that are not wholly blank, and which rows and columns are hidden; none behind ``until``."""

    def __init__(self, until: int = MAX_ROWS) -> None:
        self.rows: list[tuple[int, list[object]]] = []
        self.hidden: list[int] = []
        self.hidden_columns: list[int] = []
        self._until = until
        self._number = self._count = 0
        self._is_hidden = False

    def read(self, stream: IO[bytes], read: Callable[[dict[str, str], str | None, str | None], object]) -> None:
        """Read the part; ``read`` makes a value of a cell's attributes, its text and its formula."""
        parser = Parser()
        parser.handle(*self._handlers(parser, read))
        parser.read(stream)

    def _handlers(  # noqa: C901  one branch for each element of a worksheet
        self, parser: Parser, read: Callable[[dict[str, str], str | None, str | None], object]
    ) -> tuple[Callable[[str, dict[str, str]], None], Callable[[str], None]]:
        parts, columns = parser.parts, _Columns()
        row: list[object] = []
        cell: dict[str, str] = {}
        value: str | None = None
        formula: str | None = None
        phonetic, at, digits = False, -1, 1

        def start(name: str, attributes: dict[str, str]) -> None:
            nonlocal row, cell, phonetic, at, digits
            if name == "c":
                cell = attributes
                return
            parts.clear()
            if name == "row":
                row, at = [], -1
                if not self._begin(attributes):
                    parser.stop()
                digits = len(str(self._number))
            elif name == "rPh":
                phonetic = True
            elif name == "col" and attributes.get("hidden") in ("1", "true"):
                self.hidden_columns.extend(
                    hidden_range(self.hidden_columns, int(attributes["min"]) - 1, int(attributes["max"]) - 1)
                )

        def end(name: str) -> None:
            nonlocal value, formula, phonetic, at
            if name == "v":
                value = parts[0] if len(parts) == 1 else "".join(parts)
            elif name == "c":
                reference = cell.get("r")
                at = at + 1 if reference is None else columns[reference[:-digits]]
                if value is not None or formula is not None:
                    self._place(row, at, read(cell, value, formula)) if at != len(row) else row.append(read(cell, value, formula))
                    value = formula = None
            elif name == "t":
                if not phonetic:
                    value = parts[0] if value is None and len(parts) == 1 else (value or "") + "".join(parts)
            elif name == "f":
                formula = "".join(parts)
            elif name == "rPh":
                phonetic = False
            elif name == "row":
                self._end(row)
            elif name == "sheetData":
                parser.stop()

        return start, end

    def _begin(self, attributes: dict[str, str]) -> bool:
        number = int(attributes.get("r", self._number + 1))
        if not self._number < number <= MAX_ROWS:
            raise SheetError(f"row {number} follows row {self._number}")
        self._number = number
        self._is_hidden = attributes.get("hidden") in ("1", "true") or attributes.get("ht") == "0"
        return number <= self._until

    def _place(self, row: list[object], column: int, value: object) -> None:
        """Put a cell where a gap lies before it, or where an earlier one was passed over."""
        if column > len(row):
            row.extend([None] * (column - len(row)))
            row.append(value)
        elif row[column] is None:
            row[column] = value
        else:
            raise SheetError(f"cell {letter(column)}{self._number} stands there twice")

    def _end(self, row: list[object]) -> None:
        for cell in row:
            if cell is not None and (not isinstance(cell, str) or cell.strip()):
                break
        else:
            return
        self._count += len(row)
        if self._count > MAX_CELLS:
            raise SheetError(
                f"more than {MAX_CELLS:,} cells; delete what stands far to the right of the table, or split the sheet"
            )
        self.rows.append((self._number, row))
        if self._is_hidden:
            self.hidden.append(self._number)


class _Columns(dict[str, int]):
    """Column letters → place from 0; letters that no sheet has are an error."""

    def __missing__(self, letters: str) -> int:
        if not re.fullmatch("[A-Z]{1,3}", letters) or column_index(letters) >= MAX_COLUMNS:
            raise SheetError(f"a cell's reference names another row, or the impossible column {letters!r}")
        return self.setdefault(letters, column_index(letters))


def hidden_range(known: Sequence[int], first: int, last: int) -> range:
    """Return the places of hidden columns that come behind those known; files name them in order, and hostile ones a million times."""
    return range(max(first, known[-1] + 1 if known else 0), min(last + 1, MAX_COLUMNS))
