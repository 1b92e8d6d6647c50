"""The Vibecode gateway: ``POST /v1/workflows/start`` and the questions around it (bitrix24-api.md 1.2, 1.4, 1.10, 4.4).

Pure: bytes in, values out. Nothing here raises on any answer, whatever its body holds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from bulkstart.gateways import Me, Stopped, existing
from bulkstart.gateways.bodies import (
    WORKFLOW_ID,
    decode,
    domain_of,
    redirected,
    retry_after,
    seconds_of,
    text_of,
    without_envelope,
)
from bulkstart.gateways.codes import vibecode_verdict
from bulkstart.gateways.definitions import read_template
from bulkstart.gateways.running import Running, moment, read_running_row
from bulkstart.model import Answer, Busy, Denied, HttpCall, InDoubt, Started, StartRequest, Template, Verdict
from bulkstart.operating import Spent
from bulkstart.throttle import RateHint

_EPOCH = 1e9  # an X-RateLimit-Reset above this is a moment, else seconds (issue text of the start page's limits)
_NOWHERE = "there is no Vibecode gateway at this address: check BULKSTART_BASE_URL"
_SLOWEST = 0.01  # requests a second; a smaller limit is nobody's


def _total(payload: Mapping[str, Any]) -> int | None:
    meta = payload.get("meta")
    total = meta.get("total") if isinstance(meta, dict) else None
    return total if isinstance(total, int) and not isinstance(total, bool) else None


@dataclass(frozen=True, slots=True)
class _Error:
    """The error part of an envelope; any other shape of error is nobody's word, and proves nothing."""

    code: str
    message: str
    native_code: str = ""
    warning: str = ""
    after: float | None = None


def _error_of(payload: Mapping[str, Any]) -> _Error | None:
    error = payload.get("error")
    if not isinstance(error, dict) or not text_of(error.get("code")).strip():
        return None
    native = error.get("b24Code")
    return _Error(
        code=error["code"].strip(),
        message=text_of(error.get("message")) or "the portal gave no reason",
        native_code="" if native is None else str(native).strip(),
        warning=text_of(error.get("warning")),
        after=seconds_of(error.get("retryAfter")),
    )


