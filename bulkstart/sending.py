"""The claimed rows of one run on their way: gate, runner and recorder put together, the canary first, then what it showed, then the rest."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from bulkstart.batching import Batching
from bulkstart.claiming import Claimant
from bulkstart.ending import INTERRUPTED, NOT_CONFIRMED, Begun, known_counts
from bulkstart.errors import JournalError
from bulkstart.forecast import Forecast
from bulkstart.gate import Gate
from bulkstart.halts import Halts
from bulkstart.journal import Journal
from bulkstart.journal_view import Note
from bulkstart.lanes import Lanes, crowded
from bulkstart.meeting import Meeting
from bulkstart.model import Outcome
from bulkstart.plan import Ready, lanes
from bulkstart.preflight import operating_of
from bulkstart.question import pilot_of
from bulkstart.recorder import Recorder
from bulkstart.renewal import Renewal
from bulkstart.retry import Stop
from bulkstart.runner import Runner
from bulkstart.standing import Pilot
from bulkstart.steering import Steering
from bulkstart.sweep import count_running
from bulkstart.timing import beginning, shut
from bulkstart.work import Front

if TYPE_CHECKING:
    from bulkstart.meeting import Line

EXPIRED_TEXT = "the session has expired; the run waits. Authorise again and paste the new session (nothing: the run stops, and can be resumed)"


class Sending:
    """One stint of a run. ``claimant`` has claimed the rows of ``begun``; ``steering`` hears and tells for it."""

    def __init__(
        self, begun: Begun, met: Meeting, line: Line, journal: Journal, steering: Steering, claimant: Claimant, front: Front,
        batching: Batching,
    ) -> None:  # fmt: skip
        self._begun, self._line, self._journal = begun, line, journal
        self._steering, self._claimant, self._front = steering, claimant, front
        self._settled: dict[int, Outcome] = {}
        self.forecast: Forecast | None = None
        """What the canary's measures forecast of the rest; ``None`` without one."""
        self._writer = ThreadPoolExecutor(1, "bulkstart-journal")
        self._recorder = Recorder(self._record, self._writer)
        self.runner = self._runner(met, batching)
        steering.claimed(len(begun.sheet.keys), len(begun.plan.ready), known_counts(begun))

    def _runner(self, met: Meeting, batching: Batching) -> Runner:
        options, portal, resumed = self._claimant.options, self._claimant.portal, self._claimant.resumed
        now = asyncio.get_running_loop().time()
        gate = Gate(
            met.throttle,
            max_unknown=options.max_unknown,
            deadline=now + (options.deadline or math.inf),
            operating=operating_of(portal, options, now),
            batching=batching,
            shut=partial(shut, options),
        )
        return Runner(
            portal.gateway,
            self._line.send,
            self._recorder,
            gate,
            self._settle,
            halts=Halts(options.halt_doubts, options.halt_same, options.halt_percent),
            lanes=Lanes(options.per_document, options.life, crowded(self._begun.plan.ready, options.per_document)),
            sweep=partial(count_running, portal, self._line.send, met.throttle),
            attempts=resumed.attempts(self._begun.sheet) if resumed else None,
            renewal=Renewal(self._renew) if portal.has_session else None,
        )

    async def run(self, interrupted: Callable[[], bool]) -> None:
        """Send until all rows are settled, or the run has drained; ``interrupted``: whether a person wants it to."""
        runner, ready = self.runner, self._begun.plan.ready
        with self._writer:
            if interrupted():
                runner.drain(INTERRUPTED)
            self._front.begin(runner, len(ready))
            try:
                async with self._steering.telling(runner, self._recorder, self._writer, partial(shut, self._claimant.options)):
                    await self._send(ready, interrupted)
            finally:
                self._front.end()
        for warning in runner.tally.warnings:
            self._front.say(f"the portal warns: {warning}; the rate was halved")
        if runner.tally.throttled:
            self._front.say(f"the portal asked for time in {runner.tally.throttled:,} answers; the rate followed it")

    def told(self) -> dict[int, Outcome]:
        """What became of rows, by position; of those that are not here nothing was heard."""
        return {**self.runner.unfinished(), **self._settled}

    def placed(self, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
        """Outcomes at the places of the run's rows, which differ from the sheet's where a past run goes on."""
        resumed = self._claimant.resumed
        return resumed.placed(outcomes, self._begun.sheet) if resumed else outcomes

    def _settle(self, outcome: Outcome) -> None:
        self._settled[outcome.position] = outcome
        self._steering.settle(outcome)
        self._front.settle(outcome)

    def _record(self, notes: Sequence[Note], outcomes: Sequence[Outcome]) -> set[str]:
        return self._journal.record(self._claimant.run_id, notes, self.placed(outcomes), now=self._steering.due())

    async def _renew(self) -> bool:
        """Ask for a new session, while what is on the wire goes on."""
        session = await asyncio.get_running_loop().run_in_executor(None, self._front.session, EXPIRED_TEXT)
        headers = self._claimant.portal.renewed_headers(session) if session else None
        if headers:
            self._line.renew(headers)
        return headers is not None

    async def _send(self, ready: Sequence[Ready], interrupted: Callable[[], bool]) -> None:
        """The canary, then the question about it, then the rest."""
        runner, options = self.runner, self._claimant.options
        first = ready[: options.canary]
        rest = ready[len(first) :]
        if first and rest:
            behind = lanes(rest)
            await runner.run(lanes(first))
            if runner.stop is None:
                shown = [(one.label, self._settled[one.position]) for one in first if one.position in self._settled]
                cast = self.forecast = beginning(runner.outlook(len(rest), runner.gate.now(), behind), options, len(rest))
                if not await self._goes_on(pilot_of(shown, runner.gate.durations, len(rest), cast)):
                    runner.drain(INTERRUPTED if interrupted() else NOT_CONFIRMED)
        else:
            behind = lanes(ready)
        if runner.stop is None:
            await runner.run(behind)

    async def _goes_on(self, pilot: Pilot) -> bool:
        """The answer to what the pilot showed: from here, or from wherever it is asked by way of the journal."""
        if not self._claimant.options.pilot:
            return self._front.ask(pilot.text)
        run_id = self._claimant.run_id
        self._front.say(f"{pilot.text}\nIt waits: bulkstart continue {run_id} goes on, bulkstart stop {run_id} ends it")
        try:
            return await self._steering.ask(pilot)
        except JournalError as error:
            self.runner.drain(Stop("RUN_STOPPED", str(error), 6))
            return False
