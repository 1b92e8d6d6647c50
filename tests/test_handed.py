"""A frame crosses from one process to another to the last cell, and leaves nothing behind."""

from __future__ import annotations

import stat
import threading

import pandas as pd
import pytest

import bulkstart
from bulkstart.errors import UsageError
from bulkstart.handed import FRAME, handed_over, source_of, taken_over


def test_a_frame_arrives_as_it_was_and_its_file_is_gone(tmp_path):
    cells = {"entityId": [1, 2.5, None], "param:a": ["007", pd.Timestamp("2026-01-01"), True], 5: ["x", "1,5", ""]}
    frame = pd.DataFrame(cells, index=["a", "a", 7], dtype=object)
    frame.attrs["note"] = "kept"
    path = handed_over(frame, tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    taken = taken_over(path)
    pd.testing.assert_frame_equal(taken, frame)
    assert taken.attrs == frame.attrs
    assert not path.exists()


def test_a_frame_that_cannot_cross_is_said_and_leaves_no_file(tmp_path):
    with pytest.raises(UsageError, match="write it to a file"):
        handed_over(pd.DataFrame({"entityId": [threading.Lock()]}), tmp_path)
    assert not (tmp_path / FRAME).exists()


def test_a_frame_that_was_read_from_a_file_knows_it_on_the_other_side(tmp_path):
    sheet = tmp_path / "deals.csv"
    sheet.write_text("entityId\n1\n2\n", encoding="utf-8")
    frame = bulkstart.read_sheet(sheet).query("entityId == 1")
    assert source_of(taken_over(handed_over(frame, tmp_path))) == sheet
    assert source_of(pd.DataFrame()) is None
