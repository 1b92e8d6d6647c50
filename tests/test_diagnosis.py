"""What would stand in the way of a run is said before it, with what to do; what is well is said too."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bulkstart.diagnosis import Facts, diagnose
from bulkstart.gateways import Me
from bulkstart.gateways.questions import App, Method
from bulkstart.model import Denied, Parameter, Template
from bulkstart.throttle import Limits

DEAL = Template(713, "Send contract", "deal", (Parameter("number", required=True), Parameter("note")))
WELL = Facts(
    identity="acme.bitrix24.ru", limits=Limits(2.0, 50.0), now=1_000_000.0, me=Me(scopes=("bizproc", "crm"), admin=True),
    templates=(DEAL,), clock_ahead=0.4, method=Method(exists=True, available=True), app=App("pro", installed=True, payment_expired=False),
)  # fmt: skip


def me(**more):
    return {"me": replace(WELL.me, **more)}


def test_a_portal_where_all_is_well_has_nothing_to_mend():
    found = diagnose(WELL)
    assert {finding.level for finding in found} == {"ok"}
    assert [finding.topic for finding in found] == [
        "credentials", "scope", "administrator", "limits", "clock", "template", "running list",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "code", "exit_code", "says"),
    [
        (me(scopes=("crm",)), "SCOPE_MISSING", 7, "bizproc is missing"),
        (me(scopes=("bizproc",)), "SCOPE_MISSING", 0, "crm is missing"),
        (me(read_only=True), "READ_ONLY", 7, "may write"),
        ({"write": Denied("WRITE_BLOCKED_READONLY_KEY", "read-only")}, "WRITE_BLOCKED_READONLY_KEY", 7, "may write"),
        (me(admin=False), "NOT_ADMIN", 0, "administrator's credentials"),
        (me(expires_at=1_000_600.0), "ENDS_SOON", 0, "10 minutes"),
        (me(expires_at=999_000.0), "ENDS_SOON", 0, "have ended"),
        ({"method": Method(exists=True, available=False)}, "METHOD_UNAVAILABLE", 7, "plan"),
        ({"method": Method(exists=False, available=True)}, "METHOD_UNAVAILABLE", 7, "plan"),
        ({"app": App(payment_expired=True)}, "PAYMENT_EXPIRED", 7, "renew"),
        ({"app": App(installed=False)}, "NOT_INSTALLED", 7, "installation"),
        ({"limits": Limits(5.0, 5.0, stated=False)}, "RATE_UNSTATED", 0, "--rate"),
        ({"clock_ahead": 900.0}, "CLOCK_SKEW", 0, "15 minutes ahead of"),
        ({"clock_ahead": -120.0}, "CLOCK_SKEW", 0, "behind"),
        ({"clock_ahead": None}, "CLOCK_UNKNOWN", 0, "cannot be settled"),
        ({"templates": None}, "NO_TEMPLATE_LIST", 0, "param:NAME"),
        ({"wanted": 999}, "TEMPLATE_UNLISTED", 0, "look at its id again"),
        ({"wanted": 713, "templates": (replace(DEAL, listed=False),)}, "TEMPLATE_UNLISTED", 0, "look at its id again"),
        ({"wanted": 713, "entity_type": "lead"}, "WRONG_ENTITY_TYPE", 3, "is for deal, not for lead"),
        ({"wanted": 713, "templates": (replace(DEAL, auto_execute=1),)}, "AUTO_EXECUTE", 0, "by itself"),
        ({"running": "ACCESS_DENIED"}, "NO_RUNNING_LIST", 0, "by hand"),
        ({"notes": ("the portal does not say its name",)}, "NOTE", 0, "its name"),
    ],
)
def test_each_thing_in_the_way_is_one_finding_with_what_to_do(change, code, exit_code, says):
    odd = [finding for finding in diagnose(replace(WELL, **change)) if finding.code]
    assert [(finding.code, finding.exit_code) for finding in odd] == [(code, exit_code)]
    assert says in odd[0].text
    assert odd[0].level == ("bad" if exit_code else "warning")


def test_a_portal_that_stops_everything_is_the_only_finding():
    (finding,) = diagnose(replace(WELL, stop=Denied("INVALID_API_KEY", "no such key")))
    assert (finding.code, finding.exit_code, finding.text) == ("INVALID_API_KEY", 7, "no such key")


def test_a_template_is_told_with_its_type_and_what_it_needs():
    (found,) = (finding for finding in diagnose(replace(WELL, wanted=713, entity_type="deal")) if finding.topic == "template")
    assert "'Send contract' starts on deal; required parameters: number" in found.text
    untold = replace(WELL, wanted=713, templates=(Template(713, "X"),))
    assert "not told" in next(finding.text for finding in diagnose(untold) if finding.topic == "template")


def test_what_is_not_told_is_no_finding():
    untold = Facts("acme.bitrix24.ru", WELL.limits, 0.0, templates=(DEAL,), clock_ahead=0.0)
    assert [finding.topic for finding in diagnose(untold)] == ["credentials", "limits", "clock", "template", "running list"]
