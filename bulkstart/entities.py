"""On what each row starts: its template, its entity type, its entity id, from options, columns, templates and the ids themselves.

They may contradict each other, and then the row is a problem: none of them wins in silence.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from bulkstart import cells
from bulkstart.cells import CellError, is_blank, link_host, shown
from bulkstart.columns import ColumnMap, read_mapping
from bulkstart.errors import UsageError
from bulkstart.findings import Findings, read_cells
from bulkstart.gateways.documents import NAMES, named
from bulkstart.headers import ENTITY_TYPE, TEMPLATE_ID, locate, whole_sheet
from bulkstart.model import ENTITY_TYPES, Column, Problem, Template
from bulkstart.parameters import Formats
from bulkstart.rows import cells_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    import pandas as pd

    from bulkstart.headers import Fits, Matched

_LOOPBACK = ("127.", "localhost", "[::1]")


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """What the user said about a sheet: ``--template --entity-type --map --set``, formats, dialect.

    ``portal`` is the portal's own domain where it is known: links to cards of another portal are then refused. ``source``: who says
    the template; ``notes`` and ``problems``: what was found before any cell was looked at; ``remembered``: names in ``mapped`` that
    a person confirmed for these headers before.
    """

    template: int | None = None
    entity_type: str | None = None
    mapped: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, object] = field(default_factory=dict)
    formats: Formats = field(default_factory=Formats)
    dialect: str = "vibecode"
    portal: str | None = None
    source: str = "--template"
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    remembered: Collection[str] = ()

    @property
    def native(self) -> bool:
        """Whether the entity types of the native API are allowed (bitrix24-api 2)."""
        return self.dialect == "native"


@dataclass(frozen=True, slots=True)
class Said:
    """What options, columns and portal say about template and entity type.

    ``known``: the portal's templates by id. Cells as read: ``None`` blank, ``CellError`` unreadable. ``doubtful``: names that
    several columns could feed, so that nothing is known of them yet.
    """

    options: CheckOptions
    known: Mapping[int, Template]
    template: int | None
    entity_type: str | None
    template_column: Column | None
    type_column: Column | None
    template_cells: Sequence[Any]
    type_cells: Sequence[Any]
    doubtful: frozenset[str]


def _entity_type(options: CheckOptions, value: object) -> str:
    """The entity type that a word means in the dialect that is spoken."""
    return cells.entity_type(value, named=named, names=NAMES) if options.native else cells.entity_type(value)


def fitting(frame: pd.DataFrame, options: CheckOptions) -> Fits:
    """Return the test whether most cells of a column are template ids, or entity types, as its header suggests."""

    def fits(name: str, column: Column) -> bool:
        readings = [
            reading for reading in read_cells(cells_of(frame, column.index), _reader(name, options)) if reading is not None
        ]
        return 2 * sum(type(reading) is not CellError for reading in readings) > len(readings)

    return fits


def _reader(name: str, options: CheckOptions) -> Callable[[object], Any]:
    read = cells.template_id if name == TEMPLATE_ID else partial(_entity_type, options)
    return lambda value: None if is_blank(value) else read(value)


def said_of(frame: pd.DataFrame, columns: Sequence[Column], options: CheckOptions, templates: Sequence[Template] | None) -> Said:
    """Return what is said about template and entity type. Raises ``UsageError`` for options that are none."""
    mapping, _ = read_mapping(columns, options.mapped)
    try:
        template = None if options.template is None else cells.template_id(options.template)
        entity_type = None if options.entity_type is None else _entity_type(options, options.entity_type)
    except CellError as error:
        raise UsageError(f"--template or --entity-type: {error.message}.") from None
    found: dict[str, Matched | None] = {}
    doubtful = set()
    for name in (TEMPLATE_ID, ENTITY_TYPE):
        found[name], doubts = locate(columns, name, mapping, fits=fitting(frame, options))
        doubtful |= {name} if doubts else set()
    read = {
        name: read_cells(cells_of(frame, matched.column.index), _reader(name, options)) if matched else []
        for name, matched in found.items()
    }
    placed = {name: matched.column if matched else None for name, matched in found.items()}
    return Said(
        options=options,
        known={template.id: template for template in templates or ()},
        template=template,
        entity_type=entity_type,
        template_column=placed[TEMPLATE_ID],
        type_column=placed[ENTITY_TYPE],
        template_cells=read[TEMPLATE_ID],
        type_cells=read[ENTITY_TYPE],
        doubtful=frozenset(doubtful),
    )


def read_templates(said: Said, count: int, findings: Findings) -> list[int]:
    """Return the template of each row, 0 where it has a problem: of the cell or of ``--template``, which must not disagree."""
    column = said.template_column
    if column is None or (said.template is None and not any(reading is not None for reading in said.template_cells)):
        if said.template is None and TEMPLATE_ID not in said.doubtful:
            why = "nothing says which template to start; say --template ID or fill in a column templateId"
            findings.sheet.append(whole_sheet("missing-label" if column is None else "missing-cell", why))
        return [said.template or 0] * count
    ids: list[int] = []
    for position, reading in enumerate(said.template_cells):
        number = said.template if reading is None else reading
        if type(number) is CellError:
            findings.add(position, column, number.code, number.message)
        elif number is None:
            findings.add(
                position, column, "missing-cell", "the template id is missing; fill it in, or say --template ID for blank cells"
            )
        elif said.template is not None and number != said.template:
            why = f"the cell says template {number}, {said.options.source} says {said.template}; correct one of them"
            findings.add(position, column, "conflicting-value", why)
        else:
            ids.append(number)
            continue
        ids.append(0)
    return ids


def types_known(said: Said, template_ids: Iterable[int]) -> frozenset[str]:
    """Return the entity types that the rows have by option, column or template; empty where they are not all known."""
    if said.entity_type:
        return frozenset((said.entity_type,))
    types = {reading for reading in said.type_cells if type(reading) is str}
    if said.type_column is None or None in said.type_cells:
        for number in set(template_ids) - {0}:
            template = said.known.get(number)
            if template is None or template.entity_type is None:
                return frozenset()
            types.add(template.entity_type)
    return frozenset(types)


# ------------------------------------------------------------------------------------------------------- ids and types

_Fault: TypeAlias = tuple[Column | None, str, str]


def read_entities(
    frame: pd.DataFrame, said: Said, column_map: ColumnMap, template_ids: Sequence[int], findings: Findings
) -> tuple[list[int], list[str]]:
    """Return entity id and entity type of each row; both mean nothing where ``findings`` has a problem of the row."""
    ids, hints = _ids(frame, column_map, said.options.portal, findings)
    given = said.type_cells or [None] * len(ids)
    if said.type_column:
        findings.add_errors(given, said.type_column, range(len(ids)))
    if not _any_type(said, column_map, template_ids, hints):
        if ENTITY_TYPE not in said.doubtful:
            why = "nothing says which entity type the ids are of; say --entity-type TYPE or fill in a column entityType"
            findings.sheet.append(whole_sheet("missing-label", why))
        return ids, [""] * len(ids)
    judged: dict[tuple[object, ...], tuple[str, list[_Fault]]] = {}
    types: list[str] = []
    for position, sources in enumerate(zip(given, template_ids, hints, strict=True)):
        cell, template_id, hint = sources
        if type(cell) is CellError:
            types.append("")
            continue
        if sources not in judged:
            judged[sources] = _judge(cell, template_id, hint, said, column_map)
        kind, faults = judged[sources]
        types.append(kind)
        for fault in faults:
            findings.add(position, *fault)
    return ids, types


def _ids(
    frame: pd.DataFrame, column_map: ColumnMap, portal: str | None, findings: Findings
) -> tuple[list[int], list[str | None]]:
    """Return the id of each row, and the entity type that its cell names."""
    if column_map.entity_id is None:
        return [0] * len(frame), [None] * len(frame)
    column = column_map.entity_id.column
    values = cells_of(frame, column.index)
    ids: list[int] = []
    hints: list[str | None] = []
    for position, value in enumerate(values):
        try:
            number, hint = cells.entity_id(value)
        except CellError as error:
            findings.add(position, column, error.code, error.message)
            number, hint = 0, None
        ids.append(number)
        hints.append(hint)
    if any(hints):
        _check_hosts(values, portal, column, findings)
    return ids, hints


def _check_hosts(values: Sequence[object], portal: str | None, column: Column, findings: Findings) -> None:
    """Note links that lead to another portal than ours or, where ours is not known, to more than one."""
    hosts = {position: host.partition(":")[0] for position, value in enumerate(values) if (host := link_host(value))}
    ours = portal.partition(":")[0].lower() if portal and not portal.lower().startswith(_LOOPBACK) else None
    if ours is None and len(set(hosts.values())) > 1:
        why = f"links in this column lead to {len(set(hosts.values()))} portals; write the ids of one portal only, as digits"
        for position, host in hosts.items():
            findings.add(position, column, "conflicting-value", f"the link leads to {host}, but {why}")
    for position, host in hosts.items():
        if ours is not None and host != ours:
            why = f"the link leads to {host}, but this portal is {ours}; an id of another portal is another entity here"
            findings.add(position, column, "conflicting-value", why)


def _any_type(said: Said, column_map: ColumnMap, template_ids: Sequence[int], hints: Iterable[str | None]) -> bool:
    """Tell whether anything names an entity type, or still may; if not, one problem of the whole sheet says so, not one a row."""
    if said.entity_type or (column_map.entity_id and column_map.entity_id.hint):
        return True
    if any(reading is not None for reading in said.type_cells) or any(hints):
        return True
    used = set(template_ids)
    if not used or 0 in used:
        return True
    return any(template.entity_type for number, template in said.known.items() if number in used)


def _judge(cell: str | None, template_id: int, hint: str | None, said: Said, column_map: ColumnMap) -> tuple[str, list[_Fault]]:
    """Return a row's entity type, and what speaks against it."""
    matched = column_map.entity_id
    template = said.known.get(template_id)
    header_hint = matched.hint if matched else None
    own = template.entity_type if template else None
    kind = cell or said.entity_type or own or header_hint or hint
    faults: list[_Fault] = []
    if kind is None:
        why = "the entity type is missing; fill it in, or say --entity-type for blank cells"
        return "", [(said.type_column, "missing-cell", why)] if template_id else faults  # its template may say it, once mended
    if cell and said.entity_type and cell != said.entity_type:
        why = f"the cell says {cell}, --entity-type says {said.entity_type}; correct the cell or leave the option out"
        faults.append((said.type_column, "conflicting-value", why))
    if template and own and own != kind:
        why = (
            f"template {template.id} ({shown(template.name)}) is for entity type {own}, this row is a {kind}; correct one of them"
        )
        faults.append((said.type_column, "wrong-entity-type", why))
    for source, says in (("the id itself", hint), ("the header of the id column", header_hint)):
        if says and says != kind and matched:
            why = f"{source} names the entity type {says}, but this row is a {kind}; correct one of them"
            faults.append((matched.column, "conflicting-value", why))
    if not said.options.native and kind not in ENTITY_TYPES:
        why = f"Vibecode starts workflows on {', '.join(ENTITY_TYPES)} only, this row is a {kind}; use the native API for it"
        faults.append((said.type_column, "wrong-entity-type", why))
    return kind, faults
