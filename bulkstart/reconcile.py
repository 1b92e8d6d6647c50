"""Settle a past run's doubts by what the portal's running list shows (bitrix24-api.md 1.6). Starts nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bulkstart.ending import INTERRUPTED, Begun, Finished, ending, finished
from bulkstart.errors import UsageError
from bulkstart.evidence import Doubtful, Found, weigh
from bulkstart.forecast import forecast
from bulkstart.journal import Journal
from bulkstart.meeting import Meeting, journal_of, line_to
from bulkstart.options import Options
from bulkstart.portal import Portal
from bulkstart.preflight import Met
from bulkstart.result_columns import Status
from bulkstart.results import frame_of
from bulkstart.resumed import Resumed, sheet_of, unlike
from bulkstart.retry import Stop
from bulkstart.stages import Sheet, plan_sheet, problems_of
from bulkstart.sweep import Unread, sweep
from bulkstart.work import Front, InterruptedByPersonError, Work

if TYPE_CHECKING:
    import pandas as pd

    from bulkstart.meeting import Line

UNREADABLE = (
    "the list of running workflows cannot be read ({}), so that nothing could be settled; look at the entities in the portal"
)


class Reconcile(Work):
    """The doubts of one past run. ``settle``: seconds to let pass after the last send before the list is asked.

    ``launched``: a process of its own does it, which a record in the journal may stop.
    """

    def __init__(
        self, frame: pd.DataFrame, portal: Portal, options: Options, resumed: Resumed, reader: Callable[[Met], Sheet],
        front: Front | None = None, *, settle: float, launched: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(portal, options, front)
        self._launched = launched
        self._frame, self._resumed, self._reader, self._settle = frame, resumed, reader, settle

    async def run(self) -> Finished:
        """Look up, credit, and tell every row as it stands now. Raises only ``UsageError`` and its kin."""
        run_id = self._resumed.past.run_id
        async with line_to(self._portal, self._options) as line:
            with journal_of(self._portal, self._options) as journal, self._steered(journal, run_id):
                assert journal is not None  # a dry run does not reconcile
                met = await self._met(line, journal)
                sheet = self._read(met)
                doubts = journal.doubts(run_id)
                denied = met.met.stop
                found: Mapping[str, Found] = {}
                stop = Stop(denied.code, denied.message, denied.exit_code) if denied else None
                if stop is None and any(doubt.ours for doubt in doubts):
                    try:
                        found, stop = await self._unless_interrupted(self._look_up(line, journal, met, doubts))
                    except InterruptedByPersonError:
                        stop = INTERRUPTED
                return self._told(journal, sheet, met, found, stop)

    def _read(self, met: Meeting) -> Sheet:
        past = self._resumed.past
        if met.met.identity not in (None, past.portal):
            raise UsageError(f"run {past.run_id} went to {past.portal}, and these credentials are for {met.met.identity}")
        if past.live:
            raise UsageError(f"run {past.run_id} is running right now: reconcile it when it has ended")
        for note in met.met.notes:
            self._front.say(note)
        sheet = self._reader(met.met)
        if not sheet.from_journal and (found := unlike(past, met.met, sheet)):
            self._front.say(f"{found.why}: the rows are told as the journal has them of run {past.run_id}")
            self._frame, sheet = frame_of([(row.label, row.request) for row in past.rows]), sheet_of(past)
        return sheet

    async def _look_up(
        self, line: Line, journal: Journal, met: Meeting, doubts: Sequence[Doubtful]
    ) -> tuple[Mapping[str, Found], Stop | None]:
        """Wait until no lost start can still begin, read the list, and credit what it proves."""
        ours = [doubt for doubt in doubts if doubt.ours]
        last = max((sent.at for doubt in ours for sent in doubt.sends), default=0.0)
        if (wait := min(self._settle, last + self._settle - time.time())) > 0:
            self._front.say(f"waiting {wait:.0f} s: a lost start may still begin until then")
            await asyncio.sleep(wait)
        templates = {doubt.template_id for doubt in ours}
        seen = await sweep(self._portal, line.send, met.throttle, templates.pop() if len(templates) == 1 else None)
        if isinstance(seen, Unread):
            denied = seen.denied
            return {}, Stop(seen.code, UNREADABLE.format(seen.code), denied.exit_code if denied else 6)
        taken_up = journal.run(self._resumed.past.run_id)
        if taken_up is None or taken_up.live:
            return {}, Stop("CLAIMED_BY_RUN", "the run was gone on with meanwhile; reconcile it when that has ended", 6)
        credited, doubts = (
            journal.known_ids(seen.running),
            journal.doubts(self._resumed.past.run_id),
        )  # as they stand behind the list
        found = weigh(doubts, seen.running.values(), credited, late=self._portal.gateway.late)
        sure = {key: one for key, one in found.items() if one.workflow_id}
        missed = journal.credit(
            self._resumed.past.run_id,
            {key: one.workflow_id for key, one in sure.items()},
            {key: one.sent_at for key, one in sure.items()},
        )
        return {key: one for key, one in found.items() if key not in missed}, None

    def _told(self, journal: Journal, sheet: Sheet, met: Meeting, found: Mapping[str, Found], stop: Stop | None) -> Finished:
        """Every row as the journal has it now; a doubt that stays says what was looked for, and where to look."""
        view = journal.view(
            met.met.identity or self._resumed.past.portal, sheet.keyed, self._options.campaign, sheet.workflow_ids
        )
        plan = plan_sheet(sheet, view, self._options, sandbox=self._portal.is_sandbox, blocked=True)
        plan = self._resumed.narrowed(plan, sheet, view, time.time())
        told = self._resumed.left(plan)
        for position, outcome in plan.outcomes.items():
            key = sheet.keys[position] or ""
            if outcome.status is Status.IN_DOUBT and key in found:
                first = view.held[key].error_message
                told[position] = replace(outcome, error_message="; ".join(filter(None, (first, found[key].why))))
        cast = forecast(0, met.limits)
        begun = Begun(sheet, plan, problems_of(sheet, plan, self._options), met.met, cast)
        sandbox = self._portal.is_sandbox
        outcomes, code = ending(begun, self._options, stop, told, {}, sandbox=sandbox)
        run_id = self._resumed.past.run_id
        journal.retell(run_id, code, self._resumed.placed(outcomes, sheet))
        return finished(
            self._frame, begun, self._options, stop, outcomes, code, sandbox=sandbox, gateway=self._portal.gateway, run_id=run_id
        )
