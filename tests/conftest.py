"""What every test stands on: a home of its own, and for whole runs a sandbox portal whose ledger is the truth.

No test touches a real journal: ``HOME``, ``XDG_DATA_HOME``, ``BULKSTART_JOURNAL`` and ``BULKSTART_BUDGET`` lead into ``tmp_path``.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, settings

import bulkstart
from bulkstart.cli import main
from bulkstart.journal import Journal
from bulkstart.simulator import Sandbox

os.environ.pop(
    "PYTHONDONTWRITEBYTECODE", None
)  # each of the programs that tests run would compile the package anew: half of its start
settings.register_profile("bulkstart", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be slow
settings.load_profile("bulkstart")

ROOT = Path(__file__).resolve().parents[1]
SIX = ["startStatus", "workflowId", "errorCode", "errorMessage", "attempts", "startedAt"]
WITH_ID = {"started", "already_started"}
WITHOUT_COMMIT = {"refused", "not_attempted", "gave_up", "invalid", "duplicate", "planned"}
FAST: dict[str, Any] = {"rate": 500, "burst": 500}
FAST_WORDS = ["--rate", "500", "--burst", "500"]
PLAIN = {"id": 713, "name": "Plain", "documentType": "deal"}
MARK: dict[str, Any] = {
    "mark": {"Name": "Mark", "Type": "string", "Required": "0", "Multiple": "0", "Options": "", "Default": ""}
}
BOUND = 40.0  # seconds after which a process counts as hung; most end within two

Json = dict[str, Any]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own; no setting of the person who runs the tests is seen by them."""
    for name in list(os.environ):
        if name.startswith("BULKSTART_") or name.lower() in (
            "http_proxy",
            "https_proxy",
            "all_proxy",
            "no_proxy",
            "ssl_cert_file",
        ):
            monkeypatch.delenv(name)
    folder = tmp_path / "home"
    for name, value in private(folder).items():
        monkeypatch.setenv(name, value)
    return folder


