"""How a run grows: 100,000 rows from sheet to results at the limit-free sandbox, and 1,000,000 rows checked, planned, stopped, resumed.

    python tests/benchmarks/scale.py [--rows 100000] [--million 1000000]      # about 15 minutes; writes scale.md

Loop lag: how much later than asked a sleep of 5 ms on the run's own event loop ends. Time per row: starts that arrived at the portal,
by its ledger, in each tenth of the run. Memory: resident, of the program's own process. Commit: one durable group of journal events.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import HERE, portal

PROBE = """
import asyncio, json, os, sys, time
import bulkstart.runner, bulkstart.journal
from bulkstart.cli import main

lags, commits, memory = [], [], []
run, record = bulkstart.runner.Runner.run, bulkstart.journal.Journal.record

async def probe():
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.005)
        lags.append(time.perf_counter() - began - 0.005)
        if len(lags) % 200 == 0:
            memory.append(int(open("/proc/self/statm").read().split()[1]) * 4096)

async def probed(self, lanes):
    task = asyncio.create_task(probe())
    try:
        return await run(self, lanes)
    finally:
        task.cancel()

def timed(self, run_id, notes, *more, **named):
    began = time.perf_counter()
    try:
        return record(self, run_id, notes, *more, **named)
    finally:
        commits.append((time.perf_counter() - began, len(notes)))

bulkstart.runner.Runner.run, bulkstart.journal.Journal.record = probed, timed
code = main(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    json.dump({"lags": sorted(lags), "commits": commits, "memory": memory, "code": code}, file)
sys.exit(code)
"""
FREE = [
    "--rate",
    "100000",
    "--burst",
    "100000",
    "--halt-doubts",
    "0",
    "--halt-same",
    "0",
    "--halt-percent",
    "0",
    "--yes",
    "--canary",
    "0",
]


def sheet(folder: Path, rows: int) -> Path:
    """A sheet of eight columns; each row its own deal."""
    path = folder / f"rows-{rows}.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("entityId,templateId,Title,Company,Amount,Stage,Phone,Comment\n")
        for n in range(rows):
            file.write(f"{1000 + n},713,Deal {n},Company {n % 977},{n % 9999}.50,NEW,+7900{n % 10_000_000:07d},call back\n")
    return path


def environment(folder: Path, found: dict[str, str]) -> dict[str, str]:
    """A journal and a budget of the benchmark's own."""
    return os.environ | found | {"BULKSTART_JOURNAL": str(folder / "journal.sqlite"), "BULKSTART_BUDGET": str(folder / "budget")}


def called(words: list[str], env: dict[str, str], folder: Path) -> dict[str, Any]:
    """One command: exit code, seconds, peak memory in MB, what it said as JSON."""
    began = time.perf_counter()
    with (folder / "told").open("w+b") as out:
        process = subprocess.Popen(words, env=env, cwd=folder, stdout=out, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said = out.read()
    took = time.perf_counter() - began
    return {
        "exit": process.returncode,
        "seconds": took,
        "cpu": used.ru_utime + used.ru_stime,
        "peak": used.ru_maxrss / 1024,
        "said": said,
    }


def whole(rows: int) -> list[str]:
    """All rows of one sheet started, with everything measured."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = sheet(folder, rows)
        with portal("free.json", folder) as found:
            measured = folder / "measured.json"
            words = [sys.executable, "-c", PROBE, str(measured), str(path), "--json", "--max-unknown", "100", *FREE]
            got = called(words, environment(folder, found), folder)
            ledger = next(file for file in folder.iterdir() if "ledger" in file.name)
            with ledger.open(encoding="utf-8") as lines:
                starts = [entry for entry in map(json.loads, lines) if entry["on"] == "start"]
        arrived = [entry["mono"] for entry in starts if entry["kind"] == "arrival"]
        commits = [entry["workflowId"] for entry in starts if entry["kind"] == "commit"]
        probe = json.loads(measured.read_text())
    tenth = len(arrived) // 10
    times = [(arrived[(n + 1) * tenth - 1] - arrived[n * tenth]) / tenth * 1e3 for n in range(10)]
    lags, memory = probe["lags"], [size / 2**20 for size in probe["memory"]]
    sizes = [memory[int(share * (len(memory) - 1))] for share in (0.1, 0.5, 1)]
    seconds = [took for took, _ in probe["commits"]]
    events = sum(number for _, number in probe["commits"])
    timed = f"{statistics.median(seconds) * 1e3:.1f} ms, {sorted(seconds)[int(0.99 * len(seconds))] * 1e3:.1f} ms"
    assert (got["exit"], len(commits), len(set(commits))) == (0, rows, rows), f"exit {got['exit']}, {len(commits)} starts"
    return [
        f"| {rows:,} rows from sheet to results, exit 0, each started once | {got['seconds']:.0f} s, {got['cpu'] / rows * 1e3:.2f} ms CPU a row |",
        f"| peak memory; while starting, at 10 %, 50 %, 100 % | {got['peak']:.0f} MB; "
        + ", ".join(f"{value:.0f}" for value in sizes)
        + " |",
        "| time per start in each tenth of the run | " + ", ".join(f"{value:.2f}" for value in times) + " ms |",
        f"| loop lag, {len(lags):,} samples: median, p99, p99.9, most | "
        + ", ".join(f"{lags[min(len(lags) - 1, int(share * len(lags)))] * 1e3:.1f}" for share in (0.5, 0.99, 0.999, 1))
        + " ms |",
        f"| journal commits: number, events in each, median and p99 time | {len(seconds):,}, {events / len(seconds):.1f}, {timed} |",
    ]


def million(rows: int) -> list[str]:
    """A sheet of very many rows: checked, planned, started for a while, resumed for a while."""
    told = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = sheet(folder, rows)
        with portal("free.json", folder) as found:
            env = environment(folder, found)
            program = [sys.executable, "-m", "bulkstart"]
            steps = {
                "check": ["check", str(path), "--json"],
                "--dry-run": [str(path), "--dry-run", "--json"],
                "start, --deadline 10": [str(path), "--json", "--deadline", "10", *FREE],
                "resume, --deadline 10": ["resume", "--json", "--deadline", "10", "--yes"],
            }
            for what, words in steps.items():
                got = called([*program, *words], env, folder)
                said = json.loads(got["said"])
                counts = ", ".join(f"{status} {number:,}" for status, number in said["counts"].items())
                told.append(
                    f"| {rows:,} rows, {what}: exit {got['exit']}, {counts} | {got['seconds']:.0f} s ({got['cpu']:.0f} s CPU), {got['peak']:,.0f} MB |"
                )
                print(told[-1], flush=True)
    return told


def main() -> None:
    """Measure and write ``scale.md``."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--rows", type=int, default=100_000)
    words.add_argument("--million", type=int, default=1_000_000)
    asked = words.parse_args()
    lines = list(itertools.chain(whole(asked.rows) if asked.rows else [], million(asked.million) if asked.million else []))
    head = (
        f"# Scale on one machine\n\n`python -m tests.benchmarks.scale`, {time.strftime('%Y-%m-%d')}, {platform.python_implementation()} "
        f"{platform.python_version()}, {os.cpu_count()} cores of a shared machine, loopback. The portal is a process of its own without limits;\n"
        "100 rows on the wire. What is measured how: the script's docstring.\n\n| what | measured |\n|---|---|\n"
    )
    (HERE / "scale.md").write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    print((HERE / "scale.md").read_text(encoding="utf-8"), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "MB here")


if __name__ == "__main__":
    main()
