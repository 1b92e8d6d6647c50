"""Makes the sheets in ``sample_data/``, the same bytes each time: ``python tests/make_sample_data.py [FOLDER]``.

Every name, company and number in them is invented. Templates and parameters are those of the sandbox's default scenario.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

SAMPLE_DATA = Path(__file__).resolve().parent.parent / "sample_data"

COMPANIES = (
    "Northwind Mills",
    "Birch & Sons",
    "Delta Optics",
    "Quarry Lane",
    "Amber Foods",
    "Vector Print",
    "Lakeside Dental",
    "Orbit Tools",
)
STAGES = ("Qualification", "Proposal sent", "Contract", "Negotiation")
SUBJECTS = (
    "annual supply",
    "equipment lease",
    "service contract",
    "pilot batch",
    "renewal",
    "spare parts",
    "training",
    "extra licences",
)
KINDS = ("supply", "service", "supply", "nda")
FIRST = dt.date(2026, 9, 1)
_FIXED = (2026, 1, 1, 0, 0, 0)


def main(folder: Path = SAMPLE_DATA) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "deals.xlsx").write_bytes(deals())
    (folder / "leads_messy.xlsx").write_bytes(leads_messy())
    (folder / "contacts_ru.csv").write_bytes(contacts_ru())
    (folder / "deals_1000.csv").write_bytes(deals_1000())


def deals() -> bytes:
    """60 deals, ten columns as an analyst has them, five for the template's parameters; a second tab explains them."""
    book = Workbook()
    sheet = book.active
    sheet.title = "Deals"
    own = ("ID", "Title", "Company", "Responsible", "Amount", "Currency", "Stage", "Close date", "entityType", "templateId")
    parameters = ("param:contract_number", "param:kind", "param:due_date", "param:urgent", "param:comment")
    sheet.append([*own, *parameters])
    for place in range(60):
        company, subject = COMPANIES[place * 3 % len(COMPANIES)], SUBJECTS[place * 5 % len(SUBJECTS)]
        close = FIRST + dt.timedelta(days=place * 7 % 90)
        amount = 12_500 + place * 3_741 % 90_000 + (0.5 if place % 4 == 0 else 0)
        urgent = "Y" if place % 6 == 0 else None
        comment = "Original by courier" if place % 5 == 0 else None
        row: list[Any] = [
            5141 + 2 * place,
            f"{company}: {subject}",
            company,
            (1, 7, 12)[place % 3],
            amount,
            "EUR" if place % 9 == 4 else "USD",
        ]
        row += [STAGES[place % len(STAGES)], close, "deal", 713]
        row += [f"2026/{417 + place:05d}", KINDS[place % len(KINDS)], close - dt.timedelta(days=14), urgent, comment]
        sheet.append(row)
    _dress(sheet, 1, {5: "#,##0.00", 8: "dd.mm.yyyy", 13: "dd.mm.yyyy"})
    legend = book.create_sheet("Legend")
    legend.append(["Column", "What it is for"])
    for column, meaning in (
        ("ID", "The deal in Bitrix24; the workflow starts on it"),
        ("templateId", "The workflow template: 713, Send contract"),
        ("Responsible", "The id of the user who signs; feeds the template's parameter Responsible"),
        ("Amount", "Feeds the template's parameter Amount"),
        ("param:…", "A parameter of the template, by its name; a blank cell leaves it to its default"),
        ("all others", "Ours; kept in the results, not sent"),
    ):
        legend.append([column, meaning])
    _dress(legend, 1, {})
    return _saved(book)


def leads_messy() -> bytes:
    """Leads as they come: a title above the header, blank rows, repeated rows, and ids of every wrong kind."""
    book = Workbook()
    sheet = book.active
    sheet.title = "Leads September"
    sheet["A1"] = "Leads to qualify, September (from three lists)"
    sheet["A1"].font = Font(bold=True, size=14)
    sheet["A2"] = "Please do not delete the blank lines"
    header = ("ID", "Lead Name", "Status", "entityType", "templateId", "Source note", "Score", "Hot")
    for column, text in enumerate(header, 1):
        sheet.cell(4, column, text)
    ids: list[Any] = [
        7841,
        7843,
        "7845",
        " 7847 ",
        "\u00a07849\u00a0",
        7851.0,
        None,
        "LEAD_78",
        "/crm/lead/details/77/",
        7841,
        7853,
    ]
    ids += [
        "https://acme.bitrix24.example/crm/lead/details/7855/",
        None,
        5141.5,
        -3,
        0,
        "1e400",
        "1E+05",
        1234567890123456,
        "007857",
    ]
    ids += [dt.date(2026, 9, 14), "#N/A", "", "see note", True, 7859, 7841, "DEAL_7861", "7863, 7865", 7867]
    row = 4
    for place, identity in enumerate(ids):
        row += 1
        if place in (6, 12):
            continue  # a wholly blank row
        repeats = identity == 7841
        cells = (identity, "Repeated lead" if repeats else f"Lead {place + 1}", "New", "lead", 714)
        cells += ("fair", 40, "Y") if repeats else (f"list {'ABC'[place % 3]}", 30 + place, "N" if place % 2 else "Y")
        for column, value in enumerate(cells, 1):
            sheet.cell(row, column, value)
    sheet.cell(row + 2, 2, "Total: 28 leads")
    _dress(sheet, 4, {})
    return _saved(book)


