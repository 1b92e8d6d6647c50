"""Keys, sessions, rights, and who am I."""

import datetime as dt
import http.client
import time

import pytest

APP = {"key": "vibe_app_shop_0123456789", "session": "vibe_session_abc"}


def codes(talk, **more):
    """What a start and a look at /v1/me are answered with: a code, or the status of a success."""
    replies = [talk.start(1, **more), talk.ask("GET", "/me", **more)]
    return [reply.code if reply.status >= 400 else reply.status for reply in replies]


def test_a_missing_and_an_unknown_key(open_portal):
    talk = open_portal()
    assert codes(talk, headers={"Content-Type": "application/json"}) == ["MISSING_API_KEY", "MISSING_API_KEY"]
    talk.key = "vibe_api_somebody_else"
    assert codes(talk) == ["INVALID_API_KEY", "INVALID_API_KEY"]


def test_a_personal_key_may_come_as_a_bearer(open_portal):
    talk = open_portal()
    assert codes(talk, headers={"Authorization": f"Bearer {talk.key}", "Content-Type": "application/json"}) == [201, 200]


@pytest.mark.parametrize("state", ["invalid", "expired"])
def test_dead_keys(open_portal, state):
    assert codes(open_portal({"keys": [{"key": "vibe_api_dead_0123456789", "state": state}]})) == [
        "INVALID_API_KEY",
        "INVALID_API_KEY",
    ]


def test_an_application_key_needs_its_session(open_portal):
    talk = open_portal({"keys": [APP]})
    assert talk.sandbox.session_token == "vibe_session_abc"
    assert codes(talk) == [201, 200]
    talk.session = "vibe_session_wrong"
    assert codes(talk) == ["INVALID_SESSION", "INVALID_SESSION"]
    talk.session = None
    assert codes(talk) == ["INVALID_APP_KEY", 200]


def test_a_management_key_has_no_entities(open_portal):
    talk = open_portal({"keys": [{"key": "vibe_live_admin_0123456789"}]})
    assert codes(talk) == ["MANAGEMENT_KEY_NO_ENTITY_ACCESS", 200]
    assert talk.ask("GET", "/me").json["data"]["type"] == "management"


def test_a_session_that_dies_after_so_many_starts(open_portal):
    talk = open_portal({"keys": [{**APP, "session_expires_after_starts": 2}]})
    assert [talk.start(entity).status for entity in (1, 2, 3)] == [201, 201, 401]
    assert codes(talk) == ["TOKEN_EXPIRED", "TOKEN_EXPIRED"]
    assert talk.committed() == [1, 2]


def test_a_session_that_dies_after_so_many_seconds(open_portal, until):
    talk = open_portal({"keys": [{**APP, "session_expires_after_seconds": 0.1}]})
    talk.ask("GET", "/me")
    assert talk.start(1).status == 201
    assert until(lambda: talk.start(2).status == 401)
    arrivals = [line["mono"] for line in talk.lines("arrival", "start")]
    assert arrivals[-1] - arrivals[0] >= 0.1 > arrivals[-2] - arrivals[0]


def test_a_key_that_dies_in_mid_run(open_portal):
    talk = open_portal({"keys": [{"key": "vibe_api_short_0123456789", "expires_after_starts": 1}]})
    assert [talk.start(1).status, *codes(talk)] == [201, "INVALID_API_KEY", "INVALID_API_KEY"]


def test_a_session_is_renewed_once(open_portal):
    talk = open_portal({"keys": [{**APP, "session_expires_after_starts": 1, "renewable": True, "pending_polls": 1}]})
    asked = f"app_key={talk.key}&state={'s' * 16}"
    assert [talk.start(1).status, talk.start(2).status] == [201, 401]
    assert talk.ask("GET", f"/oauth/poll?{asked}", headers={}).status == 404  # nobody signed in
    assert talk.ask("GET", f"/oauth/authorize?{asked[:-1]}", headers={}).status == 400  # state too short
    assert talk.ask("GET", f"/oauth/authorize?{asked}", headers={}).status == 200
    assert talk.ask("GET", f"/oauth/poll?{asked}", headers={}).json == {"status": "pending"}
    fresh = talk.ask("GET", f"/oauth/poll?{asked}", headers={}).json
    assert (fresh["status"], fresh["expires_in"]) == ("complete", 86399)
    assert talk.ask("GET", f"/oauth/poll?{asked}", headers={}).status == 404  # one-time
    assert talk.start(2).code == "INVALID_SESSION"  # the old one
    talk.session = fresh["access_token"]
    assert [talk.start(2).status, talk.start(3).code] == [201, "TOKEN_EXPIRED"]
    assert fresh["access_token"] not in str(talk.lines())
    assert talk.key not in str(talk.lines())


def test_a_key_without_tokens(open_portal):
    assert codes(open_portal({"keys": [{"key": "vibe_api_bare_0123456789", "tokens": False}]})) == ["TOKEN_MISSING", 200]


