"""What a person is asked: how many, where, of what, and everything that would make one hesitate."""

from __future__ import annotations

from contextlib import closing

from bulkstart.forecast import Forecast
from bulkstart.journal import Journal
from bulkstart.journal_view import EMPTY, Note
from bulkstart.model import Outcome, Row, StartRequest, Template
from bulkstart.plan import Plan, Rules, make
from bulkstart.question import Question, canary_text
from bulkstart.result_columns import Previous, Status
from bulkstart.row_keys import row_key
from bulkstart.states import Event

PORTAL = "acme.bitrix24.ru"
CAST = Forecast(3, 1.0, "request rate")


def ask(entity=1, template=713, **parameters):
    return StartRequest(template, "deal", entity, parameters)


def planned(*requests, view=EMPTY, said=None, **rules):
    keys = [row_key(PORTAL, request, rules.get("campaign", "")) for request in requests]
    rows = [Row(at, at + 2, None, None, None, (said or {}).get(at)) for at in range(len(requests))]
    return make(rows, requests, keys, view, Rules(**rules))


def text_of(plan, *, templates=(), campaign="", canary=3):
    return Question(PORTAL, plan, templates, campaign, canary, CAST).text


def test_the_question_says_how_many_workflows_where_how_long_and_of_which_template():
    text = text_of(planned(ask(1), ask(2), ask(3, template=9)), templates=[Template(713, "Approve")])
    assert "3 workflows" in text
    assert PORTAL in text
    assert CAST.text in text
    assert "template 713 'Approve': 2" in text
    assert "template 9: 1" in text


def test_the_question_says_that_a_start_cannot_be_taken_back_and_how_many_go_first():
    plan = planned(*(ask(n) for n in range(1, 8)))
    assert "The first 3 go first" in text_of(plan)
    assert "The first 7 go first" in text_of(plan, canary=20)
    assert "go first" not in text_of(plan, canary=0)
    assert "cannot be taken back" in text_of(plan, canary=0)


def test_one_workflow_is_one_workflow():
    assert "1 workflow would" in text_of(planned(ask(1)))


def test_rows_for_one_entity_with_different_parameters_are_counted():
    text = text_of(planned(ask(1, a="x"), ask(1, a="y"), ask(1, a="z"), ask(2, a="x"), ask(2, a="y"), ask(3)))
    assert "5 rows share 2 entities" in text
    assert "share" not in text_of(planned(ask(1), ask(2)))


def test_rows_that_count_as_started_by_the_sheets_word_alone_are_counted():
    text = text_of(planned(ask(1), ask(2), said={0: Previous("started", "w.1", "", "", "")}))
    assert "1 row" in text
    assert "the sheet's word alone" in text
    assert "word alone" not in text_of(planned(ask(1)))


def begun(journal, run, *requests, end):
    """A run that ends each of its rows in ``end``."""
    keys = [row_key(PORTAL, request) for request in requests]
    run_entry = {"id": run, "started_at": 1.0, "portal": PORTAL, "dialect": "vibecode", "sheet": "", "template": "713"}
    with journal.claiming(run) as claim:
        claim.open_run(
            run_entry | {"campaign": "", "rows": len(keys), "settings": "{}"}, [(n, "", k) for n, k in enumerate(keys)]
        )
        claim.take(PORTAL, "", [(key, request, None) for key, request in zip(keys, requests, strict=True)])
    for number, key in enumerate(keys):
        journal.record(run, [Note(key, Event.SEND)])
        journal.record(run, [Note(key, end, workflow_id=f"w.{number}" if end is Event.START else "")])
    journal.finish(run, 0, [])


def test_rows_that_were_started_or_tried_before_are_counted(tmp_path):
    with closing(Journal(tmp_path / "journal.sqlite")) as journal:
        begun(journal, "run-1", ask(1), ask(2), end=Event.START)
        begun(journal, "run-2", ask(3), end=Event.REFUSE)
        requests = [ask(n) for n in (1, 2, 3, 4)]
        view = journal.view(PORTAL, [(row_key(PORTAL, request), request) for request in requests], "", ())
    text = text_of(planned(*requests, view=view))
    assert "2 rows were started before" in text
    assert "1 row were tried before" in text or "1 row was tried before" in text
    assert "2 workflows" in text


def test_a_campaign_says_how_many_rows_start_again_that_another_label_has_started(tmp_path):
    requests = [ask(n) for n in range(1, 8)]
    with closing(Journal(tmp_path / "journal.sqlite")) as journal:
        begun(journal, "run-1", *requests[:5], end=Event.START)
        view = journal.view(PORTAL, [(row_key(PORTAL, request, "autumn"), request) for request in requests], "autumn", ())
    text = text_of(planned(*requests, view=view, campaign="autumn"), campaign="autumn")
    (line,) = [line for line in text.splitlines() if "campaign" in line]
    assert "'autumn'" in line
    assert "5" in line


def test_the_canary_shows_every_row_what_it_took_and_how_many_are_left():
    shown = [(2, Outcome(0, Status.STARTED, "w.1")), (3, Outcome(1, Status.REFUSED, "", "ENTITY_NOT_FOUND", "no such deal"))]
    text = canary_text(shown, [0.5, 1.25], 97, CAST)
    assert "row 2: started w.1" in text
    assert "row 3: refused ENTITY_NOT_FOUND: no such deal" in text
    assert "0.50 to 1.25 s" in text
    assert "97 workflows left" in text
    assert "a start takes" not in canary_text(shown, [], 1, CAST)


def test_a_plan_with_nothing_to_start_is_asked_about_as_nothing():
    assert "0 workflows" in text_of(Plan((), {}, ()))
