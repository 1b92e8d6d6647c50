"""Templates, running workflows, stopping, entities, batch."""

import datetime as dt
import re
import time

import pytest

LASTING = [{"id": 713, "life_seconds": None}, {"id": 714, "documentType": "lead", "life_seconds": None}]


def test_both_template_paths_give_the_same_rows(open_portal):
    talk = open_portal()
    first, second = talk.ask("GET", "/bizproc-templates"), talk.ask("GET", "/entities/bizproc-templates")
    assert first.json == second.json
    assert first.json["meta"] == {"total": 2, "hasMore": False}
    assert first.json["data"][0] == {
        "id": 713,
        "name": "Deal",
        "documentType": ["crm", "CCrmDocumentDeal", "DEAL"],
        "moduleId": "crm",
        "entity": "CCrmDocumentDeal",
        "systemCode": None,
        "active": True,
        "autoExecute": 0,
        "modified": "2026-08-01T10:00:00+03:00",
        "parameters": [],
    }


@pytest.mark.parametrize("served", ["/v1/bizproc-templates", "/v1/entities/bizproc-templates"])
def test_one_of_the_paths_may_be_missing(open_portal, served):
    talk = open_portal({"switches": {"template_paths": [served]}})
    found = [
        talk.ask("GET", path.removeprefix("/v1")).status for path in ("/v1/bizproc-templates", "/v1/entities/bizproc-templates")
    ]
    assert found == ([200, 404] if served == "/v1/bizproc-templates" else [404, 200])


def test_templates_may_need_an_application(open_portal):
    keys = [{"key": "vibe_api_person_0123456789"}, {"key": "vibe_app_shop_0123456789"}]
    talk = open_portal({"keys": keys, "switches": {"template_listing": "OAUTH_REQUIRED"}})
    assert (talk.ask("GET", "/bizproc-templates").status, talk.ask("GET", "/bizproc-templates").code) == (403, "OAUTH_REQUIRED")
    talk.key, talk.session = keys[1]["key"], "vibe_session_sandbox"
    assert talk.ask("GET", "/bizproc-templates").status == 200


def test_template_rows_have_switchable_spelling(open_portal):
    native = {"template_fields": "native", "template_parameters_key": "PARAMETERS", "template_ids": "string"}
    row = open_portal({"switches": native}).ask("GET", "/bizproc-templates").json["data"][0]
    assert (row["ID"], row["DOCUMENT_TYPE"], row["AUTO_EXECUTE"], row["PARAMETERS"]) == (
        "713",
        ["crm", "CCrmDocumentDeal", "DEAL"],
        0,
        [],
    )
    row = open_portal({"switches": {"template_parameters_key": None}}).ask("GET", "/bizproc-templates").json["data"][0]
    assert "parameters" not in row


def test_parameter_definitions_pass_as_written_and_null_means_none(open_portal):
    odd = {"who": {"Name": "Who", "Type": "user", "Required": "Y", "Multiple": False, "Options": ["a", "b"], "Default": None}}
    talk = open_portal({"templates": [{"id": 1, "parameters": odd}, {"id": 2, "parameters": None}, {"id": 3}]})
    rows = talk.ask("GET", "/bizproc-templates").json["data"]
    assert rows[0]["parameters"] == odd
    assert "parameters" not in rows[1]
    assert rows[2]["parameters"] == []


def test_templates_page_and_select(open_portal):
    talk = open_portal({"templates": [{"id": number} for number in range(1, 8)]})
    page = talk.ask("GET", "/bizproc-templates?limit=3&offset=5&select=id,name").json
    assert page["data"] == [{"id": 6, "name": "Template 6"}, {"id": 7, "name": "Template 7"}]
    assert page["meta"] == {"total": 7, "hasMore": False}
    assert talk.ask("GET", "/bizproc-templates?limit=3").json["meta"]["hasMore"] is True


def test_a_template_can_vanish_in_mid_run(open_portal, until):
    talk = open_portal({"templates": [{"id": 713, "gone_after_starts": 2}, {"id": 715, "gone_after_seconds": 0.1}]})
    assert [talk.start(entity).status for entity in (1, 2, 3)] == [201, 201, 422]
    assert talk.start(1).error["message"] == "Template not found"
    assert until(lambda: talk.start(9, 715).status == 422)
    assert talk.ask("GET", "/bizproc-templates").json["data"] == []


# ------------------------------------------------------------------------------------------ running workflows


