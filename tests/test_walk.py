"""What the panel holds before a start: each step is a value, and each thing that a click does is a call."""

from __future__ import annotations

import pandas as pd
import pytest

import bulkstart
from bulkstart.errors import CredentialsError, SheetError, UsageError
from bulkstart.notebook.walk import Walk
from tests.conftest import PLAIN, deals
from tests.panels import KINDS

TEMPLATES = {"templates": [PLAIN, KINDS]}


@pytest.fixture
def portal():
    with bulkstart.sandbox(TEMPLATES) as found:
        yield found


def connected(frame, portal, **options):
    walk = Walk(frame, portal, options)
    walk.connect()
    return walk


def test_a_sheet_is_read_with_its_options_and_known_by_its_file(tmp_path):
    path = tmp_path / "deals.csv"
    path.write_text("title\nID;Title\n5141;x\n", encoding="utf-8")
    walk = Walk(None, None, {})
    walk.read(str(path), header_row=2, tab="")
    assert walk.frame["ID"].tolist() == ["5141"]
    assert (walk.path, walk.reader, walk.whole_file) == (str(path), {"header_row": 2}, True)
    with pytest.raises(SheetError):
        walk.read(str(tmp_path / "none.xlsx"))
    assert walk.frame is not None
    with pytest.raises(UsageError, match="path"):
        walk.read(" ")


def test_an_uploaded_sheet_lies_beside_the_journal_and_for_its_owner_alone(home):
    walk = Walk(None, None, {})
    walk.receive("..\\..\\up/../deals.csv", b"ID\n5141\n")
    assert walk.frame["ID"].tolist() == ["5141"]
    kept = list(home.rglob("deals.csv"))
    assert len(kept) == 1
    assert kept[0].parent.parent.name == "uploads"
    assert kept[0].parent.stat().st_mode & 0o077 == 0


def test_without_credentials_the_person_is_told_what_to_set():
    with pytest.raises(CredentialsError, match="BULKSTART_API_KEY"):
        Walk(deals(1), None, {}).connect()


def test_the_sandbox_is_entered_and_left(home):
    walk = Walk(deals(2), None, {"template": 720})
    walk.idle = 30.0
    walk.practise(on=True)
    assert walk.in_sandbox
    assert walk.planned == 2
    walk.practise(on=False)
    assert not walk.connected
    assert walk.portal is None
    assert walk.dry is None


def test_a_template_is_chosen_and_taken_back(portal):
    walk = connected(deals(3), portal)
    assert {template.id for template in walk.templates} == {713, 714}
    assert walk.problems["code"].tolist() == ["missing-label"] or not walk.mended
    walk.choose(template=713)
    assert (walk.planned, walk.good, walk.mended) == (3, 3, True)
    assert "3 workflows would be started on 127.0.0.1" in walk.question
    walk.choose(template=None)
    assert "template" not in walk.options


def test_a_column_and_a_constant_feed_a_parameter_and_are_taken_back(portal):
    frame = pd.DataFrame({"ID": [1, 2], "Contract": ["a", "b"]})
    walk = connected(frame, portal, template=714)
    assert walk.problems["code"].tolist() == ["missing-cell"] * 2
    walk.feed("number", walk.columns[1])
    assert walk.options["columns"] == {"number": "Contract"}
    assert walk.planned == 2
    assert {one.name: one.reason for one in walk.matches()}["number"] == "--map"
    walk.feed("number", None)
    assert "columns" not in walk.options
    walk.fix("number", "7")
    assert walk.planned == 2
    walk.fix("number", " ")
    assert "values" not in walk.options


def test_what_contradicts_is_said_and_changes_nothing(portal):
    walk = connected(pd.DataFrame({"ID": [1], "Number": ["a"]}), portal, template=714)
    before = walk.planned
    with pytest.raises(UsageError, match="leave one of them out"):
        walk.fix("number", "7")
    assert "values" not in walk.options
    assert walk.planned == before == 1


def test_bad_rows_stop_a_start_until_the_person_lets_the_good_ones_go(portal):
    walk = connected(pd.DataFrame({"entityId": [1, 2.5, 3]}), portal, template=713)
    assert not walk.mended
    assert walk.good == 2
    walk.choose(skip_invalid=True)
    assert walk.mended
    assert walk.planned == 2


def test_an_option_that_is_none_is_refused(portal):
    with pytest.raises(UsageError, match="unknown option"):
        Walk(None, portal, {"nonsense": 1})
    with pytest.raises(UsageError, match="rate"):
        Walk(None, portal, {"rate": -1})
