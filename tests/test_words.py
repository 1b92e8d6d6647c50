"""Every text of the panel stands in both languages, takes the same values, and is used."""

from __future__ import annotations

import re
import string

import pytest

from bulkstart.errors import UsageError
from bulkstart.notebook.words import LANGUAGES, TEXTS, Words
from bulkstart.result_columns import Status
from bulkstart.standing import State
from tests.conftest import ROOT

SOURCES = "".join(
    path.read_text(encoding="utf-8") for path in (ROOT / "bulkstart" / "notebook").glob("*.py") if path.stem != "words"
)


def fields(text: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_a_text_stands_in_every_language_and_takes_the_same_values_in_each(name):
    texts = TEXTS[name]
    assert len(texts) == len(LANGUAGES)
    assert all(text.strip() for text in texts)
    assert len({frozenset(fields(text)) for text in texts}) == 1
    if name != "csv" and not re.fullmatch(r"[\W\d_]+", texts[0]):
        assert re.search("[а-яё]", texts[1].casefold()), f"{name} is not Russian"


def test_every_status_and_every_state_has_a_text():
    assert {str(status) for status in Status} <= set(TEXTS)
    assert {f"state_{state}" for state in State} <= set(TEXTS)


def test_every_text_is_used():
    spoken = {str(status) for status in Status} | {f"state_{state}" for state in State}
    unused = [
        name
        for name in TEXTS
        if not re.search(f"[\"']{name}[\"']", SOURCES) and name not in spoken and not name.startswith("header ")
    ]
    assert not unused


def test_numbers_are_filled_in_and_an_unknown_name_stays_as_it_is():
    assert Words("en")("good_rows", good=1234, rows=2000) == "Good rows: 1,234 of 2,000"
    assert "1,234" in Words("ru")("good_rows", good=1234, rows=2000)
    assert Words("ru").known("in_doubt") == "под сомнением"
    assert Words("ru").known("BITRIX_ERROR") == "BITRIX_ERROR"


def test_a_language_that_is_none_is_refused():
    with pytest.raises(UsageError, match="en or ru"):
        Words("de")
