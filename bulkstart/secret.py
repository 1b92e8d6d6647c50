"""Values that must never be seen, and the filter that keeps them out of other libraries' logs."""

from __future__ import annotations

import logging
import weakref

_HIDDEN: weakref.WeakSet[Secret] = weakref.WeakSet()
_LOGGERS = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy", "httpcore.socks")
_SHORTEST = 6


class Secret:
    """A key, a session or an address that holds one: ``repr`` and ``str`` are ``***``; only ``reveal`` gives it out."""

    __slots__ = ("__weakref__", "_before", "_value")

    def __init__(self, value: str, *, before: str = "") -> None:
        self._value, self._before = value, before
        _HIDDEN.add(self)

    def reveal(self) -> str:
        """The value itself, behind its public beginning (``Bearer``); called by the transport alone."""
        return self._before + self._value

    def hide_in(self, text: str) -> str:
        """``text`` without the value."""
        return text.replace(self._value, "***") if len(self._value) >= _SHORTEST else text

    def __len__(self) -> int:
        return len(self._value)

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> str:
        raise TypeError("a secret is never pickled")


def redact(text: str) -> str:
    """``text`` with every living secret replaced by ``***``."""
    for secret in sorted(_HIDDEN, key=len, reverse=True):  # the longest first: one may begin like another
        text = secret.hide_in(text)
    return text


class _Redacting(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        shown = record.getMessage()
        clean = redact(shown)
        if clean != shown:
            record.msg, record.args = clean, ()
        return True


def guard_logs() -> None:
    """Make the HTTP libraries' loggers write no secret, whatever level the user sets. A second call changes nothing."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(found, _Redacting) for found in logger.filters):
            logger.addFilter(_Redacting())
