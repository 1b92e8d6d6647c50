"""One request on its way through the sandbox, the starts in it, and the run clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .answers import NORMAL, Answer

if TYPE_CHECKING:
    from .keys import Holder
    from .native_keys import Caller
    from .portal import Refusal
    from .wire import Head, Reply


@dataclass(slots=True)
class RunClock:
    """Stands at 0 until the first start request arrives; ``origin`` is that moment, monotonic."""

    origin: float | None = None

    def at(self, now: float) -> float:
        return 0.0 if self.origin is None else max(0.0, now - self.origin)


@dataclass(slots=True)
class Exchange:
    """A request and what was found out about it so far. ``arrived``: monotonic, when its head was complete.

    ``item``: what the path names beside the endpoint, natively the method. ``starts``, ``results``: of a native batch.
    """

    n: int
    conn: int
    head: Head
    ip: str
    arrived: float
    time: float
    dialect: str = "vibecode"
    clock: float = 0.0
    on: str = "unknown"
    item: str = ""
    number: int = 0
    number_of_method: int = 0
    number_of_all: int = 0
    holder: Holder | None = None
    caller: Caller | None = None
    refusal: Reply | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    digest: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    asked: tuple[int | float, str, int | float] | None = None
    misread: Reply | None = None
    starts: list[dict[str, Any]] | None = None
    results: list[dict[str, Any]] | None = None
    rule: int | None = None
    committed: bool | str = "as_it_would"
    commit_after: float = 0.0
    commands: int | None = None
    answer: Answer = NORMAL
    gone: bool = False


@dataclass(slots=True)
class Attempt:
    """One start, alone in its request or as a command of a batch (``command`` its key, ``position`` from 1).

    ``document``: entity type and id, or the portal's no to what was sent for it. ``bill``: method and credential whose
    operating time it uses; ``None``: nobody's.
    """

    exchange: Exchange
    fields: dict[str, Any]
    template_id: int | float
    document: tuple[str, int | float] | Refusal
    number: int
    bill: tuple[str, str] | None
    allowed: bool = True
    rule: int | None = None
    committed: bool | str = "as_it_would"
    answer: Answer = NORMAL
    command: str | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a start ended. ``broken``: what an activity said when it threw; ``cut``: no answer came in time."""

    workflow_id: str | None = None
    broken: str | None = None
    cut: bool = False


CUT = Ended(cut=True)
