"""Starts a second and CPU per start with no limit in the way, beside bare httpx posting the same bodies; 100 on the wire each.

    python -m tests.benchmarks.throughput [--rows 6000] [--pairs 5]      # about 3 minutes; writes throughput.md

Ours: the whole program, journal durable (``synchronous=FULL``), halts off, a connection for each start (decision 0004). Bare httpx: one
``AsyncClient`` as it comes, which keeps its connections, and nothing else: no journal, no reading of answers. Starts a second: by the
portal's ledger, first to last arrival. The two take turns; a ratio is that of one pair, on whatever else the machine did then.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmarks.figures import HERE, portal
from tests.benchmarks.scale import FREE, PROBE, called, environment

BARE = """
import asyncio, httpx, os, sys

async def main():
    ids = iter(range(1000, 1000 + int(sys.argv[1])))
    async with httpx.AsyncClient(headers={"X-Api-Key": os.environ["BULKSTART_API_KEY"]}, timeout=60) as client:
        async def work():
            for number in ids:
                body = {"templateId": 713, "entityType": "deal", "entityId": number}
                answer = await client.post(os.environ["BULKSTART_BASE_URL"] + "/workflows/start", json=body)
                assert answer.status_code == 201
        await asyncio.gather(*(work() for _ in range(100)))

asyncio.run(main())
"""


def measured(who: str, rows: int) -> dict[str, Any]:
    """One run of one of the two: starts a second, CPU per start in ms, for ours the commits' median in ms."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sheet, probed = folder / "sheet.csv", folder / "probe.json"
        sheet.write_text("entityId,templateId\n" + "".join(f"{1000 + n},713\n" for n in range(rows)), encoding="utf-8")
        ours = ["-c", PROBE, str(probed), str(sheet), "--json", "--max-unknown", "100", *FREE]
        with portal("free.json", folder) as found:
            got = called(
                [sys.executable, *(ours if who == "bulkstart" else ["-c", BARE, str(rows)])], environment(folder, found), folder
            )
            ledger = next(file for file in folder.iterdir() if "ledger" in file.name)
            lines = [json.loads(line) for line in ledger.read_text(encoding="utf-8").splitlines()]
        arrived = [line["mono"] for line in lines if line["on"] == "start" and line["kind"] == "arrival"]
        commits = json.loads(probed.read_text())["commits"] if probed.exists() else []
    assert (got["exit"], len(arrived)) == (0, rows), f"{who}: exit {got['exit']}, {len(arrived)} starts arrived"
    return {
        "rate": rows / (arrived[-1] - arrived[0]),
        "cpu": got["cpu"] / rows * 1e3,
        "commit": statistics.median(took for took, _ in commits) * 1e3 if commits else None,
        "events": statistics.mean(number for _, number in commits) if commits else None,
    }


def main() -> None:
    """Measure in pairs and write ``throughput.md``."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--rows", type=int, default=6000)
    words.add_argument("--pairs", type=int, default=5)
    asked = words.parse_args()
    lines, rates, costs = [], [], []
    for _ in range(asked.pairs):
        bare, ours = measured("httpx", asked.rows), measured("bulkstart", asked.rows)
        rates.append(ours["rate"] / bare["rate"])
        costs.append(ours["cpu"] / bare["cpu"])
        lines.append(
            f"| {ours['rate']:.0f} | {bare['rate']:.0f} | {rates[-1]:.2f} | {ours['cpu']:.2f} ms | {bare['cpu']:.2f} ms | {costs[-1]:.2f} "
            f"| {ours['commit']:.1f} ms of {ours['events']:.0f} events |"
        )
        print(lines[-1], flush=True)
    head = (
        f"# Throughput without limits\n\n`python -m tests.benchmarks.throughput`, {time.strftime('%Y-%m-%d')}, "
        f"{platform.python_implementation()} {platform.python_version()}, httpx {version('httpx')}, {os.cpu_count()} cores of a shared machine, "
        f"loopback, {asked.rows:,} rows, 100 on the wire, load average {os.getloadavg()[1]:.1f}. What is measured how: the script's docstring.\n"
        "CPU: whole process, start-up included.\n\n"
        "| starts a second, bulkstart | bare httpx | share | CPU per start, bulkstart | bare httpx | ratio | median commit |\n"
        "|---|---|---|---|---|---|---|\n"
    )
    last = f"\nMedians of {asked.pairs} pairs: {statistics.median(rates):.2f} of bare httpx's throughput, {statistics.median(costs):.2f} times its CPU.\n"
    (HERE / "throughput.md").write_text(head + "\n".join(lines) + "\n" + last, encoding="utf-8")
    print(last)


if __name__ == "__main__":
    main()
