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
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openpyxl
import pytest

ROOT = Path(__file__).resolve().parents[1]
FOREIGN = Path(__file__).resolve().parent / "foreign"
SIX = ["startStatus", "workflowId", "errorCode", "errorMessage", "attempts", "startedAt"]
STATUSES = {"started", "already_started", "planned", "invalid", "duplicate", "refused", "gave_up", "in_doubt", "not_attempted"}
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

    @property
    def address(self) -> str:
        return re.sub(r"^https?://([^/]+)/.*$", r"\1", self.settings["BULKSTART_BASE_URL"])

    def ledger(self) -> list[Json]:
        path = self.folder / "ledger.jsonl"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]  # a last line may be half written
        return [line for line in lines if line.get("on") == "start"]

    def fresh(self) -> list[Json]:
        """The lines about starts since the last call."""
        lines = self.ledger()
        new, self.seen = lines[self.seen :], len(lines)
        return new


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


def tool(portal: Portal, words: list[str], extra: dict[str, str] | None = None) -> Json:
    """Run the program once; its answer must be one JSON object that agrees with its exit code."""
    words = [word.replace("RUNDIR", str(portal.folder)) for word in words]
    env = (
        environment(portal.folder)
        | portal.settings
        | {"BULKSTART_JOURNAL": str(portal.folder / f"journal{portal.journal}.sqlite")}
        | (extra or {})
    )
    done = subprocess.run(
        [sys.executable, "-m", "bulkstart", *words, "--json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=env,
        cwd=portal.folder,
        timeout=BOUND,
        check=False,
    )
    told = f"bulkstart {' '.join(words)}\nexit {done.returncode}\n{done.stderr[-3000:]}"
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        pytest.fail(f"standard output is not one JSON object: {done.stdout[:500]!r}\n{told}")
    assert isinstance(answer, dict), told
    missing = {"run", "portal", "exitCode", "counts", "rows", "results", "forecast", "problems"} - answer.keys()
    assert not missing, f"--json lacks {missing}\n{told}"
    assert answer["exitCode"] == done.returncode, told
    for secret in ("BULKSTART_API_KEY", "BULKSTART_SESSION_TOKEN"):
        if env.get(secret):
            assert env[secret] not in done.stdout + done.stderr, f"{secret} was printed"
    return answer | {"told": told}


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


def no_double_start(portal: Portal) -> None:
    """Over the whole life of the portal: one intent, one commit."""
    seen = Counter(
        (line["templateId"], entity(line), json.dumps(line["parameters"] or {}, sort_keys=True))
        for line in portal.ledger()
        if line["kind"] == "commit"
    )
    twice = [key for key, number in seen.items() if number > 1]
    assert not twice, f"started twice: {twice}"


def matches_commit(line: Line, new: list[Json], wanted: str, where: str) -> Json:
    """A started row: exactly one commit carries its id, and it is that entity, at that moment."""
    commits = [entry for entry in new if entry["kind"] == "commit" and entry["workflowId"] == line.six["workflowId"]]
    assert len(commits) == 1, f"{where}: says started as {line.six['workflowId']}; commits of this step with that id: {commits}"
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

SCENARIOS = [(path, run["name"]) for path in sorted(FOREIGN.glob("scenarios/*.expect.json")) for run in load(path)["runs"]]


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


def scenario_sheet(plan: Json, folder: Path) -> Path:
    templates = plan.get("templates")
    with (folder / "rows.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["ID", "Название сделки", *(["templateId"] if templates else [])])
        for number in range(plan["rows"]):
            writer.writerow(
                [plan["first"] + number, f"Сделка {number + 1}", *([templates[number % len(templates)]] if templates else [])]
            )
    return folder / "rows.csv"


def throttled(entry: Json) -> bool:
    return entry["kind"] == "answer" and (entry["status"] == 429 or entry["code"] == "RATE_LIMITED")


def check_hold(new: list[Json], span: list[float]) -> None:
    """After a throttled answer nobody may start anything in this span of seconds."""
    arrivals = [entry["mono"] for entry in new if entry["kind"] == "arrival"]
    for refusal in (entry for entry in new if throttled(entry)):
        early = [moment - refusal["mono"] for moment in arrivals if span[0] <= moment - refusal["mono"] <= span[1]]
        assert not early, f"a start left {early[0]:.2f} s after RATE_LIMITED"


def check_truth(portal: Portal, results: Results, new: list[Json], unseen: set[int], first: int) -> None:
    """Row by row against the ledger, of this step and of the portal's whole life."""
    life = [entry for entry in portal.ledger() if entry["kind"] == "commit"]
    started = Counter(entry["entityId"] for entry in life)
    arrived = Counter(entry["entityId"] for entry in new if entry["kind"] == "arrival")
    ever = {entry["entityId"] for entry in portal.ledger() if entry["kind"] == "arrival"}
    for number, line in enumerate(results.lines):
        ident = first + number
        where = f"deal {ident}: {line.six}"
        promises(line, where)
        assert text(line.own[0]) == str(ident), f"{where}: another row's place"
        status = line.six["startStatus"]
        if status == "started":
            matches_commit(line, new, f"deal:{ident}", where)
        if status == "already_started":
            assert [entry["workflowId"] for entry in life if entry["entityId"] == ident] == [line.six["workflowId"]], where
            assert not arrived[ident], f"{where}: was sent again"
        if status in ("refused", "not_attempted", "invalid", "duplicate", "gave_up"):
            assert not started[ident], f"{where}: but the portal started it"
        if ident not in unseen:
            assert status != "in_doubt" or ident in ever, f"{where}: in doubt, yet no request for it ever arrived"
            assert int(line.six["attempts"]) == arrived[ident], f"{where}: {arrived[ident]} requests arrived"
    no_double_start(portal)


def check_expectation(wanted: Json, answer: Json, results: Results, new: list[Json], portal: Portal) -> None:
    why, first = answer["why"], answer["first"]
    assert answer["exitCode"] in listed(wanted["exit"]), why
    counts = Counter(line.six["startStatus"] for line in results.lines)
    for status, number in wanted["counts"].items():
        assert between(counts[status], number), f"{status}: {counts[status]}, expected {number}; all: {dict(counts)}\n{why}"
    sent = sum(entry["kind"] == "arrival" for entry in new)
    if "starts_sent" in wanted:
        assert between(sent, wanted["starts_sent"]), f"{sent} starts were sent, expected {wanted['starts_sent']}\n{why}"
    life = Counter(entry["entityId"] for entry in portal.ledger() if entry["kind"] == "commit")
    special: set[int] = set()
    for group in wanted["rows"]:
        for ident in sorted(ids(group["entities"])):
            special.add(ident)
            check_row(results.lines[ident - first], ident, group, life[ident], why)
    for number, line in enumerate(results.lines):
        if first + number not in special:
            assert line.six["startStatus"] in listed(wanted["others"]), f"deal {first + number}: {line.six}\n{why}"
        if line.six["startStatus"] == "in_doubt" and "doubt_commits" in wanted:
            assert life[first + number] in wanted["doubt_commits"], f"deal {first + number}: {life[first + number]} commits"
    for status, codes in wanted.get("codes", {}).items():
        odd = [line.six for line in results.lines if line.six["startStatus"] == status and line.six["errorCode"] not in codes]
        assert not odd, f"{status} with another code than {codes}: {odd[0]}\n{why}"
    for status, code in wanted.get("seen", {}).items():
        assert any(line.six["startStatus"] == status and line.six["errorCode"] == code for line in results.lines), (
            f"no {status} row says {code}\n{why}"
        )
    if "throttled" in wanted:
        refusals = sum(throttled(entry) or (entry["kind"] == "answer" and entry["code"] == "BITRIX_ERROR") for entry in new)
        assert between(refusals, wanted["throttled"]), f"{refusals} throttled answers, expected {wanted['throttled']}"
    if "hold" in wanted:
        check_hold(new, wanted["hold"])
    if wanted.get("portal_is_loopback"):
        assert answer["portal"] == portal.address, f"{answer['portal']}, expected {portal.address}\n{why}"


def await_late_commits(portal: Portal, step: Json) -> None:
    """A portal may commit after its answer (``commit_after``), even after the tool has ended: give it ten seconds for that."""
    groups = [group for choice in (step, *step.get("one_of", [])) for group in choice.get("rows", []) if group.get("commits")]
    due, deadline = {ident for group in groups for ident in ids(group["entities"])}, time.monotonic() + 10
    while due - {entry["entityId"] for entry in portal.ledger() if entry["kind"] == "commit"} and time.monotonic() < deadline:
        select.select([], [], [], 0.05)


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


@pytest.mark.parametrize(
    ("path", "name"), SCENARIOS, ids=lambda value: value.name.removesuffix(".expect.json") if isinstance(value, Path) else value
)
def test_a_foreign_scenario_ends_as_the_pages_say(path: Path, name: str, tmp_path: Path) -> None:
    run = next(run for run in load(path)["runs"] if run["name"] == name)
    scenario = load(path.with_name(path.name.replace(".expect.json", ".json"))) | run.get("patch", {})
    sheet = scenario_sheet(run["sheet"], tmp_path)
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
            answer |= {"first": first, "why": f"{step['because']}\n{answer['told']}"}
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
            check_expectation(wanted, answer, results, new, portal)
            check_truth(portal, results, new, unseen, first)
            wire(new)
