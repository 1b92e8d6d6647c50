"""A throttle that shares its portal with the other processes of the machine: what its own law allows, in a slot of the machine's budget.

The store is visited by a thread of its own, so that no disk ever holds up the event loop. Nothing here can lose or double a start: it only
says when a request may leave. Where the store fails, it says so once and goes on by its own law alone (decision 0008).
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from bulkstart.budget import Change, Store, new_name
from bulkstart.slots import Slot, Slots, Word, answered, hold, look, owed, reserve, without
from bulkstart.throttle import Limits, RateHint, Throttle

T = TypeVar("T")

POLL = 0.002
"""Seconds after which to look whether the thread is back; a visit takes a tenth of a millisecond."""
LEASE = 0.01
"""Seconds of the shared rate that one visit may take at once: at 2 a second each request is a visit, at 2,000 each twentieth."""
MOST_PLACES = 1000
FRESH = 0.25
"""Seconds for which a slot may be used after its instant; then it is lost."""
SURE = 0.05
"""Seconds for which nobody looks again whether the portal asked for time since a slot was given."""
LONGEST_VISIT = 3.0
"""Seconds after which a visit counts as hung (a network share that does not answer)."""
LONG_HOLD = 10.0
"""Seconds; whoever comes into a longer hold is told of it."""
IDLE = 1.0
"""Seconds after which the thread that visits ends."""


class Courier:
    """Runs visits one after the other in a daemon thread, which ends when it is idle and begins again when it is needed."""

    def __init__(self) -> None:
        self._todo: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()
        self._lock, self._alive = threading.Lock(), False

    def send(self, visit: Callable[[], T]) -> Future[T]:
        """The visit is made as soon as those before it are."""
        done: Future[T] = Future()
        with self._lock:
            self._todo.put((visit, done))
            if not self._alive:
                self._alive = True
                threading.Thread(target=self._work, name="bulkstart-budget", daemon=True).start()
        return done

    def _work(self) -> None:
        while True:
            try:
                visit, done = self._todo.get(timeout=IDLE)
            except queue.Empty:
                with self._lock:
                    if self._todo.empty():
                        self._alive = False
                        return
                continue
            try:
                done.set_result(visit())
            except BaseException as error:  # noqa: BLE001  it is told to the one who waits, and ends no thread
                done.set_exception(error)


@dataclass(slots=True)
class _Grant:
    """A slot in hand; ``sure``: instant at which it was last seen that no hold stands; ``left``: requests that may still use it."""

    slot: Slot
    sure: float
    left: int


class Place:
    """One process's place at the budget of one portal. Times are those of ``clock`` throughout, which is that of the store."""

    def __init__(
        self, budget: Store, portal: str, say: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic,
        courier: Courier | None = None,
    ) -> None:  # fmt: skip
        self.clock = clock
        self.works, self.held, self.rate = True, 0.0, 0.0
        self._budget, self._portal, self._say = budget, portal, say
        self._who = new_name()
        self._courier = courier or Courier()
        self._out: Future[Slot] | None = None
        self._since, self._asked_for = 0.0, 0
        self._grant: _Grant | None = None
        self._posts: list[Future[None]] = []
        self._number = 0  # of the latest slot that was used
        self._debt, self._told = 0, 0.0
        self._answers: list[tuple[float, float]] = []

    def next_leave(self, word: Word, *, mute: bool = False) -> float:
        """When to look again; the present time or less where a slot is in hand and may be used now."""
        now = self.clock()
        self._back(now)
        grant = self._grant
        if not self.works:
            return now
        if self._out is not None:
            return now + POLL
        if grant is not None and grant.slot.at > now:
            return grant.slot.at
        if grant is not None and now - grant.slot.at <= FRESH:
            if now - grant.sure <= SURE:
                return now
            self._ask(now, 0, lambda slots, _: (slots, look(slots)))
        else:
            self._grant = None
            self._reserve(now, word, mute=mute)
        return now + POLL

    def take(self, window: tuple[int, float] | None) -> tuple[float, int, bool]:
        """One request leaves now: instant of its slot, requests of others since the one before, and whether it waited for them."""
        now, grant = self.clock(), self._grant
        if grant is None or not self.works:
            self._debt += self.works
            return now, 0, False
        first = grant.slot.number - grant.slot.places
        others = max(0, first - self._number) if self._number and grant.left == grant.slot.places else 0
        self._number = grant.slot.number
        grant.left -= 1
        if grant.left <= 0:
            self._grant = None
        return (now if window is None else grant.slot.at), others, grant.slot.waits

    def answered(self, at: float) -> None:
        """The request whose slot was at the instant ``at`` was answered: told with the next visit."""
        self._answers.append((at, self.clock()))

    def hold(self, word: Word, until: float) -> None:
        """The portal asked for time: told at once."""
        if self.works:
            self._grant = None
            self._post(lambda slots, now: (hold(slots, self._who, word, now, until=until), None))

    def end(self) -> None:
        """This process needs no more slots: its word counts no more."""
        if self.works:
            debt, self._debt = self._debt, 0
            self._post(lambda slots, now: (without(owed(slots, debt, now) if debt else slots, [self._who]), None))

    def _post(self, visit: Change[None]) -> None:
        self._posts.append(self._courier.send(partial(self._budget.visit, self._portal, visit)))

    def _reserve(self, now: float, word: Word, *, mute: bool) -> None:
        debt, self._debt = self._debt, 0
        answers, self._answers = self._answers, []
        places = 1 if word.window or mute else max(1, min(MOST_PLACES, int(LEASE * (self.rate or word.rate))))

        def visit(slots: Slots, at: float) -> tuple[Slots, Slot]:
            if word.window and answers:
                slots = answered(slots, answers, word.window[1])
            if debt:
                slots = owed(slots, debt, at, word.window)
            return reserve(slots, self._who, word, at, places=places, mute=mute)

        self._ask(now, places, visit)

    def _ask(self, now: float, places: int, visit: Callable[[Slots, float], tuple[Slots, Slot]]) -> None:
        self._since, self._asked_for = now, places
        self._out = self._courier.send(partial(self._budget.visit, self._portal, visit))

    def _back(self, now: float) -> None:
        """Look what the thread brought."""
        done = [post for post in self._posts if post.done()]
        self._posts = [post for post in self._posts if not post.done()]
        for post in done:
            if error := post.exception():
                self._fail(error)
        if self._out is None or not self.works:
            return
        if not self._out.done():
            if now - self._since > LONGEST_VISIT:
                self._fail(TimeoutError(f"it does not answer within {LONGEST_VISIT:.0f} s"))
            return
        out, self._out = self._out, None
        if error := out.exception():
            self._fail(error)
            return
        slot = out.result()
        self.held = slot.held
        if self.held > max(now + LONG_HOLD, self._told):
            self._told = self.held
            self._say(f"the portal asked this machine for time: nothing leaves for the next {self.held - now:.0f} s")
        if self._asked_for:
            self.rate = slot.rate
            self._grant = _Grant(slot, self._since, slot.places)
        elif self._grant is not None:
            self._grant.sure = self._since
        if self._grant is not None and self._grant.slot.at < self.held:
            self._grant = None  # a slot of before the hold

    def _fail(self, error: BaseException) -> None:
        if self.works:
            self.works, self._grant, self._out = False, None, None
            why = str(error) or type(error).__name__
            self._say(
                f"the machine's shared budget {self._budget.path} cannot be used ({why}): this run keeps a budget of its own, "
                "so that several runs at once may exceed the portal's limit; BULKSTART_BUDGET names another file"
            )


