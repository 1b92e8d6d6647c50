"""Native lists and what one may know of oneself: typing, selects, filters, pages, rights."""

import datetime as dt
import re
import time
from email.utils import parsedate_to_datetime

import pytest

from tests.simulator.rest_talk import START, command

LIST, INSTANCES, TASKS, ITEMS = (
    "bizproc.workflow.template.list",
    "bizproc.workflow.instances",
    "bizproc.task.list",
    "crm.item.list",
)
NOBODY = {"webhooks": [{"user": 7, "code": "plainuser0123456789", "admin": False}]}


# ------------------------------------------------------------------------------------------------- templates


def test_the_template_list_selects_ids_unless_told(open_rest):
    answer = open_rest().call(LIST)
    assert (answer.result, answer.json["total"], "next" in answer.json) == ([{"ID": "713"}, {"ID": "714"}], 2, False)


def test_all_fields_of_a_template_in_the_portals_types(open_rest):
    template = {"id": 525, "name": "T", "autoExecute": 2, "parameters": {"x": {"Type": "string"}}}
    rest = open_rest({"templates": [template]})
    names = (
        "ID MODULE_ID ENTITY DOCUMENT_TYPE AUTO_EXECUTE NAME DESCRIPTION TEMPLATE PARAMETERS VARIABLES CONSTANTS MODIFIED"
        " IS_MODIFIED USER_ID SYSTEM_CODE"
    ).split()
    row = rest.call(LIST, select=[*names, "NO_SUCH"]).result[0]
    assert list(row) == names
    assert row["ID"] == "525"
    assert row["AUTO_EXECUTE"] == "2"
    assert (row["MODULE_ID"], row["ENTITY"], row["DOCUMENT_TYPE"]) == ("crm", "CCrmDocumentDeal", "DEAL")
    assert row["TEMPLATE"][0]["Type"] == "SequentialWorkflowActivity"


@pytest.mark.parametrize(
    "parameters",
    [
        [],
        None,
        {},
        {"a": {"Name": "A", "Type": "user", "Required": "Y", "Multiple": True, "Options": ["x", "y"], "Default": None}},
        {"a": {"Name": "A", "Type": "select", "Required": 1, "Multiple": "0", "Options": {"k": "K"}}, "b": {"Type": "int"}},
    ],
)
def test_parameters_are_passed_on_as_written(open_rest, parameters):
    rest = open_rest({"templates": [{"id": 1, "parameters": parameters}]})
    assert rest.call(LIST, SELECT=["PARAMETERS"]).result == [{"PARAMETERS": parameters}]


def test_the_document_type_may_be_a_triple(open_rest):
    rest = open_rest({"native": {"switches": {"template_document_type": "triple"}}})
    found = rest.call(LIST, SELECT=["DOCUMENT_TYPE"], FILTER={"ID": 713}).result
    assert found == [{"DOCUMENT_TYPE": ["crm", "CCrmDocumentDeal", "DEAL"]}]


def test_automation_rules_are_in_no_list(open_portal, open_rest):
    templates = [{"id": 1, "autoExecute": 8}, {"id": 2}]
    assert open_rest({"templates": templates}).call(LIST).result == [{"ID": "2"}]
    assert [row["id"] for row in open_portal({"templates": templates}).ask("GET", "/bizproc-templates").json["data"]] == [2]


def test_a_template_that_was_deleted_is_in_no_list(open_rest):
    rest = open_rest({"templates": [{"id": 713, "gone_after_starts": 1}, {"id": 714, "documentType": "lead"}]})
    rest.start(1)
    assert rest.call(LIST).result == [{"ID": "714"}]


@pytest.mark.parametrize(
    ("rules", "found"),
    [
        ({"ID": 713}, ["713"]),
        ({"=ID": "713"}, ["713"]),
        ({"!ID": 713}, ["714", "715", "1000"]),
        ({"!=ID": 713}, ["714", "715", "1000"]),
        ({">ID": 714}, ["715", "1000"]),
        ({">=ID": "714", "<ID": 1000}, ["714", "715"]),
        ({"<=ID": 714}, ["713", "714"]),
        ({"ENTITY": "CCrmDocumentLead"}, ["714"]),
        ({"NAME": "nobody"}, []),
        ({"SYSTEM_CODE": ""}, ["713", "714", "715", "1000"]),
        ({"id": 713}, ["713", "714", "715", "1000"]),
        ({"~ID": 713}, ["713", "714", "715", "1000"]),
        ({"ACTIVE": "Y"}, ["713", "714", "715", "1000"]),
        ({"@ID": [713]}, ["713", "714", "715", "1000"]),
        ({"ID": [713, 714]}, ["713", "714", "715", "1000"]),
        ({">MODIFIED": "2026-08-02T00:00:00+03:00"}, ["715"]),
        ({"<MODIFIED": "2026-08-02"}, ["713", "714", "1000"]),
    ],
)
def test_filters_and_what_they_drop(open_rest, rules, found):
    templates = [
        {"id": 713},
        {"id": 714, "documentType": "lead"},
        {"id": 715, "modified": "2026-09-01T10:00:00+03:00"},
        {"id": 1000},
    ]
    assert [row["ID"] for row in open_rest({"templates": templates}).call(LIST, FILTER=rules).result] == found


