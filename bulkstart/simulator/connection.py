"""One TCP connection: requests in, one after the other, answers out; a pipelined request waits for the answer before it."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from typing import TYPE_CHECKING, Any, cast

from .delivery import deliver
from .exchange import Exchange
from .wire import Head, Reply, WireError, encode_head, parse_head, take_chunks

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .front import Front
    from .ledger import Ledger

_ABORT = struct.pack("ii", 1, 0)
_AHEAD = 65_536
_LINGER = 1.0


class Connection(asyncio.Protocol):
    """The server's side of one connection."""

    def __init__(self, front: Front, ledger: Ledger, number: int, next_request: Callable[[], int], *, ip: str) -> None:
        self.front = front
        self.ledger = ledger
        self._number = number
        self._ip = ip
        self._next_request = next_request
        self._limits = front.scenario.limits
        self._rules = front.scenario.connections
        self._buffer = bytearray()
        self._exchange: Exchange | None = None
        self._continued = False
        self._busy = False
        self._paused = False
        self._deaf = False
        self._answered = 0
        self._leaving = False
        self._idle: asyncio.TimerHandle | None = None
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.open = True

    # ------------------------------------------------------------------------------------ asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._wait_idle(self._rules.idle_close_seconds)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._buffer += data
        if not self._busy:
            self._advance()
        elif len(self._buffer) > _AHEAD and not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the protocol's signature
        self.open = False
        self._stop_idle()
        if self._exchange is None:
            return
        self._exchange.gone = True
        if not self._busy:  # the body never came: the request arrived in part, and that is all that becomes of it
            self.ledger.arrival(self._exchange)
            self.ledger.answer(self._exchange, None, "gone")
            self._exchange = None

    def leave(self) -> None:
        """Close at once where no request is being worked on, else behind its answer."""
        self._leaving = True
        if self._exchange is None:
            self.close()

    # ---------------------------------------------------------------------------------------- requests in

    def _advance(self) -> None:
        try:
            while not self._busy and self.open and self._buffer:
                if self._exchange is None and not self._read_head():
                    return
                body = self._read_body()
                if body is None or self._exchange is None:
                    return
                self._exchange.body = body
                self._work(self._exchange)
        except WireError as error:
            self._refuse(error)

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if (len(self._buffer) if end < 0 else end) > self._limits.header_bytes:
            raise WireError(431, "HEADERS_TOO_LARGE")
        if end < 0:
            return False
        arrived, now = time.monotonic(), time.time()
        head = parse_head(bytes(self._buffer[:end]))
        del self._buffer[: end + 4]
        self._stop_idle()
        exchange = self._exchange = Exchange(self._next_request(), self._number, head, self._ip, arrived, now)
        self.front.admit(exchange)
        if head.length > self._limits.body_bytes:
            raise WireError(413, "BODY_TOO_LARGE")
        if self.front.resets_unread(exchange):
            self._busy = True
            self.ledger.arrival(exchange)
            self.ledger.answer(exchange, None, "reset")
            self.reset()
            return False
        if head.headers.get("expect", "").lower() == "100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _read_body(self) -> bytes | None:
        assert self._exchange is not None
        head = self._exchange.head
        if head.chunked:
            return take_chunks(self._buffer, self._limits.body_bytes)
        if len(self._buffer) < head.length:
            return None
        body = bytes(self._buffer[: head.length])
        del self._buffer[: head.length]
        return body

    def _refuse(self, error: WireError) -> None:
        """Answer what is no acceptable request, and close."""
        exchange = self._exchange
        if exchange is None:
            exchange = Exchange(self._next_request(), self._number, _NO_HEAD, self._ip, time.monotonic(), time.time())
        self._busy = True
        self._buffer.clear()
        self.ledger.arrival(exchange)
        reply = self.front.unreadable(error, exchange)
        self.ledger.answer(exchange, reply, "sent")
        self.transport.write(encode_head(reply, len(reply.body), (), close=True, date=self._date()) + reply.body)
        self._exchange = None
        self._deaf = True  # closing with bytes unread would be an RST, and the client would never see the answer
        self.transport.write_eof()
        asyncio.get_running_loop().call_later(_LINGER, self.close)

    # ----------------------------------------------------------------------------------------- answers out

    def _work(self, exchange: Exchange) -> None:
        self._busy = True
        result = self.front.handle(exchange)
        if isinstance(result, Reply):
            self._send(exchange, result)
        else:
            self.front.spawn(self._send_later(exchange, result))

    async def _send_later(self, exchange: Exchange, work: Coroutine[Any, Any, Reply]) -> None:
        try:
            reply = await work
        except Exception:  # a fault of the sandbox itself must be loud, not a hanging connection: it is raised on
            self.reset()
            raise
        self._send(exchange, reply)

    def _send(self, exchange: Exchange, reply: Reply) -> None:
        if exchange.gone or self.transport.is_closing():
            self.ledger.answer(exchange, None, "gone")
            return
        rest = deliver(self, exchange, reply)
        if rest is not None:
            self.front.spawn(rest)

    def head_of(self, exchange: Exchange, reply: Reply, length: int | None) -> bytes:
        """Status line and headers of an answer on this connection."""
        extra = (*exchange.headers, ("X-Request-Id", f"sandbox-{exchange.n}"))
        return encode_head(reply, length, extra, close=self.last(exchange), date=self._date())

    def _date(self) -> float | None:
        switches = self.front.scenario.switches
        return time.time() + switches.clock_skew_seconds if switches.date_header else None

    def last(self, exchange: Exchange) -> bool:
        """Whether this answer is the last one of the connection."""
        most = self._rules.max_requests
        return self._leaving or not exchange.head.keep_alive or (most is not None and self._answered + 1 >= most)

    def done(self, exchange: Exchange, idle_seconds: float | None = None) -> None:
        """Go on after an answer: close, or take the next request. ``idle_seconds``: then close after so much silence."""
        if self.last(exchange):
            self.close()
            return
        self._answered += 1
        self._exchange, self._busy = None, False
        self._wait_idle(self._rules.idle_close_seconds if idle_seconds is None else idle_seconds)
        if self._paused:
            self._paused = False
            self.transport.resume_reading()
        if self._buffer:
            asyncio.get_running_loop().call_soon(self._advance)

    # ---------------------------------------------------------------------------------------------- closing

    def close(self) -> None:
        self.transport.close()

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        self.transport.abort()

    def _wait_idle(self, seconds: float | None) -> None:
        if seconds is not None:
            self._idle = asyncio.get_running_loop().call_later(seconds, self._close_idle)

    def _close_idle(self) -> None:
        if self._exchange is None and not self._busy:
            (self.reset if self._rules.idle_close_with == "rst" else self.close)()

    def _stop_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None


_NO_HEAD = Head("?", "?", "", {}, 0, chunked=False, keep_alive=False)
