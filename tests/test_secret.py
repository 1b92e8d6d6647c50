"""A secret is never seen: not in a text, not in a pickle, not in another library's log."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import pickle
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bulkstart.model import HttpCall
from bulkstart.secret import Secret, guard_logs, redact
from bulkstart.transport import Transport

PLANTED = "vibe_api_9PLANTED0123456789"


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        "{}".format,
        "{!r:>10}".format,
        lambda secret: f"{secret}",
        lambda secret: "%s %r" % (secret, secret),  # noqa: UP031  the old spelling is one of those that must not leak
        lambda secret: json.dumps({"key": secret}, default=str),
        lambda secret: str([secret, {secret: secret}]),
    ],
)
def test_no_spelling_of_a_secret_shows_it(show):
    shown = show(Secret(PLANTED))
    assert "PLANTED" not in shown
    assert "***" in shown


def test_only_reveal_gives_it_out():
    secret = Secret(PLANTED)
    assert secret.reveal() == PLANTED
    assert not hasattr(secret, "__dict__")


@pytest.mark.parametrize("copied", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_is_not_copied_out(copied):
    with pytest.raises(TypeError):
        copied(Secret(PLANTED))


def test_a_text_is_freed_of_every_living_secret_wherever_it_stands():
    secrets = [Secret(PLANTED), Secret("session-PLANTED")]
    text = f"{PLANTED}:{PLANTED} https://x/?a=session-PLANTED."
    assert redact(text) == "***:*** https://x/?a=***."
    assert len(secrets) == 2


def test_a_secret_that_begins_like_another_leaves_no_tail():
    secrets = [Secret(PLANTED[:length]) for length in range(10, len(PLANTED) + 1)]
    assert redact(PLANTED) == "***"
    assert len(secrets) == 18


def test_a_text_without_secrets_stays_as_it_is():
    secret = Secret("ab")
    assert redact("abacus") == "abacus"
    assert secret.reveal() == "ab"


def test_guarding_twice_is_guarding_once():
    guard_logs()
    before = {name: len(logging.getLogger(name).filters) for name in ("httpx", "httpcore.http11")}
    guard_logs()
    assert {name: len(logging.getLogger(name).filters) for name in before} == before


class _Echo(BaseHTTPRequestHandler):
    """Says every header back, in a header of its own and in the body, and names the key in the address it moved to."""

    def do_POST(self):
        said = self.headers["X-Api-Key"]
        body = json.dumps(dict(self.headers)).encode()
        self.send_response(302)
        self.send_header("X-Said", said)
        self.send_header("Location", f"https://elsewhere.example/{said}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        """Keep standard error clean."""


def test_no_log_of_the_http_libraries_holds_a_key_at_any_level(tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    root, log = logging.getLogger(), tmp_path / "debug.log"
    writer, level = logging.FileHandler(log), root.level
    root.addHandler(writer)
    root.setLevel(logging.DEBUG)
    secret = Secret(PLANTED)

    async def work():
        base = f"http://127.0.0.1:{server.server_port}/{PLANTED}"
        async with Transport(base, {"X-Api-Key": secret}, timeout=10, connections=2, loopback=True) as line:
            return await line.send(HttpCall("POST", "/workflows/start", body=b"{}"))

    try:
        answer = asyncio.run(work())
    finally:
        root.setLevel(level)
        root.removeHandler(writer)
        writer.close()
        server.shutdown()
        server.server_close()
    assert json.loads(answer.body)["X-Api-Key"] == PLANTED
    written = log.read_text()
    assert "receive_response_headers" in written
    assert "***" in written
    assert "PLANTED" not in written
