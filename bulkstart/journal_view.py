"""What the journal shows of a sheet: plain values, so that plans stay pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bulkstart.states import Event, State


@dataclass(frozen=True, slots=True)
class Held:
    """What the journal holds for a key. ``live``: the run that owns it is running now."""

    key: str
    portal: str
    template_id: int
    entity_type: str
    entity_id: int
    campaign: str
    state: State
    run_id: str
    live: bool
    workflow_id: str
    error_code: str
    error_message: str
    sent_at: float | None
    crashed: bool = False
    """A dead run left it on the wire, and nobody has written that down yet."""
    doubted: bool = False
    """An attempt of it ended in doubt once."""
    by_word: bool = False
    """Only a fed-back sheet said that it was started: the journal has no start of it."""

    @property
    def open(self) -> bool:
        """Nothing was started, and nobody is at it: it may be tried."""
        return self.state in (State.NEW, State.DEFERRED, State.REFUSED) and not self.live


@dataclass(frozen=True, slots=True)
class View:
    """What the journal knows of a sheet: by key, by document (keys of the same entity that do not stand in the sheet), by id.

    ``together`` holds pairs (key of a sibling, key of the sheet) that stood together in the sheet of one run.
    """

    held: Mapping[str, Held]
    siblings: Mapping[tuple[int, str, int], tuple[Held, ...]]
    together: frozenset[tuple[str, str]]
    ids: Mapping[str, tuple[Held, ...]]
    other_campaigns: frozenset[tuple[int, str, int]] = frozenset()
    """Documents that a template was started on under another campaign label."""


EMPTY = View({}, {}, frozenset(), {})


@dataclass(frozen=True, slots=True)
class Note:
    """One event of one start, with what it proved."""

    key: str
    event: Event
    workflow_id: str = ""
    error_code: str = ""
    error_message: str = ""
    sent_at: float | None = None


@dataclass(frozen=True, slots=True)
class Before:
    """What an earlier run saw of a template: when it had been changed last, in the portal's words."""

    run_id: str
    modified: str
