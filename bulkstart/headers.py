"""What a header names: the three columns that a start needs, and the six of a results sheet.

A header is matched on a normalised form (case, spaces, underscores, camel case, ``ё`` = ``е``), never on a likeness. Whatever
could be two things is a problem of the whole sheet, never settled by taking the first. Header words: CRM exports (sheets 1.3).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final, TypeAlias

from bulkstart.cells import clean, letters_and_digits
from bulkstart.model import Column, Problem
from bulkstart.result_columns import RESULT_COLUMNS, result_places

ENTITY_ID, ENTITY_TYPE, TEMPLATE_ID = "entityId", "entityType", "templateId"
NAMES: Final = (ENTITY_ID, ENTITY_TYPE, TEMPLATE_ID)

EXACT, ALIAS, WEAK = 0, 1, 2  # how well a header must be borne out: not at all, by being alone, by its cells
_ALIKE, _LONG, _FEW = (
    0.8,
    5,
    2,
)  # how alike words are but for a typing error, which adds or drops few letters; short ones are other words
_LOOK_ALIKES: Final = str.maketrans("авекмнорстухіѕј", "abekmhopctyxisj")
_ID_WORDS = ("id", "ид", "идентификатор", "identifier")
_NOUNS = {
    "deal": ("deal", "crmdeal", "сделка", "сделки"),
    "lead": ("lead", "crmlead", "лид", "лида"),
    "contact": ("contact", "crmcontact", "контакт", "контакта"),
    "company": ("company", "crmcompany", "компания", "компании"),
}
_ALIASES = {
    ENTITY_ID: (
        *(*_ID_WORDS, "idсущности", "сущностьid", "идсущности", "идентификаторсущности", "idэлемента", "idэлементаcrm", "crmid"),
        *("idcrm", "idвcrm", "bitrixid", "bitrix24id", "idbitrix", "idbitrix24", "idбитрикс", "idбитрикс24", "idвбитрикс24"),
    ),
    ENTITY_TYPE: ("типсущности", "crmentitytype", "типсущностиcrm", "типобъектаcrm", "типэлементаcrm"),
    TEMPLATE_ID: (
        *("idшаблона", "шаблонid", "идшаблона", "идентификаторшаблона", "idтемплейта", "workflowtemplateid", "idtemplate"),
        *("bizproctemplateid", "idшаблонабп", "idшаблонабизнеспроцесса"),
    ),
}
# words that also name columns of an analyst's own; they count only where the cells bear them out
_WEAK_WORDS = {
    ENTITY_TYPE: ("тип", "type", "сущность", "entity", "типэлемента", "типобъекта"),
    TEMPLATE_ID: ("шаблон", "template", "шаблонбп", "шаблонбизнеспроцесса", "workflowtemplate"),
}


@dataclass(frozen=True, slots=True)
class _Known:
    """What a header word stands for; ``hint``: the entity type that it names besides (``deal_id``)."""

    name: str
    strength: int
    hint: str | None = None


def _vocabulary() -> dict[str, _Known]:
    words = {alias: _Known(name, WEAK) for name, aliases in _WEAK_WORDS.items() for alias in aliases}
    words |= {alias: _Known(name, ALIAS) for name, aliases in _ALIASES.items() for alias in aliases}
    for kind, nouns in _NOUNS.items():
        for noun in nouns:
            for word in _ID_WORDS:
                words[noun + word] = words[word + noun] = _Known(ENTITY_ID, ALIAS, kind)
    return words | {name.casefold(): _Known(name, EXACT) for name in NAMES}


VOCABULARY: Final = _vocabulary()


@dataclass(frozen=True, slots=True)
class Matched:
    """The column that feeds a name, and why. ``hint``: the entity type that its header names (``deal_id``)."""

    column: Column
    reason: str
    hint: str | None = None


Fits: TypeAlias = Callable[[str, Column], bool]
"""Whether a column's cells bear out what its header only suggests (``Тип`` may be any type)."""


