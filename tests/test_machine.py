"""Run, lose, throttle, refuse, die at any commit, run again, feed back: whatever the order, no key is ever started twice.

A ``RuleBasedStateMachine`` over the real journal, plan and runner, in virtual time, with a portal in memory that keeps the truth.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bulkstart.gate import Gate
from bulkstart.gateways.vibecode import Vibecode
from bulkstart.halts import Halts
from bulkstart.journal import Journal
from bulkstart.model import Answer, Lost, Previous, Row, StartRequest, Status, row_key
from bulkstart.plan import Rules, lanes, make
from bulkstart.recorder import Recorder
from bulkstart.runner import Runner
from bulkstart.throttle import Limits, Throttle
from tests.virtual import VirtualLoop

PORTAL = "127.0.0.1:8018"
FATES = ("start", "start", "start", "lost after", "lost before", "refused", "throttled", "unsent", "denied", "html")


class Machine(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "journal.sqlite"
        self.commits: Counter[int] = Counter()
        self.ids: dict[int, str] = {}
        self.doubted: set[int] = set()
        self.words: dict[int, Previous] = {}
        self.number = 0

    def teardown(self):
        self.folder.cleanup()

    def answer(self, entity, fate):
        if fate in ("start", "lost after"):
            self.commits[entity] += 1
            self.ids[entity] = f"wf.{entity}.{self.commits[entity]}"
        if fate == "start":
            return Answer(201, {}, json.dumps({"success": True, "data": {"workflowId": self.ids[entity]}}).encode())
        if fate == "html":
            return Answer(502, {}, b"<html>")
        if fate.startswith("lost"):
            return Lost("READ_TIMEOUT", left=True)
        if fate == "unsent":
            return Lost("CONNECT_FAILED", left=False)
        code, status = {
            "refused": ("VALIDATION_ERROR", 400),
            "throttled": ("RATE_LIMITED", 429),
            "denied": ("INVALID_API_KEY", 401),
        }[fate]
        return Answer(status, {}, json.dumps({"success": False, "error": {"code": code, "message": "m"}}).encode())

    @rule(
        entities=st.lists(st.integers(1, 6), min_size=1, max_size=6, unique=True),
        fates=st.lists(st.sampled_from(FATES), min_size=1, max_size=12),
        dies=st.none() | st.tuples(st.integers(0, 12), st.booleans()),
        fed_back=st.booleans(),
    )
    def run(self, entities, fates, dies, fed_back):
        """One process: plan, claim, send; perhaps it dies before or after one of its commits."""
        self.number += 1
        name, fate, commits = f"run-{self.number}", iter(fates * 40), 0
        requests = [StartRequest(713, "deal", entity) for entity in entities]
        keys = [row_key(PORTAL, request) for request in requests]
        keyed = list(zip(keys, requests, strict=True))
        rows = [
            Row(n, n + 2, entity, None, None, (), self.words.get(entity) if fed_back else None)
            for n, entity in enumerate(entities)
        ]
        told, journal = {}, Journal(self.path)

        def write(notes, outcomes):
            nonlocal commits
            commits += 1
            if dies and commits == dies[0] and not dies[1]:
                raise SystemExit
            lost = journal.record(name, notes, outcomes)
            if dies and commits == dies[0]:
                raise SystemExit
            return lost

        async def send(call):
            await asyncio.sleep(0.01)
            return self.answer(json.loads(call.body)["entityId"], next(fate))

        async def go(plan):
            gate = Gate(Throttle(Limits(50, 10), 0.0), max_unknown=3)
            told_to = lambda outcome: told.__setitem__(outcome.position, outcome)  # noqa: E731  one line says it
            runner = Runner(Vibecode(), send, Recorder(write), gate, told_to, halts=Halts(0, 0, 0), chance=lambda: 0.5)
            await runner.run(lanes(plan.ready))

        loop = VirtualLoop()
        loop.set_exception_handler(lambda *_: None)  # the death of the process is no news
        try:
            with journal.claiming(name) as claim:
                ids = [row.previous.workflow_id for row in rows if row.previous and row.previous.workflow_id]
                plan = make(rows, requests, keys, claim.view(PORTAL, keyed, "", ids), Rules())
                run = {
                    "id": name,
                    "started_at": float(self.number),
                    "portal": PORTAL,
                    "dialect": "vibecode",
                    "sheet": "",
                    "template": "",
                }
                claim.open_run(
                    run | {"campaign": "", "rows": len(rows), "settings": "{}"}, [(n, str(n), key) for n, key in enumerate(keys)]
                )
                claim.mark_crashed(plan.crashed)
                claim.doubt(PORTAL, "", ((d.key, d.request, d.code, d.message) for d in plan.doubts))
                claim.take(PORTAL, "", ((ready.key, ready.request, ready.held) for ready in plan.ready))
            loop.run_until_complete(go(plan))
            journal.finish(name, 0, list(told.values()))
            self.believe(entities, {**plan.outcomes, **told})
        except SystemExit:
            pass  # the process is gone: what it knew is lost, what it wrote is there
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            journal.close()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()

    def believe(self, entities, outcomes):
        """Every row that a run tells of tells the truth."""
        for position, entity in enumerate(entities):
            outcome = outcomes.get(position)
            if outcome is None:
                continue
            if outcome.status in (Status.STARTED, Status.ALREADY_STARTED):
                assert outcome.workflow_id == self.ids[entity]
            elif outcome.status is Status.IN_DOUBT:
                self.doubted.add(entity)
            else:
                assert not self.commits[entity], f"{outcome} but it was started"
            self.words[entity] = Previous(
                str(outcome.status), outcome.workflow_id, outcome.error_code, outcome.error_message, outcome.started_at
            )

    @invariant()
    def no_key_is_started_twice(self):
        assert max(getattr(self, "commits", Counter()).values(), default=0) <= 1

    @invariant()
    def a_doubt_is_never_sent_again(self):
        for entity in getattr(self, "doubted", ()):
            assert self.commits[entity] <= 1


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=60, stateful_step_count=8, deadline=None)
