"""The dialects of the portal: one file each, pure encode and decode behind one protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bulkstart.gateways.running import Running
from bulkstart.model import Answer, Busy, Denied, HttpCall, InDoubt, StartRequest, Template, Verdict
from bulkstart.throttle import RateHint


@dataclass(frozen=True, slots=True)
class Me:
    """What the portal says of itself and of the credentials. ``portal``: its own domain in lower case, ``""`` where unnamed.

    ``expires_at``: Unix time at which the credentials end, where told.
    """

    portal: str = ""
    rate: float | None = None
    user: str = ""
    scopes: tuple[str, ...] | None = None
    expires_at: float | None = None
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Stopped:
    """Proven: the workflow does not run any more. ``before``: it was gone when the request came."""

    before: bool = False


class Gateway(Protocol):
    """One dialect: start requests to HTTP calls, HTTP answers to verdicts. Pure; ``read_*`` never raise on any answer.

    ``settle``: seconds after a send in which a lost start may still be carried out; ``late``: seconds behind its send in which
    the workflow of a lost start may still have begun (bitrix24-api.md 1.6).
    """

    @property
    def dialect(self) -> str: ...
    @property
    def max_batch(self) -> int: ...
    @property
    def timeout(self) -> float: ...
    @property
    def settle(self) -> float: ...
    @property
    def late(self) -> float: ...

    def start_call(self, requests: Sequence[StartRequest], /) -> HttpCall: ...
    def read_start(self, requests: Sequence[StartRequest], answer: Answer, /) -> list[Verdict]: ...
    def read_warning(self, answer: Answer, /) -> str: ...
    def read_hint(self, answer: Answer, now: float, /) -> RateHint | None: ...
    def me_call(self) -> HttpCall: ...
    def read_me(self, answer: Answer, /) -> Me | Denied | None: ...
    def template_paths(self) -> Sequence[str]: ...
    def template_call(self, path: str, offset: int, /) -> HttpCall: ...
    def read_templates(self, answer: Answer, /) -> tuple[list[Template], int | None] | None: ...
    def running_call(self, offset: int, template_id: int | None, /) -> HttpCall: ...
    def read_running(self, answer: Answer, /) -> tuple[list[Running], int | None] | None: ...
    def stop_call(self, workflow_id: str, /, *, erase: bool) -> HttpCall: ...
    def read_stop(self, answer: Answer, /) -> Stopped | Busy | Denied | InDoubt: ...
