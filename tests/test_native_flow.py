"""Whole runs by the native dialect, by webhook and by OAuth, over real sockets; the portal's ledger is the truth."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

import pandas as pd
import pytest

import bulkstart
from bulkstart.portal import Portal
from bulkstart.simulator import Sandbox
from tests.conftest import FAST, FAST_WORDS, PLAIN, Desk, Json, deals, run, starts, truth

CODE, CLIENT, CLIENT_SECRET = "PLANTEDcode0123456789", "local.shop.0123456789", "PLANTEDsecret0123456789"
ACCESS, REFRESH = "PLANTEDaccess0123456789", "PLANTEDrefresh0123456789"
DIALECTS = ["native", "oauth"]
LIVING = {"id": 713, "name": "Living", "documentType": "deal", "run_seconds": 0.01, "life_seconds": 60}


def native(application: Json | None = None, **more: Any) -> Json:
    """A portal's native half: one webhook, and one application whose tokens can be renewed."""
    own = {"client_id": CLIENT, "client_secret": CLIENT_SECRET, "access_token": ACCESS, "refresh_token": REFRESH}
    return {"native": {"webhooks": [{"user": 1, "code": CODE}], "applications": [{**own, **(application or {})}], **more}}


@pytest.fixture(params=DIALECTS)
def dialect(request):
    return request.param


def fault(nth: int, answer: Any, *, committed: bool = False, **more: Any) -> Json:
    return {"nth": nth, "committed": committed, "answer": answer, **more}


# ------------------------------------------------------------------------------------------------------- every line


def test_every_row_is_started_and_the_results_know_their_portal(dialect):
    ran = run(native(), dialect=dialect, max_unknown=10)
    assert ran.statuses == ["started"] * 8
    assert ran.code == 0
    assert ran.results.attrs["portal"].startswith("127.0.0.1:")
    assert {line["dialect"] for line in ran.commits()} == {"native"}


TEXTS = ["Wrong DOCUMENT_ID!", "Incorrect document type!", "Template type and DOCUMENT_ID mismatch!"]


@pytest.mark.parametrize("text", TEXTS)
def test_the_three_texts_refuse_their_row_alone(text, dialect):
    ran = run({**native(), "faults": [fault(3, {"kind": "error", "code": "", "message": text})]}, dialect=dialect)
    assert ran.statuses == ["started"] * 2 + ["refused"] + ["started"] * 5
    assert ran.results["errorMessage"][2].startswith(text)
    assert ran.code == 4


def test_an_entity_that_there_is_not_is_refused(dialect):
    ran = run({**native(), "documents": {"missing": {"deal": [4]}}}, dialect=dialect)
    assert [number for number, status in enumerate(ran.statuses, 1) if status != "started"] == [4]
    assert ran.statuses[3] == "refused"


DOUBTS: dict[str, tuple[Any, str]] = {
    "another text without a code": ({"kind": "error", "code": "", "message": "Mail server refused the letter"}, "BITRIX_ERROR"),
    "one of the texts with a space": ({"kind": "error", "code": "", "message": "Wrong DOCUMENT_ID! "}, "BITRIX_ERROR"),
    "ERROR_CORE": ("ERROR_CORE", "ERROR_CORE"),
    "an unknown code": ({"kind": "error", "code": "NEVER_HEARD_OF", "status": 400, "message": "m"}, "NEVER_HEARD_OF"),
    "500": ("INTERNAL_SERVER_ERROR", "INTERNAL_SERVER_ERROR"),
    "500 without a code": ("json_500", "HTTP_500"),
    "502 as a page": ("html_502", "HTTP_502"),
    "504 as a page": ("html_504", "HTTP_504"),
    "200 as a page": ("html_200", "BAD_ANSWER"),
    "an empty answer": ("empty_200", "BAD_ANSWER"),
    "a success without an id": ({"kind": "status", "status": 200, "json": {"result": None}}, "BAD_ANSWER"),
    "cut": ("close_mid_body", "BAD_ANSWER"),
    "closed": ("close", "CONNECTION_RESET"),
    "reset": ("reset_after_reading", "CONNECTION_RESET"),
}


@pytest.mark.parametrize("committed", [True, False], ids=["committed", "not"])
@pytest.mark.parametrize("name", DOUBTS)
def test_what_proves_nothing_is_a_doubt_and_is_never_sent_again(name, committed):
    answer, code = DOUBTS[name]
    ran = run({**native(), "faults": [fault(3, answer, committed=committed)]}, rows=5, dialect="native")
    assert ran.statuses == ["started", "started", "in_doubt", "started", "started"]
    assert ran.codes[2] == code
    assert ran.code == 5
    assert len(ran.commits()) == 4 + committed


