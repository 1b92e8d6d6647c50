"""The Vibecode gateway: ``POST /v1/workflows/start`` and the questions around it (bitrix24-api.md 1.2, 1.4, 1.10, 4.4).

Pure: bytes in, values out. Nothing here raises on any answer, whatever its body holds.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from bulkstart.gateways import Me, Stopped
from bulkstart.gateways.codes import vibecode_verdict
from bulkstart.gateways.definitions import read_template
from bulkstart.gateways.running import Running, moment, read_running_row
from bulkstart.model import Answer, Busy, Denied, HttpCall, InDoubt, Refused, Started, StartRequest, Template, Verdict
from bulkstart.throttle import RateHint

_EPOCH = 1e9  # an X-RateLimit-Reset above this is a moment, else seconds (issue text of the start page's limits)
_ID = re.compile(r"[!-~](?:[ -~]{0,198}[!-~])?")  # any one line of plain characters; a real one is 14 hex, dot, 8 digits (1.3)
_LONGEST_WAIT = 86_400.0
_SLOWEST = 0.01  # requests a second; a smaller limit is nobody's
_PROXY = "a proxy asks for a login in the portal's place: check HTTPS_PROXY"
_REFUSED_BY_SIZE = frozenset({413, 414, 431})
_DOMAIN = re.compile(r"^(?:https?://)?([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\.[a-z0-9-]+(?::\d+)?)(?:/.*)?$", re.IGNORECASE)


def decode(body: bytes) -> Any:
    """The JSON value of a body, or ``None`` where it is none: cut, empty, HTML, wrong charset, nested beyond reason."""
    try:
        return json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _total(payload: Mapping[str, Any]) -> int | None:
    meta = payload.get("meta")
    total = meta.get("total") if isinstance(meta, dict) else None
    return total if isinstance(total, int) and not isinstance(total, bool) else None


def _seconds(value: object) -> float | None:
    """A wait as a number or as digits; anything absurd is as good as unsaid."""
    try:
        wait = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        return None
    return min(wait, _LONGEST_WAIT) if 0 <= wait < math.inf else None


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
    if not isinstance(error, dict) or not _text(error.get("code")).strip():
        return None
    native = error.get("b24Code")
    return _Error(
        code=error["code"].strip(),
        message=_text(error.get("message")) or "the portal gave no reason",
        native_code="" if native is None else str(native).strip(),
        warning=_text(error.get("warning")),
        after=_seconds(error.get("retryAfter")),
    )


@dataclass(frozen=True, slots=True)
class Vibecode:
    """The Vibecode dialect. One start is one request: its batch refuses starts (1.9)."""

    dialect: str = "vibecode"
    max_batch: int = 1
    timeout: float = 130.0
    settle: float = 100.0
    late: float = 160.0

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
        scopes = found.get("scopes")
        return Me(
            portal=_domain(found.get("portal")),
            rate=_rate(limit.get("requestsPerSecond")) if isinstance(limit, dict) else None,
            user=_text(found.get("user")),
            scopes=tuple(str(scope) for scope in scopes) if isinstance(scopes, list) else None,
            read_only=found.get("readOnly") is True,
            expires_at=moment(_text(found.get("expiresAt"))),
        )

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
        return _redirected(answer)
    payload = decode(answer.body)
    if not isinstance(payload, dict):
        return _without_envelope(answer)
    error = _error_of(payload)
    entry = payload.get("data")
    workflow_id = entry.get("workflowId") if isinstance(entry, dict) else None
    if error is None and not payload.get("error") and payload.get("success") is True and answer.status == 201:  # noqa: PLR2004
        if isinstance(workflow_id, str) and _ID.fullmatch(workflow_id):
            return Started(workflow_id)
        return InDoubt(
            "BAD_ANSWER", f"the portal said success, but gave no workflow id: {str(workflow_id)[:60]!r}; it may have started"
        )
    if error is None:
        return _without_envelope(answer)
    if payload.get("success") is True or workflow_id:
        return InDoubt(error.code, f"the answer says both success and an error: {error.message}")
    after = error.after if error.after is not None else _retry_after(answer)
    return vibecode_verdict(error.code, error.message, native_code=error.native_code, after=after)


def _redirected(answer: Answer) -> Verdict:
    location = _domain(answer.headers.get("location"))
    goal = f" to {location}" if location else ""
    return Denied(
        f"HTTP_{answer.status}",
        f"the address redirects{goal}; it is never followed with a key: set BULKSTART_BASE_URL to the right one",
    )


def _without_envelope(answer: Answer) -> Verdict:
    """An answer that is not the gateway's own: only the status is left to go by (4.2, 4.4)."""
    code = f"HTTP_{answer.status}"
    if answer.status in _REFUSED_BY_SIZE:
        return Refused(code, "the request was refused for its size; shorten the parameters of this row")
    if answer.status == 407:  # noqa: PLR2004
        return InDoubt(code, "a proxy asks for a login in the portal's place; it may have started", stops=_PROXY)
    if answer.status == 404:  # noqa: PLR2004
        doubt = InDoubt(code, "an answer that is not the portal's own; it may have started")
        return Denied(
            code, "there is no Vibecode gateway at this address: check BULKSTART_BASE_URL", afterwards=doubt, per_run=True
        )
    if answer.status < 300:  # noqa: PLR2004
        return InDoubt("BAD_ANSWER", f"HTTP {answer.status} with a body that proves nothing; it may have started")
    return InDoubt(code, f"HTTP {answer.status} without the portal's own words; it may have started")


def _retry_after(answer: Answer) -> float | None:
    """``Retry-After`` in seconds, or as a date against the answer's own ``Date``."""
    told = answer.headers.get("retry-after", "")
    if (seconds := _seconds(told)) is not None:
        return seconds
    try:
        return max(0.0, (parsedate_to_datetime(told) - parsedate_to_datetime(answer.headers.get("date", ""))).total_seconds())
    except (ValueError, TypeError):
        return None


def _header_number(answer: Answer, name: str) -> float | None:
    try:
        number = float(answer.headers.get(name, ""))
    except ValueError:
        return None
    return number if 0 <= number < 1e11 else None  # noqa: PLR2004  NaN and infinity fail both comparisons


def _rate(value: object) -> float | None:
    rate = _seconds(value)
    return rate if rate and rate >= _SLOWEST else None


def _domain(value: object) -> str:
    """A portal's domain in lower case, from ``"x.bitrix24.ru"``, a URL, or an object that has one; else ``""``."""
    if isinstance(value, dict):
        named = (_domain(_text(value.get(name))) for name in ("domain", "host", "url", "name"))
        return next((domain for domain in named if domain), "")
    found = _DOMAIN.match(value.strip()) if isinstance(value, str) else None
    return found.group(1).lower() if found else ""
