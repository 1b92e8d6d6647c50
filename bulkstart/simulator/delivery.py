"""How an answer leaves: whole, late, in pieces, cut, compressed, or not at all (SCENARIOS.md 11)."""

from __future__ import annotations

import asyncio
import dataclasses
import gzip
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from .connection import Connection
    from .exchange import Exchange
    from .wire import Reply

Rest: TypeAlias = Coroutine[Any, Any, None] | None
_CP1251 = "Запущено".encode("cp1251")


def deliver(to: Connection, exchange: Exchange, reply: Reply) -> Rest:
    """Send (or refuse to send) the answer; what takes time comes back as a coroutine. Writes the ledger's answer line first."""
    special = _WAYS.get(exchange.answer.kind)
    if special is not None:
        return special(to, exchange, reply)
    if to.front.scenario.switches.gzip and exchange.head.accepts_gzip() and reply.body:
        return _gzipped(to, exchange, reply)
    _whole(to, exchange, reply)
    return None


def _whole(to: Connection, exchange: Exchange, reply: Reply, idle_seconds: float | None = None) -> None:
    to.ledger.answer(exchange, reply, "sent")
    body = b"" if exchange.head.method == "HEAD" else reply.body
    to.transport.write(to.head_of(exchange, reply, len(reply.body)) + body)
    to.done(exchange, idle_seconds)


# ------------------------------------------------------------------------------------------ the reply, somehow


def _delayed(to: Connection, exchange: Exchange, reply: Reply) -> Rest:
    async def wait() -> None:
        await asyncio.sleep(exchange.answer.options["seconds"])
        if exchange.gone or to.transport.is_closing():
            to.ledger.answer(exchange, None, "gone")
        else:
            _whole(to, exchange, reply)

    return wait()


def _slow(to: Connection, exchange: Exchange, reply: Reply) -> Rest:
    async def trickle() -> None:
        to.ledger.answer(exchange, reply, "sent")
        to.transport.write(to.head_of(exchange, reply, len(reply.body)))
        pause = exchange.answer.options["seconds"] / max(1, len(reply.body))
        for place in range(len(reply.body)):
            await asyncio.sleep(pause)
            if exchange.gone or to.transport.is_closing():
                return
            to.transport.write(reply.body[place : place + 1])
        to.done(exchange)

    return trickle()


def _chunked(to: Connection, exchange: Exchange, reply: Reply) -> Rest:
    size = exchange.answer.options["bytes"]
    pieces = [reply.body[place : place + size] for place in range(0, len(reply.body), size)]
    to.ledger.answer(exchange, reply, "sent")
    to.transport.write(to.head_of(exchange, reply, None))
    for piece in pieces:
        to.transport.write(b"%x\r\n%s\r\n" % (len(piece), piece))
    to.transport.write(b"0\r\n\r\n")
    to.done(exchange)
    return None


def _gzipped(to: Connection, exchange: Exchange, reply: Reply) -> Rest:
    packed = dataclasses.replace(reply, body=gzip.compress(reply.body), headers=(*reply.headers, ("Content-Encoding", "gzip")))
    _whole(to, exchange, packed)
    return None


def _closing_idle(to: Connection, exchange: Exchange, reply: Reply) -> Rest:
    _whole(to, exchange, reply, idle_seconds=exchange.answer.options["after"])
    return None


def _half(exchange: Exchange, reply: Reply) -> bytes:
    kept = exchange.answer.options["bytes"]
    return reply.body[: len(reply.body) // 2 if kept is None else min(kept, max(0, len(reply.body) - 1))]


def _truncated(to: Connection, exchange: Exchange, reply: Reply) -> Rest:
    cut = dataclasses.replace(reply, body=_half(exchange, reply))
    to.ledger.answer(exchange, reply, "cut")
    to.transport.write(to.head_of(exchange, cut, len(cut.body)) + cut.body)
    to.done(exchange)
    return None


def _cut_off(to: Connection, exchange: Exchange, reply: Reply) -> Rest:
    body = b"" if exchange.answer.kind == "close_after_headers" else _half(exchange, reply)
    to.ledger.answer(exchange, reply, "cut")
    to.transport.write(to.head_of(exchange, reply, max(1, len(reply.body))) + body)
    (to.reset if exchange.answer.options["with"] == "rst" else to.close)()
    return None


def _wrong_charset(to: Connection, exchange: Exchange, reply: Reply) -> Rest:
    body = b'{"note":"%s",%s' % (_CP1251, reply.body[1:]) if reply.body.startswith(b"{") else _CP1251
    _whole(to, exchange, dataclasses.replace(reply, body=body))
    return None


# ---------------------------------------------------------------------------------------------------- nothing


def _hang(to: Connection, exchange: Exchange, _reply: Reply) -> Rest:
    to.ledger.answer(exchange, None, "hang")
    return None


def _close(to: Connection, exchange: Exchange, _reply: Reply) -> Rest:
    to.ledger.answer(exchange, None, "close")
    to.close()
    return None


def _reset(to: Connection, exchange: Exchange, _reply: Reply) -> Rest:
    to.ledger.answer(exchange, None, "reset")
    to.reset()
    return None


_WAYS: dict[str, Callable[[Connection, Exchange, Reply], Rest]] = {
    "delay": _delayed,
    "slow_loris": _slow,
    "chunked": _chunked,
    "gzip": _gzipped,
    "keepalive_close": _closing_idle,
    "truncated_json": _truncated,
    "close_mid_body": _cut_off,
    "close_after_headers": _cut_off,
    "wrong_charset": _wrong_charset,
    "hang": _hang,
    "close": _close,
    "reset_before_reading": _reset,
    "reset_after_reading": _reset,
}
"""Kinds that are not just a reply sent whole."""
