"""One run of the main job, step by step: meet the portal, check, plan, ask, claim, start, tell. ``api`` is its front door."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from bulkstart.claiming import Claimant, LateProblemsError
from bulkstart.ending import (
    INTERRUPTED,
    NOT_CONFIRMED,
    SHEET_HAS_PROBLEMS,
    WHOLE_SHEET,
    Begun,
    Finished,
    ending,
    finished,
    known_counts,
)
from bulkstart.errors import JournalError, UsageError
from bulkstart.gate import Gate
from bulkstart.guards import notes
from bulkstart.halts import Halts
from bulkstart.inert import inert
from bulkstart.journal import Journal, new_run_id
from bulkstart.journal_view import EMPTY, Note, View
from bulkstart.lanes import Lanes
from bulkstart.locks import RunIsLiveError
from bulkstart.mapping import mapped, remember
from bulkstart.meeting import Meeting, journal_of, line_to
from bulkstart.model import Outcome
from bulkstart.options import Options
from bulkstart.outlook import outlook
from bulkstart.plan import Plan, lanes
from bulkstart.portal import Portal
from bulkstart.preflight import Met, operating_of
from bulkstart.probing import probed
from bulkstart.question import Question, pilot_of, release_text
from bulkstart.recorder import Recorder
from bulkstart.renewal import Renewal
from bulkstart.results import counts, frame_of
from bulkstart.resumed import Resumed, sheet_of, unlike
from bulkstart.retry import Stop
from bulkstart.runner import Runner
from bulkstart.stages import Sheet, check_sheet, plan_sheet, problems_of
from bulkstart.standing import Pilot
from bulkstart.steering import Steering
from bulkstart.sweep import baseline, count_running
from bulkstart.throttle import Throttle
from bulkstart.timing import beginning, expected, shut
from bulkstart.work import Front, InterruptedByPersonError, Work

if TYPE_CHECKING:
    import pandas as pd

    from bulkstart.meeting import Line


EXPIRED_TEXT = "the session has expired; the run waits. Authorise again and paste the new session (nothing: the run stops, and can be resumed)"

TWICE = 2
"""Interrupts behind which rows on the wire are not waited for either."""

Reader = Callable[[Met], Sheet]
"""How a frame becomes a checked sheet, once the portal is known."""


class Job(Work):
    """One sheet on one portal. An interrupt drains: no more rows are taken, those on the wire finish; a second one abandons them.

    ``resumed``: a past run that goes on under its own id; ``reader``: how its rows are read where the sheet is gone.
    ``whole_file``: the frame is its file, row for row, so that the file can be read again in its place.
    ``run_id``: its id where somebody knows it before it begins (``detached``): wishes for it are heard from the first moment on.
    """

    def __init__(
        self, frame: pd.DataFrame, portal: Portal, options: Options, front: Front | None = None, *,
        resumed: Resumed | None = None, reader: Reader | None = None, whole_file: bool = False, run_id: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(portal, options, front)
        self._frame, self._resumed, self._whole_file = frame, resumed, whole_file
        self._reader = reader or partial(check_sheet, frame, options, dialect=portal.dialect, loopback=portal.loopback)
        self._batching = options.batching(portal.gateway.max_batch)
        self._heard = front is not None
        self._runner: Runner | None = None
        self._run_id = resumed.past.run_id if resumed else run_id
        self._launched, self._by_wish = run_id is not None, 0
        self._steering: Steering | None = None
        self._unlike: Stop | None = None

    def _interrupt(self) -> None:
        super()._interrupt()
        if self._waiting is None and self._runner is not None:
            act = self._runner.drain if self._interrupted - self._by_wish < TWICE else self._runner.abandon
            act(INTERRUPTED)

    def _wished_to_stop(self) -> None:
        """A record in the journal drains like one interrupt, and never counts as the second one."""
        if not self._interrupted:
            self._by_wish = 1
            self.interrupt()

    @contextlib.contextmanager
    def _steered(self, journal: Journal | None) -> Iterator[None]:
        """Wishes are heard: from here on where somebody knows the run's id already, else from its claim on."""
        if self._launched and journal is not None and not self._options.dry_run:
            self._steer(journal)
        try:
            yield
        finally:
            if self._steering:
                self._steering.end()

    def _steer(self, journal: Journal) -> Steering:
        if self._steering is None:
            assert self._run_id is not None
            self._steering = Steering(journal, self._run_id, self._wished_to_stop)
            self._steering.listen()
        return self._steering

    async def run(self) -> Finished:
        """The whole way. Raises only what the command line answers with exit code 1 or 2."""
        async with line_to(self._portal, self._options) as line:
            with journal_of(self._portal, self._options) as journal, self._steered(journal):
                met = await self._met(line, journal)
                begun = self._begun(met, journal)
                stop = self._before_sending(begun) or self._unlike
                if stop is None and (self._options.probe_running or self._options.check_exists) and begun.plan.ready:
                    begun, stop = await self._probe(begun, line, met.throttle)
                plan = begun.plan
                if (
                    stop
                    or self._options.dry_run
                    or journal is None
                    or not (plan.ready or plan.doubts or plan.crashed or plan.by_sheet)
                ):
                    return self._ended(begun, stop)
                if not all(self._front.ask(question) for question in self._questions(begun)):
                    return self._ended(begun, INTERRUPTED if self._interrupted else NOT_CONFIRMED)
                return await self._start(begun, journal, line, met)

    # ------------------------------------------------------------------------------------------- before sending

    def _begun(self, met: Meeting, journal: Journal | None) -> Begun:
        """The checked sheet and its plan. Raises ``UsageError`` where a past run went to another portal."""
        past = self._resumed and self._resumed.past
        if past and met.met.identity not in (None, past.portal):
            raise UsageError(f"run {past.run_id} went to {past.portal}, and these credentials are for {met.met.identity}")
        sheet = self._checked(met.met, journal)
        if past and not sheet.from_journal and (found := unlike(past, met.met, sheet)):
            self._front.say(f"{found.why}: the rows are told as the journal has them of run {past.run_id}")
            self._frame, sheet, self._unlike = (
                frame_of([(row.label, row.request) for row in past.rows]),
                sheet_of(past),
                found.stop,
            )
        for note in (*met.met.notes, *sheet.checked.notes):
            self._front.say(note)
        view = self._look(sheet, met.met, journal)
        sandbox, blocked = self._portal.is_sandbox, met.met.stop is not None
        plan = plan_sheet(sheet, view, self._options, sandbox=sandbox, blocked=blocked)
        if self._resumed:
            plan = self._resumed.narrowed(plan, sheet, view, time.time(), self._options.limit)
        cast = expected(plan, met.limits, self._options, self._batching)
        used = {ready.request.template_id for ready in plan.ready}
        known = [template for template in met.met.templates or () if template.id in used]
        earlier = journal.templates_before(met.met.identity) if journal and met.met.identity and not past else {}
        told = tuple(notes(met.met.me, known, earlier, now=time.time(), seconds=cast.seconds)) if plan.ready else ()
        for note in told:
            self._front.say(note)
        return Begun(sheet, plan, problems_of(sheet, plan, self._options), met.met, cast, notes=told)

    def _checked(self, met: Met, journal: Journal | None) -> Sheet:
        """The checked sheet; what its headers leave open is remembered, or a person is asked, where one is told of it."""
        if self._resumed or not self._heard:
            return self._reader(met)
        self._options, sheet = mapped(self._frame, self._options, met, journal, self._front, self._portal)
        return sheet

    async def _probe(self, begun: Begun, line: Line, throttle: Throttle) -> tuple[Begun, Stop | None]:
        try:
            probing = probed(begun, self._portal, line, throttle, self._options, self._front.say)
            begun, stop = await self._unless_interrupted(probing)
        except InterruptedByPersonError:
            return begun, INTERRUPTED
        return begun, stop or self._before_sending(begun)

    def _look(self, sheet: Sheet, met: Met, journal: Journal | None) -> View:
        if journal is None or met.identity is None:
            return EMPTY
        return journal.view(met.identity, sheet.keyed, self._options.campaign, sheet.workflow_ids)

    def _before_sending(self, begun: Begun) -> Stop | None:
        """What forbids the first send; problems of the sheet come before anything that the portal said."""
        sheet, met, problems = begun.sheet, begun.met, begun.problems
        whole = any(problem.position is None for problem in problems)
        denied = met.stop or (met.denied if whole and met.templates is None else None)
        # what the portal did not tell may be all that is missing, where at least the ids are there
        if whole and (denied is None or sheet.checked.column_map.entity_id is None):
            return WHOLE_SHEET
        if any(p.position is not None for p in problems) and not (self._options.skip_invalid or self._options.dry_run):
            return SHEET_HAS_PROBLEMS
        if denied is not None:
            return Stop(inert(denied.code), inert(denied.message), denied.exit_code)
        return INTERRUPTED if self._interrupted else None

    def _questions(self, begun: Begun) -> Iterator[str]:
        """What the person is asked before the first send, one after the other."""
        released = [ready for ready in begun.plan.ready if ready.released]
        if released:
            yield release_text(begun.met.identity or "", released)
        if begun.plan.ready:
            known, past = begun.met.templates or (), self._resumed and self._resumed.past.run_id
            options = self._options
            yield Question(
                begun.met.identity or "", begun.plan, known, options.campaign, options.canary, begun.forecast, past or ""
            ).text

    # ------------------------------------------------------------------------------------------------- sending

    async def _start(self, begun: Begun, journal: Journal, line: Line, met: Meeting) -> Finished:
        self._run_id = run_id = self._run_id or new_run_id()
        claimant = Claimant(
            run_id, self._frame, self._portal, self._options, self._resumed, self._whole_file, launched=self._launched
        )
        before = await baseline(self._portal, line.send, met.throttle, begun.plan, self._front.say)
        try:
            begun = claimant.claim(begun, journal, before)
        except LateProblemsError as late:
            return self._ended(late.begun, SHEET_HAS_PROBLEMS)
        except RunIsLiveError:  # another process took the run up a moment ago
            return self._ended(self._begun(met, journal), None)
        if self._heard and not self._resumed:
            remember(self._frame, self._options, begun.met.identity, journal)
        steering = self._steer(journal)
        steering.claimed(len(begun.sheet.keys), len(begun.plan.ready), known_counts(begun))
        settled: dict[int, Outcome] = {}

        def settle(outcome: Outcome) -> None:
            settled[outcome.position] = outcome
            steering.settle(outcome)
            self._front.settle(outcome)

        options = self._options
        with ThreadPoolExecutor(1, "bulkstart-journal") as writer:
            recorder = Recorder(partial(self._record, journal, steering, begun.sheet), writer)
            halts = Halts(options.halt_doubts, options.halt_same, options.halt_percent)
            gate = Gate(
                met.throttle,
                max_unknown=options.max_unknown,
                deadline=self._now() + (options.deadline or math.inf),
                operating=operating_of(self._portal, options, self._now()),
                batching=self._batching,
                shut=partial(shut, options),
            )
            self._runner = runner = Runner(
                self._portal.gateway,
                line.send,
                recorder,
                gate,
                settle,
                halts=halts,
                lanes=Lanes(options.per_document),
                sweep=partial(count_running, self._portal, line.send, met.throttle),
                attempts=self._resumed.attempts(begun.sheet) if self._resumed else None,
                renewal=Renewal(partial(self._renew, line)) if self._portal.has_session else None,
            )
            if self._interrupted:
                runner.drain(INTERRUPTED)
            self._front.begin(runner, len(begun.plan.ready))
            try:
                async with steering.telling(runner, recorder, writer, partial(shut, options)):
                    await self._send(runner, steering, begun.plan, settled)
            finally:
                self._front.end()
        for warning in runner.tally.warnings:
            self._front.say(f"the portal warns: {warning}; the rate was halved")
        if runner.tally.throttled:
            self._front.say(f"the portal asked for time in {runner.tally.throttled:,} answers; the rate followed it")
        return self._closed(begun, journal, steering, runner, settled)

    def _closed(
        self, begun: Begun, journal: Journal, steering: Steering, runner: Runner, settled: Mapping[int, Outcome]
    ) -> Finished:
        """Close the run on disk before anything else can go wrong."""
        told = {**runner.unfinished(), **settled}
        sandbox = self._portal.is_sandbox
        outcomes, code = ending(begun, self._options, runner.stop, told, runner.attempts, sandbox=sandbox)
        assert self._run_id is not None
        last = steering.ended(code, counts(outcomes), runner.stop)
        try:
            journal.finish(self._run_id, code, self._placed(outcomes, begun.sheet), now=last)
        except JournalError as error:
            self._front.say(str(error))
        return finished(
            self._frame,
            begun,
            self._options,
            runner.stop,
            outcomes,
            code,
            sandbox=sandbox,
            gateway=self._portal.gateway,
            run_id=self._run_id,
        )

    def _record(
        self, journal: Journal, steering: Steering, sheet: Sheet, notes: Sequence[Note], outcomes: Sequence[Outcome]
    ) -> set[str]:
        return journal.record(self._run_id or "", notes, self._placed(outcomes, sheet), now=steering.due())

    def _placed(self, outcomes: Sequence[Outcome], sheet: Sheet) -> Sequence[Outcome]:
        """Outcomes at the places of the run's rows, which differ from the sheet's where a past run goes on."""
        return self._resumed.placed(outcomes, sheet) if self._resumed else outcomes

    async def _renew(self, line: Line) -> bool:
        """Ask for a new session, while what is on the wire goes on."""
        session = await asyncio.get_running_loop().run_in_executor(None, self._front.session, EXPIRED_TEXT)
        headers = self._portal.renewed_headers(session) if session else None
        if headers:
            line.renew(headers)
        return headers is not None

    async def _send(self, runner: Runner, steering: Steering, plan: Plan, settled: dict[int, Outcome]) -> None:
        """The canary, then the question about it, then the rest."""
        first = plan.ready[: self._options.canary]
        rest = plan.ready[len(first) :]
        if first and rest:
            await runner.run(lanes(first))
            if runner.stop is None:
                shown = [(ready.label, settled[ready.position]) for ready in first if ready.position in settled]
                cast = beginning(outlook(runner.gate, len(rest), runner.gate.now()), self._options, len(rest))
                if not await self._goes_on(runner, steering, pilot_of(shown, runner.gate.durations, len(rest), cast)):
                    runner.drain(INTERRUPTED if self._interrupted else NOT_CONFIRMED)
        else:
            rest = plan.ready
        if runner.stop is None:
            await runner.run(lanes(rest))

    async def _goes_on(self, runner: Runner, steering: Steering, pilot: Pilot) -> bool:
        """The answer to what the pilot showed: here, or where it is asked by way of the journal."""
        if not self._options.pilot:
            return self._front.ask(pilot.text)
        self._front.say(f"{pilot.text}\nIt waits: bulkstart continue {self._run_id}, or bulkstart stop {self._run_id}")
        try:
            return await steering.ask(pilot)
        except JournalError as error:
            runner.drain(Stop("RUN_STOPPED", str(error), 6))
            return False

    def _ended(self, begun: Begun, stop: Stop | None) -> Finished:
        """An end before the first send."""
        attempts = self._resumed.attempts(begun.sheet) if self._resumed else {}
        outcomes, code = ending(begun, self._options, stop, {}, attempts, sandbox=self._portal.is_sandbox)
        run_id = self._resumed.past.run_id if self._resumed else None
        return finished(
            self._frame, begun, self._options, stop, outcomes, code, sandbox=self._portal.is_sandbox, gateway=self._portal.gateway,
            run_id=run_id,
        )  # fmt: skip
