"""What an error code proves about a start: the tables of bitrix24-api.md 4.3 (native) and 4.4 (Vibecode), as literals.

Code before status, case ignored; a code that stands in no table proves nothing. The three texts that come with an empty code
are fixed in the server's source and are compared to the letter.
"""

from __future__ import annotations

from dataclasses import replace

from bulkstart.model import Busy, Denied, InDoubt, Refused, Verdict

EXPIRED_TOKEN = "expired_token"  # noqa: S105  the name of an error, not a token
"""The code of a ``Busy`` that asks for a new access token, not for time (4.3); always spelled like this."""

OPERATING = "OPERATION_TIME_LIMIT"
"""The code of a ``Busy`` whose limit is the method's operating time, not the rate of requests (3.1); always spelled like this."""

OPERATION_HOLD = 60.0
"""Seconds to hold after OPERATION_TIME_LIMIT where no reset time was seen (4.3)."""

NATIVE_DENIED = frozenset(
    """ACCESS_DENIED INVALID_REQUEST INVALID_CREDENTIALS NO_AUTH_FOUND EXPIRED_TOKEN INVALID_TOKEN AUTHORIZATION_ERROR
    APPLICATION_NOT_FOUND ERROR_OAUTH WRONG_AUTH_TYPE USER_ACCESS_ERROR ALLOWED_ONLY_INTRANET_USER INSUFFICIENT_SCOPE INVALID_SCOPE
    METHOD_CONFIRM_WAITING METHOD_CONFIRM_DENIED PAYMENT_REQUIRED ERROR_MANIFEST_IS_NOT_AVAILABLE ERROR_METHOD_NOT_FOUND
    PORTAL_DELETED""".split()
)
"""Native codes that precede execution and hold for every row: the run stops."""

NATIVE_REFUSED = frozenset({"ERROR_WRONG_WORKFLOW_ID", "ERROR_ARGUMENT", "ERROR_BATCH_METHOD_NOT_ALLOWED"})
"""Native codes that precede execution and hold for the row."""

REFUSING_TEXTS = {
    "Wrong DOCUMENT_ID!": "the entity does not exist, or the key may not read it",
    "Incorrect document type!": "the template is for another entity type",
    "Template type and DOCUMENT_ID mismatch!": "the template is for another entity type",
}
"""Texts that come with an empty code and precede execution."""

TEMPLATE_TEXTS = {
    "Template not found": "the portal has no such template, or it is switched off",
    "Empty TEMPLATE_ID": "no template was named",
}
"""Texts of ERROR_WRONG_WORKFLOW_ID, which the Vibecode gateway may relay without the code."""

VIBECODE_DENIED = frozenset(
    """MISSING_API_KEY INVALID_API_KEY INVALID_APP_KEY INVALID_SESSION TOKEN_MISSING TOKEN_EXPIRED SCOPE_DENIED OAUTH_REQUIRED
    WRITE_BLOCKED_READONLY_KEY KEY_POLICY_READONLY_REQUIRED""".split()
)
VIBECODE_REFUSED = frozenset({"MISSING_PARAMS", "VALIDATION_ERROR", "ENTITY_NOT_FOUND"})
RELAYED = "BITRIX_ERROR"
"""The code by which the Vibecode gateway relays a native error."""

TOO_MANY = 429
RATE_LIMITED = "RATE_LIMITED"
"""The Vibecode gateway's code for too many requests. With status 429 it is believed before a native portal, too: a front server that
counts requests says it before the portal saw anything (4.1: a well-formed refusal by a known code; the scenario S5 of peers.md)."""

VIBECODE_NO_ROUTE = frozenset({"ROUTE_NOT_FOUND", "NOT_FOUND"})


def native_verdict(code: str, message: str, *, shown: str | None = None) -> Verdict | None:
    """What a native error proves, or ``None`` where its code stands in no table; ``shown``: the code to report."""
    shown = shown or code
    found = code.upper()
    if found in NATIVE_DENIED:
        return Denied(shown, message)
    if found == "OVERLOAD_LIMIT":
        return Denied(shown, message, exit_code=6)
    if found in NATIVE_REFUSED:
        return Refused(shown, message, template_gone=found == "ERROR_WRONG_WORKFLOW_ID")
    if found == "QUERY_LIMIT_EXCEEDED":
        return Busy(shown, message, throttled=True)
    if found == OPERATING:
        return Busy(shown, message, throttled=True, after=OPERATION_HOLD)
    return None


def native_answer(code: str, message: str, *, status: int = 0, renewable: bool = False, after: float | None = None) -> Verdict:
    """What an error of the native dialect itself proves (4.3).

    ``status``: HTTP's; ``renewable``: an expired token can be renewed; ``after``: seconds to wait where the portal said how long. An empty code is
    reported as the one by which the Vibecode gateway relays the same texts.
    """
    if renewable and code.upper() == EXPIRED_TOKEN.upper():
        return Busy(EXPIRED_TOKEN, message)
    if status == TOO_MANY and code.upper() == RATE_LIMITED:
        return Busy(code, message, throttled=True, after=after)
    shown = OPERATING if code.upper() == OPERATING else code or RELAYED
    verdict = native_verdict(code, message, shown=shown) if code else text_refusal(shown, message)
    if isinstance(verdict, Busy) and after is not None:
        return replace(verdict, after=after)
    return verdict or InDoubt(shown, message)


def text_refusal(code: str, message: str) -> Refused | None:
    """The refusal that a text without a code is, if it is one of the three to the letter."""
    return Refused(code, f"{message} ({REFUSING_TEXTS[message]})") if message in REFUSING_TEXTS else None


def vibecode_verdict(code: str, message: str, *, native_code: str, after: float | None) -> Verdict:
    """What an error of the Vibecode envelope proves (4.4); ``native_code`` is its ``b24Code``, ``after`` its wait in seconds."""
    found = code.upper()
    if found in VIBECODE_DENIED or found.startswith("MANAGEMENT_"):
        return Denied(code, message)
    if found == "BITRIX_ACCESS_DENIED":
        return Denied(code, message, afterwards=Refused(code, message))
    if found in VIBECODE_NO_ROUTE:
        return Denied(code, message, afterwards=Refused(code, message), per_run=True)
    if found in VIBECODE_REFUSED:
        return Refused(code, message)
    if found == RATE_LIMITED:
        return Busy(code, message, throttled=True, after=after)
    if found == "ERROR_LOOP_DETECTED":
        return Denied(code, message, exit_code=6)
    if found == RELAYED:
        return _relayed(code, message, native_code)
    return InDoubt(code, message)


def _relayed(code: str, message: str, native_code: str) -> Verdict:
    """BITRIX_ERROR relays the native text: by the native code, else by the texts that are known to precede execution."""
    if native_code:
        return native_verdict(native_code, message, shown=code) or InDoubt(code, message)
    if message in TEMPLATE_TEXTS:
        return Refused(code, f"{message} ({TEMPLATE_TEXTS[message]})", template_gone=True)
    return text_refusal(code, message) or InDoubt(code, message)
