"""The foreign cases: sheets, header sets and scenarios written from the pages alone (see foreign/README.md).

Only documented interfaces are used: the command line with ``--json``, the results file, and the ledger of
the sandbox portal, which is the truth about what was started.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import os
import queue
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openpyxl
import pytest

ROOT = Path(__file__).resolve().parents[1]
FOREIGN = Path(__file__).resolve().parent / "foreign"
SIX = ["startStatus", "workflowId", "errorCode", "errorMessage", "attempts", "startedAt"]
UNSTARTED = {"refused", "not_attempted", "invalid", "duplicate", "gave_up"}
STATUSES = {"started", "already_started", "planned", "invalid", "duplicate", "refused", "gave_up", "in_doubt", "not_attempted"}
KEYS = frozenset({"run", "portal", "exitCode", "counts", "rows", "results", "forecast", "problems"})  # of --json
FAST = ["--rate", "200", "--burst", "200"]
BOUND = 60  # seconds after which a command counts as hung; a case is meant to take less than ten

Json = dict[str, Any]


def load(path: Path) -> Json:
    return json.loads(path.read_text(encoding="utf-8"))


# -- the two programs ---------------------------------------------------------------------------


@dataclass
class Portal:
    folder: Path
    settings: dict[str, str]
    journal: int = 1
    seen: int = 0  # ledger lines that earlier steps have accounted for
    commands: int = 0

    @property
    def address(self) -> str:
        return re.sub(r"^https?://([^/]+)/.*$", r"\1", self.settings["BULKSTART_BASE_URL"])

    def ledger(self, on: str = "start") -> list[Json]:
        path = self.folder / "ledger.jsonl"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]  # a last line may be half written
        return [line for line in lines if line.get("on") == on]

    def fresh(self) -> list[Json]:
        """The lines about starts since the last call."""
        lines = self.ledger()
        new, self.seen = lines[self.seen :], len(lines)
        return new

    def running(self) -> dict[str, Json]:
        """What the portal itself lists as running, by workflow id."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        found: dict[str, Json] = {}
        while True:
            request = urllib.request.Request(
                f"{self.settings['BULKSTART_BASE_URL']}/workflows?offset={len(found)}",
                headers={"X-Api-Key": self.settings["BULKSTART_API_KEY"]},
            )
            with opener.open(request, timeout=10) as answer:
                page = {str(row.get("ID") or row.get("id")): row for row in json.load(answer)["data"]}
            if not page.keys() - found.keys():
                return found
            found |= page


def environment(folder: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("BULKSTART_") and not k.lower().endswith("_proxy")}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder / "data"),
        "NO_COLOR": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8",
        "BULKSTART_BUDGET": str(folder / "budget.sqlite"),
    }


@contextmanager
def sandbox(folder: Path, scenario: Json) -> Iterator[Portal]:
    (folder / "scenario.json").write_text(json.dumps(scenario, ensure_ascii=False), encoding="utf-8")
    words = [
        sys.executable,
        "-m",
        "bulkstart",
        "sandbox",
        "--port",
        "0",
        "--scenario",
        str(folder / "scenario.json"),
        "--ledger",
        str(folder / "ledger.jsonl"),
    ]
    with (folder / "sandbox.err").open("w") as errors:
        server = subprocess.Popen(
            words,
            stdout=subprocess.PIPE,
            stderr=errors,
            stdin=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env=environment(folder),
            cwd=folder,
        )
    said: queue.Queue[str] = queue.Queue()

    def listen() -> None:
        assert server.stdout is not None
        for line in server.stdout:
            said.put(line)
        said.put("")

    threading.Thread(target=listen, daemon=True).start()
    try:
        wanted = {"BULKSTART_BASE_URL", "BULKSTART_API_KEY"}
        if str(scenario.get("keys", [{}])[0].get("key", "")).startswith("vibe_app_"):
            wanted.add("BULKSTART_SESSION_TOKEN")
        settings: dict[str, str] = {}
        until = time.monotonic() + 20
        while not wanted <= settings.keys():
            try:
                line = said.get(timeout=max(until - time.monotonic(), 0.01))
            except queue.Empty:
                pytest.fail(f"the sandbox did not print {wanted - settings.keys()} in time")
            if not line:
                pytest.fail("the sandbox ended: " + (folder / "sandbox.err").read_text()[-2000:])
            settings |= dict(re.findall(r"(BULKSTART_[A-Z_]+)=[\"']?([^\"'\s]+)", line))
        yield Portal(folder, settings)
    finally:
        server.terminate()
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(5)


class Command:
    """The program, started once; what it says goes to files, so that it may be killed at any moment."""

    def __init__(self, portal: Portal, words: list[str], extra: dict[str, str] | None = None) -> None:
        self.words = [word.replace("RUNDIR", str(portal.folder)) for word in words]
        portal.commands += 1
        self.out, self.err = (portal.folder / f"command{portal.commands}.{name}" for name in ("out", "err"))
        journal = {"BULKSTART_JOURNAL": str(portal.folder / f"journal{portal.journal}.sqlite")}
        self.env = environment(portal.folder) | portal.settings | journal | (extra or {})
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bulkstart", *self.words, "--json"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=self.env,
                cwd=portal.folder,
            )

    @property
    def told(self) -> str:
        said = self.err.read_text(encoding="utf-8", errors="replace")[-3000:]
        return f"bulkstart {' '.join(self.words)}\nexit {self.process.returncode}\n{said}"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def answer(self, keys: frozenset[str] = KEYS) -> Json:
        """Wait for the end; the answer must be one JSON object that agrees with the exit code."""
        try:
            self.process.wait(BOUND)
        except subprocess.TimeoutExpired:
            self.kill()
            pytest.fail(f"still running after {BOUND} s\n{self.told}")
        said, told = self.out.read_text(encoding="utf-8"), self.told
        try:
            answer = json.loads(said)
        except ValueError:
            pytest.fail(f"standard output is not one JSON object: {said[:500]!r}\n{told}")
        assert isinstance(answer, dict), told
        missing = keys - answer.keys()
        assert not missing, f"--json lacks {missing}\n{told}"
        assert answer["exitCode"] == self.process.returncode, told
        for secret in ("BULKSTART_API_KEY", "BULKSTART_SESSION_TOKEN"):
            if self.env.get(secret):
                assert self.env[secret] not in said + self.err.read_text(encoding="utf-8"), f"{secret} was printed"
        return answer | {"told": told}


def tool(portal: Portal, words: list[str], extra: dict[str, str] | None = None) -> Json:
    """Run the program once, to its end."""
    return Command(portal, words, extra).answer()


# -- results files ------------------------------------------------------------------------------


@dataclass
class Line:
    """One row of a results file: how far below the header it stands, its own cells, its new cells."""

    below: int
    own: list[Any]
    six: dict[str, str]
    body: str = ""
    regular: bool = True


@dataclass
class Results:
    headers: list[str]
    lines: list[Line] = field(default_factory=list)


