"""A run on its way: it hears wishes from its journal and obeys them, and tells the journal how it stands.

A thread of its own, with a connection of its own, looks every ``LOOK`` seconds: however slow the disk is, the loop never waits for it.
What the run tells rides in the recorder's next commit.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from concurrent.futures import Executor
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial

from bulkstart.errors import JournalError
from bulkstart.forecast import Forecast
from bulkstart.gate import Gate
from bulkstart.journal import Journal
from bulkstart.model import Outcome
from bulkstart.recorder import Recorder
from bulkstart.retry import Stop
from bulkstart.runner import Runner
from bulkstart.standing import Hold, Pilot, State, Told, Wish

LOOK = 0.2
"""Seconds between two looks for wishes."""
TELL = 0.5
"""Seconds between two words of a run about itself."""
REFRESH = 5.0
"""Seconds behind which figures that only drift (time left, rate of late) are worth a commit of their own."""
MANY = 500
"""Rows from which on a forecast takes milliseconds."""
SAME = 1.5
"""Seconds within which two instants of a hold are one."""
LATELY = 10.0
"""Seconds that the rate of late is taken of."""


def standing(state: State, rows: int = 0, todo: int = 0, counts: Mapping[str, int] | None = None) -> Told:
    """What this process tells of a run that has no figures yet."""
    return Told(state, os.getpid(), socket.gethostname(), rows, todo, dict(counts or {}))


class Steering:
    """One run, heard and told. ``stop``: drains the job; called once, on the loop's thread."""

    def __init__(self, journal: Journal, run_id: str, stop: Callable[[], None]) -> None:
        self._journal, self._run_id, self._stop = journal, run_id, stop
        self._loop = asyncio.get_running_loop()
        self._told = standing(State.PREPARING)
        self._heard: int | None = None
        self._stopped = self._paused = False
        self._answered = 0
        self._gate: Gate | None = None
        self._writer: Executor | None = None
        self._asking = False
        self._last: Told | None = None
        self._last_at = -math.inf
        self._last_cast: Forecast | None = None
        self._cast_at = -math.inf
        self._counts: Counter[str] = Counter()
        self._due: Told | None = None
        self._ended = threading.Event()
        self._ear = threading.Thread(target=self._listen, name="bulkstart-steering", daemon=True)

    def listen(self) -> None:
        """Hear from now on."""
        self._ear.start()

    def look(self) -> None:
        """Hear once, now: what was wished before the first send counts."""
        with suppress(JournalError):  # the thread goes on trying
            for number, wish in self._journal.wishes(self._run_id, self._heard):
                self._obey(number, wish)

    def end(self) -> None:
        """Hear no more. The thread closes its connection by itself; a disk that hangs is not waited for long."""
        self._ended.set()
        self._ear.join(1.0)

    # -------------------------------------------------------------------------------------------------- hearing

    def _listen(self) -> None:
        while not self._ended.is_set():
            with (
                suppress(JournalError, RuntimeError),
                closing(Journal(self._journal.path)) as own,
            ):  # RuntimeError: the loop has ended
                behind = self._heard
                while not self._ended.is_set():
                    for number, wish in own.wishes(self._run_id, behind):
                        behind = number
                        self._loop.call_soon_threadsafe(self._obey, number, wish)
                    self._ended.wait(LOOK)
            self._ended.wait(LOOK)

    def _obey(self, number: int, wish: Wish) -> None:
        """On the loop's thread; what was heard already is not heard again."""
        if number <= (self._heard or 0):
            return
        self._heard = number
        if wish is Wish.STOP:
            if not self._stopped:
                self._stopped = True
                self._stop()
        else:
            self._paused = wish is Wish.PAUSE
            self._answered = number if wish is Wish.GO_ON else self._answered
            self._steer()

    def _steer(self) -> None:
        if self._gate is not None:
            (self._gate.pause if self._paused else self._gate.go_on)()

    # -------------------------------------------------------------------------------------------------- telling

    def claimed(self, rows: int, todo: int, counts: Mapping[str, int]) -> None:
        """The run has its rows; ``counts``: those that were settled before the first send."""
        self._told = standing(State.RUNNING, rows, todo, counts)
        self._counts = Counter(counts)

    def settle(self, outcome: Outcome) -> None:
        """One more row is settled."""
        self._counts[str(outcome.status)] += 1

    def due(self) -> Told | None:
        """What is to be told with the next commit; given once. Called by the thread that writes."""
        due, self._due = self._due, None
        return due

    @contextlib.asynccontextmanager
    async def telling(
        self, runner: Runner, recorder: Recorder, writer: Executor, shut: Callable[[], float]
    ) -> AsyncIterator[None]:
        """Tell how ``runner`` stands for as long as the block lasts.

        ``writer`` writes the journal; ``shut``: seconds until ``--window`` lets rows leave.
        """
        self._gate, self._writer = runner.gate, writer
        self._steer()
        task = asyncio.create_task(self._tell(runner, recorder, shut))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)  # figures are for show: a fault in them ends no run

    async def _tell(self, runner: Runner, recorder: Recorder, shut: Callable[[], float]) -> None:
        while True:
            await asyncio.sleep(TELL)
            if not self._asking and self._news(self._seen(runner, runner.gate.now(), shut()), runner.gate.now()):
                with suppress(JournalError):  # the runner hears of it by what it records itself
                    await recorder.record()

    def _news(self, seen: Told, now: float) -> bool:
        """Whether ``seen`` is worth being told; it is due then."""
        drifted = seen != self._last and now - self._last_at >= REFRESH
        if self._last is not None and _plain(seen) == _plain(self._last) and not drifted:
            return False
        self._last, self._last_at = seen, now
        self._told = self._due = seen
        return True

    def _seen(self, runner: Runner, now: float, shut: float) -> Told:
        """The run's figures now."""
        gate, wall = runner.gate, time.time()
        left = self._told.rows - self._counts.total()
        state = State.STOPPING if gate.stop else State.PAUSED if gate.paused else State.RUNNING
        told = replace(self._told, state=state, counts=dict(self._counts), on_wire=gate.on_wire, asked=0)
        if gate.stop:
            return replace(told, code=gate.stop.code, message=gate.stop.message, rate=0.0, hold=None, seconds_left=None)
        if gate.paused:
            return replace(told, rate=0.0, hold=None, seconds_left=None, forecast="")
        hold = _steady(_hold(gate, now, wall, shut), self._told.hold)
        cast, took = self._cast(runner, max(0, left), now, hold), sorted(gate.durations[-100:])
        return replace(
            told,
            rate=_rate(gate.succeeded_at, now),
            allowed=round(gate.throttle.state(now).rate, 2),
            hold=hold,
            seconds_left=round(max(0.0, cast.seconds + shut - (now - self._cast_at)), 1),
            forecast=cast.text,
            durations=(took[0], took[len(took) // 2], took[-1]) if took else (),
        )

    def _cast(self, runner: Runner, left: int, now: float, hold: Hold | None) -> Forecast:
        """The forecast of what is left; of many rows it takes tens of milliseconds of the loop, so that it is made anew now and then."""
        if self._last_cast is None or left < MANY or hold != self._told.hold or now - self._cast_at >= REFRESH:
            self._last_cast, self._cast_at = runner.outlook(left, now), now
        return self._last_cast

    # --------------------------------------------------------------------------------------------------- asking

    async def ask(self, pilot: Pilot) -> bool:
        """Put the question behind the pilot, while nothing is on the wire, and wait for its answer.

        False where the run stops first. Raises ``JournalError``.
        """
        assert self._gate is not None
        gate, self._asking = self._gate, True
        counts = dict(self._counts)
        told = replace(self._told, state=State.ASKING, counts=counts, on_wire=0, rate=0.0, hold=None, seconds_left=None)
        try:
            put = partial(self._journal.ask, self._run_id, pilot, told)
            asked = await self._loop.run_in_executor(self._writer, put)
            await gate.until(lambda: self._answered > asked)
        finally:
            self._asking, self._last = False, None
        return gate.stop is None

    def ended(self, exit_code: int, counts: Mapping[str, int], stop: Stop | None) -> Told:
        """The last word."""
        code, message = (stop.code, stop.message) if stop else ("", "")
        told = replace(self._told, state=State.ENDED, counts=dict(counts), on_wire=0, rate=0.0, hold=None, seconds_left=None)
        return replace(told, forecast="", exit_code=exit_code, code=code, message=message)


def _rate(succeeded_at: Iterable[float], now: float) -> float:
    """Starts a second of late: over the time since the first of those that are remembered, which may be all of a moment ago."""
    lately = [at for at in succeeded_at if at > now - LATELY]
    return round((len(lately) - 1) / (now - lately[0]), 1) if len(lately) > 1 and now > lately[0] else 0.0


def _plain(told: Told) -> Told:
    """Without what only drifts."""
    return replace(told, rate=0.0, seconds_left=None, forecast="", durations=(), allowed=round(told.allowed))


def _steady(hold: Hold | None, before: Hold | None) -> Hold | None:
    """The hold as it was told before, where two clocks differ by no more than they do."""
    same = hold and before and hold.why == before.why and abs(hold.until - before.until) < SAME
    return before if same else hold


def _hold(gate: Gate, now: float, wall: float, shut: float) -> Hold | None:
    """What holds everybody at present, the longest."""
    operating = gate.operating.state(now).held_until - now if gate.operating else 0.0
    known = (
        (gate.throttle.state(now).held_until - now, "the portal asks for time"),
        (operating, "the portal's operating time for starts is used up"),
        (shut, "starts leave only within --window"),
    )
    longest, why = max(known)
    return Hold(round(wall + longest), why) if longest > 0 else None
