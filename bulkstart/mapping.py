"""Which column feeds what, where the headers alone do not tell: remembered for these headers, or asked of a person.

A mapping is remembered when a run under it was confirmed: for the same headers in the same order, the same portal, template and
entity type. It is said when it is used again, ``--map`` wins over it name by name, ``--forget-mapping`` leaves it alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from bulkstart.headers import NAMES, Doubt, folded, listed
from bulkstart.journal import Journal
from bulkstart.model import Column
from bulkstart.options import Options
from bulkstart.origin import Origin
from bulkstart.parameter_names import with_currencies
from bulkstart.portal import Portal
from bulkstart.preflight import Met
from bulkstart.result_columns import RESULT_COLUMNS
from bulkstart.rows import columns_of
from bulkstart.stages import Sheet, check_sheet

if TYPE_CHECKING:
    import pandas as pd


_OURS = frozenset((*RESULT_COLUMNS, "requestBody"))


class Person(Protocol):
    """Who is told, and asked."""

    def warn(self, text: str, /) -> None: ...
    def choose(self, question: str, choices: Sequence[str], /) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Known:
    """The headers that a mapping is for."""

    portal: str
    fingerprint: str
    context: str


def known_by(frame: pd.DataFrame, options: Options, portal: str) -> Known:
    """What the mapping of a frame is remembered by; a sheet and its results file are known by the same."""
    headers = [[column.letter, column.header] for column in columns_of(frame) if column.header.strip() not in _OURS]
    template = _template(frame, options)
    print_ = hashlib.sha256(json.dumps(headers).encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return Known(portal, print_, f"{template or ''}/{(options.entity_type or '').strip().casefold()}")


def _template(frame: pd.DataFrame, options: Options) -> int | None:
    origin = frame.attrs.get("origin")
    return options.template or (origin.template if isinstance(origin, Origin) else None)


def mapped(
    frame: pd.DataFrame, options: Options, met: Met, journal: Journal | None, person: Person, portal: Portal
) -> tuple[Options, Sheet]:
    """The options with every column that was remembered or chosen, and the sheet under them."""
    found: Mapping[str, str] = {}
    if journal and met.identity and not options.forget_mapping:
        known = known_by(frame, options, met.identity)
        kept = journal.remembered_columns(known.portal, known.fingerprint, known.context)
        found = _usable(kept, options, met, _template(frame, options))
    if found:
        options = replace(options, columns={**found, **options.columns})
        told = ", ".join(f"{name} ← {column}" for name, column in found.items())
        person.warn(
            f"columns as you confirmed them for these headers before: {told} (--map says otherwise, --forget-mapping leaves it)"
        )
    check = partial(check_sheet, frame, met=met, loopback=portal.loopback, dialect=portal.dialect, remembered=found.keys())
    sheet = check(options)
    chosen = _chosen(sheet.checked.column_map.doubts, columns_of(frame), person)
    if not chosen:
        return options, sheet
    options = replace(options, columns={**options.columns, **chosen})
    return options, check(options)


def remember(frame: pd.DataFrame, options: Options, portal: str | None, journal: Journal) -> None:
    """Keep the mapping of a run that was confirmed."""
    if options.columns and portal:
        known = known_by(frame, options, portal)
        journal.remember_columns(known.portal, known.fingerprint, known.context, options.columns)


def _usable(remembered: Mapping[str, str], options: Options, met: Met, template: int | None) -> dict[str, str]:
    """What is remembered, without what is said now, and without parameters that the template has no more."""
    used = [one for one in met.templates or () if template in (None, one.id)]
    names = {
        _bare(text): one.name
        for known in with_currencies([one.parameters for one in used])
        for one in known or ()
        for text in (one.label, one.name)
        if text
    }
    names |= {_bare(name): name for name in NAMES}
    told = bool(used) and all(known.parameters is not None for known in used)

    def meant(name: str) -> str | None:
        return names.get(_bare(name), None if told else _bare(name))

    given = {meant(name) for name in (*options.columns, *options.values)}  # noqa: PD011  options, not a frame
    return {name: column for name, column in remembered.items() if meant(name) not in {None, *given}}


def _bare(name: str) -> str:
    return folded(name.strip().removeprefix("param:"))


def _chosen(doubts: Sequence[Doubt], columns: Sequence[Column], person: Person) -> dict[str, str]:
    """What a person makes of each doubt; nothing where nobody is there, or where the person does not know either."""
    chosen: dict[str, str] = {}
    for doubt in doubts:
        if doubt.names:
            place = person.choose(
                f"Which parameter does {listed(doubt.columns)} feed?", [f"parameter {name}" for name in doubt.names]
            )
            if place is not None and (column := name_of(doubt.columns[0], columns)):
                chosen[doubt.names[place]] = column
            continue
        question = (
            f"Which column holds {doubt.name}?" if doubt.name in NAMES else f"Which column feeds the parameter {doubt.name}?"
        )
        place = person.choose(question, [listed([column]) for column in doubt.columns])
        if place is None and doubt.name in NAMES:
            break  # the sheet is refused whatever the rest means
        if place is not None and (name := name_of(doubt.columns[place], columns)):
            chosen[doubt.name] = name
    return chosen


def name_of(column: Column, columns: Sequence[Column]) -> str | None:
    """How ``--map`` names a column: by its header where no other has it, else by its letter, unless that is another's header."""
    headers = [other.header for other in columns]
    if column.header.strip() and headers.count(column.header) == 1:
        return column.header
    return column.letter if column.letter not in headers else None
