"""Who is asked before the first send, how often, and what is known when nobody answers. In virtual time."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from dataclasses import dataclass

import pytest

from bulkstart.gateways import Me
from bulkstart.model import Answer, Lost
from bulkstart.portal import Portal
from bulkstart.preflight import TRIES, Met, limits_of, list_templates, meet, with_templates
from bulkstart.throttle import Limits, Throttle
from tests.virtual import run

GATEWAY = Portal.vibecode(api_key="vibe_api_PLANTED", base_url="https://gateway.example/v1")
LOOPBACK = Portal.vibecode(api_key="vibe_api_PLANTED", base_url="http://127.0.0.1:8018/v1")
UNANSWERED = Lost("READ_TIMEOUT", left=True)
UNREACHED = Lost("CONNECT_FAILED", left=False)


def answer(status, payload):
    return Answer(status, {}, json.dumps(payload).encode())


def said(**more):
    return answer(200, {"success": True, "data": more})


def failed(status, code, **more):
    return answer(status, {"success": False, "error": {"code": code, "message": "text", **more}})


class Line:
    """Answers one after the other, the last one for ever; remembers what was asked, and when."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    async def send(self, call):
        self.asked.append((asyncio.get_running_loop().time(), call.path, dict(call.query).get("offset", "0")))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def met(*answers, portal=GATEWAY, remembered=None, salt="salt"):
    line = Line(*answers)
    return run(meet(portal, line.send, remembered, salt)), line


# --------------------------------------------------------------------------------------------------------- identity


def test_a_portal_is_known_by_its_own_domain_in_lower_case():
    assert met(said(portal="Acme.Bitrix24.RU"))[0].identity == "acme.bitrix24.ru"


def test_on_loopback_a_portal_is_known_by_its_port_whatever_it_calls_itself():
    for heard in (said(portal="acme.bitrix24.ru"), said(), failed(500, "INTERNAL_ERROR"), UNANSWERED, UNREACHED):
        assert met(heard, portal=LOOPBACK)[0].identity == "127.0.0.1:8018"


def test_a_portal_that_names_itself_nowhere_is_known_by_address_and_key_and_that_is_said():
    found = met(said(user="x"))[0]
    assert found.identity.startswith("https://gateway.example/v1#")
    assert "PLANTED" not in found.identity
    assert "another key counts as another portal" in found.notes[0]
    assert met(said(user="x"), salt="other")[0].identity != found.identity


@pytest.mark.parametrize(
    "heard", [failed(500, "INTERNAL_ERROR"), failed(401, "INVALID_API_KEY"), Answer(200, {}, b"<html>"), UNANSWERED]
)
def test_where_the_portal_does_not_say_who_it_is_the_remembered_identity_is_used_and_that_is_said(heard):
    found = met(heard, remembered="acme.bitrix24.ru")[0]
    assert found.identity == "acme.bitrix24.ru"
    assert "acme.bitrix24.ru" in found.notes[0]


@pytest.mark.parametrize(
    ("heard", "code"), [(failed(500, "INTERNAL_ERROR"), "UNREACHABLE"), (UNANSWERED, "UNREACHABLE"), (UNREACHED, "UNREACHABLE")]
)
def test_a_portal_that_nobody_knows_gets_nothing_and_the_run_ends_with_6(heard, code):
    found = met(heard)[0]
    assert found.identity is None
    assert (found.stop.code, found.stop.exit_code) == (code, 6)


@pytest.mark.parametrize(
    "heard", [failed(401, "INVALID_API_KEY"), failed(403, "SCOPE_DENIED"), Answer(302, {"location": "https://x.example/"}, b"")]
)
def test_a_portal_that_denies_and_that_nobody_knows_ends_the_run_with_7(heard):
    found = met(heard)[0]
    assert found.identity is None
    assert found.stop.exit_code == 7


@pytest.mark.parametrize(("reason", "variable"), [("TLS_CERTIFICATE", "SSL_CERT_FILE"), ("PROXY_REFUSED", "HTTPS_PROXY")])
def test_a_certificate_or_a_proxy_in_the_way_names_the_setting_and_is_asked_once(reason, variable):
    found, line = met(Lost(reason, left=False), remembered="acme.bitrix24.ru")
    assert variable in found.stop.message
    assert len(line.asked) == 1


# -------------------------------------------------------------------------------------------------------- questions


def test_a_question_is_asked_again_until_it_is_answered():
    found, line = met(UNREACHED, Lost("CONNECTION_RESET", left=True), said(portal="acme.bitrix24.ru"))
    assert found.identity == "acme.bitrix24.ru"
    assert len(line.asked) == 3