def contacts_ru() -> bytes:
    """40 contacts as a Russian Excel saves them: windows-1251, semicolons, CRLF, decimal commas."""
    names = ("Анна", "Борис", "Вера", "Глеб", "Дарья", "Егор", "Жанна", "Захар")
    surnames = ("Лесная", "Речной", "Полевая", "Горный", "Озёрная", "Степной", "Морская", "Садовый")
    firms = ("ООО «Ромашка»", "АО «Вектор»", "ООО «Север»", "ИП Ключевой")
    posts = ("Закупщик", "Директор", "Бухгалтер", "Инженер")
    header = (
        "ID",
        "Имя",
        "Фамилия",
        "Компания",
        "Должность",
        "Дата рождения",
        "Сумма покупок",
        "Тип сущности",
        "ID шаблона",
        "param:greeting",
    )
    rows = [header]
    for place in range(40):
        name = names[place % 8]
        born = dt.date(1965 + place * 7 % 35, 1 + place % 12, 1 + place * 5 % 28)
        spent = f"{1250 + place * 977 % 40_000},{place * 13 % 100:02d}"
        rows.append(
            (
                *(str(2203 + 3 * place), name, surnames[(place + place // 8 * 2) % 8], firms[place % 4], posts[place * 3 % 4]),
                *(f"{born:%d.%m.%Y}", spent, "Контакт", "715", f"{name}, поздравляем с днём рождения!"),
            )
        )
    return _csv(rows, delimiter=";", terminator="\r\n").encode("windows-1251")


def deals_1000() -> bytes:
    """1,000 clean deals: UTF-8, commas."""
    header = ("ID", "Title", "Amount", "Currency", "entityType", "templateId", "param:contract_number", "param:kind")
    rows = [header]
    for place in range(1000):
        title = f"{COMPANIES[place % 8]}, {SUBJECTS[place // 8 % 8]}"
        amount = f"{2000 + place * 37 % 50_000}.{place % 100:02d}"
        rows.append((str(10_001 + 2 * place), title, amount, "USD", "deal", "713", f"B-{place + 1:05d}", KINDS[place % 4]))
    return _csv(rows, delimiter=",", terminator="\n").encode()


def _csv(rows: list[tuple[str, ...]], *, delimiter: str, terminator: str) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=terminator).writerows(rows)
    return text.getvalue()


def _dress(sheet: Any, header_row: int, formats: dict[int, str]) -> None:
    """Make a tab look like a person's: bold header, frozen, filtered, columns as wide as needed."""
    for cell in sheet[header_row]:
        cell.font, cell.fill, cell.alignment = (
            Font(bold=True),
            PatternFill("solid", start_color="FFDDEBF7"),
            Alignment(wrap_text=True),
        )
    for column in range(1, sheet.max_column + 1):
        longest = max(len(str(sheet.cell(row, column).value or "")) for row in range(header_row, sheet.max_row + 1))
        sheet.column_dimensions[get_column_letter(column)].width = min(longest + 3, 60)
        for row in range(header_row + 1, sheet.max_row + 1) if column in formats else ():
            sheet.cell(row, column).number_format = formats[column]
    sheet.freeze_panes = sheet.cell(header_row + 1, 1)
    sheet.auto_filter.ref = f"A{header_row}:{get_column_letter(sheet.max_column)}{sheet.max_row}"


def _saved(book: Workbook) -> bytes:
    """Return the workbook's bytes without the time of day in them."""
    raw, fixed = io.BytesIO(), io.BytesIO()
    book.properties.creator = "bulkstart"
    book.save(raw)
    with zipfile.ZipFile(raw) as source, zipfile.ZipFile(fixed, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2026-01-01T00:00:00Z", content)
            entry = zipfile.ZipInfo(name, _FIXED)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            target.writestr(entry, content)
    return fixed.getvalue()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
