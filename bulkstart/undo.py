"""Terminate what a past run started and still runs: a count first, then a person's word, then one request for each workflow."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bulkstart.errors import UsageError
from bulkstart.forecast import about
from bulkstart.gateways import Stopped
from bulkstart.inert import inert
from bulkstart.journal import Journal
from bulkstart.journal_past import PastRun
from bulkstart.meeting import Meeting, journal_of, line_to
from bulkstart.model import Answer, Denied
from bulkstart.options import Options
from bulkstart.portal import Portal
from bulkstart.preflight import asked, busy_of
from bulkstart.retry import Stop, lost_verdict
from bulkstart.sweep import Unread, sweep
from bulkstart.work import Front, InterruptedByPersonError, Work

if TYPE_CHECKING:
    from bulkstart.meeting import Line

AT_ONCE = 4
NOT_CONFIRMED = Stop("RUN_STOPPED", "not confirmed; nothing was terminated", 6)
INTERRUPTED = Stop("INTERRUPTED", "interrupted; undo the run again to go on: what has ended already is left alone", 130)


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of the workflows of a run, by id: ``terminated``, ``gone`` (ended before), ``running`` (still) with the reason."""

    run_id: str
    portal: str
    started: int
    terminated: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    running: dict[str, str] = field(default_factory=dict)
    dry_run: bool = False
    stop: Stop | None = None

    @property
    def exit_code(self) -> int:
        """0 nothing of the run runs any more, or a dry run; 4 some could not be terminated; 6, 7, 130 stopped before its end."""
        if self.stop is not None:
            return self.stop.exit_code
        return 0 if self.dry_run or not self.running else 4

    @property
    def counts(self) -> dict[str, int]:
        """How many of each."""
        told = {"started": self.started, "terminated": len(self.terminated), "gone": len(self.gone), "running": len(self.running)}
        return {name: count for name, count in told.items() if count or name == "started"}


class Undo(Work):
    """Terminate the workflows of ``past`` that still run; ``erase``: abort them and erase their data."""

    def __init__(
        self, past: PastRun, portal: Portal, options: Options, front: Front | None = None, *, erase: bool = False
    ) -> None:  # fmt: skip
        super().__init__(portal, options, front)
        self._past, self._erase = past, erase
        self._workers: list[asyncio.Task[None]] = []

    async def run(self) -> Undone:
        """Look what runs, ask, and terminate it. Raises only ``UsageError`` and its kin."""
        async with line_to(self._portal, self._options) as line:
            with journal_of(self._portal, self._options) as journal:
                if journal is None:
                    raise UsageError(f"there is no journal, so that run {self._past.run_id} is not known")
                met = await self._met(line, journal)
                past, identity = self._past, met.met.identity
                if identity not in (None, past.portal):
                    raise UsageError(f"run {past.run_id} went to {past.portal}, and these credentials are for {identity}")
                if past.live:
                    raise UsageError(f"run {past.run_id} is running right now: stop it first, then undo it")
                try:
                    return await self._undone(line, journal, met)
                except InterruptedByPersonError:
                    return Undone(past.run_id, past.portal, 0, stop=INTERRUPTED)

    async def _undone(self, line: Line, journal: Journal, met: Meeting) -> Undone:
        past = self._past
        started = journal.started_by(past.run_id)
        nothing = Undone(past.run_id, past.portal, len(started))
        if met.met.stop is not None:
            return _stopped(nothing, Stop(met.met.stop.code, met.met.stop.message, met.met.stop.exit_code))
        if not started:
            return nothing
        seen = await self._unless_interrupted(sweep(self._portal, line.send, met.throttle))
        if isinstance(seen, Unread):
            text = f"the list of running workflows cannot be read ({seen.code}), so that nothing was terminated"
            return _stopped(nothing, Stop(seen.code, text, seen.denied.exit_code if seen.denied else 6))
        ours = [workflow_id for workflow_id in started if workflow_id in seen.running]
        gone = tuple(workflow_id for workflow_id in started if workflow_id not in seen.running)
        self._front.say(self._count(ours, started, met))
        if not ours or self._options.dry_run:
            left = dict.fromkeys(ours, "it runs")
            return Undone(past.run_id, past.portal, len(started), (), gone, left, self._options.dry_run)
        if not self._front.ask(self._question(len(ours))):
            left = dict.fromkeys(ours, "not confirmed")
            stop = INTERRUPTED if self._interrupted else NOT_CONFIRMED
            return Undone(past.run_id, past.portal, len(started), (), gone, left, stop=stop)
        return await self._terminate(ours, gone, len(started), journal, line, met)

    def _count(self, ours: list[str], started: dict[str, tuple[str, int]], met: Meeting) -> str:
        documents = Counter(f"{started[workflow_id][0]} {started[workflow_id][1]}" for workflow_id in ours)
        shown = ", ".join(list(documents)[:6]) + (", …" if len(documents) > 6 else "")  # noqa: PLR2004  as many as fit a line
        text = (
            f"run {self._past.run_id} started {len(started):,} workflows on {self._past.portal}; {len(ours):,} of them still run"
        )
        return f"{text} (on {shown}); {about(len(ours) / met.limits.rate)}" if ours else text

    def _question(self, count: int) -> str:
        what = "aborted, and their data erased" if self._erase else "terminated"
        done = "What they have done already (letters, changed fields, tasks) stays as it is."
        return f"{count:,} running workflows would be {what}. {done} Go on?"

    async def _terminate(
        self, ours: list[str], gone: tuple[str, ...], started: int, journal: Journal, line: Line, met: Meeting
    ) -> Undone:
        """One request for each; the list is read again at the end, since a lost answer proves nothing."""
        todo, why, before, stops = list(ours), dict.fromkeys(ours, "not asked"), set[str](), list[Stop]()

        async def work() -> None:
            while todo and not stops and not self._interrupted:
                workflow_id = todo.pop(0)
                call = self._portal.gateway.stop_call(workflow_id, erase=self._erase)
                answer = await asked(line.send, call, met.throttle, lambda got: busy_of(self._portal, got))
                verdict = self._portal.gateway.read_stop(answer) if isinstance(answer, Answer) else lost_verdict(answer)
                if isinstance(verdict, Stopped):
                    why.pop(workflow_id)
                    before.update({workflow_id} if verdict.before else ())
                elif isinstance(verdict, Denied):
                    stops.append(Stop(inert(verdict.code), inert(verdict.message), verdict.exit_code))
                else:
                    why[workflow_id] = getattr(verdict, "code", "")

        self._workers = [asyncio.create_task(work()) for _ in range(min(AT_ONCE, len(ours)))]
        await asyncio.wait(self._workers)
        for worker in self._workers:
            if not worker.cancelled():
                worker.result()
        if why and not self._interrupted:
            seen = await sweep(self._portal, line.send, met.throttle)
            if not isinstance(seen, Unread):
                why = {workflow_id: reason for workflow_id, reason in why.items() if workflow_id in seen.running}
        ended = tuple(workflow_id for workflow_id in ours if workflow_id not in why and workflow_id not in before)
        journal.terminated(self._past.run_id, ended)
        stop = stops[0] if stops else INTERRUPTED if self._interrupted else None
        return Undone(self._past.run_id, self._past.portal, started, ended, (*gone, *before), why, stop=stop)

    def _interrupt(self) -> None:
        super()._interrupt()
        if self._interrupted > 1:  # do not wait for answers either
            for worker in self._workers:
                worker.cancel()


def _stopped(undone: Undone, stop: Stop) -> Undone:
    return Undone(undone.run_id, undone.portal, undone.started, stop=stop)