@pytest.mark.parametrize("committed", [True, False], ids=["committed", "not"])
def test_an_answer_that_is_lost_is_a_doubt_by_oauth_too(committed):
    ran = run({**native(), "faults": [fault(3, "close", committed=committed)]}, rows=5, dialect="oauth")
    assert ran.statuses == ["started", "started", "in_doubt", "started", "started"]


def test_a_template_that_is_gone_is_not_asked_for_again_and_leaves_the_rest_not_attempted(dialect):
    gone = [{**PLAIN, "gone_after_starts": 3}]
    ran = run({**native(), "templates": gone}, dialect=dialect)
    assert ran.statuses == ["started"] * 3 + ["refused"] + ["not_attempted"] * 4
    assert ran.codes[3] == "ERROR_WRONG_WORKFLOW_ID"
    assert ran.code == 6
    assert len(starts(ran.ledger, "arrival")) == 4


DENIALS = {
    "ACCESS_DENIED": 7,
    "INVALID_CREDENTIALS": 7,
    "insufficient_scope": 7,
    "ERROR_METHOD_NOT_FOUND": 7,
    "PAYMENT_REQUIRED": 7,
    "PORTAL_DELETED": 7,
    "METHOD_CONFIRM_WAITING": 7,
    "OVERLOAD_LIMIT": 6,
}


@pytest.mark.parametrize("code", DENIALS)
def test_what_holds_for_every_row_stops_the_run_and_its_rows_stay_eligible(code):
    ran = run({**native(), "faults": [fault(4, code)]}, dialect="native")
    assert ran.statuses == ["started"] * 3 + ["not_attempted"] * 5
    assert ran.code == DENIALS[code]
    assert ran.codes[3] == code


def test_a_credential_that_may_not_start_is_denied_with_the_first_row():
    ran = run(
        native(webhooks=[{"user": 1, "code": CODE, "admin": False, "may_start": False}]),
        rows=4,
        dialect="native",
        entity_type="deal",
    )
    assert ran.statuses == ["not_attempted"] * 4
    assert ran.code == 7


def test_a_revoked_webhook_starts_nothing():
    ran = run(native(webhooks=[{"user": 1, "code": CODE, "state": "revoked"}]), rows=4, dialect="native")
    assert ran.statuses == ["not_attempted"] * 4
    assert (ran.code, ran.codes[0]) == (7, "INVALID_CREDENTIALS")
    assert not starts(ran.ledger, "arrival")


@pytest.mark.parametrize("after", [0, 3])
def test_a_renamed_portal_is_named_and_never_followed(after, dialect):
    states = [{"is": "renamed", "location": "https://renamed.bitrix24.example", "after_starts": after}]
    ran = run(native(states=states), dialect=dialect)
    assert ran.statuses == ["started"] * after + ["not_attempted"] * (8 - after)
    assert ran.code == 7
    assert "renamed.bitrix24.example" in ran.results["errorMessage"][7]
    assert ("BULKSTART_WEBHOOK_URL" if dialect == "native" else "BULKSTART_PORTAL_URL") in ran.results["errorMessage"][7]


# ------------------------------------------------------------------------------------------------------------ tokens


def test_a_token_that_expires_in_mid_run_is_renewed_and_every_row_starts_once():
    ran = run(native({"lifetime_starts": 3}), rows=12, dialect="oauth", max_unknown=4)
    assert ran.statuses == ["started"] * 12
    assert len(ran.commits()) == 12
    renewals = [line for line in ran.ledger if line["kind"] == "arrival" and line["on"] == "oauth"]
    assert 3 <= len(renewals) <= 5


def test_a_token_that_has_expired_before_is_renewed_before_the_first_row():
    with Sandbox({"templates": [PLAIN], **native()}) as sandbox:
        settings = {name.removeprefix("BULKSTART_").lower(): value for name, value in sandbox.oauth_settings.items()}
        portal = Portal.oauth(**{**settings, "access_token": None})
        assert bulkstart.templates(portal)["id"].tolist() == [713]
        again = Portal.oauth(**{**settings, "access_token": None})  # the pair that was kept, since the first one is used up
        results = bulkstart.start(deals(3), portal=again, template=713, **FAST)
        assert results["startStatus"].tolist() == ["started"] * 3
        assert len([line for line in sandbox.ledger() if line["kind"] == "arrival" and line["on"] == "oauth"]) == 1


