"""Side by side: published Bitrix24 clients, a plain script and bulkstart start the same rows on the same sandbox portal; its ledger judges.

    python -m tests.benchmarks.side_by_side [SCENARIO …] [--out tests/benchmarks/side_by_side.md]      # all: about half an hour

Needs fast-bitrix24, b24pysdk, b24api and trustme (extra ``peers``), or an interpreter that has them in ``BULKSTART_PEERS_PYTHON``. The clients
are unmodified and called as their pages say (``tests/simulator/peers.py``); the script is httpx, ten at a time, no retries. Loopback only.

- truth: rows whose told state and id agree with the ledger, in hundredths of all rows; a doubt is true where the answer was lost or proved nothing
- duplicates: workflows beyond one for a row; wrong: ids told for a row that are another row's; told: rows of which the caller learned an id
- ideal: seconds that the request limit alone would take at the fewest requests of the contender's kind, over the seconds that it took
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from bulkstart.simulator import Sandbox
from bulkstart.version import VERSION
from tests.conftest import ROOT, starts

Json = dict[str, Any]
PEERS = os.environ.get("BULKSTART_PEERS_PYTHON", sys.executable)
PLAIN = {"id": 713, "name": "Side by side", "documentType": "deal", "parameters": [], "life_seconds": 1}
LONGEST = 240.0
"""Seconds after which a contender is ended: what it knows then it has not told."""
SCRIPT = """
import asyncio, httpx, json, sys
task = json.load(sys.stdin)
async def main():
    gate = asyncio.Semaphore(10)
    async with httpx.AsyncClient(timeout=30) as client:
        async def start(row):
            async with gate:
                body = {"TEMPLATE_ID": row["template"], "DOCUMENT_ID": ["crm", "CCrmDocumentDeal", f"DEAL_{row['entity']}"], "PARAMETERS": {}}
                answer = await client.post(task["webhook"] + "bizproc.workflow.start", json=body)
                answer.raise_for_status()
                return answer.json()["result"]
        return await asyncio.gather(*(start(row) for row in task["rows"]), return_exceptions=True)
found = asyncio.run(main())
print(json.dumps({"result": [one if isinstance(one, str) else None for one in found]}))
"""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Rows, the seconds of a start, faults, and who takes part: the peers in batches, each row alone, or both."""

    about: str
    rows: int
    seconds: float
    faults: list[Json] = field(default_factory=list)
    more: Json = field(default_factory=dict)
    batches: bool = True

    @property
    def portal(self) -> Json:
        """50 requests at once and 2 a second, as most portals."""
        limits = {"native": {"rate": 2, "burst": 50}, "per_document": 0, **self.more.get("limits", {})}
        return {"seed": 7, "templates": [{**PLAIN, "run_seconds": self.seconds}], "faults": self.faults, "limits": limits}


LOST = {"on": "batch", "nth": 3, "answer": "close"}
SCENARIOS = {
    "S1": Scenario("clean, 50 ms a start", 1000, 0.05),
    "S2": Scenario("100 batches, 1 ms a start", 5000, 0.001),
    "S2b": Scenario("the same, 250 ms a start", 1500, 0.25),
    "S3": Scenario(
        "one row in a hundred is refused",
        1000,
        0.02,
        [{"entities": list(range(50, 1001, 100)), "committed": False, "answer": "normal"}],
    ),
    "S4": Scenario(
        "one answer is lost behind the starts", 1000, 0.02, [LOST, {"nth": 120, "committed": True, "answer": "close"}]
    ),
    "S5": Scenario(
        "one 429 with Retry-After: 2",
        1000,
        0.02,
        [
            {
                "on": "batch",
                "nth": 3,
                "committed": False,
                "answer": {"kind": "error", "code": "RATE_LIMITED", "status": 429, "retryAfter": 2},
            }
        ],
    ),
    "S6": Scenario(
        "operating time is used up inside a batch", 500, 0.02, more={"limits": {"operating": {"seconds": 6, "window": 10}}}
    ),
    "S7": Scenario("250 ms a start", 200, 0.25),
    "S8": Scenario("one row a request", 150, 0.02, batches=False),
    "S9": Scenario(
        "another program used the burst",
        500,
        0.02,
        more={"limits": {"native": {"rate": 2, "burst": 50, "foreign": [{"from": 0, "to": 2, "rate": 25}]}}},
    ),
}


@dataclass(slots=True)
class Ended:
    """What a contender told (entity → id, or ``None``), its doubts, and what it cost."""

    told: dict[int, str | None]
    doubts: set[int] = field(default_factory=set)
    said: str = ""
    seconds: float = 0.0
    cpu: float = 0.0
    memory: float = 0.0


