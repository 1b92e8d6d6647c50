"""Which rows are left to do: the rules of "Feeding results back", ``--limit``, duplicates, changed parameters, campaigns."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bulkstart.journal_view import EMPTY, Held, View
from bulkstart.model import Outcome, Row, StartRequest
from bulkstart.plan import Rules, lanes, make, when
from bulkstart.result_columns import SANDBOX_MARK, Previous, Status
from bulkstart.row_keys import row_key
from bulkstart.states import State

PORTAL = "acme.bitrix24.ru"
UNFINISHED = (State.NEW, State.SENDING, State.DEFERRED)


def ask(entity=1, template=713, **parameters):
    return StartRequest(template, "deal", entity, parameters)


def said(status="", workflow_id="", code="", message="", at=""):
    return Previous(str(status), workflow_id, code, message, at)


def held(request, state, *, live=False, workflow_id="", campaign="", portal=PORTAL, code="", message="", at=None):
    key = row_key(portal, request, campaign)
    intent = (key, portal, request.template_id, request.entity_type, request.entity_id, campaign)
    return Held(*intent, state, "run-1", live, workflow_id, code, message, at)


def seen(found, keys, ids, *, campaign="", together=()):
    """What a journal that holds ``found`` shows of a sheet with ``keys`` and ``ids``."""
    siblings = {}
    for one in found:
        if one.key not in keys and (one.portal, one.campaign) == (PORTAL, campaign):
            siblings.setdefault((one.template_id, one.entity_type, one.entity_id), []).append(one)
    by_id = {number: tuple(one for one in found if number and one.workflow_id == number) for number in ids}
    return View(
        {one.key: one for one in found if one.key in keys},
        {document: tuple(group) for document, group in siblings.items()},
        frozenset(together),
        {number: group for number, group in by_id.items() if group},
    )


def planned(*cells, journal=(), together=(), **rules):
    """The plan of a sheet of (request or ``None``, previous or ``None``) cells."""
    cells = [cell if isinstance(cell, tuple) else (cell, None) for cell in cells]
    campaign = rules.get("campaign", "")
    requests = [request for request, _ in cells]
    keys = [None if request is None else row_key(PORTAL, request, campaign) for request in requests]
    rows = [Row(at, at + 2, None, None, None, previous) for at, (_, previous) in enumerate(cells)]
    ids = {previous.workflow_id for _, previous in cells if previous and previous.workflow_id}
    view = seen(journal, set(keys), ids, campaign=campaign, together=together) if journal else EMPTY
    return make(rows, requests, keys, view, Rules(**rules))


def positions(plan):
    return [ready.position for ready in plan.ready]


def codes(plan):
    return {problem.position: problem.code for problem in plan.problems}


# ------------------------------------------------------------------------------------------------- an empty journal


def test_rows_that_nobody_knows_are_ready_in_the_order_of_the_sheet():
    plan = planned(ask(3), ask(1), None, ask(2))
    assert positions(plan) == [0, 1, 3]
    assert [ready.label for ready in plan.ready] == [2, 3, 5]
    assert (plan.outcomes, plan.problems, plan.doubts, plan.again, plan.by_sheet) == ({}, (), (), 0, 0)


def test_rows_of_one_entity_share_a_lane_in_the_order_of_the_sheet():
    plan = planned(ask(1, a="x"), ask(2), ask(1, a="y"), ask(1, template=714))
    assert [[ready.position for ready in lane] for lane in lanes(plan.ready)] == [[0, 2, 3], [1]]


def test_of_equal_rows_the_first_may_start_and_the_later_are_problems():
    plan = planned(ask(1), ask(2), ask(1), ask(1))
    assert positions(plan) == [0, 1]
    assert codes(plan) == {2: "duplicate-row", 3: "duplicate-row"}
    assert "row 2" in plan.problems[0].message


def test_one_entity_with_different_parameters_in_one_sheet_starts_each_of_them():
    assert positions(planned(ask(1, a="x"), ask(1, a="y"))) == [0, 1]


def test_a_moment_is_written_in_utc_with_offset():
    assert when(0.5) == "1970-01-01T00:00:00.500+00:00"
    assert when(None) == ""


# ------------------------------------------------------------------------------------------------ the journal's word


def test_what_the_journal_holds_as_started_is_already_started_under_its_own_id():
    plan = planned(ask(1), journal=[held(ask(1), State.STARTED, workflow_id="w.1", at=0.0)])
    outcome = plan.outcomes[0]
    assert (outcome.status, outcome.workflow_id, outcome.error_code) == (Status.ALREADY_STARTED, "w.1", "")
    assert outcome.started_at == "1970-01-01T00:00:00.000+00:00"
    assert not plan.ready


def test_the_journal_decides_and_its_id_is_written_whatever_the_sheet_says():
    journal = [held(ask(1), State.STARTED, workflow_id="w.1")]
    for word in (
        said("started", "w.999"),
        said("in_doubt", code="READ_TIMEOUT"),
        said("refused", code="X"),
        said("not_attempted"),
    ):
        plan = planned((ask(1), word), journal=journal)
        assert (plan.outcomes[0].status, plan.outcomes[0].workflow_id) == (Status.ALREADY_STARTED, "w.1")
        assert not plan.problems
        assert plan.by_sheet == 0


def test_a_doubt_of_the_journal_stays_a_doubt_with_its_own_code_and_words():
    plan = planned(ask(1), journal=[held(ask(1), State.IN_DOUBT, code="READ_TIMEOUT", message="no answer in time")])
    assert plan.outcomes[0] == Outcome(0, Status.IN_DOUBT, "", "READ_TIMEOUT", "no answer in time")
    assert not plan.ready
    assert not plan.crashed


def test_a_start_that_died_on_the_wire_is_in_doubt_and_is_to_be_written_down():
    dead = replace(held(ask(1), State.IN_DOUBT, code="CRASHED", message="it may have started"), crashed=True)
    plan = planned(ask(1), journal=[dead])
    assert plan.outcomes[0].status is Status.IN_DOUBT
    assert plan.crashed == (dead,)


@pytest.mark.parametrize("state", UNFINISHED)
def test_a_row_that_a_living_run_works_on_is_not_attempted_and_names_that_run(state):
    plan = planned(ask(1), journal=[held(ask(1), state, live=True)])
    outcome = plan.outcomes[0]
    assert (outcome.status, outcome.error_code) == (Status.NOT_ATTEMPTED, "CLAIMED_BY_RUN")
    assert "run-1" in outcome.error_message
    assert not plan.ready


@pytest.mark.parametrize("state", [State.NEW, State.DEFERRED, State.REFUSED])
def test_a_row_that_certainly_did_not_start_is_tried_again_and_counted(state):
    plan = planned(ask(1), ask(2), journal=[held(ask(1), state)])
    assert positions(plan) == [0, 1]
    assert plan.ready[0].held is not None
    assert plan.again == 1


def test_equal_rows_of_a_started_key_stay_one_start_and_duplicates():
    journal = [held(ask(1), State.STARTED, workflow_id="w.1")]
    plan = planned((ask(1), None), (ask(1), said("started", "w.1")), (ask(1), None), journal=journal)
    assert plan.outcomes[0].workflow_id == "w.1"
    assert codes(plan) == {1: "duplicate-row", 2: "duplicate-row"}
    assert not plan.ready


# -------------------------------------------------------------------------------------------------- the sheet's word


@pytest.mark.parametrize("status", ["started", "already_started"])
def test_an_id_that_nobody_knows_makes_the_row_already_started_and_is_counted(status):
    plan = planned((ask(1), said(status, "w.7", at="2026-01-01T00:00:00Z")), ask(2))
    assert plan.outcomes[0].status is Status.ALREADY_STARTED
    assert (plan.outcomes[0].workflow_id, plan.outcomes[0].started_at) == ("w.7", "2026-01-01T00:00:00Z")
    assert positions(plan) == [1]
    assert plan.by_sheet == 1


@pytest.mark.parametrize("status", ["refused", "gave_up", "not_attempted", "invalid", "duplicate", "planned"])
def test_rows_that_did_not_start_are_tried_when_their_results_are_fed_back(status):
    plan = planned((ask(1), said(status, code="SOME_CODE", message="why")))
    assert positions(plan) == [0]
    assert not plan.problems


@pytest.mark.parametrize(
    ("status", "workflow_id", "code"),
    [("", "", "READ_TIMEOUT"), ("сомнение", "", "READ_TIMEOUT"), ("Started", "", ""), ("refused", "w.1", "X"), ("x", "w.1", "")],
)
def test_words_that_do_not_fit_together_are_a_problem_and_never_start_a_row(status, workflow_id, code):
    plan = planned((ask(1), said(status, workflow_id, code=code)))
    assert not plan.ready
    assert [problem.code for problem in plan.problems] == ["foreign-result"]


@pytest.mark.parametrize("status", ["IN_DOUBT", "in doubt", " In-Doubt "])
def test_a_doubt_is_known_in_every_spelling(status):
    assert planned((ask(1), said(status, code="READ_TIMEOUT"))).outcomes[0].status is Status.IN_DOUBT


def test_a_doubt_of_the_sheet_stays_unsent_and_is_entered_in_the_journal_of_the_new_run():
    plan = planned((ask(1), said("in_doubt", code="READ_TIMEOUT", message="no answer in time")))
    assert not plan.ready
    assert plan.outcomes[0] == Outcome(0, Status.IN_DOUBT, "", "READ_TIMEOUT", "no answer in time")
    (doubt,) = plan.doubts
    assert (doubt.key, doubt.code) == (row_key(PORTAL, ask(1)), "READ_TIMEOUT")


def test_a_doubt_of_the_sheet_without_a_code_still_gets_one():
    outcome = planned((ask(1), said("in_doubt"))).outcomes[0]
    assert outcome.error_code
    assert not outcome.workflow_id


def test_an_id_that_stands_in_two_rows_is_a_problem_of_both():
    plan = planned((ask(1), said("started", "w.1")), (ask(2), said("started", "w.1")), ask(3))
    assert codes(plan) == {0: "foreign-result", 1: "foreign-result"}
    assert positions(plan) == [2]


def test_an_id_that_stands_in_two_rows_is_a_problem_even_where_the_journal_decides_about_one_of_them():
    journal = [held(ask(1), State.STARTED, workflow_id="w.true")]
    plan = planned((ask(1), said("started", "w.copied")), (ask(2), said("started", "w.copied")), journal=journal)
    assert plan.outcomes[0].workflow_id == "w.true"
    assert codes(plan) == {1: "foreign-result"}


def test_an_id_that_stands_in_an_invalid_row_too_is_a_problem():
    assert codes(planned((None, said("started", "w.1")), (ask(2), said("started", "w.1")))) == {1: "foreign-result"}


@pytest.mark.parametrize(
    "holder",
    [
        held(ask(9), State.STARTED, workflow_id="w.1"),
        held(ask(1, template=714), State.STARTED, workflow_id="w.1"),
        held(ask(1), State.STARTED, workflow_id="w.1", portal="other.bitrix24.ru"),
    ],
    ids=["another row", "another template", "another portal"],
)
def test_an_id_that_the_journal_holds_for_something_else_is_a_problem(holder):
    plan = planned((ask(1), said("started", "w.1")), journal=[holder])
    assert codes(plan) == {0: "foreign-result"}
    assert not plan.ready
    assert 0 not in plan.outcomes


def test_a_status_that_contradicts_its_id_is_a_problem_and_never_a_start():
    for word in (said("refused", "w.1"), said("in_doubt", "w.1"), said("started"), said("already_started")):
        plan = planned((ask(1), word))
        assert codes(plan) == {0: "foreign-result"}
        assert not plan.ready


def test_of_equal_rows_the_one_that_carries_the_id_counts_though_it_stands_later():
    plan = planned(ask(1), (ask(1), said("started", "w.1")))
    assert plan.outcomes[1].workflow_id == "w.1"
    assert codes(plan) == {0: "duplicate-row"}
    assert not plan.ready


def test_of_equal_rows_the_one_in_doubt_counts_though_it_stands_later():
    plan = planned(ask(1), (ask(1), said("in_doubt", code="READ_TIMEOUT")))
    assert plan.outcomes[1].status is Status.IN_DOUBT
    assert codes(plan) == {0: "duplicate-row"}
    assert not plan.ready


def test_of_equal_rows_one_that_says_started_without_an_id_keeps_the_others_from_starting():
    plan = planned(ask(1), (ask(1), said("started")))
    assert not plan.ready


def test_equal_rows_with_two_ids_keep_both_and_start_nothing():
    plan = planned((ask(1), said("started", "w.1")), (ask(1), said("started", "w.2")), ask(1))
    assert [plan.outcomes[at].workflow_id for at in (0, 1)] == ["w.1", "w.2"]
    assert codes(plan) == {2: "duplicate-row"}
    assert not plan.ready


# ------------------------------------------------------------------------------------------------------- the sandbox


@pytest.mark.parametrize(
    "word", [said("started", "w.1", message=SANDBOX_MARK), said("in_doubt", message=f"lost; {SANDBOX_MARK}")]
)
def test_results_of_the_sandbox_count_as_never_tried_on_any_other_portal(word):
    plan = planned((ask(1), word), (ask(1), word))
    assert positions(plan) == [0]
    assert codes(plan) == {1: "duplicate-row"}
    assert not plan.doubts


def test_results_of_the_sandbox_count_on_the_sandbox():
    plan = planned((ask(1), said("started", "w.1", message=SANDBOX_MARK)), sandbox=True)
    assert plan.outcomes[0].workflow_id == "w.1"
    assert not plan.ready


def test_real_results_count_on_the_sandbox_too():
    assert not planned((ask(1), said("started", "w.1")), sandbox=True).ready


# ------------------------------------------------------------------------------------------------ changed parameters


@pytest.mark.parametrize("sibling", [held(ask(1, a="x"), State.STARTED, workflow_id="w.1"), held(ask(1, a="x"), State.IN_DOUBT)])
def test_other_parameters_beside_a_started_or_doubtful_row_are_a_problem(sibling):
    plan = planned(ask(1, a="y"), ask(2), journal=[sibling])
    assert codes(plan) == {0: "changed-parameters"}
    assert positions(plan) == [1]


def test_other_parameters_start_when_they_are_allowed():
    journal = [held(ask(1, a="x"), State.STARTED, workflow_id="w.1")]
    assert positions(planned(ask(1, a="y"), journal=journal, allow_changed=True)) == [0]


def test_other_parameters_start_when_both_rows_stand_in_this_sheet():
    journal = [held(ask(1, a="x"), State.STARTED, workflow_id="w.1")]
    plan = planned(ask(1, a="x"), ask(1, a="y"), journal=journal)
    assert positions(plan) == [1]
    assert plan.outcomes[0].status is Status.ALREADY_STARTED


def test_other_parameters_start_when_both_rows_stood_together_in_the_sheet_of_one_run():
    journal = [held(ask(1, a="x"), State.STARTED, workflow_id="w.1")]
    pair = (row_key(PORTAL, ask(1, a="x")), row_key(PORTAL, ask(1, a="y")))
    assert positions(planned(ask(1, a="y"), journal=journal, together=[pair])) == [0]


def test_the_excuse_of_one_sibling_does_not_excuse_another():
    journal = [held(ask(1, a=text), State.STARTED, workflow_id=f"w.{text}") for text in "xz"]
    pair = (row_key(PORTAL, ask(1, a="x")), row_key(PORTAL, ask(1, a="y")))
    assert codes(planned(ask(1, a="y"), journal=journal, together=[pair])) == {0: "changed-parameters"}


@pytest.mark.parametrize("state", [State.REFUSED, State.NEW, State.DEFERRED])
def test_other_parameters_start_beside_a_row_that_certainly_did_not(state):
    assert positions(planned(ask(1, a="y"), journal=[held(ask(1, a="x"), state)])) == [0]


def test_other_parameters_wait_while_a_living_run_works_on_the_same_entity():
    plan = planned(ask(1, a="y"), journal=[held(ask(1, a="x"), State.SENDING, live=True)])
    assert plan.outcomes[0].error_code == "CLAIMED_BY_RUN"
    assert not plan.ready


def test_a_refused_row_is_not_tried_again_once_its_entity_started_with_other_parameters():
    journal = [held(ask(1, a="y"), State.REFUSED), held(ask(1, a="x"), State.STARTED, workflow_id="w.1")]
    assert codes(planned(ask(1, a="y"), journal=journal)) == {0: "changed-parameters"}


def test_another_template_another_portal_or_another_campaign_is_no_changed_row():
    journal = [
        held(ask(1, template=714, a="x"), State.STARTED, workflow_id="w.1"),
        held(ask(1, a="x"), State.STARTED, workflow_id="w.2", portal="other.bitrix24.ru"),
        held(ask(1, a="x"), State.STARTED, workflow_id="w.3", campaign="spring"),
    ]
    assert positions(planned(ask(1, a="y"), journal=journal)) == [0]


# --------------------------------------------------------------------------------------------------------- campaigns


def test_a_new_campaign_starts_rows_again_that_an_earlier_one_started():
    journal = [held(ask(1), State.STARTED, workflow_id="w.1")]
    assert positions(planned(ask(1), journal=journal, campaign="autumn")) == [0]


def test_an_id_held_under_another_label_only_is_ignored_when_a_campaign_is_given():
    journal = [held(ask(1), State.STARTED, workflow_id="w.1")]
    plan = planned((ask(1), said("started", "w.1")), journal=journal, campaign="autumn")
    assert positions(plan) == [0]
    assert not plan.problems


def test_an_id_of_the_campaign_itself_is_a_problem_in_another_row():
    journal = [held(ask(2), State.STARTED, workflow_id="w.1", campaign="autumn")]
    assert codes(planned((ask(1), said("started", "w.1")), journal=journal, campaign="autumn")) == {0: "foreign-result"}


def test_without_a_campaign_an_id_of_one_is_a_problem():
    journal = [held(ask(1), State.STARTED, workflow_id="w.1", campaign="spring")]
    assert codes(planned((ask(1), said("started", "w.1")), journal=journal)) == {0: "foreign-result"}


def test_an_id_that_nobody_knows_counts_under_a_campaign_too():
    plan = planned((ask(1), said("started", "w.1")), campaign="autumn")
    assert plan.outcomes[0].status is Status.ALREADY_STARTED


def test_equal_rows_whose_ids_are_ignored_start_once():
    journal = [held(ask(1), State.STARTED, workflow_id="w.1"), held(ask(2), State.STARTED, workflow_id="w.2")]
    cells = ((ask(1), said("started", "w.1")), (ask(1), said("started", "w.2")))
    plan = planned(*cells, journal=journal, campaign="autumn")
    assert positions(plan) == [0]
    assert codes(plan) == {1: "duplicate-row"}


def test_an_ignored_id_does_not_make_its_row_go_before_the_first_of_equal_rows():
    journal = [held(ask(1), State.STARTED, workflow_id="w.1")]
    plan = planned(ask(1), (ask(1), said("started", "w.1")), journal=journal, campaign="autumn")
    assert positions(plan) == [0]
    assert codes(plan) == {1: "duplicate-row"}


# ------------------------------------------------------------------------------------------------------------- limit


def test_rows_behind_the_limit_are_not_attempted_and_nobody_complains_about_them():
    plan = planned(ask(1), ask(2), ask(3), ask(1), (ask(4), said("started")), None, limit=2)
    assert positions(plan) == [0, 1]
    assert {at: outcome.error_code for at, outcome in plan.outcomes.items()} == dict.fromkeys((2, 3, 4, 5), "LIMIT")
    assert {outcome.status for outcome in plan.outcomes.values()} == {Status.NOT_ATTEMPTED}
    assert not plan.problems


def test_a_limit_keeps_no_id_and_no_doubt_out_of_the_results():
    journal = [held(ask(2), State.STARTED, workflow_id="w.2"), held(ask(3), State.IN_DOUBT, code="READ_TIMEOUT")]
    plan = planned(ask(1), ask(2), ask(3), (ask(4), said("started", "w.4")), journal=journal, limit=1)
    assert [plan.outcomes[at].workflow_id for at in (1, 3)] == ["w.2", "w.4"]
    assert plan.outcomes[2].status is Status.IN_DOUBT


def test_an_equal_row_behind_the_limit_that_carries_the_id_keeps_the_first_from_starting():
    plan = planned(ask(1), ask(2), (ask(1), said("started", "w.1")), limit=2)
    assert positions(plan) == [1]


def test_a_limit_beyond_the_sheet_changes_nothing():
    assert planned(ask(1), ask(2), limit=9) == planned(ask(1), ask(2))


# -------------------------------------------------------------------------------------------------------- properties

REQUESTS = [ask(1), ask(1, a="x"), ask(2)]
CAMPAIGNS = ["", "autumn"]
IDS = ["w.1", "w.2", "w.3"]

words = st.builds(
    said,
    st.sampled_from(["started"] * 6 + ["", *map(str, Status), "nonsense"]),
    st.sampled_from(["", *IDS]),
    st.just("SOME_CODE"),
    st.sampled_from(["", "", SANDBOX_MARK]),
)
cells = st.tuples(st.sampled_from([*REQUESTS, None]), st.none() | words)


@st.composite
def journals(draw):
    """A journal as one may be: one entry for each intent, an id wherever one started, and no id twice."""
    found, free = [], list(IDS)
    for request in REQUESTS:
        for campaign in CAMPAIGNS:
            state = draw(st.sampled_from([None, None, State.STARTED, State.STARTED, *State]))
            if state is None or (state is State.STARTED and not free):
                continue
            live = state is State.SENDING or (state in UNFINISHED and draw(st.booleans()))
            number = free.pop() if state is State.STARTED else ""
            found.append(held(request, state, live=live, campaign=campaign, workflow_id=number, code="" if number else "CODE"))
    return found


SPRING = [held(request, State.STARTED, workflow_id=number) for request, number in zip(REQUESTS, IDS, strict=True)]


@settings(max_examples=250, deadline=None)
@given(
    st.lists(cells, max_size=6),
    st.just(SPRING) | journals(),
    st.sampled_from(CAMPAIGNS),
    st.booleans(),
    st.booleans(),
    st.none() | st.integers(1, 9),
)
def test_no_row_starts_that_may_have_started_and_every_row_is_told_once(sheet, journal, campaign, allow_changed, sandbox, limit):
    rules = {"campaign": campaign, "allow_changed": allow_changed, "sandbox": sandbox, "limit": limit}
    plan = planned(*sheet, journal=journal, **rules)
    known = {one.key: one for one in journal}
    for ready in plan.ready:
        assert limit is None or ready.position < limit
        found = known.get(ready.key)
        assert ready.held == found
        assert found is None or (found.state in (State.NEW, State.DEFERRED, State.REFUSED) and not found.live)
        previous = sheet[ready.position][1]
        if found is None and previous and previous.workflow_id and (sandbox or not previous.from_sandbox):
            holders = [one for one in journal if one.workflow_id == previous.workflow_id]
            assert campaign
            assert holders
            assert all(one.campaign != campaign for one in holders)
        if not allow_changed:
            here = {row_key(PORTAL, request, campaign) for request, _ in sheet if request}
            same = [one for one in journal if one.campaign == campaign and one.template_id == ready.request.template_id]
            others = [one for one in same if one.entity_id == ready.request.entity_id and one.key not in here]
            assert not [one for one in others if one.state in (State.STARTED, State.IN_DOUBT) or one.live]
    assert [key for key, count in Counter(ready.key for ready in plan.ready).items() if count > 1] == []
    told = Counter([*positions(plan), *plan.outcomes, *{problem.position for problem in plan.problems}])
    behind = [] if limit is None else range(limit, len(sheet))
    for at, (request, _) in enumerate(sheet):
        assert told[at] == (1 if request is not None or at in behind else 0)


@given(st.lists(cells, max_size=8), journals(), st.sampled_from(CAMPAIGNS))
def test_no_id_is_written_twice_and_no_outcome_has_both_an_id_and_a_code_or_neither(sheet, journal, campaign):
    plan = planned(*sheet, journal=journal, campaign=campaign)
    written = sorted(outcome.workflow_id for outcome in plan.outcomes.values() if outcome.workflow_id)
    assert [number for number, group in groupby(written) if len(list(group)) > 1] == []
    for outcome in plan.outcomes.values():
        assert bool(outcome.workflow_id) != bool(outcome.error_code)
        assert bool(outcome.workflow_id) == (outcome.status is Status.ALREADY_STARTED)


@given(st.lists(cells, max_size=8), st.sampled_from(CAMPAIGNS))
def test_a_plan_made_twice_of_the_same_is_the_same(sheet, campaign):
    assert planned(*sheet, campaign=campaign) == planned(*sheet, campaign=campaign)
