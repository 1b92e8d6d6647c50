"""Three processes of one machine at one portal: with the shared budget, and each with one of its own; and what a visit of the store costs.

    python -m tests.benchmarks.shared_budget [--rows 300] [--out tests/benchmarks/shared_budget.md]     # about four minutes

Whole runs of the program against the sandbox portal as a process of its own, judged by its ledger. Ideal time = (requests − burst) / rate,
taken: first to last arrival, every request counted. Fair: most starts of one process over fewest, while all three were at it.
Loopback only; every process started here is ended here.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bulkstart.budget import Budget
from bulkstart.sharing import Place, SharedThrottle
from bulkstart.slots import Word, reserve
from bulkstart.throttle import Limits
from tests.benchmarks.figures import SCENARIOS, portal

Json = dict[str, Any]
RATE, BURST, PROCESSES = 20, 20, 3
SCENARIO = {
    "seed": 1,
    "templates": [{"id": 713, "name": "Figures", "parameters": [], "run_seconds": [0.03, 0.08], "life_seconds": 20}],
    "me": {"requests_per_second": None},
    "limits": {"portal": {"rate": RATE, "burst": BURST}, "per_document": 0},
}
TOLD = [
    "--template",
    "713",
    "--entity-type",
    "deal",
    "--yes",
    "--json",
    "--canary",
    "0",
    "--rate",
    str(RATE),
    "--burst",
    str(BURST),
]


def began(folder: Path, found: dict[str, str], first: int, rows: int, budget: str) -> subprocess.Popen[str]:
    """One run of its own sheet and journal."""
    sheet = folder / f"{first}.csv"
    sheet.write_text("entityId\n" + "".join(f"{first + n}\n" for n in range(rows)), encoding="utf-8")
    env = {name: value for name, value in os.environ.items() if not name.startswith("BULKSTART_")}
    env |= {name: found[name] for name in ("BULKSTART_BASE_URL", "BULKSTART_API_KEY")}
    env |= {"BULKSTART_JOURNAL": str(folder / f"journal-{first}"), "BULKSTART_BUDGET": str(folder / budget)}
    words = [sys.executable, "-m", "bulkstart", str(sheet), *TOLD]
    return subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder)


def together(rows: int, *, shared: bool, killed: bool = False) -> Json:
    """Three runs at once. ``killed``: SIGKILL for the first one after four seconds of sending."""
    (SCENARIOS / "rate20-burst20.json").write_text(json.dumps(SCENARIO, indent=1) + "\n", encoding="utf-8")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ledger = folder / "ledger.jsonl"
        with portal("rate20-burst20.json", folder) as found:
            firsts = [100_000 * (n + 1) for n in range(PROCESSES)]
            runs = [began(folder, found, first, rows, "budget" if shared else f"budget-{first}") for first in firsts]
            try:
                if killed:
                    while not any(line["kind"] == "commit" and line["entityId"] < 2 * firsts[0] for line in read(ledger)):
                        time.sleep(0.05)
                    time.sleep(4)
                    runs[0].send_signal(signal.SIGKILL)
                said = [run.communicate(timeout=900)[0] for run in runs]
            finally:
                for run in runs:
                    run.kill()
        return judged(read(ledger), [json.loads(text)["exitCode"] if text else None for text in said], firsts)


def read(ledger: Path) -> list[Json]:
    """The lines so far."""
    text = ledger.read_text(encoding="utf-8") if ledger.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def judged(ledger: list[Json], codes: list[int | None], firsts: list[int]) -> Json:
    """The figures of one race."""
    arrivals = [line for line in ledger if line["kind"] == "arrival"]
    refused = sum(line["kind"] == "answer" and bool(line.get("throttled")) for line in ledger)
    times = {first: [line["mono"] for line in arrivals if line["on"] == "start" and line["entityId"] // first == 1 and line["entityId"] < first + 100_000] for first in firsts}  # fmt: skip
    since, to = max(found[0] for found in times.values()), min(found[-1] for found in times.values())
    counts = [sum(since <= at <= to for at in found) for found in times.values()]
    taken = arrivals[-1]["mono"] - arrivals[0]["mono"]
    commits = Counter(line["entityId"] for line in ledger if line["kind"] == "commit" and line["on"] == "start")
    return {
        "requests": len(arrivals),
        "seconds": f"{taken:.1f}",
        "share of ideal": f"{(len(arrivals) - BURST) / RATE / taken:.3f}",
        "refused": refused,
        "fair (most / fewest)": f"{max(counts) / min(counts):.3f} ({' '.join(map(str, counts))} in {to - since:.0f} s)",
        "started": len(commits),
        "twice": sum(count > 1 for count in commits.values()),
        "exit": " ".join("killed" if code is None else str(code) for code in codes),
    }


# ------------------------------------------------------------------------------------------------------ the store


def visits(path: str, count: int) -> list[float]:
    """Seconds of each of ``count`` reservations, one after the other."""
    store, word, found = Budget(Path(path)), Word(1e6, 1e6, firm=True), []
    for _ in range(count):
        before = time.perf_counter()
        store.visit("portal", lambda slots, now: reserve(slots, "a", word, now))
        found.append(time.perf_counter() - before)
    return sorted(found)


def lag(path: str, seconds: float) -> list[float]:
    """How late the event loop's timers are while one process takes 100 slots a second."""

    async def go() -> list[float]:
        loop, late = asyncio.get_running_loop(), []
        throttle = SharedThrottle(Limits(100.0, 10.0), loop.time(), Place(Budget(Path(path)), "portal", print))
        end = next_tick = loop.time() + 0.005
        end += seconds
        leave = 0.0
        while (now := loop.time()) < end:
            if now >= leave and (leave := throttle.next_leave(now)) <= now:
                throttle.answered(throttle.leave(now), now)
            if now >= next_tick:
                late.append(now - next_tick)
                next_tick = now + 0.005
            await asyncio.sleep(max(0.0, min(next_tick, max(leave, now)) - loop.time()))
        return sorted(late)

    return asyncio.run(go())


