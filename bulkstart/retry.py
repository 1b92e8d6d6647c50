"""A verdict → again, or final. Pure; chance comes in as an argument.

| verdict | what follows |
|---|---|
| ``Started`` | final |
| ``Busy`` throttled | again after everybody's hold; costs no attempt |
| ``Busy`` that never left | again with backoff and full jitter; costs an attempt only while other calls get through |
| ``Refused`` | final |
| ``Denied`` | the row stays eligible, the run drains and stops |
| ``InDoubt`` | final for the program: settled by evidence or by a person |
"""

from __future__ import annotations

from dataclasses import dataclass

from bulkstart import oauth
from bulkstart.gateways.codes import EXPIRED_TOKEN
from bulkstart.model import Busy, Denied, InDoubt, Lost, Refused, Started, Verdict
from bulkstart.result_columns import Status
from bulkstart.states import Event

MAX_UNSENT = 5
"""Attempts that never left this machine, while other rows got through, before a row is given up (interface.md 1)."""

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0

STOPPING = {
    "TLS_CERTIFICATE": "the certificate of the portal is not trusted: check the address, or name the CA file in SSL_CERT_FILE",
    "PROXY_REFUSED": "the proxy refused the connection: check HTTPS_PROXY",
}
"""Reasons of calls that never left and never will (4.2): they stop the run."""

ADVICE = {
    "READ_TIMEOUT": "no answer in time",
    "WRITE_TIMEOUT": "the request could not be sent whole in time",
    "CONNECTION_RESET": "the connection broke after the request had left",
    "BAD_ANSWER": "the answer was cut or garbled",
    "ABANDONED": "the run was ended while the request was on the wire",
}


@dataclass(frozen=True, slots=True)
class Again:
    """The row goes again after ``delay`` seconds (0: as soon as the throttle lets it)."""

    delay: float


@dataclass(frozen=True, slots=True)
class Final:
    """The row is settled. ``event``: what the journal is told, ``None`` where it knows already."""

    event: Event
    status: Status
    code: str = ""
    message: str = ""
    workflow_id: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """The run stops with ``exit_code``; the row was not started and stays eligible."""

    code: str
    message: str
    exit_code: int


def lost_verdict(lost: Lost) -> Verdict:
    """What a call without an answer proves: nothing happened only if no byte left this machine."""
    if lost.left:
        what = ADVICE.get(lost.reason, "no usable answer")
        return InDoubt(lost.reason, f"{what}; it may have started")
    if lost.reason in STOPPING:
        return Denied(lost.reason, STOPPING[lost.reason])
    if lost.reason in oauth.ADVICE:  # there will be no token in this run
        return Denied(lost.reason, lost.message or oauth.ADVICE[lost.reason])
    return Busy(lost.reason, lost.message)


def decide(verdict: Verdict, *, unsent: int, jitter: float, template_started: bool, run_started: bool) -> Again | Final | Stop:
    """What follows from a verdict.

    ``unsent``: attempts of this row so far that never left while others got through, this one included; ``jitter`` in 0..1;
    ``template_started``, ``run_started``: whether a row of this template, of this run has started.
    """
    if isinstance(verdict, Denied):
        if verdict.afterwards is None or not (run_started if verdict.per_run else template_started):
            return Stop(verdict.code, verdict.message, verdict.exit_code)
        verdict = verdict.afterwards
    match verdict:
        case Started(workflow_id):
            return Final(Event.START, Status.STARTED, workflow_id=workflow_id)
        case Refused(code, message):
            return Final(Event.REFUSE, Status.REFUSED, code, message)
        case InDoubt(code, message):
            return Final(Event.LOSE, Status.IN_DOUBT, code, message)
        case Busy() if verdict.throttled or verdict.code == EXPIRED_TOKEN:  # the next call waits for a new token by itself
            return Again(0.0)
        case Busy(code, message):
            if unsent >= MAX_UNSENT:
                return Final(
                    Event.DEFER,
                    Status.GAVE_UP,
                    code,
                    f"it could not be sent in {unsent} attempts while other rows got through: {message}",
                )
            return Again(jitter * min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(unsent + 1, 10)))
