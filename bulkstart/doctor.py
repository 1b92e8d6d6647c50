"""A look at portal, credentials and template before any run: questions only, nothing is started, nothing is written down."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from bulkstart.cells import CellError, entity_type
from bulkstart.diagnosis import Facts, Finding, diagnose
from bulkstart.ending import INTERRUPTED
from bulkstart.errors import UsageError
from bulkstart.gateways.documents import NAMES, named
from bulkstart.gateways.envelope import Reply, opened
from bulkstart.gateways.questions import (
    app_call,
    clock_call,
    method_call,
    read_app,
    read_clock,
    read_method,
    read_scopes,
    scope_call,
)
from bulkstart.meeting import Line, Meeting, journal_of, line_to
from bulkstart.model import Answer, Denied, HttpCall, Lost
from bulkstart.preflight import QUESTION_SECONDS, Ask, asked, busy_of
from bulkstart.sweep import ahead, reason_unread
from bulkstart.work import InterruptedByPersonError, Work

T = TypeVar("T")

NOBODY = "00000000000000.00000000"
"""An id made of the time 0: no workflow has it."""


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """``exit_code``: 0 where nothing must be mended before a run; warnings do not change it."""

    portal: str | None
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """That of the worst finding: denied before stopped before the sheet."""
        return max((finding.exit_code for finding in self.findings), default=0)


class Doctor(Work):
    """One examination of a portal; ``template`` and ``entity_type`` of its options are looked at too."""

    async def run(self) -> Diagnosed:
        """Ask everything. Raises only what the command line answers with exit code 1 or 2."""
        async with line_to(self._portal, self._options) as line:
            with journal_of(self._portal, replace(self._options, dry_run=True)) as journal:
                met = await self._met(line, journal)
            facts = self._facts(met)
            if facts.stop is None:
                try:
                    facts = await self._unless_interrupted(self._examined(line, met, facts))
                except InterruptedByPersonError:
                    facts = replace(facts, stop=Denied(INTERRUPTED.code, "interrupted", INTERRUPTED.exit_code))
        return Diagnosed(met.met.identity, tuple(diagnose(facts)))

    def _facts(self, met: Meeting) -> Facts:
        found = met.met
        return Facts(
            identity=found.identity or self._portal.base_url, limits=met.limits, now=time.time(), dialect=self._portal.dialect,
            me=found.me, stop=found.stop, notes=found.notes, templates=found.templates, wanted=self._options.template,
            entity_type=self._entity_type(),
        )  # fmt: skip

    def _entity_type(self) -> str | None:
        try:
            wanted = self._options.entity_type
            if wanted is None:
                return None
            native = self._portal.dialect == "native"
            return entity_type(wanted, named=named, names=NAMES) if native else entity_type(wanted)
        except CellError as error:
            raise UsageError(f"--entity-type: {error.message}") from None

    async def _write(self, ask: Ask) -> Denied | None:
        """Whether the key may write: a request to end a workflow whose id no workflow can have, which changes nothing."""
        answer = await ask(self._portal.gateway.stop_call(NOBODY, erase=False))
        verdict = self._portal.gateway.read_stop(answer) if isinstance(answer, Answer) else None
        return verdict if isinstance(verdict, Denied) else None

    async def _examined(self, line: Line, met: Meeting, facts: Facts) -> Facts:
        """``facts`` with what further questions tell."""

        async def ask(call: HttpCall) -> Answer | Lost:
            within = partial(line.send, within=QUESTION_SECONDS)
            return await asked(within, call, met.throttle, lambda got: busy_of(self._portal, got))

        async def told(call: HttpCall, read: Callable[[Reply], T | None]) -> T | None:
            answer = await ask(call)
            return read(opened(answer, oauth=self._portal.login is not None)) if isinstance(answer, Answer) else None

        answer = await ask(self._portal.gateway.running_call(0, self._options.template))
        clock = ahead(answer) if isinstance(answer, Answer) else None
        facts = replace(facts, running=reason_unread(self._portal, answer))
        if self._portal.dialect == "vibecode":
            facts = replace(facts, write=await self._write(ask))
        else:
            scopes = await told(scope_call(), read_scopes)
            facts = replace(
                facts,
                me=replace(facts.me, scopes=None if scopes is None else tuple(sorted(scopes))),
                method=await told(method_call("bizproc.workflow.start"), read_method),
                app=await told(app_call(), read_app) if self._portal.login else None,
            )
            began = time.time()
            moment = await told(clock_call(), read_clock)
            clock = clock if moment is None else moment - (began + time.time()) / 2
        return replace(facts, clock_ahead=clock)
