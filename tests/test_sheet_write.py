from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from bulkstart.errors import SheetError
from bulkstart.model import RESULT_COLUMNS
from bulkstart.sheet_write import write_sheet

FRAME = pd.DataFrame([["1", "started", "w1", "", "", 1, ""]], columns=["ID", *RESULT_COLUMNS], dtype=object)


@pytest.mark.parametrize("name", ["r.csv", "r.TSV", "r.txt", "r.xlsx", "r.xlsm"])
def test_the_format_follows_the_name_and_nothing_else_is_left_behind(tmp_path: Path, name: str) -> None:
    assert write_sheet(FRAME, tmp_path / name) == []
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes().startswith(b"PK" if "xls" in name else b"\xef\xbb\xbf")


@pytest.mark.parametrize("name", ["r.xls", "r.ods", "r", "r.parquet"])
def test_other_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SheetError, match=r"\.xlsx, \.csv"):
        write_sheet(FRAME, tmp_path / name)


def test_a_missing_folder_and_a_folder_in_the_way_are_said(tmp_path: Path) -> None:
    with pytest.raises(SheetError, match=r"folder .*none does not exist"):
        write_sheet(FRAME, tmp_path / "none" / "r.csv")
    (tmp_path / "r.csv").mkdir()
    with pytest.raises(SheetError, match="is a folder"):
        write_sheet(FRAME, tmp_path / "r.csv")


@pytest.mark.parametrize("name", ["r.csv", "r.xlsx"])
def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path, name: str) -> None:
    class Broken:
        def __str__(self) -> str:
            raise OSError("disk full")

    write_sheet(FRAME, tmp_path / name)
    before = (tmp_path / name).read_bytes()
    frame = pd.concat([FRAME] * 5000 + [pd.DataFrame([[Broken(), *[""] * 6]], columns=FRAME.columns, dtype=object)])
    with pytest.raises(OSError, match="disk full"):
        write_sheet(frame, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == before


def test_an_existing_file_is_replaced_and_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "r.csv").symlink_to(tmp_path / "real.csv")
    write_sheet(FRAME, tmp_path / "r.csv")
    assert (tmp_path / "r.csv").is_symlink()
    assert "started" in (tmp_path / "real.csv").read_text()


def test_new_files_have_the_rights_that_any_new_file_has(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    write_sheet(FRAME, tmp_path / "r.csv")
    assert (tmp_path / "r.csv").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_the_frame_is_not_changed(tmp_path: Path) -> None:
    frame = FRAME.copy()
    write_sheet(frame, tmp_path / "r.xlsx")
    pd.testing.assert_frame_equal(frame, FRAME)
