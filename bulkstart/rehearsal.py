"""A sandbox portal that outlives this process: what a panel rehearses on, so that its run, its resume and its undo still have a portal.

It is ``bulkstart sandbox`` in a process of its own, which ends by itself when nobody was connected for two hours. Its journal lies beside
it and ends with it in meaning: another sandbox has another port, and is another portal.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bulkstart.errors import UsageError
from bulkstart.journal import new_run_id
from bulkstart.portal import Portal
from bulkstart.settings import journal_path, read_env_file, settings
from bulkstart.spawning import fresh, private, spawn, text_of

IDLE = 7200.0
"""Seconds without a connection behind which such a portal ends."""
_WAIT = 30.0
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
    return replace(_portal(read_env_file(said), dialect), journal=folder / "journal.sqlite", is_sandbox=True)


def _new_folder() -> Path:
    beside = journal_path(None, settings()).absolute().with_name("sandbox")
    while True:
        try:
            return private(beside / new_run_id(), new=True)
        except FileExistsError:
            continue


def _portal(found: Mapping[str, str], dialect: str) -> Portal:
    given = {name.removeprefix("BULKSTART_").lower(): value for name, value in found.items()}
    if dialect == "native" and "webhook_url" in given:
        return Portal.native(webhook_url=given["webhook_url"])
    if dialect == "vibecode":
        return Portal.vibecode(api_key=given["api_key"], session_token=given.get("session_token"), base_url=given["base_url"])
    raise UsageError(f"dialect must be vibecode, or native where the scenario has a webhook, not {dialect!r}")
