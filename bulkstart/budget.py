"""The machine's shared budget: one small file, locked for as long as a reservation takes, which every user of the machine may write.

What is in it is ``slots``; this is the disk. A damaged or vanished file costs nobody a start: its budget begins anew (decision 0008).
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import json
import os
import platform
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

from bulkstart.locks import try_lock
from bulkstart.slots import Slots, from_json, is_over, to_json, without

T = TypeVar("T")
Change = Callable[[Slots, float], tuple[Slots, T]]
"""What a visit does to a portal's slots: the slots before and the time → the slots afterwards and what came of it."""

MAGIC = '{"bulkstart budget": 1'
"""How the file begins; a file that is not empty and begins otherwise is somebody else's and is left alone."""
LOCK_WAIT = 1.0
"""Seconds to wait for another process that has the file: a visit takes a tenth of a millisecond."""
ELSEWHERE = 60.0
"""Seconds for which a file that another machine wrote counts as that machine's."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_FLAGS = (
    os.O_RDWR
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
)


class BudgetError(Exception):
    """The store cannot be used; the text says why."""


class Store(Protocol):
    """Where the slots of all portals are kept."""

    @property
    def path(self) -> Path: ...
    def visit(self, portal: str, change: Change[T], /) -> T: ...


class Budget:
    """The store at ``path``. It keeps nothing open: whoever dies holds nothing, and a file that was replaced is noticed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._machine = this_machine()

    def visit(self, portal: str, change: Change[T], /) -> T:
        """Change the slots of a portal while nobody else does. Raises ``BudgetError``.

        The time is ``time.monotonic``: all processes since the machine was switched on share it, and nobody can set it.
        """
        name = hashlib.sha256(portal.encode()).hexdigest()[:32]  # every user may read the file: it names no portal
        try:
            with self._locked() as file:
                now = time.monotonic()
                portals = self._read(file, now)
                slots = from_json(portals[name], now) if name in portals else Slots()
                slots, found = change(without(slots, [who for who in slots.voices if has_ended(who)]), now)
                portals[name] = to_json(slots)
                self._write(file, now, portals)
        except OSError as error:
            raise BudgetError(f"{error.strerror or error}") from error
        return found

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        until = time.monotonic() + LOCK_WAIT
        file = self._open()
        try:
            pause = 0.0002
            while not try_lock(file):
                if time.monotonic() > until:
                    raise BudgetError(f"another program keeps it locked for longer than {LOCK_WAIT:.0f} s")
                time.sleep(pause)
                pause = min(0.005, pause * 2)
            yield file
        finally:
            os.close(file)  # frees the lock

    def _open(self) -> int:
        """The file, made where it is not there. A symbolic link is not followed: anybody could have left one in a shared folder."""
        try:
            file = os.open(self.path, _FLAGS)
        except FileNotFoundError:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                file = os.open(self.path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o666)
            except FileExistsError:  # another process made it a moment ago
                file = os.open(self.path, _FLAGS)
            else:
                with contextlib.suppress(OSError, AttributeError):  # a file system without modes
                    os.fchmod(file, 0o666)  # whatever the umask: all users of the machine share it
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise BudgetError("it is a symbolic link") from error
            raise
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            os.close(file)
            raise BudgetError("it is no plain file")
        return file

    def _read(self, file: int, now: float) -> dict[str, Any]:
        """The portals as they stand; none where the file is new, torn by a crash, or from before the machine was switched on."""
        os.lseek(file, 0, os.SEEK_SET)
        content = b""
        while piece := os.read(file, 1 << 16):
            content += piece
        if content and not content.startswith(MAGIC.encode()):
            raise BudgetError("it is another program's file, or damaged")
        try:
            found = json.loads(content.partition(b"\n")[0])
            machine, wall, seen, portals = found["machine"], float(found["wall"]), float(found["seen"]), dict(found["portals"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return {}
        if machine != self._machine and abs(time.time() - wall) < ELSEWHERE:
            raise BudgetError("another machine uses it, and two machines have no clock in common")
        return portals if machine == self._machine and seen <= now else {}

    def _write(self, file: int, now: float, portals: dict[str, Any]) -> None:
        """One call: a process that is killed meanwhile leaves the old line, the new one, or one that is seen to be torn."""
        kept = {name: found for name, found in portals.items() if not is_over(from_json(found, now), now)}
        found = {"bulkstart budget": 1, "machine": self._machine, "wall": time.time(), "seen": now, "portals": kept}
        content = json.dumps(found, separators=(", ", ": ")).encode() + b"\n"
        os.lseek(file, 0, os.SEEK_SET)
        if os.write(file, content) != len(content):
            raise BudgetError("the disk is full")
        os.ftruncate(file, len(content))


def this_machine(boot: Path = _BOOT) -> str:
    """This machine since it was switched on."""
    try:
        return boot.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):  # not Linux: a clock that stands before what was seen tells of the new start
        return platform.node()


def new_name() -> str:
    """A name for one user of the store: process, where process numbers mean that, and a part of its own."""
    return f"{os.getpid()}-{_number_space()}-{os.urandom(4).hex()}"


def has_ended(name: str) -> bool:
    """Whether the process of this name lives no more; false where that cannot be told."""
    number, _, rest = name.partition("-")
    if os.name == "nt" or not number.isdigit() or not rest.startswith(f"{_number_space()}-"):
        return False
    try:
        os.kill(int(number), 0)  # asks only
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        return False
    return False


@functools.cache
def _number_space() -> int:
    """Containers number their processes each for itself."""
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return 0
