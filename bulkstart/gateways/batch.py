"""Several starts in one request of the native dialect: ``batch`` (bitrix24-api.md 1.9). Pure.

Each command's answer goes to its own row. An answer that cannot be read, or that is not this request's own, leaves all of them
in doubt; a command that stands in neither map of a good answer is in doubt, and never sent again.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from bulkstart.gateways.documents import document_id
from bulkstart.gateways.envelope import error_verdict, opened, read_time, spent_of, started
from bulkstart.model import Answer, Busy, HttpCall, InDoubt, Json, Refused, Started, StartRequest, Verdict
from bulkstart.operating import Spent

LARGEST = 50
"""Commands in one request; surplus ones fail (1.9)."""

_SURPLUS = "ERROR_BATCH_LENGTH_EXCEEDED"
_START = "bizproc.workflow.start"
_NAME = re.compile(r"[A-Za-z0-9_]{1,200}")
_SUBSTITUTED = "$result["


def fits_batch(request: StartRequest) -> bool:
    """Whether a start means the same in bracket syntax as in JSON.

    It does not where a value is true, false, null or empty, where a name has signs of its own, or where the portal would put an
    earlier command's result into a text: such a row goes alone.
    """
    return all(_NAME.fullmatch(name) and _fits(value) for name, value in request.parameters.items())


def _fits(value: Json) -> bool:
    if isinstance(value, str):
        return _SUBSTITUTED not in value.lower() and "\0" not in value and _encodable(value)
    if isinstance(value, Mapping):
        return bool(value) and all(_NAME.fullmatch(str(name)) and _fits(inner) for name, inner in value.items())
    if isinstance(value, list | tuple):
        return bool(value) and all(_fits(inner) for inner in value)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def keys_of(requests: Sequence[StartRequest]) -> list[str]:
    """The name of each command. It begins with a letter (numbers can come back as a list), and tells one request from another."""
    return [f"r{place}_{request.template_id}_{request.entity_id}" for place, request in enumerate(requests)]


def batch_call(requests: Sequence[StartRequest]) -> HttpCall:
    """One request for up to 50 starts, carried out in order, none stopped by another's failure.

    Raises ``ValueError`` for more, for none, and for a start that must go alone (``fits_batch``).
    """
    if not 1 <= len(requests) <= LARGEST or not all(map(fits_batch, requests)):
        raise ValueError("these starts do not fit into one batch")
    commands = {key: _command(request) for key, request in zip(keys_of(requests), requests, strict=True)}
    return HttpCall("POST", "/batch", body=json.dumps({"halt": 0, "cmd": commands}).encode())


def _command(request: StartRequest) -> str:
    pairs = [("TEMPLATE_ID", str(request.template_id))]
    pairs += flat("DOCUMENT_ID", document_id(request.entity_type, request.entity_id))
    pairs += flat("PARAMETERS", request.parameters)
    return f"{_START}?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)


def flat(name: str, value: Json) -> Iterator[tuple[str, str]]:
    """Bracket syntax: ``PARAMETERS[who][0]=user_1``."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flat(f"{name}[{key}]", inner)
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from flat(f"{name}[{place}]", inner)
    else:
        yield name, value if isinstance(value, str) else json.dumps(value)


def read_batch(requests: Sequence[StartRequest], answer: Answer, *, oauth: bool) -> list[Verdict]:
    """What an answer proves for each of ``requests``, in their order."""
    reply = opened(answer, oauth=oauth)
    if reply.failed:
        return [_whole(reply.failed)] * len(requests)
    maps = maps_of(reply.result)
    keys = keys_of(requests)
    if maps is None or not (set(maps[0]) | set(maps[1])) <= set(keys):
        return [InDoubt("BAD_ANSWER", "the answer is not one to this batch; it may have started")] * len(requests)
    verdicts = [_inner(key, *maps, answer, oauth=oauth) for key in keys]
    ids = Counter(verdict.workflow_id for verdict in verdicts if isinstance(verdict, Started))
    return [_alone(verdict, ids) for verdict in verdicts]


def read_times(requests: Sequence[StartRequest], answer: Answer) -> list[Spent]:
    """``time`` of each command (``result_time``), then of the request, whose operating time is ``batch``'s own on some portals."""
    result = opened(answer, oauth=False).result
    times = result.get("result_time") if isinstance(result, dict) else None
    inner = [spent_of(times.get(key) if isinstance(times, dict) else None) for key in keys_of(requests)]
    return [*inner, replace(read_time(answer), duration=None)]


def maps_of(result: Json) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """``result`` and ``result_error``; an empty one comes as ``[]``. A list that holds something has lost its keys."""
    if not isinstance(result, dict):
        return None
    found = [result.get(name) or {} for name in ("result", "result_error")]
    return (found[0], found[1]) if isinstance(found[0], dict) and isinstance(found[1], dict) else None


def _whole(verdict: Verdict) -> Verdict:
    """A request that was refused as a whole says nothing of its rows: they go again, alone."""
    return Busy(verdict.code, verdict.message) if isinstance(verdict, Refused) else verdict


def _inner(key: str, results: Mapping[str, Any], errors: Mapping[str, Any], answer: Answer, *, oauth: bool) -> Verdict:
    if key in results and key in errors:
        return InDoubt("BAD_ANSWER", "the answer says both success and an error; it may have started")
    if key in results:
        return started(results[key])
    if key not in errors:
        return InDoubt("BAD_ANSWER", "the answer of the batch does not name this start; it may have started")
    error = errors[key]
    if isinstance(error, dict) and str(error.get("error")).upper() == _SURPLUS:
        return Busy(_SURPLUS, "the portal takes fewer starts in one request")
    return error_verdict(error, answer, oauth=oauth)


def _alone(verdict: Verdict, ids: Mapping[str, int]) -> Verdict:
    if isinstance(verdict, Started) and ids[verdict.workflow_id] > 1:
        return InDoubt("BAD_ANSWER", "the portal gave one workflow id to several starts; it may have started")
    return verdict
