"""What the journal logs of a run as a whole, beside its starts."""

from __future__ import annotations

import pytest

from bulkstart.journal_events import ENDED, RECONCILED, RESUMED, WISHED, why_it_ended
from bulkstart.model import Outcome
from bulkstart.result_columns import Status
from bulkstart.standing import Wish
from bulkstart.states import Event
from tests.test_journal import ask, begin, key_of, told
from tests.test_journal_past import again


def test_a_run_is_logged_from_its_first_send_to_its_end_and_whatever_follows(journal):
    begin(journal, "run-1", ask())
    told(journal, "run-1", ask(), Event.SEND, Event.DEFER, error_code="RATE_LIMITED")
    journal.finish("run-1", 6, [Outcome(0, Status.NOT_ATTEMPTED, "", "RUN_STOPPED", "why it stopped", 1)])
    again(journal, "run-1", ask())
    journal.retell("run-1", 5, [])
    journal.finish("run-1", 0, [])
    found = [(one.key, one.event, one.code) for one in journal.events("run-1")]
    assert found == [
        *((key_of(ask()), event, code) for event, code in ((Event.SEND, ""), (Event.DEFER, "RATE_LIMITED"))),
        *(("", event, code) for event, code in ((ENDED, "6"), (RESUMED, ""), (RECONCILED, "5"), (ENDED, "0"))),
    ]
    ended, resumed = (one for one in journal.events("run-1") if one.key == "" and one.message and one.event in (ENDED, RESUMED))
    assert ended.message == "RUN_STOPPED: why it stopped"
    assert resumed.message.startswith("by ")
    assert journal.events("run-2") == []
    moments = [one.at for one in journal.events("run-1")]
    assert moments == sorted(moments)


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (Status.NOT_ATTEMPTED, "DEADLINE", "DEADLINE: why"),
        (Status.NOT_ATTEMPTED, "LIMIT", ""),
        (Status.NOT_ATTEMPTED, "NOT_IN_RUN", ""),
        (Status.REFUSED, "BITRIX_ERROR", ""),
        (Status.STARTED, "", ""),
    ],
)
def test_only_rows_that_nobody_meant_to_leave_say_why_a_run_ended(status, code, said):
    assert why_it_ended([Outcome(0, status, "", code, "why" if code else "", 0)]) == said


def test_what_a_person_wished_of_a_run_stands_where_it_happened(journal):
    begin(journal, "run-1", ask())
    told(journal, "run-1", ask(), Event.SEND)
    journal.wish("run-1", Wish.PAUSE)
    told(journal, "run-1", ask(), Event.START, workflow_id="w")
    journal.wish("run-2", Wish.STOP)
    found = [(one.event, one.code) for one in journal.events("run-1")]
    assert found == [(Event.SEND, ""), (WISHED, "pause"), (Event.START, "")]
