"""How many starts a second the sandbox portal serves on one core, limits off, ledger on disk.

    python tests/benchmarks/simulator_rate.py [STARTS] [CONNECTIONS]

The load comes from a process of its own over raw keep-alive sockets, one request at a time on each connection (no pipelining).
Prints starts per second of the server's CPU time, and of wall time (server and load share the machine). At most a minute.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]
SCENARIO = {"limits": {"per_document": 0}, "templates": [{"id": 713, "run_seconds": 0, "life_seconds": 0}]}
TIME_LIMIT = 60.0


def load(port: int, key: str, starts: int, connections: int) -> int:
    """Send ``starts`` starts over so many connections; returns how many were answered 201 before the time limit."""
    selector, sent, good, deadline = selectors.DefaultSelector(), 0, 0, time.monotonic() + TIME_LIMIT

    def request(number: int) -> bytes:
        body = b'{"templateId":713,"entityType":"deal","entityId":%d,"parameters":{"comment":"row %d"}}' % (number, number)
        head = f"POST /v1/workflows/start HTTP/1.1\r\nHost: sandbox\r\nX-Api-Key: {key}\r\n"
        return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    for _ in range(min(connections, starts)):
        opened = socket.create_connection(("127.0.0.1", port))
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sent += 1
        opened.sendall(request(sent))
        selector.register(opened, selectors.EVENT_READ)
    answered = 0
    while answered < starts and time.monotonic() < deadline:
        for event, _ in selector.select(1.0):
            ready = event.fileobj
            assert isinstance(ready, socket.socket)
            answer = ready.recv(65536)  # one answer of this size comes in one piece over loopback
            answered += 1
            good += answer.startswith(b"HTTP/1.1 201 ")
            if sent < starts:
                sent += 1
                ready.sendall(request(sent))
    return good


def cpu_seconds(process: int) -> float:
    """User and system time of a process so far (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main(starts: int, connections: int) -> dict[str, float]:
    """Serve, load, measure. Keys: ``starts``, ``good``, ``per_cpu_second``, ``per_wall_second``, ``lines``."""
    with tempfile.TemporaryDirectory() as folder:
        scenario, ledger = Path(folder, "scenario.json"), Path(folder, "ledger.jsonl")
        scenario.write_text(json.dumps(SCENARIO))
        command = [
            sys.executable,
            "-m",
            "bulkstart.simulator",
            "--port",
            "0",
            "--scenario",
            str(scenario),
            "--ledger",
            str(ledger),
        ]
        server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            port, key = 0, ""
            while not key:
                line = server.stdout.readline()
                assert line, "the sandbox ended at once"
                port = int(found[1]) if (found := re.search(r":(\d+)/v1", line)) else port
                key = found[1] if (found := re.search(r"API_KEY=(\S+)", line)) else ""
            before, begun = cpu_seconds(server.pid), time.perf_counter()
            driven = subprocess.run(
                [sys.executable, str(HERE), "--load", str(port), key, str(starts), str(connections)],
                check=True,
                capture_output=True,
                text=True,
                timeout=TIME_LIMIT + 10,
            )
            wall, cpu = time.perf_counter() - begun, cpu_seconds(server.pid) - before
        finally:
            server.terminate()
            server.wait(5)
        with ledger.open("rb") as lines:
            written = sum(1 for _ in lines)
    good = int(driven.stdout)
    return {"starts": starts, "good": good, "per_cpu_second": good / cpu, "per_wall_second": good / wall, "lines": written}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--load"]:
        sys.stdout.write(str(load(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))))
    else:
        figures = main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000, int(sys.argv[2]) if len(sys.argv) > 2 else 8)
        sys.stdout.write(json.dumps({name: round(value) for name, value in figures.items()}) + "\n")
