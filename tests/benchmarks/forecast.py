"""The forecast beside what then happened: whole runs against the sandbox portal as a process of its own, real time, one command.

    python -m tests.benchmarks.forecast [CASE …] [--out tests/benchmarks/forecast.md]     # the fast ones first, the others at once: about nine minutes; --list names them

A front of ours hears the run as the bar does and asks ``outlook`` for the rest: when the canary is done, and again with settled rows, twice a second at most as the bar does. The truth is
the portal's ledger: seconds from that moment to the last answer to a start. Off: forecast / truth − 1. "Behind a third": the largest, of
all rows from a third of them on, while at least 20 s were left; within: the part of all such moments, down to 3 s, that keep the bar. Loopback only; both read the machine's monotonic clock.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bulkstart.version import VERSION
from tests.benchmarks.figures import SCENARIOS, portal
from tests.conftest import MARK

Json = dict[str, Any]
LEAST = 20.0
"""Seconds left below which a part of them says nothing: a portal that asks for two seconds' time is a tenth of them."""


@dataclass(frozen=True, slots=True)
class Case:
    """``portal``: its scenario; ``rows`` on each of so many entities; ``options`` of ours; ``live``: the bar is for the forecast in the run."""

    portal: Json
    entities: int
    options: Json
    rows: int = 1
    live: bool = False
    native: bool = True

    @property
    def most(self) -> float:
        return 0.15 if self.live else 0.10


def lasting(seconds: float, limits: Json, life: float = 1.0, **more: Any) -> Json:
    template = {
        "id": 713,
        "name": "Forecast",
        "documentType": "deal",
        "parameters": MARK,
        "run_seconds": seconds,
        "life_seconds": life,
    }
    return {"seed": 1, "templates": [template], "limits": {"per_document": 0, **limits}, **more}


def bucket(rate: float, burst: float, **more: Any) -> Json:
    return {"portal": {"rate": rate, "burst": burst, **more}}


FAST = ("S1", "S2")
"""Cases with so many rows a second that each runs alone, before the others."""
UNTOLD: Json = {"me": {"requests_per_second": None}}
PLAN: Json = {"native": "plan"}
WIDE: Json = {"batch": "50", "max_unknown": 500}
CASES: dict[str, Case] = {
    "S1, 50 batches": Case(lasting(0.05, PLAN), 1000, WIDE),
    "S1, as it stands": Case(lasting(0.05, PLAN), 1000, {}),
    "S2, 100 batches": Case(lasting(0.001, PLAN), 5000, WIDE),
    "S8, one row a request": Case(lasting(0.02, PLAN), 150, {"batch": "off"}),
    "starts of 1 s": Case(lasting(1.0, bucket(20, 20), **UNTOLD), 400, {"rate": 20, "burst": 20}, native=False),
    "starts of 1 s, native": Case(lasting(1.0, PLAN), 250, {}),
    "300 in 60 s": Case(
        lasting(0.05, {"platform": {"requests": 300, "seconds": 60}}, **UNTOLD), 900, {"rate": 300, "burst": 300}, native=False
    ),
    "10+10/s behind 300 in 60 s": Case(
        lasting(0.05, {"platform": {"requests": 300, "seconds": 60}, **bucket(10, 10)}, **UNTOLD), 900, {"rate": 10, "burst": 10}, native=False
    ),
    "8 rows on each of 40 entities, 12 s": Case(
        lasting(0.05, bucket(20, 20), 12.0, **UNTOLD), 40, {"rate": 20, "burst": 20, "life": 12.0}, rows=8, native=False
    ),
    "12 rows on each of 5 entities, 4 s, native": Case(lasting(0.05, PLAN, 4.0), 5, {"life": 4.0}, rows=12),
    "the same, life untold": Case(lasting(0.05, PLAN, 4.0), 5, {}, rows=12, live=True),
    "operating time untold": Case(lasting(1.0, {**PLAN, "operating": {"seconds": 48, "window": 60}}), 300, {}, live=True),
    "foreign half of 50+20/s": Case(
        lasting(0.05, bucket(20, 50, foreign=[{"from": 0, "to": None, "rate": 10}]), **UNTOLD), 1000, {"rate": 20, "burst": 50}, live=True, native=False
    ),
    "half of what was assumed": Case(lasting(0.05, bucket(2.5, 2.5), **UNTOLD), 500, {}, live=True, native=False),
}  # fmt: skip


# ------------------------------------------------------------------------------------------------ the run, in a process of its own


def child(name: str, rows: int) -> None:
    """Run a case with the portal of the environment; prints what was forecast: [instant, rows left, seconds], the canary's first."""
    import pandas as pd  # noqa: PLC0415  the parent needs none

    from bulkstart.job import Job  # noqa: PLC0415  as above
    from bulkstart.options import options_of  # noqa: PLC0415  as above
    from bulkstart.portal import Portal  # noqa: PLC0415  as above
    from bulkstart.work import Silent  # noqa: PLC0415  as above

    case, told = CASES[name], []

    class Listening(Silent):
        left = 0

        def begin(self, runner: Any, count: int) -> None:
            self.runner, self.left = runner, count

        def ask(self, _: str) -> bool:
            if self.left:
                told.append((time.monotonic(), self.left, math.nan, ""))
            return True

        def settle(self, _: Any) -> None:
            self.left -= 1
            if told and self.left and time.monotonic() >= told[-1][0] + 0.5:
                self.forecast()

        def forecast(self) -> None:
            cast = self.runner.outlook(self.left, time.monotonic())
            told.append((time.monotonic(), self.left, cast.seconds, cast.binds))

    numbers = [1000 + n % case.entities for n in range(rows)]
    frame = pd.DataFrame(
        {"entityId": numbers, "param:mark": [str(n) for n in range(rows)]} if case.rows > 1 else {"entityId": numbers}
    )
    options = options_of({"template": 713, "entity_type": "deal", **case.options})
    finished = asyncio.run(Job(frame, Portal.from_env(), options, Listening()).run())
    rest = finished.forecast.rest
    assert rest, (finished.counts, finished.stop, finished.problems[:3])
    told[0] = (*told[0][:2], rest.seconds, rest.binds)
    print(json.dumps({"told": told, "exit": finished.exit_code, "counts": finished.counts}))


