"""A session that expires in mid-run: everybody waits while one asks for a new one. Nothing was started by what was refused so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

EXPIRED = "TOKEN_EXPIRED"


class Renewal:
    """``ask`` gets a new session and puts it to use; false: there is none, and the run stops."""

    def __init__(self, ask: Callable[[], Awaitable[bool]]) -> None:
        self._ask = ask
        self._asking = asyncio.Lock()
        self._given_up = False
        self.generation = 0
        """Which session is in use: a refusal of an older one is no reason to ask again."""

    async def idle(self) -> None:
        """Wait until nobody is asked any more."""
        async with self._asking:
            return

    async def renewed(self, generation: int) -> bool:
        """Whether there is a newer session than that of ``generation``; asks for one where there is none yet."""
        async with self._asking:
            if generation == self.generation and not self._given_up:
                if await self._ask():
                    self.generation += 1
                else:
                    self._given_up = True
            return generation != self.generation
