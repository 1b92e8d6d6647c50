"""A blank workbook for a template: its header row, a legend, and hidden tabs with the choices and with where the sheet belongs."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bulkstart.errors import UsageError
from bulkstart.legend import Entry
from bulkstart.origin import FIRST_TAB, LEGEND_TAB, TAB, Origin

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

CHOICES_TAB: Final = "bulkstart choices"
_LAST_ROW: Final = 1_048_576
_PROMPT, _TITLE, _CELL, _WIDEST = 250, 30, 32_000, 60  # characters that Excel takes
_UNWRITABLE: Final = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")
_PLAIN, _NEEDED = "DDEBF7", "FCE4D6"
_LEGEND: Final = ("column", "parameter", "type", "required", "what to write", "example", "choices", "default", "description")


def blank_workbook(entries: Sequence[Entry], origin: Origin) -> bytes:
    """The bytes of a workbook without rows: our own reader takes each header for what it stands for, and the template with it."""
    from openpyxl import Workbook  # noqa: PLC0415  lazy: --help loads none

    book = Workbook()
    sheet, legend, choices, home = (book.create_sheet(name) for name in (FIRST_TAB, LEGEND_TAB, CHOICES_TAB, TAB))
    book.remove(book.worksheets[0])
    _head(sheet, [(entry.header, entry.required) for entry in entries])
    for number, entry in enumerate(entries, 1):
        _column(sheet, choices, number, entry)
    _fill_legend(legend, entries)
    _texts(home, 1, ("name", "value"))
    for row, line in enumerate(origin.lines, 2):
        _texts(home, row, line)
    choices.sheet_state = home.sheet_state = "hidden"
    book.active = 0
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def save_new(path: Path, content: bytes) -> None:
    """Write a file that is not there yet. Raises ``UsageError``: a blank sheet never takes the place of a filled one."""
    if path.suffix.lower() != ".xlsx":
        raise UsageError(f"-o {path}: a blank sheet is a workbook; give a name that ends in .xlsx")
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        raise UsageError(f"{path} is there already, and may hold rows; give another name with -o") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror or error}); give another name with -o") from None


def _head(sheet: Worksheet, headers: Iterable[tuple[str, bool]]) -> None:
    from openpyxl.styles import Alignment, Font, PatternFill  # noqa: PLC0415  lazy: as above

    for number, (header, required) in enumerate(headers, 1):
        _texts(sheet, 1, (header,), first=number)
        cell = sheet.cell(1, number)
        cell.font = Font(bold=True)
        cell.fill = PatternFill("solid", fgColor=_NEEDED if required else _PLAIN)
        cell.alignment = Alignment(vertical="top", wrap_text=True)
    sheet.freeze_panes = "A2"


def _texts(sheet: Worksheet, row: int, values: Iterable[str], *, first: int = 1) -> None:
    """Write typed texts: none of them can become a formula."""
    for column, value in enumerate(values, first):
        cell = sheet.cell(row, column)
        cell.value = _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", value)[:_CELL]
        cell.data_type = "s"


def _column(sheet: Worksheet, choices: Worksheet, number: int, entry: Entry) -> None:
    """The width, number format, prompt and drop-down of one column."""
    from openpyxl.utils import get_column_letter  # noqa: PLC0415  lazy: as above
    from openpyxl.worksheet.datavalidation import DataValidation  # noqa: PLC0415  lazy: as above

    letter = get_column_letter(number)
    dimension = sheet.column_dimensions[letter]
    dimension.width = min(_WIDEST, max(14, len(entry.header) + 4))
    dimension.number_format = entry.shape
    rule = DataValidation(allow_blank=True, showInputMessage=True, promptTitle=entry.name[:_TITLE], prompt=_prompt(entry))
    if entry.choices and not entry.several:
        for row, choice in enumerate(entry.choices, 1):
            _texts(choices, row, (choice,), first=number)
        rule.type, rule.formula1 = "list", f"'{CHOICES_TAB}'!${letter}$1:${letter}${len(entry.choices)}"
        rule.showErrorMessage, rule.errorTitle = entry.strict, "Not a choice"
        rule.error = "Choose one of the list; the tab Legend tells them all."
    rule.add(f"{letter}2:{letter}{_LAST_ROW}")
    sheet.add_data_validation(rule)


def _prompt(entry: Entry) -> str:
    needed = "required: " if entry.required else ""
    words = f"{needed}{entry.how}{f', e.g. {entry.example}' if entry.example else ''}"
    return _UNWRITABLE.sub("", words)[:_PROMPT]


def _fill_legend(legend: Worksheet, entries: Sequence[Entry]) -> None:
    _head(legend, [(name, False) for name in _LEGEND])
    for row, entry in enumerate(entries, 2):
        told = "\n".join(f"{key}: {label}" for key, label in entry.options) or ", ".join(entry.choices)
        needed = "yes" if entry.required else "no"
        words = (entry.header, entry.name, entry.type, needed, entry.how, entry.example, told, entry.default, entry.description)
        _texts(legend, row, words)
    for letter, width in zip("ABCDEFGHI", (28, 24, 14, 10, 44, 24, 40, 20, 40), strict=True):
        legend.column_dimensions[letter].width = width