def text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def read_csv(path: Path, encodings: list[str], delimiter: str) -> list[list[Any]]:
    raw = path.read_bytes()
    found = "utf-8-sig" if raw.startswith(b"\xef\xbb\xbf") else "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else None
    if found is None:
        plain = [name for name in encodings if name not in ("utf-8-sig", "utf-16")]
        assert plain, f"{path.name} should begin with a byte order mark ({encodings})"
        found = plain[0]
    assert found in encodings, f"{path.name} is {found}, expected one of {encodings}"
    return list(csv.reader(io.StringIO(raw.decode(found), newline=""), delimiter=delimiter))


def read_tabs(path: Path) -> list[list[list[Any]]]:
    book = openpyxl.load_workbook(path)
    return [
        [list(row) for row in tab.iter_rows(values_only=True)]
        for tab in book.worksheets
        if tab.sheet_state == "visible" and tab.title != "Failed rows"
    ]


def read_results(path: Path, case: Json) -> Results:
    tables = (
        read_tabs(path)
        if path.suffix == ".xlsx"
        else [read_csv(path, case.get("encodings", ["utf-8-sig"]), case.get("delimiter", ";"))]
    )
    for table in tables:
        for top, header in enumerate(table):
            names = [text(cell) for cell in header]
            if "startStatus" in names:
                return _below(table, top, names)
    pytest.fail(f"{path.name} has no row with startStatus")


def _below(table: list[list[Any]], top: int, names: list[str]) -> Results:
    first = names.index("startStatus")
    assert names.count("startStatus") == 1, f"two startStatus columns: {names}"
    assert names[first : first + 6] == SIX, f"the six columns stand in another order: {names}"
    width = 7 if names[first + 6 : first + 7] == ["requestBody"] else 6
    assert not any(names[first + width :]), f"columns after the results: {names}"
    results = Results(names[:first])
    for below, cells in enumerate(table[top + 1 :], start=1):
        if not any(text(cell) for cell in cells):
            continue
        regular = len(cells) == len(names) or not isinstance(cells[0], str)
        tail = cells[first : first + width] if len(cells) >= len(names) else cells[-width:]
        new = [text(cell) for cell in tail] + [""] * (width - len(tail))
        results.lines.append(
            Line(below, cells[:first], dict(zip(SIX, new[:6], strict=True)), new[6] if width == 7 else "", regular)
        )
    return results


def promises(line: Line, where: str) -> None:
    """What IF 2 says of every row of every results file."""
    six = line.six
    assert six["startStatus"] in STATUSES, f"{where}: {six}"
    if six["startStatus"] == "planned":
        assert not six["workflowId"], f"{where}: {six}"
    else:
        assert bool(six["workflowId"]) != bool(six["errorCode"]), (
            f"{where}: a workflowId or an errorCode, never both, never neither: {six}"
        )
    assert bool(six["workflowId"]) == (six["startStatus"] in ("started", "already_started")), f"{where}: {six}"
    if six["errorCode"]:
        assert six["errorMessage"].strip(), f"{where}: an error without a sentence: {six}"
    assert re.fullmatch(r"\d+", six["attempts"]), f"{where}: attempts is an integer: {six}"
    for name, value in six.items():
        assert not value.startswith(("=", "+", "-", "@", "\t", "\r")), f"{where}: {name} could become a formula: {value!r}"
    if six["startStatus"] == "started":
        moment = dt.datetime.fromisoformat(six["startedAt"])
        assert moment.utcoffset() == dt.timedelta(0), f"{where}: startedAt is not UTC: {six}"
    elif six["startStatus"] != "already_started":
        assert not six["startedAt"], f"{where}: {six}"


def tally(results: Results, answer: Json, where: str) -> None:
    counts = Counter(line.six["startStatus"] for line in results.lines)
    told = {status: number for status, number in answer["counts"].items() if number}
    assert told == dict(counts), f"{where}: --json counts {told}, results file {dict(counts)}"
    assert answer["rows"] == len(results.lines), f"{where}: rows {answer['rows']}, results file {len(results.lines)}"


# -- the truth ----------------------------------------------------------------------------------


def entity(line: Json) -> str:
    return f"{line['entityType']}:{line['entityId']}"


def no_double_start(portal: Portal, released: frozenset[int] | set[int] = frozenset()) -> None:
    """Over the whole life of the portal: one intent, one commit; more only where a person released the doubt."""
    seen = Counter(
        (line["templateId"], entity(line), json.dumps(line["parameters"] or {}, sort_keys=True))
        for line in portal.ledger()
        if line["kind"] == "commit" and line["entityId"] not in released
    )
    twice = [key for key, number in seen.items() if number > 1]
    assert not twice, f"started twice: {twice}"


def matches_commit(line: Line, new: list[Json], wanted: str, where: str) -> Json:
    """A started row: exactly one commit carries its id, and it is that entity, at that moment."""
    commits = [entry for entry in new if entry["kind"] == "commit" and entry["workflowId"] == line.six["workflowId"]]
    assert len(commits) == 1, f"{where}: says started as {line.six['workflowId']}; commits with that id: {commits}"
    commit = commits[0]
    assert entity(commit) == wanted, f"{where}: expected {wanted}, the portal started {entity(commit)}"
    arrival = next(entry for entry in new if entry["kind"] == "arrival" and entry["n"] == commit["n"])
    moment = dt.datetime.fromisoformat(line.six["startedAt"]).timestamp()
    assert abs(moment - arrival["time"]) <= 2, (
        f"{where}: startedAt {line.six['startedAt']}, the request arrived at {arrival['time']}"
    )
    return commit


def wire(new: list[Json], most: int = 10) -> None:
    """At no moment more than ``most`` starts between arrival and answer (IF 1 --max-unknown)."""
    ends = {entry["n"]: entry["mono"] for entry in new if entry["kind"] == "answer" and entry["done"] == "sent"}
    moves = sorted(
        [(entry["mono"], 1) for entry in new if entry["kind"] == "arrival" and entry["n"] in ends]
        + [(moment, -1) for moment in ends.values()]
    )
    on = 0
    for _, move in moves:
        on += move
        assert on <= most, f"{on} starts on the wire at once, --max-unknown is {most}"


# -- sheets -------------------------------------------------------------------------------------

SHEETS = sorted(FOREIGN.glob("sheets/*.expect.json"))


