"""Send one call; never raise for what the network does. The only module that imports httpx.

No redirect is followed, nothing is sent twice: a POST whose answer is lost may have been carried out. ``Lost.left`` is false
only where httpx traced that it never began to send the request (measured: refused, DNS, TLS, pool, connect timeout).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from bulkstart.errors import UsageError
from bulkstart.model import Answer, HttpCall, Lost
from bulkstart.secret import Secret, guard_logs, redact
from bulkstart.version import VERSION

CONNECT_SECONDS = 10.0
LARGEST_ANSWER = 16 * 1024 * 1024


_ALONE = {"Connection": "close"}
"""No request shares its connection, questions neither: an answer that was left over on it would become a row's (decision 0004)."""


class _Trace:
    """How far a call came, by httpcore's own events; a proxy's CONNECT is not the request itself."""

    __slots__ = ("headers_came", "left")

    def __init__(self) -> None:
        self.left = False
        self.headers_came = False

    async def __call__(self, name: str, seen: Mapping[str, Any]) -> None:
        if name.endswith("send_request_headers.started"):
            request = seen.get("request")
            self.left = self.left or getattr(request, "method", b"") != b"CONNECT"
        elif name.endswith("receive_response_headers.complete") and self.left:
            self.headers_came = True


class _TooLargeError(Exception):
    pass


class Transport:
    """One portal's connections. ``headers`` hold the credentials; ``base`` is the address before every call's path."""

    def __init__(
        self, base: str | Secret, headers: Mapping[str, Secret], *, timeout: float, connections: int, loopback: bool
    ) -> None:
        guard_logs()
        self._base = base
        self._renewed: Mapping[str, Secret] = {}
        self._timeout = timeout
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=0)
        try:
            self._client = httpx.AsyncClient(
                headers={"User-Agent": f"bulkstart/{VERSION}", "Accept": "application/json"}
                | {name: value.reveal() for name, value in headers.items()},
                timeout=httpx.Timeout(timeout, connect=min(CONNECT_SECONDS, timeout), pool=None),
                limits=limits,
                follow_redirects=False,
                trust_env=not loopback,
            )
        except (ValueError, ImportError, OSError, httpx.InvalidURL) as error:
            text = f"the network settings cannot be used ({redact(str(error))}): check HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE"
            raise UsageError(text) from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._client.aclose()

    def renew(self, headers: Mapping[str, Secret]) -> None:
        """Use other credentials from the next call on."""
        self._renewed = headers  # a secret is hidden from logs for as long as it lives
        self._client.headers.update({name: value.reveal() for name, value in headers.items()})

    async def send(self, call: HttpCall, *, within: float | None = None) -> Answer | Lost:
        """The answer, or why there is none; ``within`` seconds, at most the line's own. Raises nothing but cancellation."""
        loop = asyncio.get_running_loop()
        trace, began = _Trace(), loop.time()
        try:
            async with asyncio.timeout(min(self._timeout, within or self._timeout)):
                return await self._exchange(call, trace, began)
        except Exception as error:  # noqa: BLE001  whatever a library raises, the row must be told by how far the request came
            reason = _reason(error, trace)
            return Lost(reason, left=trace.left, message=f"{reason}: {type(error).__name__}", seconds=loop.time() - began)

    async def _exchange(self, call: HttpCall, trace: _Trace, began: float) -> Answer:
        request = self._client.build_request(
            call.method,
            (self._base.reveal() if isinstance(self._base, Secret) else self._base) + call.path,
            params=list(call.query) or None,
            content=call.body,
            headers=_ALONE if call.body is None else _ALONE | {"Content-Type": "application/json"},
            extensions={"trace": trace},
        )
        response = await self._client.send(request, stream=True)
        try:
            body = bytearray()
            async for part in response.aiter_bytes():
                body += part
                if len(body) > LARGEST_ANSWER:
                    raise _TooLargeError
        finally:
            await response.aclose()
            response.stream = httpx.ByteStream(
                b""
            )  # httpx ties it to its response: a circle that would keep the whole connection
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, headers, bytes(body), asyncio.get_running_loop().time() - began)


def _reason(error: Exception, trace: _Trace) -> str:
    """Our word for what went wrong; before anything left it is about the connection, afterwards about the answer."""
    if not trace.left:
        return _unsent(error)
    if isinstance(error, TimeoutError | httpx.ReadTimeout):
        return "READ_TIMEOUT"
    if isinstance(error, httpx.WriteTimeout):
        return "WRITE_TIMEOUT"
    if isinstance(error, _TooLargeError | httpx.DecodingError) or trace.headers_came:
        return "BAD_ANSWER"
    if isinstance(error, httpx.RemoteProtocolError) and "disconnected" not in str(error):
        return "BAD_ANSWER"
    return "CONNECTION_RESET"


def _unsent(error: Exception) -> str:
    if isinstance(error, httpx.ProxyError):
        return "PROXY_REFUSED"
    if isinstance(error, TimeoutError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return "CONNECT_TIMEOUT"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "TLS_CERTIFICATE"
        cause = cause.__cause__ or cause.__context__
    return "CONNECT_FAILED" if isinstance(error, httpx.TransportError) else "REQUEST_NOT_BUILT"