def test_a_question_is_asked_five_times_with_growing_pauses_and_not_for_ever():
    _, line = met(UNREACHED)
    moments = [moment for moment, _, _ in line.asked]
    assert len(moments) == TRIES == 5
    pauses = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert pauses == pytest.approx([0.3, 0.6, 1.2, 2.4])


def test_a_throttled_question_waits_as_long_as_the_portal_asks():
    found, line = met(failed(429, "RATE_LIMITED", retryAfter=7), said(portal="acme.bitrix24.ru"))
    assert found.identity == "acme.bitrix24.ru"
    assert line.asked[1][0] == pytest.approx(7.0)


def test_questions_take_slots_of_the_throttle():
    line = Line(
        answer(200, {"data": [{"id": 1}], "meta": {"total": 3}}),
        *(answer(200, {"data": [{"id": n}], "meta": {"total": 3}}) for n in (2, 3)),
    )
    throttle = Throttle(Limits(rate=1.0, burst=1.0), 0.0)
    run(list_templates(GATEWAY, line.send, throttle))
    moments = [moment for moment, _, _ in line.asked]
    assert len(moments) == 3
    assert moments[2] - moments[0] >= 1.9


# -------------------------------------------------------------------------------------------------------- templates


def listed(*answers):
    line = Line(*answers)
    return run(list_templates(GATEWAY, line.send, None)), [(path, offset) for _, path, offset in line.asked]


def page(*numbers, total=None):
    return answer(
        200,
        {"success": True, "data": [{"id": n, "name": f"T{n}"} for n in numbers], **({"meta": {"total": total}} if total else {})},
    )


def test_templates_come_page_by_page_until_all_are_there():
    (found, why), asked = listed(page(1, 2, total=3), page(3, total=3))
    assert [template.id for template in found] == [1, 2, 3]
    assert why == ""
    assert [offset for _, offset in asked] == ["0", "2"]


def test_a_portal_that_repeats_its_first_page_is_not_asked_for_ever():
    (found, _), asked = listed(page(1, 2, total=5))
    assert [template.id for template in found] == [1, 2]
    assert len(asked) == 2


def test_the_second_path_is_tried_where_the_first_is_absent():
    (found, _), asked = listed(failed(404, "NOT_FOUND"), page(1))
    assert [template.id for template in found] == [1]
    assert [path for path, _ in asked] == ["/bizproc-templates", "/entities/bizproc-templates"]


@pytest.mark.parametrize("heard", [failed(404, "NOT_FOUND"), failed(403, "SCOPE_DENIED"), Answer(200, {}, b"<html>"), UNREACHED])
def test_where_there_is_no_list_the_reason_is_told(heard):
    (found, why), _ = listed(heard)
    assert found is None
    assert why


def test_an_empty_list_is_a_list():
    assert listed(page())[0] == ((), "")


def test_a_list_that_breaks_off_is_not_taken_for_a_whole_one():
    (found, why), _ = listed(page(1, 2, total=9), failed(500, "INTERNAL_ERROR"))
    assert why
    completed = with_templates(Met("acme.bitrix24.ru"), found, why)
    assert completed.templates is None or completed.notes


def test_without_a_list_it_is_said_that_parameters_cannot_be_checked():
    found = with_templates(Met("acme.bitrix24.ru", notes=("before",)), None, "SCOPE_DENIED")
    assert found.templates is None
    assert found.notes[0] == "before"
    assert "SCOPE_DENIED" in found.notes[1]
    assert "parameters cannot be checked" in found.notes[1]
    assert with_templates(Met("acme.bitrix24.ru"), (), "").notes == ()


# ----------------------------------------------------------------------------------------------------------- limits


@dataclass(frozen=True)
class Wishes:
    rate: float | None = None
    burst: float | None = None
    polite: bool = False


def limits(rate=None, portal=GATEWAY, **wishes):
    return limits_of(portal, Me(rate=rate), Wishes(**wishes))


def test_the_users_limit_wins_over_the_portals_and_that_over_the_dialects():
    assert limits(rate=10.0).rate == 10.0
    assert limits().rate == 5.0
    found = limits_of(GATEWAY, Me(rate=10.0), Wishes(rate=2.0, burst=7.0))
    assert (found.rate, found.burst, found.stated) == (2.0, 7.0, True)


def test_a_limit_that_nobody_stated_may_be_probed_and_a_stated_one_may_not():
    assert not limits().stated
    assert limits(rate=10.0).stated
    assert limits_of(GATEWAY, Me(), Wishes(rate=1.0)).stated
    assert limits_of(GATEWAY, Me(), Wishes(polite=True)).stated


def test_politeness_only_ever_slows_down():
    assert limits_of(GATEWAY, Me(rate=10.0), Wishes(polite=True)).rate == 4.0
    assert limits_of(GATEWAY, Me(rate=2.0), Wishes(polite=True)).rate == 2.0
    assert limits_of(GATEWAY, Me(), Wishes(rate=1.0, burst=2.0, polite=True)).burst == 2.0


