"""A sandbox portal that outlives this process: what a panel rehearses on, so that its run, its resume and its undo still have a portal.

It is ``bulkstart sandbox`` in a process of its own, which ends by itself when nobody was connected for two hours. Its journal lies beside
it and ends with it in meaning: another sandbox has another port, and is another portal.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bulkstart.errors import UsageError
from bulkstart.journal import Journal, new_run_id
from bulkstart.portal import Portal
from bulkstart.settings import journal_path, read_env_file, settings
from bulkstart.spawning import fresh, private, spawn, text_of

IDLE = 7200.0
"""Seconds without a connection behind which such a portal ends."""
WEEK = 7 * 86_400.0
JOURNAL = "journal.sqlite"
_WAIT = 60.0
"""Seconds that it may take to begin."""
_ANNOUNCED, _ERRORS, LEDGER = "portal.env", "errors.log", "ledger.jsonl"


def lasting_sandbox(
    scenario: str | os.PathLike[str] | Mapping[str, Any] | None = None, *, dialect: str = "vibecode", idle: float = IDLE
) -> Portal:
    """A new sandbox portal in a process of its own, with a journal and a ledger (``ledger.jsonl``) beside it; waits until it answers.

    ``scenario``: a scenario file or its content (``simulator/SCENARIOS.md``). Raises ``UsageError``.
    """
    folder = _new_folder()
    words = ["sandbox", "--port=0", f"--idle={idle}", f"--ledger={folder / LEDGER}"]
    if isinstance(scenario, Mapping):
        with fresh(folder / "scenario.json") as file:
            file.write(json.dumps(dict(scenario)).encode())
        scenario = folder / "scenario.json"
    words += [f"--scenario={Path(scenario).absolute()}"] if scenario is not None else []
    codes: list[int] = []
    spawn(words, {}, folder / _ANNOUNCED, folder / _ERRORS, codes.append)
    until = time.monotonic() + _WAIT
    while "Ctrl-C" not in (said := text_of(folder / _ANNOUNCED)):  # its last line
        if codes or time.monotonic() > until:
            raise UsageError(f"the sandbox portal did not begin: {text_of(folder / _ERRORS).strip() or 'it says nothing'}")
        time.sleep(0.02)
    return _named(said, folder, dialect)


def journal_with(run_id: str) -> Path | None:
    """The journal that knows a run: the user's, else that of a lasting sandbox; ``None`` where none of them does."""
    beside = [folder / JOURNAL for folder in _folders()]
    for path in (journal_path(None, settings()).absolute(), *reversed(beside)):
        if path.exists():
            with contextlib.closing(Journal(path)) as journal:
                seen = journal.glance(run_id)
            if seen.entry is not None or seen.told is not None:
                return path
    return None


def sandbox_beside(journal: Path, *, dialect: str = "vibecode") -> Portal | None:
    """The lasting sandbox portal that a journal belongs to, which may have ended since; ``None`` for any other journal."""
    said = text_of(journal.parent / _ANNOUNCED)
    return _named(said, journal.parent, dialect) if journal.name == JOURNAL and said else None


def _named(said: str, folder: Path, dialect: str) -> Portal:
    return replace(_portal(read_env_file(said), dialect), journal=folder / JOURNAL, is_sandbox=True)


def _beside() -> Path:
    return journal_path(None, settings()).absolute().with_name("sandbox")


def _folders() -> list[Path]:
    """The folders of lasting sandboxes, the oldest first."""
    return sorted(path for path in _beside().glob("*") if path.is_dir())


def _new_folder() -> Path:
    """A place for a new one; what was left by those that nobody used for a week is removed."""
    for folder in _folders():
        with contextlib.suppress(OSError):
            if time.time() - (folder / LEDGER).stat().st_mtime > WEEK:
                shutil.rmtree(folder, ignore_errors=True)
    while True:
        with contextlib.suppress(FileExistsError):
            return private(_beside() / new_run_id(), new=True)


def _portal(found: Mapping[str, str], dialect: str) -> Portal:
    given = {name.removeprefix("BULKSTART_").lower(): value for name, value in found.items()}
    if dialect == "native" and "webhook_url" in given:
        return Portal.native(webhook_url=given["webhook_url"])
    if dialect == "vibecode":
        return Portal.vibecode(api_key=given["api_key"], session_token=given.get("session_token"), base_url=given["base_url"])
    raise UsageError(f"dialect must be vibecode, or native where the scenario has a webhook, not {dialect!r}")
