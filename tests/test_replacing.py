"""A file is written whole or not at all."""

from __future__ import annotations

import pytest

from bulkstart.errors import SheetError
from bulkstart.replacing import replacing


def test_the_new_file_takes_the_place_of_the_old_one_when_all_is_well(tmp_path):
    goal = tmp_path / "a.txt"
    goal.write_bytes(b"old")
    with replacing(goal) as file:
        file.write(b"new")
        assert goal.read_bytes() == b"old"
    assert goal.read_bytes() == b"new"
    assert [path for path in tmp_path.iterdir() if path.is_file()] == [goal]


def test_a_failure_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    goal = tmp_path / "a.txt"
    goal.write_bytes(b"old")

    def half() -> None:
        with replacing(goal) as file:
            file.write(b"half")
            raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        half()
    assert goal.read_bytes() == b"old"
    assert [path for path in tmp_path.iterdir() if path.is_file()] == [goal]


def test_a_folder_or_a_place_that_is_not_there_is_said(tmp_path):
    for wrong in (tmp_path, tmp_path / "nowhere" / "a.txt"):
        with pytest.raises(SheetError), replacing(wrong):
            pass
