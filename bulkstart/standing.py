"""How a run stands: what it tells of itself while it goes, what is wished of it, and the two read together. Pure.

A run tells one ``Told`` at a time, which the journal keeps; a person's ``Wish`` is a record beside it. Whoever watches reads both.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Wish(StrEnum):
    """What a person wants of a run; a record in the journal, so that any process can write it."""

    STOP = "stop"  # drain: rows on the wire finish, the others are not attempted
    PAUSE = "pause"  # take no new rows; those on the wire finish
    GO_ON = "go on"  # after a pause, and the "yes" to the question behind the pilot


class State(StrEnum):
    """Where a run stands."""

    PREPARING = "preparing"  # it reads, checks and meets the portal; nothing was sent
    ASKING = "asking"  # the pilot is through, nothing is on the wire; it waits for "go on" or "stop"
    RUNNING = "running"
    PAUSED = "paused"  # no new rows are taken; some may still be on the wire
    STOPPING = "stopping"  # it drains
    ENDED = "ended"
    LOST = "lost"  # its process is gone without an end: ``resume`` goes on with it


LIVE = frozenset({State.PREPARING, State.ASKING, State.RUNNING, State.PAUSED, State.STOPPING})


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing leaves before ``until`` (Unix time). ``why``: a sentence's end for a person."""

    until: float
    why: str


@dataclass(frozen=True, slots=True)
class Piloted:
    """One row of the pilot: its label in the sheet, its status, and its workflow id or what came in its place."""

    row: str
    status: str
    workflow_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Pilot:
    """What the first rows showed. ``text`` is the question as the terminal puts it; ``durations``: seconds per start; ``left``: rows."""

    rows: tuple[Piloted, ...]
    durations: tuple[float, ...]
    left: int
    forecast: Mapping[str, Any]
    text: str


@dataclass(frozen=True, slots=True)
class Told:
    """What a run tells of itself, at most twice a second. Times are Unix times, rates rows a second, durations seconds."""

    state: State
    pid: int = 0
    host: str = ""
    rows: int = 0
    todo: int = 0
    """Rows that it set out to start."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Settled rows by status, those that were known before the first send included."""
    on_wire: int = 0
    rate: float = 0.0
    """Starts a second of late."""
    allowed: float = 0.0
    """Requests a second that may leave now."""
    hold: Hold | None = None
    seconds_left: float | None = None
    forecast: str = ""
    durations: tuple[float, ...] = ()
    """Seconds per start of the last answers: the shortest, the middle one, the longest."""
    asked: int = 0
    """The number of the last wish when the question was put: later ones answer it."""
    exit_code: int | None = None
    code: str = ""
    message: str = ""
    """Why it stops, or stopped."""
    results: str = ""

    def to_json(self) -> str:
        """One line of ASCII: whatever text it holds, it can be written down."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Told:
        """What ``to_json`` wrote; names that a newer program added are left out."""
        found = _known(cls, json.loads(text))
        hold = found.get("hold")
        changed = {"state": State(found["state"]), "durations": tuple(found.get("durations", ()))}
        return cls(**(found | changed | {"hold": Hold(**_known(Hold, hold)) if hold else None}))


def pilot_to_json(pilot: Pilot) -> str:
    """One line."""
    return json.dumps(dataclasses.asdict(pilot))


def pilot_from_json(text: str) -> Pilot | None:
    """What ``pilot_to_json`` wrote; ``None`` for a run without one."""
    if not text:
        return None
    found = _known(Pilot, json.loads(text))
    rows = tuple(Piloted(**_known(Piloted, row)) for row in found["rows"])
    return Pilot(**(found | {"rows": rows, "durations": tuple(found["durations"])}))


def _known(kind: Any, found: Mapping[str, Any]) -> dict[str, Any]:
    names = {entry.name for entry in dataclasses.fields(kind)}
    return {name: value for name, value in found.items() if name in names}


def now_of(told: Told, wishes: Sequence[tuple[int, Wish]]) -> State:
    """The state of a living run: what it told last, and what was wished of it since, which it is about to obey."""
    if told.state not in LIVE or told.state is State.STOPPING:
        return told.state
    if any(wish is Wish.STOP for _, wish in wishes):
        return State.STOPPING
    number, last = wishes[-1] if wishes else (0, None)
    if told.state is State.ASKING and last is Wish.GO_ON and number > told.asked:
        return State.RUNNING
    if told.state is State.RUNNING and last is Wish.PAUSE:
        return State.PAUSED
    if told.state is State.PAUSED and last is Wish.GO_ON:
        return State.RUNNING
    return told.state


@dataclass(frozen=True, slots=True)
class Watched:
    """A run as it stands now (``watch.look``). Times are Unix times; ``None`` and ``""`` where nothing is known."""

    run_id: str
    state: State
    told: Told
    """The live figures: rate, hold, time left, rows on the wire, process id; those of the last word where the run has ended."""
    rows: int
    counts: Mapping[str, int]
    """Rows by status; while it runs those that are settled, afterwards all."""
    wish: Wish | None = None
    """What was wished last."""
    pilot: Pilot | None = None
    exit_code: int | None = None
    results: str = ""
    """Path of the results file, once it is written."""
    portal: str = ""
    dialect: str = ""
    template: str = ""
    sheet: str = ""
    campaign: str = ""
    started_at: float | None = None
    finished_at: float | None = None
    at: float | None = None
    """When the live figures were written."""
    alive: bool = False
    """Whether its process lives: also for a moment behind the end, while it writes the results file and settles doubts."""

    @property
    def over(self) -> bool:
        """Whether it has ended, or its process is gone."""
        return self.state not in LIVE

    @property
    def settled(self) -> int:
        """Rows whose end is known."""
        return sum(self.counts.values())

    @property
    def hold(self) -> Hold | None:
        """Until when nothing leaves, and why; only while it runs."""
        return None if self.over else self.told.hold
