"""``bulkstart doctor`` against portals that have something wrong, by both dialects: found before row 1, with advice, nothing started."""

from __future__ import annotations

from typing import Any

import pytest

from bulkstart.conduct import conduct
from bulkstart.doctor import Doctor
from bulkstart.options import Options
from bulkstart.portal import Portal
from tests.conftest import PLAIN, Json, starts
from tests.test_native_flow import hooked, native

KEY = "vibe_api_sandbox_0123456789"


def examined(here: Any, *words: str) -> tuple[int, dict[str, str]]:
    """Exit code, and each finding that is not ok: code → text."""
    said = here.inside("doctor", "--json", *words)
    found = {finding["code"]: finding["message"] for finding in said.json["findings"] if finding["code"]}
    assert {problem["code"] for problem in said.json["problems"]} == set(found)
    assert not starts(here.sandbox.ledger(), "arrival")
    return said.code, found


VIBECODE: list[tuple[Json, list[str], int, list[str]]] = [
    ({}, [], 0, []),
    ({"keys": [{"key": KEY, "read_only": True}]}, [], 7, ["WRITE_BLOCKED_READONLY_KEY"]),
    ({"keys": [{"key": KEY, "scopes": ["crm"]}]}, [], 7, ["SCOPE_MISSING"]),
    ({"keys": [{"key": KEY, "state": "expired"}]}, [], 7, ["INVALID_API_KEY"]),
    ({"switches": {"clock_skew_seconds": 600}}, [], 0, ["CLOCK_SKEW"]),
    ({"switches": {"date_header": False}}, [], 0, ["CLOCK_UNKNOWN"]),
    ({"switches": {"template_listing": "OAUTH_REQUIRED"}}, [], 0, ["NO_TEMPLATE_LIST"]),
    ({"switches": {"list_denied": "SCOPE_DENIED"}}, [], 0, ["NO_RUNNING_LIST"]),
    ({"me": {"expires_in_seconds": 600}}, [], 0, ["ENDS_SOON"]),
    ({}, ["--template", "713", "--entity-type", "lead"], 3, ["WRONG_ENTITY_TYPE"]),
    ({}, ["--template", "7"], 0, ["TEMPLATE_UNLISTED"]),
]


@pytest.mark.parametrize(("scenario", "words", "code", "found"), VIBECODE, ids=str)
def test_what_is_wrong_by_vibecode_is_found_before_the_first_row(scenario, words, code, found, desk):
    here = desk({"templates": [PLAIN], **scenario})
    exit_code, findings = examined(here, *words)
    assert exit_code == code
    assert set(findings) >= set(found)
    if not found:
        assert set(findings) <= {"RATE_UNSTATED"}


def webhook(**more: Any) -> Json:
    made = native()
    made["native"]["webhooks"][0] |= more
    return made


NATIVE: list[tuple[Json, list[str], int, list[str]]] = [
    (native(), [], 0, []),
    (webhook(admin=False), [], 0, ["NOT_ADMIN"]),
    (webhook(scopes=["crm"]), [], 7, ["SCOPE_MISSING"]),
    (webhook(scopes=["bizproc"]), [], 0, ["SCOPE_MISSING"]),
    (native(plan="no_bizproc"), [], 7, ["METHOD_UNAVAILABLE"]),
    (native(plan="free"), [], 7, ["ACCESS_DENIED"]),
    ({**native(), "switches": {"clock_skew_seconds": -600}}, [], 0, ["CLOCK_SKEW"]),
    (native(), ["--template", "713", "--entity-type", "lead"], 3, ["WRONG_ENTITY_TYPE"]),
]


@pytest.mark.parametrize(("scenario", "words", "code", "found"), NATIVE, ids=str)
def test_what_is_wrong_natively_is_found_before_the_first_row(scenario, words, code, found, desk):
    exit_code, findings = examined(hooked(desk, scenario), *words)
    assert exit_code == code
    assert set(findings) >= set(found)
    assert found or not findings


def test_a_person_reads_one_line_for_each_finding(desk):
    here = desk({"templates": [PLAIN], "keys": [{"key": KEY, "read_only": True}]})
    said = here.inside("doctor")
    assert said.code == 7
    lines = said.out.splitlines()
    assert all(line.split()[0] in ("ok", "warning", "bad") for line in lines)
    (bad,) = (line for line in lines if line.startswith("bad"))
    assert "use a key that may write" in bad
    assert all(not line.startswith("ok") for line in here.inside("doctor", "--quiet").out.splitlines())


def test_an_address_in_the_clear_is_refused_before_anything_is_sent(desk):
    here = desk()
    here.env = {"BULKSTART_BASE_URL": "http://gateway.example/v1"}
    said = here.inside("doctor")
    assert said.code == 2
    assert "https://" in said.err


def test_an_examination_can_be_interrupted(desk):
    here = desk({"templates": [PLAIN]})
    doctor = Doctor(Portal.vibecode(api_key=KEY, base_url=here.sandbox.url), Options(journal=here.folder / "journal.sqlite"))
    doctor.interrupt()
    found = conduct(doctor)
    assert (found.exit_code, [finding.code for finding in found.findings]) == (130, ["INTERRUPTED"])
