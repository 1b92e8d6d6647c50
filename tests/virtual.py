"""An event loop whose clock jumps to the next timer: hours of holds pass in milliseconds, and never sleep."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jumping(selectors.SelectSelector):
    """Waits for nothing: moves the clock instead."""

    now = 0.0

    def select(self, timeout: float | None = None):
        if timeout is None:
            raise RuntimeError("nothing is scheduled: the code under test waits for ever")
        self.now += max(1e-7, timeout)  # a clock that never stands still, as real ones never do
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Jumping()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
