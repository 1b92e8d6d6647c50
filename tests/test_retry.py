"""Verdict → again, final or stop: the whole table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart import oauth
from bulkstart.gateways.codes import EXPIRED_TOKEN
from bulkstart.model import Busy, Denied, InDoubt, Lost, Refused, Started
from bulkstart.result_columns import Status
from bulkstart.retry import LONGEST_DELAY, MAX_UNSENT, Again, Final, Stop, decide, lost_verdict
from bulkstart.states import Event

REFUSAL = Refused("ENTITY_NOT_FOUND", "no such deal")
DOUBT = InDoubt("BITRIX_UNAVAILABLE", "slow")
DENIAL = Denied("INVALID_API_KEY", "wrong key")
ENDING = Denied("OVERLOAD_LIMIT", "blocked", exit_code=6)
BY_TEMPLATE = Denied("BITRIX_ACCESS_DENIED", "no rights", afterwards=Refused("BITRIX_ACCESS_DENIED", "no rights"))
BY_RUN = Denied("HTTP_404", "no gateway here", afterwards=InDoubt("HTTP_404", "unknown"), per_run=True)

START = Final(Event.START, Status.STARTED, workflow_id="w.1")
REFUSE = Final(Event.REFUSE, Status.REFUSED, "ENTITY_NOT_FOUND", "no such deal")
LOSE = Final(Event.LOSE, Status.IN_DOUBT, "BITRIX_UNAVAILABLE", "slow")


def follows(verdict, *, unsent=0, jitter=0.5, template=False, run=False):
    return decide(verdict, unsent=unsent, jitter=jitter, template_started=template, run_started=run)


@pytest.mark.parametrize(
    ("verdict", "given", "next_step"),
    [
        (Started("w.1"), {}, START),
        (Started("w.1"), {"unsent": 99, "template": True, "run": True}, START),
        (REFUSAL, {}, REFUSE),
        (REFUSAL, {"template": True, "run": True}, REFUSE),
        (DOUBT, {}, LOSE),
        (DOUBT, {"unsent": 99, "template": True, "run": True}, LOSE),
        (DENIAL, {}, Stop("INVALID_API_KEY", "wrong key", 7)),
        (DENIAL, {"template": True, "run": True}, Stop("INVALID_API_KEY", "wrong key", 7)),
        (ENDING, {"template": True, "run": True}, Stop("OVERLOAD_LIMIT", "blocked", 6)),
        (BY_TEMPLATE, {}, Stop("BITRIX_ACCESS_DENIED", "no rights", 7)),
        (BY_TEMPLATE, {"run": True}, Stop("BITRIX_ACCESS_DENIED", "no rights", 7)),
        (BY_TEMPLATE, {"template": True, "run": True}, Final(Event.REFUSE, Status.REFUSED, "BITRIX_ACCESS_DENIED", "no rights")),
        (BY_RUN, {}, Stop("HTTP_404", "no gateway here", 7)),
        (BY_RUN, {"run": True}, Final(Event.LOSE, Status.IN_DOUBT, "HTTP_404", "unknown")),
        (Busy("RATE_LIMITED", throttled=True, after=7.0), {}, Again(0.0)),
        (Busy("RATE_LIMITED", throttled=True), {"unsent": 99, "jitter": 1.0}, Again(0.0)),
        (Busy("CONNECT_FAILED"), {"unsent": 0, "jitter": 0.0}, Again(0.0)),
        (Busy("CONNECT_FAILED"), {"unsent": 0, "jitter": 1.0}, Again(1.0)),
        (Busy("CONNECT_FAILED"), {"unsent": 1, "jitter": 1.0}, Again(2.0)),
        (Busy("CONNECT_FAILED"), {"unsent": 1, "jitter": 0.25}, Again(0.5)),
        (Busy("CONNECT_FAILED"), {"unsent": 4, "jitter": 1.0}, Again(16.0)),
    ],
)
def test_what_follows_from_a_verdict(verdict, given, next_step):
    assert follows(verdict, **given) == next_step


def test_a_row_is_given_up_after_five_attempts_that_never_left_and_not_before():
    assert MAX_UNSENT == 5
    assert isinstance(follows(Busy("CONNECT_FAILED"), unsent=4), Again)
    last = follows(Busy("CONNECT_FAILED", "refused"), unsent=5)
    assert (last.event, last.status, last.code) == (Event.DEFER, Status.GAVE_UP, "CONNECT_FAILED")
    assert "5 attempts" in last.message


verdicts = st.sampled_from(
    [Started("w.1"), REFUSAL, DOUBT, DENIAL, ENDING, BY_TEMPLATE, BY_RUN, Busy("A"), Busy("B", throttled=True)]
)


@given(verdicts, st.integers(0, 1000), st.floats(0, 1), st.booleans(), st.booleans())
def test_only_what_certainly_did_nothing_goes_again_and_only_a_start_is_started(verdict, unsent, jitter, template, run):
    step = follows(verdict, unsent=unsent, jitter=jitter, template=template, run=run)
    if isinstance(step, Again):
        assert isinstance(verdict, Busy)
        assert 0 <= step.delay <= LONGEST_DELAY
    if isinstance(step, Final):
        assert (step.status is Status.STARTED) == isinstance(verdict, Started)
        assert bool(step.workflow_id) != bool(step.code)


@pytest.mark.parametrize(
    "reason", ["READ_TIMEOUT", "WRITE_TIMEOUT", "CONNECTION_RESET", "BAD_ANSWER", "TLS_CERTIFICATE", "never heard of"]
)
def test_a_call_of_which_a_byte_may_have_left_is_in_doubt_whatever_the_reason(reason):
    verdict = lost_verdict(Lost(reason, left=True))
    assert isinstance(verdict, InDoubt)
    assert verdict.code == reason
    assert "may have started" in verdict.message


@pytest.mark.parametrize("reason", ["CONNECT_FAILED", "CONNECT_TIMEOUT", "never heard of"])
def test_a_call_that_never_left_did_nothing_and_is_nobodys_fault(reason):
    assert lost_verdict(Lost(reason, left=False, message="m")) == Busy(reason, "m")


@pytest.mark.parametrize(("reason", "variable"), [("TLS_CERTIFICATE", "SSL_CERT_FILE"), ("PROXY_REFUSED", "HTTPS_PROXY")])
def test_a_certificate_or_a_proxy_that_refuses_stops_the_run_and_names_the_setting(reason, variable):
    verdict = lost_verdict(Lost(reason, left=False))
    assert isinstance(verdict, Denied)
    assert variable in verdict.message


@pytest.mark.parametrize("code", sorted(oauth.ADVICE))
def test_where_no_token_can_be_had_the_run_stops_and_says_what_to_do(code):
    verdict = lost_verdict(Lost(code, left=False))
    assert isinstance(verdict, Denied)
    assert follows(verdict, unsent=9, template=True, run=True) == Stop(code, oauth.ADVICE[code], 7)
    assert lost_verdict(Lost(code, left=False, message="told")).message == "told"
    assert isinstance(lost_verdict(Lost(code, left=True)), InDoubt), "what has left is never taken for a denial"


def test_a_token_that_has_expired_costs_no_attempt_and_no_time():
    assert follows(Busy(EXPIRED_TOKEN), unsent=99, jitter=1.0) == Again(0.0)