def recognise(header: str) -> str | None:
    """Return the name that a header stands for: one of ``NAMES`` or ``RESULT_COLUMNS``, ``None`` for everything else."""
    if header.strip() in RESULT_COLUMNS:
        return header.strip()
    known = known_word(header)
    return known.name if known else None


def known_word(header: str) -> _Known | None:
    """What a header word stands for. An underscore joins words; at either end it makes another word (``Id_``)."""
    words = header.strip()
    return None if words.startswith("_") or words.endswith("_") else VOCABULARY.get(letters_and_digits(words))


@dataclass(frozen=True, slots=True)
class Doubt:
    """A name that several columns could feed, or that one nearly names: only a person can tell.

    ``names``: the parameters that the header of the one column could mean, which share a label; ``name`` is then blank.
    """

    name: str
    columns: tuple[Column, ...]
    names: tuple[str, ...] = ()


def doubts_about(
    columns: Sequence[Column],
    name: str,
    mapping: Mapping[str, Column],
    entity_types: Collection[str] = (),
    fits: Fits = lambda _, __: True,
) -> tuple[Column, ...]:
    """Return the columns that could feed a name that ``locate`` did not settle; for the id also those that nearly name it."""
    pool = [
        column
        for column, known in _pool(columns, name, mapping, fits)
        if not (name == ENTITY_ID and known.hint and entity_types and known.hint not in entity_types)
    ]
    return tuple(pool) or (nearly_ids(columns) if name == ENTITY_ID else ())


def nearly_ids(columns: Sequence[Column]) -> tuple[Column, ...]:
    """Return the columns whose header is an id header but for a typing error: hints, never matches (sheets trap 22)."""
    return tuple(
        column
        for column in columns
        if known_word(column.header) is None
        and (
            _near(letters_and_digits(column.header), ENTITY_ID.casefold())
            or _as_seen(letters_and_digits(column.header)) in _ID_SEEN
        )
    )


def _as_seen(word: str) -> str:
    """Return a word as it looks: Cyrillic letters that look like Latin ones, large or small, as those (sheets trap 22)."""
    return word.casefold().translate(_LOOK_ALIKES)


_ID_SEEN: Final = frozenset(_as_seen(word) for word, known in VOCABULARY.items() if known.name == ENTITY_ID)


def _near(word: str, wanted: str) -> bool:
    word, wanted = _as_seen(word), _as_seen(wanted)
    if word == wanted:
        return bool(word)
    if len(word) < _LONG or abs(len(word) - len(wanted)) > _FEW:
        return False
    pair = SequenceMatcher(None, word, wanted, autojunk=False)
    return pair.quick_ratio() >= _ALIKE and pair.ratio() >= _ALIKE


def near_parameter(header: str, names: Collection[str]) -> bool:
    """Tell whether a header is one of ``names`` but for a typing error."""
    return any(_near(folded(header), folded(name)) for name in names)


def locate(
    columns: Sequence[Column],
    name: str,
    mapping: Mapping[str, Column],
    entity_types: Collection[str] = (),
    fits: Fits = lambda _, __: True,
) -> tuple[Matched | None, list[Problem]]:
    """Return the column that feeds ``entityId``, ``entityType`` or ``templateId``, or why none can be taken."""
    if name in mapping:
        return Matched(mapping[name], "--map"), []
    pool = _pool(columns, name, mapping, fits)
    if name == ENTITY_ID:
        return _id_column(columns, pool, entity_types)
    if len(pool) > 1:
        return None, [doubtful(name, [column for column, _ in pool])]
    return (Matched(pool[0][0], "header known") if pool else None), []


def _pool(columns: Sequence[Column], name: str, mapping: Mapping[str, Column], fits: Fits) -> list[tuple[Column, _Known]]:
    """The columns whose headers stand for a name, of those that stand for it most strongly."""
    elsewhere = {column.index for column in mapping.values()}
    candidates: list[tuple[Column, _Known]] = []
    for column in columns:
        known = known_word(unmangled(column, columns))
        if known and known.name == name and column.index not in elsewhere:
            candidates.append((column, known))
    best = min((known.strength for _, known in candidates), default=WEAK)
    pool = [(column, known) for column, known in candidates if known.strength == best]
    return [(column, known) for column, known in pool if fits(name, column)] if best == WEAK else pool


