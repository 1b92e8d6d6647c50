"""The kinds of answers that a fault rule can give, and the options of each (SCENARIOS.md 11)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .codes import GATEWAY, NATIVE, NATIVE_ONLY
from .reading import Kind, anything, choice, flag, inside, integer, mapping, number, optional, shown, text
from .wire import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

_RST = ("with", choice("fin", "rst"), "fin")
_REQUIRED = object()

CARRYING: dict[str, tuple[tuple[str, Kind[Any], Any], ...]] = {
    "normal": (),
    "delay": (("seconds", number(0, 3600), _REQUIRED),),
    "slow_loris": (("seconds", number(0, 3600), 2.0),),
    "chunked": (("bytes", integer(1), 7),),
    "gzip": (),
    "keepalive_close": (("after", number(0, 3600), 0.0),),
    "truncated_json": (("bytes", integer(0), None),),
    "close_mid_body": (("bytes", integer(0), None), _RST),
    "close_after_headers": (_RST,),
    "wrong_charset": (),
}
"""Kinds that carry the portal's own reply: name → options (name, kind, default)."""


def _headers(value: Any) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise ValueError(f"must be an object, not {shown(value)}")  # noqa: TRY004  kinds complain with ValueError only
    return mapping(tuple(value), text)(value)


HIDING: dict[str, tuple[tuple[str, Kind[Any], Any], ...]] = {
    "hang": (),
    "close": (),
    "reset_before_reading": (),
    "reset_after_reading": (),
    "html_502": (),
    "html_503": (),
    "html_504": (),
    "html_403": (),
    "html_200": (),
    "json_500": (),
    "empty_200": (),
    "empty_201": (),
    "absent": (),
    "redirect_302": (("location", text, "https://renamed.bitrix24.example/v1/workflows/start"),),
    "garbage": (),
    "bad_gzip": (),
    "status": (
        ("status", integer(200, 599), _REQUIRED),
        ("json", anything, None),
        ("text", text, None),
        ("headers", _headers, {}),
    ),
    "error": (
        ("code", text, _REQUIRED),
        ("b24Code", text, None),
        ("message", text, None),
        ("status", integer(200, 599), None),
        ("hint", text, None),
        ("userMessage", text, None),
        ("retryAfter", optional(number()), _REQUIRED),
        ("retry_after_header", flag, True),
    ),
}
"""Kinds that hide the portal's own reply."""

_KINDS = {**CARRYING, **HIDING}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client sees of a request: a kind and its options."""

    kind: str
    options: Mapping[str, Any]

    @property
    def carries(self) -> bool:
        """Whether the portal's own reply is in it, whole or in part."""
        return self.kind in CARRYING


NORMAL = Answer("normal", {})
HANG = Answer("hang", {})
RESET = Answer("reset_after_reading", {})


def answer(value: Any) -> Answer:
    """Check an ``answer``: a name, a named error, or an object with ``kind``."""
    given = _short(value) if isinstance(value, str) else value
    if not isinstance(given, dict) or not isinstance(given.get("kind"), str) or given["kind"] not in _KINDS:
        names = ", ".join(_KINDS)
        raise ValueError(
            f"must be one of {names}, a named error code, or an object with one of these as 'kind', not {shown(value)}"
        )
    kind = given["kind"]
    allowed = {name: (reader, default) for name, reader, default in _KINDS[kind]}
    options: dict[str, Any] = {}
    for key in given:
        if key != "kind" and key not in allowed:
            raise ValueError(f"unknown key {key!r} for {kind!r}; allowed are {', '.join(['kind', *allowed])}")
    for name, (reader, default) in allowed.items():
        if name in given:
            options[name] = inside(name, reader, given[name])
        elif default is not _REQUIRED:
            options[name] = default
        elif name != "retryAfter":
            raise ValueError(f"the key {name!r} is required for {kind!r}")
    return Answer(kind, _checked(kind, options))


def _short(value: str) -> Any:
    if value in GATEWAY:
        return {"kind": "error", "code": value}
    if value in NATIVE:
        return {"kind": "error", "code": "BITRIX_ERROR", "b24Code": value, "message": NATIVE[value]}
    if value in NATIVE_ONLY:
        return {"kind": "error", "code": value}
    return {"kind": value}


def _checked(kind: str, options: dict[str, Any]) -> dict[str, Any]:
    if kind == "error":
        code, own = options["code"], {**NATIVE, **NATIVE_ONLY}
        if code not in GATEWAY and code not in own and options["status"] is None:
            raise ValueError(f"the code {code!r} is none of the gateway's or the portal's, so the key 'status' is required")
        if options["message"] is None:
            options["message"] = NATIVE.get(options["b24Code"] or "", own.get(code))
    if kind == "status" and options["json"] is not None and options["text"] is not None:
        raise ValueError("give either 'json' or 'text', not both")
    return options


def html(status: int, title: str) -> Reply:
    """Return the page of a web server in front of everything."""
    page = f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
    page += "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    return Reply(status=status, body=page.encode(), content_type="text/html")


_FIXED = {
    "html_502": html(502, "502 Bad Gateway"),
    "html_503": html(503, "503 Service Temporarily Unavailable"),
    "html_504": html(504, "504 Gateway Time-out"),
    "html_403": html(403, "403 Forbidden"),
    "html_200": html(200, "Scheduled maintenance"),
    "json_500": Reply(status=500, body=b'{"message": "Internal Server Error"}'),
    "empty_200": Reply(status=200),
    "empty_201": Reply(status=201),
    "absent": Reply(status=200, body=b"{}"),
    "garbage": Reply(status=201, body=bytes(range(255, 191, -1)) + b"\x00\x01\x02"),
    "bad_gzip": Reply(status=201, body=b"\x1f\x8b\x08\x00this is no gzip stream", headers=(("Content-Encoding", "gzip"),)),
}


def fixed_reply(given: Answer) -> Reply | None:
    """Return what a hiding kind sends in place of the portal's reply; ``None`` for kinds that send nothing, and for ``error``."""
    if given.kind == "redirect_302":
        return Reply(status=302, headers=(("Location", given.options["location"]),), content_type="text/html")
    if given.kind == "status":
        headers = tuple(given.options["headers"].items())
        plain = given.options["text"]
        if plain is not None:
            return Reply(
                status=given.options["status"], body=plain.encode(), headers=headers, content_type="text/plain; charset=utf-8"
            )
        payload = b"" if given.options["json"] is None else json.dumps(given.options["json"], ensure_ascii=False).encode()
        said = given.options["json"].get("error") if isinstance(given.options["json"], dict) else None
        code = said.get("code") if isinstance(said, dict) else None
        return Reply(status=given.options["status"], body=payload, headers=headers, code=code if isinstance(code, str) else None)
    return _FIXED.get(given.kind)
