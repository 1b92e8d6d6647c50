"""The last look before the first send: under the journal's lock, the run is entered and takes its rows."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bulkstart.ending import Begun, known_counts
from bulkstart.guards import without
from bulkstart.journal import Journal
from bulkstart.model import Outcome, SheetSource
from bulkstart.options import Options
from bulkstart.plan import Plan
from bulkstart.portal import Portal
from bulkstart.result_columns import Status
from bulkstart.results import invalid_outcomes
from bulkstart.resumed import Resumed, parameters_of
from bulkstart.stages import plan_sheet, problems_of
from bulkstart.standing import State
from bulkstart.steering import standing
from bulkstart.sweep import Sweep

if TYPE_CHECKING:
    import pandas as pd


class LateProblemsError(Exception):
    """Problems that only showed under the journal's lock; nothing was claimed."""

    def __init__(self, begun: Begun) -> None:
        super().__init__()
        self.begun = begun


def _as_asked(plan: Plan, asked: Plan, attempts: Mapping[int, int]) -> Plan:
    """``plan`` without what the person was not asked about, or was asked about otherwise: a doubt is no plain row."""
    known = {(ready.position, ready.released) for ready in asked.ready}
    late = [ready for ready in plan.ready if (ready.position, ready.released) not in known]
    text, told = "it could be sent only after you were asked: go on once more", {}
    for ready in late:
        at = ready.position
        told[at] = ready.told(Outcome(at, Status.NOT_ATTEMPTED, "", "RUN_STOPPED", text, attempts.get(at, 0)))
    return replace(plan, ready=tuple(ready for ready in plan.ready if ready not in late), outcomes={**plan.outcomes, **told})


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who claims: a run on a portal with its options; ``resumed``: a past run that goes on; ``whole_file``: the frame is its file.

    ``launched``: its id was known before it began, so that wishes concern it already.
    """

    run_id: str
    frame: pd.DataFrame
    portal: Portal
    options: Options
    resumed: Resumed | None = None
    whole_file: bool = False
    launched: bool = False

    def claim(self, begun: Begun, journal: Journal, before: Sweep | None) -> Begun:
        """Look once more, and take the rows that are still to be sent; ``before``: what runs on the portal now.

        Raises ``LateProblemsError``, ``JournalError``, and ``RunIsLiveError`` where another process goes on with the same run.
        """
        sheet, identity, campaign = begun.sheet, begun.met.identity or "", self.options.campaign
        with journal.claiming(self.run_id) as claim:
            view = claim.view(identity, sheet.keyed, campaign, sheet.workflow_ids)
            plan = plan_sheet(sheet, view, self.options, sandbox=self.portal.is_sandbox)
            if self.resumed:
                plan = self.resumed.narrowed(plan, sheet, view, time.time(), self.options.limit)
                plan = _as_asked(plan, begun.plan, self.resumed.attempts(sheet))
            plan = without(plan, begun.probed)
            begun = replace(begun, plan=plan, problems=problems_of(sheet, plan, self.options))
            if begun.problems and not self.options.skip_invalid:
                raise LateProblemsError(begun)
            if self.resumed:
                claim.reopen_run(self.resumed.rows[ready.key].outcome.position for ready in plan.ready)
            else:
                labels = [str(row.label) for row in sheet.checked.rows]
                rows = [
                    (position, label, key or "") for position, (label, key) in enumerate(zip(labels, sheet.keys, strict=True))
                ]
                requests = enumerate(sheet.checked.requests)
                taken = {ready.position for ready in plan.ready}
                unsent = {position: request for position, request in requests if request and position not in taken}
                claim.open_run(self._entry(begun, len(rows)), rows, unsent)
            if before is not None:
                claim.keep_sweep(before.at, before.clock_offset, frozenset(before.running))
            claim.mark_crashed(plan.crashed)
            claim.doubt(identity, campaign, ((d.key, d.request, d.code, d.message) for d in plan.doubts))
            claim.take(identity, campaign, ((ready.key, ready.request, ready.held) for ready in plan.ready))
            settled = [*invalid_outcomes(sheet.checked.rows, begun.problems).values(), *plan.outcomes.values()]
            claim.settle(self.resumed.placed(settled, sheet) if self.resumed else settled)
            claim.tell(standing(State.RUNNING, len(sheet.keys), len(plan.ready), known_counts(begun)), begun=self.launched)
        return begun

    def _entry(self, begun: Begun, rows: int) -> Mapping[str, object]:
        source = self.frame.attrs.get("sheet")
        used = sorted({ready.request.template_id for ready in begun.plan.ready})
        kept = {name: value for name, value in dataclasses.asdict(self.options).items() if value is not None}
        known = {template.id: template for template in begun.met.templates or ()}
        kept["modified"] = {str(number): known[number].modified for number in used if number in known and known[number].modified}
        kept["parameters"] = parameters_of(begun.met.templates, used)
        path = ""
        if isinstance(source, SheetSource):
            path = os.fsencode(Path(source.path).absolute()).decode("utf-8", "replace")
            kept["whole_file"] = self.whole_file
            kept |= {name: getattr(source, name) for name in ("tab", "header_row", "encoding", "delimiter", "visible_only")}
        return {
            "id": self.run_id,
            "started_at": time.time(),
            "portal": begun.met.identity,
            "dialect": self.portal.dialect,
            "sheet": path,
            "campaign": self.options.campaign,
            "template": ",".join(map(str, used)),
            "rows": rows,
            "settings": json.dumps(kept, ensure_ascii=False, default=str),
        }
