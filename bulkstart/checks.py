"""A frame becomes start requests, or problems: every problem of every row at once, never only the first.

The server checks nothing on a start (bitrix24-api, fact 5); what passes here is sent as it is. Cells are read column by column,
equal cells once, so that a hundred thousand good rows take well under a second.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from bulkstart.broken_text import broken
from bulkstart.cells import CellError, is_blank, plain, shown
from bulkstart.columns import ColumnMap, Fed, match
from bulkstart.entities import CheckOptions, Said, fitting, read_entities, read_templates, said_of, types_known
from bulkstart.findings import Findings, read_cells
from bulkstart.headers import folded, listed, whole_sheet
from bulkstart.model import Column, Json, Parameter, Problem, Row, StartRequest, Template
from bulkstart.odd_rows import explain_rows, note_padded, note_ragged
from bulkstart.parameter_names import currency_name
from bulkstart.parameters import BLANK, Formats, serialise, with_currency
from bulkstart.rows import cells_of, columns_of, read_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

__all__ = ["CheckOptions", "Checked", "check_frame"]

_TITLES = {"название сделки": "deal", "deal name": "deal", "название лида": "lead", "lead name": "lead"}
_DATES = ("date", "datetime")
_ON_CREATE, _ON_CHANGE = 1, 2  # the bits of AUTO_EXECUTE (bitrix24-api 1.4)


@dataclass(frozen=True, slots=True)
class Checked:
    """A checked frame. ``requests`` stand by position, ``None`` where the row, or the whole sheet, has a problem.

    ``problems`` are all of them, the whole sheet's first, then by position and column. ``templates`` are those that the rows use,
    as far as the portal shows them. ``notes`` are sentences for people.
    """

    column_map: ColumnMap
    rows: list[Row]
    requests: list[StartRequest | None]
    problems: list[Problem]
    notes: list[str]
    templates: tuple[Template, ...]


def check_frame(frame: pd.DataFrame, options: CheckOptions, templates: Sequence[Template] | None = None) -> Checked:
    """Return the start request of each row, and every problem; ``templates`` are the portal's, ``None``: not asked or not told.

    Raises ``UsageError`` for options that cannot be meant; what stands in the sheet is never an exception.
    """
    columns = columns_of(frame)
    findings = Findings(frame.index.tolist())
    findings.sheet += options.problems
    said = said_of(frame, columns, options, templates)
    known = said.known
    template_ids = read_templates(said, len(frame), findings)
    used = [number for number in dict.fromkeys(template_ids) if number]
    column_map = match(
        columns,
        definitions=[known[number].parameters if number in known else None for number in used],
        mapped=options.mapped,
        values=options.values,
        entity_types=types_known(said, template_ids),
        fits=fitting(frame, options),
        remembered=options.remembered,
    )
    findings.sheet += column_map.problems
    ids, types = read_entities(frame, said, column_map, template_ids, findings)
    parameters = _parameters(frame, column_map, template_ids, said, findings)
    note_ragged(frame, len(columns), findings)
    note_padded(frame, column_map, findings)
    explain_rows(frame, column_map, findings)
    bad = range(len(frame)) if findings.sheet else findings.positions
    fields = zip(template_ids, types, ids, parameters, strict=True)
    return Checked(
        column_map=column_map,
        rows=read_rows(frame, column_map),
        requests=[StartRequest(*row) if position not in bad else None for position, row in enumerate(fields)],
        problems=list(findings.problems()),
        notes=[*options.notes, *column_map.notes, *findings.notes, *_notes(used, known, templates, set(types), columns)],
        templates=tuple(known[number] for number in used if number in known),
    )


# ------------------------------------------------------------------------------------------------------------ parameters


def _parameters(
    frame: pd.DataFrame,
    column_map: ColumnMap,
    template_ids: Sequence[int],
    said: Said,
    findings: Findings,
) -> list[dict[str, Json]]:
    """Return the JSON values of each row by parameter name, blank ones absent; each template's rows by its own definitions."""
    formats = said.options.formats
    cells = {fed.column.index: cells_of(frame, fed.column.index) for fed in column_map.parameters}
    rows: list[dict[str, Json]] = [{}] * len(template_ids)
    for number, positions in _by_template(template_ids).items():
        every = len(positions) == len(template_ids)
        here = cells if every else {index: [column[at] for at in positions] for index, column in cells.items()}
        template = said.known.get(number, Template(number))
        columns = _columns(template, column_map, here, positions, formats=formats, findings=findings)
        constants = _constants(template, column_map, formats, findings)
        given = {name for name, value in column_map.constants if not is_blank(value)}  # a wrong one has its own problem
        _note_absent(template, {*columns, *constants, *given}, positions, findings)
        if not columns:
            values: Iterable[dict[str, Json]] = [constants] * len(positions)
        else:
            values = (
                constants | {name: value for name, value in zip(columns, row, strict=True) if value is not BLANK}
                for row in zip(*columns.values(), strict=True)
            )
        for position, parameters in zip(positions, values, strict=True):
            rows[position] = parameters
    return rows