def store() -> list[str]:
    """What the store costs, alone and beside two processes that visit it without a pause."""
    lines = ["| measure | p50 | p99 | p99.9 | worst |", "|---|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as name:
        path = str(Path(name) / "budget")

        def told(what: str, found: list[float]) -> None:
            points = [found[int(len(found) * part)] for part in (0.5, 0.99, 0.999)] + [found[-1]]
            lines.append(f"| {what} |" + "".join(f" {point * 1e3:.2f} ms |" for point in points))

        told("visit, alone", visits(path, 5000))
        told("event-loop timer lateness at 100 slots/s, alone", lag(path, 10))
        code = f"from tests.benchmarks.shared_budget import visits\nwhile True: visits({path!r}, 1000)"
        others = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
        try:
            time.sleep(1)
            told("visit, two others visit without a pause", visits(path, 5000))
            told("event-loop timer lateness, two others visit without a pause", lag(path, 10))
        finally:
            for other in others:
                other.kill()
                other.wait()
    return lines


def main() -> None:
    """Measure and print, or write a Markdown page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    races = {
        "one budget": together(arguments.rows, shared=True),
        "one budget, the first process killed after 4 s": together(arguments.rows, shared=True, killed=True),
        "each its own budget": together(arguments.rows, shared=False),
    }
    names = list(next(iter(races.values())))
    text = "\n".join(
        [
            "# Last figures of the shared budget",
            "",
            f"`python -m tests.benchmarks.shared_budget --rows {arguments.rows}`, {time.strftime('%Y-%m-%d')}, CPython {platform.python_version()},",
            f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores of a shared machine, loopback, real time, one run each. Three processes, one sandbox",
            f"portal with {RATE} requests a second and a bucket of {BURST}, `--rate {RATE} --burst {BURST}`, {arguments.rows} rows each.",
            "",
            "| three processes |" + "".join(f" {name} |" for name in names),
            "|" + "---|" * (len(names) + 1),
            *(f"| {race} |" + "".join(f" {value} |" for value in found.values()) for race, found in races.items()),
            "",
            "Rows of the killed process that have no result are its journal's to tell: resumed, they start once.",
            "",
            *store(),
            "",
        ]
    )
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
