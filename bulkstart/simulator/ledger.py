"""The ledger: what truly happened, as JSON lines (SCENARIOS.md 13). Never readable through the simulated API."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .exchange import Attempt, Exchange
    from .portal import Workflow
    from .wire import Reply


class Ledger:
    """Writes each line whole and at once, to a file where a path is given; ``keep`` keeps the lines in memory, too."""

    def __init__(self, path: str | os.PathLike[str] | None, *, keep: bool) -> None:
        self._file = None if path is None else os.open(Path(path), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._lines: list[str] | None = [] if keep else None
        self._secrets: list[str] = []

    def hide(self, secrets: Iterable[str]) -> None:
        """Never write these from now on."""
        self._secrets = sorted({*self._secrets, *secrets}, key=len, reverse=True)

    def lines(self) -> list[dict[str, Any]]:
        """Everything this process wrote so far, in order."""
        return [json.loads(line) for line in list(self._lines or ())]

    def arrival(self, exchange: Exchange) -> None:
        line = self._begin("arrival", exchange)
        line["time"], line["mono"] = exchange.time, exchange.arrived
        line["digest"] = exchange.digest
        if exchange.starts is not None:
            line["starts"] = exchange.starts
        self._write(line)

    def commit(self, attempt: Attempt, workflow: Workflow, **facts: Any) -> None:
        """Write one start that happens, alone in its request or as a command of a batch."""
        line = self._begin("commit", attempt.exchange)
        line |= {"on": "start", **attempt.fields, "command": attempt.command, "position": attempt.position}
        line["workflowId"] = workflow.id
        line["rule"] = attempt.rule
        self._write({**line, **facts})

    def answer(self, exchange: Exchange, reply: Reply | None, done: str) -> None:
        """``reply`` ``None``: nothing was sent."""
        line = self._begin("answer", exchange)
        line["status"] = reply.status if reply else None
        line["code"] = reply.code if reply else None
        line["done"] = done
        line["rule"] = exchange.rule
        line["throttled"] = bool(reply and reply.throttled)
        if reply and reply.workflow_id:
            line["workflowId"] = reply.workflow_id
        if reply is not None and exchange.results is not None:
            line["results"] = exchange.results
        if exchange.on == "delete":
            line["erased"] = bool(reply and reply.erased)
        self._write(line)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @staticmethod
    def _begin(kind: str, exchange: Exchange) -> dict[str, Any]:
        head = exchange.head
        return {
            "kind": kind,
            "n": exchange.n,
            "conn": exchange.conn,
            "time": time.time(),
            "mono": time.monotonic(),
            "method": head.method,
            "path": head.path,
            "on": exchange.on,
            "dialect": exchange.dialect,
            **({"call": exchange.item} if exchange.dialect == "native" else {}),
            **exchange.fields,
        }

    def _write(self, line: dict[str, Any]) -> None:
        text = json.dumps(line)
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, "***")
        if self._file is not None:
            os.write(self._file, text.encode() + b"\n")
        if self._lines is not None:
            self._lines.append(text)
