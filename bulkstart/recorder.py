"""Events of one loop turn share one durable commit; nothing goes on before its own event is on disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from bulkstart.journal_view import Note
from bulkstart.model import Outcome

Write = Callable[[Sequence[Note], Sequence[Outcome]], set[str]]


class Recorder:
    """Collects what happens in a loop turn and writes it in one go; ``executor=None`` writes on the loop's own thread."""

    def __init__(self, write: Write, executor: Executor | None = None) -> None:
        self._write = write
        self._executor = executor
        self._pending: list[tuple[Note | None, Outcome | None, asyncio.Future[bool]]] = []
        self._flushing: asyncio.Task[None] | None = None

    async def record(self, note: Note | None = None, outcome: Outcome | None = None) -> bool:
        """Durable when it returns; ``False`` where the journal refused the event (see ``Journal.record``). Raises ``JournalError``."""
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._pending.append((note, outcome, waiter))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        return await asyncio.shield(waiter)

    async def flushed(self) -> None:
        """Everything that was recorded is on disk, or whoever recorded it has heard why not; nobody need wait for it any more."""
        while self._flushing is not None:
            await self._flushing

    async def _flush(self) -> None:
        try:
            while self._pending:
                batch, self._pending = self._pending, []
                notes = [note for note, _, _ in batch if note is not None]
                outcomes = [outcome for _, outcome, _ in batch if outcome is not None]
                try:
                    lost = await self._written(notes, outcomes)
                except Exception as error:  # noqa: BLE001  whoever waits must hear of it, whatever it is
                    self._tell_all(batch, error)
                    continue
                for note, _, waiter in batch:
                    if not waiter.done():
                        waiter.set_result(note is None or note.key not in lost)
        finally:
            self._flushing = None

    async def _written(self, notes: Sequence[Note], outcomes: Sequence[Outcome]) -> set[str]:
        if self._executor is None:
            return self._write(notes, outcomes)
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._write, notes, outcomes)

    @staticmethod
    def _tell_all(batch: Sequence[tuple[Note | None, Outcome | None, asyncio.Future[bool]]], error: Exception) -> None:
        for _, _, waiter in batch:
            if not waiter.done():
                waiter.set_exception(error)
