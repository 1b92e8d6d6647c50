"""Text that came from a server, made harmless: one line, no escapes, no secret, no word of ours."""

from __future__ import annotations

import re

from bulkstart.result_columns import SANDBOX_MARK
from bulkstart.secret import redact

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_LONGEST_TEXT = 500


def inert(text: str) -> str:
    """A server's text on one line, without control characters and without our own secrets, cut where it is endless."""
    text = " ".join(redact(text).split())
    while SANDBOX_MARK in text:  # what is left may be one again
        text = " ".join(text.replace(SANDBOX_MARK, " ").split())
    text = visible(text)
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"


def visible(text: str) -> str:
    """``text`` with every control character, surrogate and turn of the writing direction as a sign that can be seen."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
