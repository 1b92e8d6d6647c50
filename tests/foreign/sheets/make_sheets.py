"""Make the ten foreign sheets and what the pages say must become of them.

    python make_sheets.py          writes NAME.csv / NAME.xlsx and NAME.<ext>.expect.json beside this file

The same bytes come out every time. Needs openpyxl and nothing of bulkstart. How to read an
expectation: ../README.md. Pages are cited by short name:
IF = interface.md, SH = sheets.md, API = bitrix24-api.md, I2 = issue 2.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import re
import zipfile
from pathlib import Path

from openpyxl import Workbook
from openpyxl.styles import Font

HERE = Path(__file__).parent
NBSP = "\u00a0"
FIXED = (2024, 9, 2, 10, 0, 0)


# -- writing -----------------------------------------------------------------------------------


def save_xlsx(book: Workbook, name: str, cached: dict[str, str] | None = None) -> None:
    """Save with fixed times, so that the same program gives the same bytes; ``cached`` puts a
    value behind a formula, as Excel would have done."""
    raw = io.BytesIO()
    book.save(raw)
    with zipfile.ZipFile(raw) as old, zipfile.ZipFile(HERE / name, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in sorted(old.namelist()):
            body = old.read(entry)
            if entry == "docProps/core.xml":
                body = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2024-09-02T10:00:00Z", body)
            for formula, value in (cached or {}).items():
                head = f"<f>{formula}</f>".encode()
                for tail in (b"<v></v>", b"<v />", b"<v/>"):
                    body = body.replace(head + tail, head + b"<v>" + value.encode() + b"</v>")
            info = zipfile.ZipInfo(entry, FIXED)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o600 << 16
            new.writestr(info, body)


def write_expect(name: str, expect: dict) -> None:
    """One row of the table on each line, so that a person can read it beside the sheet."""
    rows = expect.pop("rows")
    body = json.dumps(expect, ensure_ascii=False, indent=1)
    body = re.sub(r"\[\n\s+([^\[\]{}]*?)\n\s+\]", lambda found: "[" + re.sub(r",\n\s+", ", ", found[1]) + "]", body)
    lines = ",\n".join("  " + json.dumps(row, ensure_ascii=False) for row in rows)
    text = body[: body.rindex("}")].rstrip() + ',\n "rows": [\n' + lines + "\n ]\n}\n"
    json.loads(text)
    (HERE / f"{name}.expect.json").write_text(text, encoding="utf-8")


def good(row: int, entity: str, why: str, **more: object) -> dict:
    return {"row": row, "good": entity, "why": why, **more}


def bad(row: int, column: str | None, why: str, code: str = "any", status: str = "invalid", **more: object) -> dict:
    return {"row": row, "bad": {"status": status, "code": code, "column": column}, "why": why, **more}


def either(row: int, entity: str, column: str | None, why: str) -> dict:
    """The pages allow both: start exactly this entity, or call the cell a problem."""
    return {"row": row, "either": {"good": entity, "bad": {"status": "invalid", "code": "any", "column": column}}, "why": why}


# -- 1 -----------------------------------------------------------------------------------------


def id_forms() -> None:
    book = Workbook()
    hidden = book.active
    hidden.title = "старые"
    hidden.append(["ID", "Название сделки"])
    for old in range(9001, 9011):
        hidden.append([old, "из прошлого месяца"])
    hidden.sheet_state = "hidden"
    book.create_sheet("пусто")
    tab = book.create_sheet("Сделки")
    book.active = 2
    top = 3
    for column, header in enumerate(["№", "Название сделки", "ID", "Сумма"], start=2):
        tab.cell(top, column, header).font = Font(bold=True)

    rows: list[dict] = []
    forms: list[tuple[object, str | None, str, str]] = [
        (5141, None, "deal:5141", "plain"),
        (5142.0, "0.00", "deal:5142", "float"),
        ("5143", None, "deal:5143", "plain"),
        ("5144.0", None, "deal:5144", "float"),
        (" 5145 ", None, "deal:5145", "spaces"),
        (f"{NBSP}5146{NBSP}", None, "deal:5146", "nbsp"),
        ("DEAL_5147", None, "deal:5147", "docid"),
        ("https://example.bitrix24.ru/crm/deal/details/5148/", None, "deal:5148", "link"),
        ("/crm/deal/details/5149/", None, "deal:5149", "link"),
        (6083, "00000", "deal:6083", "zeroformat"),
        ("5151", "quote", "deal:5151", "plain"),
        (f"5152{NBSP}", None, "deal:5152", "nbsp"),
        (5153, "#,##0", "deal:5153", "plain"),
        (4294967296, "0", "deal:4294967296", "big"),
        ("5155", "@", "deal:5155", "plain"),
        ("=5000+160", "cached", "deal:5160", "cached"),
    ]
    at = top + 1
    for number, (value, form, entity, why) in enumerate(forms, start=1):
        if number in (7, 12):
            tab.cell(at, 5).font = Font(italic=True)  # a blank row that only carries a format
            at += 1
        tab.cell(at, 2, number)
        tab.cell(at, 3, f"Договор #{31000 + number} DEAL_{32000 + number}")
        cell = tab.cell(at, 4, value)
        if form == "quote":
            cell.quotePrefix = True
        elif form not in (None, "cached"):
            cell.number_format = form
        tab.cell(at, 5, 1000.5 * number)
        rows.append(good(at, entity, why))
        at += 1
    save_xlsx(book, "id_forms.xlsx", {"5000+160": "5160"})
    write_expect(
        "id_forms.xlsx",
        {
            "about": "Every id form that means one id; table at B3, first tab hidden and full of other ids, second tab empty.",
            "because": {
                "plain": "I2 Reading and checking: 5141",
                "float": "I2: 5141.0 means 5141; SH trap 8: exact integers lose the .0",
                "spaces": 'I2: " 5141 " means 5141',
                "nbsp": "I2: text with non-breaking spaces means 5141",
                "docid": "I2: DEAL_5141 means 5141",
                "link": "I2: a pasted /crm/deal/details/5141/ link means 5141; API 6 'ids pasted as links: accept with type check'",
                "zeroformat": "SH trap 7: a number under a zero-padding format: use the number for ids",
                "big": "SH 2: record ids of 10-11 digits, beyond 2^31; below 2^53",
                "cached": "SH trap 20: only an uncached formula is a problem; this one has its value",
                "case": "IF 1 --tab: the first visible one with data; SH trap 2: a table that starts in column B, row numbers stay the sheet's own; SH trap 3: never take a row counter or digits out of a title; IF 2: wholly blank rows are no rows",
            },
            "table": {"tab": "Сделки", "header_row": 3},
            "never": [*range(1, 17), *range(9001, 9011), *range(31001, 31017), *range(32001, 32017)],
            "never_because": "case",
            "steps": [
                {"do": "check", "options": ["--template", "713", "--entity-type", "deal"], "exit": 0},
                {"do": "start", "options": ["--template", "713", "--entity-type", "deal"], "exit": 0},
                {
                    "do": "again",
                    "options": ["--template", "713", "--entity-type", "deal"],
                    "exit": 0,
                    "because": "I2 Remembering: running the same sheet again starts nothing twice",
                },
            ],
            "rows": rows,
        },
    )


# -- 2 -----------------------------------------------------------------------------------------


def bad_ids() -> None:
    book = Workbook()
    tab = book.active
    tab.title = "Лист1"
    tab.append(["ID", "Название", "param:note", "Ссылка"])
    rows: list[dict] = []
    at = 1

    def add(value: object, record: object, note: object = "x", form: str | None = None, title: object = "Сделка") -> None:
        nonlocal at
        at += 1
        cell = tab.cell(at, 1, value)
        if form:
            cell.number_format = form
        tab.cell(at, 2, title)
        tab.cell(at, 3, note)
        tab.cell(at, 4, "/crm/deal/details/31337/")
        rows.append(record(at))

    def no(why: str):
        return lambda row: bad(row, "A", why)

    def yes(entity: str, why: str = "plain"):
        return lambda row: good(row, entity, why)

    def may(entity: str, why: str):
        return lambda row: either(row, entity, "A", why)

    add(7100, yes("deal:7100"))
    add(5141.5, no("half"))
    add("5141.5", no("half"))
    add("5141,5", no("half"))
    add("1e400", no("exp"))
    add("1,23E+11", no("exp"))
    add(7101, yes("deal:7101"))
    add(-3, no("sign"))
    add(0, no("sign"))
    add("0", no("sign"))
    add(1234567890123450, no("rounded"))
    add(1.2345678901234568e16, no("rounded"))
    add("12345678901234567", may("deal:12345678901234567", "text17"))
    add("#N/A", no("error"))
    add("#REF!", no("error"))
    add(None, no("blank"))
    add(dt.date(2014, 1, 28), no("date"), form="dd.mm.yyyy")
    add(True, no("bool"))
    add(False, no("bool"))
    add("=5000+141", no("uncached"))
    add(7102, yes("deal:7102"))
    add("007103", no("zeros"))
    add("5_141", no("shape"))
    add("5141 5142", no("two"))
    add("5141\n5142", no("two"))
    add("5141; 5142", no("two"))
    add("#7841", no("title"))
    add("№ 7841", no("title"))
    add("LEAD_5141", no("othertype"))
    add("/crm/lead/details/5141/", no("othertype"))
    add("UF_CRM_1647996021", no("field"))
    add("CRM_DEAL", no("field"))
    add("0x1415", no("shape"))
    add("nan", no("words"))
    add("None", no("words"))
    add("TRUE", no("words"))
    add("Итого", no("words"))
    add(f"5{NBSP}241", may("deal:5241", "inside"))
    add("5,341", may("deal:5341", "inside"))
    add("７１０４", may("deal:7104", "digits"))
    add(7001, yes("deal:7001", "firstdup"))
    for twin in ("DEAL_7001", "7001.0", "/crm/deal/details/7001/", f" 7001{NBSP}"):
        add(twin, lambda row: bad(row, None, "dup", code="duplicate-row", status="duplicate"))
    add(7001, yes("deal:7001", "otherparam"), note="y")
    add(7105, lambda row: bad(row, "C", "errorparam"), note="#N/A")
    add(7106, yes("deal:7106", "ignored"), title="#N/A")
    add(7107, lambda row: either(row, "deal:7107", "C", "expression"), note="{=Document:TITLE}")
    at += 1  # a row in which every cell is an error is not a blank row
    for column in range(1, 5):
        tab.cell(at, column, "#N/A")
    rows.append(bad(at, "A", "allerror"))
    save_xlsx(book, "bad_ids.xlsx")
    write_expect(
        "bad_ids.xlsx",
        {
            "about": "What is not an id must be a problem of its row, never another id; duplicates in five spellings.",
            "because": {
                "plain": "I2: 5141 means 5141",
                "half": "I2: 5141.5 is a problem, never another id; SH trap 8",
                "exp": "I2: 1e400 is a problem; SH trap 9: refuse exponent form",
                "sign": "I2: -3 and 0 are problems; API 2: ids match ^[1-9][0-9]*$ after clean-up",
                "rounded": "I2: 16 digits that Excel has rounded are problems; SH trap 9: above 2^53",
                "text17": "SH trap 9 says refuse above 2^53 but speaks of numbers; as text the digits are all there. Both are allowed, a rounded id is not",
                "error": "I2: error cells are problems; SH trap 20: a problem naming the error",
                "blank": "I2: blanks are problems; SH trap 6: never filled down",
                "date": "I2: dates are problems, never another id (the serial is 41667)",
                "bool": "SH trap 8: booleans are not 1 and 0",
                "uncached": "SH trap 20: an uncached formula is a problem, not empty and not computed",
                "zeros": "SH trap 7: an entity id with leading zeros is a problem with a question",
                "shape": "API 2: ids match ^[1-9][0-9]*$ after clean-up (underscores and hex are not dirt)",
                "two": "SH trap 25: more than one thing in a cell; I2: never another id (5141, 5142, 51415142)",
                "title": "SH trap 3: never digits out of a title",
                "othertype": "API 6: ids pasted as links or LEAD_n: accept with type check; the sheet is started as deals",
                "field": "SH 1.3: UF_CRM_... is a field, not an entity; CRM_DEAL carries no id",
                "words": "SH trap 10 and 18: no guessing; rows without an id are listed",
                "inside": "I2 names non-breaking spaces without saying where; thousands marks: the number or a problem, never 5, 241 or 341",
                "digits": "not promised; the number it shows or a problem",
                "firstdup": "IF 2: of equal rows the first may start under --skip-invalid",
                "dup": "IF 2: the later are duplicate, code duplicate-row; I2: all five spellings mean one id",
                "otherparam": "IF 2: several rows for one entity with different parameters are legal",
                "errorparam": "SH trap 20: an error in a needed cell is a problem (param:note is sent)",
                "ignored": "SH trap 20 speaks of needed cells only; IF 2: every other column is the analyst's own",
                "expression": "API 1.5 string: reject or warn on {=",
                "allerror": "SH trap 20: a row of errors must not vanish as blank",
                "case": "I2: problems, never another id",
            },
            "table": {"tab": "Лист1", "header_row": 1},
            "never": [
                1,
                3,
                7,
                41,
                141,
                142,
                241,
                341,
                5,
                500,
                1415,
                5141,
                5142,
                5145,
                51415,
                51415142,
                7841,
                7103,
                41667,
                41668,
                31337,
                1647996021,
                123,
                1230,
                123000000000,
                1234567890123450,
                12345678901234568,
                5341000,
            ],
            "never_because": "case",
            "steps": [
                {"do": "check", "options": ["--template", "713", "--entity-type", "deal"], "exit": 3},
                {
                    "do": "stopped",
                    "options": ["--template", "713", "--entity-type", "deal"],
                    "exit": 3,
                    "because": "IF 1 --skip-invalid off: one bad row stops the run before the first send (exit 3), results are written all the same",
                },
                {
                    "do": "start",
                    "options": ["--template", "713", "--entity-type", "deal", "--skip-invalid"],
                    "exit": 4,
                    "because": "IF 1 exit codes: 4 finished, some rows invalid or duplicate",
                },
            ],
            "rows": rows,
        },
    )


# -- 3 -----------------------------------------------------------------------------------------


def titles_cp1251() -> None:
    lines = [
        ["Выгрузка сделок за сентябрь № 4", "", "", "", ""],
        ["Сформировано: 02.09.2024 10:11", "", "", "", ""],
        ["", "", "", "", ""],
        ["Название сделки", "Сумма", "ID", "Ответственный", "Комментарий"],
    ]
    rows: list[dict] = []
    ident = 5200

    def put(cells: list[str], record: object = None) -> None:
        lines.append(cells)
        if record:
            rows.append(record(len(lines)))

    while len(lines) < 52:
        at = len(lines) + 1
        if at in (10, 20, 21):
            put([""] * 5)
            continue
        if at == 40:
            put(list(lines[3]), lambda row: bad(row, None, "header"))
            continue
        ident += 2
        put(
            [f"Поставка «Кран {ident}»; 2 шт", f"{ident},50", str(ident), "Иванов Пётр", "звонил клиент, ждёт ёлку"],
            lambda row, ident=ident: good(row, f"deal:{ident}", "plain"),
        )
    put(["Итого", "1 234 567,89", "", "", ""], lambda row: bad(row, "C", "total"))
    put(["Всего строк: 44", "", "", "", ""], lambda row: bad(row, "C", "total"))

    def field(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if ";" in text else text

    body = "\r\n".join(";".join(field(cell) for cell in line) for line in lines) + "\r\n"
    (HERE / "titles_cp1251.csv").write_bytes(body.encode("cp1251"))
    write_expect(
        "titles_cp1251.csv",
        {
            "about": "Russian Excel's CSV: cp1251, semicolons, two title rows and a blank one above the header, blank rows in the middle, the header again at row 40, totals at the end.",
            "because": {
                "plain": "IF 1 --header-row: found among the first 30 rows; SH trap 2 and 11",
                "header": "SH trap 18: a repeated header is named as such; it is a row without an id",
                "total": "SH trap 18: rows without an id are listed, not dropped",
                "case": "SH trap 2: row numbers in every message stay the sheet's own; IF 2: wholly blank rows are kept in place in the file",
            },
            "table": {"header_row": 4},
            "never": [4, 44, 1, 2, 2024, 9, 1234567],
            "never_because": "case",
            "encodings": ["cp1251", "utf-8-sig"],
            "encodings_because": "IF 2 Files: CSV results keep encoding and delimiter; text that the encoding cannot hold: UTF-8 with BOM",
            "delimiter": ";",
            "steps": [
                {"do": "check", "options": ["--template", "713"], "exit": 3},
                {"do": "stopped", "options": ["--template", "713"], "exit": 3},
                {"do": "start", "options": ["--template", "713", "--skip-invalid"], "exit": 4},
                {
                    "do": "again",
                    "options": ["--template", "713", "--skip-invalid"],
                    "exit": 4,
                    "because": "I2: nothing twice; IF 1: 4 because the bad rows are still there",
                },
            ],
            "rows": rows,
        },
    )


# -- 4 -----------------------------------------------------------------------------------------


def utf16_words() -> None:
    table: list[tuple[str, str, str, object]] = [
        ("5001", "Сделка", "713", lambda r: good(r, "deal:5001", "word", template=713)),
        ("5002", "лид", "801", lambda r: good(r, "lead:5002", "word", template=801)),
        ("5003", "КОНТАКТ", "802", lambda r: good(r, "contact:5003", "word", template=802)),
        ("5004", "Компания", "803", lambda r: good(r, "company:5004", "word", template=803)),
        ("5005", "Deal", "713", lambda r: good(r, "deal:5005", "word", template=713)),
        ("5006", "LEAD", "801", lambda r: good(r, "lead:5006", "word", template=801)),
        ("5007", "contact", "802", lambda r: good(r, "contact:5007", "word", template=802)),
        ("5008", " company ", "803", lambda r: good(r, "company:5008", "word", template=803)),
        ("LEAD_5009", "Лид", "801", lambda r: good(r, "lead:5009", "checked", template=801)),
        ("/crm/company/details/5011/", "Компания", "803", lambda r: good(r, "company:5011", "checked", template=803)),
        ("CONTACT_5012", "контакт", "802", lambda r: good(r, "contact:5012", "checked", template=802)),
        ("DEAL_5010", "Лид", "801", lambda r: bad(r, None, "mismatch")),
        ("5013", "Счёт", "713", lambda r: bad(r, "B", "unknowntype")),
        ("5014", "", "713", lambda r: either(r, "deal:5014", None, "blanktype")),
        ("5015", "Лид", "713", lambda r: {"row": r, "not_started": ["invalid", "refused"], "why": "wrongtemplate"}),
        ("5001", "Лид", "801", lambda r: good(r, "lead:5001", "twoentities", template=801)),
        ("5001", "Контакт", "802", lambda r: good(r, "contact:5001", "twoentities", template=802)),
        ("5016", "сделка", "", lambda r: bad(r, None, "notemplate")),
        ("5017", "Компания", "803.0", lambda r: good(r, "company:5017", "float", template=803)),
    ]
    lines = ["entityId\tentityType\ttemplateId\tИмя"]
    rows = []
    for number, (ident, kind, template, record) in enumerate(table, start=2):
        lines.append(f"{ident}\t{kind}\t{template}\tКлиент №{number}")
        rows.append(record(number))
    (HERE / "utf16_words.csv").write_bytes(("\ufeff" + "\r\n".join(lines) + "\r\n").encode("utf-16-le"))
    write_expect(
        "utf16_words.csv",
        {
            "about": "Excel's 'Unicode text' (UTF-16LE, tabs) named .csv; entity types in Russian and English words, a template in each row, all four types.",
            "because": {
                "word": "I2: entity type deal lead contact company, any case, Russian and English names; IF 2: columns entityType, templateId",
                "checked": "I2: DEAL_5141 and links mean the id; API 6: accept with type check, here the type agrees",
                "mismatch": "API 6: accept with type check; DEAL_5010 in a lead row does not agree",
                "unknowntype": "API fact 9: Vibecode has only deal, lead, contact, company",
                "blanktype": "IF 1 --entity-type: column entityType, else the template's own type; whether a blank cell falls back is not said, so a problem is allowed too; never another type",
                "wrongtemplate": "API 6 'wrong entity type column vs template': a problem in preflight, or refused by the portal; never started as anything",
                "twoentities": "API 2: LEAD_5001 and DEAL_5001 are two entities, no duplicate",
                "notemplate": "IF 1 --template fills blanks; here none is given, so the row has no template",
                "float": "SH trap 8: exact integers lose the .0",
                "case": "SH trap 1 and 11: decided by the first bytes",
            },
            "table": {"header_row": 1},
            "never": [1, 2, 5010, 5013, 5015, 5016],
            "never_because": "case",
            "encodings": ["utf-16", "utf-8-sig"],
            "encodings_because": "IF 2 Files: CSV results keep encoding, delimiter",
            "delimiter": "\t",
            "steps": [
                {
                    "do": "check",
                    "options": [],
                    "exit": 3,
                    "because": "row 16 (template of another type) may be found by the portal only",
                },
                {"do": "stopped", "options": [], "exit": 3},
                {"do": "start", "options": ["--skip-invalid"], "exit": 4},
            ],
            "rows": rows,
        },
    )


# -- 5 -----------------------------------------------------------------------------------------


def conflicts_bom() -> None:
    table: list[tuple[str, str, str, object]] = [
        ("6001", "", "", lambda r: good(r, "deal:6001", "fills", template=713)),
        ("6002", "713", "deal", lambda r: good(r, "deal:6002", "agrees", template=713)),
        ("6003", "713.0", "Сделка", lambda r: good(r, "deal:6003", "agrees", template=713)),
        ("6004", " 713 ", "", lambda r: good(r, "deal:6004", "agrees", template=713)),
        ("6005", "714", "", lambda r: bad(r, "B", "conflict", code="conflicting-value")),
        ("6006", "713abc", "", lambda r: bad(r, "B", "intcast")),
        ("6007", "", "lead", lambda r: bad(r, "C", "typeconflict")),
        ("6008", "-713", "", lambda r: bad(r, "B", "intcast")),
        ("6009", "7,13e2", "", lambda r: bad(r, "B", "intcast")),
        ("6010", "713.5", "", lambda r: bad(r, "B", "intcast")),
        ("6011", "713", "DEAL", lambda r: good(r, "deal:6011", "agrees", template=713)),
        ("6012", "None", "", lambda r: bad(r, "B", "intcast")),
        ("6013", "", "сделка", lambda r: good(r, "deal:6013", "fills", template=713)),
        ("6014", "714", "lead", lambda r: bad(r, None, "conflict")),
    ]
    lines = ['"ID";"templateId";"entityType";"Название сделки"']
    rows = []
    for number, (ident, template, kind, record) in enumerate(table, start=2):
        lines.append(f'"{ident}";"{template}";"{kind}";"Строка ""{number}""; шаблон 714"')
        rows.append(record(number))
    (HERE / "conflicts_bom.csv").write_bytes(("\ufeff" + "\n".join(lines) + "\n").encode())
    write_expect(
        "conflicts_bom.csv",
        {
            "about": "UTF-8 with BOM glued to the ID header, all quoted; --template and --entity-type beside cells that are blank, agree, or disagree.",
            "because": {
                "fills": "IF 1 --template: fills blank templateId cells; --entity-type fills blanks likewise",
                "agrees": "SH trap 8 (713.0), I2 (any case, Russian names): the cell says the same as the option",
                "conflict": "IF 1 --template: a cell that disagrees is a problem (conflicting-value)",
                "typeconflict": "IF 1 --entity-type: fills blanks likewise; a disagreeing cell is a problem (code not fixed for it here)",
                "intcast": "API 1.3: TEMPLATE_ID is int-cast by the server, '12abc' becomes 12: validate client-side",
                "case": "SH trap 11 and 14: a BOM is no part of the header",
            },
            "table": {"header_row": 1},
            "never": [6005, 6006, 6007, 6008, 6009, 6010, 6012, 6014, 6999],
            "never_because": "conflict",
            "never_templates": [714, 71, 7],
            "encodings": ["utf-8-sig"],
            "encodings_because": "IF 2 Files: CSV results keep encoding, delimiter and quoting",
            "delimiter": ";",
            "steps": [
                {"do": "check", "options": ["--template", "713", "--entity-type", "deal"], "exit": 3},
                {"do": "stopped", "options": ["--template", "713", "--entity-type", "deal"], "exit": 3},
                {"do": "start", "options": ["--template", "713", "--entity-type", "deal", "--skip-invalid"], "exit": 4},
                {
                    "do": "changed",
                    "options": ["--template", "713", "--entity-type", "deal", "--skip-invalid"],
                    "exit": 4,
                    "from": "results",
                    "edit": {"find": "6001", "put": "6999"},
                    "changed": {"entity": "deal:6001", "code": "foreign-result"},
                    "because": "IF 2 Feeding results back: an id that the journal holds for another row is a problem (foreign-result); here the analyst wrote another deal beside a started row's workflowId",
                },
            ],
            "rows": rows,
        },
    )


# -- 6 -----------------------------------------------------------------------------------------


def export_three_ids() -> None:
    headers = [
        "ID",
        "Название сделки",
        "Сумма",
        "Контакт: Имя",
        "ID",
        "Компания: Название компании",
        "ID",
        "Товар",
        "Комментарий",
    ]
    lines = [headers]
    rows: list[dict] = []

    def put(cells: list[str], record: object) -> None:
        lines.append(cells)
        rows.append(record(len(lines)))

    for step in range(14):
        deal = str(7911 + 2 * step)
        comment = 'первая строка\nвторая; с "кавычками"\n<table><tr><td>8999</td></tr></table>' if step % 4 == 0 else "нет"
        base = [deal, f"Сделка {step}", "100.00", "Пётр", str(40 + step), "ООО «Ромашка»", str(70 + step)]
        put([*base, "Насос", comment], lambda r, deal=deal: good(r, f"deal:{deal}", "letter"))
        if step % 5 == 1:
            put([*base, "Муфта", comment], lambda r: bad(r, None, "product", code="duplicate-row", status="duplicate"))
            put([*base, "Кран", ""], lambda r: bad(r, None, "product", code="duplicate-row", status="duplicate"))
        if step % 6 == 3:
            put(["", "", "", "", str(40 + step), "", str(70 + step), "", "реквизиты"], lambda r: bad(r, "A", "continuation"))
    body = "".join(";".join('"' + cell.replace('"', '""') + '"' for cell in line) + ";\n" for line in lines)
    (HERE / "export_three_ids.csv").write_bytes(("\ufeff" + body).encode())
    write_expect(
        "export_three_ids.csv",
        {
            "about": "The portal's own CSV export: BOM, all quoted, every line ends with ;, three columns named ID (deal, contact, company), one row per product, rows without id, newlines in cells.",
            "because": {
                "letter": "SH trap 4: refuse until --map says which, for equal names by column letter",
                "product": "SH 1.1: with products one row per product, same id again; IF 2: later equal rows are duplicate",
                "continuation": "SH 1.1 rows without id, trap 6: a blank id is a problem of that row, never filled down",
                "case": "SH trap 4: never 'the first one'; SH 1.2: the phantom last column is not reported, columns do not shift; trap 15: records are counted for row numbers",
            },
            "table": {"header_row": 1},
            "never": [*range(40, 60), *range(70, 90), 8999, 100],
            "never_because": "case",
            "quiet_columns": ["J"],
            "quiet_because": "SH 1.2: every line ends with ;, a phantom column; do not report it",
            "encodings": ["utf-8-sig"],
            "encodings_because": "IF 2 Files: CSV results keep encoding, delimiter and quoting",
            "delimiter": ";",
            "steps": [
                {
                    "do": "whole",
                    "options": ["--template", "713", "--skip-invalid"],
                    "exit": 3,
                    "because": "IF 1 exit codes: a doubtful id column is exit 3, also under --skip-invalid; rows not_attempted, SHEET_HAS_PROBLEMS",
                },
                {
                    "do": "whole",
                    "options": ["--template", "713", "--skip-invalid", "--map", "entityId=ID"],
                    "exit": 3,
                    "because": "SH trap 4: for equal names by column letter; the name alone is still doubtful",
                },
                {"do": "start", "options": ["--template", "713", "--skip-invalid", "--map", "entityId=A"], "exit": 4},
                {"do": "again", "options": ["--template", "713", "--skip-invalid", "--map", "entityId=A"], "exit": 4},
            ],
            "rows": rows,
        },
    )


# -- 7 -----------------------------------------------------------------------------------------


def no_id_column() -> None:
    book = Workbook()
    hidden = book.active
    hidden.title = "справочник"
    hidden.append(["ID", "Название сделки"])
    for old in range(8001, 8021):
        hidden.append([old, "архив"])
    hidden.sheet_state = "hidden"
    tab = book.create_sheet("Сентябрь")
    book.active = 1
    tab.append(["№", "Название сделки", "Телефон", "ИНН", "Сумма", "UF_CRM_1647996021"])
    for number in range(1, 13):
        tab.append(
            [
                number,
                f"#{7840 + number} Поставка насосов",
                f"7912000{number:04d}",
                5902000000 + number,
                1000 * number,
                600 + number,
            ]
        )
    save_xlsx(book, "no_id_column.xlsx")
    rows = [{"row": row, "whole": True, "why": "none"} for row in range(2, 14)]
    write_expect(
        "no_id_column.xlsx",
        {
            "about": "No id column: a row counter, titles that begin with #7841, phones, tax numbers; ids only in a hidden tab.",
            "because": {
                "none": "SH trap 3: refuse, never take the row counter, a phone or digits out of a title; IF 1 exit codes: no id column is exit 3, also under --skip-invalid",
                "case": "IF 1 --tab: the first visible one with data",
            },
            "table": {"tab": "Сентябрь", "header_row": 1},
            "never": [
                *range(1, 13),
                *range(8001, 8021),
                *range(7840, 7853),
                *range(601, 613),
                *range(1000, 13000, 1000),
                *range(5902000001, 5902000013),
                1647996021,
            ],
            "never_because": "none",
            "steps": [
                {
                    "do": "check",
                    "options": ["--template", "713"],
                    "exit": 3,
                    "because": "IF 1: no id column is exit 3; check uses the same codes",
                },
                {"do": "whole", "options": ["--template", "713", "--entity-type", "deal", "--skip-invalid"], "exit": 3},
                {
                    "do": "whole",
                    "options": ["--template", "713", "--skip-invalid", "--map", "entityId=ID"],
                    "exit": 3,
                    "because": "IF 1: --map to a column that is not there is exit 3 (no header ID; as a letter ID is column 238, far outside the table)",
                },
            ],
            "rows": rows,
        },
    )


# -- 8 -----------------------------------------------------------------------------------------

SIX = ["startStatus", "workflowId", "errorCode", "errorMessage", "attempts", "startedAt"]


def fed_back() -> None:
    sandbox = "sandbox: nothing started on a real portal"
    when = "2026-08-30T10:11:12+00:00"
    table: list[tuple[str, list[str], object]] = [
        (
            "8101",
            ["started", "69f0c2d5ade389.22457798", "", "", "1", when],
            lambda r: {"row": r, "is": "already_started", "workflow": "69f0c2d5ade389.22457798", "why": "unknownid"},
        ),
        ("8102", ["started", "68b2d0a1234567.11111111", "", sandbox, "1", when], lambda r: good(r, "deal:8102", "sandbox")),
        (
            "8103",
            ["in_doubt", "", "BITRIX_UNAVAILABLE", "the answer was lost", "1", ""],
            lambda r: {"row": r, "is": "in_doubt", "why": "doubt"},
        ),
        ("8104", ["in_doubt", "", "QUEUE_TIMEOUT", sandbox, "1", ""], lambda r: good(r, "deal:8104", "sandbox")),
        ("8105", ["refused", "", "BITRIX_ERROR", "Wrong DOCUMENT_ID!", "1", ""], lambda r: good(r, "deal:8105", "others")),
        ("8106", ["gave_up", "", "UNREACHABLE", "never left", "5", ""], lambda r: good(r, "deal:8106", "others")),
        ("8107", ["not_attempted", "", "LIMIT", "behind the limit", "0", ""], lambda r: good(r, "deal:8107", "others")),
        (
            "8108",
            ["already_started", "66081641752856.52148100", "", "", "0", ""],
            lambda r: {"row": r, "is": "already_started", "workflow": "66081641752856.52148100", "why": "exact"},
        ),
        ("8109", ["started", "68b2d0aaaaaaaa.22222222", "", "", "1", when], lambda r: bad(r, None, "two", code="foreign-result")),
        ("8110", ["started", "68b2d0aaaaaaaa.22222222", "", "", "1", when], lambda r: bad(r, None, "two", code="foreign-result")),
        ("8111", ["invalid", "", "type-error", "was 8111x, mended since", "0", ""], lambda r: good(r, "deal:8111", "others")),
        (
            "8107",
            ["duplicate", "", "duplicate-row", "same as row 8", "0", ""],
            lambda r: bad(r, None, "dup", code="duplicate-row", status="duplicate"),
        ),
        ("8112", ["planned", "", "", "", "0", ""], lambda r: good(r, "deal:8112", "others")),
        (
            "8113",
            ["not_attempted", "", "INVALID_API_KEY", "the key was revoked", "1", ""],
            lambda r: good(r, "deal:8113", "others"),
        ),
    ]
    lines = [["ID", "Название сделки", *SIX]]
    rows = []
    for number, (ident, six, record) in enumerate(table, start=2):
        lines.append([ident, f"Сделка {number}", *six])
        rows.append(record(number))
    body = "\r\n".join(";".join(line) for line in lines) + "\r\n"
    (HERE / "fed_back.results.csv").write_bytes(("\ufeff" + body).encode())
    write_expect(
        "fed_back.results.csv",
        {
            "about": "A results file of another machine fed back: every status, sandbox rows, one id in two rows, an all-digit id with trailing zeros.",
            "because": {
                "unknownid": "IF 2 Feeding results back: an unknown id makes the row already_started",
                "exact": "IF 2: the id exactly as the API gave it; API 1.3: never convert to a number",
                "sandbox": "IF 2: results of --sandbox say so in errorMessage; on any other portal such rows count as never tried",
                "doubt": "IF 2: in_doubt stays in_doubt, unsent",
                "others": "IF 2: the others are tried",
                "two": "IF 2: an id that stands in two rows is a problem (foreign-result)",
                "dup": "IF 2: of equal rows the later are duplicate, code duplicate-row",
                "case": "IF 2 Feeding results back",
            },
            "table": {"header_row": 1},
            "never": [8101, 8103, 8108, 8109, 8110],
            "never_because": "case",
            "encodings": ["utf-8-sig"],
            "encodings_because": "IF 2 Files: CSV results keep encoding, delimiter and quoting",
            "delimiter": ";",
            "steps": [
                {
                    "do": "stopped",
                    "options": ["--template", "713"],
                    "exit": 3,
                    "keeps": ["in_doubt", "already_started"],
                    "output_name": "fed_back.results-2.csv",
                    "because": "IF 1: one bad row stops the run; IF 2 Files: an input named *.results.* gives *.results-2.*. What rows that need no start then say (their state, or SHEET_HAS_PROBLEMS) is not fixed; both are allowed",
                },
                {
                    "do": "start",
                    "options": ["--template", "713", "--skip-invalid", "-o", "RUNDIR/second.csv"],
                    "exit": 5,
                    "because": "IF 1 exit codes: 5 some rows in doubt comes before 4",
                },
                {
                    "do": "again",
                    "options": ["--template", "713", "--skip-invalid", "-o", "RUNDIR/third.csv"],
                    "exit": 5,
                    "because": "IF 2: where the journal holds the row's key, the journal decides, and its id is the one written",
                },
            ],
            "rows": rows,
        },
    )


# -- 9 -----------------------------------------------------------------------------------------


def parameters_text() -> None:
    table: list[tuple[str, str, str]] = [
        ("8001", "0597", "00099999"),
        ("8002", "=1+1", "A-1"),
        ("8003", "+7 912 000-00-00", "8E467"),
        ("8004", "NA", "None"),
        ("8005", "12345678901234567", "1-2"),
        ("8006", "TRUE", "nan"),
        ("8007", "", "X"),
        ("8008", "1,23", "007"),
        ("8009", "строка 1\nстрока 2", "x"),
        ("8010", 'он сказал "да"', "a;b"),
        ("8011", "5141.0", ""),
        ("8012", "@SUM(A1)", "-5 %"),
        ("", "", ""),
        ("8013", "первый", "1"),
        ("8013", "второй", "1"),
        ("8014", "1e5", "0x10"),
    ]
    lines = [["ID", "param:note", "param:code", "Комментарий"]]
    rows = []
    for number, (ident, note, code) in enumerate(table, start=2):
        if not ident:
            lines.append([""] * 4)
            continue
        lines.append([ident, note, code, "=HYPERLINK(1)" if number % 3 else "обычный"])
        values = {name: text for name, text in (("note", note), ("code", code)) if text}
        rows.append(good(number, f"deal:{ident}", "blank" if not (note and code) else "text", parameters=values, template=713))

    def field(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if re.search('[;"\n]', text) else text

    body = "sep=;\r\n" + "\r\n".join(";".join(field(cell) for cell in line) for line in lines) + "\r\n"
    (HERE / "parameters_text.csv").write_bytes(("\ufeff" + body).encode())
    write_expect(
        "parameters_text.csv",
        {
            "about": "BOM, then sep=;, then the header. String parameters full of text that looks like something else; one blank row; one entity twice with different parameters.",
            "because": {
                "text": "SH trap 7 and 10: text parameters keep every character, no type guessing; API 1.5 string: any",
                "blank": "API 1.5: empty cell: omit the key",
                "case": "SH trap 13: sep= is not a header; IF 2: several rows for one entity with different parameters are legal",
            },
            "table": {"header_row": 1},
            "never": [],
            "never_because": "case",
            "row_shift": [0, 1],
            "row_shift_because": "SH trap 2 and 15 do not say whether the line sep=; counts as a row (Excel does not show it)",
            "encodings": ["utf-8-sig"],
            "encodings_because": "IF 2 Files: CSV results keep encoding, delimiter and quoting",
            "delimiter": ";",
            "steps": [
                {
                    "do": "dry",
                    "options": ["--template", "713"],
                    "exit": 0,
                    "because": "IF 1 --dry-run: everything but sending; planned with requestBody; exit 0 = every row planned",
                },
                {"do": "start", "options": ["--template", "713"], "exit": 0},
                {
                    "do": "changed",
                    "options": ["--template", "713", "--skip-invalid"],
                    "exit": 4,
                    "from": "sheet",
                    "edit": {"find": "=1+1", "put": "=1+2"},
                    "changed": {"entity": "deal:8002", "code": "changed-parameters"},
                    "because": "IF 1 --allow-changed off: problem changed-parameters; the others are already_started",
                },
            ],
            "rows": rows,
        },
    )


# -- 10 ----------------------------------------------------------------------------------------


def ragged() -> None:
    lines = ["Название,Год,ID,Сумма"]
    rows: list[dict] = []

    def put(line: str, record: object) -> None:
        lines.append(line)
        rows.append(record(len(lines)))

    def plain(ident: int) -> None:
        put(f"Насос {ident},2024,{ident},7000", lambda r: good(r, f"deal:{ident}", "plain"))

    for ident in range(6101, 6111):
        plain(ident)
    put("Труба, 20 мм,2024,6111,7000", lambda r: bad(r, None, "many"))
    put("Кран,6112,7000", lambda r: bad(r, None, "few"))
    put("Муфта,2024,6113", lambda r: bad(r, None, "few"))
    plain(6114)
    put('"Труба, 20 мм",2024,6115,7000', lambda r: good(r, "deal:6115", "quoted"))
    put("Кран,2024,6116,7000,", lambda r: either(r, "deal:6116", None, "trailing"))
    put("Кран,2024,6117,7000,лишнее", lambda r: bad(r, None, "many"))
    put('Труба 2" медь,2024,6118,7000', lambda r: either(r, "deal:6118", None, "inch"))
    plain(6119)
    put('Кран,2024,"=""6120""",7000', lambda r: either(r, "deal:6120", "C", "excel"))
    put("Кран,2024,=6121,7000", lambda r: bad(r, "C", "formula"))
    put("Кран,2024,#Н/Д,7000", lambda r: bad(r, "C", "error"))
    put("Кран,2024,#ИМЯ?,7000", lambda r: bad(r, "C", "error"))
    put("Кран,2024,12345678901234567,7000", lambda r: either(r, "deal:12345678901234567", "C", "text17"))
    put('Кран,2024,"6122\n6123",7000', lambda r: bad(r, "C", "two"))
    plain(6124)
    for ident in range(6125, 6135):
        plain(ident)
    put("Название,Год,ID,Сумма", lambda r: bad(r, None, "header"))
    plain(6135)
    put("=HYPERLINK(A1),2024,6136,7000", lambda r: good(r, "deal:6136", "kept"))
    put("--------,,,", lambda r: bad(r, "C", "noid"))
    put("report1726000000000,,,", lambda r: bad(r, "C", "noid"))
    (HERE / "ragged.csv").write_bytes(("\n".join(lines) + "\n").encode())
    write_expect(
        "ragged.csv",
        {
            "about": "Commas, UTF-8 without BOM. Rows with a field too many or too few, placed so that a shift makes a year or a sum look like an id.",
            "because": {
                "plain": "I2: 5141 means 5141",
                "many": "SH trap 16: one field too many is a problem of that row; never shift, cut or pad in silence",
                "few": "SH trap 16: one field too few is a problem of that row",
                "quoted": "SH trap 15: quotes inside cells",
                "trailing": "one empty field too many: SH trap 16 says problem, trap 14 says ignore what is wholly empty; both allowed",
                "inch": "SH trap 15, malformed quotes: the id or a problem, and the next row must not be swallowed",
                "excel": "not promised: the text Excel would show, or a problem",
                "formula": "SH trap 20 and API 2: =6121 is no id, nothing computes it",
                "error": "I2: error cells are problems; SH 2: Russian Excel writes them so",
                "text17": "SH trap 9; both allowed, a rounded id is not",
                "two": "I2: never another id (6122, 6123, 61226123)",
                "header": "SH trap 18: a repeated header is named as such",
                "kept": "IF 2: the user's own columns keep their content; formula-like cells are counted in one warning",
                "noid": "SH trap 18 and 2 (Salesforce footers): rows without an id are listed",
                "case": "SH trap 16: never shift",
            },
            "table": {"header_row": 1},
            "never": [2024, 7000, 20, 6111, 6117, 6121, 6122, 6123, 61226123, 12345678901234568, 12345678901234560],
            "never_because": "case",
            "encodings": ["utf-8", "utf-8-sig"],
            "encodings_because": "IF 2 Files: CSV results keep encoding, delimiter",
            "delimiter": ",",
            "steps": [
                {"do": "check", "options": ["--template", "713"], "exit": 3},
                {"do": "stopped", "options": ["--template", "713"], "exit": 3},
                {"do": "start", "options": ["--template", "713", "--skip-invalid"], "exit": 4},
            ],
            "rows": rows,
        },
    )


if __name__ == "__main__":
    for make in (
        id_forms,
        bad_ids,
        titles_cp1251,
        utf16_words,
        conflicts_bom,
        export_three_ids,
        no_id_column,
        fed_back,
        parameters_text,
        ragged,
    ):
        make()
