"""bizproc.workflow.start: forms of address and body, order of checks, exact texts, document types, effective values, the ledger."""

import hashlib
import json
import re
from urllib.parse import quote

import pytest

from tests.simulator.rest_talk import DEAL, START, command

CODE = "sandboxcode0123456789"
SMART = "Bitrix\\Crm\\Integration\\BizProc\\Document\\"


def started(answer):
    assert answer.status == 200, answer.body
    assert re.fullmatch(r"[0-9a-f]{14}\.[0-9]{8}", answer.result)
    return answer.result


def test_a_start_answers_with_the_id_and_the_times(open_rest):
    rest = open_rest()
    answer = rest.start(1)
    assert list(answer.json) == ["result", "time"]
    assert started(answer) == rest.sandbox.commits()[0]["workflowId"]
    told = answer.json["time"]
    assert list(told)[:6] == ["start", "finish", "duration", "processing", "date_start", "date_finish"]
    assert told["start"] <= told["finish"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+03:00", told["date_start"])
    assert told["operating"] == 0
    assert abs(told["operating_reset_at"] - told["finish"] - 600) < 2


@pytest.mark.parametrize(
    "path", [f"/rest/1/{CODE}/{START}", f"/rest/1/{CODE}/{START}.json", f"/rest/1/{CODE}/Bizproc.Workflow.START"]
)
def test_a_webhook_address_in_its_forms(open_rest, path):
    body = json.dumps({"TEMPLATE_ID": 713, "DOCUMENT_ID": DEAL}).encode()
    started(open_rest().send(path, body))


def test_an_application_sends_its_token_in_the_body_or_in_the_query(open_rest):
    rest = open_rest({"native": {"applications": [{}]}})
    fields = {"TEMPLATE_ID": 713, "DOCUMENT_ID": DEAL}
    started(rest.send(f"/rest/{START}", json.dumps({**fields, "auth": "sandbox_access_0123456789"}).encode()))
    started(rest.send(f"/rest/{START}.json?auth=sandbox_access_0123456789", json.dumps(fields).encode()))
    assert rest.send(f"/rest/{START}", json.dumps(fields).encode()).said == (401, "NO_AUTH_FOUND", "Wrong authorization data")


def test_a_form_starts_and_so_does_a_get(open_rest):
    rest = open_rest()
    text = f"TEMPLATE_ID=713&DOCUMENT_ID[]=crm&DOCUMENT_ID[]=CCrmDocumentDeal&DOCUMENT_ID[]=DEAL_7&PARAMETERS[a b]={quote('ü&=')}"
    started(rest.form(START, text))
    started(rest.send(f"{rest.root}{START}?{text.replace(' ', '%20')}", verb="GET", kind=None))
    assert [(line["entityId"], line["parameters"]) for line in rest.sandbox.commits()] == [(7, {"a b": "ü&="})] * 2


def test_a_document_id_in_the_query_wins_over_the_body(open_rest):
    rest = open_rest()
    address = f"{rest.root}{START}?document_id[0]=crm&document_id[1]=CCrmDocumentDeal&document_id[2]=DEAL_99&TEMPLATE_ID=999"
    started(rest.send(address, json.dumps({"TEMPLATE_ID": 713, "DOCUMENT_ID": DEAL}).encode()))
    started(rest.send(f"{rest.root}{START}?DOCUMENT_ID=no-list", json.dumps({"TEMPLATE_ID": 713, "DOCUMENT_ID": DEAL}).encode()))
    assert rest.committed() == [99, 1]


def test_top_level_names_may_have_any_case_and_ids_are_cast(open_rest):
    rest = open_rest({"templates": [{"id": 12}, {"id": 1000}]})
    for said in (12, "12", "12abc", " 12", 12.9, "12.9"):
        started(rest.call(START, template_id=said, Document_Id=DEAL, parameters={"x": 1}))
    started(rest.call(START, TEMPLATE_ID="1e3", DOCUMENT_ID=DEAL))
    assert {line["templateId"] for line in rest.sandbox.commits()} == {12, 1000}
    for said in ("abc", "x12", -12, [12]):
        assert rest.call(START, TEMPLATE_ID=said, DOCUMENT_ID=DEAL).said == (400, "ERROR_WRONG_WORKFLOW_ID", "Template not found")
    for said in ("", "0", 0, None, [], False):
        assert rest.call(START, TEMPLATE_ID=said, DOCUMENT_ID=DEAL).said == (400, "ERROR_WRONG_WORKFLOW_ID", "Empty TEMPLATE_ID")


def test_the_three_empty_codes_have_exactly_these_texts(open_rest):
    scenario = {"templates": [{"id": 713}, {"id": 714, "documentType": "lead"}], "documents": {"missing": {"deal": [13]}}}
    rest = open_rest(scenario)
    assert rest.start(13).said == (400, "", "Wrong DOCUMENT_ID!")
    assert rest.call(START, TEMPLATE_ID=713, DOCUMENT_ID=["crm", "CCrmDocumentCat", "CAT_1"]).said == (
        400,
        "",
        "Incorrect document type!",
    )
    assert rest.start(1, template=714).said == (400, "", "Template type and DOCUMENT_ID mismatch!")
    assert rest.sandbox.commits() == []


@pytest.mark.parametrize(
    "document",
    [
        None,
        "DEAL_1",
        ["crm", "CCrmDocumentDeal"],
        ["crm", "CCrmDocumentDeal", "LEAD_1"],
        ["crm", "CCrmDocumentDeal", "DEAL_"],
        ["crm", "CCrmDocumentDeal", "DEAL_1x"],
        ["crm", "CCrmDocumentDeal", "DEAL_0"],
        ["crm", "CCrmDocumentDeal", "1"],
        ["crm", "CCrmDocumentDeal", 1],
        ["crm", "CCrmDocumentDeal", ["DEAL_1"]],
        ["", "CCrmDocumentDeal", "DEAL_1"],
        ["crm", f"{SMART}Dynamic", "DYNAMIC_1"],
        ["crm", f"{SMART}Dynamic", "DYNAMIC_5_7"],
    ],
)
def test_a_malformed_document_id_is_wrong(open_rest, document):
    assert open_rest().call(START, TEMPLATE_ID=713, DOCUMENT_ID=document).said == (400, "", "Wrong DOCUMENT_ID!")


def test_a_bare_id_can_be_let_through(open_rest):
    rest = open_rest({"native": {"switches": {"bare_document_ids": True}}})
    started(rest.call(START, TEMPLATE_ID=713, DOCUMENT_ID=["crm", "CCrmDocumentDeal", "5141"]))
    assert rest.committed() == [5141]


def test_the_checks_come_in_the_order_of_the_portal(open_rest):
    scenario = {
        "templates": [{"id": 713, "life_seconds": None}, {"id": 714, "documentType": "lead"}],
        "documents": {"missing": {"deal": [13]}, "denied": {"deal": [14]}},
        "limits": {"per_document": 1},
    }
    rest = open_rest(scenario)
    started(rest.start(1))
    assert rest.start(13, template=999).said[1] == "ERROR_WRONG_WORKFLOW_ID"
    assert rest.start(13, template=714).said[2] == "Wrong DOCUMENT_ID!"
    assert rest.start(14, template=714).said[2] == "Template type and DOCUMENT_ID mismatch!"
    assert rest.start(14).said == (403, "ACCESS_DENIED", "Access denied!")
    status, code, text = rest.start(1).said
    assert (status, code) == (400, "")
    assert "1" in text


@pytest.mark.parametrize(("language", "word"), [("en", "simultaneously"), ("ru", "одновременно")])
def test_the_limit_of_a_document_speaks_the_portals_language_and_names_the_number(open_rest, language, word):
    rest = open_rest({"templates": [{"id": 713, "life_seconds": None}], "language": language, "limits": {"per_document": 2}})
    started(rest.start(1))
    started(rest.start(1))
    status, code, text = rest.start(1).said
    assert (status, code) == (400, "")
    assert word in text
    assert "2" in text


def test_an_unreadable_document_may_look_like_a_wrong_one(open_rest):
    rest = open_rest(
        {"documents": {"denied": {"any": [14]}}, "native": {"switches": {"unreadable_entity": "Wrong DOCUMENT_ID!"}}}
    )
    assert rest.start(14).said == (400, "", "Wrong DOCUMENT_ID!")
    nobody = [{"code": CODE, "admin": False, "may_start": False}]
    native = {"webhooks": nobody, "switches": {"unreadable_entity": "Wrong DOCUMENT_ID!"}}
    assert open_rest({"native": native}).start(1).said[1] == "ACCESS_DENIED"


def test_who_is_no_administrator_may_start_or_not(open_rest):
    hook = {"code": CODE, "admin": False}
    started(open_rest({"native": {"webhooks": [hook]}}).start(1))
    rest = open_rest({"native": {"webhooks": [{**hook, "may_start": False}]}})
    assert rest.start(1).said == (403, "ACCESS_DENIED", "Access denied!")


@pytest.mark.parametrize(
    ("name", "document", "code", "number"),
    [
        ("lead", ["crm", "CCrmDocumentLead", "LEAD_777"], "LEAD", 777),
        ("deal", ["crm", "CCrmDocumentDeal", "DEAL_777"], "DEAL", 777),
        ("contact", ["crm", "CCrmDocumentContact", "CONTACT_777"], "CONTACT", 777),
        ("company", ["crm", "CCrmDocumentCompany", "COMPANY_777"], "COMPANY", 777),
        ("quote", ["crm", f"{SMART}Quote", "QUOTE_777"], "QUOTE", 777),
        ("smart_invoice", ["crm", f"{SMART}SmartInvoice", "SMART_INVOICE_3"], "SMART_INVOICE", 3),
        ("dynamic_147", ["crm", f"{SMART}Dynamic", "DYNAMIC_147_1"], "DYNAMIC_147", 1),
        ("feed_process", ["lists", "BizprocDocument", "777"], "iblock_12", 777),
        ("list_item", ["lists", "Bitrix\\Lists\\BizprocDocumentLists", "777"], "iblock_12", 777),
        ("drive_file", ["disk", "Bitrix\\Disk\\BizProcDocument", "777"], "STORAGE_5", 777),
        ("task", ["tasks", "Bitrix\\Tasks\\Integration\\Bizproc\\Document\\Task", "777"], "TASK_PROJECT_4", 777),
    ],
)
def test_every_document_type_can_be_started(open_rest, name, document, code, number):
    rest = open_rest({"templates": [{"id": 8, "documentType": [*document[:2], code], "life_seconds": None}]})
    started(rest.call(START, TEMPLATE_ID=8, DOCUMENT_ID=document))
    line = rest.sandbox.commits()[0]
    assert (line["entityType"], line["entityId"], line["documentId"]) == (name, number, document)
    shown = rest.call("bizproc.workflow.template.list", SELECT=["MODULE_ID", "ENTITY", "DOCUMENT_TYPE"]).result
    assert shown == [{"MODULE_ID": document[0], "ENTITY": document[1], "DOCUMENT_TYPE": code}]
    running = rest.call("bizproc.workflow.instances", SELECT=["MODULE_ID", "ENTITY", "DOCUMENT_ID"]).result
    assert running == [{"MODULE_ID": document[0], "ENTITY": document[1], "DOCUMENT_ID": document[2]}]


def test_a_dynamic_item_of_another_type_is_a_mismatch(open_rest):
    rest = open_rest({"templates": [{"id": 8, "documentType": "dynamic_147"}]})
    swapped = ["crm", f"{SMART}Dynamic", "DYNAMIC_148_147"]
    assert rest.call(START, TEMPLATE_ID=8, DOCUMENT_ID=swapped).said[2] == "Template type and DOCUMENT_ID mismatch!"


def test_parameters_are_not_checked_but_what_they_become_is_recorded(open_rest):
    definitions = {
        "who": {"Type": "user", "Default": "user_1"},
        "also": {"Type": "user", "Multiple": "Y"},
        "note": {"Type": "string", "Required": "Y", "Default": "none"},
        "kind": {"Type": "select", "Options": {"a": "A"}},
    }
    rest = open_rest({"templates": [{"id": 713, "parameters": definitions}], "switches": {"parameters_passed": "strings"}})
    started(rest.start(1, who=14, also=["user_14", "15"], kind="no such", unheard_of=[1, {"x": None}]))
    started(rest.call(START, TEMPLATE_ID=713, DOCUMENT_ID=DEAL, PARAMETERS="no object"))
    started(rest.call(START, TEMPLATE_ID=713, DOCUMENT_ID=DEAL, PARAMETERS={"note": ""}))
    first, second, third = (line["effective"] for line in rest.sandbox.commits())
    assert first == {
        "who": "group 14",
        "also": ["user 14", "group 15"],
        "note": "none",
        "kind": "no such",
        "unheard_of": [1, {"x": None}],
    }
    assert second == {"who": "user 1", "note": "none"}
    assert third == {"who": "user 1", "note": ""}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("bizproc.workflow.strat", None),
        ("crm.deal.list", None),
        ("", None),
        (START, f"/rest/1/{CODE}/x/{START}"),
        (START, "/rest/"),
    ],
)
def test_what_the_portal_does_not_know_is_a_method_not_found(open_rest, method, path):
    rest = open_rest()
    assert rest.send(path or f"{rest.root}{method}", b"{}").said == (404, "ERROR_METHOD_NOT_FOUND", "Method not found!")


