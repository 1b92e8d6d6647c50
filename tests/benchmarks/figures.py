"""The figures of the main job: one run after another against the sandbox portal as a process of its own, judged by its ledger.

    python tests/benchmarks/figures.py [CASE …]        # all cases: about 45 minutes; --list names them

Ideal time = (requests − burst) / rate; taken = first to last arrival of start requests, throttled ones included; from row 200 on:
accepted starts / time / true rate. Refused = throttled answers / start requests. Loopback only; every process started here is ended here.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SCENARIOS = HERE / "scenarios"
FREE = ["--halt-doubts", "0", "--halt-same", "0", "--halt-percent", "0"]
CASES: dict[str, tuple[str, int, list[str], float, float]] = {
    # name: scenario, rows, options, true rate, true burst
    "told-by-options": ("rate10-unstated.json", 500, ["--rate", "10", "--burst", "10"], 10, 10),
    "told-by-me": ("rate10-stated.json", 500, [], 10, 10),
    "untold-half": ("rate2.5-retry-after.json", 1000, [], 2.5, 2.5),
    "untold-same": ("rate5-retry-after.json", 1000, [], 5, 5),
    "untold-four-times": ("rate20-retry-after.json", 1000, [], 20, 20),
    "untold-half-silent": ("rate2.5-silent.json", 1000, [], 2.5, 2.5),
    "untold-same-silent": ("rate5-silent.json", 1000, [], 5, 5),
    "untold-four-times-silent": ("rate20-silent.json", 1000, [], 20, 20),
    "lost-answers": ("lost-answers.json", 500, ["--rate", "200", "--burst", "50", *FREE], 200, 50),
    "lost-answers-halts": ("lost-answers.json", 500, ["--rate", "200", "--burst", "50"], 200, 50),
}


def write_scenarios() -> None:
    """The scenario files, said once; they are committed as they come out here."""
    template = [{"id": 713, "name": "Figures", "parameters": [], "run_seconds": [0.03, 0.08], "life_seconds": 20}]
    SCENARIOS.mkdir(exist_ok=True)

    def save(name: str, **more: Any) -> None:
        text = json.dumps({"seed": 1, "templates": template} | more, indent=1)
        (SCENARIOS / name).write_text(text + "\n", encoding="utf-8")

    for rate in (2.5, 5, 20):
        for kind, told in (("retry-after", True), ("silent", False)):
            limit = {"rate": rate, "burst": rate, "retry_after_header": told, "retry_after_body": told}
            save(f"rate{rate}-{kind}.json", me={"requests_per_second": None}, limits={"portal": limit})
    save("rate10-unstated.json", me={"requests_per_second": None}, limits={"portal": {"rate": 10, "burst": 10}})
    save("rate10-stated.json", limits={"portal": {"rate": 10, "burst": 10}})
    lost = [
        {"probability": 0.1, "committed": True, "answer": "close"},
        {"probability": 0.111, "committed": False, "answer": "close"},
    ]
    save("lost-answers.json", seed=11, faults=lost)
    save("free.json", limits={"per_document": 0})


@contextlib.contextmanager
def portal(scenario: str, folder: Path, until: str = "BULKSTART_API_KEY") -> Iterator[dict[str, str]]:
    """The sandbox portal as a process; yields the settings that point a program at it, as soon as it has printed ``until``."""
    words = [sys.executable, "-m", "bulkstart", "sandbox", "--port", "0", "--scenario", str(SCENARIOS / scenario)]
    process = subprocess.Popen([*words, "--ledger", str(folder / "ledger.jsonl")], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    found: dict[str, str] = {}
    try:
        while until not in found:
            line = process.stdout.readline()
            assert line, "the sandbox portal ended"
            found |= dict(re.findall(r"(BULKSTART_\w+)=(\S+)", line))
        yield found
    finally:
        process.terminate()
        process.wait(10)


def once(case: str) -> dict[str, Any]:
    """One run of a case."""
    scenario, rows, options, rate, burst = CASES[case]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sheet = folder / "sheet.csv"
        sheet.write_text("entityId,templateId\n" + "".join(f"{1000 + n},713\n" for n in range(rows)), encoding="utf-8")
        with portal(scenario, folder) as found:
            words = [sys.executable, "-m", "bulkstart", str(sheet), "--yes", "--json", *options]
            env = (
                os.environ
                | found
                | {"BULKSTART_JOURNAL": str(folder / "journal.sqlite"), "BULKSTART_BUDGET": str(folder / "budget")}
            )
            answer = json.loads(subprocess.run(words, env=env, capture_output=True, text=True, timeout=900, check=False).stdout)
        ledger = [json.loads(line) for line in (folder / "ledger.jsonl").read_text(encoding="utf-8").splitlines()]
        results = Path(answer["results"]).read_text(encoding="utf-8-sig").splitlines()
    return judged(ledger, results, answer, rate, burst)


def judged(ledger: list[dict[str, Any]], results: list[str], answer: dict[str, Any], rate: float, burst: float) -> dict[str, Any]:
    """The figures of a run, from the portal's own ledger."""
    starts = [line for line in ledger if line["on"] == "start"]
    arrivals = [line for line in starts if line["kind"] == "arrival"]
    refused = {line["n"] for line in starts if line["kind"] == "answer" and line.get("throttled")}
    commits = [line for line in starts if line["kind"] == "commit"]
    truth = {str(line["entityId"]): line["workflowId"] for line in commits}
    names = results[0].split(",")
    false = 0
    for line in results[1:]:
        row = dict(zip(names, line.split(","), strict=False))
        status, entity = row["startStatus"], row["entityId"]
        false += (status == "started" and row["workflowId"] != truth.get(entity)) or (
            status in ("refused", "not_attempted", "gave_up") and entity in truth
        )
    taken = arrivals[-1]["mono"] - arrivals[0]["mono"]
    good = [line["mono"] for line in arrivals if line["n"] not in refused]
    late = (len(good) - 200) / (good[-1] - good[200]) / rate if len(good) > 201 else None
    return {
        "exit": answer["exitCode"],
        "counts": answer["counts"],
        "share": (len(arrivals) - burst) / rate / taken,
        "from200": late,
        "refused": len(refused) / len(arrivals),
        "duplicates": sum(count > 1 for count in Counter(line["entityId"] for line in commits).values()),
        "false": false,
        "seconds": taken,
    }


