"""Outcomes → the results frame and the exit code. Pure but for pandas."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from bulkstart.model import Outcome, Problem, Row, StartRequest
from bulkstart.plan import Plan, odd_words
from bulkstart.result_columns import REQUEST_BODY, SANDBOX_MARK, Status, earlier_places
from bulkstart.retry import Stop

if TYPE_CHECKING:
    import pandas as pd

FINISHED_WITH_ERRORS = frozenset({Status.REFUSED, Status.INVALID, Status.DUPLICATE, Status.GAVE_UP})
_SHOWN_PROBLEMS = 5


def own_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """The analyst's own columns: without the six of an earlier run where all six are there (the last of each name)."""
    names = [str(name) for name in frame.columns]
    old = set(earlier_places(names).values())
    if not old:
        return frame.copy().set_flags(allows_duplicate_labels=True)
    return (
        frame.iloc[:, [index for index in range(len(names)) if index not in old]].copy().set_flags(allows_duplicate_labels=True)
    )


_encoded = json.JSONEncoder(ensure_ascii=False).encode  # an encoder for each of a million bodies takes as long as the encoding


def results_frame(
    frame: pd.DataFrame,
    outcomes: Sequence[Outcome],
    *,
    rehearsed: Collection[int] = (),
    bodies: Mapping[int, object] | None = None,
) -> pd.DataFrame:
    """The input's own columns, index untouched, then the six result columns.

    ``rehearsed``: rows that a sandbox run decided about; ``bodies``: a dry run's seventh column, by position.
    """
    import pandas as pd  # noqa: PLC0415  lazy: --help loads no pandas

    own = own_columns(frame)
    messages = [
        _marked(outcome.error_message) if outcome.position in rehearsed else outcome.error_message for outcome in outcomes
    ]
    columns: dict[str, list[object]] = {
        "startStatus": [str(outcome.status) for outcome in outcomes],
        "workflowId": [outcome.workflow_id for outcome in outcomes],
        "errorCode": [outcome.error_code for outcome in outcomes],
        "errorMessage": list(messages),
        "attempts": [outcome.attempts for outcome in outcomes],
        "startedAt": [outcome.started_at for outcome in outcomes],
    }
    if bodies is not None:
        columns[REQUEST_BODY] = [_encoded(bodies[i]) if i in bodies else "" for i in range(len(outcomes))]
    for name, values in columns.items():  # by position: labels may repeat
        series = pd.Series(values, index=own.index, dtype="int64" if name == "attempts" else object)
        own.insert(len(own.columns), name, series.array, allow_duplicates=True)
    own.attrs = dict(frame.attrs)
    return own


def frame_of(rows: Sequence[tuple[str, StartRequest | None]]) -> pd.DataFrame:
    """Rows as a frame, from (label, start request): ids and parameters as they were sent, blank where there was no request."""
    import pandas as pd  # noqa: PLC0415  lazy: --help loads no pandas

    names = dict.fromkeys(name for _, request in rows if request for name in request.parameters)
    cells = []
    for _, request in rows:
        fixed = (request.entity_id, request.entity_type, request.template_id) if request else (None, None, None)
        cells.append((*fixed, *((request.parameters.get(name) if request else None) for name in names)))
    columns = ["entityId", "entityType", "templateId", *(f"param:{name}" for name in names)]
    labels = [int(label) if label.isascii() and label.isdigit() and label == str(int(label)) else label for label, _ in rows]
    return pd.DataFrame(cells, columns=columns, index=labels, dtype=object)


def _marked(message: str) -> str:
    return f"{message}; {SANDBOX_MARK}" if message else SANDBOX_MARK


