"""What no peer can take part in: a run that is killed and goes on, two of them on one sheet, a sheet re-sorted meanwhile, a portal that slows.

    python -m tests.benchmarks.alone [CASE …]      # all: about 4 minutes; writes alone.md

Each case on a portal of its own (20 requests a second, 50 at once), 1,000 rows, judged by the portal's ledger. truth: rows whose told
state and id agree with the ledger; a doubt is true where a request had left when the run was killed. ideal: (requests − burst) / rate.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from tests.benchmarks.figures import HERE, SCENARIOS, portal
from tests.benchmarks.scale import environment
from tests.benchmarks.shared_budget import read

Json = dict[str, Any]
ROWS, RATE, BURST = 1000, 20, 50
LIMIT = {"rate": RATE, "burst": BURST}
FILES: dict[str, Json] = {
    "rate20-burst50.json": {"limits": {"portal": LIMIT}},
    "slowing.json": {"limits": {"portal": {**LIMIT, "changes": [{"at": 20, "rate": 2, "burst": 2}, {"at": 50, **LIMIT}]}}},
}
OPTIONS = ["--template", "713", "--entity-type", "deal", "--yes", "--json", "--no-reconcile"]


def sheet(folder: Path, *, reverse: bool = False) -> Path:
    """The sheet of every case, as it was or turned upside down."""
    path = folder / "sheet.csv"
    ids = range(1, ROWS + 1)
    path.write_text("entityId\n" + "".join(f"{n}\n" for n in (reversed(ids) if reverse else ids)), encoding="utf-8")
    return path


def begun(words: list[str], env: dict[str, str], folder: Path) -> subprocess.Popen[str]:
    """A command of the program."""
    program = [sys.executable, "-m", "bulkstart", *words]
    return subprocess.Popen(program, env=env, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def said(process: subprocess.Popen[str]) -> Json:
    """What a command told at its end."""
    return json.loads(process.communicate(timeout=600)[0])


def killed(folder: Path, env: dict[str, str], *, reverse: bool = False) -> list[Json]:
    """kill -9 at 30 % of the rows, then ``resume``; between them the sheet may be turned upside down."""
    process = begun([str(sheet(folder)), *OPTIONS], env, folder)
    while sum(line["kind"] == "commit" for line in read(folder / "ledger.jsonl")) < 0.3 * ROWS:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    sheet(folder, reverse=reverse)
    return [said(begun(["resume", *OPTIONS[4:]], env, folder))]


def twice(folder: Path, env: dict[str, str]) -> list[Json]:
    """Two processes on one sheet at the same time, each with results of its own."""
    path = sheet(folder)
    both = [begun([str(path), *OPTIONS, "-o", str(folder / f"results-{n}.csv")], env, folder) for n in range(2)]
    return [said(process) for process in both]


def alone(folder: Path, env: dict[str, str]) -> list[Json]:
    """One run, to its end."""
    return [said(begun([str(sheet(folder)), *OPTIONS], env, folder))]


CASES: dict[str, tuple[str, str, Callable[[Path, dict[str, str]], list[Json]]]] = {
    "kill -9 at 30 %, resume": ("rate20-burst50.json", "killed", killed),
    "the same, sheet upside down meanwhile": (
        "rate20-burst50.json",
        "killed",
        lambda folder, env: killed(folder, env, reverse=True),
    ),
    "two processes, one sheet": ("rate20-burst50.json", "both", twice),
    "a tenth of the rate from second 20 to 50, 2 at once": ("slowing.json", "slow", alone),
}


def judged(ledger: list[Json], answers: list[Json], kind: str) -> Json:
    """What was told, against what the portal did."""
    own: dict[int, list[str]] = {}
    for line in ledger:
        if line["kind"] == "commit" and line["on"] == "start":
            own.setdefault(line["entityId"], []).append(line["workflowId"])
    arrived = [line for line in ledger if line["kind"] == "arrival"]
    ever = {line.get("entityId") for line in arrived if line["on"] == "start"}
    right, wrong, doubts = 0, 0, 0
    for answer in answers:
        for row in pd.read_csv(answer["results"], dtype=str, keep_default_na=False).to_dict("records"):
            entity, status = int(row["entityId"]), row["startStatus"]
            elsewhere = status == "not_attempted" and row["errorCode"] == "CLAIMED_BY_RUN"
            true = {"started": row["workflowId"] in own.get(entity, ()), "in_doubt": entity in ever, "already_started": row["workflowId"] in own.get(entity, ())}  # fmt: skip
            right += elsewhere or true.get(status, entity not in own)
            wrong += bool(row["workflowId"]) and row["workflowId"] not in own.get(entity, ())
            doubts += status == "in_doubt"
    taken = arrived[-1]["mono"] - arrived[0]["mono"]
    ideal = (
        50 + max(0.0, (len(arrived) - BURST - RATE * 20 - 2 * 30 - RATE * 0) / RATE)
        if kind == "slow"
        else (len(arrived) - BURST) / RATE
    )
    refused = sum(line["kind"] == "answer" and bool(line.get("throttled")) for line in ledger)
    return {
        "started": sum(map(len, own.values())),
        "truth": f"{right / (ROWS * len(answers)):.3f}",
        "duplicates": sum(len(ids) - 1 for ids in own.values()),
        "wrong ids": wrong,
        "doubts": doubts,
        "refused": refused,
        "of ideal": f"{ideal / taken:.2f}" if kind != "killed" else "–",
        "end": " / ".join(f"exit {answer['exitCode']} {answer['counts']}" for answer in answers),
    }


def main() -> int:
    """Play, print and write; 1 where a row lied or started twice."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("cases", nargs="*", choices=[[], *CASES], default=[])
    asked = words.parse_args()
    template = [{"id": 713, "name": "Alone", "parameters": [], "run_seconds": [0.03, 0.08], "life_seconds": 20}]
    for name, more in FILES.items():
        (SCENARIOS / name).write_text(json.dumps({"seed": 1, "templates": template} | more, indent=1) + "\n", encoding="utf-8")
    found: dict[str, Json] = {}
    for case in asked.cases or CASES:
        scenario, kind, play = CASES[case]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with portal(scenario, folder) as settings:
                answers = play(folder, environment(folder, settings))
            found[case] = judged(read(folder / "ledger.jsonl"), answers, kind)
        print(case, json.dumps(found[case]), flush=True)
    columns = list(next(iter(found.values())))
    lines = [
        "# bulkstart alone: what no peer can take part in",
        "",
        f"`python -m tests.benchmarks.alone`, {time.strftime('%Y-%m-%d')}, CPython {platform.python_version()}, {os.cpu_count()} cores, loopback.",
        f"{ROWS:,} rows, {RATE} requests a second, {BURST} at once; what the columns mean: the script's docstring.",
        "",
        "| |" + "".join(f" {column} |" for column in columns),
        "|" + "---|" * (len(columns) + 1),
        *(f"| {case} |" + "".join(f" {value} |" for value in figures.values()) for case, figures in found.items()),
    ]
    (HERE / "alone.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return int(any(figures["truth"] != "1.000" or figures["duplicates"] or figures["wrong ids"] for figures in found.values()))


if __name__ == "__main__":
    sys.exit(main())
