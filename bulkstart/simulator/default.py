"""The default scenario: what a user meets without a scenario file (SCENARIOS.md 14)."""

from __future__ import annotations

from typing import Any

_RUN: dict[str, Any] = {"run_seconds": [0.03, 0.08], "life_seconds": 20}


def _parameter(
    name: str, kind: str, *, required: bool = False, multiple: bool = False, options: Any = "", default: Any = ""
) -> dict[str, Any]:
    return {
        "Name": name,
        "Description": "",
        "Type": kind,
        "Required": "1" if required else "0",
        "Multiple": "1" if multiple else "0",
        "Options": options,
        "Default": default,
    }


_CONTRACT = {
    "contract_number": _parameter("Contract number", "string", required=True),
    "kind": _parameter("Kind", "select", required=True, options={"supply": "Supply", "service": "Service", "nda": "NDA"}),
    "responsible": _parameter("Responsible", "user", required=True, default="user_1"),
    "due_date": _parameter("Due date", "date"),
    "amount": _parameter("Amount", "double"),
    "copies": _parameter("Copies", "int"),
    "urgent": _parameter("Urgent", "bool", default="N"),
    "tags": _parameter("Tags", "string", multiple=True, default=None),
    "comment": _parameter("Comment", "text"),
    "meeting": _parameter("Meeting", "datetime"),
}

TEMPLATES: list[dict[str, Any]] = [
    {"id": 713, "name": "Send contract", "documentType": "deal", "parameters": _CONTRACT, **_RUN},
    {
        "id": 714,
        "name": "Qualify lead",
        "documentType": "lead",
        "parameters": {
            "source_note": _parameter("Source note", "string"),
            "score": _parameter("Score", "int"),
            "hot": _parameter("Hot", "bool"),
        },
        **_RUN,
    },
    {
        "id": 715,
        "name": "Birthday greeting",
        "documentType": "contact",
        "parameters": {"greeting": _parameter("Greeting", "text", required=True), "send_at": _parameter("Send at", "datetime")},
        **_RUN,
    },
    {
        "id": 716,
        "name": "Verify company",
        "documentType": "company",
        "parameters": {
            "checks": _parameter(
                "Checks",
                "select",
                required=True,
                multiple=True,
                options={"tax": "Tax register", "court": "Court files", "sanctions": "Sanctions lists"},
                default=None,
            ),
            "auditor": _parameter("Auditor", "user"),
        },
        **_RUN,
    },
    {"id": 720, "name": "Archive deal", "documentType": "deal", "parameters": [], "run_seconds": [0.03, 0.08], "life_seconds": 0},
    {
        "id": 721,
        "name": "On every change",
        "documentType": "deal",
        "parameters": {"reason": _parameter("Reason", "string")},
        "autoExecute": 2,
        **_RUN,
    },
]

DEFAULT: dict[str, Any] = {
    "limits": {
        "portal": {"rate": 10, "burst": 10},
        "platform": {"requests": 300, "seconds": 60},
        "native": "plan",
        "operating": {},
        "per_document": 2,
    },
    "error_loop": {},
}