def invalid_outcomes(rows: Sequence[Row], problems: Iterable[Problem]) -> dict[int, Outcome]:
    """One outcome for each row that has problems: the first one's code, and all their messages."""
    by_row: dict[int, list[Problem]] = {}
    for problem in problems:
        if problem.position is not None:
            by_row.setdefault(problem.position, []).append(problem)
    found = {}
    for position, own in by_row.items():
        duplicate = all(problem.code == "duplicate-row" for problem in own)
        text = "; ".join(f"column {p.column}: {p.message}" if p.column else p.message for p in own[:_SHOWN_PROBLEMS])
        more = f"; and {len(own) - _SHOWN_PROBLEMS} more" if len(own) > _SHOWN_PROBLEMS else ""
        found[position] = Outcome(position, Status.DUPLICATE if duplicate else Status.INVALID, "", own[0].code, text + more)
    return {position: found[position] for position in sorted(found) if position < len(rows)}


def kept_words(
    rows: Sequence[Row], requests: Sequence[StartRequest | None], invalid: Mapping[int, Outcome], *, sandbox: bool = False
) -> dict[int, Outcome]:
    """What fed-back rows said of a start, for rows that cannot be read this time: a proven id or a doubt is never thrown away.

    ``invalid``: the outcomes that name what is wrong with rows, by position; ``sandbox``: the portal is one, so a sandbox's word counts.
    """
    kept = {}
    for row, request in zip(rows, requests, strict=True):
        previous, problem = row.previous, invalid.get(row.position)
        if previous is None or request is not None or (previous.from_sandbox and not sandbox):
            continue
        but = f"; but {problem.error_code}: {problem.error_message}" if problem else ""
        if previous.says == "started":
            text = f"started before, as this sheet says{but}"
            kept[row.position] = Outcome(
                row.position, Status.ALREADY_STARTED, previous.workflow_id, "", text, 0, previous.started_at
            )
        elif previous.says == "in_doubt":
            code, text = previous.error_code or "IN_DOUBT", previous.error_message or "the sheet says that it is in doubt"
            kept[row.position] = Outcome(row.position, Status.IN_DOUBT, "", code, f"{text}{but}")
        elif previous.says == "odd":
            kept[row.position] = Outcome(row.position, Status.INVALID, "", "foreign-result", f"{odd_words(previous)}{but}")
    return kept


def real_words(rows: Sequence[Row], outcomes: Sequence[Outcome]) -> set[int]:
    """Rows whose outcome only repeats what a sheet said of a real portal: a sandbox may not put its mark on them."""
    repeated = (Status.ALREADY_STARTED, Status.IN_DOUBT)
    return {
        row.position
        for row, outcome in zip(rows, outcomes, strict=True)
        if row.previous is not None and not row.previous.from_sandbox and outcome.status in repeated and outcome.attempts == 0
    }


def completed(
    rows: int, plan: Plan, invalid: Mapping[int, Outcome], settled: Mapping[int, Outcome], left: Stop, attempts: Mapping[int, int]
) -> list[Outcome]:
    """One outcome for each row, in order; rows that nobody settled were not attempted, for the reason ``left``."""
    complete = []
    for position in range(rows):
        outcome = settled.get(position) or plan.outcomes.get(position) or invalid.get(position)
        if outcome is None:
            outcome = Outcome(position, Status.NOT_ATTEMPTED, "", left.code, left.message, attempts.get(position, 0))
        complete.append(outcome)
    return complete


def counts(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """Rows by status, in the order of ``Status``."""
    found = Counter(outcome.status for outcome in outcomes)
    return {str(status): found[status] for status in Status if found[status]}


def exit_code(outcomes: Iterable[Outcome], stop: Stop | None, limit: int | None = None) -> int:
    """The exit code of a run that got as far as sending (interface.md 1): 1, 130, 7, 6, 5, 4 in this order, else 0."""
    codes = {0}
    if stop is not None and stop.exit_code != 6:  # noqa: PLR2004  6 says that rows are left: the rows themselves tell
        codes.add(stop.exit_code)
    for outcome in outcomes:
        if limit is not None and outcome.position >= limit:
            break
        if outcome.status is Status.NOT_ATTEMPTED:
            codes.add(6)
        elif outcome.status is Status.IN_DOUBT:
            codes.add(5)
        elif outcome.status in FINISHED_WITH_ERRORS:
            codes.add(4)
    return next(code for code in (1, 130, 7, 6, 5, 4, 0) if code in codes)