def process(words: list[str], given: str, env: dict[str, str]) -> tuple[str, Ended]:
    """Run a program to its end, or to ``LONGEST``; its output, seconds, CPU seconds and peak memory in MB."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as source:
        source.write(given)
        source.seek(0)
        running = subprocess.Popen(words, stdin=source, stdout=out, stderr=subprocess.DEVNULL, env=env, cwd=ROOT)
        peak = 0.0
        while True:
            pid, _, used = os.wait4(running.pid, os.WNOHANG)
            if pid:
                break
            peak = max(peak, _peak(running.pid))
            if time.monotonic() - began > LONGEST:
                running.kill()
            time.sleep(0.02)
        running.returncode = 0  # it was waited for above
        out.seek(0)
        text = out.read()
    return text, Ended({}, seconds=time.monotonic() - began, cpu=used.ru_utime + used.ru_stime, memory=peak)


def _peak(pid: int) -> float:
    """Peak resident memory of a living process in MB; what ``wait4`` says begins with that of the process that forked it."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)


def peer(client: str, scenario: Scenario, server: Sandbox, _folder: Path) -> Ended:
    """A published client, called as its page says."""
    rows = [{"template": 713, "entity": n, "parameters": {}} for n in range(1, scenario.rows + 1)]
    if client == "script":
        words = [sys.executable, "-c", SCRIPT]
    else:
        words = [PEERS, str(ROOT / "tests/simulator/peers.py"), client, "batch" if scenario.batches else "singles"]
    task = json.dumps({"webhook": server.webhook_url, "rows": rows})
    text, ended = process(words, task, {name: value for name, value in os.environ.items() if "PROXY" not in name.upper()})
    answer = json.loads(text) if text.strip() else {"failed": "ended", "said": "after the longest time"}
    ended.said = answer.get("failed", "")
    result = answer.get("result")
    if isinstance(result, dict):  # b24pysdk: by the name of each start
        found = result.get("result", {})
        ended.told = {row["entity"]: found.get(f"r{row['entity']}") for row in rows}
    elif isinstance(result, list):
        ended.told = {row["entity"]: one if isinstance(one, str) else None for row, one in zip(rows, result, strict=False)}
    return ended


def ours(scenario: Scenario, server: Sandbox, folder: Path, options: list[str]) -> Ended:
    """The program itself, on a sheet."""
    sheet = folder / "sheet.csv"
    sheet.write_text("entityId\n" + "".join(f"{n}\n" for n in range(1, scenario.rows + 1)), encoding="utf-8")
    env = {name: value for name, value in os.environ.items() if not name.startswith("BULKSTART_")}
    env |= {"BULKSTART_WEBHOOK_URL": server.webhook_url or "", "BULKSTART_JOURNAL": str(folder / "journal.sqlite")}
    env["BULKSTART_BUDGET"] = str(folder / "budget.json")
    words = [
        sys.executable,
        "-m",
        "bulkstart",
        str(sheet),
        "--template",
        "713",
        "--yes",
        "--json",
        "--no-reconcile",
        "--timeout",
        "30",
        *options,
    ]
    text, ended = process(words, "", env | {"PYTHONPATH": str(ROOT)})
    answer = json.loads(text)
    results = pd.read_csv(answer["results"], dtype=str, keep_default_na=False)
    for row in results.to_dict("records"):
        ended.told[int(row["entityId"])] = row["workflowId"] or None
        if row["startStatus"] == "in_doubt":
            ended.doubts.add(int(row["entityId"]))
    ended.said = f"exit {answer['exitCode']} {answer['counts']}"
    return ended


Contender = Callable[[Scenario, Sandbox, Path], Ended]
CONTENDERS: dict[str, Contender] = {
    **{
        name: (lambda scenario, server, folder, name=name: peer(name, scenario, server, folder))
        for name in ("fast_bitrix24", "b24pysdk", "b24api", "script")
    },
    "bulkstart --batch 50 --max-unknown 500": lambda scenario, server, folder: ours(
        scenario, server, folder, ["--batch", "50", "--max-unknown", "500"]
    ),
    "bulkstart": lambda scenario, server, folder: ours(scenario, server, folder, [] if scenario.batches else ["--batch", "off"]),
}
WIDE = "bulkstart --batch 50 --max-unknown 500"


def plays(name: str, scenario: str) -> bool:
    """Whether a contender takes part: the wide settings where the brief asks for them, the script and each-row-alone where that ends in time."""
    if name == WIDE:
        return scenario in ("S1", "S2", "S2b", "S4", "S6", "S7")
    if name == "script":
        return scenario in ("S1", "S3", "S4", "S8", "S9")
    if name == "bulkstart":
        return scenario not in ("S2", "S2b")
    return scenario != "S8" or name == "fast_bitrix24"