@dataclass(frozen=True, slots=True)
class Vibecode:
    """The Vibecode dialect. One start is one request: its batch refuses starts (1.9)."""

    dialect: str = "vibecode"
    portal: str = ""
    max_batch: int = 1
    most_ids: int = existing.VIBECODE_IDS
    timeout: float = 130.0
    settle: float = 100.0
    late: float = 160.0

    def body(self, request: StartRequest, /) -> dict[str, Any]:
        """The JSON body of a start."""
        return body_of(request)

    def read_times(self, requests: Sequence[StartRequest], answer: Answer, /) -> Sequence[Spent]:  # noqa: ARG002  the gateway does not tell
        """Nothing: this dialect does not tell operating time."""
        return ()

    def is_expired(self, answer: Answer, /) -> bool:  # noqa: ARG002  a session is renewed by a person, not by a token
        """Whether the answer asks for a new access token: never."""
        return False

    def fits_batch(self, request: StartRequest, /) -> bool:  # noqa: ARG002  the gateway has no batch for starts (bitrix24-api.md 1.9)
        """``False``: each start goes alone."""
        return False

    def start_call(self, requests: Sequence[StartRequest], /) -> HttpCall:
        """The request that starts one workflow. Source: VSTART."""
        (request,) = requests
        return HttpCall("POST", "/workflows/start", body=json.dumps(body_of(request)).encode())

    def read_start(self, requests: Sequence[StartRequest], answer: Answer, /) -> list[Verdict]:
        """What an answer proves for each of ``requests``."""
        return [_verdict(answer)] * len(requests)

    def read_warning(self, answer: Answer, /) -> str:
        """``error.warning``: the gateway counts repeated identical failures before it refuses them; ``""`` where absent."""
        payload = decode(answer.body)
        error = _error_of(payload) if isinstance(payload, dict) else None
        return error.warning if error else ""

    def read_hint(self, answer: Answer, now: float, /) -> RateHint | None:
        """The ``X-RateLimit-*`` headers; ``now`` is the Unix time of the answer (a Reset above 10^9 is an epoch)."""
        limit, remaining, reset = (_header_number(answer, f"x-ratelimit-{name}") for name in ("limit", "remaining", "reset"))
        if remaining is None or (limit is not None and limit < 1):
            return None
        if reset is not None and reset > _EPOCH:
            reset = max(0.0, reset - now)
        return RateHint(limit, remaining, reset)

    def me_call(self) -> HttpCall:
        """Who am I, on which portal, with which limit. Source: bitrix24-api 1.10."""
        return HttpCall("GET", "/me")

    def read_me(self, answer: Answer, /) -> Me | Denied | None:
        """The key's own page; ``Denied`` where the key is refused, ``None`` where the answer cannot be used."""
        payload = decode(answer.body)
        if answer.status != 200 or not isinstance(payload, dict) or payload.get("success") is False:  # noqa: PLR2004
            verdict = _verdict(answer)
            return verdict if isinstance(verdict, Denied) else None
        found = payload.get("data", payload)
        if not isinstance(found, dict):
            return None
        limit = found.get("rateLimit")
        scopes, user = found.get("scopes"), found.get("user")
        admin = user.get("admin") if isinstance(user, dict) else None
        return Me(
            portal=domain_of(found.get("portal")),
            rate=_rate(limit.get("requestsPerSecond")) if isinstance(limit, dict) else None,
            user=text_of(user.get("name") if isinstance(user, dict) else user),
            admin=admin if isinstance(admin, bool) else None,
            scopes=tuple(str(scope) for scope in scopes) if isinstance(scopes, list) else None,
            read_only=found.get("readOnly") is True,
            expires_at=moment(text_of(found.get("expiresAt"))),
        )

    def plan_call(self) -> HttpCall | None:
        """``None``: the key's own page tells its rate."""
        return None

    def read_bucket(self, answer: Answer, /) -> tuple[float, float] | None:  # noqa: ARG002  as above
        """``None``: as above."""
        return None

    def template_paths(self) -> Sequence[str]:
        """Both paths that sources name, in the order to try (1.4)."""
        return ("/bizproc-templates", "/entities/bizproc-templates")

    def template_call(self, path: str, offset: int, /) -> HttpCall:
        """One page of the template list."""
        return HttpCall("GET", path, query=(("offset", str(offset)),) if offset else ())

    def read_templates(self, answer: Answer, /) -> tuple[list[Template], int | None] | None:
        """Templates of a page and the total where stated; ``None`` where the answer is no list."""
        payload = decode(answer.body)
        if answer.status != 200 or not isinstance(payload, dict) or not isinstance(payload.get("data"), list):  # noqa: PLR2004
            return None
        found = [template for entry in payload["data"] if (template := read_template(entry)) is not None]
        return found, _total(payload)

    def running_call(self, offset: int, template_id: int | None, /) -> HttpCall:
        """One page of the running list, newest MODIFIED first; there is no document filter (1.6)."""
        asked = (("templateId", template_id), ("offset", offset or None))
        return HttpCall("GET", "/workflows", query=tuple((name, str(value)) for name, value in asked if value is not None))

    def read_running(self, answer: Answer, /) -> tuple[list[Running], int | None] | None:
        """The living workflows of a page and the total where stated; ``None`` where the answer is no list."""
        payload = decode(answer.body)
        if answer.status != 200 or not isinstance(payload, dict) or not isinstance(payload.get("data"), list):  # noqa: PLR2004
            return None
        return [running for entry in payload["data"] if (running := read_running_row(entry)) is not None], _total(payload)

    def exist_call(self, entity_type: str, ids: Sequence[int], /) -> HttpCall | None:
        """The request that tells which entities exist, of up to ``most_ids``; ``None`` for a type that cannot be asked for (1.8)."""
        return existing.vibecode_call(entity_type, ids)

    def read_exist(self, ids: Sequence[int], answer: Answer, /) -> existing.Existing | None:
        """What the answer tells of ``ids``; ``None`` where it tells nothing."""
        return existing.read_vibecode(ids, answer)

    def stop_call(self, workflow_id: str, /, *, erase: bool) -> HttpCall:
        """End a running workflow: its data are kept, or with ``erase`` it is aborted at once (1.7)."""
        return HttpCall("DELETE", f"/workflows/{quote(workflow_id, safe='')}", query=(("force", "true"),) if erase else ())

    def read_stop(self, answer: Answer, /) -> Stopped | Busy | Denied | InDoubt:
        """What an answer proves of the end of a workflow (1.7): 204 without a body, 404 where it was gone."""
        payload = decode(answer.body)
        error = _error_of(payload) if isinstance(payload, dict) else None
        if answer.status in (200, 204) and error is None:
            return Stopped()
        if error is not None and error.code.upper() == "ENTITY_NOT_FOUND":
            return Stopped(before=True)
        verdict = _verdict(answer)
        if isinstance(verdict, Busy | InDoubt):
            return verdict
        if isinstance(verdict, Denied):
            return verdict
        return InDoubt(
            getattr(verdict, "code", "BAD_ANSWER"), getattr(verdict, "message", "") or "the portal's answer proves nothing"
        )


def body_of(request: StartRequest) -> dict[str, Any]:
    """The JSON body of a start: numbers for both ids, ``parameters`` only where there are any."""
    body: dict[str, Any] = {
        "templateId": request.template_id,
        "entityType": request.entity_type,
        "entityId": request.entity_id,
    }
    if request.parameters:
        body["parameters"] = dict(request.parameters)
    return body


def _verdict(answer: Answer) -> Verdict:
    if 300 <= answer.status < 400:  # noqa: PLR2004
        return redirected(answer, "BULKSTART_BASE_URL")
    payload = decode(answer.body)
    if not isinstance(payload, dict):
        return without_envelope(answer, _NOWHERE)
    error = _error_of(payload)
    entry = payload.get("data")
    workflow_id = entry.get("workflowId") if isinstance(entry, dict) else None
    if error is None and not payload.get("error") and payload.get("success") is True and answer.status == 201:  # noqa: PLR2004
        if isinstance(workflow_id, str) and WORKFLOW_ID.fullmatch(workflow_id):
            return Started(workflow_id)
        return InDoubt(
            "BAD_ANSWER", f"the portal said success, but gave no workflow id: {str(workflow_id)[:60]!r}; it may have started"
        )
    if error is None:
        return without_envelope(answer, _NOWHERE)
    if payload.get("success") is True or workflow_id:
        return InDoubt(error.code, f"the answer says both success and an error: {error.message}")
    after = error.after if error.after is not None else retry_after(answer)
    return vibecode_verdict(error.code, error.message, native_code=error.native_code, after=after)


def _header_number(answer: Answer, name: str) -> float | None:
    try:
        number = float(answer.headers.get(name, ""))
    except ValueError:
        return None
    return number if 0 <= number < 1e11 else None  # noqa: PLR2004  NaN and infinity fail both comparisons


def _rate(value: object) -> float | None:
    rate = seconds_of(value)
    return rate if rate and rate >= _SLOWEST else None
