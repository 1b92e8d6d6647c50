"""Results into a copy of the analyst's workbook, 100,000 × 8 cells: seconds and memory, beside openpyxl's load and save.

    python -m tests.benchmarks.patching [--rows 100000] [--out tests/benchmarks/patching.md]     # about two minutes

Each case is a process of its own; seconds are the best and the worst of three (openpyxl: one), memory is tracemalloc's peak above the
frame that is already there, taken in one more run (not for openpyxl). No portal, no traffic.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import platform
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl

from bulkstart.model import Outcome
from bulkstart.result_columns import RESULT_COLUMNS, Status
from bulkstart.results import results_frame
from bulkstart.sheet import read_sheet, write_sheet

CASES = {
    "all started": "patched",
    "one in ten refused, with a sentence": "patched, 10,000 failed rows",
    "none attempted": "patched, 100,000 failed rows",
    "fed back": "results replaced in place",
    "openpyxl": "load, six columns more, save",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--case", nargs=2, metavar=("CASE", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(measured(arguments.case[0], Path(arguments.case[1]))))
        return
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder) / "deals.xlsx", arguments.rows)
        found = {case: _child(case, folder) for case in CASES}
    text = report(found, arguments.rows)
    print(text)
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")


def make(path: Path, rows: int) -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Deals")
    sheet.append(["ID", "Title", "Code", "Sum", "Day", "Urgent", "Name", "Comment"])
    for n in range(rows):
        sheet.append(
            [5000 + n, f"Deal {n}", f"{n:08}", n * 1.25, dt.date(2026, 1, 1 + n % 28), n % 2 == 0, f"Имя {n % 977}", "as agreed"]
        )
    book.save(path)


def outcome(position: int, case: str) -> Outcome:
    if case == "none attempted":
        return Outcome(
            position, Status.NOT_ATTEMPTED, "", "RUN_STOPPED", "the run was stopped before this row; run the sheet again"
        )
    if case.startswith("one in ten") and position % 10 == 0:
        return Outcome(position, Status.REFUSED, "", "ENTITY_NOT_FOUND", f"there is no deal {position} <any more>", 1)
    return Outcome(
        position, Status.STARTED, f"69f0c2d5ade389.{position:08}", attempts=1, started_at="2026-11-22T06:00:00.123+00:00"
    )


def measured(case: str, folder: Path) -> dict[str, Any]:
    source, target = folder / "deals.xlsx", folder / "out.xlsx"
    if case == "openpyxl":
        return _timed(lambda: with_openpyxl(source, target), 1)
    frame = read_sheet(source)
    results = results_frame(frame, [outcome(position, case) for position in range(len(frame))])
    if case == "fed back":
        write_sheet(results, folder / "deals.results.xlsx", source=source)
        source = folder / "deals.results.xlsx"
        frame = read_sheet(source)
        results = results_frame(frame, [outcome(position, "one in ten") for position in range(len(frame))])

    def patch() -> None:
        notes = write_sheet(results, target, source=source)
        assert not notes, notes

    found = _timed(patch, 3)
    assert read_sheet(target)["startStatus"].tolist() == results["startStatus"].tolist()
    return found | {"bytes": target.stat().st_size, "source bytes": source.stat().st_size}


def with_openpyxl(source: Path, target: Path) -> None:
    book = openpyxl.load_workbook(source)
    sheet: Any = book["Deals"]
    for column, name in enumerate(RESULT_COLUMNS, 9):
        sheet.cell(1, column, name)
    for row in range(2, sheet.max_row + 1):
        for column, value in ((9, "started"), (10, f"69f0c2d5ade389.{row:08}"), (13, 1), (14, "2026-11-22T06:00:00.123+00:00")):
            sheet.cell(row, column, value)
    book.save(target)


def _timed(act: Callable[[], None], times: int) -> dict[str, Any]:
    taken, busy = [], []
    for _ in range(times):
        before, used = time.perf_counter(), time.process_time()
        act()
        taken.append(time.perf_counter() - before)
        busy.append(time.process_time() - used)
    peak = None
    if times > 1:  # what takes a minute takes ten with tracemalloc
        tracemalloc.start()
        act()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return {"best": min(taken), "worst": max(taken), "cpu": min(busy), "peak": peak}


def _child(case: str, folder: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.patching", "--case", case, folder]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=900)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def report(found: dict[str, dict[str, Any]], rows: int) -> str:
    slow = found["openpyxl"]["cpu"]
    lines = [
        "# Last figures of results in the analyst's own workbook",
        "",
        f"`python -m tests.benchmarks.patching`, {dt.datetime.now(dt.UTC):%Y-%m-%d}, CPython {platform.python_version()}.",
        f"2 cores of a machine that others load at the same time; {rows:,} × 8 cells, six result columns.",
        "Best and worst of three runs (openpyxl: one); memory is tracemalloc's peak above the frame.",
        "",
        "| case | | CPU seconds, best | seconds, best | worst | peak MB | openpyxl ÷ this, CPU |",
        "|---|---|---|---|---|---|---|",
    ]
    for case, one in found.items():
        share = f"{slow / one['cpu']:.1f}" if case != "openpyxl" else ""
        peak = f"{one['peak'] / 1e6:.0f}" if one["peak"] else ""
        lines.append(f"| {case} | {CASES[case]} | {one['cpu']:.2f} | {one['best']:.2f} | {one['worst']:.2f} | {peak} | {share} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
