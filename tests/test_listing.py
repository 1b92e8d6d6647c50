"""A table a page at a time: filters, search, and what a saved notebook would hold of it."""

from __future__ import annotations

import pandas as pd
import pytest

from bulkstart.notebook.listing import PAGE, Listing
from bulkstart.notebook.words import Words
from tests.panels import words

FRAME = pd.DataFrame(
    {
        "row": range(2, 2002),
        "status": ["started", "refused"] * 1000,
        "code": ["", "BITRIX_ERROR"] * 1000,
        "message": ["", "<b>Wrong</b> & bad"] * 1000,
    }
)


@pytest.fixture
def listing():
    found = Listing(Words("ru"), "Results", filters=["status", "code"], tint="status", shown=Words("ru").known)
    found.show(FRAME)
    return found


def test_one_page_is_shown_and_pages_are_turned(listing):
    assert listing.table.value.count("<tr") == PAGE + 1
    assert listing.back.disabled
    assert listing.place.value == "1–25 из 2,000"
    listing.forth.click()
    assert "<td>27</td>" in listing.table.value
    listing.back.click()
    assert "<td>2</td>" in listing.table.value


def test_filters_and_search_leave_the_rows_that_are_meant(listing):
    listing.filters["status"].value = "refused"
    assert set(listing.found["status"]) == {"refused"}
    assert "отказ" in words(listing.table.value)
    listing.search.value = "2001"
    assert listing.found["row"].tolist() == [2001]
    assert listing.forth.disabled
    listing.search.value = "nowhere"
    assert listing.place.value == "нет"


def test_a_filter_stays_when_the_rows_are_shown_anew_and_goes_where_it_fits_no_more(listing):
    listing.filters["status"].value = "refused"
    listing.show(FRAME.head(10))
    assert listing.filters["status"].value == "refused"
    assert len(listing.found) == 5
    listing.show(FRAME[FRAME["status"] == "started"])
    assert listing.filters["status"].value == ""


def test_what_a_server_says_is_text(listing):
    assert "<b>Wrong" not in listing.table.value
    assert "&lt;b&gt;Wrong&lt;/b&gt; &amp; bad" in listing.table.value


def test_a_page_is_small_however_long_the_table_and_its_cells_are():
    found = Listing(Words("en"), "Results", filters=[], tint="")
    found.show(pd.DataFrame({name: ['"' * 5000] * 1000 for name in "abcdefg"}))
    assert len(found.table.value) < 250_000