def cost(rows: int = 3000) -> str:
    """CPU per start of this program, beside bare httpx posting the same bodies, both unlimited with 10 in flight."""
    bare = (
        "import asyncio,httpx,os,sys\n"
        "async def main():\n"
        " ids=iter(range(1000,1000+int(sys.argv[1])))\n"
        " async with httpx.AsyncClient(headers={'X-Api-Key':os.environ['BULKSTART_API_KEY']},timeout=60) as c:\n"
        "  async def work():\n"
        "   for i in ids:\n"
        "    r=await c.post(os.environ['BULKSTART_BASE_URL']+'/workflows/start',json={'templateId':713,'entityType':'deal','entityId':i})\n"
        "    assert r.status_code==201\n"
        "  await asyncio.gather(*(work() for _ in range(10)))\n"
        "asyncio.run(main())\n"
    )
    used: dict[str, list[float]] = {"bulkstart": [], "httpx": []}
    for _ in range(3):
        for who, seconds in used.items():
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                sheet = folder / "sheet.csv"
                sheet.write_text("entityId,templateId\n" + "".join(f"{1000 + n},713\n" for n in range(rows)), encoding="utf-8")
                with portal("free.json", folder) as found:
                    env = (
                        os.environ
                        | found
                        | {"BULKSTART_JOURNAL": str(folder / "journal.sqlite"), "BULKSTART_BUDGET": str(folder / "budget")}
                    )
                    limit = ["--rate", "100000", "--burst", "100000", "--yes", "--json", "--canary", "0"]
                    ours = [sys.executable, "-m", "bulkstart", str(sheet), *limit]
                    words = ours if who == "bulkstart" else [sys.executable, "-c", bare, str(rows)]
                    base = _cpu(words, env)
                    seconds.append(base / rows * 1e3)
    ours, theirs = (statistics.median(used[who]) for who in ("bulkstart", "httpx"))
    return f"| CPU per start, whole process, {rows:,} rows | {ours:.2f} ms | bare httpx {theirs:.2f} ms | ratio {ours / theirs:.2f} |"


def _cpu(words: list[str], env: dict[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Run the cases and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join([*CASES, "cost"]))
        return
    write_scenarios()
    wanted = arguments.cases or [*CASES, "cost"]
    print(
        f"Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, shared; median of {arguments.runs}\n"
    )
    print(
        "| case | scenario (seed) | rows | share of ideal | from row 200 | refused | duplicates | false rows | exit |\n|"
        + "---|" * 9
    )
    for case in [name for name in wanted if name in CASES]:
        runs = [once(case) for _ in range(arguments.runs)]
        scenario = CASES[case][0]
        seed = json.loads((SCENARIOS / scenario).read_text(encoding="utf-8"))["seed"]
        late = [run["from200"] for run in runs if run["from200"] is not None]
        print(
            f"| {case} | {scenario} ({seed}) | {CASES[case][1]} | {statistics.median(run['share'] for run in runs):.3f} "
            f"| {f'{statistics.median(late):.3f}' if late else '–'} | {max(run['refused'] for run in runs):.2%} "
            f"| {sum(run['duplicates'] for run in runs)} | {sum(run['false'] for run in runs)} | {runs[0]['exit']} {runs[0]['counts']} |",
            flush=True,
        )
    if "cost" in wanted:
        print("\n" + cost())


if __name__ == "__main__":
    main()
