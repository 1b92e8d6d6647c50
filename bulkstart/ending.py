"""How a job ends: every row's outcome, the results frame and the exit code."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING

from bulkstart.forecast import Forecast
from bulkstart.gateways import Gateway
from bulkstart.model import Outcome, Problem, Template
from bulkstart.options import Options
from bulkstart.plan import Plan
from bulkstart.preflight import Met
from bulkstart.result_columns import Status
from bulkstart.results import completed, counts, exit_code, invalid_outcomes, kept_words, real_words, results_frame
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
    probed: tuple[Problem, ...] = ()
    """Rows whose entity runs the template already, where that was asked for."""
    notes: tuple[str, ...] = ()

    def foretold(self, rest: Forecast | None) -> Begun:
        """The same with what its canary forecast of the rest."""
        return dataclasses.replace(self, forecast=dataclasses.replace(self.forecast, rest=rest))


_OF_PROBLEM = tuple(field.name for field in dataclasses.fields(Problem))
_fields = attrgetter(*_OF_PROBLEM)  # ``asdict`` copies each value and takes a second for 200,000 problems


def known_counts(begun: Begun) -> dict[str, int]:
    """Rows by status that are settled before the first send."""
    invalid = invalid_outcomes(begun.sheet.checked.rows, begun.problems)
    return counts([*{**begun.plan.outcomes, **invalid}.values()])


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
    begun: Begun | None = field(default=None, repr=False)
    """What was known before the first send: the columns as they were matched, the plan, the question."""


def ending(
    begun: Begun,
    options: Options,
    stop: Stop | None,
    settled: Mapping[int, Outcome],
    attempts: Mapping[int, int],
    *,
    sandbox: bool = False,
) -> tuple[list[Outcome], int]:
    """Every row's outcome, and the exit code."""
    rows = begun.sheet.checked.rows
    whole = any(problem.position is None for problem in begun.problems)
    invalid = {} if whole else invalid_outcomes(rows, begun.problems)
    planned: dict[int, Outcome] = {}
    if options.dry_run and stop is None:
        planned = {ready.position: Outcome(ready.position, Status.PLANNED) for ready in begun.plan.ready}
    left = stop or Stop("RUN_STOPPED", "the run ended before this row", 6)
    released = {  # what a person let go again and was not sent is in doubt as before
        ready.position: ready.told(
            Outcome(ready.position, Status.NOT_ATTEMPTED, "", left.code, left.message, attempts.get(ready.position, 0))
        )
        for ready in begun.plan.ready
        if ready.released
    }
    told = kept_words(rows, begun.sheet.checked.requests, invalid, sandbox=sandbox)
    outcomes = completed(len(rows), begun.plan, invalid, {**released, **planned, **told, **settled}, left, attempts)
    code = exit_code(outcomes, stop, options.limit)
    if begun.problems:
        code = code or 4
    if stop is NOT_CONFIRMED and code in (0, 4, 5):
        code = 6
    if (stop is not None and stop.exit_code == SHEET_HAS_PROBLEMS.exit_code) or (
        options.dry_run and stop is None and begun.problems and not options.skip_invalid
    ):
        code = 3
    return outcomes, code


def finished(
    frame: pd.DataFrame, begun: Begun, options: Options, stop: Stop | None, outcomes: Sequence[Outcome], code: int, *,
    sandbox: bool, gateway: Gateway, run_id: str | None = None, shown: bool = True,
) -> Finished:  # fmt: skip
    """The frame of a run that came to its end; ``shown``: somebody looks at it, else it is the frame that was given."""
    if shown:
        frame = _told(frame, begun, options, outcomes, sandbox=sandbox, gateway=gateway)
        frame.attrs |= {"run_id": run_id, "exit_code": code}
    return Finished(
        results=frame, outcomes=outcomes, exit_code=code, problems=begun.problems, portal=begun.met.identity, run_id=run_id,
        forecast=begun.forecast, stop=stop, templates=begun.met.templates or (), counts=counts(outcomes),
        begun=begun if options.dry_run else None,
    )  # fmt: skip


def _told(
    frame: pd.DataFrame, begun: Begun, options: Options, outcomes: Sequence[Outcome], *, sandbox: bool, gateway: Gateway
) -> pd.DataFrame:
    """The frame with its result columns, and what is known of the run in its attributes."""
    bodies = None
    if options.dry_run:
        planned = {outcome.position for outcome in outcomes if outcome.status is Status.PLANNED}
        bodies = {ready.position: gateway.body(ready.request) for ready in begun.plan.ready if ready.position in planned}
    rehearsed = set(range(len(outcomes))) - real_words(begun.sheet.checked.rows, outcomes) if sandbox else set()
    results = results_frame(frame, outcomes, rehearsed=rehearsed, bodies=bodies)
    results.attrs["problems"] = [dict(zip(_OF_PROBLEM, _fields(problem), strict=True)) for problem in begun.problems]
    results.attrs["from_journal"] = begun.sheet.from_journal
    results.attrs |= {"portal": begun.met.identity, "forecast": begun.forecast.to_json()}
    results.attrs |= {"notes": [*begun.met.notes, *begun.sheet.checked.notes, *begun.notes]}
    return results
