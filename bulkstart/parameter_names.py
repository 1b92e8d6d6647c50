"""Which parameter of a template a written name means: a header, ``--map``, ``--set``. Pure.

A money parameter may have its currency in a column of its own: ``NAME.currency`` names it, as if it were a parameter.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final, TypeAlias

from bulkstart.cells import clean, letters_and_digits
from bulkstart.headers import folded, whole_sheet
from bulkstart.model import Parameter, Problem

Definitions: TypeAlias = Sequence[Sequence[Parameter] | None]
"""The parameters of each template that the sheet uses; ``None``: the portal gives no definitions for that one."""

_CURRENCY: Final = ".currency"
_CURRENCY_WORDS: Final = ("{} currency", "{} валюта", "{}, currency", "{}, валюта", "валюта: {}", "currency: {}")


def currency_name(parameter: Parameter) -> str | None:
    """Return what the currency of a money parameter is called; ``None`` for all others."""
    return parameter.name + _CURRENCY if letters_and_digits(parameter.type) in ("money", "ufmoney") else None


def with_currencies(definitions: Definitions) -> Definitions:
    """Return the definitions with the currencies of money parameters among them, where no parameter goes by such a name itself."""
    return [None if parameters is None else [*parameters, *_currencies(parameters)] for parameters in definitions]


def _currencies(parameters: Sequence[Parameter]) -> list[Parameter]:
    own = {folded(text) for one in parameters for text in (one.name, one.label)}
    return [
        Parameter(name, label, "currency")
        for one in parameters
        if (name := currency_name(one)) and folded(name) not in own
        for label in ("", *(words.format(spelled) for words in _CURRENCY_WORDS for spelled in (one.name, one.label) if spelled))
        if folded(label) not in own
    ]


def shared_label(given: str, definitions: Definitions) -> tuple[str, ...]:
    """Return the parameters of one template that a text could each mean; empty where it means one of them, or none."""
    return next((tuple(sorted(names)) for names in meant(given, definitions) if len(names) > 1), ())


def resolved(given: str, source: str, definitions: Definitions, *, doubt_unknown: bool = True) -> tuple[set[str], list[Problem]]:
    """Return the parameters that a written name means, one for each template that has it, or the problem with it."""
    if several := shared_label(given, definitions):
        why = f"{source} may mean the parameters {', '.join(several)}; write param: and one of these names"
        return set(), [whole_sheet("ambiguous-label", why)]
    names = set().union(*meant(given, definitions))
    if names or not doubt_unknown:
        return names, []
    if not definitions or any(parameters is None for parameters in definitions):
        return {given}, []
    known = sorted({parameter.name for parameters in definitions for parameter in parameters or ()})
    near = get_close_matches(given, known, n=1, cutoff=0.7)
    advice = f"did you mean {near[0]}?" if near else f"the template has {', '.join(known) if known else 'no parameters'}"
    return set(), [whole_sheet("unknown-parameter", f"{source} names a parameter that the template does not have; {advice}")]


def meant(given: str, definitions: Definitions) -> list[set[str]]:
    """Return, for each template, the parameters that a text means: by exact name (a star may mark it), else by name or label in any case."""
    found: list[set[str]] = []
    wanted = folded(given)
    for parameters in definitions:
        exact = {one.name for one in parameters or () if one.name == given} or {
            one.name for one in parameters or () if one.name == given.rstrip(" *")
        }
        found.append(
            exact or {one.name for one in parameters or () if wanted and wanted in (folded(one.name), folded(one.label))}
        )
    return found


def parameter_name(text: str) -> str | None:
    """Return NAME of ``param:NAME``."""
    prefix, colon, name = clean(text).partition(":")
    return name.strip() or None if colon and prefix.strip().lower() == "param" else None