def test_the_platform_window_is_kept_on_the_platforms_own_host_only():
    assert limits(portal=Portal.vibecode(api_key="vibe_api_PLANTED")).window == (300, 60.0)
    assert limits().window is None


# ----------------------------------------------------------------------------------------------------------- native


NATIVE = Portal.native(webhook_url="https://acme.bitrix24.ru/rest/1/PLANTEDcode/")
PROFILE = answer(200, {"result": {"ID": "1", "ADMIN": True, "NAME": "A", "LAST_NAME": "B"}, "time": {}})


def test_a_native_portal_is_known_by_its_address_whatever_it_answers():
    for heard in (PROFILE, Answer(200, {}, b"<html>"), answer(500, {"error": "ERROR_CORE"}), Lost("CONNECTION_RESET", left=True)):
        found = met(heard, portal=NATIVE, remembered="other.example")[0]
        assert (found.identity, found.stop) == ("acme.bitrix24.ru", None)


@pytest.mark.parametrize(
    ("heard", "code"),
    [
        (answer(401, {"error": "INVALID_CREDENTIALS", "error_description": "no"}), "INVALID_CREDENTIALS"),
        (answer(401, {"error": "NO_AUTH_FOUND", "error_description": "no"}), "NO_AUTH_FOUND"),
        (Answer(302, {"location": "https://new.bitrix24.ru/rest/1/x"}, b""), "HTTP_302"),
    ],
)
def test_a_native_portal_that_denies_its_own_profile_denies_everything(heard, code):
    found, line = met(heard, portal=NATIVE)
    assert (found.stop.code, found.stop.exit_code, len(line.asked)) == (code, 7, 1)
    assert code != "HTTP_302" or "new.bitrix24.ru" in found.stop.message


def test_where_no_token_can_be_had_nothing_is_asked_again_and_the_run_ends_with_7():
    found, line = met(Lost("invalid_grant", left=False, message="log in anew"), portal=NATIVE)
    assert (found.stop.code, found.stop.message, found.stop.exit_code) == ("invalid_grant", "log in anew", 7)
    assert len(line.asked) == 1


def test_a_full_bucket_is_waited_for_by_a_question():
    busy = answer(503, {"error": "QUERY_LIMIT_EXCEEDED", "error_description": "Too many requests"})
    found, line = met(busy, PROFILE, portal=NATIVE)
    assert (found.me.user, len(line.asked)) == ("A B", 2)


def test_native_limits_are_the_smaller_plans_unless_the_user_knows_better_and_are_never_probed():
    assert (limits(portal=NATIVE).rate, limits(portal=NATIVE).burst, limits(portal=NATIVE).stated) == (2.0, 50.0, True)
    assert (limits(portal=NATIVE, polite=True).rate, limits(portal=NATIVE, polite=True).burst) == (1.5, 10.0)
    assert (limits(portal=NATIVE, rate=5.0).rate, limits(portal=NATIVE, rate=5.0, burst=250.0).burst) == (5.0, 250.0)
    assert limits(portal=NATIVE, rate=5.0, polite=True).rate == 1.5
    assert limits(portal=NATIVE, burst=5.0).burst == 5.0
    assert limits(portal=NATIVE).window is None


@pytest.mark.parametrize("code", ["insufficient_scope", "INVALID_CREDENTIALS"])
def test_a_list_that_is_denied_for_what_a_start_needs_too_is_a_denial(code):
    assert with_templates(Met("acme.bitrix24.ru"), None, code).denied.code == code
    assert with_templates(Met("acme.bitrix24.ru"), None, "ACCESS_DENIED").denied is None, "not every user may list templates"


def told(**headers):
    """What ``/v1/me`` with these ``X-RateLimit-*`` headers tells of a window."""
    found = Answer(200, {f"x-ratelimit-{name}": str(value) for name, value in headers.items()}, said(portal="a.b").body)
    return limits_of(GATEWAY, met(found)[0].me, Wishes()).window


def test_the_platform_window_is_kept_where_the_first_answers_headers_have_its_size_and_reset():
    assert told(limit=300, remaining=299, reset=60) == (300, 60.0)
    assert told(limit=300, remaining=12, reset=31) == (300, 60.0)
    assert told(limit=300, remaining=299, reset=int(time.time()) + 60) == (300, 60.0)


def test_other_headers_name_no_window():
    assert told() is None
    for other in ({"limit": 300, "remaining": 299}, {"remaining": 299, "reset": 60}, {"limit": 50, "remaining": 49, "reset": 60}):
        assert told(**other) is None
    assert told(limit=300, remaining=299, reset=20) is None, "a shorter one"
    assert told(limit=300, remaining=299, reset=3600) is None
