"""The machine's budget in memory, by the clock of the event loop, for processes in virtual time."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from pathlib import Path

from bulkstart.budget import BudgetError
from bulkstart.sharing import Courier, Place
from bulkstart.slots import Slots


def clock():
    return asyncio.get_running_loop().time()


class Memory:
    """A store in memory, by the clock of the event loop."""

    def __init__(self):
        self.path, self.slots, self.visits, self.error = Path("memory"), Slots(), 0, None

    def visit(self, _, change):
        self.visits += 1
        if self.error:
            raise self.error
        self.slots, found = change(self.slots, clock())
        return found


class AtOnce(Courier):
    """Visits at once, in the thread that sends."""

    def send(self, visit):
        done = Future()
        try:
            done.set_result(visit())
        except BudgetError as error:
            done.set_exception(error)
        return done


class Never(Courier):
    """Never comes back."""

    def send(self, visit):
        return Future()


def place(store, said=None, courier=None):
    """A process's place at the store; ``said`` hears what it says."""
    return Place(store, "acme", (said if said is not None else []).append, clock=clock, courier=courier or AtOnce())
