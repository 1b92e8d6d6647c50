"""Plan → outcomes: a fixed set of workers over lanes, held back by the throttle, stopped by draining.

Nothing leaves before the journal has its intent; every answer becomes a verdict; the runner only carries out what
``retry``, ``halts`` and ``throttle`` decide. It knows time by the event loop's clock, so that tests run it in virtual time.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace

from bulkstart.errors import JournalError
from bulkstart.exchange import Exchange, Send, Tally
from bulkstart.gate import Gate, Seat
from bulkstart.gateways import Gateway
from bulkstart.halts import Halts
from bulkstart.inert import inert
from bulkstart.journal_view import Note
from bulkstart.lanes import Document, Lane, Lanes
from bulkstart.model import Busy, InDoubt, Outcome, Refused, Verdict
from bulkstart.plan import Ready, when
from bulkstart.recorder import Recorder
from bulkstart.renewal import EXPIRED, Renewal
from bulkstart.result_columns import Status
from bulkstart.retry import Again, Final, Stop, decide
from bulkstart.states import Event

Settle = Callable[[Outcome], None]

Sweep = Callable[[], Awaitable[Mapping[Document, int] | None]]
"""Counts the workflows that run on each document; ``None``: the list cannot be read."""

SWEEP_SECONDS = 10.0
DOCUMENT_WAIT = 600.0
"""Seconds that a row waits for room on its document after everything else has ended (interface.md, --per-document)."""
LIMIT_TEXT = (
    "as many workflows run on this entity as --per-document allows, or the running list cannot be read; run the sheet again later"
)


class Runner:
    """One run. ``settle`` hears each outcome once; rows it never heard of were not attempted, for the reason in ``stop``."""

    def __init__(
        self, gateway: Gateway, send: Send, recorder: Recorder, gate: Gate, settle: Settle, *,
        halts: Halts, lanes: Lanes | None = None, sweep: Sweep | None = None, chance: Callable[[], float] = random.random,
        attempts: Mapping[int, int] | None = None, renewal: Renewal | None = None,
    ) -> None:  # fmt: skip
        self.gate = gate
        self.tally = Tally()
        self._wire = Exchange(gateway, send, gate, self.tally, chance)
        self.attempts: dict[int, int] = dict(attempts or {})
        self._sent: set[int] = set()
        self._recorder, self._tell = recorder, settle
        self._halts, self._sweep, self._chance, self._renewal = halts, sweep, chance, renewal
        self._lanes = Lanes() if lanes is None else lanes
        self._sweeping = asyncio.Lock()
        self._swept, self._idle_since = -math.inf, math.inf
        self._gone: dict[int, Refused] = {}
        self._workers: list[asyncio.Task[None]] = []
        self._left_over: list[Note] = []
        self._asked_to_wait: dict[int, tuple[Ready, Busy]] = {}

    def unfinished(self) -> dict[int, Outcome]:
        """Rows that the portal asked to wait and that were never finished: they keep the portal's code."""
        found = {}
        for ready, busy in self._asked_to_wait.values():
            attempts = self.attempts.get(ready.position, 0)
            outcome = Outcome(ready.position, Status.NOT_ATTEMPTED, "", inert(busy.code), inert(busy.message), attempts)
            found[ready.position] = ready.told(outcome)
        return found

    @property
    def stop(self) -> Stop | None:
        """Why the run stops before its end, if it does."""
        return self.gate.stop

    async def run(self, lanes: Iterable[Iterable[Ready]]) -> None:
        """Start the rows of ``lanes``; returns when all are settled, or when the run has drained."""
        self._lanes.fill(lanes)
        self.gate.begin()
        self._idle_since = math.inf
        self._workers = [asyncio.create_task(self._work()) for _ in range(min(self.gate.max_unknown, len(self._lanes)))]
        if self._workers:
            await asyncio.wait(self._workers)
        await self._recorder.flushed()  # abandoned workers do not wait for what they had recorded
        for worker in self._workers:
            if not worker.cancelled():
                worker.result()
        try:
            for note in self._left_over:
                await self._recorder.record(note)
            self._left_over.clear()
        except JournalError as error:
            self.drain(Stop("RUN_STOPPED", str(error), 6))

    def drain(self, stop: Stop) -> None:
        """Take no more rows; those on the wire finish. The first reason stays."""
        self.gate.drain(stop)

    def abandon(self, stop: Stop) -> None:
        """Do not wait for rows on the wire either: they end in doubt."""
        self.drain(stop)
        for worker in self._workers:
            worker.cancel()

    # --------------------------------------------------------------------------------------------------- lanes

    async def _work(self) -> None:
        while self.stop is None:
            if self.gate.paused:
                self._idle_since = math.inf
                await self.gate.unpaused()
                continue
            if self._lanes.waiting and self.gate.now() >= self._swept + SWEEP_SECONDS:
                await self._look()
            lane = self._lanes.take()
            if lane is not None:
                self._idle_since = math.inf
                await self._walk(lane)
            elif self._lanes.waiting:
                await self.gate.sleep(max(0.1, self._swept + SWEEP_SECONDS - self.gate.now()))
            else:
                return

    async def _walk(self, lane: Lane) -> None:
        """The rows of one document, one after the other, as long as there is room on it."""
        while lane and self.stop is None and self._lanes.has_room(lane[0].request.document):
            ready = lane.popleft()
            try:
                await self._row(ready)
            except JournalError as error:
                self.drain(Stop("RUN_STOPPED", str(error), 6))
            except Exception as error:  # noqa: BLE001  a fault of ours: the other rows must still drain and be told
                self._fault(ready, error)
        self._lanes.put_back(lane)

    async def _look(self) -> None:
        """One sweep of the running list for all lanes that wait; what cannot be looked up, or waits too long, is not attempted."""
        async with self._sweeping:
            now = self.gate.now()
            if now < self._swept + SWEEP_SECONDS:
                return
            self._swept = now
            running = await self._sweep() if self._sweep else None
            self._swept = self.gate.now()
            if running is not None and (self._lanes.swept(running) or self.gate.on_wire):
                return
            self._idle_since = min(self._idle_since, now)
            if running is None or now - self._idle_since >= DOCUMENT_WAIT:
                self._lanes.take()
                for ready in self._lanes.given_up():
                    await self._not_attempted(ready, "DOCUMENT_LIMIT", LIMIT_TEXT)

    def _fault(self, ready: Ready, error: Exception) -> None:
        """A fault of this program: the row is in doubt if it may have left, the run drains and ends with exit code 1."""
        text = inert(f"a fault of bulkstart, please report it: {type(error).__name__}: {error}")
        if ready.position in self._sent:
            self._tell(Outcome(ready.position, Status.IN_DOUBT, "", "INTERNAL_FAULT", text, self.attempts[ready.position]))
        self.drain(Stop("RUN_STOPPED", text, 1))

    async def _row(self, ready: Ready) -> None:
        """One row, again and again until it is settled or the run stops."""
        unsent, others = 0, self.tally.connected
        while ready.request.template_id not in self._gone:
            if self._renewal:
                await self._renewal.idle()
            session = self._renewal.generation if self._renewal else 0
            if (seat := await self.gate.slot(alone=self._wire.alone(ready))) is None:
                return
            try:  # the row is off the wire when what became of it is on disk: a crash costs no more doubts than that
                sent = await self._attempt(ready, seat)
                if sent is None:
                    return
                verdict, sent_at = sent
                if isinstance(verdict, Busy) and not verdict.throttled:
                    unsent += self.tally.connected > others
                    others = self.tally.connected
                template_started = ready.request.template_id in self.tally.templates
                step = decide(
                    verdict,
                    unsent=unsent,
                    jitter=self._chance(),
                    template_started=template_started,
                    run_started=bool(self.tally.templates),
                )
                if isinstance(step, Final):
                    await self._final(ready, verdict, step, sent_at)
                    return
                await self._deferred(ready, verdict, step)
            finally:
                self.gate.back()
            if isinstance(step, Stop):
                if step.code == EXPIRED and self._renewal and self.stop is None and await self._renewal.renewed(session):
                    continue
                self.drain(Stop(inert(step.code), inert(step.message), step.exit_code))
                return
            await self.gate.sleep(step.delay)
        gone = self._gone[ready.request.template_id]
        await self._not_attempted(ready, gone.code, gone.message)

    async def _not_attempted(self, ready: Ready, code: str, message: str) -> None:
        attempts = self.attempts.get(ready.position, 0)
        await self._settled(None, ready.told(Outcome(ready.position, Status.NOT_ATTEMPTED, "", code, message, attempts)))

    async def _deferred(self, ready: Ready, verdict: Verdict, step: Again | Stop) -> None:
        """The row was not started, and stays eligible."""
        if isinstance(step, Stop) and not (step.code == EXPIRED and self._renewal):
            self.drain(Stop(inert(step.code), inert(step.message), step.exit_code))
        if isinstance(verdict, Busy) and verdict.throttled:
            self._asked_to_wait[ready.position] = ready, verdict
        await self._recorder.record(Note(ready.key, Event.DEFER, error_code=inert(getattr(verdict, "code", ""))))

    async def _attempt(self, ready: Ready, seat: Seat) -> tuple[Verdict, float] | None:
        """One send: intent on disk, request out, answer read. ``None`` where the row turned out to be another run's."""
        with ExitStack() as undo:
            undo.callback(self._wire.give_up, seat)
            try:
                mine = await self._recorder.record(Note(ready.key, Event.SEND, sent_at=time.time()))
            except asyncio.CancelledError:
                self._left_over.append(Note(ready.key, Event.DEFER))
                raise
            if mine:
                undo.pop_all()
        if not mine:
            text = "another run took this row in the meantime; look again when that run has ended"
            await self._not_attempted(ready, "CLAIMED_BY_RUN", text)
            return None
        sent_at = time.time()
        return await self._exchange(ready, seat), sent_at

    async def _exchange(self, ready: Ready, seat: Seat) -> Verdict:
        attempts = self.attempts.get(ready.position, 0)
        self.attempts[ready.position] = attempts + 1
        self._sent.add(ready.position)
        try:
            verdict, left = await self._wire.start(ready, seat)
        except asyncio.CancelledError:
            text = "the run was ended while this start was on the wire; it may have started"
            self._left_over.append(Note(ready.key, Event.LOSE, error_code="ABANDONED", error_message=text))
            self._tell(ready.told(Outcome(ready.position, Status.IN_DOUBT, "", "ABANDONED", text, attempts + 1)))
            raise
        if not left:
            self.attempts[ready.position] = attempts
            self._sent.discard(ready.position)
        return verdict

    async def _final(self, ready: Ready, verdict: Verdict, step: Final, sent_at: float) -> None:
        code, message = inert(step.code), inert(step.message)
        at = sent_at if step.status is Status.STARTED else None
        note = Note(ready.key, step.event, step.workflow_id, code, message, at)
        attempts = self.attempts.get(ready.position, 0)
        outcome = Outcome(ready.position, step.status, step.workflow_id, code, message, attempts, when(at))
        if isinstance(verdict, Refused) and verdict.template_gone:
            self._gone[ready.request.template_id] = Refused(code, message)
        if step.status in (Status.STARTED, Status.IN_DOUBT):
            self._lanes.may_run(ready.request.document)
        if isinstance(verdict, InDoubt) and verdict.stops:
            self.drain(Stop(code, verdict.stops, 7))
        if stop := self._halts.told(outcome):
            self.drain(stop)
        outcome = ready.told(outcome)
        if step.status is Status.STARTED:
            note = replace(note, error_message=outcome.error_message)
        await self._settled(note, outcome)

    async def _settled(self, note: Note | None, outcome: Outcome) -> None:
        """Tell disk, then the caller: the caller hears it even where the disk fails, since it is the truth."""
        try:
            if not await self._recorder.record(note, outcome) and note is not None:
                text = f"the portal answered with the id of another start, {outcome.workflow_id}; it may have started"
                outcome = replace(
                    outcome, status=Status.IN_DOUBT, workflow_id="", error_code="BAD_ANSWER", error_message=text, started_at=""
                )
                await self._recorder.record(None, outcome)
        except JournalError:
            if note is not None:
                self._left_over.append(note)
            raise
        finally:
            self._tell(outcome)