def test_a_list_of_values_may_mean_any_of_them(open_rest):
    rest = open_rest({"native": {"switches": {"filter_lists": "in"}}})
    assert rest.call(LIST, FILTER={"ID": [714, 999]}).result == [{"ID": "714"}]
    assert rest.call(LIST, FILTER={"!ID": ["714"]}).result == [{"ID": "713"}]


def test_pages_of_fifty_with_total_and_next(open_rest):
    rest = open_rest({"templates": [{"id": number} for number in range(1, 121)]})
    first, second, third = (rest.call(LIST, start=start).json for start in (0, 50, "100"))
    assert [(page["total"], page.get("next"), len(page["result"])) for page in (first, second, third)] == [
        (120, 50, 50),
        (120, 100, 50),
        (120, None, 20),
    ]
    assert [row["ID"] for row in first["result"] + second["result"] + third["result"]] == [str(n) for n in range(1, 121)]
    assert rest.call(LIST, ORDER={"id": "desc"}, START=100).result[-1] == {"ID": "1"}
    assert rest.call(LIST, start=500).result == []
    uncounted = rest.call(LIST, start=-1).json
    assert "total" not in uncounted
    assert len(uncounted["result"]) == 50


@pytest.mark.parametrize("status", [400, 403])
def test_the_template_list_is_for_administrators(open_rest, status):
    rest = open_rest({"native": {**NOBODY, "switches": {"template_denied": status}}})
    assert rest.call(LIST).said == (status, "ACCESS_DENIED", "Access denied!")


# ------------------------------------------------------------------------------------------------- instances


def living(open_rest, **scenario):
    return open_rest({"templates": [{"id": 713, "life_seconds": None}, {"id": 714, "documentType": "lead"}], **scenario})


def test_only_what_runs_is_listed_and_all_of_it_is_text(open_rest):
    rest = living(open_rest)
    name = rest.start(5141).result
    rest.call(START, TEMPLATE_ID=714, DOCUMENT_ID=["crm", "CCrmDocumentLead", "LEAD_1"])
    answer = rest.call(INSTANCES)
    assert [list(row) for row in answer.result] == [["ID", "MODIFIED", "OWNED_UNTIL"]]
    names = "ID MODIFIED OWNED_UNTIL MODULE_ID ENTITY DOCUMENT_ID STARTED STARTED_BY TEMPLATE_ID".split()
    row = rest.call("bizproc.workflow.instance.list", SELECT=names).result[0]
    assert {key: row[key] for key in names if key not in ("MODIFIED", "STARTED")} == {
        "ID": name,
        "OWNED_UNTIL": None,
        "MODULE_ID": "crm",
        "ENTITY": "CCrmDocumentDeal",
        "DOCUMENT_ID": "DEAL_5141",
        "STARTED_BY": "0",
        "TEMPLATE_ID": "713",
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+03:00", row["STARTED"])


def test_instances_by_document_and_template_and_start(open_rest):
    rest = living(open_rest)
    for entity in (1, 1, 2):
        rest.start(entity)
    wanted = {"DOCUMENT_ID": "DEAL_1", "TEMPLATE_ID": 713}
    assert rest.call(INSTANCES, FILTER=wanted).json["total"] == 2
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)
    assert rest.call(INSTANCES, FILTER={"<STARTED": soon.strftime("%Y-%m-%dT%H:%M:%SZ")}).json["total"] == 3
    assert rest.call(INSTANCES, FILTER={">STARTED": soon.isoformat()}).json["total"] == 0


def test_conditions_on_started_may_be_dropped(open_rest):
    rest = living(open_rest, native={"switches": {"iso_started": False}})
    rest.start(1)
    assert rest.call(INSTANCES, FILTER={"<STARTED": "2001-01-01T00:00:00Z"}).json["total"] == 1


