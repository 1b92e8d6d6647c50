"""Which event may follow which, for one start on disk. The table is the rule; nothing else moves a start.

1. Nothing leaves before ``send`` is on disk.
2. ``STARTED`` is absorbing: no event leads out of it.
3. A ``SENDING`` whose owner is gone is ``IN_DOUBT`` (event ``crash``).
4. Only a person leads out of ``IN_DOUBT`` and ``REFUSED`` (event ``release``), or evidence (``start``).
5. A released doubt is not forgotten: unless the new attempt ends in ``STARTED``, the start returns to ``IN_DOUBT``.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a start stands on disk."""

    NEW = "new"
    SENDING = "sending"
    DEFERRED = "deferred"
    STARTED = "started"
    REFUSED = "refused"
    IN_DOUBT = "in_doubt"


class Event(StrEnum):
    """What happened to a start."""

    SEND = "send"  # about to leave this machine
    START = "start"  # proven started, by the answer or by evidence
    DEFER = "defer"  # proven not started; may go again
    REFUSE = "refuse"  # proven not started; never as it is
    LOSE = "lose"  # no proof either way
    CRASH = "crash"  # its owner died while it was on the wire
    RELEASE = "release"  # a person allows it again
    TOLD = "told"  # a fed-back sheet says that it is in doubt
    RESTORE = "restore"  # a released doubt whose run ended without a new attempt
    TERMINATE = "terminate"  # undo ended the workflow: it was started all the same


TABLE: dict[tuple[State, Event], State] = {
    (State.NEW, Event.SEND): State.SENDING,
    (State.DEFERRED, Event.SEND): State.SENDING,
    (State.SENDING, Event.START): State.STARTED,
    (State.SENDING, Event.DEFER): State.DEFERRED,
    (State.SENDING, Event.REFUSE): State.REFUSED,
    (State.SENDING, Event.LOSE): State.IN_DOUBT,
    (State.SENDING, Event.CRASH): State.IN_DOUBT,
    (State.IN_DOUBT, Event.START): State.STARTED,
    (State.STARTED, Event.TERMINATE): State.STARTED,
    (State.NEW, Event.TOLD): State.IN_DOUBT,
    (State.DEFERRED, Event.TOLD): State.IN_DOUBT,
    (State.REFUSED, Event.TOLD): State.IN_DOUBT,
    (State.IN_DOUBT, Event.RELEASE): State.DEFERRED,
    (State.REFUSED, Event.RELEASE): State.DEFERRED,
}

DOUBTED: dict[tuple[State, Event], State] = {
    (State.SENDING, Event.REFUSE): State.IN_DOUBT,
    (State.DEFERRED, Event.RESTORE): State.IN_DOUBT,
}
"""Where a start that was once in doubt goes instead."""


class IllegalStepError(Exception):
    """An event that may not follow; nothing was changed."""


def step(state: State, event: Event, *, doubted: bool = False) -> State:
    """The state after ``event``; ``doubted``: the start was in doubt before. Raises ``IllegalStepError``."""
    found = (DOUBTED.get((state, event)) if doubted else None) or TABLE.get((state, event))
    if found is None:
        raise IllegalStepError(f"{event} may not follow {state}")
    return found
