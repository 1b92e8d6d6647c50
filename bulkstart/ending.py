"""How a job ends: every row's outcome, the results frame and the exit code."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bulkstart.forecast import Forecast
from bulkstart.gateways.vibecode import body_of
from bulkstart.model import Outcome, Problem, Status, Template
from bulkstart.options import Options
from bulkstart.plan import Plan
from bulkstart.preflight import Met
from bulkstart.results import completed, counts, exit_code, invalid_outcomes, results_frame
from bulkstart.retry import Stop
from bulkstart.stages import Sheet

if TYPE_CHECKING:
    import pandas as pd

WHOLE_SHEET = Stop("SHEET_HAS_PROBLEMS", "the sheet as a whole has a problem; mend it, or the options", 3)
SHEET_HAS_PROBLEMS = Stop(
    "SHEET_HAS_PROBLEMS", "the sheet has problems; mend them, or start the good rows with --skip-invalid", 3
)
NOT_CONFIRMED = Stop("RUN_STOPPED", "not confirmed; run the sheet again when it is right", 6)
INTERRUPTED = Stop("INTERRUPTED", "interrupted; run the sheet again to go on", 130)


@dataclass(frozen=True, slots=True)
class Begun:
    """What is known before the first send."""

    sheet: Sheet
    plan: Plan
    problems: tuple[Problem, ...]
    met: Met
    forecast: Forecast


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that came to its end, whatever the end was."""

    results: pd.DataFrame
    outcomes: Sequence[Outcome]
    exit_code: int
    problems: Sequence[Problem]
    portal: str | None = None
    run_id: str | None = None
    forecast: Forecast | None = None
    stop: Stop | None = None
    templates: Sequence[Template] = ()
    counts: dict[str, int] = field(default_factory=dict)


def ended(
    frame: pd.DataFrame, begun: Begun, options: Options, stop: Stop | None, *, sandbox: bool,
    run_id: str | None = None, settled: Mapping[int, Outcome] | None = None, attempts: Mapping[int, int] | None = None,
) -> Finished:  # fmt: skip
    """Every row's outcome, the frame, and the exit code."""
    plan = begun.plan
    rows = len(begun.sheet.checked.rows)
    whole = any(problem.position is None for problem in begun.problems)
    invalid = {} if whole else invalid_outcomes(begun.sheet.checked.rows, begun.problems)
    planned: dict[int, Outcome] = {}
    if options.dry_run and stop is None:
        planned = {ready.position: Outcome(ready.position, Status.PLANNED) for ready in plan.ready}
    left = stop or Stop("RUN_STOPPED", "the run ended before this row", 6)
    outcomes = completed(rows, plan, invalid, {**planned, **(settled or {})}, left, attempts or {})
    code = 3 if stop in (SHEET_HAS_PROBLEMS, WHOLE_SHEET) else exit_code(outcomes, stop, options.limit)
    if options.dry_run and stop is None and begun.problems and not options.skip_invalid:
        code = 3
    bodies = (
        {ready.position: body_of(ready.request) for ready in plan.ready if ready.position in planned} if options.dry_run else None
    )
    results = results_frame(frame, outcomes, sandbox=sandbox, bodies=bodies)
    results.attrs |= {"run_id": run_id, "exit_code": code, "problems": [dataclasses.asdict(p) for p in begun.problems]}
    results.attrs |= {"portal": begun.met.identity, "forecast": begun.forecast.to_json()}
    return Finished(
        results=results, outcomes=outcomes, exit_code=code, problems=begun.problems, portal=begun.met.identity, run_id=run_id,
        forecast=begun.forecast, stop=stop, templates=begun.met.templates or (), counts=counts(outcomes),
    )  # fmt: skip
