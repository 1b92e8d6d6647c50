"""The embedded sandbox portal as a ``Portal``: a real loopback server, and a journal of its own that ends with it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkstart.errors import UsageError
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
def sandbox(
    scenario: str | os.PathLike[str] | dict[str, Any] | None = None, *, dialect: str = "vibecode"
) -> Iterator[SandboxPortal]:
    """A sandbox portal for as long as the block lasts; ``scenario``: a scenario file (its format: ``simulator/SCENARIOS.md``).

    ``dialect``: ``"vibecode"``, ``"native"`` (by webhook) or ``"oauth"``: the same portal, met by its other API.

    >>> with sandbox() as portal:
    ...     portal.loopback
    True
    """
    from bulkstart.simulator import Sandbox  # noqa: PLC0415  lazy: import bulkstart loads no simulator

    with (
        tempfile.TemporaryDirectory(prefix="bulkstart-sandbox-", ignore_cleanup_errors=True) as folder,
        Sandbox(scenario) as server,
    ):
        portal = _portal(server, dialect)
        known = {entry.name: getattr(portal, entry.name) for entry in fields(Portal)}
        known |= {"journal": Path(folder) / "journal.sqlite", "is_sandbox": True}
        yield SandboxPortal(**known, _server=server)


def _portal(server: Sandbox, dialect: str) -> Portal:
    if dialect == "native" and server.webhook_url:
        return Portal.native(webhook_url=server.webhook_url)
    if dialect == "oauth" and server.oauth_settings:
        found = {name.removeprefix("BULKSTART_").lower(): value for name, value in server.oauth_settings.items()}
        return Portal.oauth(**found)
    if dialect == "vibecode":
        return Portal.vibecode(api_key=server.api_key, session_token=server.session_token, base_url=server.url)
    raise UsageError(f"dialect must be vibecode, native or oauth, and stand in the scenario, not {dialect!r}")
