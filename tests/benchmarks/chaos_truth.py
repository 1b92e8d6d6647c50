"""The comparison of chaos: what was told, act after act, against the portal's ledger. It starts nothing and knows no clock."""

from __future__ import annotations

import bisect
import datetime as dt
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from bulkstart import Status
from tests.conftest import SIX, WITH_ID, starts

ARRIVED = 0.25
"""Part of the timeout: an answer that had left the portal by then was received, however loaded the machine is."""
WROTE = 0.4
"""Seconds that a process must have lived on to have written an answer down."""

SAME = 2.0
"""Seconds between two requests that a list which tells whole seconds cannot tell apart."""
MATCHED = "matched by list"

Json = dict[str, Any]
Key = tuple[str, str]
"""Campaign and meaning of a row: what may start once."""


@dataclass(frozen=True, slots=True)
class Act:
    """Something done to the journal, from the Unix time ``began`` on.

    ``released``: how many persons let doubts be sent again; ``lived``: up to when its process surely wrote down what it received;
    ``at_once``: two runs were at it; ``run``: the run that it belongs to, where it is one.
    """

    what: str
    began: float
    campaign: str = ""
    released: int = 0
    timeout: float = math.inf
    lived: float = math.inf
    at_once: bool = False
    run: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A results table: told by an act (an index) about a run, at a Unix time."""

    act: int
    at: float
    rows: Sequence[Mapping[Any, Any]]
    campaign: str = ""
    who: str = ""
    run: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the ledger says of a story; each entry is a sentence. ``twins``: ids that stand in a row for want of any difference."""

    duplicates: list[str] = field(default_factory=list)
    false: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    twins: set[str] = field(default_factory=set)

    @property
    def counts(self) -> tuple[int, int, int, int]:
        return len(self.duplicates), len(self.false), len(self.lost), len(self.faults)


def text(cell: object) -> str:
    """A cell as text; blank ones, whatever a reader made of them, are blank."""
    return "" if cell is None or cell is pd.NA or cell != cell else str(cell).strip()  # noqa: PLR0124  NaN is not itself


def meaning(row: Mapping[Any, Any]) -> str:
    """What a row means to start, in the words of the ledger; ``""`` where it can mean nothing."""
    number, template = (text(row.get(name)).removesuffix(".0") for name in ("entityId", "templateId"))
    mark = text(row.get("param:mark"))
    asked = [int(template or 713), text(row.get("entityType")) or "deal", int(number) if number.isdigit() else 0]
    return json.dumps([*asked, {"mark": mark} if mark else {}]) if asked[2] else ""


def intent(line: Mapping[str, Any]) -> str:
    """The same of a line of the ledger."""
    return json.dumps([line["templateId"], line["entityType"], line["entityId"], line["parameters"] or {}])


def shown(row: Mapping[Any, Any]) -> str:
    return ", ".join(f"{name}={text(cell)}" for name, cell in row.items() if text(cell))


