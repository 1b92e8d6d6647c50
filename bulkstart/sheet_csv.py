"""CSV files: encoding, delimiter and records. What was found is a ``Dialect``, so that results can be written the same way."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Final, NamedTuple

from bulkstart.errors import SheetError
from bulkstart.sheet_grid import MAX_CELLS

DELIMITERS: Final = {",": "','", ";": "';'", "\t": "tab", "|": "'|'"}
"""The delimiters that are detected, with the words for them."""
_NAMES: Final = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}
_BOMS: Final = (
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_SEP = re.compile('"?sep=(.)"?\r?\n?', re.IGNORECASE)
_RUSSIAN = "[а-яёА-ЯЁіїєґўІЇЄҐЎ]"
_FREQUENT = "[оеаинтсОЕАИНТС]"  # over half of any Russian text, a quarter of another encoding misread as Russian
_TYPOGRAPHY = "[«»„“”‘’–—…№•·©®°±§€\u00a0]"
_SHARED = "[«»„“”‘’–—…•·©®°±§\u00a0]"  # the same bytes in windows-1251 and windows-1252
_WESTERN = "[áàâãäåçéèêëíìîïñóòôõöøúùûüßÁÀÂÃÄÅÇÉÈÊËÍÎÑÓÔÕÖØÚÛÜªº¿¡«»„“”‘’–—…•·©®°±§€£\u00a0]"
_WORD = "[^\\W\\d_]*[^\\W\\d_\x00-\x7f][^\\W\\d_]*"  # with a letter that is none of ASCII's
_SAMPLE = 1_000_000
_TELLING = 30  # letters from which on their frequency means something
_SURE = 2_000  # characters, in which a word is looked for that a person may judge
_END = "\x00end of the file\x00"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a CSV file is written.

    ``encoding`` is Python's name for it, ``bom`` the bytes before the text; ``quoted``: all cells are; ``sep``: a first line
    ``sep=;``, which Excel shows nobody and which is no row; ``terminator``: how its lines end; ``guess``: a word of the text,
    where the encoding is not certain.
    """

    encoding: str = "utf-8"
    bom: bytes = b"\xef\xbb\xbf"
    delimiter: str = ","
    quoted: bool = False
    sep: str = ""
    terminator: str = "\r\n"
    guess: str = ""


class Record(NamedTuple):
    """One record: its number from 1, blank ones counted; the line that it begins in; its cells; whether its quotes are wrong."""

    number: int
    line: int
    fields: list[str]
    misquoted: bool = False


def detect(raw: bytes, path: Path, *, encoding: str | None, delimiter: str | None, known: Callable[[str], bool]) -> Dialect:
    """Return how the bytes of a CSV file are written; ``known`` tells a header that we know. Raises ``SheetError``."""
    bom, found = next(((bom, name) for bom, name in _BOMS if raw.startswith(bom)), (b"", ""))
    taken = _checked(raw, bom, found, encoding, path) if encoding else found or _guess(raw, path)
    text = _decoded(raw, len(bom), taken, path)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise SheetError(f"{path}, line {line}: a NUL byte; this is no text file, or it is damaged; export it again")
    sep = _SEP.fullmatch(text[: text.find("\n") + 1] or text)
    sample = text[sep.end() if sep else 0 :][:_SAMPLE]
    chosen = _NAMES.get((delimiter or "").lower(), delimiter) or (sep and sep[1]) or _delimiter(sample, known)
    if len(chosen) != 1 or chosen in '"\r\n':
        raise SheetError(f"{path}: {delimiter!r} cannot be a delimiter; give one character, or 'tab'")
    line_end = re.search("\r\n|\n|\r", sample)
    quoted = re.match(rf'(?:"(?:[^"]|"")*"(?:{re.escape(chosen)}|(?=[\r\n]|\Z)))+(?:[\r\n]|\Z)', sample) is not None
    words = re.findall(_WORD, sample[:_SURE]) if taken.startswith("windows") and not encoding else []
    guess = words[0] if words and (taken != "windows-1251" or not _surely_russian("".join(words))) else ""
    return Dialect(*(taken, bom, chosen, quoted, sep[0] if sep else "", line_end[0] if line_end else "\r\n", guess))