def alternatives(record: Json, mode: str, step: Json, memory: dict[int, Line]) -> list[Json]:
    """What this row may say after a step of this kind; any one of them is right."""
    stopped = {"status": ["not_attempted"], "code": "SHEET_HAS_PROBLEMS"}
    if mode == "whole" or record.get("whole"):
        return [stopped]
    if mode == "changed" and record.get("good") == step["changed"]["entity"]:
        return [{"status": ["invalid"], "code": step["changed"]["code"]}]
    kept: list[Json] = []
    if "is" in record:
        kept = [{"status": [record["is"]], "workflow": record.get("workflow")}]
        return [*kept, stopped] if mode == "stopped" else kept
    if "not_started" in record:
        return [{"status": record["not_started"]}, *([stopped] if mode == "stopped" else [])]
    choices: list[Json] = []
    if "bad" in record:
        choices.append(_problem(record["bad"]))
    if "either" in record:
        choices.append(_problem(record["either"]["bad"]))
    wanted = record.get("good") or record.get("either", {}).get("good")
    if wanted and mode == "stopped":
        choices.append(stopped)
    elif wanted and mode == "start":
        choices.append({"status": ["started"], "entity": wanted})
    elif wanted and mode == "dry":
        choices.append({"status": ["planned"], "entity": wanted})
    elif wanted and memory[record["row"]].six["startStatus"] in ("started", "already_started"):
        choices = [{"status": ["already_started"], "workflow": memory[record["row"]].six["workflowId"]}]
    return choices


def _problem(bad: Json) -> Json:
    return {"status": [bad["status"]], "code": None if bad["code"] == "any" else bad["code"]}


def fits(line: Line, choice: Json) -> bool:
    return (
        line.six["startStatus"] in choice["status"]
        and choice.get("code") in (None, line.six["errorCode"])
        and choice.get("workflow") in (None, line.six["workflowId"])
    )


def check_problems(case: Json, step: Json, answer: Json) -> None:
    """Every bad row is named with its column, no good row is named."""
    shifts = case.get("row_shift", [0])
    problems = answer["problems"]
    for problem in problems:
        assert all(problem[name] for name in ("code", "message")), f"a problem without code or sentence: {problem}"
        assert problem["column"] not in case.get("quiet_columns", ["-"]), f"a phantom column is reported: {problem}"
    if step["do"] == "whole" or any(record.get("whole") for record in case["rows"]):
        assert problems, "a problem of the whole sheet, and none is listed"
        return
    for record in case["rows"]:
        mine = [problem for problem in problems if problem["row"] in [record["row"] + shift for shift in shifts]]
        where = f"row {record['row']} ({case['because'][record['why']]})"
        if "good" in record and shifts == [0] and step["do"] != "changed":
            assert not mine, f"{where}: is fit, yet {mine}"
        if "bad" in record:
            assert mine, f"{where}: no problem listed"
            if record["bad"]["code"] != "any":
                assert record["bad"]["code"] in [problem["code"] for problem in mine], f"{where}: {mine}"
            column = record["bad"]["column"]
            if column:
                assert any(re.match(rf"{column}\b", text(problem["column"])) for problem in mine), (
                    f"{where}: column {column} expected: {mine}"
                )
        if step["do"] == "changed" and record.get("good") == step["changed"]["entity"]:
            assert step["changed"]["code"] in [problem["code"] for problem in mine], f"{where}: {problems}"


def check_sheet_rows(case: Json, step: Json, results: Results, new: list[Json], memory: dict[int, Line]) -> dict[int, Line]:
    records = case["rows"]
    if any(record.get("whole") for record in records):  # no header is known, so only the statuses are
        assert len(results.lines) >= len(records)
        for line in results.lines:
            assert fits(line, alternatives(records[0], step["do"], step, memory)[0]), line.six
        return {}
    assert len(results.lines) == len(records), f"{len(records)} rows went in, {len(results.lines)} came out"
    told: dict[int, Line] = {}
    for record, line in zip(records, results.lines, strict=True):
        where = f"row {record['row']} ({case['because'][record['why']]})"
        promises(line, where)
        assert line.below == record["row"] - case["table"]["header_row"], f"{where}: not in place in the results file"
        choices = [choice for choice in alternatives(record, step["do"], step, memory) if fits(line, choice)]
        assert choices, f"{where}: {line.six}, expected {alternatives(record, step['do'], step, memory)}"
        if line.six["startStatus"] == "started":
            commit = matches_commit(line, new, choices[0]["entity"], where)
            if "template" in record:
                assert commit["templateId"] == record["template"], f"{where}: template {commit['templateId']}"
            if "parameters" in record:
                assert (commit["parameters"] or {}) == record["parameters"], f"{where}: sent {commit['parameters']}"
        if line.six["startStatus"] == "planned":
            body = json.loads(line.body)
            kind, ident = choices[0]["entity"].split(":")
            wanted = {"templateId": record.get("template", body["templateId"]), "entityType": kind, "entityId": int(ident)}
            assert {name: body[name] for name in wanted} == wanted, f"{where}: {body}"
            assert all(type(body[name]) is int for name in ("templateId", "entityId")), f"{where}: numbers, please: {body}"
            if "parameters" in record:
                assert body.get("parameters", {}) == record["parameters"], f"{where}: {body}"
        told[record["row"]] = line
    attempts = sum(int(line.six["attempts"]) for line in results.lines)
    arrivals = sum(entry["kind"] == "arrival" for entry in new)
    assert attempts == arrivals, f"attempts sum to {attempts}, {arrivals} start requests arrived"
    return told


def check_own_columns(case: Json, sheet: Path, results: Results) -> None:
    """IF 2: the user's own columns untouched."""
    top = case["table"]["header_row"]
    if sheet.suffix == ".xlsx":
        table = [list(row) for row in openpyxl.load_workbook(sheet)[case["table"]["tab"]].iter_rows(values_only=True)]
    else:
        table = [
            row
            for row in read_csv(sheet, case["encodings"], case["delimiter"])
            if not (len(row) == 1 and row[0].startswith("sep="))
        ]
    names = [text(cell).strip("\ufeff") for cell in table[top - 1]]
    for line in results.lines:
        before = table[top - 1 + line.below]
        if not line.regular or len(before) != len(names):
            continue
        pairs = dict(zip(results.headers, line.own, strict=False)) if sheet.suffix == ".xlsx" else None
        for at, name in enumerate(names):
            if not name or name in SIX or names.count(name) > 1:
                continue
            had = before[at]
            if sheet.suffix == ".xlsx" and (
                not isinstance(had, str | int) or isinstance(had, bool) or text(had).startswith(("=", "#"))
            ):
                continue  # dates, errors and formulas may be written in more than one right way
            has = pairs.get(name) if pairs is not None else line.own[at]
            assert text(has) == text(had), f"{top + line.below}, {name}: was {had!r}, is {has!r}"


def edited(source: Path, target: Path, edit: Json, case: Json) -> None:
    raw = source.read_bytes()
    encoding = next(name for name in ("utf-8", "cp1251") if name == "cp1251" or _decodes(raw))
    body = raw.decode(encoding)
    assert edit["find"] in body, f"{source.name} does not hold {edit['find']!r}"
    target.write_bytes(body.replace(edit["find"], edit["put"], 1).encode(encoding))