def test_pages_shift_while_workflows_work_unless_ordered_by_id(open_rest):
    rest = living(open_rest, switches={"modified_moves": True}, limits={"per_document": 0})
    for entity in range(1, 61):
        rest.start(entity)
    by_id = [row["ID"] for start in (0, 50) for row in rest.call(INSTANCES, ORDER={"ID": "ASC"}, start=start).result]
    assert by_id == sorted(by_id)
    assert len(set(by_id)) == 60


def test_instances_are_for_administrators(open_rest):
    assert open_rest({"native": NOBODY}).call(INSTANCES).said == (403, "ACCESS_DENIED", "Access denied!")


FORMS = {"offset": r"2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\+03:00", "utc": r"2[\d-]{9}T[\d:]{8}Z", "naive": r"2[\d-]{9}T[\d:]{8}"}
OTHER = {"at": 0, "templateId": 713, "entityType": "dynamic_147", "entityId": 5}


@pytest.mark.parametrize("form", FORMS)
def test_started_has_three_forms_of_one_moment_by_the_portals_clock(open_rest, form):
    running = [{"templateId": 713, "entityType": "deal", "entityId": 5, "started_seconds_ago": 3600}]
    rest = open_rest({"running": running, "switches": {"started_form": form, "clock_skew_seconds": 600.5}})
    (row,) = rest.call(INSTANCES, SELECT=["STARTED", "MODIFIED"]).result
    assert re.fullmatch(FORMS[form], row["STARTED"])
    assert row["MODIFIED"] == row["STARTED"]
    said = dt.datetime.fromisoformat(row["STARTED"])
    moment = said.replace(tzinfo=dt.timezone(dt.timedelta(hours=3))) if form == "naive" else said
    assert abs(time.time() - 3000 - moment.timestamp()) < 5
    for seconds, total in ((-60, 1), (60, 0)):
        bound = (moment + dt.timedelta(seconds=seconds)).isoformat()
        assert rest.call(INSTANCES, FILTER={">STARTED": bound}).json["total"] == total


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("ACCESS_DENIED", (403, "ACCESS_DENIED", "Access denied!")),
        ("BITRIX_ACCESS_DENIED", (403, "BITRIX_ACCESS_DENIED")),
        ("OVERLOAD_LIMIT", (503, "OVERLOAD_LIMIT")),
    ],
)
def test_the_list_can_be_denied_to_an_administrator_too(open_rest, code, said):
    rest = open_rest({"switches": {"list_denied": code}})
    for method in (INSTANCES, "bizproc.workflow.instance.list"):
        assert rest.call(method).said[: len(said)] == said
    assert rest.call("batch", cmd={"a": INSTANCES}).result["result_error"]["a"]["error"] == code
    assert rest.start(1).status == 200


@pytest.mark.parametrize("batch", [False, True])
def test_what_others_start_is_listed_from_its_moment_on_and_makes_no_task(open_rest, until, batch):
    templates = [{"id": 713, "task": {}}]
    rest = open_rest({"templates": templates, "others": [{**OTHER, "at": 0.3, "entityId": 6}, OTHER]})
    assert rest.call(INSTANCES).result == []
    if batch:
        rest.call("batch", cmd={"a": command(1)})
    else:
        rest.start(1)
    names = ["ID", "DOCUMENT_ID", "STARTED", "STARTED_BY"]
    until(lambda: rest.call(INSTANCES).json["total"] == 2)
    second, first = rest.call(INSTANCES, SELECT=names, ORDER={"DOCUMENT_ID": "DESC"}).result
    assert (first["DOCUMENT_ID"], second["DOCUMENT_ID"]) == ("DYNAMIC_147_5", "DYNAMIC_147_6")
    assert first["STARTED_BY"] == "0"
    began = next(line for line in rest.lines("arrival") if line["on"] == ("batch" if batch else "start"))["time"]
    assert dt.datetime.fromisoformat(first["STARTED"]).timestamp() == int(began)
    assert rest.call(TASKS).json["total"] == 1
    assert len(rest.lines("commit")) == 1
    assert rest.call("bizproc.workflow.terminate", ID=first["ID"]).result is True
    assert [row["ID"] for row in rest.call(INSTANCES).result] == [second["ID"]]


def test_what_others_start_counts_for_its_document(open_rest):
    rest = open_rest({"others": [{**OTHER, "entityType": "deal"}], "limits": {"per_document": 1}})
    assert rest.start(1).status == 200
    assert rest.start(5).status == 400


