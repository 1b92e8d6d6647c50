"""A run's requests and turns, out of what its journal logged: when each left, when and how it ended. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bulkstart.evidence import MATCHED
from bulkstart.journal_events import ENDED, RECONCILED, RESUMED, WISHED, Logged
from bulkstart.states import Event

SENDING, DEFERRED = "sending", "deferred"
_ENDS = {
    Event.START: "started",
    Event.REFUSE: "refused",
    Event.LOSE: "in_doubt",
    Event.CRASH: "in_doubt",
    Event.DEFER: DEFERRED,
}
_SAME = 60.0  # seconds within which equal turns are one


@dataclass(frozen=True, slots=True)
class Request:
    """One request of one row. ``ended_at``: when it was written down what became of it; ``None`` for one that never ended.

    ``status``: ``started``, ``refused``, ``in_doubt``; ``deferred``: it did nothing, and the row may go again; ``sending``: it is on
    the wire, or the run died before its answer. Unix times.
    """

    key: str
    sent_at: float
    ended_at: float | None = None
    status: str = SENDING
    code: str = ""

    @property
    def seconds(self) -> float | None:
        """From the moment before it left to the moment at which its answer was on disk."""
        return None if self.ended_at is None else max(0.0, self.ended_at - self.sent_at)


@dataclass(frozen=True, slots=True)
class Turn:
    """Something that happened to a run, ``count`` times between two Unix times."""

    at: float
    until: float
    text: str
    count: int = 1


def requests_of(logged: Iterable[Logged]) -> list[Request]:
    """Every request that left or was about to, in the order in which they left."""
    found: list[Request] = []
    open_at: dict[str, int] = {}
    for event in logged:
        if event.event == Event.SEND:
            open_at[event.key] = len(found)
            found.append(Request(event.key, event.at))
        elif event.event in _ENDS and (place := open_at.pop(event.key, None)) is not None:
            crashed = event.event == Event.CRASH  # written down by whoever came next, at any later time
            status = _ENDS[Event(event.event)]
            ended = None if crashed else event.at
            found[place] = replace(found[place], ended_at=ended, status=status, code=event.code)
    return found


def turns_of(logged: Iterable[Logged]) -> list[Turn]:
    """What a person wants to know of a run's history; equal things that happened together are counted."""
    found: list[Turn] = []
    latest: dict[str, int] = {}
    open_keys: set[str] = set()
    for event in logged:
        text = _turn(event, answered=event.key in open_keys)
        (open_keys.add if event.event == Event.SEND else open_keys.discard)(event.key)
        if not text:
            continue
        place = latest.get(text)
        if place is not None and event.at - found[place].until <= _SAME:
            found[place] = replace(found[place], until=event.at, count=found[place].count + 1)
        else:
            latest[text] = len(found)
            found.append(Turn(event.at, event.at, text))
    return found


_WORDS = {
    RESUMED: "taken up again {}",
    RECONCILED: "rows in doubt looked up in the portal's running list {}",
    Event.RELEASE: "a row allowed to go again: {}",
    Event.TOLD: "a row in doubt taken over from the fed-back sheet",
    Event.CRASH: "a row was on the wire when the program ended",
    Event.RESTORE: "a released doubt was not sent again, and is in doubt as before",
}


def _turn(event: Logged, *, answered: bool) -> str:
    """What an event is called; ``""`` for what the counts tell already."""
    if event.event == WISHED:
        return f"asked to {event.code} {event.message}"
    if event.event in _WORDS:
        return _WORDS[event.event].format(event.message)
    if event.event == ENDED:
        return f"ended with exit code {event.code}" + (f"; rows were left: {event.message}" if event.message else "")
    if event.event == Event.TERMINATE:
        return "a workflow ended by undo: " + event.message.rpartition("; ")[2]
    if event.event == Event.START and not answered:
        found = MATCHED in event.message
        return f"a row in doubt {MATCHED}" if found else "a second workflow of a row that had started already"
    return f"nothing was done, and the row may go again: {event.code}" if event.event == Event.DEFER and event.code else ""


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of ``values`` lie, between two of them in proportion; ``values`` ascend and are not empty."""
    place = share * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (place - low)