class Truth:
    """The ledger, the acts and the tables of one journal on one portal, in order; ``garbled``: fault rules that spoil a whole answer."""

    def __init__(
        self, ledger: Sequence[Json], acts: Sequence[Act], tables: Sequence[Table], garbled: frozenset[int] = frozenset()
    ) -> None:  # fmt: skip
        self.acts, self.tables = acts, tables
        self._begins = [act.began for act in acts]
        self._arrivals = {line["n"]: line for line in starts(ledger, "arrival")}
        self._commits: dict[Key, list[Json]] = defaultdict(list)
        self._came: dict[Key, list[Json]] = defaultdict(list)
        self._ids = {line["workflowId"]: line for line in starts(ledger, "commit")}
        for line in starts(ledger, "commit"):
            self._commits[self._key(line)].append(line)
        self._sent_twice = {line["n"] for line in starts(ledger, "commit") if line["cause"] == "gateway_retry"}
        self._twins: set[str] = set()
        for line in starts(ledger, "arrival"):
            if line.get("templateId"):  # else it was reset before its body was read
                self._came[self._key(line)].append(line)
        self._rows: list[dict[str, list[Mapping[Any, Any]]]] = [defaultdict(list) for _ in tables]
        for rows, one in zip(self._rows, tables, strict=True):
            for row in one.rows:
                rows[meaning(row)].append(row)
        self._received = self._surely_received(starts(ledger, "answer"), garbled)

    def judge(self) -> Verdict:
        """Every fault there is."""
        false = [*(line for told in self.tables for line in self._false(told)), *self._hidden()]
        return Verdict([*self._duplicates()], false, [*self._lost()], twins=self._twins)

    def _index(self, line: Json) -> int:
        """The act that sent the request of a line."""
        return max(0, bisect.bisect_right(self._begins, self._arrivals[line["n"]]["time"]) - 1)

    def _key(self, line: Json) -> Key:
        return self.acts[self._index(line)].campaign, intent(line)

    def _surely_received(self, answers: Sequence[Json], garbled: frozenset[int]) -> dict[str, Json]:
        """Ids that a client received whole, with time to write them down: id → the answer's line."""
        found = {}
        for line in answers:
            act, came = self.acts[self._index(line)], self._arrivals[line["n"]]
            whole = (
                line["done"] == "sent" and line["status"] in (200, 201) and line.get("workflowId") and line["rule"] not in garbled
            )
            if whole and line["mono"] - came["mono"] <= act.timeout * ARRIVED and line["time"] + WROTE <= act.lived:
                found[line["workflowId"]] = line
        return found

    # ------------------------------------------------------------------------------------------- duplicates

    def _duplicates(self) -> Iterator[str]:
        """Each release lets an intent be sent once more, where no id of it was known."""
        told = [(one.act, text(row["workflowId"])) for one in self.tables for row in one.rows if text(row["workflowId"])]
        for (_, what), lines in self._commits.items():
            meant = sorted((line for line in lines if line["cause"] == "start"), key=lambda line: line["n"])
            for place, line in enumerate(meant[1:], 1):
                now = self._index(line)
                earlier = [self._index(one) for one in meant[:place]]
                ids = {one["workflowId"] for one in lines if one["n"] < line["n"]}
                known = ids & {workflow for act, workflow in told if act < now}
                known |= {one for one in ids & set(self._received) if self._index(self._received[one]) < now}
                room = self.acts[now].released + (min(earlier) == now)
                if known or earlier.count(now) >= room:
                    yield f"{what} was started again in act {now} ({self.acts[now].what}): {sorted(ids)}, then {line['workflowId']}"

    # -------------------------------------------------------------------------------------------- false rows

    def _false(self, told: Table) -> Iterator[str]:
        claimed = Counter(text(row["workflowId"]) for row in told.rows if text(row["workflowId"]))
        together = [one for one in self.tables if one is told or (one.act == told.act and self.acts[told.act].at_once)]
        accounted = {meaning(row) for one in together for row in one.rows if row["startStatus"] in (*WITH_ID, Status.IN_DOUBT)}
        for row in told.rows:
            found = [*_of_contract(row), *self._of_ledger(told, row, accounted), *self._of_attempts(told, row)]
            if claimed[text(row["workflowId"])] > 1:
                found.append("two rows claim one workflow")
            yield from (f"{told.who}: {why}: {shown(row)}" for why in found)

    def _of_ledger(self, told: Table, row: Mapping[Any, Any], accounted: set[str]) -> Iterator[str]:
        """The id is that of a start of this very row; a row that tells of no start had none until then."""
        own = self._commits.get((told.campaign, meaning(row)), ())
        mine = [line for line in own if self._arrivals[line["n"]]["time"] <= told.at]
        if workflow := text(row["workflowId"]):
            if found := [line for line in mine if line["workflowId"] == workflow]:
                yield from self._of_moment(told, row, found[0])
            elif self._twin(row, workflow):
                self._twins.add(workflow)
            else:
                yield f"this id is not its own, the ledger has it as {self._ids.get(workflow)}"
        elif (
            mine
            and row["startStatus"] != Status.IN_DOUBT
            and row["errorCode"] != "CLAIMED_BY_RUN"
            and meaning(row) not in accounted
        ):
            yield f"it was started: {[line['workflowId'] for line in mine]}"

    def _twin(self, row: Mapping[Any, Any], workflow: str) -> bool:
        """Whether the row has, by the list, one of two workflows that the gateway made of one request for the same document.

        Nothing that a client can ask for tells it from the row's own (decision 0005), so it is counted apart.
        """
        line = self._ids.get(workflow)
        if line is None or line["n"] not in self._sent_twice or MATCHED not in text(row["errorMessage"]):
            return False
        return json.loads(intent(line))[:3] == json.loads(meaning(row))[:3]

    def _of_moment(self, told: Table, row: Mapping[Any, Any], line: Json) -> Iterator[str]:
        """``startedAt`` is when the request left that was carried out: no other request of this row came between.

        Where the portal's list told of the start, it told whole seconds.
        """
        sent, came = dt.datetime.fromisoformat(text(row["startedAt"])).timestamp(), self._arrivals[line["n"]]
        later = [one for one in self._came[told.campaign, intent(line)] if one["time"] >= sent - 0.002]
        listed = MATCHED in row["errorMessage"] and abs(sent - came["time"]) < SAME
        if not listed and (not later or min(later, key=lambda one: one["time"])["n"] != line["n"]):
            yield f"startedAt is not when the request of {line['workflowId']} left, which arrived at {came['time']}"

    def _of_attempts(self, told: Table, row: Mapping[Any, Any]) -> Iterator[str]:
        """``attempts`` counts the requests that left for the row in this run, so at least those that arrived."""
        came = [
            self.acts[self._index(one)] for one in self._came.get((told.campaign, meaning(row)), ()) if one["time"] <= told.at
        ]
        own = [act for act in came if told.run and act.run == told.run]
        if any(act.at_once for act in came) or row["startStatus"] == Status.DUPLICATE:
            return
        if int(row["attempts"]) < len(own):
            yield f"{len(own)} requests of it arrived in this run"

    def _hidden(self) -> Iterator[str]:
        """A start that no row means."""
        rows = {(one.campaign, what) for one, found in zip(self.tables, self._rows, strict=True) for what in found}
        for key, lines in self._commits.items():
            if key not in rows:
                yield f"a workflow runs that no row means: {key} {[line['workflowId'] for line in lines]}"

    # ---------------------------------------------------------------------------------------------- lost ids

    def _lost(self) -> Iterator[str]:
        """An id that was received is told from then on; one that was told stays told."""
        known: dict[Key, str] = {}
        for workflow, line in self._received.items():
            key = self._key(self._ids[workflow])
            known[key] = workflow
            yield from self._untold(key, self._index(line), workflow, "received")
        for one in self.tables:
            for row in one.rows:
                key, workflow = (one.campaign, meaning(row)), text(row["workflowId"])
                if workflow and key not in known:
                    known[key] = workflow
                    yield from self._untold(key, one.act + 1, workflow, "told before")

    def _untold(self, key: Key, act: int, workflow: str, how: str) -> Iterator[str]:
        """Tables of this act or later ones that have the row and not the id; of two runs at once, one that tells it is enough."""
        found: dict[int, list[str]] = defaultdict(list)
        for rows, one in zip(self._rows, self.tables, strict=True):
            if one.act >= act and one.campaign == key[0]:
                own = rows.get(key[1], [])
                bad = own and workflow not in {text(row["workflowId"]) for row in own}
                found[one.act].append(f"{one.who}: {workflow} was {how} and is not told: {shown(own[0])}" if bad else "")
        for number, bad in found.items():
            if all(bad) or not self.acts[number].at_once:
                yield from filter(None, bad)


def _of_contract(row: Mapping[Any, Any]) -> Iterator[str]:
    """What the interface page promises of the six columns of each row by itself."""
    status, workflow, code, message, attempts, at = (text(row[name]) for name in SIX)
    if status not in {str(one) for one in Status} or (bool(workflow) == bool(code) and status != Status.PLANNED):
        yield "a workflowId or an errorCode, never both, never neither"
    if bool(workflow) != (status in WITH_ID) or bool(at) != bool(workflow) or (code and not message):
        yield "status, id, code, message and moment do not fit together"
    if not attempts.isdigit() or (status == Status.STARTED and attempts == "0"):
        yield "attempts is no count"