def private(folder: Path) -> dict[str, str]:
    """The settings that keep a program inside ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    return {
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder / "data"),
        "BULKSTART_JOURNAL": str(folder / "journal.sqlite"),
        "BULKSTART_BUDGET": str(folder / "budget.sqlite"),
    }


def until(holds: Callable[[], Any], seconds: float = 15.0, what: str = "it") -> Any:
    """Ask again and again until something holds; fails after ``seconds``."""
    pause, end = threading.Event(), time.monotonic() + seconds
    while time.monotonic() < end:
        if found := holds():
            return found
        pause.wait(0.01)
    raise AssertionError(f"{what} did not come true in {seconds} s")


# ------------------------------------------------------------------------------------------------------ the truth


def starts(ledger: Iterable[Json], kind: str) -> list[Json]:
    """The lines of one kind that are about starts; of a batch that arrived or was answered, a line for each of its starts."""
    found = []
    for line in ledger:
        if line["kind"] == kind and line["on"] == "start":
            found.append(line)
        elif line["kind"] == kind == "arrival" and line["on"] == "batch":
            found += [{**line, **one} for one in line.get("starts") or ()]
        elif line["kind"] == kind == "answer" and line["on"] == "batch":
            found += [{**line, "workflowId": None, "code": None, **one} for one in line.get("results") or ()]
    return found


def intent(line: Json) -> str:
    """What a start means: template, entity, parameters."""
    return json.dumps([line["templateId"], line["entityType"], line["entityId"], line["parameters"] or {}], sort_keys=True)


def truth(
    results: pd.DataFrame,
    ledger: Sequence[Json],
    *,
    template: int = 713,
    kind: str = "deal",
    earlier: Sequence[Json] = (),
    rounds: int = 1,
    arrivals: bool = True,
) -> None:
    """The one comparison of a results frame with what truly happened.

    ``ledger``: the portal's lines of this run; ``earlier``: those of runs before; ``rounds``: how often one intent may have been
    meant (2 with a second campaign). A second commit that the gateway made of one request is not counted. ``template``, ``kind`` hold where the frame has no
    such column; an ``entityId`` that is no number is a row that must not have been sent. Where the frame has a column
    ``param:mark``, rows on one entity are told apart by it.
    """
    commits = starts([*earlier, *ledger], "commit")
    by_id: dict[str, list[Json]] = {}
    for line in commits:
        by_id.setdefault(line["workflowId"], []).append(line)
    told = results.to_dict("records")
    for row in told:
        one_row(row, by_id, template, kind)
    meant = Counter(intent(line) for line in commits if line["cause"] == "start")
    assert max(meant.values(), default=0) <= rounds, f"started more often than meant: {meant.most_common(3)}"
    nothing_hidden(told, commits if rounds == 1 else starts(ledger, "commit"), template, kind)
    ids = [row["workflowId"] for row in told if row["workflowId"]]
    assert len(ids) == len(set(ids)), "two rows claim one workflow"
    if arrivals:
        sent, arrived = sum(int(row["attempts"]) for row in told), len(starts(ledger, "arrival"))
        assert sent == arrived, f"attempts sum to {sent}, {arrived} start requests arrived"


def one_row(row: Mapping[Any, Any], by_id: Mapping[str, list[Json]], template: int, kind: str) -> None:
    """What the interface page promises of each row by itself, and that its id is a commit of its own entity."""
    status, workflow, code = row["startStatus"], row["workflowId"], row["errorCode"]
    assert status in {str(one) for one in bulkstart.Status}, row
    if status == "planned":
        assert not workflow, row
        assert not code, row
    else:
        assert bool(workflow) != bool(code), f"a workflowId or an errorCode, never both, never neither: {row}"
    assert bool(workflow) == (status in WITH_ID), row
    assert not code or row["errorMessage"], row
    assert int(row["attempts"]) >= (status == "started"), row
    if status not in WITH_ID:
        assert not row["startedAt"], row
    if status in WITH_ID:
        found = by_id.get(workflow, [])
        assert len(found) == 1, f"{len(found)} commits have the id of {row}"
        assert (found[0]["entityType"], found[0]["entityId"]) == entity_of(row, kind), f"{row} is {found[0]}"
        assert found[0]["templateId"] == int(row.get("templateId") or template), f"{row} is {found[0]}"
        if "param:mark" in row:
            assert (found[0]["parameters"] or {}).get("mark", "") == str(row["param:mark"] or ""), f"{row} is {found[0]}"
        moment = dt.datetime.fromisoformat(row["startedAt"])
        assert moment.utcoffset() == dt.timedelta(0), row
        if status == "started":
            assert abs(moment.timestamp() - found[0]["time"]) < 30, f"{row} was committed at {found[0]['time']}"


def entity_of(row: Mapping[Any, Any], kind: str) -> tuple[str, int] | None:
    """The entity that a row means; ``None`` where its id is none."""
    number = str(row["entityId"]).strip().removesuffix(".0")
    return (str(row.get("entityType") or kind), int(number)) if number.isdigit() else None


def nothing_hidden(told: Sequence[Mapping[Any, Any]], commits: Sequence[Json], template: int, kind: str) -> None:
    """Every commit is accounted for: by its id, or by a row in doubt on the same entity with the same template and mark."""
    claimed = {row["workflowId"] for row in told if row["workflowId"]}
    answered = {line["n"] for line in commits if line["workflowId"] in claimed}
    room: Counter[tuple[Any, ...]] = Counter(place(row, template, kind) for row in told if row["startStatus"] == "in_doubt")
    for line in commits:
        if line["n"] in answered or line["cause"] != "start":
            continue
        mark = (line["parameters"] or {}).get("mark", "") if any("param:mark" in row for row in told) else ""
        where = (line["templateId"], (line["entityType"], line["entityId"]), mark)
        assert room[where] > 0, f"a workflow runs that no row tells of: {line}"
        room[where] -= 1


def place(row: Mapping[Any, Any], template: int, kind: str) -> tuple[Any, ...]:
    return int(row.get("templateId") or template), entity_of(row, kind), str(row.get("param:mark") or "")


# ------------------------------------------------------------------------------------------- runs in this process


@dataclass
class Ran:
    """A run of ``bulkstart.start`` and what the portal saw of it."""

    results: pd.DataFrame
    ledger: list[Json]

    @property
    def code(self) -> int:
        return int(self.results.attrs["exit_code"])

    @property
    def statuses(self) -> list[str]:
        return list(self.results["startStatus"])

    @property
    def codes(self) -> list[str]:
        return list(self.results["errorCode"])

    def commits(self) -> list[Json]:
        return starts(self.ledger, "commit")


def deals(count: int, first: int = 1) -> pd.DataFrame:
    """A frame of deals, one a row."""
    return pd.DataFrame({"entityId": list(range(first, first + count))})


def run(scenario: Json, frame: pd.DataFrame | None = None, *, rows: int = 8, dialect: str = "vibecode", **options: Any) -> Ran:
    """Start a frame on a sandbox portal with this scenario, fast and one after the other, and compare it with the ledger."""
    chosen: dict[str, Any] = {"template": 713, "max_unknown": 1, "canary": 0, **FAST, **options}
    with bulkstart.sandbox({"templates": [PLAIN], **scenario}, dialect=dialect) as portal:
        results = bulkstart.start(deals(rows) if frame is None else frame, portal=portal, **chosen)
        ran = Ran(results, portal.ledger())
    truth(results, ran.ledger)
    return ran


# --------------------------------------------------------------------------------------------- runs in a process


@dataclass
class Said:
    """What a run of the program left: exit code, standard output and error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Json:
        """The one JSON object on standard output."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        assert found["exitCode"] == self.code, self
        return found


@dataclass
class Desk:
    """A folder with sheets, a portal, and the program to run there."""

    folder: Path
    sandbox: Sandbox
    env: dict[str, str] = field(default_factory=dict)

    def settings(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BULKSTART_")}
        found = kept | private(self.folder / "home") | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "NO_COLOR": "1"}
        found |= {"BULKSTART_BASE_URL": self.sandbox.url, "BULKSTART_API_KEY": self.sandbox.api_key}
        if self.sandbox.session_token:
            found["BULKSTART_SESSION_TOKEN"] = self.sandbox.session_token
        return {name: value for name, value in (found | self.env).items() if value}

    def begin(self, *words: object, **options: Any) -> subprocess.Popen[str]:
        """The program, running."""
        pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        command = [sys.executable, "-m", "bulkstart", *map(str, words)]
        return subprocess.Popen(
            command, env=self.settings(), cwd=self.folder, start_new_session=True, encoding="utf-8", **{**pipes, **options}
        )

    def end(self, process: subprocess.Popen[str]) -> Said:
        """Wait for the program's end; a program that hangs is ended and fails the test."""
        try:
            out, err = process.communicate(timeout=BOUND)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"the program hung; it had said:\n{out}\n{err}") from None
        return Said(process.returncode, out, err)

    def cli(self, *words: object) -> Said:
        """Run the program to its end."""
        return self.end(self.begin(*words))

    def start(self, sheet: Path, *words: object) -> Said:
        """The main job on a sheet of plain deals, confirmed, fast, answering in JSON."""
        return self.cli(sheet, "--template", 713, "--yes", "--json", *FAST_WORDS, *words)

    def again(self, sheet: Path, *words: object) -> Said:
        """The same as ``start`` inside this process, which spares a second: for what follows a run that was a process."""
        return self.inside(sheet, "--template", "713", "--yes", "--json", *FAST_WORDS, *words)

    def inside(self, *words: object) -> Said:
        """The same as ``cli`` inside this process."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for name, value in self.settings().items():
                patch.setenv(name, value)
            for name in self.env:
                if not self.env[name]:
                    patch.delenv(name, raising=False)
            patch.chdir(self.folder)
            code = main([str(word) for word in words])
        return Said(code, out.getvalue(), err.getvalue())

    def sheet(self, name: str = "deals.csv", rows: int = 8, first: int = 1) -> Path:
        """A CSV sheet of deals."""
        path = self.folder / name
        path.write_text("entityId,title\n" + "".join(f"{n},Deal {n}\n" for n in range(first, first + rows)), encoding="utf-8")
        return path

    def commits(self) -> list[Json]:
        return starts(self.sandbox.ledger(), "commit")

    def arrivals(self) -> list[Json]:
        return starts(self.sandbox.ledger(), "arrival")

    def results(self, said: Said) -> pd.DataFrame:
        """The results file that the run named."""
        return table(self.folder / said.json["results"])


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A journal of the test's own, open."""
    with closing(Journal(tmp_path / "journal.sqlite")) as opened:
        yield opened


