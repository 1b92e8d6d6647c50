"""The transport against raw servers: how far a call came is told truly, nothing is sent twice, and every wait has an end."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bulkstart.model import Answer, HttpCall, Lost
from bulkstart.secret import Secret
from bulkstart.transport import LARGEST_ANSWER, Transport
from tests.conftest import until
from tests.raw import Raw

START = HttpCall("POST", "/workflows/start", body=json.dumps({"entityId": 1}).encode())
GOOD = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def send(
    base: str, *calls: HttpCall, timeout: float = 2.0, loopback: bool = True, within: float | None = None
) -> list[Answer | Lost]:
    """Send calls one after the other on one transport."""

    async def sent() -> list[Answer | Lost]:
        headers = {"X-Api-Key": Secret("vibe_api_0123456789")}
        async with Transport(base, headers, timeout=timeout, connections=4, loopback=loopback) as line:
            return [await line.send(call, within=within) for call in calls]

    return asyncio.run(sent())


def lost(base: str, **options: Any) -> Lost:
    (found,) = send(base, START, **options)
    assert isinstance(found, Lost), found
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


# ------------------------------------------------------------------------------------------- nothing has left


def test_a_refused_connection_left_nothing():
    found = lost(f"http://127.0.0.1:{free_port()}/v1")
    assert (found.left, found.reason) == (False, "CONNECT_FAILED")


def test_a_name_that_nobody_knows_left_nothing():
    found = lost("https://nobody.invalid/v1", loopback=False)
    assert (found.left, found.reason) == (False, "CONNECT_FAILED")


def test_a_connection_that_is_never_accepted_left_nothing():
    """A full backlog: the system answers no SYN, as a firewall that drops would."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        held = [socket.socket() for _ in range(4)]
        try:
            for one in held:
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            found = lost(f"http://127.0.0.1:{full.getsockname()[1]}/v1", timeout=0.5)
        finally:
            for one in held:
                one.close()
    assert (found.left, found.reason) == (False, "CONNECT_TIMEOUT")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody vouches for but itself."""
    path = tmp_path_factory.mktemp("tls") / "own.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*words, "-keyout", path, "-out", f"{path}.crt", *names], check=True, capture_output=True, timeout=20)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_a_certificate_that_nobody_vouches_for_left_nothing_and_is_told_apart(certificate):
    with Raw(GOOD, tls=tls(certificate)) as server:
        found = lost(server.url)
    assert (found.left, found.reason) == (False, "TLS_CERTIFICATE")
    assert server.requests == 0


def test_a_certificate_named_in_ssl_cert_file_is_trusted_off_loopback_only(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with Raw(GOOD, tls=tls(certificate)) as server:
        (found,) = send(server.url, START, loopback=False)
        assert isinstance(found, Answer), found
        assert lost(server.url).reason == "TLS_CERTIFICATE"


def test_a_handshake_that_fails_left_nothing():
    with Raw(b"this is no TLS\r\n", read=False) as server:
        found = lost(server.url.replace("http", "https"))
    assert (found.left, found.reason) == (False, "CONNECT_FAILED")


def test_a_handshake_that_never_ends_left_nothing():
    with Raw(lambda _: server.closing.wait(5), read=False) as server:
        found = lost(server.url.replace("http", "https"), timeout=0.4)
    assert (found.left, found.reason) == (False, "CONNECT_TIMEOUT")


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 403 No\r\n\r\n"]
)
def test_a_proxy_that_refuses_to_connect_left_nothing(answer, monkeypatch):
    with Raw(answer) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        found = lost("https://portal.bitrix24.example/v1", loopback=False)
    assert (found.left, found.reason) == (False, "PROXY_REFUSED")
    assert proxy.received.startswith(b"CONNECT portal.bitrix24.example:443 ")
    assert b"vibe_api" not in proxy.received, "the key is for the portal alone"


def test_a_proxy_is_never_asked_for_this_machine(monkeypatch):
    with Raw(GOOD) as portal, Raw(GOOD) as proxy:
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        (found,) = send(portal.url, START)
    assert isinstance(found, Answer)
    assert (portal.requests, proxy.connections) == (1, 0)


# ------------------------------------------------------------------------------------------- something has left


def rst(opened: socket.socket) -> None:
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    opened.close()


def says(*pieces: bytes) -> Callable[[socket.socket], None]:
    """Send pieces, then close."""

    def talk(opened: socket.socket) -> None:
        for piece in pieces:
            opened.sendall(piece)

    return talk


AFTER: Mapping[str, tuple[Callable[[socket.socket], None], str]] = {
    "closed without a byte": (says(), "CONNECTION_RESET"),
    "reset without a byte": (rst, "CONNECTION_RESET"),
    "half a status line": (says(b"HTTP/1.1 20"), "CONNECTION_RESET BAD_ANSWER"),
    "headers and no body": (says(b"HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\n"), "BAD_ANSWER"),
    "half a body": (says(b"HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\n{"), "BAD_ANSWER"),
    "half a chunk": (says(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{"), "BAD_ANSWER"),
    "no chunk length": (says(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{"), "BAD_ANSWER"),
    "not HTTP": (says(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), "BAD_ANSWER"),
    "no gzip": (says(b"HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope"), "BAD_ANSWER"),
    "two lengths": (says(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"), "BAD_ANSWER"),
    "endless headers": (says(b"HTTP/1.1 201 Created\r\n" + b"X-A: b\r\n" * 40_000), "BAD_ANSWER CONNECTION_RESET"),
}


@pytest.mark.parametrize("name", AFTER)
def test_whatever_breaks_after_the_request_may_have_started_something(name):
    talk, reasons = AFTER[name]
    with Raw(talk) as server:
        found = lost(server.url)
    assert found.left
    assert found.reason in reasons.split()
    assert server.requests == 1, "a call is never sent twice"


def test_an_answer_that_never_comes_is_waited_for_no_longer_than_said():
    with Raw(lambda _: server.closing.wait(5)) as server:
        began = time.monotonic()
        found = lost(server.url, timeout=0.4)
    assert (found.left, found.reason) == (True, "READ_TIMEOUT")
    assert time.monotonic() - began < 2
    assert server.requests == 1


def test_a_body_that_drips_does_not_outlast_the_whole_wait():
    """Each byte comes in time; together they would take half a minute."""

    def drip(opened: socket.socket) -> None:
        opened.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 300\r\n\r\n")
        while not server.closing.wait(0.1):
            opened.sendall(b" ")

    with Raw(drip) as server:
        began = time.monotonic()
        found = lost(server.url, timeout=0.6)
    assert (found.left, found.reason) == (True, "READ_TIMEOUT")
    assert time.monotonic() - began < 2


def test_headers_that_drip_do_not_outlast_the_whole_wait():
    def drip(opened: socket.socket) -> None:
        opened.sendall(b"HTTP/1.1 201 Created\r\nX-Slow: ")
        while not server.closing.wait(0.1):
            opened.sendall(b"a")

    with Raw(drip) as server:
        assert lost(server.url, timeout=0.6).left


def test_a_question_may_have_a_shorter_wait_of_its_own():
    with Raw(lambda _: server.closing.wait(5)) as server:
        began = time.monotonic()
        assert lost(server.url, timeout=30, within=0.3).reason == "READ_TIMEOUT"
    assert time.monotonic() - began < 2


def test_an_answer_without_end_is_cut_at_a_bound():
    sent = 0

    def flood(opened: socket.socket) -> None:
        nonlocal sent
        opened.sendall(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n")
        block = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        while not server.closing.is_set():
            opened.sendall(block)
            sent += 0x10000

    with Raw(flood) as server:
        found = lost(server.url, timeout=20)
    assert (found.left, found.reason) == (True, "BAD_ANSWER")
    assert sent < LARGEST_ANSWER * 2


def test_a_small_answer_that_unpacks_without_end_is_cut_at_a_bound():
    import gzip  # noqa: PLC0415  beside its use

    bomb = gzip.compress(b" " * (LARGEST_ANSWER * 2), 9)
    answer = b"HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    with Raw(answer + bomb) as server:
        found = lost(server.url, timeout=20)
    assert (found.left, found.reason) == (True, "BAD_ANSWER")


def test_a_body_that_the_portal_does_not_read_may_have_started_something():
    """The portal reads the head and stops; a large body fills both buffers until the wait is over."""
    big = HttpCall("POST", "/workflows/start", body=b"{" + b" " * 30_000_000 + b"}")

    def stall(opened: socket.socket) -> None:
        opened.recv(10)
        server.closing.wait(10)

    with Raw(stall, read=False) as server:
        (found,) = send(server.url, big, timeout=0.8)
    assert isinstance(found, Lost)
    assert found.left
    assert found.reason in ("READ_TIMEOUT", "WRITE_TIMEOUT")


def test_two_starts_never_share_a_connection():
    """An answer that was left over on a connection would become another row's (decision 0004)."""

    def twice(opened: socket.socket) -> None:
        opened.sendall(GOOD + GOOD)

    with Raw(twice) as server:
        first, second = send(server.url, START, START)
        assert isinstance(first, Answer)
        assert isinstance(second, Answer)
        assert server.connections == 2


