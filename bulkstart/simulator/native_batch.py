"""``batch``: up to 50 commands, one after the other, in one request (bitrix24-api 1.9, 8.18)."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import php
from .answers import NORMAL
from .native_words import Found, NativeError, scripted
from .runs import METHOD

if TYPE_CHECKING:
    from collections.abc import Callable

    from .desk import Desk
    from .exchange import Attempt, Exchange
    from .native_keys import Caller
    from .native_reads import NativeReads
    from .native_starts import NativeStarts
    from .native_words import Words
    from .wire import Reply

MOST = 50
_FOREVER = float("inf")
_REFERENCE = re.compile(r"\$result\[([^\]]+)\]((?:\[[^\]]+\])*)")


@dataclass(frozen=True, slots=True)
class Command:
    """One command. ``understood``: of a start, its fields as they came, before anything is put into them."""

    key: str
    position: int
    method: str
    fields: dict[str, Any]
    understood: dict[str, Any] | None


@dataclass(slots=True)
class Course:
    """A batch under way: what its commands said so far. ``cut``: nobody waits for it any more; ``results``: for the ledger."""

    exchange: Exchange
    caller: Caller
    began: float
    cut: bool = False
    results: list[dict[str, Any]] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] = field(default_factory=dict)
    total: dict[str, Any] = field(default_factory=dict)
    next: dict[str, Any] = field(default_factory=dict)
    time: dict[str, Any] = field(default_factory=dict)


class NativeBatch:
    """``refusal``: why a caller may not call a method now, if so."""

    def __init__(
        self,
        desk: Desk,
        words: Words,
        starts: NativeStarts,
        reads: NativeReads,
        refusal: Callable[[Caller, str], NativeError | None],
    ) -> None:
        self._desk = desk
        self._native = desk.scenario.native
        self._switches = desk.scenario.native.switches
        self._general = desk.scenario.switches
        self._words = words
        self._starts = starts
        self._reads = reads
        self._refusal = refusal

    def commands(self, fields: dict[str, Any]) -> list[Command]:
        """Read ``cmd``, an object or a list of ``method?query``."""
        found = []
        for position, (key, said) in enumerate(php.items(fields.get("cmd")), 1):
            method, _, query = str(said).partition("?")
            method, sent = method.strip().lower().removesuffix(".json"), php.pairs(query)
            understood = self._starts.understood(sent, {}) if method == METHOD else None
            found.append(Command(key, position, method, sent, understood))
        return found

    async def run(self, exchange: Exchange, caller: Caller, commands: list[Command], *, halt: bool) -> Reply:
        """Run the commands and say what they said; raises NativeError for a batch that is refused as a whole."""
        if not commands:
            raise NativeError("ERROR_ARGUMENT", "Argument 'cmd' is null or empty")
        if self._switches.batch_surplus == "whole" and len(commands) > MOST:
            raise NativeError("ERROR_BATCH_LENGTH_EXCEEDED")
        bill = ("batch", caller.name)
        whole = self._switches.batch_operating == "batch"
        if whole and self._desk.operating.exhausted(bill, time.time()):
            raise NativeError("OPERATION_TIME_LIMIT")
        if exchange.commit_after:
            await asyncio.sleep(exchange.commit_after)
        course = Course(exchange, caller, time.time())
        work = asyncio.get_running_loop().create_task(self._go(course, commands, halt=halt))
        self._desk.keep(work)
        done, _ = await asyncio.wait({work}, timeout=self._native.request_seconds)
        if not done or course.cut:
            course.cut = True
            raise TimeoutError
        work.result()
        if whole:
            self._desk.operating.use(bill, time.time(), time.time() - course.began)
        return self._said(course, bill)

    async def _go(self, course: Course, commands: list[Command], *, halt: bool) -> None:
        exchange = course.exchange
        for command in commands:
            stopped = course.cut and (self._switches.batch_cut == "stops" or self._general.cut_rolls_back)
            left = exchange.gone and self._general.disconnect_stops_run
            if stopped or left or (exchange.commands is not None and command.position > exchange.commands):
                return
            entry: dict[str, Any] = {"command": command.key, "position": command.position}
            began = time.time()
            try:
                found = await self._one(course, command)
            except NativeError as error:
                course.error[command.key] = error.entry()
                course.results.append({**entry, "code": error.code})
                if halt:
                    return
                continue
            if found is not None:
                course.results.append({**entry, "workflowId": found.workflow_id} if found.workflow_id else entry)
                self._note(course, command, found, began)

    def _note(self, course: Course, command: Command, found: Found, began: float) -> None:
        course.result[command.key] = found.result
        if found.total is not None:
            course.total[command.key] = found.total
        if found.next is not None:
            course.next[command.key] = found.next
        course.time[command.key] = self._words.times(began, (command.method, course.caller.name), inner=True)

    async def _one(self, course: Course, command: Command) -> Found | None:
        """Run one command; ``None`` where a fault rule leaves it out of the answer."""
        if command.position > MOST:
            raise NativeError("ERROR_BATCH_LENGTH_EXCEEDED")
        if command.method == "batch":
            raise NativeError("ERROR_BATCH_METHOD_NOT_ALLOWED")
        if command.method != METHOD and command.method not in self._reads.methods:
            raise NativeError("ERROR_METHOD_NOT_FOUND")
        refused = self._refusal(course.caller, command.method)
        if refused is not None:
            raise refused
        fields = self._filled(command.fields, course.result)
        if command.method == METHOD:
            return await self._start(course, command, fields)
        return await self.read(command.method, course.caller, fields, counts=self._switches.batch_operating == "inner")

    async def read(self, method: str, caller: Caller, fields: dict[str, Any], *, counts: bool) -> Found:
        """Call a method that starts nothing, taking its time; ``counts``: on the method's own bill."""
        bill = (method, caller.name)
        if counts and self._desk.operating.exhausted(bill, time.time()):
            raise NativeError("OPERATION_TIME_LIMIT")
        seconds = self._desk.duration(method)
        if seconds:
            await asyncio.sleep(seconds)
            if counts:
                self._desk.operating.use(bill, time.time(), seconds)
        return self._reads.methods[method](caller, fields)

    # --------------------------------------------------------------------------------------------- starts

    async def _start(self, course: Course, command: Command, fields: dict[str, Any]) -> Found | None:
        unknown = self._starts.unknown(fields)
        if unknown is not None:
            raise unknown
        number, number_of_method = self._desk.number_command(METHOD)
        course.caller.starts += 1
        exchange = course.exchange
        attempt = self._starts.attempt(
            exchange,
            self._starts.understood(fields, {}),
            course.caller,
            number=number,
            bill=(METHOD, course.caller.name) if self._switches.batch_operating == "inner" else None,
            rule=exchange.rule,
            committed=exchange.committed,
            command=command.key,
            position=command.position,
        )
        self._desk.choose_for(attempt, number_of_method)
        return await self._answered(course, attempt)

    async def _answered(self, course: Course, attempt: Attempt) -> Found | None:
        """Run a start and give its command the answer that a fault rule wants; other answers are the whole request's."""
        kind, exchange = attempt.answer.kind, course.exchange
        if kind not in ("normal", "absent", "error") and exchange.answer is NORMAL:
            exchange.answer, exchange.rule = attempt.answer, attempt.rule
        left = self._native.request_seconds - (time.time() - course.began)
        try:
            ended = await self._starts.performed(attempt, left if self._general.cut_rolls_back else _FOREVER)
            course.cut = course.cut or ended.cut
            found = None if ended.cut else self._starts.said(ended)
        except NativeError:
            if kind not in ("error", "absent"):
                raise
            found = None
        if kind == "error":
            raise scripted(attempt.answer)
        return None if kind == "absent" else found

    def _filled(self, fields: dict[str, Any], results: dict[str, Any]) -> dict[str, Any]:
        """Put earlier results where ``$result[…]`` stands."""
        return {name: self._put(value, results) for name, value in fields.items()}

    def _put(self, value: Any, results: dict[str, Any]) -> Any:
        if isinstance(value, dict):
            return self._filled(value, results)
        if isinstance(value, list):
            return [self._put(item, results) for item in value]
        match = _REFERENCE.fullmatch(value)
        if match is not None:
            return _looked_up(match, results)
        if self._switches.result_references == "whole":
            return value
        return _REFERENCE.sub(lambda found: _as_text(_looked_up(found, results)), value)

    def _said(self, course: Course, bill: tuple[str, str]) -> Reply:
        maps = {
            "result": course.result,
            "result_error": course.error,
            "result_total": course.total,
            "result_next": course.next,
            "result_time": course.time,
        }
        course.exchange.results = course.results
        listed = self._switches.numeric_keys == "list"
        result = {name: php.encoded(found) if listed or not found else found for name, found in maps.items()}
        return self._words.ok(Found(result), started=course.exchange.time, bill=bill)


def _looked_up(match: re.Match[str], results: dict[str, Any]) -> Any:
    found: Any = results.get(match[1])
    for step in re.findall(r"\[([^\]]+)\]", match[2]):
        found = dict(php.items(found)).get(step)
    return found


def _as_text(value: Any) -> str:
    return "" if value is None or isinstance(value, dict | list) else str(value)
