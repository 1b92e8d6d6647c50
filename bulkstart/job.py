"""One run of the main job, step by step: meet the portal, check, plan, ask, claim, start, tell. ``api`` is its front door."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
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
)
from bulkstart.errors import JournalError, UsageError
from bulkstart.guards import notes
from bulkstart.inert import inert
from bulkstart.journal import Journal, new_run_id
from bulkstart.journal_view import EMPTY, View
from bulkstart.locks import RunIsLiveError
from bulkstart.mapping import mapped, remember
from bulkstart.meeting import Meeting, journal_of, line_to
from bulkstart.options import Options
from bulkstart.portal import Portal
from bulkstart.preflight import Met
from bulkstart.probing import probed
from bulkstart.question import Question, release_text
from bulkstart.results import counts, frame_of
from bulkstart.resumed import Resumed, sheet_of, unlike
from bulkstart.retry import Stop
from bulkstart.runner import Runner
from bulkstart.sending import Sending
from bulkstart.stages import Sheet, check_sheet, plan_sheet, problems_of
from bulkstart.steering import Steering
from bulkstart.sweep import baseline
from bulkstart.throttle import Throttle
from bulkstart.timing import expected
from bulkstart.work import Front, InterruptedByPersonError, Work

if TYPE_CHECKING:
    import pandas as pd

    from bulkstart.meeting import Line


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
        self._launched = run_id is not None
        self._unlike: Stop | None = None

    def _interrupt(self) -> None:
        super()._interrupt()
        if self._waiting is None and self._runner is not None:
            act = self._runner.drain if self._interrupted - self._by_wish < TWICE else self._runner.abandon
            act(INTERRUPTED)

    async def run(self) -> Finished:
        """The whole way. Raises only what the command line answers with exit code 1 or 2."""
        async with line_to(self._portal, self._options) as line:
            with journal_of(self._portal, self._options) as journal, self._steered(journal, self._run_id):
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
        steering = self._steer(journal, run_id)
        sending = Sending(begun, met, line, journal, steering, claimant, self._front, self._batching)
        self._runner = sending.runner
        steering.look()  # what was wished before the first send counts
        await sending.run(lambda: bool(self._interrupted))
        return self._closed(begun, journal, steering, sending)

    def _closed(self, begun: Begun, journal: Journal, steering: Steering, sending: Sending) -> Finished:
        """Close the run on disk before anything else can go wrong."""
        runner, sandbox = sending.runner, self._portal.is_sandbox
        outcomes, code = ending(begun, self._options, runner.stop, sending.told(), runner.attempts, sandbox=sandbox)
        assert self._run_id is not None
        last = steering.ended(code, counts(outcomes), runner.stop)
        try:
            journal.finish(self._run_id, code, sending.placed(outcomes), now=last)
        except JournalError as error:
            self._front.say(str(error))
        return finished(
            self._frame, begun, self._options, runner.stop, outcomes, code, sandbox=sandbox, gateway=self._portal.gateway,
            run_id=self._run_id,
        )  # fmt: skip

    def _ended(self, begun: Begun, stop: Stop | None) -> Finished:
        """An end before the first send."""
        attempts = self._resumed.attempts(begun.sheet) if self._resumed else {}
        outcomes, code = ending(begun, self._options, stop, {}, attempts, sandbox=self._portal.is_sandbox)
        run_id = self._resumed.past.run_id if self._resumed else None
        return finished(
            self._frame, begun, self._options, stop, outcomes, code, sandbox=self._portal.is_sandbox, gateway=self._portal.gateway,
            run_id=run_id,
        )  # fmt: skip
