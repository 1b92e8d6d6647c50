"""How a person at a terminal is asked: on standard error, answered on standard input, and interrupted at any moment."""

from __future__ import annotations

import contextlib
import select
import signal
import sys
from collections.abc import Callable, Sequence

from bulkstart.console import plain

_DIGITS = 6  # of a number on a screen
LOOK_UP = 0.2
"""Seconds between two looks whether an interrupt has come while a person is asked."""


def asker(question: str) -> bool:
    """The person's answer to a yes-or-no question; anything but a yes is a no."""
    print(f"\n{plain(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    return _typed().strip().lower() in ("y", "yes", "д", "да")


def chooser(question: str, choices: Sequence[str]) -> int | None:
    """The place of what the person chooses, from 0; anything but one of the numbers shown is none of them."""
    lines = [f"\n{plain(question)}", *(f"  {number}  {plain(choice)}" for number, choice in enumerate(choices, 1))]
    print("\n".join(lines), "\nIts number (nothing: none of them): ", sep="", end="", file=sys.stderr, flush=True)
    word = _typed().strip()
    return int(word) - 1 if word.isascii() and word.isdigit() and len(word) < _DIGITS and 1 <= int(word) <= len(choices) else None


def _typed() -> str:
    """A line from the terminal. It is waited for in small pieces: an interrupt in the moment before a blocking read would be heard late."""
    with contextlib.suppress(OSError, ValueError):  # where a terminal cannot be waited for, it is read at once
        while not select.select([sys.stdin], [], [], LOOK_UP)[0]:
            pass
    return sys.stdin.readline()


def asked_between(question: str) -> bool:
    """Ask while no job runs that an interrupt could drain: Ctrl-C or SIGTERM is a "no"."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return asker(question)
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return False
    finally:
        for number, known in before.items():
            signal.signal(number, known)


def sessions() -> Callable[[str], str | None] | None:
    """How a person is asked for a session: hidden, on a terminal only."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None

    def ask(why: str) -> str | None:
        from getpass import getpass  # noqa: PLC0415  beside its use

        return getpass(f"\n{plain(why)}: ", sys.stderr).strip() or None

    return ask
