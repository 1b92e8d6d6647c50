"""One look at the journal: whose rows are seen, whose are not, and that looking leaves nothing behind."""

from __future__ import annotations

from bulkstart.journal_look import Alive
from bulkstart.journal_view import EMPTY
from bulkstart.locks import RunLock
from bulkstart.row_keys import row_key
from bulkstart.states import Event, State
from tests.test_journal import PORTAL, ask, begin, key_of, look, told


def start(journal, run, *requests, campaign=""):
    begin(journal, run, *requests, campaign=campaign)
    for number, request in enumerate(requests):
        if not campaign:
            told(journal, run, request, Event.SEND, Event.START, workflow_id=f"{run}.{number}", sent_at=1.0)
    journal.finish(run, 0, [])


def test_a_look_at_nothing_shows_nothing(journal):
    start(journal, "run-1", ask(1))
    assert look(journal) == EMPTY


def test_an_owner_is_asked_for_once_and_its_answer_holds_for_the_whole_look(tmp_path):
    path = tmp_path / "journal.sqlite"
    lock, alive = RunLock(path, "run-1"), Alive(path)
    assert alive["run-1"]
    lock.release()
    assert alive["run-1"], "one look, one answer"
    assert not Alive(path)["run-1"]
    assert dict(alive) == {"run-1": True}


def test_another_portals_starts_are_not_seen_but_by_their_ids(journal):
    start(journal, "run-1", ask(1), ask(1, note="x"))
    key = row_key("other.bitrix24.ru", ask(1))
    view = journal.view("other.bitrix24.ru", [(key, ask(1))], "", ["run-1.0"])
    assert (view.held, view.siblings, view.together, view.other_campaigns) == ({}, {}, frozenset(), frozenset())
    assert [held.portal for held in view.ids["run-1.0"]] == [PORTAL]


def test_a_campaign_is_told_which_of_its_documents_another_label_has_started(journal):
    start(journal, "run-1", ask(1), ask(2))
    begin(journal, "run-2", ask(3))
    view = look(journal, ask(1), ask(3), ask(4), campaign="spring")
    assert view.other_campaigns == {(713, "deal", 1)}, "only what was started, and only of this sheet"
    assert (view.held, view.siblings) == ({}, {})
    elsewhere = journal.view("other.bitrix24.ru", [(row_key("other.bitrix24.ru", ask(1), "spring"), ask(1))], "spring", ())
    assert elsewhere.other_campaigns == frozenset(), "another portal's deal 1 is another deal"
    assert look(journal, ask(1)).other_campaigns == frozenset(), "its own label is no other"


def test_a_row_is_no_sibling_of_itself_and_one_of_another_template_or_entity_is_none(journal):
    start(journal, "run-1", ask(1), ask(1, template=714), ask(2), ask(1, note="x"))
    view = look(journal, ask(1))
    assert {document: [held.key for held in found] for document, found in view.siblings.items()} == {
        (713, "deal", 1): [key_of(ask(1, note="x"))]
    }


def test_a_look_can_be_taken_twice_and_leaves_no_table_behind(journal):
    start(journal, "run-1", ask(1))
    assert look(journal, ask(1)) == look(journal, ask(1))
    with journal.claiming("run-2") as claim:
        keyed = [(key_of(ask(1)), ask(1)), (key_of(ask(1)), ask(1))]
        assert claim.view(PORTAL, keyed, "", ["w", "w"]).held == look_held(claim, keyed)


def look_held(claim, keyed):
    return claim.view(PORTAL, keyed[:1], "", ()).held


def test_what_is_on_the_wire_of_a_living_run_is_no_doubt_and_of_a_dead_one_it_is(journal):
    begin(journal, "run-1", ask(1))
    told(journal, "run-1", ask(1), Event.SEND, sent_at=5.0)
    held = look(journal, ask(1)).held[key_of(ask(1))]
    assert (held.state, held.live, held.crashed, held.sent_at) == (State.SENDING, True, False, 5.0)
    journal.release("run-1")
    held = look(journal, ask(1)).held[key_of(ask(1))]
    assert (held.state, held.live, held.crashed, held.error_code) == (State.IN_DOUBT, False, True, "CRASHED")