def text_of(raw: bytes, path: Path, encoding: str | None, declared: str | None) -> tuple[str, str]:
    """Return the text of a file that may declare its encoding, and the encoding that it has. Raises ``SheetError``.

    In this order: a BOM, ``encoding``, UTF-8 where all bytes are, what the file declares, windows-1251 where that makes sense.
    """
    bom, found = next(((bom, name) for bom, name in _BOMS if raw.startswith(bom)), (b"", ""))
    if encoding:
        taken = _checked(raw, bom, found, encoding, path)
    elif found:
        taken = found
    else:
        taken = next((name for name in ("utf-8", declared) if name and b"\0" not in raw and _fits(raw, name)), "") or _guess(
            raw, path
        )
    return _decoded(raw, len(bom), taken, path), taken


def _fits(raw: bytes, encoding: str) -> bool:
    try:
        raw.decode(encoding)
    except (LookupError, UnicodeError):
        return False
    return True


def records(raw: bytes, dialect: Dialect, path: Path) -> Iterator[Record]:
    """Yield the records of a CSV file, blank ones too. Raises ``SheetError`` for a quote that never closes."""
    stream = io.TextIOWrapper(io.BytesIO(raw[len(dialect.bom) :] if dialect.bom else raw), dialect.encoding, newline="")
    if b'"' not in raw:
        yield from _unquoted(stream, dialect, path)
        return
    lines = _Lines(stream)
    if dialect.sep:
        next(lines)
    reader = csv.reader(lines, delimiter=dialect.delimiter, strict=True)
    number = cells = 0
    while True:
        line = lines.count + 1
        lines.pending.clear()
        misquoted = False
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error:
            fields, misquoted = _leniently(lines, dialect, path, line), True
        number += 1
        cells += len(fields)
        if cells > MAX_CELLS:
            raise SheetError(f"{path} has more than {MAX_CELLS:,} cells; split it into several files")
        yield Record(number, line, fields, misquoted)


def _unquoted(stream: io.TextIOWrapper, dialect: Dialect, path: Path) -> Iterator[Record]:
    """Yield the records of a file without any quote: each line is one, and nothing can be misquoted."""
    skipped = 1 if dialect.sep else 0
    lines = chain((line.lstrip("\ufeff") for line in islice(stream, 1)), stream)  # as ``_Lines`` does with a second BOM
    reader = csv.reader(islice(lines, skipped, None), delimiter=dialect.delimiter, quoting=csv.QUOTE_NONE)
    cells = number = 0
    try:
        for number, fields in enumerate(reader, 1):
            cells += len(fields)
            if cells > MAX_CELLS:
                raise SheetError(f"{path} has more than {MAX_CELLS:,} cells; split it into several files")
            yield Record(number, number + skipped, fields)
    except csv.Error as error:
        raise SheetError(f"{path}, line {number + 1 + skipped}: {error}; mend that line, or export the file again") from error


class _Lines:
    """The lines of a file, counted; ``pending`` are those taken since it was last cleared."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self._stream = stream
        self.count = 0
        self.pending: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self._stream)
        if not self.count:
            line = line.lstrip("\ufeff")  # a second BOM, from a tool that put one before another
        self.count += 1
        self.pending.append(line)
        return line


def _leniently(lines: _Lines, dialect: Dialect, path: Path, line: int) -> list[str]:
    """Read one record with a quote in the wrong place, as Excel does; an end that is swallowed by a quote is an error."""
    first = list(lines.pending)

    def following() -> Iterator[str]:
        yield from first
        yield from lines
        yield _END

    try:
        fields = next(csv.reader(following(), delimiter=dialect.delimiter))
    except csv.Error as error:
        raise SheetError(f"{path}, line {line}: {error}; probably a quote that opens there never closes") from error
    if _END in fields[-1]:
        breaks = len(re.findall("\r\n|\n|\r", fields[-1].replace(_END, "")))
        opened = lines.count + 1 - max(breaks, 1) if fields[-1] != _END else line
        raise SheetError(
            f'{path}, line {opened}: a quote (") opens there and never closes; close it, or double it if it belongs to the text'
        )
    return fields


def _checked(raw: bytes, bom: bytes, found: str, wanted: str, path: Path) -> str:
    """Return the encoding that was asked for; refuse one that the file's first bytes contradict."""
    try:
        "".encode(wanted)
    except (LookupError, UnicodeError) as error:
        raise SheetError(f"{wanted!r} is no encoding; give one such as utf-8, windows-1251 or utf-16") from error
    name = codecs.lookup(wanted).name
    if bom and not name.startswith(found.removesuffix("-le").removesuffix("-be")):
        raise SheetError(f"{path} says in its first bytes that it is {found}, not {wanted}; leave --encoding out")
    if name == "utf-16":
        return found or ("utf-16-be" if _utf_16(raw) == "utf-16-be" else "utf-16-le")
    return found or ("utf-8" if name == "utf-8-sig" else wanted)