def _decodes(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.parametrize("path", SHEETS, ids=lambda path: path.name.removesuffix(".expect.json"))
def test_a_foreign_sheet_becomes_what_the_pages_say(path: Path, tmp_path: Path) -> None:
    case = load(path)
    name = path.name.removesuffix(".expect.json")
    sheet = tmp_path / name
    shutil.copy(path.with_name(name), sheet)
    before = sheet.read_bytes()
    memory: dict[int, Line] = {}
    last = sheet
    with sandbox(tmp_path, load(FOREIGN / "portal.json")) as portal:
        for step in case["steps"]:
            source = sheet
            if "edit" in step:
                source = tmp_path / f"edited{sheet.suffix}"
                edited(last if step["from"] == "results" else sheet, source, step["edit"], case)
            told = sheet_step(case, step, portal, source, memory)
            if told is not None:
                last, lines = told
                memory = lines if step["do"] == "start" else memory
            assert sheet.read_bytes() == before, "the input file changed"
        everything = portal.ledger()
        forbidden = set(case["never"])
        touched = [entry for entry in everything if entry["entityId"] in forbidden]
        assert not touched, f"must never be sent ({case['because'][case['never_because']]}): {touched[:3]}"
        assert not [entry for entry in everything if entry["templateId"] in case.get("never_templates", [])]
        no_double_start(portal)


def sheet_step(
    case: Json, step: Json, portal: Portal, source: Path, memory: dict[int, Line]
) -> tuple[Path, dict[int, Line]] | None:
    mode = step["do"]
    if mode == "check":
        answer = tool(portal, ["check", str(source), *step["options"]])
        assert answer["exitCode"] == step["exit"], answer["told"]
        assert not portal.fresh(), "check sent a start"
        check_problems(case, step, answer)
        return None
    words = [str(source), *step["options"], "--yes", "--no-reconcile", *FAST, *(["--dry-run"] if mode == "dry" else [])]
    answer = tool(portal, words)
    assert answer["exitCode"] == step["exit"], f"{step.get('because', '')}\n{answer['told']}"
    assert answer["results"], f"no results were written\n{answer['told']}"
    path = Path(answer["results"]) if Path(answer["results"]).is_absolute() else portal.folder / answer["results"]
    if "output_name" in step:
        assert path.name == step["output_name"], path.name
    assert path != source
    new = portal.fresh()
    if mode in ("whole", "stopped", "dry"):
        assert not new, f"a start was sent: {new[0]}"
    if mode in ("again", "changed"):
        assert not [entry for entry in new if entry["kind"] == "commit"], "something was started twice, or at all"
    wire(new)
    results = read_results(path, case)
    tally(results, answer, mode)
    if mode not in ("again", "dry"):
        check_problems(case, step, answer)
    lines = check_sheet_rows(case, step, results, new, memory)
    if "edit" not in step and not any(record.get("whole") for record in case["rows"]):
        check_own_columns(case, source, results)
    return path, lines


# -- header sets --------------------------------------------------------------------------------

HEADERS = [(path, number) for path in sorted(FOREIGN.glob("headers/*.json")) for number in range(len(load(path)["variants"]))]
ROWS = range(2, 6)


def letter(at: int) -> str:
    return chr(ord("A") + at)


def cell(case: Json, at: int, row: int) -> str:
    """Every column could be an id column: the number tells which column and row it came from."""
    return case["cells"].get(letter(at), str((at + 1) * 10000 + row))


def make_sheet(case: Json, headers: list[str], folder: Path) -> Path:
    table = [[cell(case, at, row) for at in range(len(headers))] for row in ROWS]
    if case["file"] == "xlsx":
        book = openpyxl.Workbook()
        assert book.active is not None
        book.active.append(headers)
        for line in table:
            book.active.append([int(value) if value.isdigit() else value for value in line])
        book.save(folder / "headers.xlsx")
        return folder / "headers.xlsx"
    with (folder / "headers.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=";").writerows([headers, *table])
    return folder / "headers.csv"


def source_of(case: Json, feed: str | Json, row: int) -> str:
    return str(feed["value"]) if isinstance(feed, dict) else cell(case, ord(feed) - ord("A"), row)


def check_mapping(case: Json, mapping: Json, results: Results) -> list[str]:
    assert len(results.lines) == len(ROWS)
    entities = []
    for row, line in zip(ROWS, results.lines, strict=True):
        promises(line, f"row {row}")
        body = json.loads(line.body)
        for name in ("entityId", "entityType", "templateId"):
            assert str(body[name]) == source_of(case, mapping[name], row), (
                f"row {row}: {name} is {body[name]!r}, expected from {mapping[name]}"
            )
        wanted = {name: source_of(case, feed, row) for name, feed in mapping["parameters"].items()}
        assert body.get("parameters", {}) == wanted, f"row {row}: parameters {body.get('parameters')}, expected {wanted}"
        entities.append(f"{body['entityType']}:{body['entityId']}")
    return entities


@pytest.mark.parametrize(("path", "number"), HEADERS, ids=lambda value: value.stem if isinstance(value, Path) else str(value))
def test_foreign_headers_feed_what_the_pages_say(path: Path, number: int, tmp_path: Path) -> None:
    case = load(path)
    variant = case["variants"][number]
    choices = variant["expect"].get("one_of", [variant["expect"]])
    sheet = make_sheet(case, variant.get("headers", case["headers"]), tmp_path)
    main = [str(sheet), *variant["options"], "--yes", *FAST]
    with sandbox(tmp_path, load(FOREIGN / "portal.json") | case.get("scenario", {})) as portal:
        dry = tool(portal, [*main, "--dry-run"])
        assert not portal.fresh(), "a dry run sent a start"
        right = [choice for choice in choices if dry["exitCode"] in choice.get("refuse", [0])]
        assert right, f"{variant['because']}: exit {dry['exitCode']}\n{dry['told']}"
        choice = right[0]
        if "refuse" in choice:
            for more in [[], *([["--skip-invalid"]] if choice.get("whole") else [])]:
                answer = tool(portal, [*main, *more])
                assert answer["exitCode"] in choice["refuse"], f"{variant['because']}\n{answer['told']}"
                assert answer["exitCode"] == 2 or answer["problems"], "refused without a problem"
        else:
            if number == 0:
                checked = tool(portal, ["check", str(sheet), *variant["options"]])
                assert checked["exitCode"] == 0, f"{variant['because']}\n{checked['told']}"
            entities = check_mapping(case, choice["mapping"], read_results(tmp_path / dry["results"], {}))
            if variant.get("real"):
                answer = tool(portal, main)
                assert answer["exitCode"] == 0, answer["told"]
                assert sorted(entity(entry) for entry in portal.ledger() if entry["kind"] == "commit") == sorted(entities)
        if not variant.get("real") or "refuse" in choice:
            assert not portal.ledger(), f"a start was sent: {portal.ledger()[0]}"
        never = {ord(name) - ord("A") + 1 for name in variant.get("never", case["never"])}
        allowed = {
            ord(c["mapping"]["entityId"]) - ord("A") + 1 for c in choices if isinstance(c.get("mapping", {}).get("entityId"), str)
        }
        wrong = [entry for entry in portal.ledger() if entry["entityId"] // 10000 in never - allowed]
        assert not wrong, f"an id from a column that is no id column: {wrong[0]}"


# -- scenarios ----------------------------------------------------------------------------------


def runs_of(kind: str) -> list[tuple[Path, str]]:
    paths = [path for path in sorted(FOREIGN.glob("scenarios/*.expect.json")) if load(path).get("kind", "answers") == kind]
    return [(path, run["name"]) for path in paths for run in load(path)["runs"]]


def named(value: object) -> str:
    return value.name.removesuffix(".expect.json") if isinstance(value, Path) else str(value)


SCENARIOS = runs_of("answers")
Found = list[tuple[int, Line]]  # entity id, its row of the results file; in the file's order


def ids(wanted: list[Any]) -> set[int]:
    found: set[int] = set()
    for item in wanted:
        found |= set(range(item[0], item[1] + 1)) if isinstance(item, list) else {item}
    return found


def between(value: int, wanted: Any) -> bool:
    low, high = wanted if isinstance(wanted, list) else (wanted, wanted)
    return (low is None or value >= low) and (high is None or value <= high)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def scenario_table(plan: Json) -> list[list[str]]:
    """The sheet of a scenario, its header first; ``twice`` puts a second row of an entity, with another note, at the end."""
    templates, notes = plan.get("templates"), plan.get("notes")
    table = [["ID", "Название сделки", *(["param:note"] if notes else []), *(["templateId"] if templates else [])]]
    idents = [*range(plan["first"], plan["first"] + plan["rows"]), *plan.get("twice", [])]
    for number, ident in enumerate(idents):
        note = f"{notes} {ident}" + (" (2)" if number >= plan["rows"] else "")
        template = [str(templates[number % len(templates)])] if templates else []
        table.append([str(ident), f"Сделка {number + 1}", *([note] if notes else []), *template])
    return table


def write_table(table: list[list[str]], path: Path) -> Path:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=";").writerows(table)
    return path


def throttled(entry: Json) -> bool:
    return entry["kind"] == "answer" and (entry["status"] == 429 or entry["code"] == "RATE_LIMITED")


def check_hold(new: list[Json], span: list[float]) -> None:
    """After a throttled answer nobody may start anything in this span of seconds."""
    arrivals = [entry["mono"] for entry in new if entry["kind"] == "arrival"]
    for refusal in (entry for entry in new if throttled(entry)):
        early = [moment - refusal["mono"] for moment in arrivals if span[0] <= moment - refusal["mono"] <= span[1]]
        assert not early, f"a start left {early[0]:.2f} s after RATE_LIMITED"


def check_truth(portal: Portal, found: Found, new: list[Json], unseen: set[int]) -> None:
    """Row by row against the ledger, of this step and of the portal's whole life."""
    life = [entry for entry in portal.ledger() if entry["kind"] == "commit"]
    started = Counter(entry["entityId"] for entry in life)
    arrived = Counter(entry["entityId"] for entry in new if entry["kind"] == "arrival")
    ever = {entry["entityId"] for entry in portal.ledger() if entry["kind"] == "arrival"}
    for ident, line in found:
        where = f"deal {ident}: {line.six}"
        promises(line, where)
        assert text(line.own[0]) == str(ident), f"{where}: another row's place"
        status = line.six["startStatus"]
        if status == "started":
            matches_commit(line, new, f"deal:{ident}", where)
        if status == "already_started":
            assert [entry["workflowId"] for entry in life if entry["entityId"] == ident] == [line.six["workflowId"]], where
            assert not arrived[ident], f"{where}: was sent again"
        if status in UNSTARTED:
            assert not started[ident], f"{where}: but the portal started it"
        if ident not in unseen:
            assert status != "in_doubt" or ident in ever, f"{where}: in doubt, yet no request for it ever arrived"
            assert int(line.six["attempts"]) == arrived[ident], f"{where}: {arrived[ident]} requests arrived"
    no_double_start(portal)


def check_expectation(wanted: Json, answer: Json, found: Found, new: list[Json], portal: Portal) -> None:
    why = answer["why"]
    assert answer["exitCode"] in listed(wanted["exit"]), why
    counts = Counter(line.six["startStatus"] for _, line in found)
    for status, number in wanted.get("counts", {}).items():
        assert between(counts[status], number), f"{status}: {counts[status]}, expected {number}; all: {dict(counts)}\n{why}"
    sent = sum(entry["kind"] == "arrival" for entry in new)
    if "starts_sent" in wanted:
        assert between(sent, wanted["starts_sent"]), f"{sent} starts were sent, expected {wanted['starts_sent']}\n{why}"
    life = Counter(entry["entityId"] for entry in portal.ledger() if entry["kind"] == "commit")
    special: set[int] = set()
    for group in wanted.get("rows", []):
        special |= ids(group["entities"])
        assert not ids(group["entities"]) - {ident for ident, _ in found}, f"{group['entities']} are not all in the file\n{why}"
        for ident, line in found:
            if ident in ids(group["entities"]):
                check_row(line, ident, group, life[ident], why)
    for ident, line in found:
        if ident not in special:
            assert line.six["startStatus"] in listed(wanted["others"]), f"deal {ident}: {line.six}\n{why}"
        if line.six["startStatus"] == "in_doubt" and "doubt_commits" in wanted:
            assert life[ident] in wanted["doubt_commits"], f"deal {ident}: {life[ident]} commits, {line.six}\n{why}"
    check_codes(wanted, [line.six for _, line in found], why)
    if "throttled" in wanted:
        refusals = sum(throttled(entry) or (entry["kind"] == "answer" and entry["code"] == "BITRIX_ERROR") for entry in new)
        assert between(refusals, wanted["throttled"]), f"{refusals} throttled answers, expected {wanted['throttled']}"
    if "hold" in wanted:
        check_hold(new, wanted["hold"])
    if wanted.get("portal_is_loopback"):
        assert answer["portal"] == portal.address, f"{answer['portal']}, expected {portal.address}\n{why}"


def check_codes(wanted: Json, said: list[dict[str, str]], why: str) -> None:
    for status, codes in wanted.get("codes", {}).items():
        odd = [six for six in said if six["startStatus"] == status and six["errorCode"] not in codes]
        assert not odd, f"{status} with another code than {codes}: {odd[0]}\n{why}"
    for status, code in wanted.get("seen", {}).items():
        assert any(six["startStatus"] == status and six["errorCode"] == code for six in said), (
            f"no {status} row says {code}\n{why}"
        )


def await_late_commits(portal: Portal, step: Json) -> None:
    """A portal may commit after its answer (``commit_after``), even after the tool has ended: give it ten seconds for that."""
    groups = [group for choice in (step, *step.get("one_of", [])) for group in choice.get("rows", []) if group.get("commits")]
    due = {ident for group in groups for ident in ids(group["entities"])}
    until(lambda: not due - {entry["entityId"] for entry in portal.ledger() if entry["kind"] == "commit"}, 10)


def until(come: Callable[[], bool], seconds: float) -> bool:
    """Look often whether something has come, for so many seconds; whether it did."""
    deadline = time.monotonic() + seconds
    while not (done := come()) and time.monotonic() < deadline:
        select.select([], [], [], 0.005)
    return done


def check_row(line: Line, ident: int, group: Json, commits: int, why: str) -> None:
    where = f"deal {ident}: {line.six}"
    assert line.six["startStatus"] in listed(group["status"]), f"{where}, expected {group['status']}\n{why}"
    code = group.get("code", "any")
    assert code == "any" or line.six["errorCode"] in code, f"{where}, expected {code}\n{why}"
    if "commits" in group:
        assert commits == group["commits"], (
            f"{where}: the portal started it {commits} times, the scenario says {group['commits']}"
        )
    if group.get("attempts", "any") != "any":
        assert line.six["attempts"] == str(group["attempts"]), f"{where}, expected {group['attempts']} attempts\n{why}"
    if "message" in group:
        assert re.search(group["message"], line.six["errorMessage"], re.IGNORECASE), (
            f"{where}, expected a message with {group['message']!r}\n{why}"
        )
    if group.get("message_names_it"):
        assert str(ident) in line.six["errorMessage"], f"{where}, the message should say where to look\n{why}"


@pytest.mark.parametrize(("path", "name"), SCENARIOS, ids=named)
def test_a_foreign_scenario_ends_as_the_pages_say(path: Path, name: str, tmp_path: Path) -> None:
    run = next(run for run in load(path)["runs"] if run["name"] == name)
    scenario = load(path.with_name(path.name.replace(".expect.json", ".json"))) | run.get("patch", {})
    sheet = write_table(scenario_table(run["sheet"]), tmp_path / "rows.csv")
    first = run["sheet"]["first"]
    last = sheet
    with sandbox(tmp_path, scenario) as portal:
        for step in run["steps"]:
            if step.get("journal") == "fresh":
                portal.journal += 1
            source = last if step.get("input") == "results" else sheet
            template = [] if step.get("template") is False else ["--template", "713"]
            words = [str(source), *template, "--entity-type", "deal", *step["options"], "--yes", "--no-reconcile"]
            answer = tool(portal, words, step.get("env"))
            answer |= {"why": f"{step['because']}\n{answer['told']}"}
            assert answer["results"], f"no results were written\n{answer['told']}"
            last = tmp_path / answer["results"]
            await_late_commits(portal, step)
            new = portal.fresh()
            results = read_results(last, {})
            assert len(results.lines) == run["sheet"]["rows"]
            tally(results, answer, name)
            wanted = next((choice for choice in step.get("one_of", []) if answer["exitCode"] in listed(choice["exit"])), step)
            assert "exit" in wanted, f"{step['because']}\n{answer['told']}"
            unseen = {ident for group in wanted["rows"] if group.get("attempts") == "any" for ident in ids(group["entities"])}
            found = list(enumerate(results.lines, start=first))
            check_expectation(wanted, answer, found, new, portal)
            check_truth(portal, found, new, unseen)
            wire(new)


# -- crashes and doubts -------------------------------------------------------------------------

FAULTS = runs_of("crashes and doubts")
Key = tuple[int, str]  # entity id and note: one intent


@dataclass
class Affair:
    """One portal and one sheet, through a crash or a doubt and what follows it."""

    portal: Portal
    table: list[list[str]]
    options: Json  # command -> options that each of its steps adds
    last: Path
    run: str = ""
    began: int = 0  # ledger lines that stood there before the present run
    crashed: bool = False
    released: set[int] = field(default_factory=set)
    told: dict[Key, dict[str, str]] = field(default_factory=dict)

    @property
    def sheet(self) -> Path:
        return self.portal.folder / "rows.csv"

    def words(self, step: Json) -> list[str]:
        command = step.get("of", step["do"])
        if command == "start":
            source = self.last if step.get("input") == "results" else self.sheet
            template = [] if "templateId" in self.table[0] else ["--template", "713"]
            base = [str(source), *template, "--entity-type", "deal", "--no-reconcile"]
        else:
            base = [command, *([self.run if step["run"] == "known" else step["run"]] if "run" in step else [])]
        silent = [] if command == "reconcile" or step.get("without_yes") else ["--yes"]
        return [*base, *self.options.get(command, []), *step.get("options", []), *silent]

    def begin(self, step: Json) -> None:
        """What a step says before its command is run: another journal, doubts that a person releases, a new run."""
        self.portal.journal += step.get("journal") == "fresh"
        self.released |= ids(step.get("released", []))
        if step.get("of", step["do"]) == "start":
            self.began = self.portal.seen


def commit_key(entry: Json) -> Key:
    return entry["entityId"], str((entry["parameters"] or {}).get("note", ""))


def row_key(header: list[str], row: list[Any]) -> Key:
    return int(text(row[0])), text(row[2]) if header[2:3] == ["param:note"] else ""


def paired(affair: Affair, results: Results) -> list[tuple[Key, Line]]:
    """Each row of the results file with its intent: one output row for each input row, same order, own columns untouched."""
    header, *rows = affair.table
    assert len(results.lines) == len(rows), f"{len(rows)} rows in the sheet, {len(results.lines)} in the results"
    if affair.sheet.exists():
        assert results.headers == header, f"own columns {results.headers}, the sheet has {header}"
        for line, row in zip(results.lines, rows, strict=True):
            assert [text(cell) for cell in line.own] == row, f"{line.own}: the sheet says {row}"
    by_id = {text(row[0]): row for row in rows}
    found = []
    for line, row in zip(results.lines, rows, strict=True):  # a sheet that is gone: by the id where one is shown, else by place
        shown = [by_id[text(cell)] for cell in line.own if text(cell) in by_id]
        found.append((row_key(header, row if affair.sheet.exists() else next(iter(shown), row)), line))
    return found


def state_exits(lines: list[Line]) -> list[int]:
    """The exit codes that fit what the rows say (IF 1: 6, 5, 4 in this order; LIMIT changes nothing)."""
    said = Counter(line.six["startStatus"] for line in lines)
    reasons = {line.six["errorCode"] for line in lines if line.six["startStatus"] == "not_attempted"}
    if reasons - {"LIMIT", "NOT_IN_RUN"}:
        return [6]
    code = 5 if said["in_doubt"] else 4 if said.keys() & (UNSTARTED - {"not_attempted"}) else 0
    return [code, *([6] if "NOT_IN_RUN" in reasons else [])]  # whether a row that came later counts is not said


def check_fault_truth(affair: Affair, found: list[tuple[Key, Line]], new: list[Json], *, racing: bool = False) -> None:
    """Row by row against the ledger: no second commit, no other id than the ledger's, no started row that says it was not."""
    ledger = affair.portal.ledger()
    commits: dict[Key, list[str]] = {}
    for entry in ledger:
        if entry["kind"] == "commit":
            commits.setdefault(commit_key(entry), []).append(entry["workflowId"])
    step, run, ever = (
        Counter(commit_key(entry) for entry in lines if entry["kind"] == "arrival")
        for lines in (new, ledger[affair.began :], ledger)
    )
    for key, line in found:
        where, status = f"deal {key[0]}, {key[1]!r}: {line.six}", line.six["startStatus"]
        promises(line, where)
        started = commits.get(key, [])
        if status in ("started", "already_started"):
            assert line.six["workflowId"] in started, f"{where}: the portal's ids of this row are {started}"
        if status == "started":
            matches_commit(line, ledger, f"deal:{key[0]}", where)
        if status == "already_started" and not racing:
            assert not step[key], f"{where}: was sent again"
        if status in UNSTARTED and not (racing and line.six["errorCode"] in ("CLAIMED_BY_RUN", "LIMIT")):  # the other's rows
            assert not started, f"{where}: but the portal started it: {started}"
        if status == "in_doubt" and not affair.crashed:
            assert ever[key], f"{where}: in doubt, yet no request for it ever arrived"
        if not racing and not (status == "in_doubt" and affair.crashed):  # killed on the way: left, and perhaps never arrived
            assert int(line.six["attempts"]) in {step[key], run[key]}, f"{where}: {step[key]} arrived now, {run[key]} in its run"
    strangers = step.keys() - {key for key, _ in found}
    if affair.crashed:  # killed between a request's head and its body: it arrived in part, without the row it was for
        strangers.discard((None, ""))
    assert not strangers, f"sent, yet in no row of the results: {strangers}"
    no_double_start(affair.portal, affair.released)


def check_kept(affair: Affair, wanted: Json, found: list[tuple[Key, Line]], why: str) -> None:
    """What a row said in the last results file and must say again."""
    for group in wanted.get("rows", []):
        for key, line in found:
            if key[0] in ids(group["entities"]):
                for name in group.get("kept", []):
                    had = affair.told[key][name]
                    assert line.six[name] == had, f"deal {key[0]}: {name} was {had!r}, is {line.six[name]!r}\n{why}"


def sniffed(path: Path) -> str:
    """Results of a sheet that is gone: no page says with which delimiter."""
    first = path.read_text(encoding="utf-8-sig").splitlines()[0]
    return max(";,\t", key=first.count)


def check_file(affair: Affair, step: Json, answer: Json, new: list[Json], *, racing: bool = False) -> None:
    """One results file against the expectation of its step, and against the ledger."""
    affair.last = affair.portal.folder / answer["results"]
    results = read_results(affair.last, {} if affair.sheet.exists() else {"delimiter": sniffed(affair.last)})
    tally(results, answer, step["do"])
    found = paired(affair, results)
    wanted = next((choice for choice in step.get("one_of", []) if answer["exitCode"] in listed(choice["exit"])), step)
    assert "exit" in wanted, answer["why"]
    if wanted["exit"] == "state":
        wanted = wanted | {"exit": state_exits(results.lines)}
    check_expectation(wanted, answer, [(key[0], line) for key, line in found], new, affair.portal)
    check_kept(affair, wanted, found, answer["why"])
    check_fault_truth(affair, found, new, racing=racing)
    if "reported" in step:
        said = " ".join([answer["told"], json.dumps(answer["problems"]), *(line.six["errorMessage"] for line in results.lines)])
        assert re.search(step["reported"], said, re.IGNORECASE), f"{step['reported']!r} is reported nowhere\n{answer['why']}"
    affair.told |= {key: line.six for key, line in found}


def command_step(affair: Affair, step: Json) -> None:
    """``start``, ``resume``, ``reconcile``: run to the end, then compare."""
    affair.begin(step)
    answer = tool(affair.portal, affair.words(step), step.get("env"))
    answer |= {"why": f"{step['because']}\n{answer['told']}"}
    await_late_commits(affair.portal, step)
    new = affair.portal.fresh()
    if answer["results"] is None and step.get("results") in ("none", "optional"):
        assert answer["exitCode"] in listed(step["exit"]), answer["why"]
        assert not new, f"a start was sent: {new[0]}\n{answer['why']}"
        return
    assert answer["results"], f"no results were written\n{answer['why']}"
    check_file(affair, step, answer, new)
    wire(new)
    if "apart" in step:
        check_apart(affair.portal, step["apart"])
    if step["do"] == "start":
        affair.run = answer["run"]


def check_apart(portal: Portal, seconds: float) -> None:
    """Two sends of one row lie at least so far apart."""
    moments: dict[Key, float] = {}
    for entry in portal.ledger():
        if entry["kind"] == "arrival":
            passed = entry["mono"] - moments.get(commit_key(entry), float("-inf"))
            assert passed >= seconds - 0.2, f"deal {entry['entityId']} left again after {passed:.2f} s, settle time {seconds} s"
            moments[commit_key(entry)] = entry["mono"]


def kill_step(affair: Affair, step: Json) -> None:
    """Run a command and kill it with SIGKILL at the nth arrival, commit or answer of the step, or after so many seconds."""
    affair.begin(step)
    portal, known = affair.portal, len(affair.portal.ledger(step.get("on", "start")))
    command = Command(portal, affair.words(step))
    try:
        until(lambda: come(portal, step, known) or command.process.poll() is not None, step.get("for", BOUND))
    finally:
        command.kill()
    if not step.get("may_end"):
        assert come(portal, step, known), f"ended before {step['after']}\n{command.told}"
        assert command.process.returncode < 0, f"ended by itself\n{command.told}"
    affair.crashed = True
    settle(portal)
    new = portal.fresh()
    if "starts_sent" in step:
        sent = sum(entry["kind"] == "arrival" for entry in new)
        assert sent == step["starts_sent"], f"{sent} starts were sent\n{step['because']}\n{command.told}"


def stop_step(affair: Affair, step: Json) -> None:
    """Run a command and send it the named signals, one at each moment; it ends by itself and writes its results."""
    affair.begin(step)
    portal, command = affair.portal, Command(affair.portal, affair.words(step))
    try:
        for name, after in step["signals"]:
            until(lambda after=after: come(portal, {"after": after}, portal.seen) or command.process.poll() is not None, BOUND)
            command.process.send_signal(getattr(signal, name))
        answer = command.answer()
    finally:
        command.kill()
    answer |= {"why": f"{step['because']}\n{answer['told']}"}
    settle(portal)
    affair.crashed |= len(step["signals"]) > 1  # abandoned: a request may have left and never arrived
    assert answer["results"], f"no results were written\n{answer['why']}"
    check_file(affair, step, answer, portal.fresh())
    affair.run = answer["run"]


def come(portal: Portal, step: Json, known: int) -> bool:
    """Whether the ledger shows the moment that this step waits for, behind so many known lines of that endpoint."""
    counts = Counter(entry["kind"] for entry in portal.ledger(step.get("on", "start"))[known:])
    return "after" in step and all(counts[kind] >= number for kind, number in step["after"].items())


def settle(portal: Portal) -> None:
    """Until the portal has done what it was asked before the caller died."""

    def idle() -> bool:
        lines = portal.ledger()
        return {entry["n"] for entry in lines} == {entry["n"] for entry in lines if entry["kind"] == "answer"}

    size = -1
    while size != (size := len(portal.ledger())):
        until(idle, 2)
        until(lambda: False, 0.15)  # what still lies in a socket


def edit_step(affair: Affair, step: Json) -> None:
    """What a person does with the sheet between a crash and what follows."""
    header, *rows = affair.table
    rows = [row for row in rows if int(row[0]) not in ids(step.get("remove", []))]
    rows = [[*row[:2], step.get("notes", {}).get(row[0], row[2]), *row[3:]] for row in rows]
    rows = [[str(ident), "Новая", f"new {ident}"] for ident in step.get("add", [])] + rows
    affair.table = [header, *(rows[::-1] if step.get("reverse") else rows)]
    if step.get("delete"):
        affair.sheet.unlink()
    else:
        write_table(affair.table, affair.sheet)


def runs_step(affair: Affair, step: Json) -> None:
    """``bulkstart runs`` lists the runs; the first one is known from here on."""
    answer = Command(affair.portal, ["runs"]).answer(frozenset({"exitCode"}))  # what else its --json holds is not said
    assert answer["exitCode"] == 0, answer["told"]
    lists = [value for value in answer.values() if isinstance(value, list) and value and isinstance(value[0], dict)]
    names = [name for name in ("id", "run", "run_id") if lists and name in lists[0][0]]
    assert names, f"{step['because']}: no list of runs with ids: {answer}"
    assert len(lists[0]) == step["runs"], f"{step['because']}: {lists[0]}"
    for listed_run in lists[0]:
        for part in (affair.portal.address, affair.sheet.name, "713"):
            assert part in json.dumps(listed_run), f"{step['because']}: {part} is missing in {listed_run}"
    affair.run = str(lists[0][0][names[0]])


def undo_step(affair: Affair, step: Json) -> None:
    """``bulkstart undo``: the running list before and after, and the DELETEs that arrived."""
    portal = affair.portal
    before, known = set(portal.running()), len(portal.ledger("delete"))
    answer = tool(portal, affair.words(step))
    why = f"{step['because']}\n{answer['told']}"
    after, deletes = set(portal.running()), portal.ledger("delete")[known:]
    asked = {entry["path"].split("?")[0].rsplit("/", 1)[-1] for entry in deletes}
    may = {entry["workflowId"] for entry in portal.ledger() if entry["kind"] == "commit"} & before
    must = {six["workflowId"] for six in affair.told.values() if six["startStatus"] == "started"} & before
    assert answer["exitCode"] in listed(step["exit"]), why
    assert not portal.fresh(), f"undo sent a start\n{why}"
    assert asked <= may, f"of others, or not running: {asked - may}\n{why}"
    assert before - after <= asked, f"ended without a word: {before - after - asked}\n{why}"
    if "says" in step:
        assert re.search(step["says"], json.dumps(answer)), f"{step['says']} is not said\n{why}"
    if step.get("silent"):
        assert not deletes, f"DELETEs were sent: {deletes}\n{why}"
        assert after == before, why
        return
    assert must <= asked, f"still run and were not terminated: {must - asked}\n{why}"
    assert between(len(asked), step["stops"]), f"{len(asked)} workflows terminated, expected {step['stops']}\n{why}"
    if answer["exitCode"] == 0:
        assert not must & after, f"exit 0, and still running: {must & after}\n{why}"
    if "erased" in step:
        said = {entry.get("erased") for entry in deletes if entry["kind"] == "answer"}
        assert said == {step["erased"]}, f"erased: {said}, expected {step['erased']}\n{why}"


def race_step(affair: Affair, step: Json) -> None:
    """Two processes on one sheet and one journal at the same time; one of them may be killed."""
    affair.begin(step)
    portal, pair = affair.portal, []
    try:
        for name in ("one", "two"):
            pair.append(Command(portal, [*affair.words(step), *step.get(name, []), "-o", f"RUNDIR/{name}.csv"]))
            until(lambda: come(portal, {"after": step["join"]}, portal.seen) or pair[0].process.poll() is not None, BOUND)
        if "victim" in step:
            victim = pair.pop(step["victim"])
            until(lambda: come(portal, step, portal.seen) or victim.process.poll() is not None, BOUND)
            victim.kill()
            affair.crashed = True
        answers = [command.answer() for command in pair]
    finally:
        for command in pair:
            command.kill()
    settle(portal)
    new = portal.fresh()
    attempts = 0
    for answer in answers:
        answer |= {"why": f"{step['because']}\n{answer['told']}"}
        if answer["results"] is None:
            assert answer["exitCode"] in step.get("may_decline", []), f"no results were written\n{answer['why']}"
            continue
        check_file(affair, step, answer, new, racing=True)
        attempts += sum(int(line.six["attempts"]) for line in read_results(affair.last, {}).lines)
    if step.get("attempts_are_arrivals"):
        assert attempts == sum(entry["kind"] == "arrival" for entry in new), f"the two files tell of {attempts} requests"
    wire(new, 20)


def wait_step(affair: Affair, step: Json) -> None:
    """Until the portal has started so many workflows in its life, or so many seconds have passed."""
    until(lambda: sum(entry["kind"] == "commit" for entry in affair.portal.ledger()) >= step["commits"], 10)
    affair.portal.fresh()


STEPS: dict[str, Callable[[Affair, Json], None]] = {
    "start": command_step,
    "resume": command_step,
    "reconcile": command_step,
    "kill": kill_step,
    "stop": stop_step,
    "edit": edit_step,
    "runs": runs_step,
    "undo": undo_step,
    "race": race_step,
    "wait": wait_step,
}


@pytest.mark.parametrize(("path", "name"), FAULTS, ids=named)
def test_a_foreign_crash_or_doubt_ends_as_the_pages_say(path: Path, name: str, tmp_path: Path) -> None:
    case = load(path)
    run = next(run for run in case["runs"] if run["name"] == name)
    scenario = load(path.with_name(path.name.replace(".expect.json", ".json"))) | run.get("patch", {})
    table = scenario_table(run["sheet"])
    sheet = write_table(table, tmp_path / "rows.csv")
    with sandbox(tmp_path, scenario) as portal:
        affair = Affair(portal, table, case["options"] | run.get("options", {}), sheet)
        for step in run["steps"]:
            STEPS[step["do"]](affair, step)
            no_double_start(portal, affair.released)
            if sheet.exists():
                written = write_table(affair.table, tmp_path / "as_it_was").read_bytes()
                assert sheet.read_bytes() == written, "the input file changed"
