"""Sheets read and checked: seconds and memory of whole processes, beside what plain pandas takes to read the same files.

    python -m tests.benchmarks.reading [--out tests/benchmarks/reading.md]     # about four minutes

Every case is a process of its own, started by this one and measured by the system when it has ended: seconds on the wall, seconds
of CPU, the largest memory it ever held. Interpreter and imports are in them; the first line shows how much these are. Best of
``--times`` (cases that take long: one). The sandbox portal gives template 713's definitions; nothing leaves the machine.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import importlib.util
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import openpyxl

HEADERS = ("ID", "Название сделки", "contract_number", "kind", "responsible", "due_date", "amount", "comment")
FIT = "import sys, bulkstart; found = bulkstart.check(bulkstart.read_sheet(sys.argv[1]), sandbox=True, template=713); assert found.empty"
ALONE = (
    "import sys, bulkstart; frame = bulkstart.read_sheet(sys.argv[1]);"
    " assert bulkstart.check(frame, template=713, entity_type='deal').empty"
)
PANDAS = "import sys, pandas; assert len(pandas.{}) == {}"


@dataclass(frozen=True)
class Case:
    """What is run: ``words`` behind the interpreter, on ``file``; ``target``: seconds and megabytes that issue 6 allows."""

    name: str
    file: str
    words: tuple[str, ...]
    target: tuple[int, int] | None = None
    once: bool = False


def cases(rows: int, many: int) -> Iterator[Case]:
    check = ("-m", "bulkstart", "check", "FILE", "--sandbox", "--template", "713")
    small, big = f"{rows:,} × 8 XLSX", f"{many:,} × 8 CSV"
    yield Case("interpreter and imports alone", "", ("-c", "import bulkstart, pandas, httpx; bulkstart.check, bulkstart.Portal"))
    yield Case(f"{small}: `python -m bulkstart check`", "deals.xlsx", check, (4, 400))
    yield Case(f"{small}: `read_sheet` and `check`, with a portal", "deals.xlsx", ("-c", FIT, "FILE"), (4, 400))
    yield Case(f"{small}: `read_sheet` and `check`, without one", "deals.xlsx", ("-c", ALONE, "FILE"), (4, 400))
    engines = ["openpyxl"] + ["calamine"] * (importlib.util.find_spec("python_calamine") is not None)
    for engine in engines:
        read = PANDAS.format(f"read_excel(sys.argv[1], engine={engine!r})", rows)
        yield Case(f"{small}: pandas.read_excel, {engine}, nothing checked", "deals.xlsx", ("-c", read, "FILE"), None, once=True)
    yield Case(f"{rows:,} × 8 CSV: `python -m bulkstart check`", "deals.csv", check)
    yield Case(f"{big}: `python -m bulkstart check`", "many.csv", check, (20, 2000), once=True)
    yield Case(f"{big}: `read_sheet` and `check`, with a portal", "many.csv", ("-c", FIT, "FILE"), (20, 2000), once=True)
    yield Case(f"{big}: `read_sheet` and `check`, without one", "many.csv", ("-c", ALONE, "FILE"), (20, 2000), once=True)
    for how, read in (("types guessed", "read_csv(sys.argv[1])"), ("as text", "read_csv(sys.argv[1], dtype=str)")):
        words = ("-c", PANDAS.format(read, many), "FILE")
        yield Case(f"{big}: pandas.read_csv, {how}, nothing checked", "many.csv", words, None, once=True)


def row(n: int) -> list[object]:
    kind = ("supply", "service", "nda")[n % 3]
    return [5000 + n, f"Сделка {n}", f"{n:08}", kind, 14 + n % 40, dt.date(2026, 1, 1 + n % 28), n * 1.25, "as agreed"]


def make(folder: Path, rows: int, many: int) -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Deals")
    sheet.append(HEADERS)
    for n in range(rows):
        sheet.append(row(n))
    book.save(folder / "deals.xlsx")
    for name, count in (("deals.csv", rows), ("many.csv", many)):
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(HEADERS)
            writer.writerows(map(row, range(count)))


def measured(case: Case, folder: Path) -> tuple[float, float, float]:
    """Seconds on the wall, seconds of CPU, megabytes (10^6 bytes) at most."""
    words = [str(folder / case.file) if word == "FILE" else word for word in case.words]
    own = {"BULKSTART_JOURNAL": str(folder / "journal.sqlite"), "BULKSTART_BUDGET": str(folder / "budget.sqlite")}
    actions = [
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, str(folder / "said"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
    ]
    begun = time.perf_counter()
    child = os.posix_spawn(sys.executable, [sys.executable, *words], os.environ | own, file_actions=actions)
    _, status, used = os.wait4(child, 0)
    seconds = time.perf_counter() - begun
    if status:
        raise SystemExit(f"{case.name} ended with {status}: {(folder / 'said').read_text(errors='replace')[-2000:]}")
    unit = 1 if sys.platform == "darwin" else 1024
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * unit / 1e6


def report(found: list[tuple[Case, tuple[float, float, float]]], times: int) -> str:
    lines = [
        "# Last figures of sheets read and checked",
        "",
        f"`python -m tests.benchmarks.reading`, {dt.datetime.now(dt.UTC):%Y-%m-%d}, CPython {platform.python_version()}.",
        f"{os.cpu_count()} cores, load at the end {os.getloadavg()[0]:.1f}.",
        f"Whole processes, interpreter and imports included; best of {times}, what takes long once. Targets: issue 6.",
        "",
        "| case | seconds | CPU seconds | peak MB | target |",
        "|---|---|---|---|---|",
    ]
    for case, (seconds, busy, peak) in found:
        target = f"{case.target[0]} s, {case.target[1]:,} MB" if case.target else ""
        lines.append(f"| {case.name} | {seconds:.2f} | {busy:.2f} | {peak:,.0f} | {target} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, arguments.rows, arguments.many)
        found = []
        for case in cases(arguments.rows, arguments.many):
            runs = [measured(case, folder) for _ in range(1 if case.once else arguments.times)]
            best = tuple(min(one[place] for one in runs) for place in range(3))
            found.append((case, (best[0], best[1], max(one[2] for one in runs))))
    text = report(found, arguments.times)
    print(text)
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
