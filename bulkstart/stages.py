"""The pure stages of a job: frame → checked sheet with keys → plan → problems."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bulkstart.checks import Checked, CheckOptions, check_frame
from bulkstart.collector import resting
from bulkstart.journal_view import View
from bulkstart.model import Problem, StartRequest
from bulkstart.options import Options
from bulkstart.origin import belongs
from bulkstart.parameters import Formats
from bulkstart.plan import Plan, Rules, make
from bulkstart.preflight import Met
from bulkstart.row_keys import row_key

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Sheet:
    """A checked frame with the keys of its rows."""

    checked: Checked
    keys: tuple[str | None, ...]
    defined: bool = True
    """Whether the portal gave its template list: without it fewer columns are parameters."""
    from_journal: bool = False
    """Its rows were read back from a past run: the sheet itself is gone."""

    @property
    def keyed(self) -> list[tuple[str, StartRequest]]:
        return [(key, request) for key, request in zip(self.keys, self.checked.requests, strict=True) if key and request]

    @property
    def workflow_ids(self) -> set[str]:
        return {row.previous.workflow_id for row in self.checked.rows if row.previous and row.previous.workflow_id}


def formats_of(options: Options) -> Formats:
    """How values are read and written. Raises ``UsageError``."""
    return Formats(
        decimal=options.decimal,
        date_format=options.date_format,
        separator=options.separator,
        date_output=options.date_output,
        datetime_output=options.datetime_output,
        offset=options.time_zone,
    )


@resting()
def check_sheet(
    frame: pd.DataFrame, options: Options, met: Met, *, loopback: bool, dialect: str = "vibecode", remembered: Collection[str] = (),
) -> Sheet:  # fmt: skip
    """Check every cell of every row; a row without a problem gets its key. ``remembered``: see ``CheckOptions``."""
    found = belongs(frame.attrs.get("origin"), options.template, met.identity, met.templates)
    wanted = CheckOptions(
        template=found.template,
        entity_type=options.entity_type,
        mapped=options.columns,
        values=options.values,
        formats=formats_of(options),
        dialect=dialect,
        portal=None if loopback else met.me.portal or None,
        source="the sheet" if found.by_sheet else "--template",
        notes=found.notes,
        problems=found.problems,
        remembered=remembered,
    )
    checked = check_frame(frame, wanted, met.templates)
    identity = met.identity or ""
    keys = (None if request is None else row_key(identity, request, options.campaign) for request in checked.requests)
    return Sheet(checked, tuple(keys), met.templates is not None)


@resting()
def plan_sheet(sheet: Sheet, view: View, options: Options, *, sandbox: bool, blocked: bool = False) -> Plan:
    """What is left to do of a sheet, given what the journal knows; ``blocked``: nothing may be sent, so nothing is compared."""
    rules = Rules(options.campaign, options.allow_changed or blocked, sandbox, options.limit, defined=sheet.defined)
    return make(sheet.checked.rows, sheet.checked.requests, sheet.keys, view, rules)


def problems_of(sheet: Sheet, plan: Plan, options: Options) -> tuple[Problem, ...]:
    """All problems in the order of the sheet; those of rows behind ``--limit`` are nobody's concern now."""
    end = options.limit or math.inf
    found = [problem for problem in sheet.checked.problems if problem.position is None or problem.position < end]
    found += [replace(problem, column=_letter(sheet, problem.code)) for problem in plan.problems]
    return tuple(sorted(found, key=lambda problem: -1 if problem.position is None else problem.position))


def _letter(sheet: Sheet, code: str) -> str | None:
    """The column to look at for a problem that the plan found: the id it is about."""
    columns = sheet.checked.column_map
    if code == "foreign-result":
        return columns.results["workflowId"].letter if columns.results else None
    return columns.entity_id.column.letter if columns.entity_id else None