@pytest.mark.parametrize("dated", [True, False])
def test_native_answers_may_come_without_a_date(open_rest, dated):
    headers = open_rest({"switches": {"date_header": dated, "clock_skew_seconds": -7200}}).call("profile").headers
    assert ("date" in headers) == dated
    if dated:
        assert abs(parsedate_to_datetime(headers["date"]).timestamp() - time.time() + 7200) < 5


# -------------------------------------------------------------------------------------------------- stopping


@pytest.mark.parametrize("method", ["bizproc.workflow.terminate", "bizproc.workflow.kill"])
def test_stopping_a_workflow(open_rest, method):
    rest = living(open_rest)
    name = rest.start(1).result
    assert rest.call(method, id=name, STATUS="stopped").result is True
    assert rest.call(INSTANCES).result == []
    assert rest.call(method, ID=name).said == (400, "ERROR_WRONG_WORKFLOW_ID", "Workflow instance not found")
    assert rest.call(method).said == (400, "ERROR_WRONG_WORKFLOW_ID", "Empty workflow instance ID")
    assert [line["erased"] for line in rest.lines("answer") if line["on"] == "delete"] == [method.endswith("kill"), False, False]


@pytest.mark.parametrize(("said", "wanted"), [("empty", (400, "")), ("true", True)])
def test_stopping_what_does_not_run(open_rest, said, wanted):
    answer = open_rest({"native": {"switches": {"unknown_workflow": said}}}).call("bizproc.workflow.kill", ID="6.1")
    assert (answer.result if wanted is True else answer.said[:2]) == wanted


def test_stopping_is_for_administrators(open_rest):
    rest = open_rest({"native": NOBODY})
    assert rest.call("bizproc.workflow.kill", ID="1").said == (403, "ACCESS_DENIED", "Access denied!")


# ----------------------------------------------------------------------------------------------------- tasks


def test_a_task_outlives_its_workflow_and_is_found_by_document(open_rest):
    task = {"name": "Sign", "user": 7, "done_after_seconds": 0}
    rest = open_rest({"templates": [{"id": 713, "name": "Contract", "task": task}, {"id": 714, "documentType": "lead"}]})
    name = rest.start(5).result
    rest.start(6)
    assert rest.call(INSTANCES).result == []
    rows = rest.call(
        TASKS, FILTER={"DOCUMENT_ID": "DEAL_5"}, SELECT=["WORKFLOW_ID", "STATUS", "NAME", "WORKFLOW_TEMPLATE_NAME", "USER_ID"]
    )
    assert rows.result == [
        {"WORKFLOW_ID": name, "STATUS": "1", "NAME": "Sign", "WORKFLOW_TEMPLATE_NAME": "Contract", "USER_ID": "7"}
    ]
    assert [row["ID"] for row in rest.call(TASKS).result] == ["2", "1"]
    assert rest.call(TASKS, FILTER={"WORKFLOW_ID": name}).json["total"] == 1


def test_tasks_are_answered_and_forgotten_in_time(open_rest, until):
    task = {"done_after_seconds": 0.1, "kept_seconds": 0.2}
    rest = open_rest({"templates": [{"id": 713, "task": task}]})
    rest.start(1)
    assert rest.call(TASKS, SELECT=["STATUS"]).result == [{"STATUS": "0"}]
    until(lambda: rest.call(TASKS, SELECT=["STATUS"]).result == [{"STATUS": "1"}])
    until(lambda: rest.call(TASKS).result == [])


def test_killing_erases_tasks_and_terminating_keeps_them(open_rest):
    rest = open_rest({"templates": [{"id": 713, "life_seconds": None, "task": {}}]})
    first, second = rest.start(1).result, rest.start(2).result
    rest.call("bizproc.workflow.terminate", ID=first)
    rest.call("bizproc.workflow.kill", ID=second)
    assert [row["WORKFLOW_ID"] for row in rest.call(TASKS).result] == [first]


def test_who_is_no_administrator_sees_own_tasks_only(open_rest):
    rest = open_rest({"native": NOBODY, "templates": [{"id": 713, "task": {"user": 7}}, {"id": 8, "task": {"user": 8}}]})
    rest.start(1)
    rest.start(1, template=8)
    assert rest.call(TASKS).json["total"] == 1
    assert rest.call(TASKS, FILTER={"USER_ID": 8}).said[1] == "ACCESS_DENIED"


# ----------------------------------------------------------------------------------------------------- items


