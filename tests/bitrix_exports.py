"""Bitrix24's own CRM exports, byte for byte as its list components write them (sheets 1.1 "Excel", 1.2 CSV)."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

KINDS = ("deal", "lead", "contact", "company")
BOM = b"\xef\xbb\xbf"
META = '<meta http-equiv="Content-type" content="text/html;charset=CHARSET" />\n'
STYLED = (
    "<html>\n<head>\n" + META + "<style>\n\t.number0 {mso-number-format:0;}\n\t.number2 {mso-number-format:Fixed;}\n</style>\n"
    "</head>\n<body>\n"
)
"""The head that smart processes and new-style lists write."""
COMMENT = 'Позвонить <b>завтра</b><br><table><tr><td>x</td><td>ID</td></tr><tr><td>7913</td><td>007</td></tr></table>; "срочно"'
"""A comment as people paste them from a letter: with a table, an id that is none, a delimiter and quotes."""
EMPTY = ("Список сделок пуст!", "Список лидов пуст!", "Список контактов пуст!", "Список компаний пуст!")
_OWN = {
    "deal": ("Название сделки", "Воронка", "Стадия сделки", "Сумма", "Валюта", "Ответственный", "Дата создания", "Комментарий"),
    "lead": ("Название лида", "Статус", "Имя", "Фамилия", "Название компании", "Сумма", "Источник", "Комментарий"),
    "contact": ("Имя", "Фамилия", "Компания", "Тип контакта", "Телефон", "Комментарий"),
    "company": ("Название компании", "Тип компании", "Сфера деятельности", "Ответственный", "Комментарий"),
}
_WORDS = {
    "Название сделки": "Договор «Альфа» & <Ко> №{id}",
    "Название лида": "Заявка с сайта №{id}",
    "Название компании": 'ООО "Ромашка; {id}"',
    "Имя": "Пётр",
    "Сумма": "{id}00.00",
    "Валюта": "Рубль",
    "Дата создания": "30.08.2019 15:03:26",
    "Телефон": "+7 (495) {id}-00-00",
    "Комментарий": COMMENT,
}
_RAW = ("Комментарий",)
PRODUCTS = ("Товар", "Цена", "Количество")
REQUISITES = ("Реквизит: Название", "ИНН")


@dataclass(frozen=True)
class Export:
    """A list as it is exported: the headers, and the rows with texts as the portal has them."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def xls(self, *, bom: bool = True, charset: str = "UTF-8", styled: bool = False) -> bytes:
        """Return "Export to Excel": an HTML table, comments in it as they are, everything else escaped."""
        head = "".join(f"<th>{html.escape(header)}</th>" for header in self.headers)
        body = "".join("<tr>" + "".join(map(_cell, self.headers, row)) + "</tr>" for row in self.rows)
        start, end = (STYLED, "\n</body>\n</html>") if styled else (META, "")
        text = f'{start.replace("CHARSET", charset)}<table border="1"><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>{end}'
        return (BOM if bom else b"") + text.encode(charset, "xmlcharrefreplace")

    def csv(self) -> bytes:
        """Return "Export to CSV": each field quoted, and a ``;`` behind each, the last one too."""
        lines = ("".join('"{}";'.format(cell.replace('"', '""')) for cell in line) for line in (self.headers, *self.rows))
        return BOM + "".join(line + "\n" for line in lines).encode()


def export(kind: str, ids: Iterable[int], *, id_last: bool = False) -> Export:
    """Return a list of some columns; the ``ID`` stands first, or was not chosen as a column and is appended last."""
    headers = _OWN[kind]
    rows = ((str(number), tuple(_WORDS.get(header, header).format(id=number) for header in headers)) for number in ids)
    if id_last:
        return Export((*headers, "ID"), tuple((*cells, number) for number, cells in rows))
    return Export(("ID", *headers), tuple((number, *cells) for number, cells in rows))


def with_products(listed: Export, counts: Sequence[int]) -> Export:
    """Return the list with one row for each product: the same cells again, its name, price and quantity behind them."""
    rows = (
        (*row, f"Товар {product}", f"{product}50.00", str(product))
        for row, count in zip(listed.rows, counts, strict=True)
        for product in range(1, count + 1)
    )
    return Export((*listed.headers, *PRODUCTS), tuple(rows))


def with_clients(listed: Export, others: Sequence[tuple[int, int]]) -> Export:
    """Return the list with the fields of contact and company: all headers get a prefix but the id's, which stays ``ID``."""
    headers = (*listed.headers, "ID", "Контакт: Имя", "ID", "Компания: Название компании")
    rows = (
        (*row, str(contact), "Анна", str(company), "АО Вектор")
        for row, (contact, company) in zip(listed.rows, others, strict=True)
    )
    return Export(headers, tuple(rows))


def with_requisites(listed: Export, counts: Sequence[int]) -> Export:
    """Return the list with requisites: further ones stand in rows of their own, with all main columns blank, the ID too."""
    blank = ("",) * len(listed.headers)
    rows = chain.from_iterable(
        [(*(row if not place else blank), f"Реквизит {place + 1}", f"770000000{place}") for place in range(count)]
        for row, count in zip(listed.rows, counts, strict=True)
    )
    return Export((*listed.headers, *REQUISITES), tuple(rows))


def _cell(header: str, text: str) -> str:
    return f"<td>{text if header in _RAW else html.escape(text)}</td>"