@pytest.mark.parametrize(
    ("scopes", "denied"), [(["crm"], [403, 403, 403, 403, 200]), (["bizproc"], [201, 200, 200, 404, 403]), ([], [403] * 5)]
)
def test_scopes(open_portal, scopes, denied):
    talk = open_portal({"keys": [{"key": "vibe_api_some_0123456789", "scopes": scopes}]})
    replies = [
        talk.start(1),
        talk.ask("GET", "/bizproc-templates"),
        talk.ask("GET", "/workflows"),
        talk.ask("DELETE", "/workflows/1"),
        talk.ask("POST", "/deals/search", {"filter": {}}),
    ]
    assert [reply.status for reply in replies] == denied
    assert {reply.code for reply in replies if reply.status == 403} == {"SCOPE_DENIED"}


def test_a_read_only_key_reads(open_portal):
    talk = open_portal({"keys": [{"key": "vibe_api_read_0123456789", "read_only": True}]})
    assert codes(talk) == ["WRITE_BLOCKED_READONLY_KEY", 200]
    assert talk.ask("DELETE", "/workflows/1").code == "WRITE_BLOCKED_READONLY_KEY"
    assert talk.ask("GET", "/workflows").status == 200


@pytest.mark.parametrize(("code", "status"), [("IP_NOT_ALLOWED", 403), ("BITRIX_ACCESS_DENIED", 403), ("INVALID_API_KEY", 401)])
def test_an_address_that_is_not_allowed(open_portal, code, status):
    keys = [{"key": "vibe_api_ip_0123456789", "allowed_ips": ["10.0.0.1"]}]
    reply = open_portal({"keys": keys, "switches": {"ip_denied_code": code}}).start(1)
    assert (reply.status, reply.code) == (status, code)
    assert open_portal({"keys": [{**keys[0], "allowed_ips": ["127.0.0.1"]}]}).start(1).status == 201


# -------------------------------------------------------------------------------------------------- who am I


def test_a_complete_answer_names_portal_scopes_and_limit(open_portal):
    found = open_portal({"limits": {"portal": {"rate": 7, "burst": 9}}}).ask("GET", "/me").json["data"]
    assert found == {
        "type": "api_key",
        "keyPrefix": "vibe_api_sand",
        "expiresAt": None,
        "portal": {"domain": "sandbox.bitrix24.example", "name": "Sandbox"},
        "user": {"id": 1, "name": "Sandbox User", "admin": True},
        "scopes": ["bizproc", "crm"],
        "rateLimit": {"requestsPerSecond": 7},
    }


def test_the_limit_may_be_unstated_or_a_lie(open_portal):
    portal = {"portal": {"rate": 7, "burst": 9}}

    def limit(**me):
        return open_portal({"limits": portal, "me": me}).ask("GET", "/me").json["data"].get("rateLimit")

    assert limit(requests_per_second=None) is None
    assert limit(requests_per_second=2.5) == {"requestsPerSecond": 2.5}
    assert open_portal().ask("GET", "/me").json["data"].get("rateLimit") is None


@pytest.mark.parametrize(
    ("scenario", "portal"),
    [
        ({"portal": None}, None),
        ({"portal": {"domain": "acme.bitrix24.ru"}}, {"domain": "acme.bitrix24.ru"}),
        ({"portal": {"domain": "acme.bitrix24.ru"}, "me": {"portal_form": "string"}}, "acme.bitrix24.ru"),
        ({"portal": {}}, {}),
    ],
)
def test_the_portal_may_be_named_or_not(open_portal, scenario, portal):
    assert open_portal(scenario).ask("GET", "/me").json["data"].get("portal") == portal


def test_odd_answers_to_who_am_i(open_portal):
    assert open_portal({"me": {"answer": "not_found"}}).ask("GET", "/me").code == "ROUTE_NOT_FOUND"
    assert isinstance(open_portal({"me": {"answer": "malformed"}}).ask("GET", "/me").json["data"], list)
    with pytest.raises(ValueError, match="Expecting value"):
        _ = open_portal({"me": {"answer": "not_json"}}).ask("GET", "/me").json
    hanging = open_portal({"me": {"answer": "hang"}})
    with pytest.raises((OSError, http.client.HTTPException)):
        hanging.ask("GET", "/me", timeout=0.2)
    assert hanging.start(1).status == 201


@pytest.mark.parametrize("seconds", [3600, 0.5, -60])
def test_a_key_can_say_when_it_expires(open_portal, seconds):
    talk = open_portal({"me": {"expires_in_seconds": seconds}, "switches": {"clock_skew_seconds": 50}})
    said = dt.datetime.fromisoformat(talk.ask("GET", "/me").json["data"]["expiresAt"])
    assert said.utcoffset() is not None
    assert abs(said.timestamp() - time.time() - seconds - 50) < 3
    assert talk.start(1).status == 201


def test_a_key_that_says_nothing_never_expires(open_portal):
    assert open_portal().ask("GET", "/me").json["data"]["expiresAt"] is None