def test_items_by_a_list_of_ids_without_counting(open_rest):
    documents = {"missing": {"deal": [3]}, "denied": {"deal": [4]}}
    rest = open_rest({"documents": documents})
    answer = rest.call(ITEMS, entityTypeId=2, select=["id"], filter={"@id": [1, "2", 3, 4, 5141]}, start=-1)
    assert answer.result == {"items": [{"id": 1}, {"id": 2}, {"id": 5141}]}
    assert "total" not in answer.json
    assert "next" not in answer.json


def test_items_page_by_fifty(open_rest):
    rest = open_rest({"documents": {"only": {"dynamic_147": [[1, 70]]}}})
    page = rest.call(ITEMS, entityTypeId="147", select=["id", "title"], order={"ID": "ASC"}).json
    assert (len(page["result"]["items"]), page["total"], page["next"]) == (50, 70, 50)
    page = rest.call(ITEMS, entityTypeId=147, start=50).json
    assert (len(page["result"]["items"]), page["total"], "next" in page) == (20, 70, False)
    bounded = rest.call(ITEMS, entityTypeId=147, filter={">id": 10, "<=ID": 12}).json
    assert [row["id"] for row in bounded["result"]["items"]] == [11, 12]


@pytest.mark.parametrize("number", [5, 127, 0, "x", None])
def test_a_type_that_is_none(open_rest, number):
    assert open_rest().call(ITEMS, entityTypeId=number).said == (400, "NOT_FOUND", "Smart process not found")


@pytest.mark.parametrize("rules", [{"title": "x"}, {"%id": 1}, {"@id": ["x"]}, {"": 1}])
def test_the_sandbox_filters_items_by_id_only(open_rest, rules):
    assert open_rest().call(ITEMS, entityTypeId=2, filter=rules).said[1] == "ERROR_ARGUMENT"
    assert open_rest().call(ITEMS, entityTypeId=2, Filter={}).said[1] == "ERROR_ARGUMENT"


# ------------------------------------------------------------------------------------------------- about


def test_who_asks(open_rest):
    rest = open_rest({"native": {"webhooks": [{"user": 57, "code": "somebody0123456789", "scopes": ["bizproc", "user_basic"]}]}})
    profile = rest.call("profile").result
    assert (profile["ID"], profile["ADMIN"]) == ("57", True)
    assert rest.call("user.current").result["ID"] == "57"
    assert rest.call("user.admin").result is True
    assert rest.call("scope").result == ["bizproc", "user_basic"]
    assert set(rest.call("scope", full=True).result) > {"bizproc", "crm", "disk"}


def test_a_missing_scope_is_said_before_the_method_looks(open_rest):
    rest = open_rest({"native": {"webhooks": [{"code": "noscope0123456789", "scopes": ["crm"]}]}})
    assert rest.call(START).said[:2] == (403, "insufficient_scope")
    assert rest.call("user.current").said[:2] == (403, "insufficient_scope")
    assert rest.call(ITEMS, entityTypeId=2).status == 200
    assert rest.call("method.get", name=START).result == {"isExisting": True, "isAvailable": False}


def test_which_methods_there_are(open_rest):
    rest = open_rest()
    assert rest.call("method.get", name=START).result == {"isExisting": True, "isAvailable": True}
    assert rest.call("method.get", name="Bizproc.Workflow.Start").result == {"isExisting": False, "isAvailable": False}
    assert rest.call("method.get", name="no.such").result == {"isExisting": False, "isAvailable": False}
    assert rest.call("method.get").said[1] == "ERROR_ARGUMENT"


@pytest.mark.parametrize(("plan", "family"), [("other", "basic"), ("enterprise", "ent")])
def test_the_plan_is_told_to_applications_only(open_rest, plan, family):
    rest = open_rest({"native": {"plan": plan, "applications": [{}]}})
    assert rest.call("app.info").said == (400, "ACCESS_DENIED", "Application context required")
    told = rest.send("/rest/app.info", b'{"auth": "sandbox_access_0123456789"}').result
    assert (told["LICENSE_FAMILY"], told["INSTALLED"], told["PAYMENT_EXPIRED"]) == (family, True, "N")


def test_the_portals_clock(open_rest):
    told = dt.datetime.fromisoformat(open_rest({"switches": {"clock_skew_seconds": -3600}}).call("server.time").result)
    assert abs((dt.datetime.now(dt.UTC) - told).total_seconds() - 3600) < 3


@pytest.mark.parametrize("method", ["profile", "scope", "server.time", "user.admin"])
def test_reading_answers_to_a_get_as_well(open_rest, method):
    rest = open_rest()
    assert rest.send(f"{rest.root}{method}.json", verb="GET", kind=None).status == 200
    assert rest.send(f"{rest.root}{method}", b"", verb="PUT").status == 404
