"""Run, lose, throttle, refuse, die, resume, release, reconcile, two at once: whatever the order, no row starts twice and none lies.

A ``RuleBasedStateMachine`` over the real journal, plan, claim, runner, sweep and reconcile, in virtual time, with a portal in memory
that keeps the truth.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections import Counter
from contextlib import closing, suppress
from datetime import UTC, datetime
from email.utils import formatdate
from functools import partial
from pathlib import Path

import pandas as pd
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import bulkstart
from bulkstart.checks import Checked
from bulkstart.claiming import Claimant
from bulkstart.columns import ColumnMap
from bulkstart.ending import INTERRUPTED, Begun, ending
from bulkstart.forecast import forecast
from bulkstart.gate import Gate
from bulkstart.halts import Halts
from bulkstart.journal import Journal
from bulkstart.locks import RunIsLiveError
from bulkstart.meeting import Meeting
from bulkstart.model import Answer, Lost, Row, StartRequest
from bulkstart.options import Options
from bulkstart.plan import lanes
from bulkstart.portal import Portal
from bulkstart.preflight import Met
from bulkstart.reconcile import Reconcile
from bulkstart.recorder import Recorder
from bulkstart.result_columns import Previous, Status
from bulkstart.resumed import Resumed, sheet_of
from bulkstart.row_keys import row_key
from bulkstart.runner import Runner
from bulkstart.stages import Sheet, plan_sheet, problems_of
from bulkstart.sweep import Sweep, sweep
from bulkstart.throttle import Limits, Throttle
from tests.virtual import VirtualLoop

HERE = "127.0.0.1:8018"
PORTAL = Portal.vibecode(api_key="vibe_api_PLANTED", base_url=f"http://{HERE}/v1")
OPTIONS = Options(skip_invalid=True, allow_changed=True)
LIMITS = Limits(50, 10)
INTENTS = [StartRequest(713, "deal", 1, parameters) for parameters in ({}, {"mark": "x"})]
INTENTS += [StartRequest(713, "deal", entity) for entity in (2, 3, 4, 5)]
KEYS = [row_key(HERE, intent) for intent in INTENTS]
ALONE = (2, 3, 4, 5)
"""Intents that share their document with no other."""
FATES = (
    "start",
    "lost after",
    "start",
    "lost after",
    "lost after",
    "lost before",
    "refused",
    "throttled",
    "unsent",
    "denied",
    "html",
)
KNOWN = (Status.STARTED, Status.ALREADY_STARTED)
PAGE = 4
MEMORY = Path("/dev/shm")  # waiting for a disk is no part of this: some 70,000 commits

LOOK_ALIKES = {
    "document": lambda entity, _: {"documentId": f"DEAL_{entity + 100}"},
    "type": lambda entity, _: {"documentId": f"LEAD_{entity}", "entity": "CCrmDocumentLead"},
    "template": lambda *_: {"templateId": "714"},
    "early": lambda _, now: {"started": iso(now - 3600)},
    "late": lambda _, now: {"started": iso(now + 3600)},
    "naive": lambda _, now: {"started": iso(now)[:19]},
}

numbers = st.lists(st.integers(0, len(INTENTS) - 1), min_size=1, max_size=6, unique=True)
fates = st.lists(st.sampled_from(FATES), min_size=1, max_size=12)
deaths = st.none() | st.tuples(st.sampled_from([0, 0, 0, 1, 1, 2, 3, 4, 6, 9]), st.booleans())
moments = st.none() | st.none() | st.sampled_from([0.0, 0.015, 0.05])
which = st.integers(0, 50)
mostly = st.sampled_from([True, True, True, False])
strangers = st.lists(st.tuples(st.integers(0, len(INTENTS) - 1), st.sampled_from(["before", "fits", *LOOK_ALIKES])), max_size=4)


def iso(moment):
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


class DiedError(Exception):
    """The process is gone: what it knew is lost, what it wrote is there."""


class World:
    """The portal: what truly started, what runs, and how far its clock is ahead."""

    def __init__(self, ahead):
        self.ahead, self.number = ahead, 0
        self.commits = {number: [] for number in range(len(INTENTS))}
        self.tried = set()
        self.running, self.pinned = {}, set()
        self.proven, self.wrong, self.by = set(), [], {}
        self.unswept = set()

    def enter(self, request, **row):
        """A workflow that runs from now on, but for what its ``row`` says otherwise; its id."""
        self.number += 1
        started = iso(time.time() + self.ahead)
        shown = {"id": f"wf.{self.number}", "templateId": str(request.template_id), "started": started, "moduleId": "crm"}
        shown |= {"entity": "CCrmDocumentDeal", "documentId": f"DEAL_{request.entity_id}", **row}
        self.running[shown["id"]] = shown
        return shown["id"]

    def living(self, number):
        """The workflows of an intent that run."""
        return [identity for identity in self.commits[number] if identity in self.running]

    async def start(self, name, fate, swept, call, **_):
        """The answer to a start request of a run."""
        body = json.loads(call.body)
        number = INTENTS.index(StartRequest(713, "deal", body["entityId"], body.get("parameters", {})))
        fate, workflow_id = next(fate), ""
        if not swept:
            self.unswept.add(number)
        if number in self.proven:
            self.wrong.append(f"{INTENTS[number]} was sent again although its id is known")
        if fate in ("start", "lost after"):
            workflow_id = self.enter(INTENTS[number])
            self.commits[number].append(workflow_id)
            self.by[workflow_id] = name
        await asyncio.sleep(0.01)
        if fate == "start":
            return Answer(201, {}, json.dumps({"success": True, "data": {"workflowId": workflow_id}}).encode())
        if fate == "html":
            return Answer(502, {}, b"<html>")
        if fate == "unsent":
            return Lost("CONNECT_FAILED", left=False)
        if fate.startswith("lost"):
            return Lost("READ_TIMEOUT", left=True)
        codes = {"refused": ("VALIDATION_ERROR", 400), "throttled": ("RATE_LIMITED", 429), "denied": ("INVALID_API_KEY", 401)}
        code, status = codes[fate]
        return Answer(status, {}, json.dumps({"success": False, "error": {"code": code, "message": "m"}}).encode())

    async def send(self, call, **_):
        """A page of the running list, with the portal's own moment."""
        place = int(dict(call.query).get("offset", 0))
        await asyncio.sleep(0.004)
        rows = list(self.running.values())[::-1]  # newest first
        payload = {"success": True, "data": rows[place : place + PAGE], "meta": {"total": len(rows)}}
        return Answer(200, {"date": formatdate(time.time() + self.ahead, usegmt=True)}, json.dumps(payload).encode())


