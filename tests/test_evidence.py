"""What the running list proves: one living workflow for one doubt, by document, template and moment, or nothing at all."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bulkstart.evidence import Doubtful, Sent, weigh
from bulkstart.gateways.running import Running

DEAL = ("deal", 5141)
EARLY, LATE = 5.0, 160.0  # seconds; the recipe of 1.6
SENT = 1_766_000_000.0


def iso(moment, hours=3):
    """A moment as a portal writes it: whole seconds with an offset."""
    return datetime.fromtimestamp(moment, timezone(timedelta(hours=hours))).isoformat(timespec="seconds")


def runs(identity="w.1", began=SENT, template=713, document=DEAL, started=None):
    return Running(identity, template, document, iso(began) if started is None else started)


def doubt(*sends, key="k1", template=713, document=DEAL, ours=True):
    return Doubtful(key, template, document, sends or (sent(),), ours)


def sent(at=SENT, ahead=0.0, before=()):
    return Sent(at, ahead, None if before is None else frozenset(before))


def found(doubts, running, credited=(), late=LATE):
    doubts = [doubts] if isinstance(doubts, Doubtful) else doubts
    return weigh(doubts, running, credited, late=late)


def credited(*arguments, **more):
    """The id that is credited to each doubt."""
    return {key: one.workflow_id for key, one in found(*arguments, **more).items()}


# --------------------------------------------------------------------------------------------------------- one fits


def test_one_workflow_that_fits_is_the_start():
    one = found(doubt(), [runs()])["k1"]
    assert (one.workflow_id, one.candidates, one.why, one.suspected_duplicate) == ("w.1", ("w.1",), "", False)


def test_the_order_of_the_list_and_strangers_in_it_change_nothing():
    strangers = [runs("x.1", template=714), runs("x.2", document=("deal", 7)), runs("x.3", document=("lead", 5141))]
    strangers += [runs("x.4", document=None), runs("x.5", template=0)]
    assert credited(doubt(), [*strangers, runs()]) == credited(doubt(), [runs(), *strangers]) == {"k1": "w.1"}
    assert credited(doubt(), strangers) == {"k1": ""}


@pytest.mark.parametrize(
    ("began", "fits"),
    [(-EARLY - 1, False), (-EARLY, True), (-1, True), (0, True), (60, True), (LATE, True), (LATE + 1, False), (86400, False)],
)
def test_it_must_have_begun_between_five_seconds_before_the_send_and_the_last_moment_a_lost_start_may_begin(began, fits):
    assert credited(doubt(), [runs(began=SENT + began)]) == {"k1": "w.1" if fits else ""}


@pytest.mark.parametrize("late", [100.0, 160.0])
def test_how_late_it_may_begin_is_the_dialects_to_say(late):
    assert credited(doubt(), [runs(began=SENT + late)], late=late) == {"k1": "w.1"}
    assert credited(doubt(), [runs(began=SENT + late + 1)], late=late) == {"k1": ""}


@pytest.mark.parametrize("ahead", [-7200.0, -600.0, 600.0, 7200.0])
def test_the_window_is_on_the_portals_clock_be_it_ahead_or_behind(ahead):
    assert credited(doubt(sent(ahead=ahead)), [runs(began=SENT + ahead + 1)]) == {"k1": "w.1"}
    assert credited(doubt(sent(ahead=ahead)), [runs(began=SENT + 1)]) == {"k1": ""}
    assert credited(doubt(), [runs(began=SENT + ahead)]) == {"k1": ""}
    edges = [(-EARLY - 1, ""), (-EARLY, "w.1"), (LATE, "w.1"), (LATE + 1, "")]
    for began, expected in edges:
        assert credited(doubt(sent(ahead=ahead)), [runs(began=SENT + ahead + began)]) == {"k1": expected}


@pytest.mark.parametrize("hours", [-8, 0, 3, 5.5])
def test_a_moment_is_the_same_in_every_zone_it_is_written_in(hours):
    assert credited(doubt(), [runs(started=iso(SENT, hours))]) == {"k1": "w.1"}


@pytest.mark.parametrize(
    "started",
    [
        "",
        "soon",
        str(int(SENT)),
        datetime.fromtimestamp(SENT, UTC).replace(tzinfo=None).isoformat(),
        datetime.fromtimestamp(SENT, UTC).strftime("%d.%m.%Y %H:%M:%S"),
        datetime.fromtimestamp(SENT, UTC).strftime("%Y-%m-%d"),
        iso(SENT)[:-6] + "+99:00",
    ],
    ids=["blank", "a word", "a number", "without a zone", "in Russian order", "a day", "no such zone"],
)
def test_a_moment_that_cannot_be_read_or_names_no_zone_is_no_evidence(started):
    one = found(doubt(), [runs(started=started)])["k1"]
    assert (one.workflow_id, one.candidates) == ("", ())


# -------------------------------------------------------------------------------------------------------- none fits


def test_an_empty_list_proves_nothing_and_says_where_to_look():
    one = found(doubt(), [])["k1"]
    assert (one.workflow_id, one.candidates) == ("", ())
    assert one.why == ("not in the running list: it may have run and finished, or never have started; open deal 5141 and look")


def test_a_workflow_that_ran_before_the_run_is_nobodys():
    assert credited(doubt(sent(before=["w.1", "w.2"])), [runs("w.1"), runs("w.2")]) == {"k1": ""}
    assert credited(doubt(sent(before=["w.2"])), [runs("w.1"), runs("w.2")]) == {"k1": "w.1"}


def test_a_workflow_that_a_start_has_already_is_nobodys_else():
    assert credited(doubt(), [runs()], {"w.1"}) == {"k1": ""}
    assert credited(doubt(), [runs("w.1"), runs("w.2")], {"w.2"}) == {"k1": "w.1"}


UNPROVABLE = {
    "nobody here knows when it was sent": (),
    "what ran before it was sent is not known": (sent(before=None), sent(SENT + 300, before=None)),
    "the portal does not tell its time": (sent(before=None), sent(SENT + 300, ahead=None)),
}


@pytest.mark.parametrize("why", UNPROVABLE)
def test_where_too_little_is_known_nothing_is_credited_and_that_is_said(why):
    for running in ([], [runs()], [runs(), runs("w.2")]):
        one = found(Doubtful("k1", 713, DEAL, UNPROVABLE[why]), running)["k1"]
        assert (one.workflow_id, one.suspected_duplicate) == ("", False)
        assert one.why.startswith(f"{why}, so that no running workflow can be told to be its own")
        assert one.why.endswith("open deal 5141 and look")


def test_nothing_known_to_have_run_before_is_knowledge_too():
    assert credited(doubt(sent(before=())), [runs()]) == {"k1": "w.1"}


# -------------------------------------------------------------------------------------------------------- several fit


@pytest.mark.parametrize("count", [2, 3])
def test_several_workflows_for_one_start_are_a_suspected_duplicate_and_none_is_credited(count):
    ids = [f"w.{number}" for number in range(count)]
    one = found(doubt(), [runs(identity, SENT + number) for number, identity in enumerate(ids)])["k1"]
    assert (one.workflow_id, one.candidates, one.suspected_duplicate) == ("", tuple(ids), True)
    assert one.why.startswith(f"suspected duplicate: {count} workflows of template 713")
    assert "deal 5141 (" + ", ".join(ids) + ")" in one.why
    assert one.why.endswith("open deal 5141 and stop what should not run")


def test_one_workflow_for_two_doubts_is_nobodys():
    two = found([doubt(key="k1"), doubt(sent(SENT + 10), key="k2")], [runs(began=SENT + 11)])
    assert [(one.workflow_id, one.candidates, one.suspected_duplicate) for one in two.values()] == [("", ("w.1",), False)] * 2
    assert "workflow w.1 runs on deal 5141 and may be this row's or another's start" in two["k1"].why


def test_two_workflows_for_two_doubts_that_could_be_either_are_nobodys():
    two = found([doubt(key="k1"), doubt(key="k2")], [runs("w.1"), runs("w.2")])
    assert [one.workflow_id for one in two.values()] == ["", ""]


def test_doubts_on_one_document_that_windows_tell_apart_get_each_their_own():
    doubts = [doubt(key="k1"), doubt(sent(SENT + 1000), key="k2"), doubt(key="k3", template=714)]
    running = [runs("w.2", SENT + 1001), runs("w.1"), runs("w.3", template=714)]
    assert credited(doubts, running) == {"k1": "w.1", "k2": "w.2", "k3": "w.3"}


def test_a_doubt_of_another_run_is_not_settled_here_but_contends():
    theirs = doubt(key="k2", ours=False)
    assert credited([doubt(), theirs], [runs()]) == {"k1": ""}
    assert credited([doubt(), doubt(key="k2", ours=False, document=("deal", 7))], [runs()]) == {"k1": "w.1"}
    assert credited([theirs], [runs()]) == {}


def test_a_doubt_without_a_baseline_contends_all_the_same():
    theirs = doubt(sent(before=None), key="k2", ours=False)
    one = found([doubt(), theirs], [runs()])["k1"]
    assert (one.workflow_id, one.candidates) == ("", ("w.1",))
    assert credited([doubt(), doubt(sent(SENT - 1000, before=None), key="k2")], [runs()]) == {"k1": "w.1", "k2": ""}


def test_a_doubt_of_which_nobody_knows_when_it_was_sent_contends_for_whatever_runs_on_its_document():
    brought = Doubtful("k2", 713, DEAL, (), ours=False)
    timeless = doubt(sent(SENT - 86400, ahead=None), key="k2", ours=False)
    for other in (brought, timeless):
        one = found([doubt(), other], [runs()])["k1"]
        assert (one.workflow_id, one.candidates) == ("", ("w.1",))
        assert credited([doubt(), replace(other, template_id=714)], [runs()]) == {"k1": "w.1"}
    before = doubt(sent(SENT - 86400, ahead=None, before=["w.1"]), key="k2", ours=False)
    assert credited([doubt(), before], [runs()]) == {"k1": "w.1"}, "it ran before that one was sent"


# ----------------------------------------------------------------------------------------------------------- releases


@pytest.mark.parametrize("which", [0, 1])
def test_a_doubt_that_was_sent_twice_is_looked_for_in_both_windows(which):
    twice = doubt(sent(), sent(SENT + 1000, before=["old"]))
    assert credited(twice, [runs(began=SENT + 1000 * which + 2)]) == {"k1": "w.1"}
    assert credited(twice, [runs(began=SENT + 500)]) == {"k1": ""}


def test_both_attempts_of_a_released_doubt_that_run_are_a_suspected_duplicate():
    twice = doubt(sent(), sent(SENT + 1000))
    one = found(twice, [runs("w.1"), runs("w.2", SENT + 1001)])["k1"]
    assert (one.workflow_id, one.candidates, one.suspected_duplicate) == ("", ("w.1", "w.2"), True)


def test_each_window_has_its_own_clock_and_its_own_baseline():
    twice = doubt(sent(ahead=-50.0, before=["w.1"]), sent(SENT + 1000, ahead=3600.0, before=["w.2"]))
    assert credited(twice, [runs("w.1", SENT - 50)]) == {"k1": ""}, "it ran before the first send"
    assert credited(twice, [runs("w.2", SENT - 50)]) == {"k1": "w.2"}, "it came of the first send, and ran before the second"
    assert credited(twice, [runs("w.3", SENT + 4600)]) == {"k1": "w.3"}
    assert credited(twice, [runs("w.3", SENT + 1000)]) == {"k1": ""}


def test_of_two_sends_the_one_without_a_baseline_proves_nothing_but_may_be_the_origin():
    twice = doubt(sent(before=None), sent(SENT + 1000))
    assert credited(twice, [runs("w.2", SENT + 1000)]) == {"k1": "w.2"}
    assert credited(twice, [runs("w.1")]) == {"k1": ""}
    assert found(twice, [runs("w.1"), runs("w.2", SENT + 1000)])["k1"].suspected_duplicate


@pytest.mark.parametrize(("began", "which"), [(-2, 0), (0, 0), (40, 0), (99, 1), (150, 1)])
def test_a_credit_tells_the_moment_of_the_send_that_it_came_of_the_last_that_had_left_by_then(began, which):
    sends = (sent(ahead=60.0), sent(SENT + 100, ahead=60.0))
    assert found(doubt(*sends), [runs(began=SENT + 60 + began)])["k1"].sent_at == sends[which].at
    assert found(doubt(sends[0]), [runs(began=SENT + 60)])["k1"].sent_at == SENT
    assert found(doubt(*sends), [])["k1"].sent_at is None
    close = doubt(sent(), sent(SENT + 4))
    assert found(close, [runs(began=SENT + 1)])["k1"].sent_at == SENT, "the second one had not left by then, though it fits"


def test_a_send_of_which_too_little_is_known_is_no_moment_of_a_credit():
    sends = (sent(), sent(SENT + 10, before=None), sent(SENT + 20, before=["w.1"]))
    assert found(doubt(*sends), [runs(began=SENT + 30)])["k1"].sent_at == SENT


# -------------------------------------------------------------------------------------------------------- properties

IDS = [f"w.{number}" for number in range(6)]
DOCUMENTS = [DEAL, ("lead", 5141)]
TICKS = st.integers(-8, 8).map(lambda tick: tick * 40.0)

some_sends = st.lists(
    st.builds(
        sent,
        TICKS.map(lambda tick: SENT + tick),
        st.sampled_from([0.0, 80.0, -80.0, None]),
        st.none() | st.sets(st.sampled_from(IDS)),
    ),
    max_size=2,
)
lists = st.lists(
    st.builds(
        lambda identity, tick, template, document, naive: runs(
            identity, SENT + tick, template, document, started=iso(SENT + tick)[:-6] if naive else None
        ),
        *(st.sampled_from(IDS), TICKS, st.sampled_from([713, 713, 714]), st.sampled_from([*DOCUMENTS, None])),
        st.sampled_from([False, False, False, True]),
    ),
    unique_by=lambda running: running.workflow_id,
)


@st.composite
def several(draw):
    """Doubts of ours and of others, each with its own key."""
    intents = draw(
        st.lists(st.tuples(some_sends, st.sampled_from([713, 714]), st.sampled_from(DOCUMENTS), st.booleans()), max_size=4)
    )
    return [
        Doubtful(f"k{number}", template, document, tuple(sends), ours)
        for number, (sends, template, document, ours) in enumerate(intents)
    ]


def may_be(running, one, *, proven):
    """The rule in the words of the recipe (1.6), said a second time."""
    if running.document is None or (running.template_id, running.document) != (one.template_id, one.document):
        return False
    if not one.sends:
        return not proven
    began = datetime.fromisoformat(running.started)
    for send in one.sends if began.tzinfo is not None else ():
        if send.clock_offset is None:
            within = not proven
        else:
            within = send.at + send.clock_offset - 5 <= began.timestamp() <= send.at + send.clock_offset + LATE
        if within and (running.workflow_id not in send.baseline if send.baseline is not None else not proven):
            return True
    return False


@settings(max_examples=400, deadline=None)
@given(several(), lists, st.sets(st.sampled_from(IDS), max_size=2))
@example([doubt(key="k1"), doubt(key="k2")], [runs("w.1")], set())
@example([doubt()], [runs("w.1"), runs("w.2")], {"w.2"})
def test_a_credit_is_the_only_workflow_that_fits_the_only_doubt_that_it_fits(doubts, running, taken):
    told = found(doubts, running, taken)
    assert set(told) == {one.key for one in doubts if one.ours}
    free = {workflow.workflow_id: workflow for workflow in running if workflow.workflow_id not in taken}
    by_key = {one.key: one for one in doubts}
    claimed = Counter(one.workflow_id for one in told.values() if one.workflow_id)
    assert max(claimed.values(), default=0) <= 1, "an id is credited to two rows"
    for key, one in told.items():
        fitting = [identity for identity, workflow in free.items() if may_be(workflow, by_key[key], proven=False)]
        known = any(send.baseline is not None and send.clock_offset is not None for send in by_key[key].sends)
        if one.workflow_id:
            assert one.why == ""
            assert fitting == [one.workflow_id], "another one fits as well, or this one does not"
            assert may_be(free[one.workflow_id], by_key[key], proven=True), "it ran before, or nobody knows what did"
            rivals = [other for other in doubts if other.key != key and may_be(free[one.workflow_id], other, proven=False)]
            assert not rivals, "it may be another's"
        else:
            assert one.why
            assert one.suspected_duplicate == (known and len(fitting) > 1)
            if known and len(fitting) == 1 and may_be(free[fitting[0]], by_key[key], proven=True):
                assert [other for other in doubts if other.key != key and may_be(free[fitting[0]], other, proven=False)]


@given(several(), lists)
def test_what_has_been_credited_once_is_not_credited_again_when_the_list_is_asked_again(doubts, running):
    first = {key: one.workflow_id for key, one in found(doubts, running).items() if one.workflow_id}
    left = [one for one in doubts if one.key not in first]
    assert not set(first.values()) & set(credited(left, running, set(first.values())).values())


def test_a_credit_tells_the_send_that_it_came_of():
    """A doubt that was sent twice: the workflow began behind the second, or between the two."""
    twice = doubt(sent(SENT), sent(SENT + 60))
    assert found(twice, [runs(began=SENT + 61)])["k1"].sent_at == SENT + 60
    assert found(twice, [runs(began=SENT + 1)])["k1"].sent_at == SENT
