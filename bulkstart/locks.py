"""A lock file for each run: held as long as its process lives, freed by the system however the process ends."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

if sys.platform == "win32":  # pragma: no cover  (the same promise by the other system's call)
    import msvcrt

    def try_lock(handle: int, *, shared: bool = False) -> bool:  # noqa: ARG001  there is no shared lock here
        """Take the lock of an open file if nobody holds it; it is free again when the file is closed."""
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def try_lock(handle: int, *, shared: bool = False) -> bool:
        """Take the lock of an open file if nobody holds it; it is free again when the file is closed."""
        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _folder(journal: Path) -> Path:
    return journal.with_name(journal.name + "-runs")


class RunIsLiveError(Exception):
    """A living process has this run."""


_TRIES, _PAUSE = 40, 0.005
"""A lock that somebody only looks at is free again in a moment."""


class RunLock:
    """The lock of one run. Raises ``RunIsLiveError`` where it is held already, ``OSError`` where the folder cannot be written."""

    def __init__(self, journal: Path, run_id: str) -> None:
        _folder(journal).mkdir(parents=True, exist_ok=True)
        self._path = _folder(journal) / run_id
        self._handle: int | None = None
        for _ in range(_TRIES):
            self._handle = self._taken()
            if self._handle is not None:
                return
            time.sleep(_PAUSE)
        raise RunIsLiveError(run_id)

    def _taken(self) -> int | None:
        """The lock file, opened and locked; ``None`` where somebody has it, or has just removed it."""
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
        try:
            if try_lock(handle) and os.path.samestat(os.fstat(handle), self._path.stat()):
                return handle
        except FileNotFoundError:
            pass
        os.close(handle)
        return None

    def release(self) -> None:
        """Free the lock and remove its file; a second call does nothing."""
        if self._handle is None:
            return
        self._path.unlink(missing_ok=True)
        os.close(self._handle)
        self._handle = None


def is_alive(journal: Path, run_id: str) -> bool:
    """Whether some process holds the lock of this run now."""
    try:
        handle = os.open(_folder(journal) / run_id, os.O_RDWR)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # there is a lock file that cannot be asked: better believe in an owner than start a row twice
    try:
        return not try_lock(handle, shared=True)
    finally:
        os.close(handle)
