"""What the portal is asked of the rows themselves before the first send, where options want it: do they exist, do they run already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bulkstart.ending import Begun
from bulkstart.exists import look, problems
from bulkstart.guards import running_problems, without
from bulkstart.meeting import Line
from bulkstart.model import Problem
from bulkstart.options import Options
from bulkstart.portal import Portal
from bulkstart.retry import Stop
from bulkstart.stages import problems_of
from bulkstart.sweep import Unread, sweep
from bulkstart.throttle import Throttle


async def probed(
    begun: Begun, portal: Portal, line: Line, throttle: Throttle, options: Options, say: Callable[[str], None]
) -> tuple[Begun, Stop | None]:
    """``begun`` without the rows that ``--check-exists`` and ``--probe-running`` speak against; a stop where that cannot be told."""
    found: list[Problem] = []
    if options.check_exists:
        looked = await look(portal, line.send, throttle, (ready.request.document for ready in begun.plan.ready))
        for note in looked.notes:
            say(note)
        column = begun.sheet.checked.column_map.entity_id
        found += problems(begun.plan.ready, looked.absent, column.column.letter if column else None)
    if options.probe_running:
        running = await sweep(portal, line.send, throttle)
        if isinstance(running, Unread):
            text = f"--probe-running: the list of running workflows cannot be read ({running.code})"
            return begun, Stop(running.code, text, running.denied.exit_code if running.denied else 6)
        absent = {problem.position for problem in found}
        found += [problem for problem in running_problems(begun.plan, running.running.values()) if problem.position not in absent]
    plan = without(begun.plan, found)
    return replace(begun, plan=plan, problems=problems_of(begun.sheet, plan, options), probed=tuple(found)), None
