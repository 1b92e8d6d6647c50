"""Ten kinds of error, seeded among good rows: each found, each once, in its own cell, and no good row complained about."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import pandas as pd

import bulkstart
from tests.conftest import FAST, Json

ROWS = 10_000
OPTIONAL = {"Description": "", "Required": "0", "Multiple": "0", "Options": "", "Default": ""}
PARAMETERS: Json = {
    "number": {**OPTIONAL, "Name": "Number", "Type": "string", "Required": "1"},
    "copies": {**OPTIONAL, "Name": "Copies", "Type": "int"},
    "due": {**OPTIONAL, "Name": "Due", "Type": "date"},
    "kind": {**OPTIONAL, "Name": "Kind", "Type": "select", "Options": {"a": "Alpha", "b": "Beta"}},
    "boss": {**OPTIONAL, "Name": "Boss", "Type": "user"},
    "urgent": {**OPTIONAL, "Name": "Urgent", "Type": "bool"},
}
PORTAL: Json = {"templates": [{"id": 713, "name": "Ten", "documentType": "deal", "parameters": PARAMETERS}]}
Kind = tuple[str, str, Callable[[Json], Json]]
KINDS: list[Kind] = [
    ("missing-cell", "A", lambda row: row | {"ID": ""}),
    ("type-error", "A", lambda row: row | {"ID": f"{row['ID']}.5"}),
    ("wrong-entity-type", "B", lambda row: row | {"entityType": "lead"}),
    ("missing-cell", "C", lambda row: row | {"Number": " "}),
    ("type-error", "D", lambda row: row | {"Copies": "two"}),
    ("type-error", "E", lambda row: row | {"Due": "2026-02-30"}),
    ("constraint-error", "F", lambda row: row | {"Kind": "Alfa"}),
    ("type-error", "G", lambda row: row | {"Boss": "Ivanov"}),
    ("unsafe-text", "C", lambda row: row | {"Number": "{=Document:ID}"}),
    ("error-cell", "H", lambda row: row | {"Urgent": "#N/A"}),
]


def seeded() -> tuple[pd.DataFrame, dict[tuple[int, str, str], int]]:
    """A sheet, and how often each code stands in each row and column of it."""
    chance = random.Random(11)
    good = {"entityType": "deal", "Copies": "2", "Due": "2026-12-31", "Kind": "beta", "Boss": "14", "Urgent": "да"}
    rows, wanted = [], {}
    for at in range(ROWS):
        row: Json = {"ID": str(at + 1), "entityType": good["entityType"], "Number": f"N-{at:05}", **good}
        if chance.random() < 0.1:
            code, column, spoil = chance.choice(KINDS)
            row, wanted[at, column, code] = spoil(row), 1
        rows.append(row)
    return pd.DataFrame(
        rows, columns=["ID", "entityType", "Number", "Copies", "Due", "Kind", "Boss", "Urgent"], dtype=object
    ), wanted


def test_ten_kinds_of_error_are_counted_exactly():
    frame, wanted = seeded()
    with bulkstart.sandbox(PORTAL) as portal:
        found = bulkstart.check(frame, portal=portal, template=713, **FAST)
    told: Counter[Any] = Counter(zip(found["row"], found["column"], found["code"], strict=True))
    assert len({(column, code) for _, column, code in wanted}) == len(KINDS)
    assert dict(told) == wanted
