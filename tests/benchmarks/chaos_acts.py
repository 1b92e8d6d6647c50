"""The acts of chaos: what is done to one journal on one portal, in this process, in processes that are killed, and two at once."""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

import bulkstart
from bulkstart.simulator import Sandbox
from tests.benchmarks.chaos_draw import LATER, Schedule
from tests.benchmarks.chaos_truth import Act, Json, Table
from tests.conftest import ROOT, SIX, private, table

LONGEST = 8.0
"""Seconds to wait for the moment of an act's end, which may never come."""
HUNG = 60.0
FORKING = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload(["tests.conftest", "bulkstart.run", "bulkstart.transport", "bulkstart.sheet_write"])
OF_A_RUN = ("resume", "release", "reconcile")


Address = str | tuple[str, str, str | None]
"""A webhook, or a gateway's address, key and session."""
STARTING = (b"/workflows/start", b"bizproc.workflow.start", b"/batch")
"""By what a line of the ledger is about starts."""


@dataclass(frozen=True, slots=True)
class Task:
    """One call of the product, as it is sent to a process that may be killed."""

    do: str
    address: Address
    journal: str
    frame: pd.DataFrame | None
    options: Mapping[str, Any]
    run: str = ""
    settle: float = 0.0

    @property
    def campaign(self) -> str:
        return str(self.options.get("campaign", ""))

    @property
    def portal(self) -> bulkstart.Portal:
        if isinstance(self.address, str):
            return bulkstart.Portal.native(webhook_url=self.address)
        url, key, session = self.address
        return bulkstart.Portal.vibecode(api_key=key, session_token=session, base_url=url)

    def perform(self) -> pd.DataFrame:
        if self.do not in OF_A_RUN:
            return bulkstart.start(self.frame, portal=self.portal, journal=self.journal, **self.options)
        run = bulkstart.Run(self.run, portal=self.portal, journal=self.journal)
        if self.do == "reconcile":
            return run.reconcile(settle=self.settle)
        return run.resume(release_doubts=self.do == "release", settle=self.settle, deadline=self.options["deadline"])


def in_a_process(task: Task, trace: str) -> None:
    """What a process does that will be killed; what went wrong in it is left in a file."""
    try:
        task.perform()
    except BaseException:
        Path(trace).write_text(traceback.format_exc(), encoding="utf-8")
        raise


