"""Outcomes → a tqdm bar on a terminal: rate, held time, time left."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Never, TextIO

from bulkstart.model import Outcome
from bulkstart.outlook import outlook
from bulkstart.result_columns import Status
from bulkstart.runner import Runner

if TYPE_CHECKING:
    from tqdm import tqdm

_REFRESH_SECONDS = 0.5


class Bar:
    """A bar that is fed outcomes; it refreshes itself, so that a hold is seen while nothing happens."""

    def __init__(self, runner: Runner, rows: int, stream: TextIO) -> None:
        from tqdm import tqdm  # noqa: PLC0415  lazy: import bulkstart loads no tqdm

        self._runner, self._rows, self._counts = runner, rows, Counter[Status]()
        self._bar: tqdm[Never] = tqdm(total=rows, unit="row", file=stream, dynamic_ncols=True, mininterval=0.2, smoothing=0.1)
        self._ended, self._paused = threading.Event(), threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="bulkstart-bar", daemon=True)
        self._ticker.start()

    def settle(self, outcome: Outcome) -> None:
        """One more row is settled."""
        self._counts[outcome.status] += 1
        self._bar.update()

    def pause(self) -> None:
        """Do not refresh: a person is asked something on the same terminal."""
        self._paused.set()
        self._bar.clear()

    def go_on(self) -> None:
        """Refresh again."""
        self._paused.clear()

    def end(self) -> None:
        """Leave the bar as it stands."""
        self._ended.set()
        self._ticker.join()
        self._bar.set_postfix_str(self._told(), refresh=False)
        self._bar.close()

    def _tick(self) -> None:
        while not self._ended.wait(_REFRESH_SECONDS):
            if not self._paused.is_set():
                self._bar.set_postfix_str(self._told())

    def _told(self) -> str:
        now = time.monotonic()
        state = self._runner.gate.throttle.state(now)
        parts = [f"{state.rate:.1f}/s allowed"]
        if state.held_until > now:
            parts.append(f"held {state.held_until - now:.0f} s")
        if left := self._rows - self._counts.total():
            parts.append(f"{outlook(self._runner.gate, left, now).text.removeprefix('about ').partition(' (')[0]} left")
        parts += [f"{count} {status}" for status, count in self._counts.items() if status is not Status.STARTED]
        if self._runner.gate.paused:
            parts.append("paused (bulkstart continue)")
        if self._runner.stop is not None:
            parts.append("stopping")
        return ", ".join(parts)
