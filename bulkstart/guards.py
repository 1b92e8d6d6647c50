"""What a person should know before the first send, from what the portal and the journal tell; and rows that run already. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from bulkstart.forecast import about
from bulkstart.gateways import Me
from bulkstart.gateways.running import Running
from bulkstart.journal_view import Before
from bulkstart.model import Problem, Template
from bulkstart.plan import Plan, when

NEEDED_SCOPE = "bizproc"


def notes(me: Me, used: Iterable[Template], earlier: Mapping[int, Before], *, now: float, seconds: float) -> Iterator[str]:
    """Sentences about the credentials and the templates of a run that is to take ``seconds``; ``now`` is a Unix time."""
    if me.scopes is not None and NEEDED_SCOPE not in me.scopes:
        yield f"the portal says that this key lacks the scope {NEEDED_SCOPE}: starts will be denied; issue a key that has it"
    if me.read_only:
        yield "the portal says that this key is read-only: starts will be denied; use one that may write"
    if me.expires_at is not None and me.expires_at < now + seconds:
        left = me.expires_at - now
        when_ends = f"ends in {about(left)}" if left > 0 else "has ended"
        yield f"the session or key {when_ends} ({when(me.expires_at)}), before the run does: it stops there, and bulkstart resume goes on"
    for template in used:
        before = earlier.get(template.id)
        if before and template.modified and before.modified != template.modified:
            yield (
                f"template {template.id} was changed on the portal ({template.modified}) since run {before.run_id} used it "
                f"({before.modified}): look whether it still does what is meant"
            )


def running_problems(plan: Plan, running: Iterable[Running]) -> tuple[Problem, ...]:
    """Rows to start whose entity runs the same template now."""
    places: dict[tuple[int, tuple[str, int]], str] = {}
    for workflow in running:
        if workflow.document is not None:
            places.setdefault((workflow.template_id, workflow.document), workflow.workflow_id)
    found = []
    for ready in plan.ready:
        workflow_id = places.get((ready.request.template_id, ready.request.document))
        if workflow_id:
            entity = f"{ready.request.entity_type} {ready.request.entity_id}"
            text = f"{entity} runs template {ready.request.template_id} already (workflow {workflow_id}); leave the row out, or leave --probe-running out"
            found.append(Problem(ready.position, ready.label, None, "already-running", text))
    return tuple(found)


def without(plan: Plan, problems: Iterable[Problem]) -> Plan:
    """``plan`` without the rows that have these problems."""
    found = tuple(problems)
    positions = {problem.position for problem in found}
    ready = tuple(entry for entry in plan.ready if entry.position not in positions)
    return replace(plan, ready=ready, problems=(*plan.problems, *found))
