"""The door of the sandbox: which dialect a request speaks is told by its path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .desk import Desk
from .native import Native
from .vibecode import Gateway

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from .exchange import Exchange
    from .ledger import Ledger
    from .scenario import Scenario
    from .wire import Reply, WireError


class Front:
    """One portal with both its doors. Two steps for each request: ``admit`` when its head is complete, ``handle`` when its body is."""

    def __init__(self, scenario: Scenario, ledger: Ledger) -> None:
        self.scenario = scenario
        self.desk = Desk(scenario, ledger)
        self.spawn: Callable[[Coroutine[Any, Any, Any]], None] = self.desk.spawn
        self._gateway = Gateway(self.desk)
        self._native = Native(self.desk)
        ledger.hide([*self._gateway.secrets(), *self._native.secrets()])

    def admit(self, exchange: Exchange) -> None:
        """Limits, route and, where the head holds it, who asks; a refusal is kept until the body was read."""
        if exchange.head.path.startswith(("/rest/", "/oauth/")):
            exchange.dialect = "native"
        self._of(exchange).admit(exchange)

    def resets_unread(self, exchange: Exchange) -> bool:
        """Whether a fault rule resets this request before its body is read."""
        return self.desk.resets_unread(exchange)

    def handle(self, exchange: Exchange) -> Reply | Coroutine[Any, Any, Reply]:
        """Write the arrival, apply a fault rule, do the work. What waits comes back as a coroutine."""
        return self._of(exchange).handle(exchange)

    def unreadable(self, error: WireError, exchange: Exchange) -> Reply:
        """Answer what is no acceptable HTTP request."""
        return self._of(exchange).unreadable(error)

    def _of(self, exchange: Exchange) -> Gateway | Native:
        return self._native if exchange.dialect == "native" else self._gateway
