"""A file is written whole or not at all: beside its place first, durable, then put there in one step."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from bulkstart.errors import SheetError


@contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """Give a new file in the target's folder; when all is well, make it durable and put it in the target's place.

    Raises ``SheetError`` where it cannot be there, ``PermissionError`` where another program keeps the target.
    """
    folder = target.parent
    if not folder.is_dir():
        raise SheetError(f"the folder {folder} does not exist; make it, or choose another with -o")
    if target.is_dir():
        raise SheetError(f"{target} is a folder; give the name of a file")
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(f"{target} is write-protected")
    new = folder / f".{target.name[:100]}.{secrets.token_hex(6)}.tmp"
    try:
        descriptor = os.open(new, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0), 0o666)
    except PermissionError as error:
        raise SheetError(f"the folder {folder} may not be written to; choose another with -o") from error
    with ExitStack() as undo:
        undo.callback(_unlink, new)
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        new.replace(target)
        undo.pop_all()
    _sync_folder(folder)


def _unlink(path: Path) -> None:
    """Remove a half-written file; why it was left half-written matters more than that it cannot be removed."""
    with suppress(OSError):
        path.unlink()


def _sync_folder(folder: Path) -> None:
    """Make the new name durable where the system can (Windows cannot)."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