@pytest.mark.parametrize("how", ["invalid_grant", "invalid_client", "PAYMENT_REQUIRED", "NOT_INSTALLED", "wrong_client"])
def test_a_renewal_that_is_refused_stops_the_run_and_is_never_asked_for_again(how):
    ran = run(native({"lifetime_starts": 3, "refresh": how}), dialect="oauth")
    assert ran.statuses == ["started"] * 3 + ["not_attempted"] * 5
    assert (ran.code, ran.codes[7]) == (7, how)
    assert len([line for line in ran.ledger if line["kind"] == "arrival" and line["on"] == "oauth"]) == 1


def test_where_there_is_no_token_at_all_the_run_ends_with_7_before_the_first_row():
    with Sandbox({"templates": [PLAIN], **native({"refresh": "invalid_grant"})}) as sandbox:
        settings = {name.removeprefix("BULKSTART_").lower(): value for name, value in sandbox.oauth_settings.items()}
        results = bulkstart.start(deals(2), portal=Portal.oauth(**{**settings, "access_token": None}), template=713, **FAST)
    assert results.attrs["exit_code"] == 7
    assert results["errorCode"].tolist() == ["invalid_grant"] * 2


# ------------------------------------------------------------------------------------------------------------ limits


def test_a_full_bucket_is_waited_for_and_loses_nothing(dialect):
    ran = run({**native(), "faults": [fault(n, "QUERY_LIMIT_EXCEEDED") for n in (2, 5)]}, rows=6, dialect=dialect)
    assert ran.statuses == ["started"] * 6
    assert ran.results["attempts"].sum() == 8


def test_a_front_server_that_counts_requests_is_waited_for():
    limited = {"kind": "error", "code": "RATE_LIMITED", "status": 429, "retryAfter": 0.3}
    faults = [fault(4, limited), {"on": "batch", **fault(1, limited)}]
    ran = run({**native(), "faults": faults}, rows=20, dialect="native", batch=5, max_unknown=20)
    assert ran.statuses == ["started"] * 20
    refused = [line for line in ran.ledger if line["kind"] == "answer" and line["code"] == "RATE_LIMITED"]
    assert {line["on"] for line in refused} == {"start", "batch"}


def test_used_up_operating_time_pauses_once_and_loses_nothing():
    limits = {"operating": {"seconds": 0.4, "window": 2}, "per_document": 0}
    slow = [{**PLAIN, "run_seconds": 0.05}]
    ran = run({**native(), "templates": slow, "limits": limits}, rows=14, dialect="native")
    assert ran.statuses == ["started"] * 14
    refused = [line for line in starts(ran.ledger, "answer") if line["code"] == "OPERATION_TIME_LIMIT"]
    assert len(refused) == 1


# ------------------------------------------------------------------------------------------------- types of documents


KINDS = {
    "quote": ("Предложение", ["crm", "Bitrix\\Crm\\Integration\\BizProc\\Document\\Quote", "QUOTE_5"]),
    "smart_invoice": ("Счёт", ["crm", "Bitrix\\Crm\\Integration\\BizProc\\Document\\SmartInvoice", "SMART_INVOICE_5"]),
    "dynamic_147": ("DYNAMIC_147", ["crm", "Bitrix\\Crm\\Integration\\BizProc\\Document\\Dynamic", "DYNAMIC_147_5"]),
    "task": ("task", ["tasks", "Bitrix\\Tasks\\Integration\\Bizproc\\Document\\Task", "5"]),
}