def once(name: str) -> Json:
    """One run of a case."""
    case = CASES[name]
    path = SCENARIOS / f"forecast-{list(CASES).index(name) + 1:02}.json"
    path.write_text(json.dumps({"comment": name, **case.portal}, indent=1) + "\n", encoding="utf-8")
    settings = ["BULKSTART_WEBHOOK_URL"] if case.native else ["BULKSTART_BASE_URL", "BULKSTART_API_KEY"]
    with tempfile.TemporaryDirectory(prefix="forecast-") as place:
        folder = Path(place)
        env = {key: value for key, value in os.environ.items() if not key.startswith("BULKSTART_")}
        env |= {"BULKSTART_JOURNAL": str(folder / "journal.sqlite"), "BULKSTART_BUDGET": str(folder / "budget")}
        with portal(path.name, folder, until=settings[-1]) as found:
            env |= {key: found[key] for key in settings}
            words = [sys.executable, "-m", "tests.benchmarks.forecast", "--child", name]
            ran = subprocess.run(words, env=env, capture_output=True, text=True, timeout=1500, check=False)
        ledger = [json.loads(line) for line in (folder / "ledger.jsonl").read_text(encoding="utf-8").splitlines()]
    if ran.returncode:
        raise RuntimeError(ran.stderr)
    answer = json.loads(ran.stdout)
    print(name, answer["counts"], file=sys.stderr, flush=True)
    return judged(
        case, answer, max(line["mono"] for line in ledger if line["kind"] == "answer" and line["on"] in ("start", "batch"))
    )


def judged(case: Case, answer: Json, end: float) -> Json:
    """How far off the forecasts were."""
    rows = case.entities * case.rows
    offs = [(seconds / (end - at) - 1, end - at, left, binds) for at, left, seconds, binds in answer["told"] if end - at >= LEAST]
    first = answer["told"][0]
    late = [off for off in offs if off[2] <= rows * 2 / 3]
    within = [
        abs(seconds / (end - at) - 1) <= case.most
        for at, left, seconds, _ in answer["told"]
        if left <= rows * 2 / 3 and end - at >= 3
    ]
    worst = max(late, key=lambda off: abs(off[0]), default=None)
    counted = (worst[0] if worst else 0.0) if case.live else first[2] / (end - first[0]) - 1
    return {
        "rows": rows,
        "behind the canary": f"{first[2]:.1f} s, {first[3]}",
        "truth": f"{end - first[0]:.1f} s",
        "off": f"{first[2] / (end - first[0]) - 1:+.1%}",
        "behind a third, largest": f"{worst[0]:+.1%}, {worst[1]:.0f} s before the end" if worst else "–",
        "median": f"{sorted(abs(off[0]) for off in late)[len(late) // 2]:.1%}" if late else "–",
        "within": f"{sum(within) / len(within):.0%}" if within else "–",
        "bar": f"{'live' if case.live else 'canary'} ± {case.most:.0%}",
        "kept": "yes" if abs(counted) <= case.most and not answer["exit"] else "NO",
        "exit": answer["exit"],
        "_told": answer["told"],
        "_end": end,
    }


def report(found: dict[str, Json]) -> str:
    """The figures in Markdown."""
    names = [name for name in next(iter(found.values())) if not name.startswith("_")]
    lines = [
        "# Last figures of the forecast",
        "",
        f"`python -m tests.benchmarks.forecast`, {time.strftime('%Y-%m-%d')}, CPython {platform.python_version()}, bulkstart {VERSION}, {platform.system()} {platform.machine()},",
        f"{os.cpu_count()} cores of a shared machine, loopback, real time, one run each, S1 and S2 alone, then the others at once. What the columns mean stands at the head of",
        "`forecast.py`; the portals are `tests/benchmarks/scenarios/forecast-*.json`.",
        "",
        "| case |" + "".join(f" {name} |" for name in names),
        "|" + "---|" * (len(names) + 1),
    ]
    lines += [f"| {case} |" + "".join(f" {figures[name]} |" for name in names) for case, figures in found.items()]
    return "\n".join(lines) + "\n"


def main(words: Sequence[str] | None = None) -> int:
    """Run the cases, print and write the figures; 1 where one was not kept."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help="a case, or the words that its name begins with")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help="a Markdown file to write")
    parser.add_argument("--keep", type=Path, help="a JSON file for every forecast of every run")
    given = parser.parse_args(words)
    if given.child:
        child(given.child, CASES[given.child].entities * CASES[given.child].rows)
        return 0
    wanted = [name for name in CASES if not given.cases or name.startswith(tuple(given.cases))]
    if given.list or not wanted:
        print("\n".join(CASES))
        return 0 if wanted else 2
    found = {name: once(name) for name in wanted if name.startswith(FAST)}
    if others := [name for name in wanted if not name.startswith(FAST)]:
        with ThreadPoolExecutor(len(others)) as pool:
            found |= zip(others, pool.map(once, others), strict=True)
    text = report(found)
    print(text)
    if given.out:
        given.out.write_text(text, encoding="utf-8")
    if given.keep:
        given.keep.write_text(json.dumps(found), encoding="utf-8")
    return int(any(figures["kept"] != "yes" for figures in found.values()))


if __name__ == "__main__":
    sys.exit(main())