def test_an_answer_comes_as_it_was_sent():
    with Raw(b'HTTP/1.1 429 Slow\r\nRetry-After: 2\r\nX-RateLimit-Remaining: 0\r\nContent-Length: 8\r\n\r\n{"a": 1}') as server:
        (found,) = send(server.url, START)
    assert isinstance(found, Answer)
    assert (found.status, found.body) == (429, b'{"a": 1}')
    assert found.headers["retry-after"] == "2"
    head = server.received.split(b"\r\n\r\n")[0].lower()
    assert b"x-api-key: vibe_api_0123456789" in head
    assert b"content-type: application/json" in head
    assert b"expect:" not in head


def test_no_password_of_the_person_travels(tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login evil password secret\n")
    os.chmod(tmp_path / "netrc", 0o600)  # noqa: PTH101  as a person would
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with Raw(GOOD) as server:
        send(server.url, START, START, loopback=False)
    assert b"evil" not in server.received
    assert b"authorization" not in server.received.lower()


def test_a_call_that_is_cancelled_is_over_at_once():
    async def cancelled(url: str) -> float:
        async with Transport(url, {}, timeout=30, connections=1, loopback=True) as line:
            task = asyncio.create_task(line.send(START))
            await asyncio.to_thread(until, lambda: server.requests)
            began = time.monotonic()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return time.monotonic() - began

    with Raw(lambda _: server.closing.wait(5)) as server:
        assert asyncio.run(asyncio.wait_for(cancelled(server.url), 10)) < 1


def test_a_request_leaves_nothing_large_for_the_garbage_collector():
    """What is kept in circles is freed in one go, with the loop standing still: at 100,000 rows for a third of a second at a time."""
    with Raw(GOOD) as server:
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            answers = send(server.url, *[START] * 5)
            gc.collect()
            kept = [type(found).__module__.partition(".")[0] for found in gc.garbage]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
    assert len(answers) == 5
    assert not {"httpx", "httpcore", "h11", "bulkstart"} & set(kept)
