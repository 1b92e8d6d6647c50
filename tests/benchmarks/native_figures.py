"""The figures of the native dialect: whole runs of the program against the sandbox portal as a process of its own, judged by its ledger.

    python -m tests.benchmarks.native_figures [CASE …] [--out tests/benchmarks/native_figures.md]     # all cases: about a quarter of an hour

Ideal time: for a rate, (starts − burst) / rate; for operating time, window × ⌊(starts − 1) × seconds / threshold⌋. Taken: first to last arrival
of requests that start something. Rows on the wire: by arrivals and answers. Loopback only; every process started here is ended here.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tests.benchmarks.figures import SCENARIOS, portal
from tests.conftest import starts

Json = dict[str, Any]
PLAIN = {"id": 713, "name": "Figures", "documentType": "deal", "parameters": [], "life_seconds": 20}
LIMITS: Json = {"native": "plan", "per_document": 0}
TOLD = ["--rate", "2", "--burst", "50", "--max-unknown", "10"]


@dataclass(frozen=True, slots=True)
class Case:
    """One run: its scenario's name and content, rows, options, and the ideal seconds where there is one."""

    scenario: str
    content: Json
    rows: int
    options: list[str]
    ideal: float | None = None


def lasting(seconds: float, **limits: Any) -> Json:
    return {"seed": 1, "templates": [{**PLAIN, "run_seconds": seconds}], "limits": {**LIMITS, **limits}}


QUICK, SLOW = ("native-20ms", lasting(0.02)), ("native-600ms", lasting(0.6))
TWENTY = ("native-rate20", lasting(0.05, native={"rate": 20, "burst": 50}))
OPERATING = ("native-operating", lasting(1.0, operating={"seconds": 48, "window": 60}))
CASES = {
    "rate": Case(*TWENTY, 400, ["--rate", "20", "--burst", "50", "--batch", "off"], (400 - 50) / 20),
    "quick-auto": Case(*QUICK, 400, [*TOLD, "--batch", "auto"]),
    "quick-off": Case(*QUICK, 400, [*TOLD, "--batch", "off"]),
    "slow-auto": Case(*SLOW, 150, [*TOLD, "--batch", "auto"]),
    "slow-off": Case(*SLOW, 150, [*TOLD, "--batch", "off"]),
    "operating": Case(*OPERATING, 300, ["--rate", "2", "--burst", "50"], 60 * (299 // 48)),
}


def once(case: Case) -> Json:
    """One run of a case, and its figures."""
    path = SCENARIOS / f"{case.scenario}.json"
    path.write_text(json.dumps(case.content, indent=1) + "\n", encoding="utf-8")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sheet = folder / "sheet.csv"
        sheet.write_text("entityId\n" + "".join(f"{1000 + n}\n" for n in range(case.rows)), encoding="utf-8")
        with portal(path.name, folder, until="BULKSTART_WEBHOOK_URL") as found:
            words = [sys.executable, "-m", "bulkstart", str(sheet), "--template", "713", "--yes", "--json", *case.options]
            env = {name: value for name, value in os.environ.items() if not name.startswith("BULKSTART_")}
            env |= {
                "BULKSTART_WEBHOOK_URL": found["BULKSTART_WEBHOOK_URL"],
                "BULKSTART_JOURNAL": str(folder / "journal.sqlite"),
                "BULKSTART_BUDGET": str(folder / "budget"),
            }
            answer = json.loads(subprocess.run(words, env=env, capture_output=True, text=True, timeout=1500, check=False).stdout)
        ledger = [json.loads(line) for line in (folder / "ledger.jsonl").read_text(encoding="utf-8").splitlines()]
        results = pd.read_csv(answer["results"], dtype=str, keep_default_na=False)
    return judged(case, ledger, results, answer["exitCode"])


def judged(case: Case, ledger: list[Json], results: pd.DataFrame, code: int) -> Json:
    """The figures of a run, from the portal's own ledger."""
    own: dict[str, list[str]] = {}
    for line in starts(ledger, "commit"):
        own.setdefault(str(line["entityId"]), []).append(line["workflowId"])
    wrong = sum(row["workflowId"] not in own.get(row["entityId"], []) for _, row in results.iterrows() if row["workflowId"])
    requests = [line for line in ledger if line["on"] in ("start", "batch")]
    arrivals = [line for line in requests if line["kind"] == "arrival"]
    wire, most, size = 0, 0, {}
    for line in requests:
        if line["kind"] == "arrival":
            size[line["n"]] = len(line["starts"]) if line["on"] == "batch" else 1
            wire += size[line["n"]]
            most = max(most, wire)
        elif line["kind"] == "answer":
            wire -= size.pop(line["n"], 0)
    codes = [line.get("code") for line in requests if line["kind"] == "answer"]
    codes += [one.get("code") for line in requests for one in line.get("results") or ()]
    seconds = arrivals[-1]["mono"] - arrivals[0]["mono"]
    return {
        "seconds": seconds,
        "share of ideal": case.ideal / seconds if case.ideal else None,
        "requests": len(arrivals),
        "batches": sum(line["on"] == "batch" for line in arrivals),
        "most rows on the wire": most,
        "refused for the rate": codes.count("QUERY_LIMIT_EXCEEDED"),
        "refused for operating time": codes.count("OPERATION_TIME_LIMIT"),
        "duplicates": sum(count > 1 for count in Counter(len(ids) for ids in own.values() if len(ids) > 1).values()),
        "wrong ids": wrong,
        "started": int((results["startStatus"] == "started").sum()),
        "exit": code,
    }


def report(found: dict[str, Json]) -> str:
    """The figures in Markdown."""
    names = list(next(iter(found.values())))
    lines = [
        "# Last figures of the native dialect",
        "",
        f"`python -m tests.benchmarks.native_figures`, {time.strftime('%Y-%m-%d')}, CPython {platform.python_version()}, {os.cpu_count()} cores of a shared",
        "machine, loopback, real time, one run each. Scenarios: `tests/benchmarks/scenarios/native-*.json`, seed 1; the portal is a process of its own.",
        "",
        "| case | rows |" + "".join(f" {name} |" for name in names),
        "|" + "---|" * (len(names) + 2),
    ]
    for name, figures in found.items():
        cells = [
            "–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value) for value in figures.values()
        ]
        lines.append(f"| {name} | {CASES[name].rows} |" + "".join(f" {cell} |" for cell in cells))
    if {"quick-auto", "quick-off"} <= set(found):
        lines += [
            "",
            f"`--batch auto` against `off` at starts of 20 ms: {found['quick-off']['seconds'] / found['quick-auto']['seconds']:.1f} times faster.",
        ]
    if {"slow-auto", "slow-off"} <= set(found):
        lines += [f"At starts of 0.6 s: {found['slow-auto']['seconds'] / found['slow-off']['seconds']:.3f} of the time of `off`."]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run cases, print and write the figures; 1 where a row was not started, started twice or told wrongly."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cases", nargs="*", choices=[[], *CASES], default=[])
    parser.add_argument("--out", type=Path, help="a Markdown file to write")
    given = parser.parse_args()
    found = {}
    for name in given.cases or CASES:
        found[name] = once(CASES[name])
        print(name, json.dumps(found[name]), file=sys.stderr, flush=True)
    text = report(found)
    print(text)
    if given.out:
        given.out.write_text(text, encoding="utf-8")
    return int(any(one["duplicates"] or one["wrong ids"] or one["exit"] for one in found.values()))


if __name__ == "__main__":
    sys.exit(main())
