"""Where a sheet belongs: its template is started, another one or another portal is refused, a changed one is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bulkstart.model import Parameter, Template
from bulkstart.origin import Origin, belongs, digest, origin_of, read_origin

HERE, THERE, LOOP, OTHER_LOOP = "a.example", "b.example", "127.0.0.1:8018", "127.0.0.1:9"
TEMPLATE = Template(713, "Contract", "deal", (Parameter("note"),), modified="2026-01-01")
MADE = origin_of(TEMPLATE, HERE)


def test_what_was_written_is_read_back():
    assert read_origin(dict(MADE.lines)) == MADE


@pytest.mark.parametrize("number", ["", "0", "x", "7.5", "-7", "٧", "7" * 16, "=7"])
def test_a_tab_without_a_template_id_tells_nothing(number):
    assert read_origin(dict(MADE.lines) | {"templateId": number}) is None


def test_a_sheet_from_elsewhere_changes_nothing():
    assert belongs(None, 5, HERE, ()).template == 5
    assert belongs(None, None, HERE, ()).template is None


@pytest.mark.parametrize(
    ("made_for", "given", "portal", "starts"),
    [
        (HERE, None, HERE, 713),
        (HERE, 713, HERE, 713),
        (HERE, None, None, 713),
        ("", None, HERE, 713),
        (HERE, None, LOOP, 713),
        (LOOP, None, OTHER_LOOP, 713),
        (HERE, 713, THERE, 713),
        (HERE, 714, HERE, None),
        (HERE, 714, THERE, None),
        (HERE, None, THERE, None),
        (LOOP, None, HERE, None),
    ],
)
def test_another_template_or_another_portal_is_a_problem_of_the_sheet(made_for, given, portal, starts):
    found = belongs(replace(MADE, portal=made_for), given, portal, [TEMPLATE])
    assert [problem.code for problem in found.problems] == ([] if starts else ["conflicting-value"])
    if starts:
        assert found.template == starts
        assert found.by_sheet == (given is None)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (TEMPLATE, False),
        (replace(TEMPLATE, modified="2026-02-02"), True),
        (replace(TEMPLATE, parameters=()), True),
        (replace(TEMPLATE, parameters=None), False),
        (replace(TEMPLATE, modified=""), False),
        (replace(TEMPLATE, name="Another name"), False),
    ],
)
def test_a_template_that_was_changed_since_is_said(now, said):
    assert any("changed" in note for note in belongs(MADE, None, HERE, [now]).notes) == said


def test_a_rehearsal_says_nothing_of_changes_since_its_templates_are_others():
    assert not any("changed" in note for note in belongs(MADE, None, LOOP, [replace(TEMPLATE, parameters=())]).notes)


def test_a_digest_tells_apart_and_is_blank_where_nothing_is_told():
    assert digest(TEMPLATE) != digest(replace(TEMPLATE, parameters=(Parameter("note", required=True),)))
    assert digest(replace(TEMPLATE, parameters=None)) == ""
    assert Origin(7).definitions == ""
