"""Past runs in this process: portals whose workflows live on, what runs there now, what the journal holds, and a person who answers."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

import bulkstart
from bulkstart.conduct import conduct
from bulkstart.ending import Finished
from bulkstart.job import Job
from bulkstart.options import OF_THE_READER, Options
from bulkstart.portal import Portal
from bulkstart.sandboxed import SandboxPortal
from bulkstart.secret import Secret
from tests.conftest import FAST, deals, starts, until

LIVING: dict[str, Any] = {"id": 713, "name": "Living", "documentType": "deal", "life_seconds": 120}
GONE: dict[str, Any] = {"id": 713, "name": "Gone", "documentType": "deal", "life_seconds": 0}
LOST: dict[str, Any] = {"committed": True, "answer": "close"}
NEVER_RUN: dict[str, Any] = {"committed": False, "answer": "close"}
NO_HALTS: dict[str, Any] = {"halt_doubts": 0, "halt_same": 0, "halt_percent": 0}


@contextlib.contextmanager
def living(scenario: dict[str, Any] | None = None) -> Iterator[SandboxPortal]:
    """A sandbox portal whose workflows stay in its running list."""
    with bulkstart.sandbox({"templates": [LIVING], **(scenario or {})}) as portal:
        yield portal


def start(portal: Portal, frame: pd.DataFrame | None = None, *, rows: int = 8, **options: Any) -> pd.DataFrame:
    """A run of deals, fast, without halts, one row after the other unless said."""
    chosen: dict[str, Any] = {"template": 713, "max_unknown": 1, "canary": 0, **FAST, **NO_HALTS, **options}
    return bulkstart.start(deals(rows) if frame is None else frame, portal=portal, **chosen)


def start_sheet(portal: Portal, sheet: Path, **options: Any) -> Finished:
    """The same with a file, as the command line does it: the run reads the file again when it is taken up."""
    reader = {name: options.pop(name) for name in OF_THE_READER if name in options}
    chosen: dict[str, Any] = {"template": 713, "max_unknown": 1, "canary": 0, **FAST, **NO_HALTS, **options}
    wanted = Options(**chosen)
    frame = bulkstart.read_sheet(sheet, **reader, expected=tuple(wanted.columns.values()))
    return conduct(Job(frame, portal, wanted, whole_file=True))


def past(results: pd.DataFrame, portal: Portal) -> bulkstart.Run:
    """The run that results came from."""
    return bulkstart.Run(results.attrs["run_id"], portal=portal)


def in_doubt(portal: Portal, rows: int = 100, **options: Any) -> pd.DataFrame:
    """A run that ended with all of its rows in doubt."""
    results = start(portal, rows=rows, max_unknown=10, **options)
    assert set(results["startStatus"]) == {"in_doubt"}
    assert results.attrs["exit_code"] == 5
    return results


def runs_now(portal: Portal) -> dict[str, tuple[int, str]]:
    """What the portal says is running: workflow id → (template, document), asked without the product."""
    found: dict[str, tuple[int, str]] = {}
    while True:
        asked = urllib.request.Request(f"{portal.base_url}/workflows?offset={len(found)}")
        for name, value in portal.headers.items():
            asked.add_header(name, value.reveal() if isinstance(value, Secret) else value)
        with urllib.request.urlopen(asked, timeout=10) as answer:
            page = json.load(answer)["data"]
        if not page:
            return found
        found |= {row["ID"]: (int(row["TEMPLATE_ID"]), row["DOCUMENT_ID"]) for row in page}


def committed(portal: SandboxPortal) -> dict[int, list[str]]:
    """What was truly started: entity → workflow ids."""
    found: dict[int, list[str]] = {}
    for line in starts(portal.ledger(), "commit"):
        found.setdefault(line["entityId"], []).append(line["workflowId"])
    return found


def arrived(portal: SandboxPortal) -> list[int]:
    """The entities of all start requests, in the order in which they came."""
    return [line["entityId"] for line in starts(portal.ledger(), "arrival")]


def wrong_credits(results: pd.DataFrame, portal: SandboxPortal) -> list[Any]:
    """Rows with an id that is not a start of their own entity."""
    true = committed(portal)
    rows = results[results["workflowId"] != ""]
    return [row for row in zip(rows["entityId"], rows["workflowId"], strict=True) if row[1] not in true.get(int(row[0]), [])]


def asked_of(journal: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    """What a journal file holds, read by other means than the product's own."""
    with contextlib.closing(sqlite3.connect(journal)) as db:
        return db.execute(query, values).fetchall()


class Person:
    """A front: notes what is said and asked, and answers with what it was given, then with yes."""

    def __init__(self, *answers: bool, then: Callable[[str], None] | None = None) -> None:
        self._answers, self._then = list(answers), then
        self.said: list[str] = []
        self.asked: list[str] = []

    def say(self, text: str, /) -> None:
        self.said.append(text)
        if self._then is not None:
            self._then(text)

    def warn(self, text: str, /) -> None:
        self.say(text)

    def ask(self, question: str, /) -> bool:
        self.asked.append(question)
        return self._answers.pop(0) if self._answers else True

    def session(self, _: str, /) -> str | None:
        return None

    def choose(self, _: str, __: object, /) -> int | None:
        return None

    def begin(self, *_: object) -> None: ...
    def settle(self, *_: object) -> None: ...
    def end(self) -> None: ...


@contextlib.contextmanager
def running_still(portal: SandboxPortal, rows: int = 6, **options: Any) -> Iterator[str]:
    """A run of another thread that is in its midst for as long as the block lasts, if its starts are slow enough; its id."""
    assert portal.journal is not None
    before = set(bulkstart.runs(portal.journal)["run"])
    seen = len(arrived(portal))
    thread = threading.Thread(target=lambda: start(portal, rows=rows, **options))
    thread.start()
    try:
        until(lambda: len(arrived(portal)) > seen, what="the first start of the other run")
        yield next(run for run in bulkstart.runs(portal.journal)["run"] if run not in before)
    finally:
        thread.join(20)