def test_the_method_is_looked_at_before_who_asks(open_rest):
    rest = open_rest()
    assert rest.send("/rest/1/wrongwrong/no.such.method", b"{}").said[1] == "ERROR_METHOD_NOT_FOUND"
    assert rest.send(f"/rest/1/wrongwrong/{START}", b"{}").said == (401, "INVALID_CREDENTIALS", "Invalid request credentials")
    assert rest.send(f"/rest/2/{CODE}/{START}", b"{}").said[0] == 401


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"nonsense"])
def test_a_body_that_is_none_has_no_fields(open_rest, body):
    rest = open_rest()
    assert rest.send(f"{rest.root}{START}", body).said[2] == "Empty TEMPLATE_ID"
    unannounced = json.dumps({"TEMPLATE_ID": 713, "DOCUMENT_ID": DEAL}).encode()
    assert rest.send(f"{rest.root}{START}", unannounced, kind="text/plain").said[2] == "Empty TEMPLATE_ID"


def test_unknown_fields_are_ignored_unless_they_shall_be_loud(open_rest):
    fields = {"TEMPLATE_ID": 713, "DOCUMENT_ID": DEAL, "PARAMETER": {}}
    started(open_rest().call(START, **fields))
    rest = open_rest({"native": {"switches": {"unknown_fields": "refused"}}})
    assert rest.call(START, **fields).said[:2] == (400, "ERROR_ARGUMENT")
    assert rest.batch({"a": f"{command(1)}&SALT=1"}).result["result_error"]["a"]["error"] == "ERROR_ARGUMENT"
    assert rest.sandbox.commits() == []
    started(rest.start(1))


