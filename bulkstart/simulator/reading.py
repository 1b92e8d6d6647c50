"""A strict reader of scenario files: what is unknown, of the wrong type or out of range is an error that says so.

A section of a scenario is a frozen dataclass whose fields are declared with ``given(kind, default)``.
A kind is a function of the JSON value that returns the checked value or raises ``ValueError`` with what is allowed.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")
Kind = Callable[[Any], T]
Section = TypeVar("Section")


class SandboxError(Exception):
    """The sandbox portal cannot be started; the text is one sentence for a person."""


class ScenarioError(SandboxError):
    """A scenario cannot be used; the text names the file, the key and what is allowed."""


class _InnerError(ValueError):
    """A complaint about something deeper: ``path`` leads to it."""

    def __init__(self, path: str, complaint: str) -> None:
        super().__init__(f"{path}: {complaint}")
        self.path, self.complaint = path, complaint


def inside(step: str, kind: Kind[T], value: Any) -> T:
    """Check a value that stands at ``step`` inside of another, so that a complaint names the whole path."""
    try:
        return kind(value)
    except _InnerError as error:
        dot = "" if error.path.startswith("[") else "."
        raise _InnerError(f"{step}{dot}{error.path}", error.complaint) from None
    except ValueError as error:
        raise _InnerError(step, str(error)) from None


def given(kind: Kind[Any], *default: Any, name: str = "") -> Any:
    """Declare a field of a section: its kind, its default (without one the key is required), its JSON name where that differs."""
    metadata = {"kind": kind, "name": name}
    return dataclasses.field(default=default[0], metadata=metadata) if default else dataclasses.field(metadata=metadata)


def section(cls: type[Section]) -> Kind[Section]:
    """Make the kind of a JSON object that fills the dataclass ``cls``."""

    def kind(value: Any) -> Section:
        if not isinstance(value, dict):
            raise ValueError(f"must be an object, not {shown(value)}")  # noqa: TRY004  kinds complain with ValueError only
        fields = {field.metadata["name"] or field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]  # sections are dataclasses
        for key in value:
            if key not in fields:
                raise ValueError(f"unknown key {key!r}; allowed are {', '.join(sorted(fields))}")
        found = {}
        for key, field in fields.items():
            if key in value:
                found[field.name] = inside(key, field.metadata["kind"], value[key])
            elif field.default is dataclasses.MISSING:
                raise ValueError(f"the key {key!r} is required")
        return cls(**found)

    return kind


def read(cls: type[Section], value: Any, source: str) -> Section:
    """Fill ``cls`` from a JSON value; raises ScenarioError, which begins with ``source``."""
    try:
        return section(cls)(value)
    except ValueError as error:
        raise ScenarioError(f"{source}: {error}.") from None


def shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "…"


# ------------------------------------------------------------------------------------------------------ kinds


def anything(value: Any) -> Any:
    return value


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text, not {shown(value)}")  # noqa: TRY004  kinds complain with ValueError only
    return value


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {shown(value)}")  # noqa: TRY004  kinds complain with ValueError only
    return value


def integer(low: int = 0, high: int = 2**63 - 1) -> Kind[int]:
    def kind(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}, not {shown(value)}")
        return value

    return kind


def number(low: float = 0.0, high: float = 1e9, *, above: bool = False) -> Kind[float]:
    """Make the kind of a number from ``low`` (``above``: strictly above it) to ``high``."""

    def kind(value: Any) -> float:
        wrong = (
            not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high or (above and value == low)
        )
        if wrong:
            raise ValueError(f"must be a number {'above' if above else 'from'} {low:g} to {high:g}, not {shown(value)}")
        return float(value)

    return kind


def choice(*allowed: Any) -> Kind[Any]:
    def kind(value: Any) -> Any:
        for candidate in allowed:
            if type(value) is type(candidate) and value == candidate:
                return value
        raise ValueError(f"must be one of {', '.join(shown(item) for item in allowed)}, not {shown(value)}")

    return kind


def optional(kind: Kind[T]) -> Kind[T | None]:
    return lambda value: None if value is None else kind(value)


def either(kind: Kind[Any], *words: str) -> Kind[Any]:
    """One of the words, or else a value of that kind."""
    return lambda value: value if isinstance(value, str) and value in words else kind(value)


def listing(kind: Kind[T]) -> Kind[tuple[T, ...]]:
    def read_list(value: Any) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise ValueError(f"must be a list, not {shown(value)}")  # noqa: TRY004  kinds complain with ValueError only
        return tuple(inside(f"[{index}]", kind, item) for index, item in enumerate(value))

    return read_list


def mapping(keys: tuple[str, ...], kind: Kind[T]) -> Kind[Mapping[str, T]]:
    def read_map(value: Any) -> Mapping[str, T]:
        if not isinstance(value, dict):
            raise ValueError(f"must be an object, not {shown(value)}")  # noqa: TRY004  kinds complain with ValueError only
        for key in value:
            if key not in keys:
                raise ValueError(f"unknown key {key!r}; allowed are {', '.join(keys)}")
        return {key: inside(key, kind, item) for key, item in value.items()}

    return read_map


@dataclasses.dataclass(frozen=True, slots=True)
class Span:
    """Seconds, fixed or drawn between two bounds. ``low`` equals ``high`` where nothing is drawn."""

    low: float
    high: float

    def draw(self, chance: Callable[[], float]) -> float:
        return self.low if self.low == self.high else self.low + (self.high - self.low) * chance()


def span(value: Any) -> Span:
    if isinstance(value, list) and len(value) == 2:
        low, high = (inside(f"[{index}]", number(), item) for index, item in enumerate(value))
        if low > high:
            raise ValueError(f"must be [low, high] with low ≤ high, not {shown(value)}")
        return Span(low, high)
    seconds = number()(value)
    return Span(seconds, seconds)
