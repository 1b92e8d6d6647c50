"""The fault matrix: every line of bitrix24-api.md 4.2 and 4.4 × committed or not, over real sockets, row by row against the ledger.

``LINES`` names the lines of the two tables; every case names its line, and what cannot be made on one machine has its reason in
``NOT_MADE``. A line that proves that nothing was started is met with "not committed" only: a portal that started all the same
would lie, and nobody could tell. Every other line is met with both.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pandas as pd
import pytest

import bulkstart
from bulkstart.model import Busy, HttpCall, Lost
from bulkstart.retry import lost_verdict
from bulkstart.simulator import Sandbox
from bulkstart.transport import Transport
from tests.conftest import FAST, FAST_WORDS, MARK, PLAIN, Json, deals, starts, truth, until
from tests.raw import Raw

LINES = {
    "4.2 no connection": "DNS failure, connection refused, connect timeout",
    "4.2 TLS": "TLS handshake / certificate error",
    "4.2 not built": "local error while building the request (encoding, size)",
    "4.2 no free connection": "pool timeout",
    "4.2 sending broke": "write timeout / reset while sending the body",
    "4.2 dead keep-alive": "server closed a reused keep-alive connection before any response byte",
    "4.2 read timeout": "read timeout",
    "4.2 reset": "reset / EOF after sending",
    "4.2 garbled": "incomplete body, bad gzip, invalid JSON, wrong charset, HTML on 200",
    "4.2 killed": "process killed between journal 'sending' and the reply",
    "4.2 Ctrl-C": "Ctrl-C",
    "4.2 3xx": "redirects",
    "4.2 407": "407 / proxy page / captive portal HTML",
    "4.2 size": "413, 414, 431 from the front",
    "4.2 408": "408 from the front",
    "4.4 201": "201 with data.workflowId",
    "4.4 no id": "other 2xx / 201 without id",
    "4.4 400": "MISSING_PARAMS, VALIDATION_ERROR",
    "4.4 401": "MISSING_API_KEY, INVALID_API_KEY, INVALID_APP_KEY, INVALID_SESSION, TOKEN_MISSING",
    "4.4 TOKEN_EXPIRED": "TOKEN_EXPIRED",
    "4.4 403": "SCOPE_DENIED, BITRIX_ACCESS_DENIED, OAUTH_REQUIRED, …READONLY…, MANAGEMENT_*",
    "4.4 404": "route or ENTITY_NOT_FOUND",
    "4.4 422 known": "BITRIX_ERROR whose b24Code or exact text is known as not started",
    "4.4 422 OVERLOAD_LIMIT": "BITRIX_ERROR with b24Code OVERLOAD_LIMIT",
    "4.4 422 other": "BITRIX_ERROR, any other text",
    "4.4 429 RATE_LIMITED": "RATE_LIMITED",
    "4.4 429 ERROR_LOOP_DETECTED": "ERROR_LOOP_DETECTED",
    "4.4 500": "INTERNAL_ERROR",
    "4.4 502 BITRIX_UNAVAILABLE": "BITRIX_UNAVAILABLE",
    "4.4 5xx front": "502/503/504, HTML or no envelope",
    "4.4 504 QUEUE_TIMEOUT": "QUEUE_TIMEOUT",
    "4.4 client read timeout": "client read timeout",
}
NOT_MADE = {
    "4.2 no free connection": "there are as many connections as rows may be on the wire, and a start waits for one without end",
}
OFF: dict[str, Any] = {"halt_doubts": 0, "halt_same": 0, "halt_percent": 0}
DOUBT, REFUSED, STARTED, INERT = "in_doubt", "refused", "started", "not_attempted"
BOTH, NEVER, ALWAYS = (False, True), (False,), (True,)
FAULTY = 3
"""The deal of five that meets the fault, wherever a run has one fault."""


@dataclass(frozen=True)
class Case:
    """One fault and what its row must say. ``code``: one or several, of which one; ``unless``: the code where nothing was committed."""

    line: str
    name: str
    met: Any
    status: str
    code: str = ""
    exit: int = 0
    attempts: int = 1
    committed: tuple[bool, ...] = NEVER
    unless: str = ""
    at: int = FAULTY
    options: Mapping[str, Any] = field(default_factory=dict)

    def codes(self, *, committed: bool) -> set[str]:
        return set((self.code if committed or not self.unless else self.unless).split("|"))

    def __str__(self) -> str:
        return f"{self.line}: {self.name}"


def doubt(line: str, name: str, code: str, met: Any = None, **more: Any) -> Case:
    return Case(line, name, met or name, DOUBT, code, **{"exit": 5, "committed": BOTH, **more})


def refused(line: str, name: str, code: str = "", met: Any = None, exit: int = 4, **more: Any) -> Case:  # noqa: A002  the page's word
    return Case(line, name, met or name, REFUSED, code or name, exit, **more)


def stop(line: str, name: str, code: str = "", met: Any = None, exit: int = 7, **more: Any) -> Case:  # noqa: A002  the page's word
    return Case(line, name, met or name, INERT, code or name, exit, **more)


def started(line: str, name: str, met: Any = None, **more: Any) -> Case:
    return Case(line, name, met or name, STARTED, committed=ALWAYS, **more)


def says(status: int, json: Any = None, **more: Any) -> Json:
    return {"kind": "status", "status": status, **({} if json is None else {"json": json}), **more}


def error(code: str, **more: Any) -> Json:
    return {"kind": "error", "code": code, **more}


def native(code: str, message: str = "told by the portal", **more: Any) -> Json:
    return error("BITRIX_ERROR", b24Code=code, message=message, **more)


# -------------------------------------------------------------------------------------------- rows against the ledger


def honest(row: Mapping[Any, Any], ledger: list[Json], status: str, codes: set[str], *, committed: bool) -> None:
    """One row against its own lines of the ledger; ``committed``: how often its workflow was started, as it was arranged."""
    entity = int(row["entityId"])
    commits = [line["workflowId"] for line in starts(ledger, "commit") if line["entityId"] == entity]
    arrived = sum(line["entityId"] == entity for line in starts(ledger, "arrival"))
    assert len(commits) == committed, f"arranged otherwise: {row} {commits}"
    assert (row["startStatus"], row["errorCode"] in codes) == (status, True), row
    assert row["attempts"] == arrived, row
    assert row["workflowId"] == (commits[0] if status == STARTED else ""), row
    if status not in (STARTED, DOUBT):
        assert not commits, row
    if status == DOUBT:
        assert arrived == 1, row


def good(row: Mapping[Any, Any], ledger: list[Json]) -> None:
    honest(row, ledger, STARTED, {""}, committed=True)


def start(scenario: Json, frame: pd.DataFrame | None = None, **options: Any) -> tuple[pd.DataFrame, list[Json]]:
    """A run of five deals (or ``frame``), one after the other, against a sandbox portal; its results and the truth."""
    chosen: dict[str, Any] = {"template": 713, "max_unknown": 1, "canary": 0, "timeout": 1.5, **FAST, **OFF, **options}
    with bulkstart.sandbox({"templates": [{**PLAIN, "parameters": MARK}], **scenario}) as portal:
        results = bulkstart.start(deals(5) if frame is None else frame, portal=portal, **chosen)
        ledger = portal.ledger()
    truth(results, ledger)
    return results, ledger


def told(case: Case, results: pd.DataFrame, ledger: list[Json], *, committed: bool = False) -> None:
    """A run of five whose row ``case.at`` met the case: the others are good, or never tried behind one that stops the run."""
    rows = results.to_dict("records")
    assert results.attrs["exit_code"] == case.exit, rows
    codes = case.codes(committed=committed)
    for number, row in enumerate(rows, 1):
        if number == case.at:
            honest(row, ledger, case.status, codes, committed=committed)
            assert row["attempts"] == case.attempts, row
        elif number > case.at and case.exit in (6, 7):
            honest(row, ledger, INERT, codes | {"RUN_STOPPED"}, committed=False)
            assert row["attempts"] == 0, row
        else:
            good(row, ledger)


# ------------------------------------------------------------------------------ 1. faults that concern their row alone


SUCCESS = {"success": True, "data": {"workflowId": "6b0000000000.00000001"}}
KNOWN_TEXTS = ("Wrong DOCUMENT_ID!", "Incorrect document type!", "Template type and DOCUMENT_ID mismatch!")
OTHER_TEXTS = (
    *("Mail server refused the letter", "Wrong DOCUMENT_ID! ", "wrong document_id!", "Template not found.", ""),
    "Превышено количество одновременно запущенных бизнес-процессов (2).",
)
NO_SUCCESS: list[tuple[int, Any]] = [
    *((status, SUCCESS) for status in (200, 202, 203, 226)),
    *((201, {**SUCCESS, "success": said}) for said in (False, "true", None)),
    *((201, {"success": True, "data": said}) for said in ({}, [], None, "x")),
    *((201, {"success": True, "data": {"workflowId": said}}) for said in ("", " ", 7.5, None, ["x"])),
    (201, [1, 2]),
]

ROWS = [
    doubt("4.2 read timeout", "hang", "READ_TIMEOUT"),
    doubt("4.2 read timeout", "a body that drips", "READ_TIMEOUT", {"kind": "slow_loris", "seconds": 5}),
    doubt("4.4 client read timeout", "late", "READ_TIMEOUT", {"kind": "delay", "seconds": 2.5}),
    *(doubt("4.2 reset", kind, "CONNECTION_RESET") for kind in ("close", "reset_after_reading")),
    doubt("4.2 reset", "reset_before_reading", "CONNECTION_RESET", committed=NEVER),
    *(doubt("4.2 garbled", kind, "BAD_ANSWER") for kind in ("close_mid_body", "close_after_headers", "garbage", "bad_gzip")),
    *(
        doubt("4.2 garbled", f"{kind} by rst", "BAD_ANSWER", {"kind": kind, "with": "rst"})
        for kind in ("close_mid_body", "close_after_headers")
    ),
    *(doubt("4.2 garbled", kind, "BAD_ANSWER", unless="HTTP_422") for kind in ("truncated_json", "wrong_charset")),
    doubt("4.2 garbled", "but the last bytes", "BAD_ANSWER", {"kind": "truncated_json", "bytes": 60}, unless="HTTP_422"),
    doubt("4.2 garbled", "html_200", "BAD_ANSWER"),
    doubt("4.2 garbled", "a bottomless body", "BAD_ANSWER", says(201, text="[" * 100_000)),
    doubt("4.2 407", "a captive portal's page", "BAD_ANSWER", says(200, text="<html>Welcome to the hotel</html>")),
    *(refused("4.2 size", f"{status}", f"HTTP_{status}", says(status, text="too large")) for status in (413, 414, 431)),
    doubt("4.2 408", "408", "HTTP_408", says(408, text="Request Timeout")),
    *(started("4.4 201", kind) for kind in ("normal", "gzip", "chunked", "keepalive_close")),
    started("4.4 201", "byte by byte", {"kind": "slow_loris", "seconds": 0.1}),
    *(doubt("4.4 no id", kind, "BAD_ANSWER") for kind in ("empty_200", "empty_201")),
    *(doubt("4.4 no id", f"{status} {json}", "BAD_ANSWER", says(status, json)) for status, json in NO_SUCCESS),
    doubt("4.4 no id", "204", "BAD_ANSWER", says(204, text="")),
    doubt("4.4 no id", "an error too", "MISSING_PARAMS", says(201, {**SUCCESS, "error": {"code": "MISSING_PARAMS"}})),
    *(refused("4.4 400", code) for code in ("MISSING_PARAMS", "VALIDATION_ERROR")),
    *(refused("4.4 404", code) for code in ("ENTITY_NOT_FOUND", "ROUTE_NOT_FOUND")),
    doubt("4.4 404", "no gateway's 404, after a success", "HTTP_404", says(404, text="nginx")),
    refused("4.4 403", "BITRIX_ACCESS_DENIED"),
    doubt("4.4 403", "html_403", "HTTP_403"),
    *(refused("4.4 422 known", text, "BITRIX_ERROR", native("", text)) for text in KNOWN_TEXTS),
    *(
        refused("4.4 422 known", code, "BITRIX_ERROR", native(code))
        for code in ("ERROR_ARGUMENT", "error_argument", "ERROR_BATCH_METHOD_NOT_ALLOWED")
    ),
    *(doubt("4.4 422 other", f"text {text!r}", "BITRIX_ERROR", native("", text)) for text in OTHER_TEXTS),
    *(
        doubt("4.4 422 other", f"{code}, {text}", "BITRIX_ERROR", native(code, text))
        for code in ("ERROR_CORE", "INTERNAL_SERVER_ERROR", "ERROR_UNEXPECTED_ANSWER", "NEVER_HEARD_OF")
        for text in ("told by the portal", KNOWN_TEXTS[0])
    ),
    doubt("4.4 500", "INTERNAL_ERROR", "INTERNAL_ERROR"),
    doubt("4.4 500", "json_500", "HTTP_500"),
    doubt("4.4 502 BITRIX_UNAVAILABLE", "BITRIX_UNAVAILABLE", "BITRIX_UNAVAILABLE"),
    *(doubt("4.4 5xx front", f"html_{status}", f"HTTP_{status}") for status in (502, 503, 504)),
    *(
        doubt("4.4 5xx front", f"{status} {json}", f"HTTP_{status}", says(status, json))
        for status, json in ((502, {"message": "Bad Gateway"}), (503, {"error": "QUERY_LIMIT_EXCEEDED"}), (504, []))
    ),
    *(
        doubt("4.4 5xx front", f"an unknown code as {status}", "ODD", error("ODD", status=status, message="?"))
        for status in (400, 404, 418, 429, 503)
    ),
    doubt("4.4 504 QUEUE_TIMEOUT", "QUEUE_TIMEOUT", "QUEUE_TIMEOUT"),
]


@pytest.mark.parametrize("committed", [True, False], ids=["committed", "not committed"])
def test_a_fault_of_one_row_is_told_in_that_row_and_in_no_other(committed):
    """One run for all of them: each faulty deal stands between two good ones."""
    cases = [case for case in ROWS if committed in case.committed]
    faults = [{"entities": [2 * number], "committed": committed, "answer": case.met} for number, case in enumerate(cases, 1)]
    results, ledger = start({"faults": faults}, deals(2 * len(cases) + 1))
    rows = results.to_dict("records")
    for row in rows[::2]:
        good(row, ledger)
    for case, row in zip(cases, rows[1::2], strict=True):
        honest(row, ledger, case.status, case.codes(committed=committed), committed=committed)
        assert row["attempts"] == case.attempts, case
    assert results.attrs["exit_code"] == 5


# -------------------------------------------------------------------------------------- 2. faults that stop the run


ELSEWHERE = {"Location": "https://renamed.bitrix24.example/v1/workflows/start"}
NO_KEY = ("MISSING_API_KEY", "INVALID_API_KEY", "INVALID_APP_KEY", "INVALID_SESSION", "TOKEN_MISSING")
NO_RIGHT = (
    *("SCOPE_DENIED", "OAUTH_REQUIRED", "WRITE_BLOCKED_READONLY_KEY", "KEY_POLICY_READONLY_REQUIRED"),
    *("MANAGEMENT_KEY_NO_ENTITY_ACCESS", "MANAGEMENT_SCOPE_REQUIRED"),
)
NATIVE_STOPS = """ACCESS_DENIED INVALID_CREDENTIALS NO_AUTH_FOUND expired_token invalid_token authorization_error
    APPLICATION_NOT_FOUND ERROR_OAUTH WRONG_AUTH_TYPE user_access_error allowed_only_intranet_user insufficient_scope invalid_scope
    METHOD_CONFIRM_WAITING METHOD_CONFIRM_DENIED PAYMENT_REQUIRED ERROR_MANIFEST_IS_NOT_AVAILABLE ERROR_METHOD_NOT_FOUND
    PORTAL_DELETED INVALID_REQUEST""".split()
WITHOUT_B24_CODE = says(422, {"success": False, "error": {"code": "BITRIX_ERROR", "message": "Template not found"}})

STOPS = [
    *(
        stop("4.2 3xx", f"{status}", f"HTTP_{status}", says(status, text="", headers=ELSEWHERE))
        for status in (300, 301, 302, 303, 307, 308)
    ),
    stop("4.2 3xx", "to nowhere", "HTTP_302", says(302, text="")),
    stop("4.2 3xx", "with a success in it", "HTTP_302", says(302, SUCCESS, headers=ELSEWHERE)),
    doubt("4.2 407", "a 407 that answers the start", "HTTP_407", says(407, text="proxy"), exit=7),
    *(stop("4.4 401", code) for code in NO_KEY),
    stop("4.4 TOKEN_EXPIRED", "TOKEN_EXPIRED"),
    *(stop("4.4 403", code) for code in NO_RIGHT),
    stop("4.4 403", "before a success", "BITRIX_ACCESS_DENIED", "BITRIX_ACCESS_DENIED", at=1),
    stop("4.4 404", "no route before a success", "ROUTE_NOT_FOUND", "ROUTE_NOT_FOUND", at=1),
    stop("4.4 404", "no gateway before a success", "HTTP_404", says(404, text="nginx"), at=1),
    *(stop("4.4 422 known", code, "BITRIX_ERROR", native(code)) for code in NATIVE_STOPS),
    refused("4.4 422 known", "a template's code", "BITRIX_ERROR", native("ERROR_WRONG_WORKFLOW_ID"), exit=6),
    refused("4.4 422 known", "Template not found", "BITRIX_ERROR", native("", "Template not found"), exit=6),
    refused("4.4 422 known", "Empty TEMPLATE_ID", "BITRIX_ERROR", native("", "Empty TEMPLATE_ID"), exit=6),
    refused("4.4 422 known", "b24Code absent", "BITRIX_ERROR", WITHOUT_B24_CODE, exit=6),
    stop("4.4 422 known", "put off to the end", "BITRIX_ERROR|DEADLINE", "OPERATION_TIME_LIMIT", 6, options={"deadline": 0.6}),
    stop("4.4 422 OVERLOAD_LIMIT", "in 422", "BITRIX_ERROR", "OVERLOAD_LIMIT", 6),
    stop("4.4 422 OVERLOAD_LIMIT", "in lower case, as 503", "BITRIX_ERROR", native("overload_limit", status=503), 6),
    stop("4.4 429 ERROR_LOOP_DETECTED", "ERROR_LOOP_DETECTED", exit=6),
]


@pytest.mark.parametrize(("case", "committed"), [(case, done) for case in STOPS for done in case.committed], ids=str)
def test_a_fault_that_concerns_every_row_stops_the_run_before_another_is_sent(case, committed):
    results, ledger = start({"faults": [{"entities": [case.at], "committed": committed, "answer": case.met}]}, **case.options)
    told(case, results, ledger, committed=committed)


# ----------------------------------------------------------------------------------- 3. asked to wait, then started

AGAIN = [
    started("4.4 429 RATE_LIMITED", "with a time", error("RATE_LIMITED", retryAfter=0.1), attempts=2),
    started("4.4 429 RATE_LIMITED", "without a time", error("RATE_LIMITED", retryAfter=None), attempts=2),
    started("4.4 429 RATE_LIMITED", "as 503", error("rate_limited", status=503, message="", retryAfter=0.1), attempts=2),
    started("4.4 422 known", "QUERY_LIMIT_EXCEEDED", native("QUERY_LIMIT_EXCEEDED", retryAfter=0.1), attempts=2),
]


@pytest.mark.parametrize("case", AGAIN, ids=str)
def test_a_start_that_was_only_put_off_goes_again_and_is_one_start(case):
    results, ledger = start({"faults": [{"nth": FAULTY, "committed": False, "answer": case.met}]})
    told(case, results, ledger, committed=True)


# ------------------------------------------------------------------------------ 4. the portal's own doing, unscripted

SLOW = {"id": 714, "name": "Slow", "documentType": "deal", "run_seconds": 0.3}
BRISK = {**PLAIN, "run_seconds": 0.2}
BUSY = {"templateId": 720, "entityType": "deal", "entityId": FAULTY}
BREAKS = {"at_step": 2, "steps": 3, "message": "No such disk", "entities": [FAULTY]}


def one_slow(frame: pd.DataFrame) -> pd.DataFrame:
    """The faulty row of another template, which takes its time."""
    return frame.assign(templateId=[714 if number == FAULTY else 713 for number in frame["entityId"]])


def cut(line: str, said: str, code: str, *, rolls_back: bool) -> Case:
    switches = {"upstream_seconds": 0.1, "upstream_answer": said, "cut_rolls_back": rolls_back}
    scenario = {"templates": [PLAIN, SLOW], "switches": switches}
    return doubt(line, f"cut, {said}", code, scenario, committed=(not rolls_back,), options={"frame": one_slow})


def absent(line: str, said: str, make: Callable[..., Case], code: str) -> list[Case]:
    return [
        make(
            line,
            f"a deal that does not exist, {said}, b24Code {empty}",
            code,
            {"documents": {"missing": {"deal": [FAULTY]}}, "switches": {"missing_entity": said, "b24_code_when_empty": empty}},
            committed=NEVER,
        )
        for empty in ("empty", "absent")
    ]


def first(kind: str, *, committed: bool) -> Case:
    faults = [{"nth": 1, "committed": committed, "answer": kind}]
    name = f"{kind} at the first start, on a connection that questions were asked on"
    return doubt("4.2 dead keep-alive", name, "CONNECTION_RESET", {"faults": faults}, committed=(committed,), at=1)


NO_LIMIT = {"per_document": 0}
OWN = [
    *(cut("4.4 502 BITRIX_UNAVAILABLE", "BITRIX_UNAVAILABLE", "BITRIX_UNAVAILABLE", rolls_back=way) for way in BOTH),
    *(cut("4.4 5xx front", "html_504", "HTTP_504", rolls_back=way) for way in BOTH),
    *(cut("4.2 reset", "reset", "CONNECTION_RESET", rolls_back=way) for way in BOTH),
    doubt("4.4 422 other", "an activity throws", "BITRIX_ERROR", {"templates": [{**PLAIN, "fails": BREAKS}]}, committed=ALWAYS),
    doubt("4.4 422 other", "no room on the deal", "BITRIX_ERROR", {"running": [BUSY] * 2}, committed=NEVER, options=NO_LIMIT),
    doubt(
        "4.4 422 other",
        "others took the room meanwhile",
        "BITRIX_ERROR",
        {"others": [{**BUSY, "at": 0}] * 2, "language": "ru"},
        committed=NEVER,
        options=NO_LIMIT,
    ),
    *absent("4.4 422 known", "BITRIX_ERROR", refused, "BITRIX_ERROR"),
    *absent("4.4 404", "ENTITY_NOT_FOUND", refused, "ENTITY_NOT_FOUND"),
    *absent("4.4 422 other", "localised", doubt, "BITRIX_ERROR"),
    refused("4.4 403", "a deal that may not be seen", "BITRIX_ACCESS_DENIED", {"documents": {"denied": {"deal": [FAULTY]}}}),
    *(first(kind, committed=way) for kind in ("close", "reset_after_reading") for way in BOTH),
    started("4.2 dead keep-alive", "one answer a connection", {"connections": {"max_requests": 1}}),
    started("4.2 no connection", "refused for a while", {"templates": [BRISK], "outages": [{"from": 0.1, "to": 0.7}]}),
]
OWN_STOPS = [
    stop(
        "4.4 TOKEN_EXPIRED",
        "a session ends",
        "TOKEN_EXPIRED",
        {"keys": [{"key": "vibe_app_1", "session_expires_after_starts": 2}]},
    ),
    stop("4.4 401", "a key ends", "INVALID_API_KEY", {"keys": [{"key": "vibe_api_1", "expires_after_starts": 2}]}),
    refused("4.4 422 known", "a template is deleted", "BITRIX_ERROR", {"templates": [{**PLAIN, "gone_after_starts": 2}]}, exit=6),
    stop(
        "4.2 no connection",
        "refused to the end",
        "DEADLINE|CONNECT_FAILED|UNREACHABLE",
        {"templates": [BRISK], "outages": [{"from": 0.1, "to": 99}]},
        6,
        attempts=0,
        at=2,
        options={"deadline": 1.0},
    ),
]


@pytest.mark.parametrize("case", OWN, ids=str)
def test_what_the_portal_does_of_its_own_accord_is_told_as_truly(case):
    options = dict(case.options)
    frame = options.pop("frame", lambda plain: plain)(deals(5))
    results, ledger = start(case.met, frame, **options, **({"template": None} if "templateId" in frame else {}))
    told(case, results, ledger, committed=case.status == STARTED or True in case.committed)


@pytest.mark.parametrize("case", OWN_STOPS, ids=str)
def test_what_ends_for_every_row_stops_the_run(case):
    results, ledger = start(case.met, **case.options)
    told(case, results, ledger)


QUEUES = [
    doubt("4.4 504 QUEUE_TIMEOUT", "and runs when its turn comes", "QUEUE_TIMEOUT", {"timed_out": "run"}, committed=ALWAYS),
    doubt("4.4 504 QUEUE_TIMEOUT", "and never runs", "QUEUE_TIMEOUT", {"timed_out": "drop"}, committed=NEVER),
]


@pytest.mark.parametrize("case", QUEUES, ids=lambda case: case.name)
def test_a_start_that_waited_too_long_in_the_queue_may_run_when_nobody_looks_any_more(case):
    """Two rows at once before a portal that runs one at a time; which of them is first is chance."""
    queue = {"parallel": 1, "seconds": 0.1, **case.met}
    chosen: dict[str, Any] = {"template": 714, "max_unknown": 2, "canary": 0, "timeout": 2, **FAST, **OFF}
    with bulkstart.sandbox({"templates": [SLOW], "limits": {"queue": queue}}) as portal:
        results = bulkstart.start(deals(2), portal=portal, **chosen)
        if True in case.committed:
            until(lambda: len(starts(portal.ledger(), "commit")) == 2, what="the late commit")
        ledger = portal.ledger()
    truth(results, ledger, template=714)
    first, last = sorted(results.to_dict("records"), key=lambda row: row["startStatus"], reverse=True)
    good(first, ledger)
    honest(last, ledger, case.status, {case.code}, committed=True in case.committed)
    assert results.attrs["exit_code"] == case.exit


# ---------------------------------------------------------------------- 5. what no portal does: a front before the portal


class Front:
    """Passes every request on to a sandbox portal, one for each connection; the start on deal ``FAULTY`` meets ``fault``.

    ``starts``: the deals whose start arrived here, in order. ``fault`` gets the connection and what has been read of the request.
    ``left_over``: a path, and bytes behind its answer; then connections are kept, as the client asks.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        fault: Callable[[Front, socket.socket, bytes], None] | None = None,
        left_over: tuple[bytes, bytes] | None = None,
    ) -> None:
        self._sandbox, self._fault, self._left_over = sandbox, fault, left_over
        self.starts: list[int] = []
        self.closing = threading.Event()

    def __call__(self, opened: socket.socket) -> None:
        while self._pass_one(opened) and self._left_over:
            pass

    def _pass_one(self, opened: socket.socket) -> bool:
        """Serve one request; whether another may follow on the connection."""
        seen = self.read_until(opened, rb"\r\n\r\n")
        if seen.startswith(b"POST /v1/workflows/start"):
            seen = self.read_until(opened, rb'"entityId": \d+[,}]', seen)
            self.starts.append(int(re.search(rb'"entityId": (\d+)', seen)[1]))  # type: ignore[index]  # read until it is there
            if self.starts[-1] == FAULTY and self._fault is not None:
                self._fault(self, opened, seen)
                return False
            opened.sendall(self.pass_on(self.whole(opened, seen)))
            return False
        if not seen:
            return False
        answer = self.pass_on(self.whole(opened, seen))
        if self._left_over:
            path, more = self._left_over
            answer = answer.replace(b"Connection: close\r\n", b"") + (more if seen.startswith(b"GET " + path) else b"")
        opened.sendall(answer)
        return True

    @staticmethod
    def read_until(opened: socket.socket, wanted: bytes, seen: bytes = b"") -> bytes:
        while not re.search(wanted, seen) and (piece := opened.recv(65536)):
            seen += piece
        return seen

    @staticmethod
    def whole(opened: socket.socket, seen: bytes) -> bytes:
        head, _, body = seen.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        while len(body) < int(length[1] if length else 0):
            body += opened.recv(65536)
        return head + b"\r\n\r\n" + body

    def pass_on(self, request: bytes) -> bytes:
        """What the portal answers to one request."""
        line, rest = request.split(b"\r\n", 1)
        kept = re.sub(rb"(?i)(?<=\n)connection:[^\r]*\r\n", b"", b"\n" + rest)[1:]
        with socket.create_connection(("127.0.0.1", self._sandbox.port), timeout=5) as portal:
            portal.sendall(line + b"\r\nConnection: close\r\n" + kept)
            return b"".join(iter(lambda: portal.recv(65536), b""))

    def commit(self, seen: bytes) -> bytes:
        """Let the start happen from what has arrived of it, without its parameters."""
        head = re.sub(rb"(?i)\r\ncontent-length: \d+", b"", seen.partition(b"\r\n\r\n")[0])
        body = b'{"templateId": 713, "entityType": "deal", "entityId": %d}' % FAULTY
        return self.pass_on(head + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def reset(_: Front, opened: socket.socket) -> None:
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    opened.close()


def stall(front: Front, _: socket.socket) -> None:
    front.closing.wait(5)


def drip(front: Front, opened: socket.socket) -> None:
    opened.sendall(b"HTTP/1.1 201 Created\r\nX-Slow: ")
    with contextlib.suppress(OSError):
        while not front.closing.wait(0.1):
            opened.sendall(b"a")


def bytes_of(said: bytes) -> Callable[[Front, socket.socket], None]:
    return lambda _, opened: opened.sendall(said)


LARGE = "x" * 12_000_000
CREATED = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n"
LENGTH = b"Content-Length: %d\r\n\r\n"
SAID = b'{"success":true,"data":{"workflowId":"6b0000000000.00000001"}}'

CHUNKED = CREATED + b"Transfer-Encoding: chunked\r\n\r\n"
UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
ANY = "CONNECTION_RESET|BAD_ANSWER|READ_TIMEOUT|HTTP_101"

FRONTS = [
    doubt("4.2 sending broke", "a reset while the body comes", "CONNECTION_RESET", reset, options={"large": True}),
    doubt("4.2 sending broke", "nobody reads the body", "WRITE_TIMEOUT|READ_TIMEOUT", stall, options={"large": True}),
    doubt("4.2 read timeout", "a header that drips", "READ_TIMEOUT", drip),
    doubt("4.2 reset", "half a status line", "CONNECTION_RESET|BAD_ANSWER", bytes_of(b"HTTP/1.1 20")),
    doubt("4.2 garbled", "no HTTP", "BAD_ANSWER", bytes_of(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")),
    doubt("4.2 garbled", "half a chunk", "BAD_ANSWER", bytes_of(CHUNKED + b"99\r\n{")),
    doubt("4.2 garbled", "a success, but no last chunk", "BAD_ANSWER", bytes_of(CHUNKED + b"%x\r\n%s\r\n" % (len(SAID), SAID))),
    doubt("4.2 garbled", "a success, a byte short", "BAD_ANSWER", bytes_of(CREATED + LENGTH % (len(SAID) + 1) + SAID)),
    doubt("4.2 garbled", "two lengths", "BAD_ANSWER", bytes_of(CREATED + (LENGTH % 62).strip() + b"\r\n" + LENGTH % 61 + SAID)),
    doubt("4.4 no id", "only an interim answer", ANY, bytes_of(b"HTTP/1.1 102 Processing\r\n\r\n")),
    doubt("4.4 no id", "another protocol", ANY, bytes_of(UPGRADE)),
]


def through(front: Front, base_url: str, sandbox: Sandbox, frame: pd.DataFrame, **options: Any) -> pd.DataFrame:
    """A run against what stands at ``base_url`` before ``sandbox``; every request that left is one that arrived at the front."""
    portal = bulkstart.Portal.vibecode(api_key=sandbox.api_key, base_url=base_url)
    chosen: dict[str, Any] = {"template": 713, "max_unknown": 1, "canary": 0, "timeout": 1.5, **FAST, **OFF, **options}
    try:
        results = bulkstart.start(frame, portal=portal, **chosen)
    finally:
        front.closing.set()
    truth(results, sandbox.ledger(), arrivals=False)
    for row in results.to_dict("records"):
        assert row["attempts"] == front.starts.count(int(row["entityId"])), row
    return results


@pytest.mark.parametrize(
    ("case", "committed"),
    [pytest.param(case, committed, id=f"{case}, {committed}") for case in FRONTS for committed in case.committed],
)
def test_an_answer_that_no_portal_would_give_leaves_its_row_in_doubt(case, committed):
    def fault(front: Front, opened: socket.socket, seen: bytes) -> None:
        if committed:
            front.commit(seen)
        case.met(front, opened if case.options else _whole(front, opened, seen))

    frame = deals(5)
    if case.options:
        frame["Mark"] = [LARGE if entity == FAULTY else "" for entity in frame["entityId"]]
    with Sandbox({"templates": [{**PLAIN, "parameters": MARK}]}) as sandbox:
        front = Front(sandbox, fault)
        with Raw(front, read=False) as server:
            results = through(front, server.url, sandbox, frame)
        ledger = sandbox.ledger()
    assert results.attrs["exit_code"] == case.exit
    for row in results.to_dict("records"):
        if row["entityId"] == FAULTY:
            commits = [line for line in starts(ledger, "commit") if line["entityId"] == FAULTY]
            assert len(commits) == committed
            assert (row["startStatus"], row["attempts"], row["workflowId"]) == (case.status, 1, ""), row["errorCode"]
            assert row["errorCode"] in case.codes(committed=committed)
        else:
            good(row, ledger)


LEFT_OVER = started("4.4 201", "an answer that was left over is no start's", CREATED + LENGTH % len(SAID) + SAID)


@pytest.mark.parametrize("path", ["/v1/bizproc-templates", "/v1/workflows"])
def test_an_answer_that_was_left_over_on_a_connection_is_no_row_s(path):
    """Behind the answer to a question that comes before the first start stands an answer to nothing: that something started."""
    with Sandbox({"templates": [PLAIN]}) as sandbox:
        front = Front(sandbox, left_over=(path.encode(), LEFT_OVER.met))
        with Raw(front, read=False) as server:
            results = through(front, server.url, sandbox, deals(5))
        told(LEFT_OVER, results, sandbox.ledger(), committed=True)


def _whole(front: Front, opened: socket.socket, seen: bytes) -> socket.socket:
    front.whole(opened, seen)
    return opened


# ------------------------------------------------------------------------------ 6. nothing left: no connection, no TLS, no proxy


class Deaf:
    """A listener with a backlog of none that, before the start on deal ``FAULTY``, answers nobody's call for ``seconds``.

    Its own idle connections fill the backlog meanwhile, so that the system drops every further one, as a firewall would.
    """

    def __init__(self, front: Front, seconds: float) -> None:
        self._front, self._seconds, self.slept = front, seconds, False
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(0)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        self._thread = threading.Thread(target=self._listen, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                opened, _ = self._socket.accept()
                with contextlib.suppress(OSError), opened:
                    opened.settimeout(0.5)
                    self._front(opened)
                if not self.slept and self._front.starts[-1:] == [FAULTY - 1]:
                    self._sleep()

    def _sleep(self) -> None:
        with contextlib.ExitStack() as held:
            for _ in range(4):
                one = held.enter_context(socket.socket())
                one.setblocking(False)
                one.connect_ex(self._socket.getsockname())
            threading.Event().wait(self._seconds)
        self.slept = True


DEAF = started("4.2 no connection", "connect timeout for a while", 1.0)


def test_a_portal_that_takes_no_calls_for_a_while_costs_no_row_and_no_attempt():
    with Sandbox({"templates": [PLAIN]}) as sandbox:
        front = Front(sandbox)
        with Deaf(front, DEAF.met) as deaf:
            results = through(front, deaf.url, sandbox, deals(5), timeout=1.0)
            assert deaf.slept
        told(DEAF, results, sandbox.ledger(), committed=True)


async def _sent(base: str) -> Any:
    async with Transport(base, {}, timeout=2, connections=1, loopback=False) as line:
        return await line.send(HttpCall("POST", "/workflows/start", body=b"{}"))


TOLD = [
    Case("4.2 no connection", "the resolver knows no such address", "https://[fe80::1%25nowhere]/v1", "", "CONNECT_FAILED"),
    Case("4.2 not built", "an address that is none", "https://256.1.1.1/v1", "", "REQUEST_NOT_BUILT"),
]


@pytest.mark.parametrize("case", TOLD, ids=str)
def test_what_never_left_is_told_as_such(case):
    """The resolver itself refuses an interface that is not there; no name server is asked."""
    answer = asyncio.run(_sent(case.met))
    assert isinstance(answer, Lost)
    assert (answer.left, answer.reason) == (False, case.code)
    assert isinstance(lost_verdict(answer), Busy)


UNREADABLE = Case("4.2 not built", "a text that no encoding holds", "a\ud800b", "invalid", "type-error", 4, attempts=0)
TOO_LARGE = Case("4.2 size", "a body above the gateway's limit", "x" * 5000, "refused or in_doubt", "BODY_TOO_LARGE|HTTP_413")


def marked(case: Case) -> pd.DataFrame:
    return deals(5).assign(**{"param:mark": ["", "", case.met, "", ""]})


def test_a_value_that_cannot_travel_is_found_before_anything_is_sent():
    results, ledger = start({}, marked(UNREADABLE), skip_invalid=True)
    told(UNREADABLE, results, ledger, committed=False)


def test_a_body_that_is_too_large_is_no_start():
    """The gateway says 413 with a code that stands in no table; the size says "no", the unknown code "unknown"."""
    results, ledger = start({"limits": {"body_bytes": 2000}}, marked(TOO_LARGE))
    for row in results.to_dict("records"):
        if row["entityId"] != FAULTY:
            good(row, ledger)
            continue
        assert row["startStatus"] in (REFUSED, DOUBT)
        assert row["errorCode"] in TOO_LARGE.codes(committed=False)
        assert (row["workflowId"], row["attempts"]) == ("", 1)
    assert results.attrs["exit_code"] in (4, 5)
    assert len(starts(ledger, "arrival")) == 5


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two certificates for ``NAME``; the first is the one to trust."""
    made = []
    for name in ("trusted", "strange"):
        path = tmp_path_factory.mktemp("tls") / f"{name}.pem"
        words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        names = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
        subprocess.run([*words, "-keyout", path, "-out", f"{path}.crt", *names], check=True, capture_output=True, timeout=20)
        path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
        made.append(path)
    return made[0], made[1]


NAME = "portal.bitrix24.example"


class Tunnel:
    """A proxy on this machine whose tunnels all end, behind TLS, at a front; the third start's first tunnel meets ``fault``."""

    def __init__(self, front: Front, fault: str, trusted: Path, strange: Path) -> None:
        self._front, self._fault, self._trusted, self._strange = front, fault, trusted, strange
        self.met = 0

    def __call__(self, opened: socket.socket) -> None:
        meets = not self.met and len(self._front.starts) == FAULTY - 1
        self.met += meets
        if meets and self._fault.isdigit():
            opened.sendall(f"HTTP/1.1 {self._fault} No\r\nContent-Length: 0\r\n\r\n".encode())
            return
        opened.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        if meets and self._fault == "no TLS":
            opened.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n<html>The plain HTTP request was sent to HTTPS port</html>")
        elif meets and self._fault == "silence":
            self._front.closing.wait(1)
        elif not meets or self._fault == "strange":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._strange if meets else self._trusted)
            with context.wrap_socket(opened, server_side=True) as inside:
                self._front(inside)


TUNNELS = [
    stop("4.2 TLS", "a certificate that nobody vouches for", "TLS_CERTIFICATE", "strange", attempts=0),
    started("4.2 TLS", "no TLS"),
    started("4.2 TLS", "silence"),
    started("4.2 TLS", "cut"),
    stop("4.2 407", "a proxy wants a password for CONNECT", "PROXY_REFUSED", "407", attempts=0),
    stop("4.2 407", "a proxy forbids CONNECT", "PROXY_REFUSED", "403", attempts=0),
]


@pytest.mark.parametrize("case", TUNNELS, ids=str)
def test_what_fails_before_the_request_can_have_left_started_nothing(case, certificates, monkeypatch):
    with Sandbox({"templates": [PLAIN], "portal": {"domain": NAME}}) as sandbox:
        front = Front(sandbox)
        tunnel = Tunnel(front, case.met, *certificates)
        with Raw(tunnel) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv("SSL_CERT_FILE", str(certificates[0]))
            results = through(front, f"https://{NAME}/v1", sandbox, deals(5))
        assert tunnel.met == 1
        assert all(
            line.startswith(f"CONNECT {NAME}:443 ".encode()) for line in re.findall(rb"^CONNECT.*", proxy.received, re.MULTILINE)
        )
        told(case, results, sandbox.ledger(), committed=case.status == STARTED)


# ------------------------------------------------------------------------------------------ 7. the program itself ends

ENDS = [
    doubt("4.2 killed", "SIGKILL while a start is on the wire", "CRASHED", "kill"),
    doubt("4.2 Ctrl-C", "twice", "ABANDONED"),
]
DRAINED = started("4.2 Ctrl-C", "once")


@pytest.mark.parametrize(
    ("case", "committed"),
    [pytest.param(case, committed, id=f"{case.name}, {committed}") for case in ENDS for committed in case.committed],
)
def test_a_program_that_ends_before_the_answer_leaves_its_row_in_doubt(case, committed, desk):
    here = desk({"faults": [{"entities": [FAULTY], "committed": committed, "answer": "hang"}]})
    sheet = here.sheet(rows=5)
    process = here.begin(sheet, "--template", 713, "--yes", "--json", *FAST_WORDS, "--canary", 0, "--max-unknown", 1)
    until(lambda: len(here.arrivals()) == FAULTY, what="the start that hangs")
    if case.met == "kill":
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=10)
        assert len(here.arrivals()) == FAULTY
        said = here.again(sheet, "--canary", 0)
        last = STARTED
    else:
        process.send_signal(signal.SIGINT)
        threading.Event().wait(0.3)
        assert process.poll() is None, "the first Ctrl-C lets the row on the wire finish"
        process.send_signal(signal.SIGINT)
        said = here.end(process)
        last = INERT
    assert said.code == (5 if case.met == "kill" else 130)
    results, ledger = here.results(said), here.sandbox.ledger()
    truth(results, ledger, arrivals=False)
    rows = results.to_dict("records")
    assert [row["startStatus"] for row in rows[:2]] == (["already_started"] * 2 if case.met == "kill" else [STARTED] * 2)
    assert [row["startStatus"] for row in rows[2:]] == [DOUBT, last, last]
    assert (rows[2]["errorCode"], rows[2]["workflowId"]) == (case.code, "")
    behind = [4, 5] if last == STARTED else []
    assert [line["entityId"] for line in here.commits()] == [1, 2, *[FAULTY] * committed, *behind]
    assert [line["entityId"] for line in here.arrivals()] == [1, 2, FAULTY, *behind]


def test_one_ctrl_c_lets_the_row_on_the_wire_finish(desk):
    here = desk({"faults": [{"entities": [FAULTY], "committed": True, "answer": {"kind": "delay", "seconds": 0.6}}]})
    process = here.begin(here.sheet(rows=5), "--template", 713, "--yes", "--json", *FAST_WORDS, "--canary", 0, "--max-unknown", 1)
    until(lambda: len(here.commits()) == FAULTY, what="the slow start")
    process.send_signal(signal.SIGINT)
    said = here.end(process)
    assert said.code == 130
    results = here.results(said)
    truth(results.assign(attempts=results["attempts"].astype(int)), here.sandbox.ledger())
    assert list(results["startStatus"]) == [STARTED] * 3 + [INERT] * 2
    assert list(results["errorCode"][3:]) == ["INTERRUPTED"] * 2


# -------------------------------------------------------------------------------------------------- nothing is left out

TABLE = [*ROWS, *STOPS, *AGAIN, *OWN, *OWN_STOPS, *QUEUES, *FRONTS, *TOLD, *TUNNELS, *ENDS]
TABLE += [LEFT_OVER, DEAF, UNREADABLE, TOO_LARGE, DRAINED]


def test_every_line_of_the_two_tables_is_met_or_has_its_reason():
    met = {case.line for case in TABLE}
    assert met | set(NOT_MADE) == set(LINES)
    assert not met & set(NOT_MADE)
    names = [(case.line, case.name, case.committed) for case in TABLE]
    assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)


def test_a_line_that_proves_nothing_is_met_both_ways():
    for line in LINES.keys() - NOT_MADE.keys():
        doubts = [case for case in TABLE if case.line == line and case.status == DOUBT]
        assert not doubts or {way for case in doubts for way in case.committed} == set(BOTH), line


def test_a_line_that_proves_a_refusal_is_never_met_with_a_start():
    assert not [case for case in TABLE if case.status in (REFUSED, INERT) and True in case.committed]
