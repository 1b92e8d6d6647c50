"""HTTP on the wire, the server as a thread and as a process, outages."""

import ast
import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from bulkstart import simulator
from bulkstart.simulator import Sandbox, SandboxError, serve
from bulkstart.simulator.ledger import Ledger
from bulkstart.simulator.scenario import load
from bulkstart.simulator.server import Listener, bind

ME = b"GET /v1/me HTTP/1.1\r\nX-Api-Key: vibe_api_sandbox_0123456789\r\n\r\n"


def statuses(got):
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", got)]


# ---------------------------------------------------------------------------------------------------- the wire


def test_a_connection_is_kept_alive(open_portal):
    talk = open_portal()
    for entity in range(1, 4):
        talk.start(entity)
    assert {line["conn"] for line in talk.lines()} == {1}


def test_pipelined_requests_are_answered_in_order(open_portal):
    slow = [{"id": 713, "run_seconds": 0.05}]
    talk = open_portal({"templates": slow})
    got, how = talk.raw(talk.request_bytes(1) + ME + talk.request_bytes(2) + ME, timeout=0.25)
    assert statuses(got) == [201, 200, 201, 200]
    assert how == "open"
    assert [(line["n"], line["kind"]) for line in talk.lines() if line["kind"] != "commit"] == [
        (number, kind) for number in (1, 2, 3, 4) for kind in ("arrival", "answer")
    ]


def test_a_request_that_comes_too_early_waits_for_its_turn(open_portal, until):
    talk = open_portal({"templates": [{"id": 713, "run_seconds": 0.1}]})
    with socket.create_connection(("127.0.0.1", talk.sandbox.port)) as opened:
        opened.sendall(talk.request_bytes(1))
        until(talk.committed)
        opened.sendall(ME)
        assert statuses(talk.receive(opened, 0.25)[0]) == [201, 200]


def test_a_request_may_come_byte_by_byte(open_portal):
    talk = open_portal()
    with socket.create_connection(("127.0.0.1", talk.sandbox.port)) as opened:
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in talk.request_bytes(7):
            opened.sendall(bytes([byte]))
        assert statuses(talk.receive(opened, 0.2)[0]) == [201]
    assert talk.committed() == [7]


def test_chunked_request_bodies(open_portal):
    talk = open_portal()
    head, _, body = talk.request_bytes(7).partition(b"\r\n\r\n")
    chunked = re.sub(rb"Content-Length: \d+", b"Transfer-Encoding: chunked", head) + b"\r\n\r\n"
    chunked += b"5\r\n" + body[:5] + b"\r\n%x;x=1\r\n" % (len(body) - 5) + body[5:] + b"\r\n0\r\n\r\n"
    assert statuses(talk.raw(chunked + ME, timeout=0.2)[0]) == [201, 200]


