"""Rows in lanes, one lane for each document, and which lanes must wait for room on their document. Pure.

A portal lets so many workflows run at once on one document (bitrix24-api.md 0, fact 8); how many run is known from our own starts
until a sweep of the running list says better.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence

from bulkstart.crowd import Crowd
from bulkstart.plan import Ready

Document = tuple[str, int]
Lane = deque[Ready]
TURNS = 20  # workflows found gone that tell how long the next ones are waited for


class Lanes:
    """``per_document``: workflows that may run on one document at once; 0 = no bound. ``life``: seconds that one runs, as the user knows it."""

    def __init__(self, per_document: int = 0, life: float | None = None) -> None:
        self._per_document, self._life = per_document, life
        self._ready: deque[Lane] = deque()
        self._waiting: list[Lane] = []
        self._running: Counter[Document] = Counter()
        self._began: dict[Document, deque[float]] = {}  # of our own workflows that no sweep has found gone
        self._turns: deque[float] = deque(maxlen=TURNS)
        self._crowded: list[Lane] = []  # those that will have to wait
        self.rows = 0  # that nobody took yet

    def fill(self, lanes: Iterable[Iterable[Ready]]) -> None:
        """Add lanes behind those that are there."""
        filled = [deque(lane) for lane in lanes]
        self.rows += sum(map(len, filled))
        self._ready.extend(filled)
        self._crowded = [lane for lane in (*self._crowded, *filled) if len(lane) > self._per_document > 0]

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
                return lane
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
        if self._per_document:
            self._began.setdefault(document, deque()).append(now)

    def swept(self, running: Mapping[Document, int], now: float = 0.0) -> bool:
        """What the running list shows now; true where some lane may go on."""
        self._running = Counter(running)
        waiting, self._waiting = self._waiting, []
        awaited = {lane[0].request.document for lane in waiting}
        for document, began in list(self._began.items()):
            for _ in range(len(began) - running.get(document, 0)):
                turn = now - began.popleft()
                if document in awaited:
                    self._turns.append(turn)
            if not began:
                del self._began[document]
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
        """The document that will be waited for longest, with lanes that are still to come; ``look``: seconds until the next sweep.

        May be asked by another thread.
        """
        left: Counter[Document] = Counter()
        for lane in (*list(self._crowded), *more):
            for first in list(lane)[:1]:
                left[first.request.document] += len(lane)
        if not left or not self._per_document:
            return Crowd(per_document=self._per_document, life=self._life)
        running = {document: tuple(self._began.get(document, ())) for document in left}
        rounds = Counter(-(-(rows + len(running[document])) // self._per_document) for document, rows in left.items())
        most = max(left, key=lambda document: left[document] + len(running[document]))
        began, turns = running[most], sorted(self._turns)
        return Crowd(
            left[most], len(began), now - began[0] if began else 0.0, self._per_document, turns[len(turns) // 2] if turns else None,
            self._life, rounds[max(rounds)], look,
        )  # fmt: skip
