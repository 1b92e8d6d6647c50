"""What each column of a sheet feeds: entity id, entity type, template id, parameters; and what nobody reads.

``headers`` knows the words; here ``--map``, ``--set`` and the templates' own parameter definitions come in. A column that could
feed two things, or two columns that could feed one, are problems of the whole sheet: the first one is never simply taken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bulkstart.cells import letters_and_digits
from bulkstart.errors import UsageError
from bulkstart.headers import (
    ENTITY_ID,
    ENTITY_TYPE,
    NAMES,
    TEMPLATE_ID,
    Doubt,
    Fits,
    Matched,
    doubtful,
    doubts_about,
    folded,
    listed,
    locate,
    near_parameter,
    recognise,
    result_columns,
    unmangled,
    whole_sheet,
)
from bulkstart.model import Column, Problem
from bulkstart.parameter_names import Definitions, meant, parameter_name, resolved, shared_label, with_currencies

__all__ = ["ColumnMap", "Fed", "Matched", "match", "read_mapping", "recognise"]


@dataclass(frozen=True, slots=True)
class Fed:
    """A parameter, by its name in the template, and the column that feeds it. ``explicit``: by ``param:NAME`` or ``--map``."""

    name: str
    column: Column
    reason: str
    explicit: bool = False


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """What every column of a sheet is for.

    ``constants`` are the values of ``--set``, ``results`` the six result columns where all stand in the sheet. ``notes`` are
    sentences for people; ``problems`` are of the whole sheet.
    """

    entity_id: Matched | None = None
    entity_type: Matched | None = None
    template_id: Matched | None = None
    parameters: tuple[Fed, ...] = ()
    constants: tuple[tuple[str, object], ...] = ()
    results: Mapping[str, Column] | None = None
    ignored: tuple[Column, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    """What only a person can tell; each is refused by one of ``problems``, or is a column that nearly names a parameter."""


def match(
    columns: Sequence[Column],
    *,
    definitions: Definitions = (),
    mapped: Mapping[str, str] | None = None,
    values: Mapping[str, object] | None = None,
    entity_types: Collection[str] = (),
    fits: Fits = lambda _, __: True,
    remembered: Collection[str] = (),
) -> ColumnMap:
    """Return what each column feeds. ``mapped`` is ``--map`` (name to header or letter), ``values`` is ``--set``.

    ``remembered`` are the names in ``mapped`` that a person confirmed for these headers before.

    ``entity_types`` are those that the rows are known to have, empty where that is not known. Raises ``UsageError`` where
    ``values`` sets what a column feeds too. All other faults are ``problems``.
    """
    definitions = with_currencies(definitions)
    mapping, problems = read_mapping(columns, mapped or {})
    found: dict[str, Matched] = {}
    unsettled: list[Doubt] = []
    for name in NAMES:
        matched, doubts = locate(columns, name, mapping, entity_types, fits)
        if doubts and (could := doubts_about(columns, name, mapping, entity_types, fits)):
            unsettled.append(Doubt(name, could))
        if matched and (doubts := _also_parameter(matched, columns, definitions, mapping)):
            unsettled.append(Doubt(name, (matched.column,)))
        problems += doubts
        if matched:
            found[name] = matched
    results, doubts = result_columns(columns)
    problems += doubts
    taken = {matched.column.index for matched in found.values()} | {column.index for column in (results or {}).values()}
    free = [column for column in columns if column.index not in taken]
    fed, doubts = _parameters(free, columns, definitions, mapping)
    problems += doubts
    sharing = _sharing(free, columns, definitions, mapping)
    unsettled += [*_fed_twice(fed), *sharing]
    constants, doubts = _constants(values or {}, fed, definitions)
    problems += doubts
    used = taken | {one.column.index for one in fed}
    ignored = tuple(column for column in columns if column.index not in used)
    others = [column for column in ignored if not any(column in doubt.columns for doubt in sharing)]
    near = _nearly(others, {one.name for one in fed} | {name for name, _ in constants}, definitions)
    return ColumnMap(
        entity_id=found.get(ENTITY_ID),
        entity_type=found.get(ENTITY_TYPE),
        template_id=found.get(TEMPLATE_ID),
        parameters=fed,
        constants=constants,
        results=results,
        ignored=ignored,
        notes=(*_origins(found, fed, constants, remembered), *_hints(near), *_remarks(ignored, definitions)),
        problems=tuple(problems),
        doubts=(*unsettled, *near),
    )


# ------------------------------------------------------------------------------------------------------ --map and --set


def read_mapping(columns: Sequence[Column], mapped: Mapping[str, str]) -> tuple[dict[str, Column], list[Problem]]:
    """Return which column each name of ``--map`` means: an exact header wins over a letter, equal headers need the letter.

    Names are ``entityId``, ``entityType``, ``templateId`` or parameter names, with or without ``param:``. Raises ``UsageError``
    for a name that is mapped twice.
    """
    mapping: dict[str, Column] = {}
    problems: list[Problem] = []
    for given, wanted in mapped.items():
        exact = next((name for name in NAMES if letters_and_digits(given) == name.casefold()), None)
        name = exact or parameter_name(given) or given
        if name in mapping:
            raise UsageError(f"--map names {name} twice; leave one of them out.")
        meant = _columns_named(columns, str(wanted))
        if len(meant) == 1:
            mapping[name] = meant[0]
        elif meant:
            why = f"--map {given}={wanted} may mean {listed(meant)}; name the column by its letter"
            problems.append(whole_sheet("ambiguous-label", why))
        else:
            why = f"--map {given}={wanted} names a column that is not there; the sheet has {listed(columns)}"
            problems.append(whole_sheet("missing-label", why))
    return mapping, problems


def _columns_named(columns: Sequence[Column], wanted: str) -> list[Column]:
    exact = [column for column in columns if column.header == wanted]
    if exact:
        lettered = [column for column in columns if column.letter == wanted] if len(exact) > 1 else []
        return lettered if len(lettered) == 1 and lettered[0] in exact else exact
    lettered = [column for column in columns if column.letter == wanted.strip()]
    return lettered or [
        column for column in columns if column.letter == wanted.strip().upper() or folded(column.header) == folded(wanted)
    ]


def _constants(
    values: Mapping[str, object], fed: Sequence[Fed], definitions: Definitions
) -> tuple[tuple[tuple[str, object], ...], list[Problem]]:
    constants: dict[str, object] = {}
    problems: list[Problem] = []
    columns = {one.name: one.column for one in fed}
    for given, value in values.items():
        if letters_and_digits(given) in [name.casefold() for name in NAMES] and not any(meant(given, definitions)):
            raise UsageError(f"--set {given} sets no parameter; use --map, --template or --entity-type.")
        names, doubts = resolved(parameter_name(given) or given, f"--set {given}", definitions)
        problems += doubts
        for name in sorted(names):
            if name in columns or name in constants:
                other = f"{listed([columns[name]])} feeds" if name in columns else "another --set sets"
                raise UsageError(f"--set {given} sets the parameter {name}, which {other} too; leave one of them out.")
            constants[name] = value
    return tuple(constants.items()), problems


# ------------------------------------------------------------------------------------------------------- the parameters


def _parameters(
    free: Sequence[Column], columns: Sequence[Column], definitions: Definitions, mapping: Mapping[str, Column]
) -> tuple[tuple[Fed, ...], list[Problem]]:
    fed: list[Fed] = []
    problems: list[Problem] = []
    for given, column in mapping.items():
        if given not in NAMES:
            names, doubts = resolved(given, f"--map {given}", definitions)
            fed += [Fed(name, column, "--map", explicit=True) for name in sorted(names)]
            problems += doubts
    settled = {one.name for one in fed}
    elsewhere = {column.index for column in mapping.values()}
    for column in free:
        if column.index in elsewhere:
            continue
        explicit = parameter_name(column.header)
        header = explicit or unmangled(column, columns)
        names, doubts = resolved(header, f"the header of {listed([column])}", definitions, doubt_unknown=bool(explicit))
        problems += doubts
        reason = "header says param:" if explicit else "header is a parameter's name or label"
        fed += [Fed(name, column, reason, explicit=bool(explicit)) for name in sorted(names - settled)]
    problems += [doubtful(doubt.name, doubt.columns) for doubt in _fed_twice(fed)]
    return tuple(fed), problems


def _fed_twice(fed: Iterable[Fed]) -> list[Doubt]:
    """The parameters that several columns could feed."""
    feeding: dict[str, dict[int, Column]] = {}
    for one in fed:
        feeding.setdefault(one.name, {})[one.column.index] = one.column
    return [Doubt(name, tuple(columns.values())) for name, columns in feeding.items() if len(columns) > 1]


def _sharing(
    free: Iterable[Column], columns: Sequence[Column], definitions: Definitions, mapping: Mapping[str, Column]
) -> list[Doubt]:
    """The columns whose header is the label of several parameters."""
    elsewhere = {column.index for column in mapping.values()}
    headers = ((column, parameter_name(column.header) or unmangled(column, columns)) for column in free)
    found = [(column, shared_label(header, definitions)) for column, header in headers if column.index not in elsewhere]
    return [Doubt("", (column,), names) for column, names in found if names]


def _nearly(ignored: Iterable[Column], fed: Collection[str], definitions: Definitions) -> list[Doubt]:
    """The parameters that nothing feeds, and the columns whose headers nearly name them."""
    words: dict[str, set[str]] = {}
    for parameters in definitions:
        for one in parameters or ():
            words.setdefault(one.name, set()).update(word for word in (one.name, one.label) if word)
    free = list(ignored)
    near = [
        Doubt(name, tuple(column for column in free if near_parameter(column.header, spelled)))
        for name, spelled in words.items()
        if name not in fed
    ]
    return [doubt for doubt in near if doubt.columns]


def _also_parameter(
    matched: Matched, columns: Sequence[Column], definitions: Definitions, mapping: Mapping[str, Column]
) -> list[Problem]:
    """Return a problem where a header names a parameter as well, unless ``--map`` or its exact name settles it."""
    header = unmangled(matched.column, columns)
    names = set().union(*meant(header, definitions)) - set(mapping)
    if not names or matched.reason == "--map" or letters_and_digits(header) in [name.casefold() for name in NAMES]:
        return []
    why = f"{listed([matched.column])} may be {recognise(header)} or the parameter {min(names)}; say which with --map NAME=COLUMN"
    return [whole_sheet("ambiguous-label", why)]


# ------------------------------------------------------------------------------------------------------ words for people


def _origins(
    found: Mapping[str, Matched], fed: Sequence[Fed], constants: Sequence[tuple[str, object]], remembered: Collection[str]
) -> Iterable[str]:
    before = "as confirmed before for these headers"
    for name, matched in found.items():
        yield f"{name} ← {listed([matched.column])} ({before if name in remembered else matched.reason})"
    for one in fed:
        confirmed = one.name in remembered or f"param:{one.name}" in remembered
        yield f"parameter {one.name} ← {listed([one.column])} ({before if confirmed else one.reason})"
    for name, _ in constants:
        yield f"parameter {name} ← the same value for every row (--set)"


def _hints(near: Iterable[Doubt]) -> Iterable[str]:
    for doubt in near:
        yield f"{listed(doubt.columns)} nearly names the parameter {doubt.name}, and is not sent; if it is meant: --map {doubt.name}=COLUMN"


def _remarks(ignored: Sequence[Column], definitions: Definitions) -> Iterable[str]:
    if not definitions or any(parameters is None for parameters in definitions):
        yield "the portal's parameter definitions are not known: only param:NAME, --map and --set make parameters, unchecked"
    if ignored:
        yield f"ignored, kept and not sent: {listed(ignored)}"
