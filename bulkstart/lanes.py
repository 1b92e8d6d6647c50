"""Rows in lanes, one lane for each document, and which lanes must wait for room on their document. Pure.

A portal lets so many workflows run at once on one document (bitrix24-api.md 0, fact 8); how many run is known from our own starts
until a sweep of the running list says better.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Container, Iterable, Mapping, Sequence

from bulkstart.crowd import Crowd, Life
from bulkstart.plan import Ready

Document = tuple[str, int]
Lane = deque[Ready]


def crowded(rows: Iterable[Ready], per_document: int) -> set[Document]:
    """The documents with more rows than may run at once."""
    counts = Counter(row.request.document for row in rows)
    return {document for document, count in counts.items() if count > per_document}


class Lanes:
    """``per_document``: workflows that may run on one document at once; 0 = no bound. ``life``: seconds that one runs, as the user knows it.

    ``crowded``: documents whose rows will wait for each other; for no others is it kept when they began (``None``: for all).
    """

    def __init__(
        self, per_document: int = 0, life: float | None = None, crowded: Container[Document] | None = None
    ) -> None:  # fmt: skip
        self._per_document, self._life, self._of = per_document, life, crowded
        self._ready: deque[Sequence[Ready] | Lane] = deque()
        self._waiting: list[Sequence[Ready] | Lane] = []
        self._running: Counter[Document] = Counter()
        self._began: dict[Document, deque[float]] = {}  # of our own workflows that no sweep has found gone
        self._seen = Life()
        self._crowded: list[Lane] = []  # those that will have to wait
        self.rows = 0  # that nobody took yet

    def fill(self, lanes: Iterable[Sequence[Ready]]) -> None:
        """Add lanes behind those that are there; a short one becomes a deque when it is taken: a million of them would fill the memory."""
        filled = [deque(lane) if len(lane) > self._per_document > 0 else lane for lane in lanes]
        self.rows += sum(map(len, filled))
        self._ready.extend(filled)
        self._crowded = [
            lane for lane in (*self._crowded, *filled) if isinstance(lane, deque) and len(lane) > self._per_document > 0
        ]

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

    def first(self, lane: Lane) -> Ready:
        """Take the first row of a lane in hand."""
        self.rows -= 1
        return lane.popleft()

    def has_room(self, document: Document) -> bool:
        """Whether one more workflow may run on ``document``."""
        return not self._per_document or self._running[document] < self._per_document

    def put_back(self, lane: Lane) -> None:
        """The rest of a lane, to be taken again when there is room."""
        if lane:
            self._ready.append(lane)

    def may_run(self, document: Document, now: float = 0.0) -> None:
        """A workflow was started on ``document``, or may have been."""
        self._running[document] += 1
        if self._per_document and (self._of is None or document in self._of):
            self._began.setdefault(document, deque()).append(now)

    def swept(self, running: Mapping[Document, int], now: float = 0.0) -> bool:
        """What the running list shows now; true where some lane may go on."""
        self._running = Counter(running)
        waiting, self._waiting = self._waiting, []
        gone: list[float] = []
        for document, began in self._began.items():
            gone += (began.popleft() for _ in range(len(began) - running.get(document, 0)))
        self._began = {document: began for document, began in self._began.items() if began}
        self._seen.looked(gone, (began[0] for began in self._began.values()), now)
        self._ready.extend(waiting)
        return any(self.has_room(lane[0].request.document) for lane in waiting)

    def given_up(self) -> list[Ready]:
        """The rows that still wait, which are then no longer in any lane."""
        rows = [row for lane in self._waiting for row in lane]
        self._waiting.clear()
        self._crowded = []
        self.rows -= len(rows)
        return rows

    def crowd(self, now: float, more: Sequence[Sequence[Ready]] = (), look: float = 0.0) -> Crowd:
        """The document that will be waited for longest: of those with most rounds to come the one that began last.

        ``more``: lanes that are still to come; ``look``: seconds until the next sweep. May be asked by another thread.
        """
        left: Counter[Document] = Counter()
        for lane in (*list(self._crowded), *more):
            for first in list(lane)[:1]:
                left[first.request.document] += len(lane)
        life = self._seen.seconds or self._life
        if not left or not self._per_document:
            return Crowd(per_document=self._per_document, life=life)
        running = {document: tuple(self._began.get(document, ())) for document in left}
        rounds = {document: -(-(rows + len(running[document])) // self._per_document) for document, rows in left.items()}
        oldest = {document: began[0] if began else now for document, began in running.items()}
        last = max(left, key=lambda document: (rounds[document], oldest[document], left[document]))
        entities = sum(count == rounds[last] for count in rounds.values())
        return Crowd(left[last], len(running[last]), now - oldest[last], self._per_document, life, entities, look)
