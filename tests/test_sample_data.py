from __future__ import annotations

import datetime as dt
from pathlib import Path

from bulkstart.model import ErrorCell
from bulkstart.sheet import read_sheet
from tests.make_sample_data import SAMPLE_DATA, main


def test_the_samples_are_what_their_script_makes(tmp_path: Path) -> None:
    main(tmp_path / "made")
    made = {path.name: path.read_bytes() for path in (tmp_path / "made").iterdir()}
    assert set(made) <= {path.name for path in SAMPLE_DATA.iterdir()}
    for name, raw in made.items():
        if name.endswith(".csv"):
            assert (SAMPLE_DATA / name).read_bytes() == raw
        else:  # another version of openpyxl or zlib may write the same cells in other bytes
            assert read_sheet(SAMPLE_DATA / name).equals(read_sheet(tmp_path / "made" / name))


def test_the_deals_are_sixty_in_the_first_of_two_tabs() -> None:
    frame = read_sheet(SAMPLE_DATA / "deals.xlsx")
    assert (len(frame), frame.attrs["sheet"].notes) == (60, ("tab 'Deals' (1 of 2), header in row 1, 60 data rows",))
    assert frame["ID"].is_unique
    assert set(frame["templateId"]) == {713}
    assert {type(cell) for cell in frame["Close date"]} == {dt.date}


def test_the_russian_contacts_are_read_as_they_are() -> None:
    source = read_sheet(SAMPLE_DATA / "contacts_ru.csv").attrs["sheet"]
    assert (source.encoding, source.delimiter) == ("windows-1251", ";")
    assert source.notes == ("header in row 1, 40 data rows", "encoding windows-1251, delimiter ';'")


def test_the_messy_leads_have_their_mess() -> None:
    frame = read_sheet(SAMPLE_DATA / "leads_messy.xlsx")
    assert (frame.attrs["sheet"].header_row, frame.attrs["sheet"].blank_rows) == (4, 3)
    assert {type(cell) for cell in frame["ID"]} == {int, str, float, bool, dt.date, ErrorCell, type(None)}


def test_the_thousand_are_clean() -> None:
    frame = read_sheet(SAMPLE_DATA / "deals_1000.csv")
    assert (len(frame), frame["ID"].nunique(), frame.attrs["ragged"]) == (1000, 1000, {})
