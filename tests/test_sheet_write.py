from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from bulkstart.errors import SheetError
from bulkstart.result_columns import RESULT_COLUMNS
from bulkstart.sheet_write import write_sheet


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with nothing else in it."""
    (tmp_path / "results").mkdir()
    return tmp_path / "results"


FRAME = pd.DataFrame([["1", "started", "w1", "", "", 1, ""]], columns=["ID", *RESULT_COLUMNS], dtype=object)


@pytest.mark.parametrize("name", ["r.csv", "r.TSV", "r.txt", "r.xlsx", "r.xlsm"])
def test_the_format_follows_the_name_and_nothing_else_is_left_behind(folder: Path, name: str) -> None:
    assert write_sheet(FRAME, folder / name) == []
    assert [path.name for path in folder.iterdir()] == [name]
    assert (folder / name).read_bytes().startswith(b"PK" if "xls" in name else b"\xef\xbb\xbf")


@pytest.mark.parametrize("name", ["r.xls", "r.ods", "r", "r.parquet"])
def test_other_names_are_refused(folder: Path, name: str) -> None:
    with pytest.raises(SheetError, match=r"\.xlsx, \.csv"):
        write_sheet(FRAME, folder / name)


def test_a_missing_folder_and_a_folder_in_the_way_are_said(folder: Path) -> None:
    with pytest.raises(SheetError, match=r"folder .*none does not exist"):
        write_sheet(FRAME, folder / "none" / "r.csv")
    (folder / "r.csv").mkdir()
    with pytest.raises(SheetError, match="is a folder"):
        write_sheet(FRAME, folder / "r.csv")


@pytest.mark.parametrize("name", ["r.csv", "r.xlsx"])
def test_a_write_that_fails_leaves_the_old_file_and_no_other(folder: Path, name: str) -> None:
    class Broken:
        def __str__(self) -> str:
            raise OSError("disk full")

    write_sheet(FRAME, folder / name)
    before = (folder / name).read_bytes()
    frame = pd.concat([FRAME] * 5000 + [pd.DataFrame([[Broken(), *[""] * 6]], columns=FRAME.columns, dtype=object)])
    with pytest.raises(OSError, match="disk full"):
        write_sheet(frame, folder / name)
    assert [path.name for path in folder.iterdir()] == [name]
    assert (folder / name).read_bytes() == before


def test_an_existing_file_is_replaced_and_a_link_stays_a_link(folder: Path) -> None:
    (folder / "real.csv").write_text("old")
    (folder / "r.csv").symlink_to(folder / "real.csv")
    write_sheet(FRAME, folder / "r.csv")
    assert (folder / "r.csv").is_symlink()
    assert "started" in (folder / "real.csv").read_text()


def test_new_files_have_the_rights_that_any_new_file_has(folder: Path) -> None:
    (folder / "other").write_text("")
    write_sheet(FRAME, folder / "r.csv")
    assert (folder / "r.csv").stat().st_mode == (folder / "other").stat().st_mode


def test_the_frame_is_not_changed(folder: Path) -> None:
    frame = FRAME.copy()
    write_sheet(frame, folder / "r.xlsx")
    pd.testing.assert_frame_equal(frame, FRAME)
