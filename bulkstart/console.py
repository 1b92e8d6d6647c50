"""The person at the terminal: told on standard error, asked there too."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bulkstart.secret import redact

if TYPE_CHECKING:
    from bulkstart.model import Outcome
    from bulkstart.progress import Bar
    from bulkstart.runner import Runner


def plain(text: str) -> str:
    """Text without secrets and terminal escapes: control characters but line breaks become visible."""
    text = redact(text)
    return "".join(c if c == "\n" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


class Console:
    """The person at the terminal: told on standard error, asked there too."""

    def __init__(
        self, arguments: argparse.Namespace, ask: Callable[[str], bool], session: Callable[[str], str | None] | None = None,
        choose: Callable[[str, Sequence[str]], int | None] | None = None,
    ) -> None:  # fmt: skip
        self._quiet, self._stream, self._ask, self._session = bool(arguments.quiet), sys.stderr, ask, session
        self._choose = choose
        self._bar: Bar | None = None

    def say(self, text: str, /) -> None:
        """One line, unless ``--quiet``."""
        if not self._quiet:
            print(plain(text), file=self._stream, flush=True)

    def warn(self, text: str, /) -> None:
        """One line, also under ``--quiet``: something would be lost, or silently meant, by not saying it."""
        print(plain(text), file=self._stream, flush=True)

    def ask(self, question: str, /) -> bool:
        """Ask the person, by way of the calling thread."""
        return self._ask(question)

    def choose(self, question: str, choices: Sequence[str], /) -> int | None:
        """Let the person choose one of several, by way of the calling thread; ``None``: nobody is there, or none of them is meant."""
        return self._choose(question, choices) if self._choose else None

    def session(self, why: str, /) -> str | None:
        """Ask the person for a new session, by way of the calling thread; the bar stands still meanwhile."""
        if self._session is None:
            return None
        if self._bar:
            self._bar.pause()
        try:
            return self._session(why)
        finally:
            if self._bar:
                self._bar.go_on()

    def begin(self, runner: Runner, rows: int, /) -> None:
        """A bar, on a terminal only."""
        if self._stream.isatty() and not self._quiet:
            from bulkstart.progress import Bar  # noqa: PLC0415  lazy: tqdm, on a terminal only

            self._bar = Bar(runner, rows, self._stream)

    def settle(self, outcome: Outcome, /) -> None:
        """One more row is settled."""
        if self._bar:
            self._bar.settle(outcome)

    def end(self) -> None:
        """The run has drained."""
        if self._bar:
            self._bar.end()
