"""Rows that wait for each other on one document: how long that takes, as far as anybody knows. Pure.

A portal lets so many workflows run at once on one document; a further row goes on at the first look at the running list behind an end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

LOOK = 10.0
"""Seconds between two looks at the running list (interface.md, --per-document)."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """The document with most rows left: ``rows`` of it, ``running`` on it, of which the oldest has been there for ``waited`` seconds.

    ``per_document``: workflows that may run at once on a document, 0: all. ``entities``: documents with as many rounds to come.
    ``turn``: seconds from a start until it was found gone and a waiting row went on, where that was seen; ``life``: what a workflow
    runs by the user's word; ``look``: until the running list is looked at again.
    """

    rows: int = 1
    running: int = 0
    waited: float = 0.0
    per_document: int = 0
    turn: float | None = None
    life: float | None = None
    entities: int = 1
    look: float = 0.0

    @property
    def rounds(self) -> int:
        """How often the rows of the document wait for those before them."""
        return math.ceil((self.rows + self.running) / self.per_document) - 1 if self.per_document else 0

    @property
    def span(self) -> float | None:
        """Seconds from a start until the next row goes on: the first look behind its end, since the starts follow upon a look."""
        return self.turn or (None if self.life is None else LOOK * (self.life // LOOK + 1))

    @property
    def unknown(self) -> bool:
        """Whether rows wait, and nobody knows for how long."""
        return self.rounds > 0 and self.span is None

    def seconds(self, rate: float, burst: float) -> float:
        """Seconds until the last row has left, where ``burst`` and then ``rate`` a second leave at once when a round begins; 0: nobody waits."""
        span = self.span
        if self.rounds <= 0 or span is None:
            return 0.0
        last = self.rows + self.running - self.rounds * self.per_document
        trailing = max(0.0, self.entities * last - burst) / rate
        if (
            self.turn is None and self.life is not None
        ):  # those that begin late in a round miss the look that the others meet, once
            whole = max(0.0, self.entities * self.per_document - burst) / rate
            trailing = max(trailing, LOOK * ((self.life % LOOK + whole) // LOOK))
        return self._first(span) + (self.rounds - 1) * span + trailing

    def _first(self, span: float) -> float:
        """Seconds until the next row goes on."""
        if not self.running:
            return span
        ends = (span - LOOK / 2 if self.turn or self.life is None else self.life) - self.waited
        return self.look + LOOK * math.ceil(max(0.0, ends - self.look) / LOOK)
