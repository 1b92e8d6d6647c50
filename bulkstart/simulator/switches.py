"""What the documents leave open, as switches (SCENARIOS.md 12; the numbers are those of bitrix24-api section 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .codes import GATEWAY, NATIVE
from .reading import choice, flag, given, integer, number, optional, shown, text

TEMPLATE_PATHS = ("/v1/bizproc-templates", "/v1/entities/bizproc-templates")


def _paths(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or any(path not in TEMPLATE_PATHS for path in value):
        raise ValueError(f"must be a list of one or both of {', '.join(TEMPLATE_PATHS)}")
    return tuple(value)


def _error_name(value: Any) -> str:
    if not isinstance(value, str) or (value not in GATEWAY and value not in NATIVE):
        raise ValueError(f"must be a named error code of the page, not {shown(value)}")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """Behaviours that carry the mark [?]; each can be turned, and a client must be right under every setting."""

    cut_rolls_back: bool = given(flag, False)  # 1
    disconnect_stops_run: bool = given(flag, False)  # 2
    disconnect_drops_queued: bool = given(flag, False)  # 3
    upstream_retry_every: int = given(integer(), 0)  # 4
    upstream_seconds: float = given(number(0, above=True), 60.0)  # 5
    upstream_answer: str = given(choice("BITRIX_UNAVAILABLE", "html_502", "html_504", "reset"), "BITRIX_UNAVAILABLE")  # 5
    parameters_passed: str = given(choice("unchanged", "strings", "dropped"), "unchanged")  # 7
    parameters_not_object: str = given(choice("dropped", "refused"), "dropped")  # 7
    template_paths: tuple[str, ...] = given(_paths, TEMPLATE_PATHS)  # 8
    template_listing: str = given(choice("open", "OAUTH_REQUIRED"), "open")  # 8
    template_fields: str = given(choice("camel", "native"), "camel")  # 8
    template_parameters_key: str | None = given(optional(choice("parameters", "PARAMETERS")), "parameters")  # 8
    template_ids: str = given(choice("number", "string"), "number")  # 8
    missing_entity: str = given(choice("BITRIX_ERROR", "ENTITY_NOT_FOUND", "localised"), "BITRIX_ERROR")  # 9
    b24_code_when_empty: str = given(choice("empty", "absent"), "empty")  # 9
    platform_limit_by: str = given(choice("all", "key", "ip"), "all")  # 10
    list_page: int = given(integer(1, 5000), 50)  # 11
    list_fields: str = given(choice("native", "camel"), "native")  # 11
    force_erases: bool = given(flag, True)  # 12
    date_formats: str = given(choice("any", "iso", "portal"), "any")  # 13
    refused_count: bool = given(flag, False)  # 18
    limit_text: str | None = given(optional(text), None)  # 21
    id_before_run: bool = given(flag, False)  # 23
    listed_while_running: bool = given(flag, True)  # 24
    clock_skew_seconds: float = given(number(-86400, 86400), 0.0)  # 25
    started_form: str = given(choice("offset", "utc", "naive"), "offset")  # 25
    date_header: bool = given(flag, True)
    list_denied: str | None = given(optional(_error_name), None)
    gzip: bool = given(flag, False)  # 26
    idempotency_key: str = given(choice("ignored", "refused"), "ignored")  # 29
    short_pages: bool = given(flag, False)
    modified_moves: bool = given(flag, False)
    search_ids: str = given(choice("number", "string"), "number")
    search_in_limit: int = given(integer(1), 500)
    batch_cost: str = given(choice("one", "each"), "one")
    ip_denied_code: str = given(text, "IP_NOT_ALLOWED")