class SharedThrottle(Throttle):
    """A ``Throttle`` whose requests take slots of the machine's budget. It never exceeds its own limits, whatever is free.

    ``firm``: the portal itself stated the limits. ``mute``: see ``slots.reserve``.
    """

    def __init__(self, limits: Limits, now: float, place: Place, *, firm: bool = False, mute: bool = False) -> None:
        super().__init__(limits, now)
        self._place, self._firm, self._mute = place, firm, mute
        self._places: dict[int, float] = {}

    def next_leave(self, now: float) -> float:
        """As ``Throttle.next_leave``; a slot is reserved as soon as this process's own law lets the request leave."""
        at = super().next_leave(now)
        if at > now or not self._place.works:
            return at
        word = self._word(now)
        ahead = now - self._place.clock()
        at = self._place.next_leave(word, mute=self._mute) + ahead
        if self._place.held + ahead > now:
            self.hold(self._place.held + ahead)
            return super().next_leave(now)
        return at if at > now + POLL / 100 else now

    def leave(self, now: float, *, others: int = 0, pressed: bool = False) -> int:
        """As ``Throttle.leave``. A request that leaves without a slot is a debt."""
        word = self._word(now)
        at, more, waited = self._place.take(word.window)
        bound = waited and word.rate <= self._place.rate
        ticket = super().leave(now, others=others + more, pressed=pressed or bound)
        if word.window:
            self._places[ticket] = at
        return ticket

    def counted(self, left: float, now: float) -> None:
        """A request left and was answered by ``now``, before there was this throttle; its slot was taken."""
        super().answered(super().leave(left), now)

    def answered(
        self, ticket: int, now: float, *, throttled: bool = False, lost: bool = False, after: float | None = None,
        hint: RateHint | None = None, jitter: float = 0.0,
    ) -> None:  # fmt: skip
        """As ``Throttle.answered``; a hold is everybody's."""
        super().answered(ticket, now, throttled=throttled, lost=lost, after=after, hint=hint, jitter=jitter)
        if (at := self._places.pop(ticket, None)) is not None:
            self._place.answered(at)
        if throttled:
            self._place.hold(self._word(now), self.state(now).held_until - now + self._place.clock())

    def _word(self, now: float) -> Word:
        """What this process knows of the portal's limit by now."""
        state = self.state(now)
        return Word(state.rate, max(1.0, state.burst), self._firm or state.learned, self.limits.window)
