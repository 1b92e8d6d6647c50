"""HTTP/1.1 as bytes: request heads and chunked bodies in, replies out. No sockets here."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

_REASONS = {status.value: status.phrase for status in HTTPStatus}


class WireError(Exception):
    """What arrived is no HTTP request; ``status`` is what to answer before closing."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Head:
    """A request's first line and headers; header names in lower case, ``query`` still encoded."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    length: int
    chunked: bool
    keep_alive: bool

    def accepts_gzip(self) -> bool:
        return "gzip" in self.headers.get("accept-encoding", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the gateway says: status, body, headers besides the usual ones, and what the ledger shall know about it."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json; charset=utf-8"
    code: str | None = None
    workflow_id: str | None = None
    throttled: bool = False
    erased: bool | None = None


def parse_head(raw: bytes) -> Head:
    """Read a head without its closing blank line. Raises WireError for anything but a plain HTTP/1.0 or 1.1 request."""
    lines = raw.decode("latin-1").split("\r\n")
    try:
        method, target, version = lines[0].split(" ")
    except ValueError:
        raise WireError(400, "malformed request line") from None
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise WireError(505, "HTTP version not supported")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise WireError(400, "malformed header")
        key = name.lower()
        if key == "content-length" and key in headers and headers[key] != value.strip():
            raise WireError(400, "two Content-Length headers")
        headers[key] = value.strip()
    chunked = headers.get("transfer-encoding", "").lower() == "chunked"
    if "transfer-encoding" in headers and not chunked:
        raise WireError(501, "transfer coding not supported")
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise WireError(400, "malformed Content-Length")
    path, _, query = target.partition("?")
    connection = headers.get("connection", "").lower()
    keep_alive = "keep-alive" in connection if version == "HTTP/1.0" else "close" not in connection
    return Head(method, path, query, headers, int(length), chunked, keep_alive)


def take_chunks(buffer: bytearray, limit: int) -> bytes | None:
    """Cut a complete chunked body off the front of ``buffer``; ``None`` while it is incomplete. Raises WireError."""
    body, place = bytearray(), 0
    while True:
        end = buffer.find(b"\r\n", place)
        if end < 0:
            return None
        try:
            size = int(bytes(buffer[place:end]).split(b";")[0], 16)
        except ValueError:
            raise WireError(400, "malformed chunk") from None
        place = end + 2
        if size < 0 or len(body) + size > limit:
            raise WireError(413, "BODY_TOO_LARGE")
        if len(buffer) < place + size + 2:
            return None
        if size == 0:
            trailer = buffer.find(b"\r\n", place)  # trailers are not supported: the blank line must follow
            if trailer != place:
                raise WireError(400, "trailers are not supported")
            del buffer[: place + 2]
            return bytes(body)
        body += buffer[place : place + size]
        if buffer[place + size : place + size + 2] != b"\r\n":
            raise WireError(400, "malformed chunk")
        place += size + 2


_second, _date = 0, ""


def http_date(now: float) -> str:
    global _second, _date
    if int(now) != _second:
        _second, _date = int(now), formatdate(int(now), usegmt=True)
    return _date


def encode_head(
    reply: Reply, length: int | None, extra: tuple[tuple[str, str], ...], *, close: bool, date: float | None
) -> bytes:
    """Status line and headers with the closing blank line; ``length`` ``None``: chunked; ``date`` ``None``: no such header."""
    lines = [f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Unknown')}"]
    if date is not None:
        lines.append(f"Date: {http_date(date)}")
    if reply.content_type and (reply.body or reply.status != 204):
        lines.append(f"Content-Type: {reply.content_type}")
    if length is None:
        lines.append("Transfer-Encoding: chunked")
    elif reply.status != 204:
        lines.append(f"Content-Length: {length}")
    lines += [f"{name}: {value}" for name, value in extra]
    lines += [f"{name}: {value}" for name, value in reply.headers]
    if close:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def no_constant(name: str) -> Any:
    """Refuses ``NaN`` and ``Infinity``, which Python's json reads although JSON has none."""
    raise ValueError(f"{name} is not JSON")
