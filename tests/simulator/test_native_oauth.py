"""Webhooks and applications: tokens that expire, refresh tokens that rotate, and every way in which a refresh can fail."""

import json
import threading
import time
from urllib.parse import urlencode

import pytest

from tests.simulator.rest_talk import DEAL, START

ACCESS, REFRESH = "sandbox_access_0123456789", "sandbox_refresh_0123456789"
CLIENT = {"client_id": "local.sandbox.0123456789", "client_secret": "sandbox_secret_0123456789"}


def with_token(rest, token, method=START, **fields):
    sent = {"TEMPLATE_ID": 713, "DOCUMENT_ID": DEAL} if method == START else {}
    return rest.send(f"/rest/{method}", json.dumps({**sent, **fields, "auth": token}).encode())


def refresh(rest, token=REFRESH, verb="GET", timeout=5.0, **changed):
    fields = {"grant_type": "refresh_token", **CLIENT, "refresh_token": token, **changed}
    text = urlencode({name: value for name, value in fields.items() if value is not None})
    if verb == "GET":
        return rest.send(f"/oauth/token/?{text}", verb="GET", kind=None, timeout=timeout)
    return rest.send("/oauth/token", text.encode(), kind="application/x-www-form-urlencoded", timeout=timeout)


def application(**more):
    return {"native": {"applications": [more]}}


def test_an_access_token_expires_with_its_starts_and_is_renewed(open_rest):
    rest = open_rest(application(lifetime_starts=2))
    assert [with_token(rest, ACCESS).status for _ in range(2)] == [200, 200]
    assert with_token(rest, ACCESS).said == (401, "expired_token", "The access token provided has expired.")
    assert with_token(rest, ACCESS, "profile").said[1] == "expired_token"
    pair = refresh(rest).json
    assert with_token(rest, pair["access_token"]).status == 200
    assert with_token(rest, ACCESS).said[1] == "expired_token"
    assert len(rest.sandbox.commits()) == 3


def test_an_access_token_expires_in_time(open_rest, until):
    rest = open_rest(application(lifetime_seconds=0.1))
    assert with_token(rest, ACCESS).status == 200
    assert until(lambda: with_token(rest, ACCESS, "profile").status == 401)


def test_starts_in_a_batch_count_for_a_token(open_rest):
    rest = open_rest(application(lifetime_starts=2))
    commands = {
        f"c{n}": f"{START}?TEMPLATE_ID=713&DOCUMENT_ID[]=crm&DOCUMENT_ID[]=CCrmDocumentDeal&DOCUMENT_ID[]=DEAL_{n}"
        for n in (1, 2, 3)
    }
    assert len(with_token(rest, ACCESS, "batch", cmd=commands).result["result"]) == 3
    assert with_token(rest, ACCESS, "profile").said[1] == "expired_token"


def test_a_refresh_tells_everything_and_the_old_token_is_dead_at_once(open_rest):
    rest = open_rest({"native": {"applications": [{"user": 57, "stated_lifetime": 1800}]}})
    pair = refresh(rest, verb="POST").json
    assert set(pair) == set(
        "access_token refresh_token expires expires_in client_endpoint server_endpoint domain member_id scope status user_id".split()
    )
    assert (pair["expires_in"], pair["user_id"], pair["domain"]) == (1800, 57, "sandbox.bitrix24.example")
    assert abs(pair["expires"] - time.time() - 1800) < 3
    assert pair["client_endpoint"] == f"http://127.0.0.1:{rest.sandbox.port}/rest/"
    again = refresh(rest)
    assert (again.status, again.json) == (400, {"error": "invalid_grant", "error_description": "Invalid grant"})
    assert with_token(rest, ACCESS, "profile").status == 200  # it lives out its time
    second = refresh(rest, pair["refresh_token"]).json
    assert len({ACCESS, pair["access_token"], second["access_token"]}) == 3


def test_the_same_seed_draws_the_same_tokens(open_rest):
    pairs = [refresh(open_rest({**application(), "seed": seed})).json["access_token"] for seed in (1, 1, 2)]
    assert pairs[0] == pairs[1] != pairs[2]


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"refresh_token": "dead"}, 400, "invalid_grant"),
        ({"grant_type": "authorization_code"}, 400, "invalid_request"),
        ({"grant_type": None}, 400, "invalid_request"),
        ({"refresh_token": None}, 400, "invalid_request"),
    ],
)
def test_a_refresh_that_is_not_right(open_rest, changed, status, code):
    rest = open_rest(application())
    answer = (
        refresh(rest, **{"token": REFRESH, **changed})
        if "refresh_token" not in changed
        else refresh(rest, changed["refresh_token"])
    )
    assert (answer.status, answer.json["error"]) == (status, code)
    assert refresh(rest).status == 200


