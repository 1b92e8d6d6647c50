"""Renewal over real loopback HTTP: one at a time, on disk before use, never asked for twice, never shown."""

from __future__ import annotations

import asyncio
import json
import logging
import stat
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from bulkstart.gateways.native import Native
from bulkstart.model import Answer, Denied, HttpCall, Lost, StartRequest
from bulkstart.oauth import Client, Tokens
from bulkstart.secret import Secret
from bulkstart.tokens import Renewer, TokenStore, authorised, token_file
from bulkstart.transport import Transport

ASKED = HttpCall("POST", "/profile", body=b"{}")
FIRST = ("access-token-0", "refresh/token+0")


class Server:
    """An authorisation server whose refresh tokens live once. ``tokens[n]`` is the pair after ``n`` renewals."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: list[tuple[int, bytes]] = []  # instead of the true ones
        self.open, self.came = threading.Event(), threading.Event()
        self.open.set()
        self.endpoint = ""
        server = self

        class Answering(BaseHTTPRequestHandler):
            def do_GET(self):
                query = parse_qs(urlsplit(self.path).query)
                server.asked.append(query["refresh_token"][0])
                server.came.set()
                server.open.wait(10)
                status, body = server.answers.pop(0) if server.answers else server.answer(query)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._http.server_address[1]}"

    def answer(self, query):
        token, secret = query["refresh_token"][0], query["client_secret"][0]
        if secret != "client&secret=1" or self.asked.count(token) > 1:
            return 400, b'{"error": "invalid_grant"}'
        number = len(self.asked)
        pair = {
            "access_token": f"access-token-{number}",
            "refresh_token": f"refresh/token+{number}",
            "client_endpoint": self.endpoint,
        }
        return 200, json.dumps(pair).encode()

    def close(self):
        self.open.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def server():
    found = Server()
    yield found
    found.close()


async def fetch(address):
    async with Transport(address, {}, timeout=5.0, connections=1, loopback=True) as line:
        return await line.send(HttpCall("GET", ""))


def pair(access=FIRST[0], refresh=FIRST[1]):
    return Tokens(Secret(access), Secret(refresh) if refresh else None)


@pytest.fixture
def path(tmp_path):
    return token_file(tmp_path / "journal.sqlite", "acme.bitrix24.ru", "local.57df90")


def renewer(server, path, tokens=None, **more):
    tokens = tokens or pair()
    client = Client("local.57df90", Secret("client&secret=1"), server.address)
    return Renewer(client, tokens, TokenStore(path, tokens.seed), more.pop("fetch", fetch), **more)


class Portal:
    """Answers calls by the token in their body; ``good`` are the tokens it takes."""

    def __init__(self, *good):
        self.good, self.seen = set(good), []

    async def send(self, call):
        token = json.loads(call.body)["auth"]
        self.seen.append(token)
        await asyncio.sleep(0)
        if token in self.good:
            return Answer(200, {}, b'{"result": "66e81a641752f8.56521481"}')
        return Answer(401, {}, b'{"error": "expired_token", "error_description": "The access token provided has expired."}')


def line(portal, found):
    return authorised(portal.send, found, Native(oauth=True).is_expired)


def test_a_token_is_renewed_only_after_the_portal_called_it_expired(server, path):
    async def work():
        found, portal = renewer(server, path), Portal(FIRST[0])
        assert (await line(portal, found)(ASKED)).status == 200
        assert server.asked == []
        portal.good = {"access-token-1"}
        assert (await line(portal, found)(ASKED)).status == 401
        assert server.asked == []
        assert (await line(portal, found)(ASKED)).status == 200
        assert server.asked == [FIRST[1]]
        assert portal.seen == [FIRST[0], FIRST[0], "access-token-1"]

    asyncio.run(work())


def test_many_calls_wait_for_one_renewal(server, path):
    async def work():
        found, portal = renewer(server, path), Portal("access-token-1")
        send = line(portal, found)
        assert [answer.status for answer in await asyncio.gather(*(send(ASKED) for _ in range(10)))] == [401] * 10
        assert [answer.status for answer in await asyncio.gather(*(send(ASKED) for _ in range(10)))] == [200] * 10
        assert server.asked == [FIRST[1]]

    asyncio.run(work())


def test_a_new_pair_is_on_disk_before_it_is_used_and_only_its_owner_may_read_it(server, path):
    on_disk = []

    async def work():
        found, portal = renewer(server, path), Portal("access-token-1")
        send = portal.send

        async def watched(call):
            if path.exists():
                on_disk.append(json.loads(path.read_text(encoding="utf-8"))["access"])
            return await send(call)

        portal.send = watched
        await line(portal, found)(ASKED)
        await line(portal, found)(ASKED)

    asyncio.run(work())
    assert on_disk == ["access-token-1"]
    assert list(path.parent.glob("*.json")) == [path]
    assert not list(path.parent.glob(".*"))
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_next_run_goes_on_with_the_pair_on_disk_unless_somebody_logged_in_anew(server, path):
    async def work():
        portal = Portal("access-token-1")
        found = renewer(server, path)
        await line(portal, found)(ASKED)
        await line(portal, found)(ASKED)
        later = renewer(server, path)
        assert (later.tokens.access.reveal(), later.tokens.refresh.reveal()) == ("access-token-1", "refresh/token+1")
        assert renewer(server, path, pair("new-access", "new-refresh")).tokens.access.reveal() == "new-access"

    asyncio.run(work())


def test_two_processes_renew_once_between_them(server, path):
    async def work():
        one, other = renewer(server, path), renewer(server, path)
        portal = Portal("access-token-1")
        for found in (one, other):
            await line(portal, found)(ASKED)
        answers = await asyncio.gather(line(portal, one)(ASKED), line(portal, other)(ASKED))
        assert [answer.status for answer in answers] == [200, 200]
        assert server.asked == [FIRST[1]]

    asyncio.run(work())


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, b'{"error": "invalid_grant"}', "invalid_grant"),
        (200, b'{"error": "wrong_client"}', "wrong_client"),
        (502, b"<html>", "OAUTH_UNREACHABLE"),
        (302, b"", "OAUTH_MOVED"),
    ],
)
def test_a_renewal_that_failed_is_never_asked_for_again_and_nothing_leaves_any_more(server, path, status, body, code):
    async def work():
        server.answers = [(status, body)]
        found, portal = renewer(server, path), Portal("access-token-1")
        send = line(portal, found)
        await send(ASKED)
        lost = await asyncio.gather(*(send(ASKED) for _ in range(5)))
        assert {(one.reason, one.left) for one in lost} == {(code, False)}
        assert len(server.asked) == len(portal.seen) == 1
        assert isinstance(found.refused, Denied)

    asyncio.run(work())


def test_an_answer_that_was_lost_is_a_renewal_that_failed_and_one_that_never_left_is_none(server, path):
    async def work():
        told = [Lost("CONNECT_FAILED", left=False, message="refused"), Lost("READ_TIMEOUT", left=True)]
        asked = []

        async def losing(address):
            asked.append(address)
            return told[len(asked) - 1]

        found = renewer(server, path, fetch=losing)
        send = line(Portal(), found)
        await send(ASKED)
        assert await send(ASKED) == told[0]
        assert found.refused is None
        assert (await send(ASKED)).reason == "OAUTH_UNREACHABLE"
        await send(ASKED)
        assert len(asked) == 2

    asyncio.run(work())


def test_a_new_token_that_was_never_valid_is_not_renewed_again(server, path):
    async def work():
        found, portal = renewer(server, path), Portal()
        send = line(portal, found)
        await send(ASKED)
        await send(ASKED)
        assert (await send(ASKED)).reason == "TOKEN_NEVER_VALID"
        assert len(server.asked) == 1

    asyncio.run(work())


def test_a_late_answer_to_the_old_token_does_not_renew_the_new_one(server, path):
    async def work():
        found = renewer(server, path)
        old = found.tokens
        found.expired(old)
        new = await found.ready()
        found.expired(old)
        assert await found.ready() is new
        assert len(server.asked) == 1

    asyncio.run(work())


def test_whoever_is_cancelled_does_not_cut_a_renewal_short(server, path):
    async def work():
        server.open.clear()
        found = renewer(server, path)
        found.expired(found.tokens)
        waiting = asyncio.create_task(found.ready())
        assert await asyncio.to_thread(server.came.wait, 5)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        server.open.set()
        await found.close()
        assert TokenStore(path, pair().seed).read().refresh.reveal() == "refresh/token+1"

    asyncio.run(work())


@pytest.mark.parametrize("missing", ["client", "refresh"])
def test_without_all_that_a_renewal_needs_the_run_stops_and_says_what_is_missing(server, path, missing):
    async def work():
        tokens = pair(refresh="") if missing == "refresh" else pair()
        client = None if missing == "client" else Client("x", Secret("client&secret=1"), server.address)
        found = Renewer(client, tokens, TokenStore(path, tokens.seed), fetch)
        send = line(Portal(), found)
        await send(ASKED)
        lost = await send(ASKED)
        assert lost.reason == "TOKENS_INCOMPLETE"
        assert "BULKSTART_REFRESH_TOKEN" in lost.message
        assert server.asked == []

    asyncio.run(work())


def test_without_an_access_token_the_first_call_waits_for_one(server, path):
    async def work():
        portal = Portal("access-token-1")
        assert (await line(portal, renewer(server, path, pair(access="")))(ASKED)).status == 200
        assert portal.seen == ["access-token-1"]

    asyncio.run(work())


def test_where_a_new_pair_could_not_be_kept_none_is_asked_for(server, path):
    async def work():
        path.parent.parent.mkdir(parents=True, exist_ok=True)
        path.parent.write_text("a file where the folder should be", encoding="utf-8")
        found = renewer(server, path)
        send = line(Portal("access-token-1"), found)
        await send(ASKED)
        assert (await send(ASKED)).reason == "TOKEN_STORE"
        assert server.asked == []

    asyncio.run(work())


def test_a_pair_that_could_not_be_kept_after_all_is_used_and_said(server, path):
    async def work():
        found, portal = renewer(server, path), Portal("access-token-1")
        path.mkdir(parents=True)  # a folder cannot be replaced by a file
        send = line(portal, found)
        await send(ASKED)
        assert (await send(ASKED)).status == 200
        assert found.unkept

    asyncio.run(work())


def test_a_portal_that_moved_stops_the_run_but_its_new_pair_is_kept(server, path):
    async def work():
        server.endpoint = "https://new.bitrix24.ru/rest/"
        found = renewer(server, path, portal_url="https://acme.bitrix24.ru")
        found.expired(found.tokens)
        denied = await found.ready()
        assert denied.code == "OAUTH_MOVED"
        assert TokenStore(path, pair().seed).read().access.reveal() == "access-token-1"

    asyncio.run(work())


@pytest.mark.parametrize("content", ["", "{", "[]", "5", '{"seed": "x"}', '{"seed": 5, "access": "a"}', "\udcff"])
def test_a_file_that_cannot_be_read_is_as_good_as_none(path, content):
    path.parent.mkdir(parents=True)
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert TokenStore(path, pair().seed).read() is None


def test_no_log_shows_a_secret(server, path, caplog):
    async def work():
        found, portal = renewer(server, path), Portal("access-token-1")
        send = line(portal, found)
        await send(ASKED)
        await send(ASKED)

    with caplog.at_level(logging.DEBUG):
        asyncio.run(work())
    assert "/oauth/token" in caplog.text or "***" in caplog.text
    for hidden in ("client&secret", "client%26secret", "refresh/token", "refresh%2Ftoken", "access-token"):
        assert hidden not in caplog.text


def test_a_start_is_signed_on_its_way(path):
    async def work():
        found = Renewer(None, pair(), TokenStore(path, "seed"), fetch)
        portal = Portal(FIRST[0])
        answer = await line(portal, found)(Native(oauth=True).start_call([StartRequest(1, "deal", 7)]))
        assert answer.status == 200

    asyncio.run(work())
