"""The share of the ideal at limits that are known, shared with a foreign client, or other than assumed: whole runs, real time, one command.

    python -m tests.benchmarks.limits [CASE …] [--out tests/benchmarks/limits.md]     # all cases at once: about seven minutes; --list names them

Every case has a sandbox portal, a journal and a budget of its own, and all run at the same time, but the fast one before them: they mostly wait. Figures are from the portals'
ledgers. Taken: first to last arrival of start requests, refused ones included. Ideal: (rows − burst) / rate; for a window of N requests in
T seconds, all of N leave at once and the next N when those are T old: T × (⌈requests / N⌉ − 1), the opening questions among them, since no client
that asks anything can do without: of 900 rows the last ones wait for a fourth window. Where only a rate is told, nobody told a burst. Where a foreign client takes a part, the rate is
what it leaves; where the portal changes, the ideal is what its bucket would have let through. Refused: refused start requests of ours over all of
ours. The foreign client is a process of its own: one GET /v1/me after another at its rate, whatever is answered. Loopback only.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bulkstart.version import VERSION
from tests.benchmarks.figures import SCENARIOS, portal

Json = dict[str, Any]
TEMPLATE = {
    "id": 713,
    "name": "Figures",
    "documentType": "deal",
    "parameters": [],
    "run_seconds": [0.03, 0.08],
    "life_seconds": 20,
}
FOREIGN = """
import asyncio, httpx, os, sys
rate, seconds = float(sys.argv[1]), float(sys.argv[2])
async def main():
    address, headers = os.environ["BULKSTART_BASE_URL"] + "/me", {"X-Api-Key": os.environ["BULKSTART_API_KEY"]}
    async with httpx.AsyncClient(headers=headers, timeout=30, trust_env=False) as client:
        loop, asked = asyncio.get_running_loop(), set()
        began = loop.time()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
            task = asyncio.create_task(client.get(address))
            asked.add(task)
            task.add_done_callback(asked.discard)
            if not number:
                print("began", flush=True)
        await asyncio.gather(*asked, return_exceptions=True)