def test_close_and_http_1_0(open_portal):
    talk = open_portal()
    got, how = talk.raw(ME.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + ME)
    assert (statuses(got), how, b"Connection: close" in got) == ([200], "fin", True)
    got, how = talk.raw(ME.replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert (statuses(got), how) == ([200], "fin")


def test_expect_continue(open_portal):
    talk = open_portal()
    got, _ = talk.raw(talk.request_bytes(1, extra="Expect: 100-continue\r\n"), timeout=0.2)
    assert statuses(got) == [100, 201]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /v1/me HTTP/2\r\n\r\n", 505),
        (b"GET /v1/me HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET /v1/me HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET /v1/me HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET /v1/me HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST /v1/me HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    ],
)
def test_what_is_no_http_is_refused_and_the_connection_closed(open_portal, sent, status):
    got, how = open_portal().raw(sent, timeout=3)
    assert (statuses(got), how) == ([status], "fin")
    assert json.loads(got.partition(b"\r\n\r\n")[2])["success"] is False


def test_idle_connections_are_closed(open_portal):
    fin = open_portal({"connections": {"idle_close_seconds": 0.05}})
    assert fin.raw(ME, timeout=2)[1] == "fin"
    assert fin.raw(b"", timeout=2)[1] == "fin"
    rst = open_portal({"connections": {"idle_close_seconds": 0.05, "idle_close_with": "rst"}})
    assert rst.raw(ME, timeout=2)[1] == "rst"


def test_a_busy_connection_is_not_idle(open_portal):
    talk = open_portal({"templates": [{"id": 713, "run_seconds": 0.2}], "connections": {"idle_close_seconds": 0.05}})
    assert talk.start(1).status == 201


def test_a_connection_may_be_good_for_so_many_answers(open_portal):
    got, how = open_portal({"connections": {"max_requests": 2}}).raw(ME * 3, timeout=2)
    assert (statuses(got), how) == ([200, 200], "fin")
    assert got.count(b"Connection: close") == 1


def test_requests_run_side_by_side(open_portal):
    talk = open_portal({"templates": [{"id": 713, "run_seconds": 0.1}]})
    threads = [threading.Thread(target=talk.start, args=(entity,)) for entity in range(1, 9)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - begun < 0.5
    assert sorted(talk.committed()) == list(range(1, 9))


@pytest.mark.parametrize("dated", [True, False])
def test_answers_may_come_without_a_date(open_portal, dated):
    talk = open_portal({"switches": {"date_header": dated, "clock_skew_seconds": -7200}})
    for got in (talk.raw(ME)[0], talk.raw(b"nonsense\r\n\r\n")[0]):
        found = re.findall(rb"Date: (.*)\r\n", got)
        assert len(found) == dated
        for said in found:
            assert abs(parsedate_to_datetime(said.decode()).timestamp() - time.time() + 7200) < 5


# ---------------------------------------------------------------------------------------------------- outages


def test_in_an_outage_nobody_listens_and_afterwards_somebody_does(open_portal, until):
    talk = open_portal({"outages": [{"from": 0.1, "to": 0.25}]})
    kept = socket.create_connection(("127.0.0.1", talk.sandbox.port))
    kept.sendall(ME)
    assert statuses(kept.recv(65536)) == [200]
    talk.start(1)

    def refused():
        try:
            talk.raw(b"")
        except ConnectionRefusedError:
            return True
        return False

    assert until(refused)
    kept.settimeout(1)
    assert kept.recv(1) == b""  # the idle connection was closed
    kept.close()
    assert until(lambda: not refused())
    assert statuses(talk.raw(ME, timeout=0.1)[0]) == [200]


@pytest.mark.parametrize("steps", range(4))
def test_a_connection_that_comes_when_the_outage_begins_is_closed_at_once(steps):
    """In each of the steps of its acceptance; the client's own system has already told it that it is connected."""

    async def ended():
        loop, listener = asyncio.get_running_loop(), Listener(load({}), Ledger(None, keep=True))
        listening = bind(0)
        listener.open(listening)
        with socket.create_connection(listening.getsockname()) as opened:
            for _ in range(steps):
                await asyncio.sleep(0)
            loop.call_later(0, listener.go_down)
            opened.setblocking(False)
            try:
                return await asyncio.wait_for(loop.sock_recv(opened, 1), 1)
            except ConnectionResetError:
                return b""
            finally:
                listener.close()

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        assert runner.run(ended()) == b""


def test_a_request_that_an_outage_finds_at_work_is_the_last_of_its_connection(open_portal):
    talk = open_portal({"templates": [{"id": 713, "run_seconds": 0.2}], "outages": [{"from": 0.05, "to": 9}]})
    got, how = talk.raw(talk.request_bytes(1) + ME, timeout=2)
    assert (statuses(got), how) == ([201], "fin")
    assert b"Connection: close" in got


# ------------------------------------------------------------------------------------------- thread and process


def test_closing_is_prompt_whatever_hangs():
    sandbox = Sandbox({"faults": [{"answer": "hang"}], "templates": [{"id": 713, "run_seconds": 60}]})
    head = f"POST /v1/workflows/start HTTP/1.1\r\nX-Api-Key: {sandbox.api_key}\r\nContent-Length: 0\r\n\r\n".encode()
    hanging = [socket.create_connection(("127.0.0.1", sandbox.port)) for _ in range(5)]
    for opened in hanging:
        opened.sendall(head)
    begun = time.monotonic()
    sandbox.close()
    sandbox.close()
    assert time.monotonic() - begun < 1
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", sandbox.port))
    for opened in hanging:
        opened.close()


def test_the_default_portal_is_what_a_user_meets():
    with Sandbox() as sandbox:
        assert sandbox.url == f"http://127.0.0.1:{sandbox.port}/v1"
        assert (sandbox.api_key, sandbox.session_token) == ("vibe_api_sandbox_0123456789", None)
        assert sandbox.ledger() == sandbox.commits() == []


def test_a_busy_port_is_one_sentence(capsys):
    with Sandbox() as sandbox:
        with pytest.raises(SandboxError, match=rf"^Port {sandbox.port} on 127\.0\.0\.1 is in use"):
            Sandbox(port=sandbox.port)
        assert serve(port=sandbox.port) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_bad_scenario_is_one_sentence(tmp_path, capsys):
    bad = tmp_path / "bad.json"
    bad.write_text('{"limits": {"portal": {"rate": 1, "burst": 1, "refusal": "503"}}}')
    assert serve(bad, port=0) == 2
    said = capsys.readouterr().err
    assert said == f'{bad}: limits.portal.refusal: must be one of "RATE_LIMITED", "BITRIX_UNAVAILABLE", not "503".\n'


def test_an_unwritable_ledger_is_one_sentence(tmp_path, capsys):
    assert serve(port=0, ledger=tmp_path / "no" / "ledger.jsonl") == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_as_a_process_it_says_how_to_reach_it_and_ends_cleanly(tmp_path, number):
    scenario = tmp_path / "scenario.json"
    scenario.write_text(json.dumps({"keys": [{"key": "vibe_app_shop_0123456789"}], "native": {"applications": [{}]}}))
    command = [
        sys.executable,
        "-m",
        "bulkstart.simulator",
        "--port",
        "0",
        "--scenario",
        str(scenario),
        "--ledger",
        str(tmp_path / "book"),
    ]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(Path.cwd())}
    )
    lines = []
    while not lines or not lines[-1].startswith("Stop"):
        lines.append(running.stdout.readline())
    settings = dict(line.strip().split("=", 1) for line in lines if "=" in line)
    assert settings["BULKSTART_API_KEY"] == "vibe_app_shop_0123456789"
    assert settings["BULKSTART_SESSION_TOKEN"] == "vibe_session_sandbox"
    port = int(re.fullmatch(r"http://127\.0\.0\.1:(\d+)/v1", settings["BULKSTART_BASE_URL"])[1])
    assert settings["BULKSTART_WEBHOOK_URL"] == f"http://127.0.0.1:{port}/rest/1/sandboxcode0123456789/"
    assert settings["BULKSTART_OAUTH_URL"] == f"http://127.0.0.1:{port}/oauth/token/"
    with socket.create_connection(("127.0.0.1", port)) as opened:
        opened.sendall(b"GET /v1/me HTTP/1.1\r\n\r\n")
        assert statuses(opened.recv(65536)) == [401]
        running.send_signal(number)
        assert running.wait(5) == 0
    assert running.stderr.read() == ""
    assert len((tmp_path / "book").read_text().splitlines()) == 2


def test_it_shares_nothing_with_the_product():
    for path in Path(simulator.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 1 or (node.level == 0 and node.module.split(".")[0] in sys.stdlib_module_names), path
            elif isinstance(node, ast.Import):
                assert all(name.name.split(".")[0] in sys.stdlib_module_names for name in node.names), path


def test_it_ends_by_itself_when_nobody_was_connected_for_a_while():
    assert serve(port=0, idle=0.1, announce=lambda _: None) == 0


def test_it_is_not_idle_while_somebody_is_connected():
    async def work():
        listener = Listener(load(None), Ledger(None, keep=False))
        await asyncio.sleep(0.02)
        assert listener.idle >= 0.02
        connection = listener._connection("127.0.0.1")
        listener._connections.add(connection)
        assert listener.idle == 0.0
        await asyncio.sleep(0.02)
        assert listener.idle == 0.0
        listener._connections.discard(connection)
        listener.left()
        assert listener.idle < 10

    asyncio.run(work())
