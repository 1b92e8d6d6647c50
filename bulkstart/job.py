"""One run of the main job, step by step: meet the portal, check, plan, ask, claim, start, tell. ``api`` is its front door."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import math
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bulkstart.ending import INTERRUPTED, NOT_CONFIRMED, SHEET_HAS_PROBLEMS, WHOLE_SHEET, Begun, Finished, ending, finished
from bulkstart.errors import JournalError
from bulkstart.forecast import Forecast, forecast
from bulkstart.gate import Gate
from bulkstart.gateways import Me
from bulkstart.halts import Halts
from bulkstart.inert import inert
from bulkstart.journal import Journal, new_run_id
from bulkstart.journal_view import EMPTY, View
from bulkstart.lanes import Lanes
from bulkstart.model import Answer, Denied, HttpCall, Lost, Outcome, Problem, SheetSource
from bulkstart.options import Options
from bulkstart.plan import Plan, lanes
from bulkstart.portal import Portal
from bulkstart.preflight import QUESTION_SECONDS, Met, count_running, limits_of, list_templates, meet, with_templates
from bulkstart.question import Question, canary_text
from bulkstart.recorder import Recorder
from bulkstart.results import invalid_outcomes
from bulkstart.retry import Stop
from bulkstart.runner import Runner
from bulkstart.settings import journal_path, settings
from bulkstart.stages import Sheet, check_sheet, plan_sheet, problems_of
from bulkstart.throttle import Limits, Throttle

if TYPE_CHECKING:
    import pandas as pd

    from bulkstart.transport import Transport


class Front(Protocol):
    """Who is told, and asked, while a job runs."""

    def say(self, text: str, /) -> None: ...
    def ask(self, question: str, /) -> bool: ...
    def begin(self, runner: Runner, rows: int, /) -> None: ...
    def settle(self, outcome: Outcome, /) -> None: ...
    def end(self) -> None: ...


class Silent:
    """Tells nobody and never asks: the front of the Python functions."""

    def say(self, text: str, /) -> None: ...
    def ask(self, _: str, /) -> bool:
        return True

    def begin(self, runner: Runner, rows: int, /) -> None: ...
    def settle(self, outcome: Outcome, /) -> None: ...
    def end(self) -> None: ...


class _LateProblemsError(Exception):
    """Problems that only showed under the journal's lock; nothing was claimed."""

    def __init__(self, begun: Begun) -> None:
        super().__init__()
        self.begun = begun