class Life:
    """What one process writes, and at which of its commits it dies: before it, or behind it."""

    def __init__(self, journal, dies):
        self.journal, self.dies, self.commits, self.dead = journal, dies, 0, False

    def write(self, commit):
        if self.dead:
            raise DiedError
        self.commits += 1
        before, behind = (self.dies == (self.commits - 1, late) for late in (False, True))
        found = None if before else commit()
        if before or behind:
            self.dead = True
            self.journal.close()
            raise DiedError
        return found


def sheet(entries, words=None):
    """A sheet of intents by their numbers, perhaps with what an earlier run told of them."""
    rows = [Row(at, at + 2, None, None, None, (words or {}).get(number)) for at, number in enumerate(entries)]
    requests = [INTENTS[number] for number in entries]
    return Sheet(Checked(ColumnMap(), rows, requests, [], [], ()), tuple(KEYS[number] for number in entries))


class Machine(RuleBasedStateMachine):
    @initialize(ahead=st.sampled_from([0, 0, -5000, 7200]))
    def begin(self, ahead):
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self.path = Path(self.folder.name) / "journal.sqlite"
        self.world = World(ahead)
        self.runs, self.words, self.released = [], {}, Counter()

    def teardown(self):
        self.folder.cleanup()

    # ------------------------------------------------------------------------------------------------- processes

    async def process(self, name, found, fate, *, resumed=None, dies=None, swept=True, thinks=0.0, abandons=None):
        """One run or stint as a job does it: look, ask, sweep, claim, send, tell; perhaps it dies at one of its commits."""
        journal, earlier = Journal(self.path), set(self.world.by)
        life = Life(journal, dies)
        with closing(journal), suppress(DiedError, RunIsLiveError):
            begun = self.looked(journal, found, resumed)
            if not (begun.plan.ready or begun.plan.doubts or begun.plan.crashed):
                self.believe(found, self.ended(begun, None, {}, resumed.attempts(found) if resumed else {}))
                return
            await asyncio.sleep(thinks)
            before = await self.sweep() if swept and begun.plan.ready else None
            assert before is None or isinstance(before, Sweep)
            begun = life.write(partial(Claimant(name, pd.DataFrame(), PORTAL, OPTIONS, resumed).claim, begun, journal, before))
            if name not in self.runs:
                self.runs.append(name)
            self.world.tried |= {ready.request.entity_id for ready in begun.plan.ready}
            if resumed and resumed.release:
                self.released.update(KEYS.index(ready.key) for ready in begun.plan.ready if ready.released)
            told, placed = {}, (lambda some: resumed.placed(some, found)) if resumed else list

            def write(notes, outcomes):
                return life.write(lambda: journal.record(name, notes, placed(outcomes)))

            def tell(outcome):
                if outcome.position in told and not life.dead:
                    self.world.wrong.append(f"told twice: {told[outcome.position]}, {outcome}")
                told[outcome.position] = outcome

            gate = Gate(Throttle(LIMITS, asyncio.get_running_loop().time()), max_unknown=3)
            runner = Runner(
                PORTAL.gateway, partial(self.world.start, name, fate, swept), Recorder(write), gate, tell, halts=Halts(0, 0, 0),
                chance=lambda: 0.5, attempts=resumed.attempts(found) if resumed else None,
            )  # fmt: skip
            if abandons is not None:
                asyncio.get_running_loop().call_later(abandons, runner.abandon, INTERRUPTED)
            await runner.run(lanes(begun.plan.ready))
            outcomes = self.ended(begun, runner.stop, {**runner.unfinished(), **told}, runner.attempts)
            life.write(lambda: journal.finish(name, 0, placed(outcomes)))
            self.believe(found, outcomes, {one for one, by in self.world.by.items() if by != name} - earlier)

    def looked(self, journal, found, resumed):
        view = journal.view(HERE, found.keyed, "", found.workflow_ids)
        plan = plan_sheet(found, view, OPTIONS, sandbox=False)
        if resumed:
            plan = resumed.narrowed(plan, found, view, time.time())
        return Begun(found, plan, problems_of(found, plan, OPTIONS), Met(HERE), forecast(0, LIMITS))

    async def sweep(self):
        return await sweep(PORTAL, self.world.send, Throttle(LIMITS, asyncio.get_running_loop().time()))

    @staticmethod
    def ended(begun, stop, told, attempts):
        return ending(begun, OPTIONS, stop, told, attempts)[0]

    async def settle(self, name, entries):
        """What ``reconcile`` does to a run: wait, read the list, credit, tell."""
        with closing(Journal(self.path)) as journal:
            past = journal.run(name)
            if past.live:
                return
            found = sheet_of(past) if entries is None else sheet(entries)
            frame = pd.DataFrame(index=range(len(found.keys)))
            job = Reconcile(frame, PORTAL, OPTIONS, Resumed(past), lambda _: found, settle=0.0)
            met = Meeting(Met(HERE), LIMITS, Throttle(LIMITS, asyncio.get_running_loop().time()))
            doubts, proofs, stop = journal.doubts(name), {}, None
            if any(doubt.ours for doubt in doubts):
                proofs, stop = await job._look_up(self.world, journal, met, doubts)
            self.believe(found, job._told(journal, found, met, proofs, stop).outcomes)

    def play(self, *acts):
        """Processes at the same time on one journal."""

        async def all_of_them():
            await asyncio.gather(*acts)

        loop = VirtualLoop()
        loop.set_exception_handler(lambda *_: None)  # the death of a process is no news
        try:
            loop.run_until_complete(all_of_them())
        finally:
            loop.close()

    def new_run(self, entries, fate, fed_back, **how):
        name = f"run-{len(self.runs) + 1}-{time.monotonic_ns()}"
        return self.process(name, sheet(entries, self.words if fed_back else None), iter(fate * 40), **how)

    def old_run(self, name, entries, fate, *, release, **how):
        with closing(Journal(self.path)) as journal:
            past = journal.run(name)
        found = sheet_of(past) if entries is None else sheet(entries)
        return self.process(name, found, iter(fate * 40), resumed=Resumed(past, release), **how)

    # ----------------------------------------------------------------------------------------------------- rules

    @rule(
        entries=numbers, fate=fates, dies=deaths, abandons=moments, fed_back=st.booleans(), swept=mostly, strangers=strangers,
        ends=which, then=st.booleans(),
    )  # fmt: skip
    def run(self, entries, fate, strangers, ends, then, **how):
        """A run of a sheet; others start this and that before it and behind it, some workflows end, and perhaps its doubts are settled."""
        self.enter(strangers)
        self.play(self.new_run(entries, fate, **how))
        self.meanwhile(strangers, ends, self.runs[-1] if then and self.runs else None)

    @precondition(lambda self: self.runs)
    @rule(
        pick=which, entries=st.none() | numbers, fate=fates, release=st.booleans(), dies=deaths, abandons=moments, swept=mostly,
        strangers=strangers, ends=which, then=st.booleans(),
    )  # fmt: skip
    def resume(self, pick, entries, fate, strangers, ends, then, **how):
        """Go on with a run; its sheet may be sorted anew, cut, longer, or gone."""
        name = self.runs[pick % len(self.runs)]
        self.enter(strangers)
        self.play(self.old_run(name, entries, fate, **how))
        self.look_back(name)
        self.meanwhile(strangers, ends, name if then else None)

    @precondition(lambda self: self.runs)
    @rule(pick=which, entries=st.none() | numbers)
    def reconcile(self, pick, entries):
        self.reconcile_of(self.runs[pick % len(self.runs)], entries)

    def reconcile_of(self, name, entries=None):
        """Settle the doubts of a run by the list: what it proves is credited, and nothing else."""
        expected = self.provable(name)
        self.play(self.settle(name, entries))
        known = self.known_ids()
        for number, workflow_id in expected.items():
            assert known.get(number) == workflow_id, f"the list proves {workflow_id}, and {INTENTS[number]} is still in doubt"
        self.look_back(name)

    def meanwhile(self, strangers, ends, name):
        """Behind a run: others start look-alikes, workflows end, and perhaps a run's doubts are settled."""
        self.enter(strangers, behind=True)
        for identity in [*self.world.running][:: ends % 4 + 2] if ends % 3 == 0 else ():
            if identity not in self.world.pinned:
                del self.world.running[identity]
        if name is not None:
            self.reconcile_of(name)

    @rule(
        first=numbers, second=numbers, fate=fates, other=fates, pick=which, release=st.booleans(), kind=st.sampled_from(["run", "resume", "reconcile"]),
        thinks=st.sampled_from([0.0, 0.005, 0.02, 0.1]), dies=deaths,
    )  # fmt: skip
    def two_at_once(self, first, second, fate, other, pick, kind, release, thinks, dies):
        """A run, and beside it another one, one that goes on, or a look at the list."""
        name = self.runs[pick % len(self.runs)] if self.runs else ""
        beside = self.new_run(second, other, fed_back=False, thinks=thinks)
        if kind == "resume" and name:
            beside.close()
            beside = self.old_run(name, None, other, release=release, thinks=thinks)
        elif kind == "reconcile" and name:
            beside.close()
            beside = self.settle(name, None)
        self.play(self.new_run(first, fate, fed_back=False, dies=dies), beside)

    @precondition(lambda self: self.runs)
    @rule(pick=which, fate=fates, other=fates, release=st.booleans())
    def the_same_run_in_two_processes(self, pick, fate, other, release):
        name = self.runs[pick % len(self.runs)]
        self.play(self.old_run(name, None, fate, release=release), self.old_run(name, None, other, release=release))
        self.look_back(name)

    def enter(self, strangers, *, behind=False):
        """Somebody else's workflows: they look like ours, and differ in document, template or moment; or fit, while ours runs as long."""
        for number, kind in strangers:
            request, entity = INTENTS[number], INTENTS[number].entity_id
            if kind == "before" and not behind and entity not in self.world.tried:
                self.world.enter(request)
            elif kind == "fits" and behind and number in ALONE and (living := self.world.living(number)):
                self.world.pinned |= {*living, self.world.enter(request)}
            elif behind and kind in LOOK_ALIKES:
                self.world.enter(request, **LOOK_ALIKES[kind](entity, time.time() + self.world.ahead))

    # ------------------------------------------------------------------------------------------------- the truth

    def believe(self, found, outcomes, meanwhile=frozenset()):
        """Every row that is told tells the truth; the last word of each is what a fed-back sheet says.

        What a run was refused, another one may have started ``meanwhile``.
        """
        for key, outcome in zip(found.keys, outcomes, strict=True):
            if key is None:
                continue
            number = KEYS.index(key)
            self.true(number, outcome.status, outcome.workflow_id, outcome.error_code, meanwhile)
            self.words[number] = Previous(
                str(outcome.status), outcome.workflow_id, outcome.error_code, outcome.error_message, outcome.started_at
            )

    def true(self, number, status, workflow_id, code, meanwhile=frozenset()):
        told = f"{INTENTS[number]}: {status} {workflow_id}{code}"
        assert bool(workflow_id) != bool(code), told
        assert bool(workflow_id) == (status in KNOWN), told
        if status in KNOWN:
            assert workflow_id in self.world.commits[number], f"{told}, but its starts are {self.world.commits[number]}"
            self.world.proven.add(number)
        elif status != Status.IN_DOUBT and code != "CLAIMED_BY_RUN":
            started = [one for one in self.world.commits[number] if status != Status.REFUSED or one not in meanwhile]
            assert not started, f"{told}, but {self.world.commits[number]} was started"

    def look_back(self, name):
        """What a run tells of its rows from the journal alone."""
        with closing(Journal(self.path)) as journal:
            keys = [row.key for row in journal.run(name).rows]
        results = bulkstart.Run(name, journal=self.path).results
        for key, row in zip(keys, results.to_dict("records"), strict=True):
            self.true(KEYS.index(key), Status(row["startStatus"]), row["workflowId"], row["errorCode"])

    def known_ids(self):
        """The id that the journal holds for each intent."""
        with closing(Journal(self.path)) as journal:
            found = journal.view(HERE, list(zip(KEYS, INTENTS, strict=True)), "", ()).held
        return {KEYS.index(key): held.workflow_id for key, held in found.items() if held.workflow_id}

    def provable(self, name):
        """Doubts of a run that the list must settle: no other row on their document, what ran before known, one workflow running."""
        with closing(Journal(self.path)) as journal:
            doubts = journal.doubts(name)
        rows = Counter(doubt.document for doubt in doubts)
        numbers = {KEYS.index(doubt.key) for doubt in doubts if doubt.ours and rows[doubt.document] == 1} - self.world.unswept
        running = {number: self.world.living(number) for number in numbers}
        return {
            number: living[0] for number, living in running.items() if len(living) == 1 and not self.world.pinned & set(living)
        }

    @invariant()
    def no_row_is_started_twice_but_on_a_persons_word(self):
        for number, commits in self.world.commits.items() if hasattr(self, "world") else ():
            assert len(commits) <= 1 + self.released[number], f"{INTENTS[number]} was started {len(commits)} times"

    @invariant()
    def nothing_went_wrong_on_the_way(self):
        assert not hasattr(self, "world") or self.world.wrong == []

    @invariant()
    def every_id_in_the_journal_is_that_of_its_own_row(self):
        if hasattr(self, "world") and self.path.exists():
            known = self.known_ids()
            assert len(set(known.values())) == len(known)
            for number, workflow_id in known.items():
                assert workflow_id in self.world.commits[number], f"{workflow_id} is credited to {INTENTS[number]}"


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=250, stateful_step_count=8, deadline=None)
