"""Rows that wait for each other on one document: how long that takes, as far as anybody knows. Pure.

A portal lets so many workflows run at once on one document; a further row goes on at the first look at the running list behind an end.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

LOOK = 10.0
"""Seconds between two looks at the running list (interface.md, --per-document)."""
RECENT = 20
"""Workflows that ended last: they tell how long the next ones run."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """The document with most rows left: ``rows`` of it, ``running`` on it, of which the oldest has been there for ``waited`` seconds.

    ``per_document``: workflows that may run at once on a document, 0: all. ``entities``: documents with as many rounds to come.
    ``life``: seconds that a workflow runs, as was seen or by the user's word; ``look``: until the running list is looked at again.
    """

    rows: int = 1
    running: int = 0
    waited: float = 0.0
    per_document: int = 0
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
        return None if self.life is None else LOOK * (self.life // LOOK + 1)

    @property
    def unknown(self) -> bool:
        """Whether rows wait, and nobody knows for how long."""
        return self.rounds > 0 and self.life is None

    def seconds(self, rate: float, burst: float) -> float:
        """Seconds until the last row has left, where ``burst`` and then ``rate`` a second leave at once when a round begins; 0: nobody waits."""
        life, span = self.life, self.span
        if self.rounds <= 0 or life is None or span is None:
            return 0.0
        last = self.rows + self.running - self.rounds * self.per_document
        whole, trailing = (max(0.0, self.entities * each - burst) / rate for each in (self.per_document, last))
        late = LOOK * ((life % LOOK + whole) // LOOK)  # those that begin late in a round miss the look that the others meet, once
        first = span
        if self.running:
            first = self.look + LOOK * math.ceil(max(0.0, life - self.waited - self.look) / LOOK)
        return first + (self.rounds - 1) * span + max(trailing, late)


class Life:
    """How long workflows run, from looks at the running list: each was there at one look and gone at the next."""

    def __init__(self) -> None:
        self._gone: deque[tuple[float, float]] = deque(maxlen=RECENT)  # between which ages each ended
        self._still, self._looked = 0.0, -math.inf

    def looked(self, gone: Iterable[float], still: Iterable[float], now: float) -> None:
        """A look: the instants at which workflows began that are gone since the look before, and of those that still run."""
        self._gone.extend((max(0.0, self._looked - began), now - began) for began in gone)
        self._still = max((now - began for began in still), default=0.0)
        self._looked = now

    @property
    def seconds(self) -> float | None:
        """The life that all looks allow; where none does, since lives differ or others' workflows are counted, the median. ``None``: none ended."""
        gone = list(self._gone)
        if not gone:
            return None
        least, most = max(self._still, *(least for least, _ in gone)), min(most for _, most in gone)
        return (least + most) / 2 if least <= most else sorted((least + most) / 2 for least, most in gone)[len(gone) // 2]