def _by_template(template_ids: Sequence[int]) -> Mapping[int, Sequence[int]]:
    places: dict[int, list[int]] = {number: [] for number in dict.fromkeys(template_ids) if number}
    for position, number in enumerate(template_ids):
        if number:
            places[number].append(position)
    return places


def _columns(
    template: Template,
    column_map: ColumnMap,
    cells: Mapping[int, Sequence[object]],
    positions: Sequence[int],
    *,
    formats: Formats,
    findings: Findings,
) -> dict[str, list[Json]]:
    """Return, for each parameter that a column feeds, the values of the template's rows: JSON, ``BLANK`` or ``CellError``."""
    definitions = {parameter.name: parameter for parameter in template.parameters or ()}
    currencies = {one.name: name for one in definitions.values() if (name := currency_name(one)) and name not in definitions}
    read: dict[str, list[Json]] = {}
    for fed in column_map.parameters:
        if template.parameters is None and not fed.explicit:
            continue
        values = cells[fed.column.index]
        parameter = definitions.get(fed.name)
        if parameter is None and fed.name in currencies.values():
            continue  # read with its amount
        if parameter is None and template.parameters is not None:
            others = [one for one in column_map.parameters if one.column == fed.column and one.name in definitions]
            if fed.explicit and not others:
                _note_strays(template, fed, values, positions, findings)
            continue
        codes = currencies.get(fed.name) and _codes(currencies[fed.name], column_map, cells, len(values))
        read[fed.name] = (
            read_cells(values, partial(_json, parameter, formats))
            if parameter is None or not codes
            else read_cells(zip(values, codes, strict=True), partial(_money, parameter, formats))
        )
        findings.add_errors(read[fed.name], fed.column, positions)
        _show_date(fed, parameter, values, read[fed.name], positions, findings)
        _show_broken(fed, read[fed.name], positions, findings)
        if parameter and _needed(parameter) and BLANK in read[fed.name]:
            for position, value in zip(positions, read[fed.name], strict=True):
                if value is BLANK:
                    why = f"the parameter {parameter.name} is required by template {template.id}; fill it in"
                    findings.add(position, fed.column, "missing-cell", why)
    return read


def _show_date(
    fed: Fed,
    parameter: Parameter | None,
    values: Sequence[object],
    read: Sequence[Json],
    positions: Sequence[int],
    findings: Findings,
) -> None:
    """Note how the first date of a column leaves: which format the portal reads, nobody can tell from outside (bitrix24-api 1.5)."""
    dated = parameter is not None and parameter.type in _DATES
    for value, sent, position in zip(values, read, positions, strict=True) if dated or parameter is None else ():
        if type(sent) is not CellError and sent is not BLANK and (dated or isinstance(plain(value), dt.date)):
            findings.notes.append(
                f"{fed.name}, row {findings.label(position)}: {shown(value)} is sent as {sent!r}; look in the portal whether it"
                " arrives so, else say --date-output, --datetime-output or --time-zone"
            )
            return


