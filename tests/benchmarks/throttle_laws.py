"""The throttle against strict limiters in virtual time: ``python tests/benchmarks/throttle_laws.py`` prints a Markdown table.

Share of the ideal, refusals and requests, median and worst of six fixed seeds. Ideal time: (rows - burst) / rate, or 60 s for each
full window; "from row 200": what remained then / rate. Taken: first to last arrival, refused ones included. Two wires: one jitters
(5 to 150 ms each way), one is near (1 to 5 ms).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that it can be run as a file

from bulkstart.forecast import Ways, forecast
from bulkstart.throttle import Limits, Throttle
from tests.portal_limits import (
    Both,
    Drive,
    FixedWindow,
    LeakyBucket,
    Limiter,
    Road,
    SlidingWindow,
    drive,
    foreign,
)

WIRES = {"5-150 ms": (0.005, 0.150), "1-5 ms": (0.001, 0.005)}
SEEDS = range(1, 7)
UNSTATED = Limits(5, 5, stated=False)
PLATFORM = (300, 60.0)
HALF_TO_TWO: dict[str, Any] = {"none": None, "1 to 2 s": lambda chance: chance.uniform(1, 2)}


@dataclass(frozen=True)
class Case:
    """``ideal`` seconds for the whole run, or ``rate`` where only the rows from 200 on count."""

    name: str
    limits: Limits
    portal: Callable[[], Limiter]
    rows: int
    ideal: float = 0.0
    rate: float = 0.0
    foreign: float = 0.0
    road: dict[str, Any] = field(default_factory=dict)

    def share(self, done: Drive) -> float:
        return done.share_from(200, self.rate) if self.rate else self.ideal / done.taken


def stated() -> Iterator[Case]:
    yield Case("10+10/s stated, 500 rows", Limits(10, 10), lambda: LeakyBucket(10, 10), 500, 49)
    yield Case("10/s told as a rate only, bucket of 10", Limits(10), lambda: LeakyBucket(10, 10), 500, 49)
    yield Case("10/s told as a rate only, strict second", Limits(10), lambda: SlidingWindow(10, 1), 500, 49)
    yield Case("50+2/s, 400 rows", Limits(2, 50), lambda: LeakyBucket(50, 2), 400, 175)
    wide = {"workers": 64}
    yield Case("250+5/s, 2,000 rows", Limits(5, 250), lambda: LeakyBucket(250, 5), 2000, 350, road=wide)
    yield Case("50+50/s, 1,000 rows", Limits(50, 50), lambda: LeakyBucket(50, 50), 1000, 19, road=wide)
    for headers in ("", "oldest", "all"):
        name = f"300 in 60 s, 900 rows, {headers or 'no'} reset header"
        limits = Limits(300, 300, window=PLATFORM)
        yield Case(name, limits, lambda headers=headers: SlidingWindow(*PLATFORM, headers=headers), 900, 120, road=wide)
    both = Limits(10, 10, window=PLATFORM)
    yield Case(
        "10+10/s behind 300 in 60 s, 900 rows", both, lambda: Both(SlidingWindow(*PLATFORM), LeakyBucket(10, 10)), 900, 149
    )


def untold() -> Iterator[Case]:
    for times in (0.5, 1, 4):
        rate = 5 * times
        kinds: dict[str, Callable[[], Limiter]] = {
            "bucket of 1 s": lambda rate=rate: LeakyBucket(rate, rate),
            "bucket of 50": lambda rate=rate: LeakyBucket(50, rate),
            "1 s window": lambda rate=rate: SlidingWindow(5, 2) if rate < 5 else SlidingWindow(int(rate), 1),
            "10 s window": lambda rate=rate: SlidingWindow(int(10 * rate), 10),
        }
        for kind, portal in kinds.items():
            for told, after in HALF_TO_TWO.items():
                name = f"untold, {times:g} x begin, {kind}, Retry-After {told}"
                yield Case(name, UNSTATED, portal, 1000, rate=rate, road={"retry_after": after})
    yield Case("untold, 300 in 60 s, no header", UNSTATED, lambda: SlidingWindow(*PLATFORM), 1000, rate=5)
    yield Case("untold, 300 in 60 s, fixed, headers", UNSTATED, lambda: FixedWindow(*PLATFORM), 1000, rate=5)


def shared() -> Iterator[Case]:
    for headers in ("", "reset", "noreset"):
        name = {"": "no header", "reset": "Remaining and Reset", "noreset": "Remaining only"}[headers]
        for told, after in HALF_TO_TWO.items():
            yield Case(
                f"a foreign load eats half of 50+20/s, {name}, Retry-After {told}",
                Limits(20, 50),
                lambda headers=headers: LeakyBucket(50, 20, headers=headers),
                1000,
                95,
                foreign=10,
                road={"retry_after": after},
            )
    slower = LeakyBucket
    yield Case("tenfold slower at 20 s, 700 rows", Limits(20, 50), lambda: slower(50, 20, changes=[(20, 2)]), 700, 145)
    yield Case("4 x at 30 s, untold, 2,000 rows", UNSTATED, lambda: slower(5, 5, changes=[(30, 20)]), 2000, 30 + 1845 / 20)


def measured(case: Case, wire: tuple[float, float]) -> list[Drive]:
    def road() -> Road:
        others = foreign(case.foreign) if case.foreign else ()
        return Road(latency=wire, foreign=others, **case.road)

    return [drive(Throttle(case.limits, 0.0), case.portal(), case.rows, road(), seed=seed) for seed in SEEDS]


def line(case: Case, wire: str) -> str:
    runs = measured(case, WIRES[wire])
    shares = sorted(case.share(done) for done in runs)
    refused = sorted(100 * done.refused_share for done in runs)
    requests = median(len(done.arrived) for done in runs)
    return (
        f"| {case.name} | {wire} | {median(shares):.3f} | {shares[0]:.3f} "
        f"| {median(refused):.2f} | {refused[-1]:.2f} | {requests:.0f} |"
    )


def forecast_line(case: Case) -> str:
    wire = (0.005, 0.055)
    done = measured(case, wire)[0]
    workers = case.road.get("workers", 10)
    cast = forecast(case.rows, case.limits, Ways(seconds_per_start=0.06, in_flight=workers))
    took = done.left[-1] - done.left[0]
    return f"| {case.name} | {took:.1f} | {cast.seconds:.1f} | {100 * (cast.seconds / took - 1):+.1f} | {cast.text} |"


def main() -> None:
    print("| case | one way | share | worst | refused % | worst | requests |\n|---|---|---|---|---|---|---|")
    for cases in (stated, untold, shared):
        for case in cases():
            for wire in WIRES:
                print(line(case, wire), flush=True)
    print("\n| forecast of | took s | forecast s | off % | said |\n|---|---|---|---|---|")
    for case in stated():
        if "strict" not in case.name:
            print(forecast_line(case))


if __name__ == "__main__":
    main()
