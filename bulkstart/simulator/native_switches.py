"""What the documents leave open about native REST, as switches (SCENARIOS.md 18; the numbers are those of bitrix24-api section 7)."""

from __future__ import annotations

from dataclasses import dataclass

from .reading import choice, flag, given, number, optional


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeSwitches:
    """Behaviours that differ between pages, versions or reports; each can be turned, and a client must be right under all."""

    statuses: str = given(choice("documented", "newer", "older", "all_200"), "documented")
    operating_in_time: str = given(choice("sent", "omitted", "not_in_batches"), "sent")
    batch_operating: str = given(choice("inner", "batch"), "inner")
    batch_surplus: str = given(choice("each", "whole"), "each")
    batch_cut: str = given(choice("stops", "goes_on"), "stops")  # 1
    numeric_keys: str = given(choice("list", "object"), "list")
    result_references: str = given(choice("anywhere", "whole"), "anywhere")
    cut_answer: str = given(choice("html_504", "html_502", "reset"), "html_504")  # 1
    bucket_by: str = given(choice("portal", "ip", "credential"), "portal")  # 18
    retry_after: float | None = given(optional(number()), None)  # 27
    unreadable_entity: str = given(choice("ACCESS_DENIED", "Wrong DOCUMENT_ID!"), "ACCESS_DENIED")
    bare_document_ids: bool = given(flag, False)
    unknown_fields: str = given(choice("ignored", "refused"), "ignored")
    template_document_type: str = given(choice("string", "triple"), "string")
    template_denied: int = given(choice(400, 403), 400)
    iso_started: bool = given(flag, True)
    filter_lists: str = given(choice("dropped", "in"), "dropped")
    unknown_workflow: str = given(choice("ERROR_WRONG_WORKFLOW_ID", "empty", "true"), "ERROR_WRONG_WORKFLOW_ID")