def _show_broken(fed: Fed, read: Sequence[Json], positions: Sequence[int], findings: Findings) -> None:
    """Note the texts of a column that were broken before they came, and what they may have been (sheets.md, trap 12)."""
    odd = [
        (at, text) for at, text in zip(positions, read, strict=True) if type(text) is str and (not text.isascii() or "?" in text)
    ]
    guesses = {text: broken(text) for text in {text for _, text in odd}}
    found = [(position, text, guess) for position, text in odd if (guess := guesses[text]) is not None]
    if found:
        position, text, guess = found[0]
        was = f"may have been {shown(guess)}" if guess else "has lost its letters"
        findings.notes.append(
            f"{listed([fed.column])}: {len(found):,} text{'s look' if len(found) > 1 else ' looks'} broken, as by a wrong encoding, first in row {findings.label(position)}:"
            f" {shown(text)} {was}; nothing is repaired here: export the sheet again, or mend them"
        )


def _json(parameter: Parameter | None, formats: Formats, value: object) -> Json:
    return serialise(parameter, value, formats)


def _money(parameter: Parameter, formats: Formats, cells: tuple[object, object]) -> Json:
    return with_currency(parameter, *cells, formats)


def _codes(name: str, column_map: ColumnMap, cells: Mapping[int, Sequence[object]], count: int) -> Sequence[object]:
    """Return the currency of each amount, by column or ``--set``; nothing where neither says it."""
    column = next((fed.column.index for fed in column_map.parameters if fed.name == name), None)
    if column is not None:
        return cells[column]
    given = dict(column_map.constants).get(name)
    return [] if given is None else [given] * count


def _needed(parameter: Parameter) -> bool:
    return parameter.required and parameter.default in (None, "", [], {})


def _note_strays(template: Template, fed: Fed, values: Sequence[object], positions: Sequence[int], findings: Findings) -> None:
    for position, value in zip(positions, values, strict=True):
        if not is_blank(value):
            why = f"template {template.id} has no parameter {fed.name}; empty the cell or correct the template id"
            findings.add(position, fed.column, "unknown-parameter", why)


def _constants(template: Template, column_map: ColumnMap, formats: Formats, findings: Findings) -> dict[str, Json]:
    definitions = {parameter.name: parameter for parameter in template.parameters or ()}
    constants: dict[str, Json] = {}
    for name, given in column_map.constants:
        if template.parameters is not None and name not in definitions:
            continue
        try:
            value = _constant(definitions.get(name), given, column_map, formats)
        except CellError as error:
            findings.sheet.append(whole_sheet(error.code, f"--set {name}: {error.message}"))
            continue
        if value is not BLANK:
            constants[name] = value
    return constants


def _constant(parameter: Parameter | None, given: object, column_map: ColumnMap, formats: Formats) -> Json:
    currency = dict(column_map.constants).get(currency_name(parameter) or "") if parameter else None
    return with_currency(parameter, given, currency, formats) if parameter and currency else serialise(parameter, given, formats)


def _note_absent(template: Template, fed: set[str], positions: Sequence[int], findings: Findings) -> None:
    """Note the required parameters that no column and no ``--set`` feeds, on every row of the template."""
    for parameter in template.parameters or ():
        if _needed(parameter) and parameter.name not in fed:
            why = (
                f"the parameter {parameter.name} is required by template {template.id}, and no column feeds it;"
                f" add a column {parameter.name}, or say --map or --set"
            )
            for position in positions:
                findings.add(position, None, "missing-cell", why)


# ------------------------------------------------------------------------------------------------------ words for people


def _notes(
    used: Sequence[int],
    known: Mapping[int, Template],
    templates: Sequence[Template] | None,
    types: set[str],
    columns: Sequence[Column],
) -> Iterable[str]:
    for number in used:
        template = known.get(number)
        if (template is None and templates is not None) or (template and not template.listed):
            yield (
                f"template {number} does not stand in the portal's list, which may be incomplete: look at its id again"
                " (automation rules are not templates and cannot be started)"
            )
        elif template and template.auto_execute:
            bits = ((_ON_CREATE, "created"), (_ON_CHANGE, "changed"))
            when = " or ".join(word for bit, word in bits if template.auto_execute & bit)
            yield f"template {number} also starts by itself when an entity is {when}: a start from here comes on top of that"
    for column in columns:
        kind = _TITLES.get(folded(column.header))
        if kind and types - {"", kind}:
            other = ", ".join(sorted(types - {"", kind}))
            yield f"{listed([column])} stands in exports of type {kind}, but rows start on type {other}: are these the right ids?"