@pytest.mark.parametrize("said", ["by the column", "by the option", "by the template"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_type_starts_on_its_own_document(kind, said, dialect):
    word, document = KINDS[kind]
    frame = pd.DataFrame({"entityId": [5], "entityType": [word]}) if said == "by the column" else deals(1, first=5)
    options = {"entity_type": word} if said == "by the option" else {}
    scenario = {"templates": [{"id": 713, "documentType": kind}], **native()}
    with bulkstart.sandbox(scenario, dialect=dialect) as portal:
        results = bulkstart.start(frame, portal=portal, template=713, **FAST, **options)
        commits = starts(portal.ledger(), "commit")
    assert results["startStatus"].tolist() == ["started"]
    assert [line["documentId"] for line in commits] == [document]
    assert results["workflowId"].tolist() == [commits[0]["workflowId"]]


# ---------------------------------------------------------------------------------------------------- what follows


@pytest.fixture
def doubtful(dialect):
    """A run of eight rows whose third and fifth are in doubt: the third runs, the fifth does not."""
    scenario = {
        "templates": [LIVING],
        **native(),
        "faults": [fault(3, "close", committed=True), fault(5, "reset_after_reading", committed=False)],
    }
    with bulkstart.sandbox(scenario, dialect=dialect) as portal:
        results = bulkstart.start(deals(8), portal=portal, template=713, max_unknown=1, canary=0, **FAST)
        assert results["startStatus"].value_counts().to_dict() == {"started": 6, "in_doubt": 2}
        yield portal, bulkstart.Run(results.attrs["run_id"], portal=portal)


def test_reconcile_credits_what_runs_and_leaves_the_rest_in_doubt(doubtful):
    portal, past = doubtful
    settled = past.reconcile(settle=0)
    assert settled["startStatus"].tolist() == ["started"] * 4 + ["in_doubt"] + ["started"] * 3
    assert "matched by list, not by answer" in settled["errorMessage"][2]
    truth(settled, portal.ledger())


def test_undo_ends_exactly_what_was_started(doubtful):
    portal, past = doubtful
    assert past.undo(dry_run=True) == {"started": 6, "running": 6}
    assert past.undo() == {"started": 6, "terminated": 6}
    deleted = [line for line in portal.ledger() if line["kind"] == "answer" and line["on"] == "delete"]
    assert len(deleted) == 6
    assert not past.undo(dry_run=True).get("running")


def test_resume_goes_on_with_the_rows_that_were_left(dialect):
    with bulkstart.sandbox({"templates": [PLAIN], **native()}, dialect=dialect) as portal:
        first = bulkstart.start(deals(8), portal=portal, template=713, limit=3, **FAST)
        assert first["startStatus"].tolist() == ["started"] * 3 + ["not_attempted"] * 5
        results = bulkstart.Run(first.attrs["run_id"], portal=portal).resume()
        assert results["startStatus"].tolist() == ["started"] * 8
        truth(results, portal.ledger())


# ----------------------------------------------------------------------------------------------------------- identity


@pytest.mark.parametrize(
    ("one", "other"), [("native", "vibecode"), ("vibecode", "native"), ("oauth", "vibecode"), ("native", "oauth")]
)
def test_both_dialects_of_one_portal_are_one_portal(one, other):
    with Sandbox({"templates": [PLAIN], **native()}) as sandbox:
        oauth = {name.removeprefix("BULKSTART_").lower(): value for name, value in sandbox.oauth_settings.items()}
        portals = {
            "native": Portal.native(webhook_url=sandbox.webhook_url or ""),
            "oauth": Portal.oauth(**oauth),
            "vibecode": Portal.vibecode(api_key=sandbox.api_key, base_url=sandbox.url),
        }
        first = bulkstart.start(deals(4), portal=portals[one], template=713, **FAST)
        second = bulkstart.start(deals(5), portal=portals[other], template=713, **FAST)
        assert first["startStatus"].tolist() == ["started"] * 4
        assert second["startStatus"].tolist() == ["already_started"] * 4 + ["started"]
        assert second["workflowId"].tolist()[:4] == first["workflowId"].tolist()
        assert first.attrs["portal"] == second.attrs["portal"] == f"127.0.0.1:{sandbox.port}"
        assert len(starts(sandbox.ledger(), "commit")) == 5


# ------------------------------------------------------------------------------------------------- the command line


def hooked(desk: Any, scenario: Json | None = None, *, oauth: bool = False) -> Desk:
    """A desk whose settings are native."""
    here: Desk = desk({**native(), **(scenario or {})})
    here.env = {"BULKSTART_API_KEY": "", "BULKSTART_BASE_URL": ""}
    here.env |= here.sandbox.oauth_settings if oauth else {"BULKSTART_WEBHOOK_URL": here.sandbox.webhook_url or ""}
    return here


def failing(oauth: bool) -> Json:
    """A portal that says every secret that it was sent, in each way that a text can come."""
    sent = f"{ACCESS} {REFRESH} {CLIENT_SECRET}" if oauth else f"/rest/1/{CODE}/"
    return {
        "faults": [
            fault(2, "close", committed=True),
            fault(3, {"kind": "error", "code": "", "message": f"Mail server refused {sent}"}),
            fault(4, {"kind": "status", "status": 500, "text": f"auth={sent}"}, committed=True),
            fault(6, {"kind": "redirect_302", "location": "https://elsewhere.example/" + sent.replace(" ", "/")}),
        ]
    }


@pytest.mark.parametrize("oauth", [False, True], ids=DIALECTS)
@pytest.mark.parametrize("fails", [False, True], ids=["happy", "failing"])
def test_the_program_speaks_native_and_shows_or_keeps_no_secret(oauth, fails, desk):
    here = hooked(desk, {**native({"lifetime_starts": 4}), **(failing(oauth) if fails else {})}, oauth=oauth)
    words = ["--template", 713, "--yes", "--verbose", "--max-unknown", "1", "--halt-doubts", "0", *FAST_WORDS]
    said = here.cli(here.sheet(), *words)
    assert said.code == (7 if fails else 0), said
    templates = here.inside("templates")
    assert (templates.code, "Plain" in templates.out) == (0, True), templates
    kept = [path for path in here.folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in kept} >= {".csv", ".sqlite"}
    tokens = [path for path in kept if path.parent.name == "journal.sqlite-tokens"]
    assert {path.suffix for path in tokens} == ({".json", ".lock"} if oauth else set())
    assert all(path.stat().st_mode & 0o077 == 0 for path in tokens), "for its owner alone"
    fresh = [json.loads(path.read_text()) for path in tokens if path.suffix == ".json"]
    secrets = ["PLANTED", *(pair[name] for pair in fresh for name in ("access", "refresh"))]
    shown = [said.out, said.err, templates.out, templates.err]
    shown += [path.read_bytes().decode("utf-8", "replace") for path in kept if path not in tokens]
    with closing(sqlite3.connect(here.folder / "home" / "journal.sqlite")) as journal:
        shown.append("\n".join(journal.iterdump()))
    for text in shown:
        for secret in secrets:
            assert secret not in text, text[max(0, text.find(secret) - 100) :][:200]


@pytest.mark.parametrize("oauth", [False, True], ids=DIALECTS)
def test_commands_about_a_past_run_work_by_the_same_settings(oauth, desk):
    scenario = {"templates": [LIVING], "faults": [fault(2, "close", committed=True)]}
    here = hooked(desk, scenario, oauth=oauth)
    said = here.start(here.sheet(), "--no-reconcile")
    assert said.code == 5, said
    settled = here.inside("reconcile", said.json["run"], "--settle", "0", "--json", "--rate", "500", "--burst", "500")
    assert settled.json["counts"] == {"started": 8}
    undone = here.inside("undo", said.json["run"], "--yes", "--json", "--rate", "500", "--burst", "500")
    assert undone.code == 0, undone
    resumed = here.inside("resume", said.json["run"], "--yes", "--json")
    assert resumed.code == 0, resumed


def test_the_dialect_of_the_embedded_sandbox_can_be_chosen(desk):
    here: Desk = desk()
    sheet = here.folder / "quotes.csv"
    sheet.write_text("entityId\n1\n2\n", encoding="utf-8")
    found = here.cli(
        sheet,
        "--sandbox",
        "--dialect",
        "native",
        "--template",
        "713",
        "--set",
        "contract_number=1",
        "--set",
        "kind=nda",
        "--json",
    )
    assert found.code == 0, found
    assert found.json["counts"] == {"started": 2}


def test_settings_of_both_dialects_are_a_contradiction_unless_one_is_chosen(desk):
    here = hooked(desk)
    here.env = {"BULKSTART_WEBHOOK_URL": here.sandbox.webhook_url or ""}
    both = here.again(here.sheet())
    assert both.code == 2
    assert "--dialect" in both.err
    assert here.again(here.sheet(), "--dialect", "native").json["counts"] == {"started": 8}
    assert here.again(here.sheet(), "--dialect", "vibecode").json["counts"] == {"already_started": 8}


def test_a_sheet_of_quotes_is_checked_without_credentials(desk):
    here: Desk = desk()
    here.env = {"BULKSTART_API_KEY": ""}
    sheet = here.folder / "quotes.csv"
    sheet.write_text("entityId,entityType\n1,quote\n2,SPA 147\n", encoding="utf-8")
    assert here.inside("check", sheet, "--template", 713, "--dialect", "native").code == 0
    assert here.inside("check", sheet, "--template", 713).code == 3


def test_undo_stops_at_once_where_no_token_can_be_had():
    application = {"lifetime_starts": 3, "refresh": "invalid_grant"}
    with bulkstart.sandbox({"templates": [LIVING], **native(application)}, dialect="oauth") as portal:
        results = bulkstart.start(deals(5), portal=portal, template=713, max_unknown=1, canary=0, **FAST)
        past = bulkstart.Run(results.attrs["run_id"], portal=portal)
        arrived = len(portal.ledger())
        assert past.undo() == {"started": 3}, "nothing was ended, and nothing is said of what runs"
        assert not [line for line in portal.ledger() if line["on"] == "delete"]
        assert len(portal.ledger()) <= arrived + 4, "the profile, once, and the renewal, once"
