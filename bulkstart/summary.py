"""A run on one screen: counts by status, errors grouped by code with advice, the next command to type. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from bulkstart import oauth
from bulkstart.model import Outcome, Problem
from bulkstart.result_columns import Status

_ADVICE = {
    "CLAIMED_BY_RUN": "another run works on these rows: run the sheet again when it has ended",
    "LIMIT": "run the sheet again without --limit",
    "DEADLINE": "run the sheet again to go on; nothing starts twice",
    "INTERRUPTED": "run the sheet again to go on; nothing starts twice",
    "UNREACHABLE": "check the address and the network, then run the sheet again",
    "SHEET_HAS_PROBLEMS": "mend the problems, or start the good rows with --skip-invalid",
    "INVALID_API_KEY": "the key is wrong, revoked or expired: set BULKSTART_API_KEY to a valid one, then run the sheet again",
    "MISSING_API_KEY": "set BULKSTART_API_KEY, then run the sheet again",
    "TOKEN_MISSING": "the key has no Bitrix24 tokens: connect the portal in the key's settings, then run the sheet again",
    "TOKEN_EXPIRED": "the session has expired: authorise again, set BULKSTART_SESSION_TOKEN, then run the sheet again",
    "INVALID_SESSION": "the session is wrong: authorise again, set BULKSTART_SESSION_TOKEN, then run the sheet again",
    "SCOPE_DENIED": "the key lacks the scope bizproc: issue a new key that has it",
    "BITRIX_ACCESS_DENIED": "the key's owner may not start this workflow: ask an administrator of the portal",
    "WRITE_BLOCKED_READONLY_KEY": "the key is read-only: use one that may write",
    "ERROR_LOOP_DETECTED": "the portal saw the same error too often: mend its cause, wait, then run the sheet again",
    "BITRIX_UNAVAILABLE": "the portal was down, slow or over its limit: look at these entities in the portal before anything is started again",
    "QUEUE_TIMEOUT": "the request waited too long in the gateway and may still have run: look at these entities in the portal",
    "INVALID_CREDENTIALS": "the webhook is wrong, revoked or expired: set BULKSTART_WEBHOOK_URL to a valid one, then run the sheet again",
    "NO_AUTH_FOUND": "the portal saw no credentials: check BULKSTART_WEBHOOK_URL or BULKSTART_ACCESS_TOKEN, then run the sheet again",
    "invalid_token": "the access token is no token of this portal: log the application in anew and set both tokens again",
    "authorization_error": "the credential's owner may not work on this portal any more: make a webhook as another user",
    "ACCESS_DENIED": "the plan or the credential's user does not allow it: ask an administrator of the portal",
    "ERROR_METHOD_NOT_FOUND": "this portal has no workflows by REST: check the address and the plan",
    "METHOD_CONFIRM_WAITING": "an administrator must confirm this use of the method in the portal, then run the sheet again",
    "METHOD_CONFIRM_DENIED": "an administrator has denied this use of the method: ask there",
    "APPLICATION_NOT_FOUND": "the application is not installed on this portal: install it, and log it in anew",
    "OVERLOAD_LIMIT": "Bitrix24 has blocked this portal's REST for overload: write to its support before anything else",
    "OPERATION_TIME_LIMIT": "the portal's time for this method is used up: run the sheet again in ten minutes",
    "duplicate-row": "delete the repeated rows, or give them different parameters",
}
_BY_STATUS = {
    Status.IN_DOUBT: "may have started: bulkstart reconcile looks them up in the portal's running list; what it cannot settle, "
    "a person must look at in the portal",
    Status.REFUSED: "nothing was started: mend the cause, then run the results file again",
    Status.INVALID: "mend these cells, then run the sheet again",
    Status.GAVE_UP: "these could not be sent: run the results file again",
    Status.NOT_ATTEMPTED: "run the sheet again to go on; nothing starts twice",
}
WORDS = {
    Status.ALREADY_STARTED: "started before",
    Status.IN_DOUBT: "in doubt",
    Status.GAVE_UP: "given up",
    Status.NOT_ATTEMPTED: "not attempted",
}
_QUIET = frozenset({Status.STARTED, Status.ALREADY_STARTED, Status.PLANNED})
_SAID_BY_MESSAGE = frozenset(
    {
        "SHEET_HAS_PROBLEMS",
        "INTERRUPTED",
        "UNREACHABLE",
        "LIMIT",
        "changed-parameters",
        "CLAIMED_BY_RUN",
        "duplicate-row",
        "NOT_IN_RUN",
    }
)
_SHOWN_ROWS, _SHOWN_GROUPS = 6, 12


def summary(outcomes: Sequence[Outcome], labels: Sequence[object], *, results: str | None, command: str | None) -> str:
    """The screen. ``labels``: the rows' numbers by position; ``results``: the file written; ``command``: what to type next."""
    by_status: dict[Status, int] = {}
    groups: dict[tuple[Status, str], list[Outcome]] = {}
    for outcome in outcomes:
        by_status[outcome.status] = by_status.get(outcome.status, 0) + 1
        if outcome.status not in _QUIET:
            groups.setdefault((outcome.status, outcome.error_code), []).append(outcome)
    parts = [f"{by_status[status]:,} {WORDS.get(status, str(status))}" for status in Status if status in by_status]
    lines = [f"{len(outcomes):,} row{'' if len(outcomes) == 1 else 's'}: {', '.join(parts)}"]
    ranked = sorted(groups.items(), key=lambda group: -len(group[1]))
    for (status, code), found in ranked[:_SHOWN_GROUPS]:
        lines.append(f"  {WORDS.get(status, str(status))} · {code} × {len(found):,} · {_rows(found, labels)}")
        lines.append(f"      {found[0].error_message}")
        advice = advice_for(status, code)
        if code not in _SAID_BY_MESSAGE and advice not in found[0].error_message:
            lines.append(f"      → {advice}")
    if len(ranked) > _SHOWN_GROUPS:
        lines.append(f"  and {len(ranked) - _SHOWN_GROUPS} more kinds of error; all of them stand in the results")
    if results:
        lines.append(f"results: {results}")
    if command:
        lines.append(f"next: {command}")
    return "\n".join(lines)