asyncio.run(main())
"""


@dataclass(frozen=True, slots=True)
class Case:
    """``limits`` and ``me`` of the portal, ``options`` of ours, the ``ideal`` in seconds and how it is reckoned, the least share and most refusals.

    ``foreign``: (requests a second, seconds) of the other client; ``untold``: /v1/me names no rate; ``native``: the other dialect.
    """

    limits: Json
    rows: int
    ideal: float
    why: str
    share: float
    refused: float
    options: list[str] = field(default_factory=list)
    foreign: tuple[float, float] | None = None
    me: Json = field(default_factory=lambda: {"requests_per_second": None})
    native: bool = False
    fast: bool = False  # so many requests a second that it runs alone

    @property
    def scenario(self) -> Json:
        return {"seed": 1, "templates": [TEMPLATE], "me": self.me, "limits": {"per_document": 0, **self.limits}}


def told(rate: float, burst: float) -> list[str]:
    return ["--rate", f"{rate:g}", "--burst", f"{burst:g}"]


def bucket(rate: float, burst: float, rows: int, *, least: float = 0.97, **more: Any) -> Case:
    """A limit that is known, alone."""
    limits = {"portal": {"rate": rate, "burst": burst}}
    return Case(
        limits,
        rows,
        (rows - burst) / rate,
        f"({rows:,} − {burst:g}) / {rate:g}",
        least,
        0.0,
        **({"options": told(rate, burst)} | more),
    )


def shared(*, headers: bool) -> Case:
    """A foreign client takes a half of 50 + 20/s from the start."""
    limits = {"portal": {"rate": 20, "burst": 50, "headers": headers}}
    least, most = (0.90, 0.01) if headers else (0.85, 0.02)
    return Case(limits, 1000, 95.0, "(1,000 − 50) / 10", least, most, told(20, 50), foreign=(10, 200))


def windowed(rows: int, questions: int = 2) -> Case:
    """The platform's window, alone."""
    ideal = 60.0 * (-(-(rows + questions) // 300) - 1)
    limits = {"platform": {"requests": 300, "seconds": 60}}
    options = [*told(300, 300), "--max-unknown", "40"]  # 300 a second × 50 ms, and the burst
    return Case(limits, rows, ideal, f"60 × (⌈({rows} + {questions}) / 300⌉ − 1)", 0.97, 0.0, options)


SLOWER = {"portal": {"rate": 20, "burst": 50, "changes": [{"at": 20, "rate": 2}]}}
CASES: dict[str, Case] = {
    "known 50+2/s": bucket(2, 50, 400),
    "known 50+2/s, native, not told": Case(
        {"native": "plan"}, 400, 175.0, "(400 − 50) / 2", 0.97, 0.0, ["--batch", "off"], native=True
    ),
    "known 250+5/s": bucket(5, 250, 2000),
    "known 50+50/s": bucket(50, 50, 1000, fast=True),
    "known 10/s by /v1/me": Case({"portal": {"rate": 10, "burst": 10}}, 500, 49.9, "(500 − 1) / 10", 0.97, 0.0, me={}),
    "known 300 in 60 s, 900 requests": windowed(890),
    "known 300 in 60 s, 900 rows": windowed(900),
    "foreign half of 50+20/s": shared(headers=False),
    "foreign half of 50+20/s, Remaining": shared(headers=True),
    "foreign half for a minute, then none": Case(
        {"portal": {"rate": 20, "burst": 50}},
        1500,
        60 + (1500 - 50 - 600) / 20,
        "60 + (1,500 − 50 − 600) / 20",
        0.85,
        0.02,
        told(20, 50),
        (10, 60),
    ),
    "tenfold slower at 20 s": Case(SLOWER, 700, 20 + (700 - 50 - 400) / 2, "20 + (700 − 50 − 400) / 2", 0.85, 0.03, told(20, 50)),
    "half of what was assumed": Case({"portal": {"rate": 2.5, "burst": 2.5}}, 500, 199.0, "(500 − 2.5) / 2.5", 0.85, 0.03),
    "four times what was assumed": Case({"portal": {"rate": 20, "burst": 20}}, 2000, 99.0, "(2,000 − 20) / 20", 0.75, 0.03),
}


@contextlib.contextmanager
def neighbour(case: Case, found: dict[str, str]) -> Iterator[None]:
    """The foreign client, from its first request on."""
    if case.foreign is None:
        yield
        return
    words = [sys.executable, "-c", FOREIGN, *map(str, case.foreign)]
    process = subprocess.Popen(words, env=os.environ | found, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        process.stdout.readline()
        yield
    finally:
        process.terminate()
        process.wait(10)


def once(name: str) -> Json:
    """One run of a case."""
    case = CASES[name]
    scenario = "limits-" + "".join(letter if letter.isalnum() else "-" for letter in name).strip("-").replace("--", "-") + ".json"
    (SCENARIOS / scenario).write_text(json.dumps(case.scenario, indent=1) + "\n", encoding="utf-8")
    with tempfile.TemporaryDirectory(prefix="limits-") as place:
        folder = Path(place)
        sheet = folder / "sheet.csv"
        sheet.write_text("entityId\n" + "".join(f"{1000 + n}\n" for n in range(case.rows)), encoding="utf-8")
        settings = ["BULKSTART_WEBHOOK_URL"] if case.native else ["BULKSTART_BASE_URL", "BULKSTART_API_KEY"]
        env = {key: value for key, value in os.environ.items() if not key.startswith("BULKSTART_")}
        env |= {"BULKSTART_JOURNAL": str(folder / "journal.sqlite"), "BULKSTART_BUDGET": str(folder / "budget")}
        words = [sys.executable, "-m", "bulkstart", str(sheet), "--template", "713", "--yes", "--json", *case.options]
        words += [] if case.native else ["--entity-type", "deal"]
        with portal(scenario, folder, until=settings[-1]) as found, neighbour(case, found):
            env |= {key: found[key] for key in settings}
            answer = json.loads(subprocess.run(words, env=env, capture_output=True, text=True, timeout=1500, check=False).stdout)
        ledger = [json.loads(line) for line in (folder / "ledger.jsonl").read_text(encoding="utf-8").splitlines()]
    return judged(case, ledger, answer)


def judged(case: Case, ledger: list[Json], answer: Json) -> Json:
    """The figures of one run."""
    starts = [line for line in ledger if line["on"] == "start"]
    arrivals = [line for line in starts if line["kind"] == "arrival"]
    refused = sum(line["kind"] == "answer" and bool(line.get("throttled")) for line in starts)
    commits = Counter(line["entityId"] for line in starts if line["kind"] == "commit")
    taken = arrivals[-1]["mono"] - arrivals[0]["mono"]
    share, part = case.ideal / taken, refused / len(arrivals)
    return {
        "rows": case.rows,
        "ideal s": f"{case.ideal:.1f} = {case.why}",
        "taken s": f"{taken:.1f}",
        "share": f"{share:.3f}",
        "at least": f"{case.share:.2f}",
        "refused": f"{refused} ({part:.2%})",
        "at most": f"{case.refused:.0%}",
        "started": len(commits),
        "twice": sum(count > 1 for count in commits.values()),
        "exit": answer["exitCode"],
        "kept": "yes"
        if share >= case.share and part <= case.refused and len(commits) == case.rows and not answer["exitCode"]
        else "NO",
    }


def report(found: dict[str, Json]) -> str:
    """The figures in Markdown."""
    names = list(next(iter(found.values())))
    lines = [
        "# Last figures at the limit",
        "",
        f"`python -m tests.benchmarks.limits`, {time.strftime('%Y-%m-%d')}, CPython {platform.python_version()}, bulkstart {VERSION}, {platform.system()} {platform.machine()},",
        f"{os.cpu_count()} cores of a shared machine, loopback, real time, one run each, all cases but the fast one at once. What the columns mean stands at the head of",
        "`limits.py`; the portals are `tests/benchmarks/scenarios/limits-*.json`.",
        "",
        "| case |" + "".join(f" {name} |" for name in names),
        "|" + "---|" * (len(names) + 1),
    ]
    lines += [f"| {case} |" + "".join(f" {value} |" for value in figures.values()) for case, figures in found.items()]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run the cases, print and write the figures; 1 where one was not kept."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help="a case, or the words that its name begins with")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--out", type=Path, help="a Markdown file to write")
    given = parser.parse_args()
    wanted = [name for name in CASES if not given.cases or name.startswith(tuple(given.cases))]
    if given.list or not wanted:
        print("\n".join(CASES))
        return 2 if not wanted else 0
    found = {name: once(name) for name in wanted if CASES[name].fast}
    if others := [name for name in wanted if not CASES[name].fast]:
        with ThreadPoolExecutor(len(others)) as pool:
            found |= zip(others, pool.map(once, others), strict=True)
    text = report(found)
    print(text)
    if given.out:
        given.out.write_text(text, encoding="utf-8")
    return int(any(figures["kept"] != "yes" for figures in found.values()))


if __name__ == "__main__":
    sys.exit(main())
