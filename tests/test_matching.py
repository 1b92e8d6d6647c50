"""The section of columns: each match with its reason, changed by a drop-down, or replaced by a constant."""

from __future__ import annotations

import pandas as pd

from tests.panels import panel_on, troubles, words

FRAME = pd.DataFrame({"ID": [1, 2], "Contract": ["a", "b"], "Number": ["", "x"]})


def test_a_match_shows_its_reason_and_a_column_chosen_mends_the_rows():
    with panel_on(FRAME, template=714) as panel:
        known = panel.sections["columns"].known
        assert words(known["entityId"].why.value).strip() == "header known"
        assert known["number"].column.label == "as found: C · Number"
        assert len(panel.problems) == 1
        before = known["number"].column
        before.value = "Contract"
        assert panel.problems.empty
        assert known["number"].column is before, "a control that is replaced loses the keyboard's focus"
        assert words(known["number"].why.value).strip() == "chosen here"
        assert '"number": "a"' in panel.plan["requestBody"][0]
        before.value = ""
        assert len(panel.problems) == 1


def test_a_constant_is_given_where_no_column_feeds():
    with panel_on(FRAME[["ID"]], template=714) as panel:
        number = panel.sections["columns"].known["number"]
        assert "required" in words(number.why.value)
        number.constant.value = "7"
        assert not troubles(panel)
        assert '"number": "7"' in panel.plan["requestBody"][0]
        assert words(number.why.value).strip() == "the same value for every row"
        assert "values={'number': '7'}" in panel.sections["checks"].lines()[0]
        number.constant.value = ""
        assert len(panel.problems) == 2


def test_two_columns_that_could_be_the_id_are_left_to_the_person():
    with panel_on(pd.DataFrame([[1, 2]], columns=["ID", "ID"]), template=713) as panel:
        known = panel.sections["columns"].known["entityId"]
        assert "could be" in words(known.why.value)
        known.column.value = "B"
        assert panel.problems.empty
        assert known.column.value == "B"
        assert panel.plan["requestBody"].str.contains("2").all()


def test_reasons_speak_the_language_of_the_panel():
    with panel_on(FRAME, template=714, language="ru") as panel:
        assert "известный заголовок" in panel.sections["columns"].known["entityId"].why.value
