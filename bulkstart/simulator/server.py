"""The sandbox as a server on 127.0.0.1: in a thread of its own (``Sandbox``) or in the foreground (``serve``)."""

from __future__ import annotations

import asyncio
import errno
import functools
import itertools
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, Self

from .connection import Connection
from .front import Front
from .ledger import Ledger
from .reading import SandboxError
from .scenario import Scenario, load

_HOST = "127.0.0.1"
_BACKLOG = 1024
_LATER = 0.1
_LOOK_UP = None if os.name == "posix" else 0.5
"""Seconds; on Windows a select that waits does not hear Ctrl-C."""
_LOOK_IDLE = 5.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)

ScenarioSource = str | os.PathLike[str] | Mapping[str, Any] | None


class Listener:
    """One portal on one port, inside the running event loop."""

    def __init__(self, scenario: Scenario, ledger: Ledger) -> None:
        self._scenario = scenario
        self._ledger = ledger
        self._front = Front(scenario, ledger)
        self._front.desk.on_first_start = self._plan_outages
        self._requests = itertools.count(1)
        self._connections: set[_Tracked] = set()
        self._numbers = itertools.count(1)
        self._listening: socket.socket | None = None
        self._port = 0
        self._busy_at = asyncio.get_running_loop().time()

    @property
    def idle(self) -> float:
        """Seconds since the last connection was open."""
        now = asyncio.get_running_loop().time()
        if self._connections:
            self._busy_at = now
        return now - self._busy_at

    def left(self) -> None:
        """A connection has ended."""
        self._busy_at = asyncio.get_running_loop().time()

    @property
    def listens(self) -> bool:
        return self._listening is not None

    def open(self, listening: socket.socket) -> None:
        """Begin to accept on a socket that listens already.

        Not by asyncio's own server: a connection that it has accepted but not yet attached when it is closed stays open for ever.
        """
        self._listening, self._port = listening, listening.getsockname()[1]
        listening.setblocking(False)
        asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def close(self) -> None:
        """Stop listening and drop every connection, hanging ones too."""
        self._refuse()
        for connection in list(self._connections):
            connection.transport.abort()

    def go_down(self) -> None:
        """Nobody listens any more: idle connections are closed, the others behind their answers."""
        self._refuse()
        for connection in list(self._connections):
            connection.leave()

    def _refuse(self) -> None:
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listening.close()
            self._listening = None

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_BACKLOG):
            try:
                opened, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # out of descriptors: those who wait go on waiting
                loop = asyncio.get_running_loop()
                loop.remove_reader(listening)
                loop.call_later(_LATER, self._accept_again, listening)
                return
            self._front.spawn(self._take(opened, str(address[0])))

    def _accept_again(self, listening: socket.socket) -> None:
        if self._listening is listening:
            self.open(listening)

    async def _take(self, opened: socket.socket, ip: str) -> None:
        await asyncio.get_running_loop().connect_accepted_socket(lambda: self._connection(ip), opened)

    def _connection(self, ip: str) -> _Tracked:
        connection = _Tracked(self._front, self._ledger, next(self._numbers), self._requests.__next__, ip=ip)
        connection.known, connection.listener = self._connections, self
        return connection

    def _plan_outages(self, _first_start: float) -> None:
        loop = asyncio.get_running_loop()
        for outage in self._scenario.outages:
            loop.call_later(outage.start, self.go_down)
            loop.call_later(outage.end, self._come_back)

    def _come_back(self) -> None:
        if self._listening is None:
            self.open(bind(self._port))


class _Tracked(Connection):
    """A connection that its listener knows while it is open."""

    known: set[_Tracked]
    listener: Listener

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.known.add(self)
        if not self.listener.listens:  # it was accepted in the very moment when the listening ended
            self.leave()

    def connection_lost(self, exc: Exception | None) -> None:
        self.known.discard(self)
        self.listener.left()
        super().connection_lost(exc)


