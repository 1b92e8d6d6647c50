"""The embedded sandbox portal as a ``Portal``: a real loopback server, and a journal of its own that ends with it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkstart.portal import Portal

if TYPE_CHECKING:
    from bulkstart.simulator import Sandbox


@dataclass(frozen=True, slots=True)
class SandboxPortal(Portal):
    """A ``Portal`` on this machine that starts nothing real."""

    _server: Sandbox | None = field(default=None, repr=False)

    def ledger(self) -> list[dict[str, Any]]:
        """What truly happened, in order: one entry for each request's arrival, each commit and each answer."""
        return [] if self._server is None else self._server.ledger()


@contextmanager
def sandbox(scenario: str | os.PathLike[str] | dict[str, Any] | None = None) -> Iterator[SandboxPortal]:
    """A sandbox portal for as long as the block lasts; ``scenario``: a scenario file (its format: ``simulator/SCENARIOS.md``).

    >>> with sandbox() as portal:
    ...     portal.loopback
    True
    """
    from bulkstart.simulator import Sandbox  # noqa: PLC0415  lazy: import bulkstart loads no simulator

    with (
        tempfile.TemporaryDirectory(prefix="bulkstart-sandbox-", ignore_cleanup_errors=True) as folder,
        Sandbox(scenario) as server,
    ):
        portal = Portal.vibecode(api_key=server.api_key, session_token=server.session_token, base_url=server.url)
        known = {entry.name: getattr(portal, entry.name) for entry in fields(Portal)}
        known |= {"journal": Path(folder) / "journal.sqlite", "is_sandbox": True}
        yield SandboxPortal(**known, _server=server)
