"""Talking to a sandbox portal over real sockets with nothing but http.client and socket."""

import contextlib
import http.client
import json
import socket
import threading
import time

import pytest

from bulkstart.simulator import Sandbox
from tests.simulator.rest_talk import Rest

INSTANT = [
    {"id": 713, "name": "Deal", "documentType": "deal"},
    {"id": 714, "name": "Lead", "documentType": "lead"},
]


class Reply:
    """An answer that came whole."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, {name.lower(): value for name, value in headers}, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json["error"]["code"]

    @property
    def error(self):
        return self.json["error"]


class Talk:
    """One sandbox and its client. ``start`` and ``ask`` use one kept-alive connection for each thread."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.key = sandbox.api_key
        self.session = sandbox.session_token
        self._local = threading.local()

    def headers(self):
        found = {"X-Api-Key": self.key, "Content-Type": "application/json"}
        if self.session:
            found["Authorization"] = f"Bearer {self.session}"
        return found

    def ask(self, method, path, body=None, *, headers=None, timeout=5.0):
        """One request; an exception where no whole answer came."""
        kept = getattr(self._local, "connection", None)
        if kept is None:
            kept = self._local.connection = http.client.HTTPConnection("127.0.0.1", self.sandbox.port)
        kept.timeout = timeout
        if kept.sock:
            kept.sock.settimeout(timeout)
        payload = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        try:
            kept.request(method, f"/v1{path}", payload, self.headers() if headers is None else headers)
            answer = kept.getresponse()
            return Reply(answer.status, answer.getheaders(), answer.read())
        except BaseException:
            kept.close()
            raise

    def start(self, entity=1, template=713, kind="deal", **more):
        options = {name: more.pop(name) for name in ("headers", "timeout") if name in more}
        sent = {"templateId": template, "entityType": kind, "entityId": entity, **more}
        return self.ask("POST", "/workflows/start", sent, **options)

    def request_bytes(self, entity=1, template=713, extra=""):
        body = json.dumps({"templateId": template, "entityType": "deal", "entityId": entity}).encode()
        head = (
            f"POST /v1/workflows/start HTTP/1.1\r\nHost: x\r\nX-Api-Key: {self.key}\r\nContent-Type: application/json\r\n{extra}"
        )
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def raw(self, sent, timeout=0.15):
        """Send bytes on a fresh connection; what came back, and how it ended: ``fin``, ``rst`` or ``open``."""
        with socket.create_connection(("127.0.0.1", self.sandbox.port), timeout=5) as opened:
            opened.sendall(sent)
            return self.receive(opened, timeout)

    @staticmethod
    def receive(opened, timeout=0.15):
        opened.settimeout(timeout)
        got = b""
        try:
            while piece := opened.recv(65536):
                got += piece
        except TimeoutError:
            return got, "open"
        except ConnectionResetError:
            return got, "rst"
        return got, "fin"

    def lines(self, kind=None, on=None):
        return [line for line in self.sandbox.ledger() if kind in (None, line["kind"]) and on in (None, line["on"])]

    def committed(self):
        return [line["entityId"] for line in self.sandbox.commits()]


@pytest.fixture
def open_portal():
    """Makes sandbox portals; ``templates`` are instant ones unless the scenario says otherwise."""
    with contextlib.ExitStack() as stack:

        def make(scenario=None, **options):
            plain = {"templates": INSTANT, **(scenario or {})}
            return Talk(stack.enter_context(Sandbox(plain, **options)))

        yield make


@pytest.fixture
def until():
    """Ask again and again until something holds; fails after ``seconds``."""

    def wait(holds, seconds=3.0):
        deadline, pause = time.monotonic() + seconds, threading.Event()
        while time.monotonic() < deadline:
            found = holds()
            if found:
                return found
            pause.wait(0.01)
        raise AssertionError("it never came true")

    return wait


@pytest.fixture
def open_rest(open_portal):
    """Makes sandbox portals that are asked natively."""

    def make(scenario=None, **options):
        return Rest(open_portal(scenario, **options).sandbox)

    return make
