"""In doubt + what the portal's running list shows → credited, or still in doubt (bitrix24-api.md 1.6). Pure.

1. Only a living workflow is evidence; an empty list never proves that nothing was started.
2. A workflow that ran before the run (the baseline), or that another start has as its id, is nobody's here.
3. It must fit by document, by template, and by the moment it started, on the portal's clock.
4. One workflow is credited to one row, and only where neither could be any other's; else it is said, and nothing is credited.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bulkstart.gateways.running import Running, moment

MATCHED = "matched by list, not by answer"
"""Stands in ``errorMessage`` of a row whose id was found by reconcile (interface.md 2)."""

EARLY = 5.0
"""Seconds that a workflow may seem to have started before its request left: the list tells whole seconds (1.6)."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One request whose fate is unknown: Unix time; seconds that the portal's clock is ahead; ids that ran before. ``None``: unknown."""

    at: float
    clock_offset: float | None
    baseline: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Doubtful:
    """A start whose fate is unknown. ``ours``: one of the run that is reconciled; others only contend for workflows.

    No ``sends``: a fed-back sheet brought the doubt, and nobody here knows when it was sent.
    """

    key: str
    template_id: int
    document: tuple[str, int]
    sends: tuple[Sent, ...]
    ours: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """What the list shows for a doubt: the workflow to credit, or why none is; ``candidates`` are all that fit."""

    workflow_id: str = ""
    candidates: tuple[str, ...] = ()
    why: str = ""
    sent_at: float | None = None
    """When the request that it came of was sent, Unix time."""

    @property
    def suspected_duplicate(self) -> bool:
        """Whether more than one workflow fits the one start."""
        return not self.workflow_id and len(self.candidates) > 1


def weigh(
    doubts: Sequence[Doubtful], running: Iterable[Running], credited: Collection[str], *, late: float
) -> Mapping[str, Found]:
    """What the running list proves for each doubt of ours, by key.

    ``credited``: ids that starts have already; ``late``: seconds behind the send in which a workflow may still have begun.
    """
    by_place: dict[tuple[int, tuple[str, int]], list[Running]] = {}
    for workflow in running:
        if workflow.document is not None and workflow.workflow_id not in credited:
            by_place.setdefault((workflow.template_id, workflow.document), []).append(workflow)
    fitting = {
        doubt.key: [
            w for w in by_place.get((doubt.template_id, doubt.document), ()) if not doubt.sends or _fits(w, doubt.sends, late)
        ]
        for doubt in doubts
    }
    claims = Counter(workflow.workflow_id for candidates in fitting.values() for workflow in candidates)
    return {doubt.key: _found(doubt, fitting[doubt.key], claims, late) for doubt in doubts if doubt.ours}


def _fits(workflow: Running, sends: Iterable[Sent], late: float) -> bool:
    """Whether a workflow may have come of one of these requests; where it is not known what ran before, or when, anything may."""
    began = moment(workflow.started)
    return began is not None and any(
        workflow.workflow_id not in (sent.baseline or ())
        and (sent.clock_offset is None or -EARLY <= began - (sent.at + sent.clock_offset) <= late)
        for sent in sends
    )


def _found(doubt: Doubtful, candidates: Sequence[Running], claims: Mapping[str, int], late: float) -> Found:
    entity, ids = f"{doubt.document[0]} {doubt.document[1]}", tuple(workflow.workflow_id for workflow in candidates)
    known = [sent for sent in doubt.sends if sent.baseline is not None and sent.clock_offset is not None]
    if not doubt.sends:
        why = "nobody here knows when it was sent, so that no running workflow can be told to be its own"
        return Found(why=f"{why}; open {entity} and look")
    if not known and any(sent.baseline is not None for sent in doubt.sends):
        why = "the portal does not tell its time, so that no running workflow can be told to be its own"
        return Found(why=f"{why}; open {entity} and look")
    if not known:
        why = "what ran before it was sent is not known, so that no running workflow can be told to be its own"
        return Found(why=f"{why}; open {entity} and look")
    if len(ids) > 1:
        listed = ", ".join(ids)
        why = f"suspected duplicate: {len(ids)} workflows of template {doubt.template_id} that could be this start run on {entity} ({listed})"
        return Found("", ids, f"{why}; open {entity} and stop what should not run")
    if ids and claims[ids[0]] == 1 and _fits(candidates[0], known, late):
        return Found(ids[0], ids, sent_at=_sent_at(candidates[0], [sent for sent in known if _fits(candidates[0], [sent], late)]))
    if ids:
        why = f"workflow {ids[0]} runs on {entity} and may be this row's or another's start"
        return Found("", ids, f"{why}; open {entity} and compare")
    return Found(why=f"not in the running list: it may have run and finished, or never have started; open {entity} and look")


def _sent_at(workflow: Running, sends: Sequence[Sent]) -> float:
    """When the request left that a workflow came of: the last of those that fit and left before it began (the list tells whole seconds)."""
    began = moment(workflow.started) or 0.0
    before = [sent.at for sent in sends if sent.at + (sent.clock_offset or 0.0) <= began + 1.0]
    return max(before) if before else min(sent.at for sent in sends)