def test_the_list_shows_what_runs_and_only_that(open_portal):
    talk = open_portal({"templates": [*LASTING, {"id": 720, "life_seconds": 0}]})
    lasting = talk.start(5141).json["data"]["workflowId"]
    assert talk.start(5142, 720).status == 201
    (row,) = talk.ask("GET", "/workflows").json["data"]
    assert {
        name: row[name] for name in ("ID", "MODULE_ID", "ENTITY", "DOCUMENT_ID", "TEMPLATE_ID", "STARTED_BY", "OWNED_UNTIL")
    } == {
        "ID": lasting,
        "MODULE_ID": "crm",
        "ENTITY": "CCrmDocumentDeal",
        "DOCUMENT_ID": "DEAL_5141",
        "TEMPLATE_ID": "713",
        "STARTED_BY": "0",
        "OWNED_UNTIL": None,
    }
    assert row["STARTED"].endswith("+03:00")
    assert row["MODIFIED"]


def test_workflows_vanish_when_their_life_is_over(open_portal, until):
    talk = open_portal({"templates": [{"id": 713, "life_seconds": 0.15}]})
    talk.start(1)
    assert talk.ask("GET", "/workflows").json["meta"]["total"] == 1
    assert until(lambda: talk.ask("GET", "/workflows").json["meta"]["total"] == 0)


def test_the_list_pages_and_filters(open_portal):
    talk = open_portal({"templates": LASTING, "switches": {"list_page": 4}})
    for entity in range(1, 10):
        talk.start(entity)
    talk.start(1, 714, "lead")
    found = [row["ID"] for offset in (0, 4, 8) for row in talk.ask("GET", f"/workflows?offset={offset}").json["data"]]
    assert len(found) == len(set(found)) == 10
    assert talk.ask("GET", "/workflows?offset=12").json == {"success": True, "data": [], "meta": {"total": 10, "hasMore": False}}
    assert talk.ask("GET", "/workflows?templateId=714").json["meta"]["total"] == 1
    assert talk.ask("GET", "/workflows?startedBy=0").json["meta"]["total"] == 10
    assert talk.ask("GET", "/workflows?startedBy=1").json["meta"]["total"] == 0


def test_the_default_page_is_fifty(open_portal):
    running = [{"templateId": 713, "entityType": "deal", "entityId": entity} for entity in range(1, 61)]
    talk = open_portal({"running": running})
    assert [len(talk.ask("GET", f"/workflows?offset={offset}").json["data"]) for offset in (0, 50)] == [50, 10]
    assert talk.sandbox.commits() == []


def test_short_pages_lie_about_nothing_but_their_length(open_portal):
    running = [{"templateId": 713, "entityType": "deal", "entityId": entity} for entity in range(1, 8)]
    talk = open_portal({"running": running, "switches": {"short_pages": True, "list_page": 4}})
    found, page = [], None
    while page is None or page["data"]:
        page = talk.ask("GET", f"/workflows?offset={len(found)}").json
        found += page["data"]
        assert len(page["data"]) <= 2
    assert len({row["ID"] for row in found}) == page["meta"]["total"] == 7


def test_rows_can_shift_between_pages(open_portal, until):
    running = [
        {"templateId": 713, "entityType": "deal", "entityId": entity, "started_seconds_ago": 100 + entity / 7}
        for entity in range(1, 30)
    ]

    def order(talk):
        return [row["ID"] for row in talk.ask("GET", "/workflows").json["data"]]

    still = open_portal({"running": running})
    assert order(still) == order(still)
    moving = open_portal({"running": running, "switches": {"modified_moves": True}})
    first = order(moving)
    assert until(lambda: order(moving) != first)


def test_list_fields_may_be_camel_case(open_portal):
    talk = open_portal({"templates": LASTING, "switches": {"list_fields": "camel"}})
    talk.start(1)
    (row,) = talk.ask("GET", "/workflows").json["data"]
    assert (row["templateId"], row["documentId"], row["ownedUntil"]) == ("713", "DEAL_1", None)


def test_delete_stops_a_workflow_without_a_word(open_portal):
    talk = open_portal({"templates": LASTING})
    started = talk.start(1).json["data"]["workflowId"]
    reply = talk.ask("DELETE", f"/workflows/{started}")
    assert (reply.status, reply.body) == (204, b"")
    assert "content-length" not in reply.headers
    assert talk.ask("DELETE", f"/workflows/{started}").code == "ENTITY_NOT_FOUND"
    assert talk.ask("GET", "/workflows").json["data"] == []
    assert [line["erased"] for line in talk.lines("answer", "delete")] == [False, False]


