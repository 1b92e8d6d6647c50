"""Chaos: random fault schedules and SIGKILLs at random moments; every row that was ever told is compared with the portal's ledger.

    python -m tests.benchmarks.chaos [--schedules 1000] [--native 300] [--kills 100] [--seed 20261122] [--workers 1] [--out tests/benchmarks/chaos.md]
    python -m tests.benchmarks.chaos --only 17          # one schedule again, with its scenario and what every act told
    python -m tests.benchmarks.chaos --only native:17   # the same by the native dialect, with batches and their faults
    python -m tests.benchmarks.chaos --only kill:3

A schedule is 40 rows, a random scenario and a random series of acts on one journal: start (also of the fed-back results), dry run,
resume, with and without released doubts, reconcile, two of them at once, each also drained, abandoned or killed half-way. A kill case
is a 300-row run of the program itself, killed at one to three moments. The same number and seed draw the same case; what threads,
processes and the load of the machine make of it may differ.

- duplicate: a row that was started once more although nobody released a doubt of it, or although its id was known
- false row: a row that the ledger contradicts or that breaks the promises of the six columns, and a start that no row means
- lost id: an id that the client received whole, with time to write it down, or that was told before, and that a later table does not tell
- fault: an exception, a program that hangs or fails, a results file that is torn
- twin: an id that a row has by the list although it is that of another row of the same entity and template, for which the gateway
  itself had sent its request twice (switch ``upstream_retry_every``); the list cannot tell the two apart, so it is counted, not hidden

Loopback only; every process started here is ended here.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import multiprocessing
import os
import platform
import sqlite3
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

from bulkstart.simulator import Sandbox
from bulkstart.version import VERSION
from tests.benchmarks.chaos_acts import Killed, Story
from tests.benchmarks.chaos_draw import LATER, draw, draw_kills, draw_native
from tests.benchmarks.chaos_truth import Json, Truth, Verdict
from tests.conftest import starts

SEED = 20261122
KINDS = ("duplicates", "false", "lost", "faults")


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of cases, to be added up."""

    cases: int = 0
    rows: int = 0
    acts: int = 0
    kills: int = 0
    starts: int = 0
    doubts: int = 0
    duplicates: int = 0
    false: int = 0
    lost: int = 0
    faults: int = 0
    twins: int = 0
    seconds: float = 0.0

    def __add__(self, other: Figures) -> Figures:
        return Figures(*(a + b for a, b in zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class Outcome:
    """One case: its figures, and each fault as a sentence."""

    name: str
    figures: Figures
    verdict: Verdict


def play(name: str, seed: int = SEED, *, loud: bool = False) -> Outcome:
    """Play one schedule (``17``), the same natively (``native:17``) or one kill case (``kill:3``), and judge it."""
    what, _, number = name.rpartition(":")
    kind, drawn = {"": (Story, draw), "native": (Story, draw_native), "kill": (Killed, draw_kills)}[what]
    schedule, began = drawn(int(number), seed), time.monotonic()
    if loud:
        print(
            json.dumps(schedule.scenario, indent=1), json.dumps(schedule.options), *schedule.rows[:60], *schedule.acts, sep="\n"
        )
    with (
        tempfile.TemporaryDirectory(prefix="chaos-") as where,
        _budget(Path(where) / "budget"),
        Sandbox(schedule.scenario, ledger=Path(where) / "ledger.jsonl") as server,
    ):
        story = kind(schedule, Path(where), server, loud=loud)
        try:
            story.play()
        except Exception:  # noqa: BLE001  a fault of ours or the product's: it is told, and the next case goes on
            story.faults.append(traceback.format_exc())
        story.close()
        ledger = server.ledger()
    verdict = Truth(ledger, story.acts, story.tables, schedule.garbled).judge()
    verdict.faults.extend(story.faults)
    doubts = sum(row["startStatus"] == "in_doubt" for row in (story.tables[-1].rows if story.tables else ()))
    acts, rows, started = len(story.acts) - 1, len(schedule.rows) - LATER, len(starts(ledger, "commit"))
    figures = Figures(1, rows, acts, story.kills, started, doubts, *verdict.counts, len(verdict.twins), time.monotonic() - began)
    if loud:
        print_ledger(ledger)
    return Outcome(name, figures, verdict)


@contextlib.contextmanager
def _budget(path: Path) -> Iterator[None]:
    """The limits of a case's portal are no business of other programs on this machine."""
    before = os.environ.get("BULKSTART_BUDGET")
    os.environ["BULKSTART_BUDGET"] = str(path)
    try:
        yield
    finally:
        os.environ.pop("BULKSTART_BUDGET")
        if before is not None:
            os.environ["BULKSTART_BUDGET"] = before


def print_ledger(ledger: Iterable[Json]) -> None:
    """The lines about starts, short."""
    for line in (line for line in ledger if line["on"] == "start"):
        what = [line.get("entityId"), (line.get("parameters") or {}).get("mark"), line.get("workflowId"), line.get("cause")]
        what += [line.get("status"), line.get("code"), line.get("done"), line.get("rule")]
        print(f"{line['time']:.3f} {line['n']:4} {line['kind']:8}", *(one for one in what if one is not None))


def played(names: Iterable[str], seed: int, workers: int) -> Iterator[Outcome]:
    """The outcomes of cases, one after the other or in as many processes."""
    if workers == 1:
        yield from (play(name, seed) for name in names)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(partial(play, seed=seed), names)


def told(outcomes: Iterable[Outcome], most: int = 3) -> Iterator[Figures]:
    """The figures of cases; what went wrong is printed at once, the first few sentences of each kind."""
    for outcome in outcomes:
        for kind in KINDS:
            found = getattr(outcome.verdict, kind)
            for line in found[:most]:
                print(f"{outcome.name}: {kind} ({len(found)}): {line}", file=sys.stderr, flush=True)
        yield outcome.figures


def until_killed(names: Iterable[str], kills: int, seed: int, workers: int) -> Figures:
    """Kill cases, until there were so many kills."""
    total, waiting = Figures(), iter(names)
    while total.kills < kills:
        some = [next(waiting) for _ in range(max(workers, (kills - total.kills) // 2))]
        total = sum(told(played(some, seed, workers)), total)
    return total


def report(schedules: Figures, native: Figures, kills: Figures, seed: int, command: str) -> str:
    """The figures in Markdown."""
    names = [entry.name for entry in dataclasses.fields(Figures)]
    used = {
        "CPython": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "pandas": version("pandas"),
        "httpx": version("httpx"),
    }
    versions = ", ".join(f"{name} {number}" for name, number in {"bulkstart": VERSION, **used}.items())
    lines = [
        "# Last figures of chaos",
        "",
        f"`{command}`, seed {seed}, {time.strftime('%Y-%m-%d')}, {versions}, {os.cpu_count()} cores, shared; loopback.",
        "",
        "What counts as a duplicate, a false row, a lost id, a fault and a twin stands at the head of `chaos.py`. Kills among the schedules are",
        "those of single acts in processes of their own; doubts are rows in doubt at the end of a case.",
        "",
        "| |" + "".join(f" {name} |" for name in names),
        "|" + "---|" * (len(names) + 1),
    ]
    labels = ("fault schedules of 40 rows", "the same natively, with batches", "SIGKILLs of 300-row runs")
    for label, figures in zip(labels, (schedules, native, kills), strict=True):
        cells = [f"{value:,.0f}" for value in dataclasses.astuple(figures)]
        lines.append(f"| {label} |" + "".join(f" {cell} |" for cell in cells))
    return "\n".join(lines) + "\n"


def main() -> int:
    """Play, print, and write the figures; 1 where anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--schedules", type=int, default=1000)
    parser.add_argument("--native", type=int, default=300)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, help="a Markdown file to write")
    parser.add_argument("--only", metavar="CASE", help="one case: 17 or kill:3")
    given = parser.parse_args()
    if given.only:
        figures = sum(told([play(given.only, given.seed, loud=True)], most=1000), Figures())
        print(figures)
        return int(bool(figures.duplicates or figures.false or figures.lost or figures.faults))
    schedules = sum(told(played((str(n) for n in range(given.schedules)), given.seed, given.workers)), Figures())
    native = sum(told(played((f"native:{n}" for n in range(given.native)), given.seed, given.workers)), Figures())
    kills = until_killed((f"kill:{n}" for n in range(100 * given.kills)), given.kills, given.seed, given.workers)
    text = report(schedules, native, kills, given.seed, " ".join(["python -m tests.benchmarks.chaos", *sys.argv[1:]]))
    print(text)
    if given.out:
        given.out.write_text(text, encoding="utf-8")
    both = schedules + native + kills
    return int(bool(both.duplicates or both.false or both.lost or both.faults))


if __name__ == "__main__":
    raise SystemExit(main())