class Story:
    """One case while it is played: what was done, what was told, what went wrong."""

    def __init__(self, schedule: Schedule, folder: Path, server: Sandbox, *, loud: bool = False) -> None:
        self.schedule, self.folder, self.server, self.loud = schedule, folder, server, loud
        self.acts: list[Act] = []
        self.tables: list[Table] = []
        self.faults: list[str] = []
        self.kills = 0
        self.journal = str(folder / "journal.sqlite")
        self.address: Address = (server.url, server.api_key, server.session_token)
        if schedule.native:
            self.address = server.webhook_url or ""
        self._sheet, self._later = schedule.rows[:-LATER], schedule.rows[-LATER:]
        self._results: pd.DataFrame | None = None
        self._chance = random.Random(schedule.number)
        self._arrived, self._book = 0, (folder / "ledger.jsonl").open("rb")

    def close(self) -> None:
        self._book.close()

    def play(self) -> None:
        """All acts, then the last tables."""
        for act in self.schedule.acts:
            self._change(act.get("sheet", ""))
            self._two(act) if "+" in act["do"] else self._one(act)
            self._quiet()
        self._curtain()

    # ------------------------------------------------------------------------------------------- the sheet

    def _change(self, how: str) -> None:
        """What a person does to the sheet between two acts."""
        if how == "sorted":
            self._sheet = self._chance.sample(self._sheet, len(self._sheet))
        elif how == "fewer":
            self._sheet = [row for row in self._sheet if self._chance.random() > 0.2]
        elif how == "more":
            self._sheet, self._later = [*self._sheet, *self._later[:4]], self._later[4:]
        if how and self.schedule.suffix:
            self._saved()

    def _saved(self) -> Path:
        path, frame = self.folder / f"sheet{self.schedule.suffix}", pd.DataFrame(self._sheet, dtype=object)
        frame.to_excel(path, index=False) if path.suffix == ".xlsx" else frame.to_csv(path, index=False)
        return path

    def _frame(self, do: str) -> pd.DataFrame:
        if do == "fed_back" and self._results is not None:
            if not self.schedule.suffix:
                return self._results
            path = self.folder / f"sheet.results-{len(self.acts)}.csv"
            return bulkstart.read_sheet(bulkstart.write_results(self._results, path, source=self.folder / "sheet.csv"))
        return bulkstart.read_sheet(self._saved()) if self.schedule.suffix else pd.DataFrame(self._sheet, dtype=object)

    # -------------------------------------------------------------------------------------------- the acts

    def _task(self, do: str, act: Json) -> Task:
        """The call for an act; what needs a run where there is none is a start."""
        runs = bulkstart.runs(self.journal)
        if do in OF_A_RUN and len(runs):
            run = runs.iloc[act["run"] % len(runs)]
            options = {**self.schedule.options, "campaign": run["campaign"]}
            return Task(do, self.address, self.journal, None, options, run["run"], act["settle"])
        more = {"dry_run": True} if do == "dry" else {"campaign": act["campaign"]} if "campaign" in act else {}
        return Task(
            "start" if do in OF_A_RUN else do, self.address, self.journal, self._frame(do), {**self.schedule.options, **more}
        )

    def _begin(self, what: str, *, released: int = 0, at_once: bool = False, campaign: str = "", run: str = "") -> None:
        timeout = self.schedule.options["timeout"]
        self.acts.append(Act(what, time.time(), campaign, released, timeout, at_once=at_once, run=run))
        self._say(f"act {len(self.acts) - 1}: {what} {run}")

    def _tell(self, results: pd.DataFrame, who: str, campaign: str = "", run: str = "") -> None:
        act = len(self.acts) - 1
        self.tables.append(Table(act, time.time(), results.to_dict("records"), campaign, f"act {act} ({who})", run))
        counts = dict(Counter(zip(results["startStatus"], results["errorCode"], strict=True)))
        self._say(f"    {who}: {run} exit {results.attrs.get('exit_code')} {counts}")

    def _one(self, act: Json) -> None:
        task = self._task(act["do"], act)
        released = int(task.do == "release")
        self._begin(f"{task.do} {act.get('end', '')}".strip(), released=released, campaign=task.campaign, run=task.run)
        number, known = len(self.acts) - 1, set(bulkstart.runs(self.journal)["run"])
        results = None
        if act.get("end") == "kill":
            self._killed(task, act)
        else:
            with self._interrupted(act):
                results = self._tried(task)
        if not task.run and (new := set(bulkstart.runs(self.journal)["run"]) - known):
            self.acts[number] = dataclasses.replace(self.acts[number], run=new.pop())
        if results is not None:
            self._tell(results, task.do, task.campaign, results.attrs.get("run_id") or "")
            self._results = self._results if task.do == "dry" else results

    def _two(self, act: Json) -> None:
        """Two at once, as a notebook and a cron job would be."""
        tasks = [self._task(do, act) for do in act["do"].split("+")]
        if len({task.campaign for task in tasks}) > 1:  # which of them sent a request could not be told
            return
        released = sum(task.do == "release" for task in tasks)
        self._begin("+".join(task.do for task in tasks), released=released, at_once=True, campaign=tasks[0].campaign)
        found: list[pd.DataFrame | None] = [None, None]

        def work(number: int) -> None:
            found[number] = self._tried(tasks[number], beside=True)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for task, results in zip(tasks, found, strict=True):
            if results is not None:
                self._tell(results, task.do, task.campaign, results.attrs.get("run_id") or "")

    def _tried(self, task: Task, *, beside: bool = False) -> pd.DataFrame | None:
        """What the call gave; whatever it raised is a fault, but that a run is live where another one is at it."""
        try:
            return task.perform()
        except BaseException as error:  # noqa: BLE001  whatever it is: it is told, and the story goes on
            if not (beside and isinstance(error, bulkstart.UsageError) and "is running right now" in str(error)):
                self.faults.append(f"act {len(self.acts) - 1} ({task.do}): {traceback.format_exc()}")
        return None

    # ---------------------------------------------------------------------------------------- how they end

    def _count(self) -> int:
        """How many start requests arrived so far."""
        lines = self._book.read().splitlines()
        self._arrived += sum(b'"arrival"' in line and any(path in line for path in STARTING) for line in lines)
        return self._arrived

    def _until(self, act: Json, before: int, ended: Callable[[], bool]) -> None:
        """Wait for the moment of an act's end: so many requests arrived, so many seconds later."""
        limit = time.monotonic() + LONGEST
        while not ended() and self._count() - before < act["at"] and time.monotonic() < limit:
            time.sleep(0.001)
        time.sleep(act["after"])

    @contextlib.contextmanager
    def _interrupted(self, act: Json) -> Iterator[None]:
        """Ctrl-C at the act's moment, once (it drains) or twice (it abandons what is on the wire)."""
        if not act.get("end"):
            yield
            return
        over, before, number = threading.Event(), self._count(), len(self.acts) - 1

        def work() -> None:
            self._until(act, before, over.is_set)
            os.kill(os.getpid(), signal.SIGINT)
            if act["end"] == "abandon":
                over.wait(0.02)
                self.acts[number] = dataclasses.replace(self.acts[number], lived=time.time())
                os.kill(os.getpid(), signal.SIGINT)

        earlier = signal.signal(signal.SIGINT, lambda *_: None)
        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            signal.signal(signal.SIGINT, earlier)

    def _killed(self, task: Task, act: Json) -> None:
        """The act in a process of its own, which dies at the act's moment."""
        trace, before = self.folder / "trace.txt", self._count()
        process = FORKING.Process(target=in_a_process, args=(task, str(trace)), daemon=True)
        process.start()
        self._until(act, before, lambda: not process.is_alive())
        if process.is_alive():
            self.acts[-1] = dataclasses.replace(self.acts[-1], lived=time.time())
            process.kill()
            self.kills += 1
        process.join()
        process.close()
        if trace.exists():
            self.faults.append(f"act {len(self.acts) - 1} ({task.do}, a process): {trace.read_text(encoding='utf-8')}")
            trace.unlink()

    def _quiet(self) -> None:
        """What was sent by a process that is gone arrives before the next act."""
        seen = -1
        while seen != (seen := self._count()):
            time.sleep(0.01)

    # ------------------------------------------------------------------------------------- the last tables

    def _curtain(self) -> None:
        """Every run as the journal has it, and a dry run of every row there ever was."""
        runs = bulkstart.runs(self.journal)
        self._begin("curtain")
        for run, campaign, live in runs[["run", "campaign", "live"]].itertuples(index=False):
            if live:
                self.faults.append(f"run {run} counts as live when everything has ended")
            task = Task("", self.address, self.journal, None, {})
            results = bulkstart.Run(run, portal=task.portal, journal=self.journal).results
            self._tell(results, f"results of {run}", campaign, run)
        for campaign in sorted({"", *runs["campaign"]}):
            options = {**self.schedule.options, "dry_run": True, "campaign": campaign}
            frame = pd.DataFrame(self.schedule.rows, dtype=object)
            results = self._tried(Task("dry", self.address, self.journal, frame, options))
            if results is not None:
                self._tell(results, f"dry run {campaign}".strip(), campaign)

    def _say(self, line: str) -> None:
        if self.loud:
            print(line)