@pytest.mark.parametrize("erases", [True, False])
def test_force_may_erase(open_portal, erases):
    talk = open_portal({"templates": LASTING, "switches": {"force_erases": erases}})
    started = talk.start(1).json["data"]["workflowId"]
    assert talk.ask("DELETE", f"/workflows/{started}?force=true&status=stopped").status == 204
    assert talk.lines("answer", "delete")[0]["erased"] is erases
    assert talk.ask("DELETE", "/workflows/x?force=maybe").code == "VALIDATION_ERROR"


def test_what_runs_already_counts_for_its_document(open_portal):
    running = [{"templateId": 713, "entityType": "deal", "entityId": 5}] * 2
    talk = open_portal({"running": running})
    assert talk.start(5).status == 422
    for row in talk.ask("GET", "/workflows").json["data"]:
        talk.ask("DELETE", f"/workflows/{row['ID']}")
    assert talk.start(5).status == 201


OTHER = {"at": 0, "templateId": 713, "entityType": "deal", "entityId": 5}


def listed(talk):
    return talk.ask("GET", "/workflows").json["data"]


def test_what_others_start_is_listed_from_its_moment_on_and_stands_in_no_ledger(open_portal, until):
    skew = 100
    later = {**OTHER, "at": 0.3, "entityId": 6, "templateId": 99}
    talk = open_portal({"others": [later, OTHER], "switches": {"clock_skew_seconds": skew}})
    assert listed(talk) == []
    talk.start(1)
    (first,) = listed(talk)
    assert (first["DOCUMENT_ID"], first["TEMPLATE_ID"], first["STARTED_BY"]) == ("DEAL_5", "713", "0")
    until(lambda: len(listed(talk)) == 2)
    second, again = listed(talk)
    assert again == first
    assert (second["DOCUMENT_ID"], second["TEMPLATE_ID"]) == ("DEAL_6", "99")
    assert len(second["ID"]) == 23
    assert second["ID"] != first["ID"]
    began = talk.lines("arrival", "start")[0]["time"]
    for row, at in ((first, 0), (second, 0.3)):
        assert dt.datetime.fromisoformat(row["STARTED"]).timestamp() == int(began + at + skew)
    assert talk.committed() == [1]


def test_started_of_others_is_their_moment_however_late_somebody_looks(open_portal, until):
    talk = open_portal({"others": [OTHER]})
    talk.start(1)
    began = talk.lines("arrival", "start")[0]["time"]
    until(lambda: time.time() > began + 1.1)
    assert dt.datetime.fromisoformat(listed(talk)[0]["STARTED"]).timestamp() == int(began)


def test_what_others_start_ends_and_can_be_stopped(open_portal, until):
    talk = open_portal({"others": [OTHER, {**OTHER, "entityId": 6, "life_seconds": 0.1}]})
    talk.start(1)
    until(lambda: [row["DOCUMENT_ID"] for row in listed(talk)] == ["DEAL_5"])
    assert talk.ask("DELETE", f"/workflows/{listed(talk)[0]['ID']}").status == 204
    assert listed(talk) == []


def test_what_others_start_counts_for_its_document_without_anybody_looking(open_portal, until):
    talk = open_portal({"others": [OTHER, {**OTHER, "at": 0.2}]})
    assert talk.start(5).status == 201
    until(lambda: talk.start(5).status == 422)
    assert talk.lines("arrival", "start")[-1]["mono"] - talk.lines("arrival", "start")[0]["mono"] >= 0.2


FORMS = {"offset": r"2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\+03:00", "utc": r"2[\d-]{9}T[\d:]{8}Z", "naive": r"2[\d-]{9}T[\d:]{8}"}


@pytest.mark.parametrize("form", FORMS)
def test_started_has_three_forms_of_one_moment(open_portal, form):
    running = [{"templateId": 713, "entityType": "deal", "entityId": 5, "started_seconds_ago": 3600}]
    (row,) = listed(open_portal({"running": running, "switches": {"started_form": form}}))
    assert re.fullmatch(FORMS[form], row["STARTED"])
    assert row["MODIFIED"] == row["STARTED"]
    said = dt.datetime.fromisoformat(row["STARTED"])
    moment = said.replace(tzinfo=dt.timezone(dt.timedelta(hours=3))) if form == "naive" else said
    assert abs(time.time() - 3600 - moment.timestamp()) < 5