class Job:
    """One sheet on one portal. ``interrupt`` may be called from any thread: once drains, twice abandons."""

    def __init__(self, frame: pd.DataFrame, portal: Portal, options: Options, front: Front | None = None) -> None:
        self._frame, self._portal, self._options = frame, portal, options
        self._front: Front = front or Silent()
        self._runner: Runner | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._interrupted = 0
        self._meeting: asyncio.Future[tuple[Met, Limits, Throttle]] | None = None

    def interrupt(self) -> None:
        """Once: take no more rows, let those on the wire finish. Twice: those end in doubt."""
        self._interrupted += 1
        if self._loop is None or self._loop.is_closed():
            return
        with contextlib.suppress(RuntimeError):  # the loop ended between the two lines: there is nothing left to interrupt
            if self._meeting is not None:
                self._loop.call_soon_threadsafe(self._meeting.cancel)
            elif self._runner is not None:
                act = self._runner.drain if self._interrupted == 1 else self._runner.abandon
                self._loop.call_soon_threadsafe(act, INTERRUPTED)

    async def run(self) -> Finished:
        """The whole way. Raises only what the command line answers with exit code 1 or 2."""
        self._loop = asyncio.get_running_loop()
        async with self._line() as line:
            with self._journal() as journal:
                met, limits, throttle = await self._met(line, journal)
                sheet = check_sheet(self._frame, self._options, met, loopback=self._portal.loopback)
                for note in (*met.notes, *sheet.checked.notes):
                    self._front.say(note)
                view = self._look(sheet, met, journal)
                sandbox, blocked = self._portal.is_sandbox, met.stop is not None
                plan = plan_sheet(sheet, view, self._options, sandbox=sandbox, blocked=blocked)
                problems = problems_of(sheet, plan, self._options)
                stop = self._before_sending(sheet, met, problems)
                begun = Begun(sheet, plan, problems, met, self._forecast(plan, limits))
                if stop or self._options.dry_run or journal is None or not (plan.ready or plan.doubts or plan.crashed):
                    return self._ended(begun, stop)
                if plan.ready and not self._front.ask(self._question(begun)):
                    return self._ended(begun, INTERRUPTED if self._interrupted else NOT_CONFIRMED)
                return await self._start(begun, journal, line, throttle, limits)

    # ------------------------------------------------------------------------------------------- before sending

    @contextlib.asynccontextmanager
    async def _line(self) -> AsyncIterator[Transport]:
        from bulkstart.transport import Transport  # noqa: PLC0415  lazy: httpx, which a check without a portal does without

        portal = self._portal
        timeout = self._options.timeout or portal.gateway.timeout
        async with Transport(
            portal.base_url, portal.headers, timeout=timeout, connections=self._options.max_unknown + 1, loopback=portal.loopback
        ) as line:
            yield line

    @contextlib.contextmanager
    def _journal(self) -> Iterator[Journal | None]:
        """The journal; a dry run only reads one that is there, and writes none."""
        path = (
            self._portal.journal
            if self._portal.journal and not self._options.journal
            else journal_path(self._options.journal, settings())
        )
        if self._options.dry_run and not Path(path).exists():
            yield None
            return
        journal = Journal(Path(path))
        try:
            yield journal
        finally:
            journal.close()

    async def _met(self, line: Transport, journal: Journal | None) -> tuple[Met, Limits, Throttle]:
        """``_meet``, unless a person interrupts while the portal is silent."""
        self._meeting = asyncio.ensure_future(self._meet(line, journal))
        try:
            return await self._meeting
        except asyncio.CancelledError:
            if not self._interrupted:
                raise
            limits = limits_of(self._portal, Me(), self._options)
            stop = Denied(INTERRUPTED.code, INTERRUPTED.message, INTERRUPTED.exit_code)
            return Met(self._portal.fixed_identity(), stop=stop), limits, Throttle(limits, self._now())
        finally:
            self._meeting = None

    async def _meet(self, line: Transport, journal: Journal | None) -> tuple[Met, Limits, Throttle]:
        """Who the portal is, its limits, its templates; every question takes a slot of the throttle."""

        async def ask(call: HttpCall) -> Answer | Lost:
            return await line.send(call, within=QUESTION_SECONDS)

        portal, now = self._portal, asyncio.get_running_loop().time()
        salt = journal.salt if journal else ""
        base, credential = portal.base_url, portal.digest(salt)
        met = await meet(portal, ask, journal.remembered_portal(base, credential) if journal else None, salt)
        limits = limits_of(portal, met.me, self._options)
        throttle = Throttle(limits, now)
        throttle.answered(throttle.leave(now), asyncio.get_running_loop().time())
        if met.identity is None or met.stop is not None:
            return met, limits, throttle
        if journal and not self._options.dry_run and portal.fixed_identity() is None:
            journal.remember_portal(base, credential, met.identity)
        return with_templates(met, *await list_templates(portal, ask, throttle)), limits, throttle

    def _look(self, sheet: Sheet, met: Met, journal: Journal | None) -> View:
        if journal is None or met.identity is None:
            return EMPTY
        return journal.view(met.identity, sheet.keyed, self._options.campaign, sheet.workflow_ids)

    def _before_sending(self, sheet: Sheet, met: Met, problems: Sequence[Problem]) -> Stop | None:
        """What forbids the first send; problems of the sheet come before anything that the portal said."""
        whole = any(problem.position is None for problem in problems)
        denied = met.stop or (met.denied if whole and met.templates is None else None)
        # what the portal did not tell may be all that is missing, where at least the ids are there
        if whole and (denied is None or sheet.checked.column_map.entity_id is None):
            return WHOLE_SHEET
        if any(p.position is not None for p in problems) and not (self._options.skip_invalid or self._options.dry_run):
            return SHEET_HAS_PROBLEMS
        if denied is not None:
            return Stop(inert(denied.code), inert(denied.message), denied.exit_code)
        return INTERRUPTED if self._interrupted else None

    def _forecast(self, plan: Plan, limits: Limits, seconds: float | None = None) -> Forecast:
        return forecast(len(plan.ready), limits, seconds_per_start=seconds, in_flight=self._options.max_unknown)

    def _question(self, begun: Begun) -> str:
        options = self._options
        return Question(
            begun.met.identity or "", begun.plan, begun.met.templates or (), options.campaign, options.canary, begun.forecast
        ).text

    # ------------------------------------------------------------------------------------------------- sending

    async def _start(self, begun: Begun, journal: Journal, line: Transport, throttle: Throttle, limits: Limits) -> Finished:
        run_id = new_run_id()
        try:
            begun = self._claim(begun, journal, run_id)
        except _LateProblemsError as late:
            return self._ended(late.begun, SHEET_HAS_PROBLEMS)
        settled: dict[int, Outcome] = {}

        def settle(outcome: Outcome) -> None:
            settled[outcome.position] = outcome
            self._front.settle(outcome)

        options = self._options
        with ThreadPoolExecutor(1, "bulkstart-journal") as writer:
            recorder = Recorder(partial(journal.record, run_id), writer)
            halts = Halts(options.halt_doubts, options.halt_same, options.halt_percent)
            gate = Gate(throttle, max_unknown=options.max_unknown, deadline=self._now() + (options.deadline or math.inf))
            sweep = partial(count_running, self._portal, line.send, throttle)
            self._runner = runner = Runner(
                self._portal.gateway,
                line.send,
                recorder,
                gate,
                settle,
                halts=halts,
                lanes=Lanes(options.per_document),
                sweep=sweep,
            )
            if self._interrupted:
                runner.drain(INTERRUPTED)
            self._front.begin(runner, len(begun.plan.ready))
            try:
                await self._send(runner, begun.plan, settled, limits)
            finally:
                self._front.end()
        for warning in runner.tally.warnings:
            self._front.say(f"the portal warns: {warning}; the rate was halved")
        if runner.tally.throttled:
            self._front.say(f"the portal asked for time in {runner.tally.throttled:,} answers; the rate followed it")
        return self._closed(begun, journal, run_id, runner, settled)

    def _closed(self, begun: Begun, journal: Journal, run_id: str, runner: Runner, settled: Mapping[int, Outcome]) -> Finished:
        """Close the run on disk before anything else can go wrong."""
        outcomes, code = ending(
            begun,
            self._options,
            runner.stop,
            {**runner.unfinished(), **settled},
            runner.attempts,
            sandbox=self._portal.is_sandbox,
        )
        try:
            journal.finish(run_id, code, outcomes)
        except JournalError as error:
            self._front.say(str(error))
        return finished(
            self._frame, begun, self._options, runner.stop, outcomes, code, sandbox=self._portal.is_sandbox, run_id=run_id
        )

    def _claim(self, begun: Begun, journal: Journal, run_id: str) -> Begun:
        """Look once more under the journal's lock, enter the run, and take its rows."""
        sheet, identity, campaign = begun.sheet, begun.met.identity or "", self._options.campaign
        labels = [str(row.label) for row in sheet.checked.rows]
        with journal.claiming(run_id) as claim:
            view = claim.view(identity, sheet.keyed, campaign, sheet.workflow_ids)
            plan = plan_sheet(sheet, view, self._options, sandbox=self._portal.is_sandbox)
            begun = replace(begun, plan=plan, problems=problems_of(sheet, plan, self._options))
            if begun.problems and not self._options.skip_invalid:
                raise _LateProblemsError(begun)
            rows = [(position, label, key or "") for position, (label, key) in enumerate(zip(labels, sheet.keys, strict=True))]
            claim.open_run(self._entry(run_id, begun, len(rows)), rows)
            claim.mark_crashed(plan.crashed)
            claim.doubt(identity, campaign, ((d.key, d.request, d.code, d.message) for d in plan.doubts))
            claim.take(identity, campaign, ((ready.key, ready.request, ready.held) for ready in plan.ready))
            claim.settle([*invalid_outcomes(sheet.checked.rows, begun.problems).values(), *plan.outcomes.values()])
        return begun

    def _entry(self, run_id: str, begun: Begun, rows: int) -> dict[str, object]:
        source = self._frame.attrs.get("sheet")
        templates = sorted({ready.request.template_id for ready in begun.plan.ready})
        kept = {name: value for name, value in dataclasses.asdict(self._options).items() if value is not None}
        if isinstance(source, SheetSource):
            kept |= {
                "tab": source.tab,
                "header_row": source.header_row,
                "encoding": source.encoding,
                "delimiter": source.delimiter,
            }
        return {
            "id": run_id, "started_at": time.time(), "portal": begun.met.identity, "dialect": self._portal.dialect,
            "sheet": os.fsencode(Path(source.path).absolute()).decode("utf-8", "replace") if isinstance(source, SheetSource) else "", "campaign": self._options.campaign,
            "template": ",".join(map(str, templates)), "rows": rows, "settings": json.dumps(kept, ensure_ascii=False, default=str),
        }  # fmt: skip

    async def _send(self, runner: Runner, plan: Plan, settled: dict[int, Outcome], limits: Limits) -> None:
        """The canary, then the question about it, then the rest."""
        first = plan.ready[: self._options.canary]
        rest = plan.ready[len(first) :]
        if first and rest:
            await runner.run(lanes(first))
            if runner.stop is None:
                shown = [(ready.label, settled[ready.position]) for ready in first if ready.position in settled]
                durations = runner.gate.durations
                mean = sum(durations) / len(durations) if durations else None
                cast = forecast(len(rest), limits, seconds_per_start=mean, in_flight=self._options.max_unknown)
                if not self._front.ask(canary_text(shown, durations, len(rest), cast)):
                    runner.drain(INTERRUPTED if self._interrupted else NOT_CONFIRMED)
        else:
            rest = plan.ready
        if runner.stop is None:
            await runner.run(lanes(rest))

    def _ended(self, begun: Begun, stop: Stop | None) -> Finished:
        """An end before the first send."""
        outcomes, code = ending(begun, self._options, stop, {}, {}, sandbox=self._portal.is_sandbox)
        return finished(self._frame, begun, self._options, stop, outcomes, code, sandbox=self._portal.is_sandbox)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