def bind(port: int) -> socket.socket:
    """Bind a socket to the port on 127.0.0.1 (0: any free one). Raises SandboxError with one sentence."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":  # elsewhere it would let two sandboxes share a port
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((_HOST, port))
        listening.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        listening.close()
        busy = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        reason = "is in use by another program" if busy else f"cannot be used ({error})"
        raise SandboxError(f"Port {port} on {_HOST} {reason}; choose another one, or 0 for any free one.") from None
    return listening


def open_ledger(path: str | os.PathLike[str] | None, *, keep: bool) -> Ledger:
    """Open the ledger on disk or in memory. Raises SandboxError with one sentence."""
    try:
        return Ledger(path, keep=keep)
    except OSError as error:
        raise SandboxError(f"The ledger {os.fspath(path or '')} cannot be written ({error.strerror}).") from None


class Sandbox:
    """A sandbox portal in a thread of its own, listening from the moment it is made until ``close``.

    ``scenario``: a file, a mapping, or ``None`` for the default scenario (SCENARIOS.md). ``port`` 0: any free one. ``ledger``: a
    file to write the ledger to, beside memory. Raises ScenarioError, or SandboxError for a busy port.
    """

    def __init__(self, scenario: ScenarioSource = None, *, port: int = 0, ledger: str | os.PathLike[str] | None = None) -> None:
        self._scenario = load(scenario)
        listening = bind(port)
        self._ledger = open_ledger(ledger, keep=True)
        self.port: int = listening.getsockname()[1]
        self.url = f"http://{_HOST}:{self.port}/v1"
        self.api_key = self._scenario.keys[0].key
        self.session_token = self._scenario.keys[0].first_session
        self.webhook_url = _webhook_url(self._scenario, self.port)
        self.oauth_settings = _oauth_settings(self._scenario, self.port)
        self._loop = asyncio.SelectorEventLoop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(listening,), name=f"sandbox-{self.port}", daemon=True)
        self._thread.start()
        self._ready.wait(5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ledger(self) -> list[dict[str, Any]]:
        """Every line of the ledger so far, in order."""
        return self._ledger.lines()

    def commits(self) -> list[dict[str, Any]]:
        """Return the starts that truly happened, in order."""
        return [line for line in self.ledger() if line["kind"] == "commit"]

    def close(self) -> None:
        """Stop at once, whatever hangs; may be called twice."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(1.0)

    def _run(self, listening: socket.socket) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(_serve(self._scenario, self._ledger, listening, self._stop, self._ready.set))


async def _serve(
    scenario: Scenario,
    ledger: Ledger,
    listening: socket.socket,
    stop: asyncio.Event,
    ready: Callable[[], None],
    idle: float | None = None,
) -> None:
    listener = Listener(scenario, ledger)
    listener.open(listening)
    ready()
    stopped = asyncio.ensure_future(stop.wait())
    while not stop.is_set() and (idle is None or listener.idle < idle):
        await asyncio.wait({stopped}, timeout=_LOOK_UP if idle is None else min(_LOOK_IDLE, idle / 4))
    listener.close()
    await asyncio.sleep(0)  # connections that end now still say so in the ledger
    ledger.close()


def serve(
    scenario: ScenarioSource = None,
    *,
    port: int = 8018,
    ledger: str | os.PathLike[str] | None = None,
    announce: Callable[[str], None] | None = None,
    idle: float | None = None,
) -> int:
    """Run a sandbox portal until SIGINT or SIGTERM, or until no connection was open for ``idle`` seconds; returns the exit code.

    ``announce`` is given each line that tells how to point the tool at it (default: printed and flushed). 0: ended cleanly;
    2: bad scenario, busy port or unwritable ledger, said in one sentence on standard error.
    """
    try:
        read = load(scenario)
        listening = bind(port)
        book = open_ledger(ledger, keep=False)
    except SandboxError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    say = announce or _print_now
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        introduce = functools.partial(_introduce, read, listening.getsockname()[1], say)
        runner.run(_until_signal(read, book, listening, introduce, idle))
    return 0


async def _until_signal(
    scenario: Scenario, ledger: Ledger, listening: socket.socket, ready: Callable[[], None], idle: float | None
) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    before: list[Any] = []
    if threading.current_thread() is threading.main_thread():
        before = [signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set)) for number in _SIGNALS]
    try:
        await _serve(scenario, ledger, listening, stop, ready, idle)
    finally:
        for number, earlier in zip(_SIGNALS, before, strict=False):
            signal.signal(number, earlier)


def _webhook_url(scenario: Scenario, port: int) -> str | None:
    """Return the address of the first webhook; ``None`` where there is none."""
    hooks = scenario.native.webhooks
    return f"http://{_HOST}:{port}/rest/{hooks[0].user}/{hooks[0].code}/" if hooks else None


def _oauth_settings(scenario: Scenario, port: int) -> dict[str, str]:
    """Return the settings that point the tool at the first application; empty where there is none."""
    if not scenario.native.applications:
        return {}
    first = scenario.native.applications[0]
    return {
        "BULKSTART_PORTAL_URL": f"http://{_HOST}:{port}",
        "BULKSTART_ACCESS_TOKEN": first.access_token,
        "BULKSTART_REFRESH_TOKEN": first.refresh_token,
        "BULKSTART_CLIENT_ID": first.client_id,
        "BULKSTART_CLIENT_SECRET": first.client_secret,
        "BULKSTART_OAUTH_URL": f"http://{_HOST}:{port}/oauth/token/",
    }


def _introduce(scenario: Scenario, port: int, say: Callable[[str], None]) -> None:
    first = scenario.keys[0]
    say("Sandbox portal: nothing here starts on a real portal. Point the tool at it with")
    say(f"BULKSTART_BASE_URL=http://{_HOST}:{port}/v1")
    say(f"BULKSTART_API_KEY={first.key}")
    if first.first_session:
        say(f"BULKSTART_SESSION_TOKEN={first.first_session}")
    webhook = _webhook_url(scenario, port)
    if webhook is not None:
        say("or, as native REST, with")
        say(f"BULKSTART_WEBHOOK_URL={webhook}")
    application = _oauth_settings(scenario, port)
    if application:
        say("or, as an OAuth application, with")
    for name, value in application.items():
        say(f"{name}={value}")
    say("Stop it with Ctrl-C.")


def _print_now(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
