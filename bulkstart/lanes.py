"""Rows in lanes, one lane for each document, and which lanes must wait for room on their document. Pure.

A portal lets so many workflows run at once on one document (bitrix24-api.md 0, fact 8); how many run is known from our own starts
until a sweep of the running list says better.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence

from bulkstart.plan import Ready

Document = tuple[str, int]
Lane = deque[Ready]


class Lanes:
    """``per_document``: workflows that may run on one document at once; 0 = no bound."""

    def __init__(self, per_document: int = 0) -> None:
        self._per_document = per_document
        self._ready: deque[Sequence[Ready] | Lane] = deque()
        self._waiting: list[Sequence[Ready] | Lane] = []
        self._running: Counter[Document] = Counter()

    def fill(self, lanes: Iterable[Sequence[Ready]]) -> None:
        """Add lanes behind those that are there; one becomes a deque when it is taken, which a million of them would not fit in memory as."""
        self._ready.extend(lanes)

    def __len__(self) -> int:
        return len(self._ready) + len(self._waiting)

    @property
    def waiting(self) -> bool:
        """Whether some lane waits for room on its document."""
        return bool(self._waiting)

    def take(self) -> Lane | None:
        """The next lane whose document has room; ``None`` where there is none now."""
        while self._ready:
            lane = self._ready.popleft()
            if self.has_room(lane[0].request.document):
                return lane if isinstance(lane, deque) else deque(lane)
            self._waiting.append(lane)
        return None

    def has_room(self, document: Document) -> bool:
        """Whether one more workflow may run on ``document``."""
        return not self._per_document or self._running[document] < self._per_document

    def put_back(self, lane: Lane) -> None:
        """The rest of a lane, to be taken again when there is room."""
        if lane:
            self._ready.append(lane)

    def may_run(self, document: Document) -> None:
        """A workflow was started on ``document``, or may have been."""
        self._running[document] += 1

    def swept(self, running: Mapping[Document, int]) -> bool:
        """What the running list shows now; true where some lane may go on."""
        self._running = Counter(running)
        waiting, self._waiting = self._waiting, []
        self._ready.extend(waiting)
        return any(self.has_room(lane[0].request.document) for lane in waiting)

    def given_up(self) -> list[Ready]:
        """The rows that still wait, which are then no longer in any lane."""
        rows = [row for lane in self._waiting for row in lane]
        self._waiting.clear()
        return rows