@pytest.mark.parametrize(
    ("said", "status"),
    [("invalid_grant", 400), ("invalid_client", 401), ("PAYMENT_REQUIRED", 401), ("NOT_INSTALLED", 401), ("wrong_client", 200)],
)
def test_refreshes_may_fail_for_good(open_rest, said, status):
    rest = open_rest(application(refresh=said))
    answer = refresh(rest)
    assert (answer.status, answer.json["error"]) == (status, said)
    assert with_token(rest, ACCESS).status == 200


def test_so_many_refreshes_and_no_more(open_rest):
    rest = open_rest(application(refreshes=1))
    pair = refresh(rest).json
    assert refresh(rest, pair["refresh_token"]).json["error"] == "invalid_grant"


def test_a_refresh_token_belongs_to_its_application(open_rest):
    other = {
        "client_id": "local.other.0123456789",
        "access_token": "other_access_0123456789",
        "refresh_token": "other_refresh_0123456789",
    }
    rest = open_rest({"native": {"applications": [{}, other]}})
    assert refresh(rest, "other_refresh_0123456789").json["error"] == "invalid_grant"
    assert refresh(rest, "other_refresh_0123456789", client_id="local.other.0123456789").status == 200


def test_a_refresh_may_be_slow(open_rest):
    rest = open_rest(application(refresh_seconds=0.2))
    begun = time.monotonic()
    assert refresh(rest).status == 200
    assert time.monotonic() - begun >= 0.2


def test_a_lost_answer_has_rotated_the_pair_unless_the_rule_says_otherwise(open_rest):
    def lost(**rule):
        rest = open_rest({**application(), "faults": [{"on": "oauth", "nth": 1, "answer": "close", **rule}]})
        with pytest.raises(OSError, match="without response"):
            refresh(rest)
        return refresh(rest).status

    assert lost() == 400
    assert lost(committed=True) == 400
    assert lost(committed=False) == 200


def test_two_refreshes_at_once_give_one_pair(open_rest):
    rest = open_rest(application(refresh_seconds=0.1))
    found = []
    threads = [threading.Thread(target=lambda: found.append(refresh(rest).status)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [200, 400]


@pytest.mark.parametrize(("state", "code"), [("not_installed", "APPLICATION_NOT_FOUND"), ("unpaid", "PAYMENT_REQUIRED")])
def test_an_application_that_is_not_there_or_not_paid(open_rest, state, code):
    assert with_token(open_rest(application(state=state)), ACCESS).said[:2] == (401, code)


@pytest.mark.parametrize("token", ["nobody", "", None, 5, ["x"]])
def test_a_token_that_is_none(open_rest, token):
    status, code, _ = with_token(open_rest(application()), token).said
    assert (status, code) == (401, "invalid_token" if token == "nobody" else "NO_AUTH_FOUND")


@pytest.mark.parametrize(
    ("state", "code"),
    [("revoked", "INVALID_CREDENTIALS"), ("expired", "INVALID_CREDENTIALS"), ("dismissed", "authorization_error")],
)
def test_a_webhook_that_is_dead(open_rest, state, code):
    rest = open_rest({"native": {"webhooks": [{"code": "deadhook0123456789", "state": state}]}})
    assert rest.start(1).said[:2] == (401, code)


def test_a_webhook_may_die_in_mid_run(open_rest, until):
    rest = open_rest({"native": {"webhooks": [{"code": "oldhook0123456789", "expires_after_starts": 2}]}})
    assert [rest.start(number).status for number in range(1, 5)] == [200, 200, 401, 401]
    rest = open_rest({"native": {"webhooks": [{"code": "oldhook0123456789", "expires_after_seconds": 0.1}]}})
    assert rest.start(1).status == 200
    assert until(lambda: rest.call("profile").status == 401)


def test_no_secret_of_an_application_is_ever_written(open_rest, tmp_path):
    book = tmp_path / "ledger.jsonl"
    rest = open_rest(application(), ledger=book)
    pair = refresh(rest, verb="POST").json
    newer = refresh(rest, pair["refresh_token"]).json
    for secret in (
        ACCESS,
        REFRESH,
        CLIENT["client_secret"],
        *(found[key] for found in (pair, newer) for key in ("access_token", "refresh_token")),
    ):
        with_token(rest, newer["access_token"], PARAMETERS={"note": secret})
    assert len(rest.sandbox.commits()) == 7
    text = book.read_text()
    assert not [secret for secret in (ACCESS, REFRESH, pair["access_token"], newer["refresh_token"]) if secret in text]
    assert [line["on"] for line in rest.lines("arrival")][:2] == ["oauth", "oauth"]


def test_the_settings_of_the_first_application_are_told(open_rest):
    rest = open_rest(application())
    settings = rest.sandbox.oauth_settings
    assert settings["BULKSTART_OAUTH_URL"] == f"http://127.0.0.1:{rest.sandbox.port}/oauth/token/"
    assert settings["BULKSTART_ACCESS_TOKEN"] == ACCESS
    assert open_rest().sandbox.oauth_settings == {}
    assert open_rest({"native": {"webhooks": []}}).sandbox.webhook_url is None