def advice_for(status: Status, code: str) -> str:
    """What to do about rows of a status with an error code; ``""`` where there is nothing to do."""
    return _ADVICE.get(code) or oauth.ADVICE.get(code) or _BY_STATUS.get(status, "")


def _rows(found: Sequence[Outcome], labels: Sequence[object]) -> str:
    shown = ", ".join(str(labels[outcome.position]) for outcome in found[:_SHOWN_ROWS])
    return f"row{'' if len(found) == 1 else 's'} {shown}{', …' if len(found) > _SHOWN_ROWS else ''}"


def problem_lines(problems: Iterable[Problem], most: int) -> list[str]:
    """One line for each problem, ``most`` at the most; the counts are never cut."""
    listed = list(problems)
    lines = []
    for problem in listed[:most]:
        where = "sheet" if problem.position is None else f"row {problem.row}"
        column = f", column {problem.column}" if problem.column else ""
        lines.append(f"  {where}{column}: [{problem.code}] {problem.message}")
    if len(listed) > most:
        lines.append(f"  … and {len(listed) - most:,} more; all of them stand in the results and in --json")
    if listed:
        by_code: dict[str, int] = {}
        for problem in listed:
            by_code[problem.code] = by_code.get(problem.code, 0) + 1
        told = ", ".join(f"{code} × {count:,}" for code, count in sorted(by_code.items(), key=lambda entry: -entry[1]))
        lines.append(f"{len(listed):,} problem{'' if len(listed) == 1 else 's'}: {told}")
    return lines


def next_step(
    code: int, words: Sequence[str], sheet: str, results: str, *, run: Sequence[str] | None = None, looked: bool = False
) -> str | None:
    """The command to type after a run that ended with ``code``.

    ``words``: those of this call; ``run``: those of a command about the run, ``{}`` where its name stands, ``None`` where no run is
    kept; ``looked``: the rows in doubt were looked up already.
    """
    goal = results if code in (4, 5) else sheet
    again = shlex.join([goal if word == sheet else word for word in words])

    def about(command: str, *more: str) -> str:
        return shlex.join([*(command if word == "{}" else word for word in run or ()), *more])

    match code:
        case 0:
            return None
        case 3:
            return f"mend what is wrong, then: {again}"
        case 4:
            return (
                f"mend these rows in {results}, then run that file"
                if sheet not in words
                else f"mend these rows in {results}, then: {again}"
            )
        case 5 if run and not looked:
            return about("reconcile")
        case 5 if run:
            return (
                f"look at the rows in doubt in the portal; to send them again all the same: {about('resume', '--release-doubts')}"
            )
        case 5:
            return "look at the rows in doubt in the portal"
        case _:
            return about("resume") if run else again
