"""The sandbox portal: a Vibecode gateway and the portal behind it, simulated on real sockets (SCENARIOS.md, FACTS.md).

It shares no code with the rest of bulkstart, so that one mistake cannot hide on both sides of the wire.
"""

from __future__ import annotations

from .reading import SandboxError, ScenarioError
from .server import Sandbox, serve

__all__ = ["Sandbox", "SandboxError", "ScenarioError", "serve"]
