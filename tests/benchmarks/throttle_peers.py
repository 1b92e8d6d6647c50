"""Ready-made limiters beside our throttle: one script on bare httpx, the same rows, the same sandbox portal, in real time; its ledger judges.

    python -m tests.benchmarks.throttle_peers [--out tests/benchmarks/throttle_peers.md]     # about seven minutes, one limit after another

Only what lets a request leave differs: aiolimiter's leaky bucket, pyrate-limiter's token bucket and sliding window, and ``bulkstart.throttle``,
each told the same limit. 64 workers; a refused row waits for its ``Retry-After`` and goes again, which only our throttle is told. Share: seconds of
the ideal, (rows − burst) / what is left of the rate, or 60 s for each full window behind the first, over first to last arrival.
Needs aiolimiter and pyrate-limiter (extra ``dev``), or an interpreter that has them in ``BULKSTART_LIMITERS_PYTHON``; without them their lines say so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import SCENARIOS, portal
from tests.benchmarks.limits import TEMPLATE
from tests.conftest import ROOT

Json = dict[str, Any]
PYTHON = os.environ.get("BULKSTART_LIMITERS_PYTHON", sys.executable)
SCRIPT = """
import asyncio, httpx, json, os, random, sys
kind, rows, rate, burst, window = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5])
try:
    if kind == "aiolimiter":
        import aiolimiter
    elif kind == "pyrate-limiter":
        import pyrate_limiter
    else:
        import bulkstart.throttle as ours
except ImportError as error:
    print(json.dumps({"missing": str(error)}))
    raise SystemExit(0)

class Peer:
    def __init__(self, acquire):
        self.leave = acquire
    def answered(self, ticket, answer):
        pass

def of_aiolimiter():
    return Peer(aiolimiter.AsyncLimiter(burst, window or burst / rate).acquire)

def of_pyrate():
    if window:
        limiter = pyrate_limiter.Limiter(pyrate_limiter.Rate(int(burst), int(window * 1000)))
    else:
        told = pyrate_limiter.Rate(int(burst), int(1000 * burst / rate), burst=int(burst))
        limiter = pyrate_limiter.Limiter(pyrate_limiter.StateBucket([told], pyrate_limiter.TokenBucket()))
    return Peer(limiter.try_acquire_async)

class Ours:
    def __init__(self):
        self.now = asyncio.get_running_loop().time
        limits = ours.Limits(rate, burst, window=(int(burst), window) if window else None)
        self.throttle, self.turn = ours.Throttle(limits, self.now()), asyncio.Lock()
    async def leave(self):
        async with self.turn:
            while (at := self.throttle.next_leave(now := self.now())) > now:
                await asyncio.sleep(min(at - now, 0.05))
            return self.throttle.leave(now)
    def answered(self, ticket, answer):
        after = float(answer.headers["Retry-After"]) if "Retry-After" in answer.headers else None
        self.throttle.answered(ticket, self.now(), throttled=answer.status_code == 429, after=after, jitter=random.random())

async def main():
    limiter = of_aiolimiter() if kind == "aiolimiter" else of_pyrate() if kind == "pyrate-limiter" else Ours()
    ids = iter(range(1, rows + 1))
    async with httpx.AsyncClient(headers={"X-Api-Key": os.environ["BULKSTART_API_KEY"]}, timeout=60, trust_env=False) as client:
        async def work():
            for entity in ids:
                body = {"templateId": 713, "entityType": "deal", "entityId": entity}
                while True:
                    ticket = await limiter.leave()
                    answer = await client.post(os.environ["BULKSTART_BASE_URL"] + "/workflows/start", json=body)
                    limiter.answered(ticket, answer)
                    if answer.status_code != 429:
                        assert answer.status_code == 201, answer.text
                        break
                    await asyncio.sleep(float(answer.headers.get("Retry-After", 1)))
        await asyncio.gather(*(work() for _ in range(64)))
    print(json.dumps({"ended": True}))
