"""How many rows share one request, from what starts were measured to take (bitrix24-api.md 1.9). Pure.

A portal carries out the starts of a batch one after the other and cuts the request after 60 s, and an answer that is lost leaves
every row of it in doubt. So a batch is never larger than the rows that may be on the wire, and ends well inside the cut.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LONGEST = 20.0  # seconds that a request may take: a third of the portal's cut
FAST = 0.5  # measured seconds × requests a second: from here on one row a request is as fast
FIRST = 3  # measured starts without which nothing is known of their spread
RECENT = 100  # starts that tell how long the next ones take
SLOW = 0.99  # their quantile, against the cut


@dataclass(frozen=True, slots=True)
class Batching:
    """``most``: rows in one request, 1: each goes alone; ``on_wire``: rows without an answer at once; ``auto``: where it is faster."""

    most: int = 1
    on_wire: int = 10
    auto: bool = True

    def size(self, durations: Sequence[float], rate: float) -> int:
        """Rows for the next request, from the seconds that each start took, and the requests that may leave in a second."""
        recent = sorted(durations[-RECENT:])
        if self.most == 1 or not recent or (self.auto and len(recent) < FIRST):
            return 1
        each, slow = max(sum(recent) / len(recent), 1e-6), max(recent[math.ceil(SLOW * len(recent)) - 1], 1e-6)
        fitting = max(1, min(self.most, self.on_wire, int(LONGEST / slow)))
        if not self.auto:
            return fitting
        if each * rate >= FAST:
            return 1
        return max(range(1, fitting + 1), key=lambda rows: (min(rows * rate, self.on_wire // rows / each), -rows))

    def planned(self, durations: Sequence[float], rate: float) -> int:
        """Rows a request for the forecast: before anything is measured, what the user named."""
        return self.size(durations, rate) if durations or self.auto else min(self.most, self.on_wire)
