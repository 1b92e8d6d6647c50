"""One request on its way through the sandbox, and the run clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .answers import NORMAL, Answer

if TYPE_CHECKING:
    from .keys import Holder
    from .wire import Head, Reply


@dataclass(slots=True)
class RunClock:
    """Stands at 0 until the first start request arrives; ``origin`` is that moment, monotonic."""

    origin: float | None = None

    def at(self, now: float) -> float:
        return 0.0 if self.origin is None else max(0.0, now - self.origin)


@dataclass(slots=True)
class Exchange:
    """A request and what was found out about it so far. ``arrived``: monotonic, when its head was complete."""

    n: int
    conn: int
    head: Head
    ip: str
    arrived: float
    time: float
    clock: float = 0.0
    on: str = "unknown"
    item: str = ""
    number: int = 0
    number_of_all: int = 0
    holder: Holder | None = None
    refusal: Reply | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    digest: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    asked: tuple[int | float, str, int | float] | None = None
    misread: Reply | None = None
    rule: int | None = None
    committed: bool | str = "as_it_would"
    commit_after: float = 0.0
    answer: Answer = NORMAL
    gone: bool = False
