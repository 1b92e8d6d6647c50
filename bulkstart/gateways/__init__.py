"""The dialects of the portal: one file each, pure encode and decode behind one protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bulkstart.model import Answer, Denied, HttpCall, StartRequest, Template, Verdict
from bulkstart.throttle import RateHint


@dataclass(frozen=True, slots=True)
class Me:
    """What the portal says of itself and of the credentials. ``portal``: its own domain in lower case, ``""`` where unnamed."""

    portal: str = ""
    rate: float | None = None
    user: str = ""
    scopes: tuple[str, ...] | None = None


class Gateway(Protocol):
    """One dialect: start requests to HTTP calls, HTTP answers to verdicts. Pure; ``read_*`` never raise on any answer."""

    @property
    def dialect(self) -> str: ...
    @property
    def max_batch(self) -> int: ...
    @property
    def timeout(self) -> float: ...

    def start_call(self, requests: Sequence[StartRequest], /) -> HttpCall: ...
    def read_start(self, requests: Sequence[StartRequest], answer: Answer, /) -> list[Verdict]: ...
    def read_warning(self, answer: Answer, /) -> str: ...
    def read_hint(self, answer: Answer, now: float, /) -> RateHint | None: ...
    def me_call(self) -> HttpCall: ...
    def read_me(self, answer: Answer, /) -> Me | Denied | None: ...
    def template_paths(self) -> Sequence[str]: ...
    def template_call(self, path: str, offset: int, /) -> HttpCall: ...
    def read_templates(self, answer: Answer, /) -> tuple[list[Template], int | None] | None: ...