@pytest.fixture
def other(journal: Journal) -> Iterator[Journal]:
    """The same journal as another process has it open."""
    with closing(Journal(journal.path)) as opened:
        yield opened


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    """Makes desks: ``desk(scenario)`` opens a portal; ``life_seconds`` and limits are those of the scenario."""
    with ExitStack() as stack:

        def make(scenario: Json | None = None, folder: str = "desk", **env: str) -> Desk:
            sandbox = stack.enter_context(Sandbox({"templates": [PLAIN], **(scenario or {})}))
            (tmp_path / folder).mkdir(exist_ok=True)
            return Desk(tmp_path / folder, sandbox, dict(env))

        yield make


def table(path: Path) -> pd.DataFrame:
    """A results file as text cells, read by other means than the product's own."""
    if path.suffix == ".xlsx":
        book = openpyxl.load_workbook(path)
        header, *rows = [
            ["" if cell is None else str(cell) for cell in row] for row in book.worksheets[0].iter_rows(values_only=True)
        ]
    else:
        header, *rows = list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))
    return pd.DataFrame([row for row in rows if any(row)], columns=header, dtype=object)


def interrupt(process: subprocess.Popen[str]) -> None:
    """Ctrl-C, for this process alone."""
    os.kill(process.pid, signal.SIGINT)
