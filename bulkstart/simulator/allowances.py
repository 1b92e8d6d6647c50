"""What a portal allows, as a scenario writes it: limits on requests and starts, and on repeated errors (SCENARIOS.md 6-8)."""

# ruff: noqa: RUF009  a field declared with given() is a dataclass field, not a shared default

from __future__ import annotations

from dataclasses import dataclass

from .reading import choice, either, flag, given, integer, listing, number, optional, section

_MOMENT = optional(number())


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    at: float = given(number())
    rate: float | None = given(number(0, above=True), None)
    burst: float | None = given(number(1), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    start: float = given(number(), name="from")
    end: float | None = given(_MOMENT, None, name="to")
    rate: float = given(number(0, above=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeLimit:
    """The leaky bucket of native REST."""

    rate: float = given(number(0, above=True))
    burst: float = given(number(1))
    changes: tuple[Change, ...] = given(listing(section(Change)), ())
    foreign: tuple[Foreign, ...] = given(listing(section(Foreign)), ())


@dataclass(frozen=True, slots=True, kw_only=True)
class PortalLimit:
    rate: float = given(number(0, above=True))
    burst: float = given(number(1))
    refusal: str = given(choice("RATE_LIMITED", "BITRIX_UNAVAILABLE"), "RATE_LIMITED")
    retry_after: float | str = given(either(number(), "exact"), 2.0)
    retry_after_header: bool = given(flag, True)
    retry_after_body: bool = given(flag, True)
    headers: bool = given(flag, False)
    changes: tuple[Change, ...] = given(listing(section(Change)), ())
    foreign: tuple[Foreign, ...] = given(listing(section(Foreign)), ())


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformLimit:
    requests: int = given(integer(1), 300)
    seconds: float = given(number(0, above=True), 60.0)
    headers: bool = given(flag, True)
    reset: str = given(choice("epoch", "seconds"), "epoch")
    retry_after_header: bool = given(flag, True)
    retry_after_body: bool = given(flag, True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    parallel: int = given(integer(1))
    seconds: float = given(number(), 30.0)
    timed_out: str = given(choice("drop", "run"), "run")
    retry_after: float | None = given(_MOMENT, 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operating:
    seconds: float = given(number(0, above=True), 480.0)
    window: float = given(number(0, above=True), 600.0)
    answer: str = given(choice("BITRIX_ERROR", "RATE_LIMITED"), "BITRIX_ERROR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    portal: PortalLimit | None = given(optional(section(PortalLimit)), None)
    platform: PlatformLimit | None = given(optional(section(PlatformLimit)), None)
    native: NativeLimit | str | None = given(optional(either(section(NativeLimit), "plan")), None)
    queue: Queue | None = given(optional(section(Queue)), None)
    per_document: int = given(integer(), 2)
    operating: Operating | None = given(optional(section(Operating)), None)
    body_bytes: int = given(integer(1), 1_048_576)
    header_bytes: int = given(integer(256), 32_768)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorLoop:
    warn_after: int = given(integer(1), 3)
    after: int = given(integer(1), 5)
    every: int = given(integer(), 10)
    same: str = given(choice("request", "endpoint"), "request")