asyncio.run(main())
"""
CASES: dict[str, tuple[Json, int, float, float, float, float]] = {
    # name: the portal's limits, rows, rate told, burst told, window told, ideal seconds
    "10+10/s": ({"portal": {"rate": 10, "burst": 10}}, 500, 10, 10, 0, 49.0),
    "50+2/s": ({"portal": {"rate": 2, "burst": 50}}, 200, 2, 50, 0, 75.0),
    "50+50/s": ({"portal": {"rate": 50, "burst": 50}}, 2000, 50, 50, 0, 39.0),
    "300 in 60 s": ({"platform": {"requests": 300, "seconds": 60}}, 600, 300, 300, 60, 60.0),
    "50+20/s, half of it taken by another program": (
        {"portal": {"rate": 20, "burst": 50, "foreign": [{"from": 0, "to": None, "rate": 10}]}}, 1000, 20, 50, 0, 95.0
    ),
    "told 10+10/s, true 5+5/s": ({"portal": {"rate": 5, "burst": 5}}, 400, 10, 10, 0, 79.0),
}  # fmt: skip
CONTENDERS = ("aiolimiter", "pyrate-limiter", "bulkstart.throttle")


def scenario_of(name: str) -> Path:
    """Where the portal of a case is written down."""
    return SCENARIOS / f"throttle-{list(CASES).index(name) + 1}.json"


def write_scenarios() -> None:
    """The scenario files, said once; they are committed as they come out here."""
    for name, (limits, *_) in CASES.items():
        content = {"comment": name, "seed": 1, "templates": [TEMPLATE], "me": {"requests_per_second": None}}
        text = json.dumps({**content, "limits": {"per_document": 0, **limits}}, indent=1)
        scenario_of(name).write_text(text + "\n", encoding="utf-8")


def once(run: tuple[str, str]) -> Json:
    """One contender at one limit."""
    name, kind = run
    _, rows, rate, burst, window, ideal = CASES[name]
    with tempfile.TemporaryDirectory(prefix="peers-") as place:
        folder = Path(place)
        with portal(scenario_of(name).name, folder) as found:
            words = [PYTHON, "-c", SCRIPT, kind, *map(str, (rows, rate, burst, window))]
            env = os.environ | found | {"PYTHONPATH": str(ROOT)}
            said = subprocess.run(words, env=env, capture_output=True, text=True, timeout=900, check=False)
        if not said.stdout:
            return {"said": said.stderr.strip().splitlines()[-1] if said.stderr.strip() else "ended without a word"}
        if "missing" in json.loads(said.stdout):
            return {"said": f"not measured: {json.loads(said.stdout)['missing']}"}
        ledger = [json.loads(line) for line in (folder / "ledger.jsonl").read_text(encoding="utf-8").splitlines()]
    arrivals = [line for line in ledger if line["kind"] == "arrival" and line["on"] == "start"]
    refused = sum(line["kind"] == "answer" and bool(line.get("throttled")) for line in ledger)
    taken = arrivals[-1]["mono"] - arrivals[0]["mono"]
    return {"share": ideal / taken, "refused": refused, "requests": len(arrivals), "seconds": taken}


def lines(found: dict[tuple[str, str], Json]) -> Iterator[str]:
    """The table."""
    yield "| limit | rows |" + "".join(f" {kind}: share of the ideal | refused |" for kind in CONTENDERS)
    yield "|---|---|" + "---|" * (2 * len(CONTENDERS))
    for name in dict.fromkeys(name for name, _ in found):
        cells = ""
        for kind in CONTENDERS:
            one = found[name, kind]
            cells += (
                f" {one['share']:.3f} | {one['refused']} ({one['refused'] / one['requests']:.1%}) |"
                if "share" in one
                else f" {one['said']} | |"
            )
        yield f"| {name} | {CASES[name][1]:,} |{cells}"


def versions() -> str:
    """Of the limiters, as their interpreter has them."""
    code = "from importlib.metadata import version\nfor n in ('aiolimiter','pyrate-limiter','httpx'):\n try: print(n, version(n), end=', ')\n except ImportError: print(n, 'not installed', end=', ')"
    return subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=False).stdout.rstrip(", ")


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help="the words that a case's name begins with")
    parser.add_argument("--out", type=Path, help="a Markdown file to write")
    given = parser.parse_args()
    write_scenarios()
    runs = [(name, kind) for name in CASES if name.startswith(tuple(given.cases or ("",))) for kind in CONTENDERS]
    with ThreadPoolExecutor(len(CONTENDERS)) as pool:  # one limit at a time: who begins while eighteen others begin measures them
        found = dict(zip(runs, pool.map(once, runs), strict=True))
    text = "\n".join(
        [
            "# Last figures of throttles on bare httpx",
            "",
            f"`python -m tests.benchmarks.throttle_peers`, {time.strftime('%Y-%m-%d')}, CPython {platform.python_version()}, {versions()},",
            f"{os.cpu_count()} cores of a shared machine, loopback, real time, one run each, one limit at a time. What is compared stands at the head of `throttle_peers.py`.",
            "",
            *lines(found),
            "",
        ]
    )
    print(text)
    if given.out:
        given.out.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
