"""The control law of the throttle, drawn: the real throttle against strict limiters in virtual time, as one SVG beside decision 0015.

    python -m tests.benchmarks.control_law [--out .github/decisions/0015-the-control-law.svg]     # a few seconds; the same picture every time

Each panel is one run: what the portal leaves for us (grey), the rate that the law allows at each leave (blue), what got through in each two
seconds (dots), and refusals (red ticks). Prints a table of the same runs.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bulkstart.throttle import Limits, Throttle
from tests.conftest import ROOT
from tests.portal_limits import Drive, LeakyBucket, Limiter, Road, drive, foreign

OUT = ROOT / ".github" / "decisions" / "0015-the-control-law.svg"
UNTOLD = Limits(5, 5, stated=False)
TOLD = Limits(20, 50)
WIDTH, HEIGHT, LEFT, TOP, BIN = 760, 88, 44, 38, 2.0
Truth = list[tuple[float, float]]
"""(instant, requests a second from then on) that the portal leaves for us."""


class Watched(Throttle):
    """A throttle whose rate is written down at each leave, and the instants of refusals."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits, 0.0)
        self.rates: list[tuple[float, float]] = []

    def leave(self, now: float, *, others: int = 0, pressed: bool = False) -> int:
        self.rates.append((now, self.state(now).rate))
        return super().leave(now, others=others, pressed=pressed)


@dataclass(frozen=True, slots=True)
class Case:
    """One panel. ``ideal``: seconds that a client would take which knows ``truth``."""

    name: str
    limits: Limits
    portal: Callable[[], Limiter]
    rows: int
    truth: Truth
    burst: float
    others: Iterable[tuple[float, float, float]] = field(default_factory=tuple)  # rate, since, until

    @property
    def ideal(self) -> float:
        """The burst at once, then what the portal leaves."""
        left, spans = self.rows - self.burst, [*self.truth, (float("inf"), 0.0)]
        for (since, rate), (until, _) in itertools.pairwise(spans):
            if left <= rate * (until - since):
                return since + left / rate
            left -= rate * (until - since)
        raise AssertionError("the last span never ends")


CASES = [
    Case("known: 50 + 20/s, as told", TOLD, lambda: LeakyBucket(50, 20), 3000, [(0, 20)], 50),
    Case("half of what was assumed (5/s)", UNTOLD, lambda: LeakyBucket(2.5, 2.5), 360, [(0, 2.5)], 2.5),
    Case("four times what was assumed (5/s)", UNTOLD, lambda: LeakyBucket(20, 20), 2700, [(0, 20)], 20),
    Case(
        "told 50 + 20/s; another program takes half of it from 30 to 90 s", TOLD, lambda: LeakyBucket(50, 20), 2400,
        [(0, 20), (30, 10), (90, 20)], 50, [(10, 30, 90)],
    ),
    Case(
        "told 50 + 20/s; ten times slower from 20 to 80 s", TOLD, lambda: LeakyBucket(50, 20, changes=[(20, 2), (80, 20)]), 1900,
        [(0, 20), (20, 2), (80, 20)], 50,
    ),
]  # fmt: skip


def run(case: Case, *, seed: int = 1) -> tuple[Watched, Drive]:
    """One run of a case; answers take 10 to 200 ms."""
    throttle = Watched(case.limits)
    others = sorted(at for rate, since, until in case.others for at in foreign(rate, since=since, until=until))
    done = drive(throttle, case.portal(), case.rows, Road(latency=(0.005, 0.100), workers=64, foreign=others), seed=seed)
    return throttle, done


def panel(case: Case, top: float) -> Iterator[str]:
    """One run as SVG."""
    throttle, done = run(case)
    span = done.arrived[-1]
    most = 1.25 * max(rate for _, rate in [*case.truth, *throttle.rates])

    def x(at: float) -> str:
        return f"{LEFT + at / span * WIDTH:.1f}"

    def y(rate: float) -> str:
        return f"{top + HEIGHT * (1 - min(rate, most) / most):.1f}"

    share, refused = case.ideal / done.taken, done.refused
    yield f'<text x="{LEFT}" y="{top - 7:.0f}">{case.name}: {share:.2f} of the ideal, {refused} of {len(done.arrived):,} refused</text>'
    yield f'<path class="axis" d="M{LEFT} {top}V{top + HEIGHT}H{LEFT + WIDTH}"/>'
    for at in range(0, int(span) + 1, 20):
        yield f'<text class="tick" x="{x(at)}" y="{top + HEIGHT + 11}">{at}</text>'
    for rate in sorted({rate for _, rate in case.truth}):
        yield f'<text class="rate" x="{LEFT - 4}" y="{float(y(rate)) + 3:.1f}">{rate:g}</text>'
    road = [(0.0, 0.0), *case.truth]
    steps = "".join(f"H{x(at)}V{y(rate)}" for at, rate in road[2:])
    yield f'<path class="truth" d="M{x(0)} {y(road[1][1])}{steps}H{x(span)}"/>'
    counts = Counter(int(at / BIN) for at in done.accepted)
    whole = range(int(span / BIN))
    yield "".join(f'<circle cx="{x((n + 0.5) * BIN)}" cy="{y(counts[n] / BIN)}" r="1.6"/>' for n in whole)
    shown = throttle.rates[:: max(1, len(throttle.rates) // 200)]
    yield f'<path class="law" d="M{"L".join(f"{x(at)} {y(rate)}" for at, rate in shown)}"/>'
    yield "".join(f'<path class="no" d="M{x(at)} {top + HEIGHT}v-9"/>' for at in done.turned_away)


def drawing() -> str:
    """All panels."""
    step = HEIGHT + 44
    height = TOP + step * len(CASES)
    style = (
        "text{font:11px sans-serif;fill:#222}.tick{font-size:9px;text-anchor:middle;fill:#666}.rate{font-size:9px;text-anchor:end;fill:#666}"
        "path{fill:none}.axis{stroke:#999}.truth{stroke:#bbb;stroke-width:5}.law{stroke:#1f5fbf;stroke-width:1.3}.no{stroke:#d22}circle{fill:#444}"
    )
    key = "grey: what the portal leaves for us; blue: what the law allows; dots: what got through; red: refused. Requests a second over seconds"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + LEFT + 16} {height}" role="img">',
        "<title>The rate the throttle allows, in five runs against a strict bucket</title>",
        f'<style>{style}</style><rect width="100%" height="100%" fill="#fff"/>',
        f'<text class="rate" style="text-anchor:start" x="{LEFT}" y="{TOP - 21}">{key}</text>',
    ]
    for number, case in enumerate(CASES):
        lines += panel(case, TOP + number * step)
    return "\n".join([*lines, "</svg>"]) + "\n"


def main() -> int:
    """Draw, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    given.out.write_text(drawing(), encoding="utf-8")
    print("| run | rows | ideal s | taken s | share | refused |\n|---|---|---|---|---|---|")
    for case in CASES:
        _, done = run(case)
        print(
            f"| {case.name} | {case.rows:,} | {case.ideal:.1f} | {done.taken:.1f} | {case.ideal / done.taken:.3f} | {done.refused} ({done.refused_share:.2%}) |"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