def _guess(raw: bytes, path: Path) -> str:
    if b"\0" in raw:
        return _utf_16(raw)
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if _is_russian(raw):
            return "windows-1251"
        if _is_western(raw):
            return "windows-1252"
        line = raw.count(b"\n", 0, error.start) + 1
        raise SheetError(
            f"{path}, line {line}: neither UTF-8 nor Russian windows-1251 (byte 0x{raw[error.start]:02X}); "
            "say what it is with --encoding (windows-1252, koi8-r, cp866 …), or save it in Excel as 'CSV UTF-8'"
        ) from error
    return "utf-8"


def _utf_16(raw: bytes) -> str:
    """Return which UTF-16 has its zero bytes where these are; ``utf-8``, which refuses them, where they are elsewhere."""
    even, odd = raw[::2].count(0), raw[1::2].count(0)
    return "utf-16-le" if odd > 10 * even else "utf-16-be" if even > 10 * odd else "utf-8"


def _decoded(raw: bytes, start: int, encoding: str, path: Path) -> str:
    try:
        return raw[start:].decode(encoding).lstrip("\ufeff")
    except UnicodeError as error:
        at = getattr(error, "start", 0)
        line = raw.count(b"\n", 0, start + at) + 1
        raise SheetError(
            f"{path}, line {line}: not valid {encoding}; say what it is with --encoding, or save it as 'CSV UTF-8'"
        ) from error


def _is_russian(raw: bytes) -> bool:
    """Return whether bytes make sense as windows-1251: Cyrillic words of Russian letters, not other bytes misread as such."""
    try:
        text = raw.decode("windows-1251")[:_SAMPLE]
    except UnicodeDecodeError:
        return False
    high, russian, typography = (len(re.findall(pattern, text)) for pattern in (r"[^\x00-\x7f]", _RUSSIAN, _TYPOGRAPHY))
    beside_latin = len(re.findall(f"[A-Za-z](?={_RUSSIAN})|{_RUSSIAN}(?=[A-Za-z])", text))
    case_flips = len(re.findall("[а-яё](?=[А-ЯЁ])", text))
    frequent = len(re.findall(_FREQUENT, text))
    return high == len(re.findall(_SHARED, text)) or (
        russian > 0
        and russian + typography >= 0.97 * high
        and beside_latin <= 0.1 * russian
        and case_flips <= 0.1 * russian
        and (russian < _TELLING or frequent >= 0.35 * russian)
    )


def _surely_russian(letters: str) -> bool:
    """Return whether so many letters speak for Russian that no person need look: rare ones are rare."""
    return len(letters) >= _TELLING and len(re.findall("[йфцщъэЙФЦЩЪЭ]", letters)) < 0.1 * len(letters)


def _is_western(raw: bytes) -> bool:
    """Return whether bytes make sense as windows-1252: many single accented letters of Western languages among plain ones."""
    try:
        text = raw.decode("windows-1252")
    except UnicodeDecodeError:
        return False
    high, usual, pairs = (len(re.findall(pattern, text)) for pattern in (r"[^\x00-\x7f]", _WESTERN, f"{_WESTERN}(?={_WESTERN})"))
    return high >= _TELLING and usual >= 0.97 * high and pairs <= 0.1 * high


def _delimiter(sample: str, known: Callable[[str], bool]) -> str:
    """Return the delimiter that makes records of equal length out of the text; a header that we know speaks for it first."""
    return max(DELIMITERS, key=lambda delimiter: _fitness(sample, delimiter, known))


def _fitness(sample: str, delimiter: str, known: Callable[[str], bool]) -> tuple[int, bool, int, float]:
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    found: list[list[str]] = []
    with suppress(csv.Error):  # a quote that never closes is reported when the records are read
        found.extend(islice((fields for fields in reader if any(fields)), 200))
    if not found:
        return 0, False, 0, 0.0
    length, times = Counter(map(len, found)).most_common(1)[0]
    headers = max(sum(map(known, fields)) if len(fields) > 1 else 0 for fields in found[:30])
    return headers, length > 1 and times >= 0.9 * len(found), length, times / len(found)