@pytest.mark.parametrize(("code", "status", "said"), [("SCOPE_DENIED", 403, ""), ("ACCESS_DENIED", 422, "ACCESS_DENIED")])
def test_the_list_can_be_denied(open_portal, code, status, said):
    talk = open_portal({"switches": {"list_denied": code}})
    reply = talk.ask("GET", "/workflows?templateId=713")
    assert (reply.status, reply.code, reply.error.get("b24Code", "")) == (status, "BITRIX_ERROR" if said else code, said)
    assert talk.start(1).status == 201


# --------------------------------------------------------------------------------------------------- entities


@pytest.mark.parametrize(("ids", "of"), [("number", int), ("string", str)])
def test_search_finds_what_can_be_read(open_portal, ids, of):
    documents = {"missing": {"deal": [7]}, "denied": {"any": [8]}, "max_id": 100}
    talk = open_portal({"documents": documents, "switches": {"search_ids": ids}})
    found = talk.ask(
        "POST", "/deals/search", {"filter": {"id": {"$in": [5, 7, 8, "9", 101, 5]}}, "select": ["id"], "limit": 500}
    ).json
    assert found == {"success": True, "data": [{"id": of(5)}, {"id": of(9)}], "meta": {"total": 2, "hasMore": False}}
    assert talk.ask("POST", "/leads/search", {"filter": {"id": 7}}).json["data"] == [{"id": of(7), "title": "Lead 7"}]


def test_search_refuses_what_it_does_not_know(open_portal):
    talk = open_portal({"switches": {"search_in_limit": 3}})
    odd = [
        {"filter": {"title": "x"}},
        {"filter": {"id": {"$gt": 1}}},
        {"filter": {"id": {"$in": [1, 2, 3, 4]}}},
        {"filter": {"id": "x"}},
        {"where": 1},
    ]
    assert {talk.ask("POST", "/deals/search", body).code for body in odd} == {"VALIDATION_ERROR"}


def test_lists_and_single_entities(open_portal):
    talk = open_portal({"documents": {"only": {"deal": [3, [10, 12]]}, "missing": {"deal": [11]}}})
    assert [row["id"] for row in talk.ask("GET", "/deals").json["data"]] == [3, 10, 12]
    assert [row["id"] for row in talk.ask("GET", "/deals?limit=1&offset=1").json["data"]] == [10]
    assert talk.ask("GET", "/deals/10").json["data"] == {"id": 10, "title": "Deal 10"}
    assert talk.ask("GET", "/deals/11").code == "ENTITY_NOT_FOUND"
    assert talk.ask("GET", "/leads").json["meta"] == {"total": 10_000_000, "hasMore": True}
    assert [talk.start(entity).status for entity in (3, 4, 11, 12)] == [201, 422, 422, 201]


# ------------------------------------------------------------------------------------------------------ batch


def test_a_batch_reads_many_things(open_portal):
    calls = [
        {"id": "one", "entity": "deals", "action": "get", "entityId": 5},
        {"id": "two", "entity": "leads", "action": "search", "params": {"filter": {"id": {"$in": [1, 2]}}, "select": ["id"]}},
        {"id": "three", "entity": "bizproc-templates", "action": "list", "params": {"select": ["id"]}},
        {"id": "four", "entity": "deals", "action": "get", "entityId": 99_999_999},
    ]
    results = open_portal().ask("POST", "/batch", {"calls": calls}).json["data"]["results"]
    assert results["one"]["data"]["id"] == 5
    assert [row["id"] for row in results["two"]["data"]] == [1, 2]
    assert [row["id"] for row in results["three"]["data"]] == [713, 714]
    assert results["four"]["error"]["code"] == "ENTITY_NOT_FOUND"


@pytest.mark.parametrize("entity", ["workflows", "bizproc-templates", "deals"])
def test_a_batch_starts_nothing_and_one_bad_call_refuses_it_all(open_portal, entity):
    talk = open_portal()
    good = {"id": 1, "entity": "deals", "action": "get", "entityId": 5}
    bad = {"id": 2, "entity": entity, "action": "start", "params": {"templateId": 713, "entityType": "deal", "entityId": 5}}
    reply = talk.ask("POST", "/batch", {"calls": [good, bad]})
    assert (reply.status, reply.code) == (400, "VALIDATION_ERROR")
    assert talk.sandbox.commits() == []


@pytest.mark.parametrize("count", [0, 51])
def test_a_batch_has_one_to_fifty_calls(open_portal, count):
    calls = [{"id": number, "entity": "deals", "action": "get", "entityId": 5} for number in range(count)]
    assert open_portal().ask("POST", "/batch", {"calls": calls}).code == "VALIDATION_ERROR"