def judged(scenario: Scenario, ended: Ended, ledger: list[Json], rows_a_request: int) -> Json:
    """One contender in one scenario, against the ledger."""
    own: dict[int, list[str]] = {}
    for line in starts(ledger, "commit"):
        own.setdefault(line["entityId"], []).append(line["workflowId"])
    owner = {workflow: entity for entity, ids in own.items() for workflow in ids}
    wrong = sum(workflow is not None and owner.get(workflow) != entity for entity, workflow in ended.told.items())
    right = 0
    for entity in range(1, scenario.rows + 1):
        workflow = ended.told.get(entity)
        right += workflow in own.get(entity, ()) if workflow else entity in ended.doubts or entity not in own
    answers = [line for line in ledger if line["kind"] == "answer"]
    codes = Counter(str(line.get("code")) for line in answers)
    requests = -(-scenario.rows // rows_a_request)
    ideal = max(0.0, (requests - 50) / 2)
    return {
        "started": sum(map(len, own.values())),
        "told": sum(workflow is not None for workflow in ended.told.values()),
        "doubts": len(ended.doubts),
        "truth": f"{right / scenario.rows:.3f}",
        "duplicates": sum(len(ids) - 1 for ids in own.values()),
        "wrong": wrong,
        "refused": codes["QUERY_LIMIT_EXCEEDED"],
        "seconds": f"{ended.seconds:.1f}",
        "of ideal": f"{ideal / ended.seconds:.2f}" if ideal and sum(map(len, own.values())) >= scenario.rows else "–",
        "CPU s / 10,000": f"{ended.cpu / scenario.rows * 10_000:.1f}",
        "MB": f"{ended.memory:.0f}",
        "end": ended.said,
    }


def once(scenario: Scenario, contender: str) -> Json:
    """One contender, on a portal of its own."""
    with tempfile.TemporaryDirectory(prefix="side-") as name, Sandbox(scenario.portal) as server:
        ended = CONTENDERS[contender](scenario, server, Path(name))
        seen = -1
        while seen != (seen := len(server.ledger())):  # what a client gave up goes on at the portal
            time.sleep(1.0 + scenario.seconds)
        ledger = server.ledger()
    batch = 1 if not scenario.batches or contender == "script" else 50
    return judged(scenario, ended, ledger, batch)


def report(found: dict[tuple[str, str], Json]) -> str:
    """The figures in Markdown."""
    names = list(next(iter(found.values())))
    packages = ", ".join(f"{name} {version(name)}" for name in ("httpx", "pandas"))
    lines = [
        "# Side by side, the last figures",
        "",
        f"`python -m tests.benchmarks.side_by_side`, {time.strftime('%Y-%m-%d')}, CPython {platform.python_version()}, bulkstart {VERSION}, {packages}, {os.cpu_count()} cores of a shared machine,",
        "loopback; one run each, so quote counts and ratios. What the columns mean stands at the head of `side_by_side.py`.",
        "",
    ]
    for key, scenario in SCENARIOS.items():
        rows = {contender: figures for (name, contender), figures in found.items() if name == key}
        if rows:
            lines += [
                f"## {key}: {scenario.about}, {scenario.rows:,} rows",
                "",
                "| |" + "".join(f" {name} |" for name in names),
                "|" + "---|" * (len(names) + 1),
            ]
            lines += [
                f"| {contender} |" + "".join(f" {value} |" for value in figures.values()) for contender, figures in rows.items()
            ]
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    """Play, print and write; 1 where bulkstart told anything wrong or started anything twice."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("scenarios", nargs="*", choices=[[], *SCENARIOS], default=[])
    parser.add_argument("--out", type=Path, help="a Markdown file to write")
    given = parser.parse_args()
    found: dict[tuple[str, str], Json] = {}
    for key in given.scenarios or SCENARIOS:
        for contender in CONTENDERS:
            if plays(contender, key):
                found[key, contender] = once(SCENARIOS[key], contender)
                print(key, contender, json.dumps(found[key, contender]), file=sys.stderr, flush=True)
    text = report(found)
    print(text)
    if given.out:
        given.out.write_text(text, encoding="utf-8")
    own = [figures for (_, contender), figures in found.items() if contender.startswith("bulkstart")]
    return int(any(figures["truth"] != "1.000" or figures["duplicates"] or figures["wrong"] for figures in own))


if __name__ == "__main__":
    sys.exit(main())
