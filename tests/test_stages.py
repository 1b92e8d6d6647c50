"""The pure stages: which rows get a key, what is looked up of them, and where a problem of the plan is shown."""

from __future__ import annotations

import pandas as pd

from bulkstart.journal_view import EMPTY
from bulkstart.model import StartRequest, Template
from bulkstart.options import Options
from bulkstart.preflight import Met
from bulkstart.result_columns import RESULT_COLUMNS
from bulkstart.row_keys import row_key
from bulkstart.stages import check_sheet, plan_sheet, problems_of

MET = Met("acme.bitrix24.ru", templates=(Template(713, "Plain", "deal", ()),))


def checked(frame, met=MET, *, loopback=False, **options):
    return check_sheet(frame, Options(template=713, **options), met, loopback=loopback)


def problems(frame, *, blocked=False, **options):
    wanted = Options(template=713, **options)
    sheet = check_sheet(frame, wanted, MET, loopback=False)
    return problems_of(sheet, plan_sheet(sheet, EMPTY, wanted, sandbox=False, blocked=blocked), wanted)


def told(found):
    return [(problem.position, problem.column, problem.code) for problem in found]


def fed_back(ids, workflows):
    empty = [("started", workflow, "", "", 1, "") if workflow else ("",) * 6 for workflow in workflows]
    return pd.DataFrame([(n, *cells) for n, cells in zip(ids, empty, strict=True)], columns=["entityId", *RESULT_COLUMNS])


def test_only_rows_without_a_problem_get_a_key_and_are_looked_up():
    sheet = checked(pd.DataFrame({"entityId": [1, "x", 2]}))
    one, two = (row_key("acme.bitrix24.ru", StartRequest(713, "deal", n)) for n in (1, 2))
    assert sheet.keys == (one, None, two)
    assert sheet.keyed == [(one, StartRequest(713, "deal", 1)), (two, StartRequest(713, "deal", 2))]


def test_portal_and_campaign_are_part_of_the_key():
    frame = pd.DataFrame({"entityId": [1]})
    other = Met("other.bitrix24.ru", templates=MET.templates)
    assert len({checked(frame).keys, checked(frame, campaign="x").keys, checked(frame, other).keys}) == 3


def test_ids_are_looked_up_of_rows_with_a_problem_too():
    assert checked(fed_back([1, "x", 3], ["w.1", "w.2", ""])).workflow_ids == {"w.1", "w.2"}


def test_a_sheet_knows_whether_the_portal_gave_its_templates():
    frame = pd.DataFrame({"entityId": [1]})
    assert checked(frame).defined
    assert not check_sheet(frame, Options(template=713, entity_type="deal"), Met("acme"), loopback=False).defined


def test_problems_of_cells_and_of_the_plan_stand_in_the_order_of_the_sheet():
    frame = pd.DataFrame({"title": list("abcd"), "entityId": [1, 1, "x", 1]})
    assert told(problems(frame)) == [(1, "B", "duplicate-row"), (2, "B", "type-error"), (3, "B", "duplicate-row")]


def test_rows_behind_the_limit_are_nobodys_concern():
    frame = pd.DataFrame({"entityId": [1, "x", 1]})
    assert problems(frame, limit=1) == ()
    assert told(problems(frame, limit=2)) == [(1, "A", "type-error")]


def test_a_problem_of_an_id_from_an_earlier_run_is_shown_at_the_column_of_the_ids():
    assert told(problems(fed_back([1, 2], ["w.1", "w.1"]))) == [(0, "C", "foreign-result"), (1, "C", "foreign-result")]