def _id_column(
    columns: Sequence[Column], pool: Sequence[tuple[Column, _Known]], entity_types: Collection[str]
) -> tuple[Matched | None, list[Problem]]:
    """Return the one id column. A plain ``ID`` beside ``contact_id`` is it only where the rows are known to be no contacts."""
    bare = [(column, known) for column, known in pool if known.hint is None]
    others = {known.hint for _, known in pool if known.hint}
    if len(bare) == 1 and entity_types and not others & set(entity_types):
        pool = bare
    if not pool:
        near = nearly_ids(columns)
        hint = f" Did you mean {listed(near)}?" if near else _one_column(columns)
        why = f"no column holds the entity ids; name it with --map entityId=COLUMN.{hint} The sheet has {listed(columns)}"
        return None, [whole_sheet("missing-label", why)]
    if len(pool) > 1:
        return None, [doubtful(ENTITY_ID, [column for column, _ in pool])]
    column, known = pool[0]
    if known.hint and entity_types and known.hint not in entity_types:
        why = f"{listed([column])} names ids of type {known.hint}, but the rows are of type {', '.join(sorted(entity_types))}"
        return None, [whole_sheet("missing-label", f"{why}; name the column of their ids with --map entityId=COLUMN")]
    return Matched(column, "header known", known.hint), []


def _one_column(columns: Sequence[Column]) -> str:
    """Return a hint where a whole line stands in one cell: each was quoted as a whole, or the delimiter is another one."""
    mark = next((mark for mark in ";\t|," if len(columns) == 1 and mark in columns[0].header), None)
    name = "tab" if mark == "\t" else mark
    return (
        f" Whole lines stand in one cell: say --delimiter {name!r}, or export the sheet without quotes around its lines."
        if mark
        else ""
    )


def unmangled(column: Column, columns: Sequence[Column]) -> str:
    """Return the header as the sheet had it: a second ``ID`` became ``ID.1`` if pandas read the file."""
    found = re.fullmatch(r"(.+)\.[0-9]+", column.header)
    return found[1] if found and any(other.header == found[1] for other in columns) else column.header


def result_columns(columns: Sequence[Column]) -> tuple[dict[str, Column] | None, list[Problem]]:
    """Return the six result columns where all stand in the sheet; a part of them that says what was started is a problem."""
    names = [unmangled(column, columns).strip() for column in columns]
    if (places := result_places(names)) is not None:
        return {name: columns[place] for name, place in places.items()}, []
    torn = [column for column, name in zip(columns, names, strict=True) if name in RESULT_COLUMNS]
    if not {"startStatus", "workflowId"} <= set(names):
        return None, []
    why = f"the six result columns are not whole ({listed(torn)}): what was started cannot be told; put the missing ones back, or delete them all"
    return None, [whole_sheet("ambiguous-label", why)]


def listed(columns: Sequence[Column], most: int = 40) -> str:
    """Return columns as people know them: ``A 'ID', B 'Title'``."""
    names = [
        f"{column.letter} {column.header!r}" if column.header.strip() else f"{column.letter} (no header)" for column in columns
    ]
    return ("column " if len(columns) == 1 else "columns ") + ", ".join(names[:most]) + (" …" if len(names) > most else "")


def doubtful(name: str, columns: Sequence[Column]) -> Problem:
    """Return the problem that several columns could each feed one name."""
    return whole_sheet("ambiguous-label", f"{listed(columns)} could each be {name}; say which with --map {name}=COLUMN")


def whole_sheet(code: str, message: str) -> Problem:
    """Return a problem of the whole sheet."""
    return Problem(position=None, row=None, column=None, code=code, message=message)


def folded(words: str) -> str:
    """Return words as names are compared: without case, outer or doubled spaces, and the star of a required column."""
    return " ".join(clean(words).casefold().replace("ё", "е").rstrip(" *").split())