def test_an_automation_rule_cannot_be_started(open_rest):
    rest = open_rest({"templates": [{"id": 713, "autoExecute": 8}]})
    assert rest.start(1).said == (400, "ERROR_WRONG_WORKFLOW_ID", "Template not found")


def test_a_request_that_is_too_large_is_refused_by_the_server_in_front(open_rest):
    answer = open_rest({"limits": {"body_bytes": 500}}).start(1, note="x" * 600)
    assert (answer.status, answer.headers["content-type"]) == (413, "text/html")


def test_an_activity_that_throws_is_a_400_without_a_code_and_the_start_stays_done(open_rest):
    fails = {"at_step": 2, "steps": 3, "message": "Mail server refused the letter"}
    rest = open_rest({"templates": [{"id": 713, "fails": fails}]})
    assert rest.start(5).said == (400, "", "Mail server refused the letter")
    line = rest.sandbox.commits()[0]
    assert (line["entityId"], line["steps_done"], line["complete"]) == (5, 1, False)


def test_the_ledger_tells_dialect_and_method_and_never_the_code(open_rest, tmp_path):
    book = tmp_path / "ledger.jsonl"
    rest = open_rest(ledger=book)
    rest.start(5, note=CODE)
    arrival, commit, answer = rest.lines()
    common = {"n": 1, "conn": 1, "method": "POST", "on": "start", "dialect": "native", "call": START}
    asked = {"templateId": 713, "entityType": "deal", "entityId": 5, "parameters": {"note": "***"}}
    for line in (arrival, commit, answer):
        assert line.items() >= {**common, **asked}.items()
        assert line["documentId"] == ["crm", "CCrmDocumentDeal", "DEAL_5"]
        assert line["path"] == f"/rest/1/***/{START}"
    assert arrival["digest"] != hashlib.sha256(b"").hexdigest()
    assert (commit["command"], commit["position"], commit["cause"]) == (None, None, "start")
    assert (answer["status"], answer["code"], answer["workflowId"]) == (200, None, commit["workflowId"])
    assert CODE not in book.read_text()


def test_the_other_dialect_says_so_too(open_portal):
    talk = open_portal()
    talk.start(5)
    assert {line["dialect"] for line in talk.lines()} == {"vibecode"}
    assert talk.sandbox.commits()[0]["command"] is None


def test_both_dialects_stand_on_one_portal(open_portal, open_rest):
    from tests.simulator.rest_talk import Rest  # noqa: PLC0415  beside its use

    talk = open_portal({"templates": [{"id": 713, "life_seconds": None}], "limits": {"per_document": 2}})
    rest = Rest(talk.sandbox)
    started(rest.start(1))
    assert talk.start(1).status == 201
    assert talk.start(1).error["b24Code"] == ""
    assert rest.start(1).said[:2] == (400, "")
    assert talk.ask("GET", "/workflows").json["meta"]["total"] == 2