class Killed(Story):
    """The program itself, killed at the moments of the schedule and taken up again until it ends."""

    def play(self) -> None:
        """Each kill, what a person does to the sheet behind it, and at last an undisturbed end."""
        given = self.schedule.options
        words = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", str(value))]
        start = [str(self._saved()), *words, "--yes", "--json"]
        for kill in self.schedule.acts:
            if self._program(start, kill) == -signal.SIGKILL:
                self._change(kill["then"])
        if self._program(start) == 5:
            self._program(["reconcile", "--settle", "0", "--json"])
        self._curtain()
        crashed, most = sum(row["errorCode"] == "CRASHED" for row in self.tables[-1].rows), self.kills * given["max_unknown"]
        if crashed > most:
            self.faults.append(
                f"{crashed} rows in doubt after {self.kills} kills of runs that had at most {given['max_unknown']} on the wire"
            )

    def _program(self, start: Sequence[str], kill: Json | None = None) -> int:
        """Start the sheet, or resume where the journal has a run; its exit code."""
        known = bulkstart.runs(self.journal)["run"].tolist()
        words = [*start] if not known or start[0] == "reconcile" else ["resume", "--yes", "--json"]
        self._begin(f"{Path(words[0]).name} {kill or ''}", run=known[0] if known else "")
        env = {name: value for name, value in os.environ.items() if not name.startswith("BULKSTART_")} | private(self.folder)
        env |= {"BULKSTART_BASE_URL": self.server.url, "BULKSTART_API_KEY": self.server.api_key, "PYTHONPATH": str(ROOT)}
        pipes: Json = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
        process = subprocess.Popen([sys.executable, "-m", "bulkstart", *words], cwd=self.folder, env=env, **pipes)
        if kill and self._moment(kill, process):
            self.acts[-1] = dataclasses.replace(self.acts[-1], lived=time.time())
            process.kill()
            self.kills += 1
        try:
            out, err = process.communicate(timeout=HUNG)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            self.faults.append(f"act {len(self.acts) - 1} hung: {err[-600:]}")
        self._quiet()
        runs = bulkstart.runs(self.journal)["run"].tolist()
        self.acts[-1] = dataclasses.replace(self.acts[-1], run=runs[0] if runs else "")
        self._left(process.returncode, out + err)
        return process.returncode

    def _moment(self, kill: Json, process: subprocess.Popen[str]) -> bool:
        """Wait for the moment of a kill; whether it came before the program ended."""
        journal, before, began = Path(self.journal), self._count(), time.monotonic()
        changed = journal.stat().st_mtime_ns if journal.exists() else 0
        written, turns = self._files(), 0
        while process.poll() is None and time.monotonic() - began < HUNG:
            match kill["when"]:
                case "time":
                    came = time.monotonic() - began >= kill["at"]
                case "arrivals":
                    came = self._count() - before >= kill["at"]
                case "results":  # while they are written
                    came = any(path.name not in written for path in self.folder.glob(".sheet.results*.tmp"))
                case "written":
                    came = self._files() != written
                case _:  # a checkpoint writes into the database itself
                    now = journal.stat().st_mtime_ns if journal.exists() else 0
                    turns, changed = turns + (now != changed), now
                    came = turns > kill["at"]
            if came:
                time.sleep(kill["after"])
                return process.poll() is None
            time.sleep(0.0005)
        return False

    def _files(self) -> dict[str, int]:
        return {
            path.name: path.stat().st_mtime_ns for path in (*self.folder.glob("sheet.results*"), *self.folder.glob(".sheet.*"))
        }

    def _left(self, code: int, said: str) -> None:
        """What the program left: its results file is whole, also where it was killed, and told."""
        act = self.acts[-1]
        if code not in (0, 4, 5, 6, -signal.SIGKILL):
            self.faults.append(f"act {len(self.acts) - 1}: exit code {code}: {said[-1200:]}")
        for path in self.folder.glob("sheet.results*"):
            if path.stat().st_mtime < act.began - 0.01:
                continue
            try:
                found = table(path)
            except Exception:  # noqa: BLE001  whatever a torn file makes of a reader
                self.faults.append(f"act {len(self.acts) - 1}: {path.name} is torn: {traceback.format_exc()}")
                continue
            if len(found) < len(self._sheet) or not set(SIX) <= set(found.columns):
                self.faults.append(
                    f"act {len(self.acts) - 1}: {path.name} is not whole: {len(found)} rows, {list(found.columns)}"
                )
            else:
                self._tell(found, f"{path.name}, exit {code}", run=act.run)
