"""Bitrix24's own exports: whatever the user chose when exporting, an id that starts is an id that stood in its column."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import bulkstart
from bulkstart.checks import Checked, CheckOptions, check_frame
from bulkstart.errors import SheetError
from bulkstart.sheet import read_sheet
from tests.bitrix_exports import BOM, COMMENT, EMPTY, KINDS, Export, export, with_clients, with_products, with_requisites

IDS = (7915, 7911, 7903, 12)
NAMES = {"xls": "DEAL_20240902_5ab3da86_66d5acadf1077.xls", "csv": "deals.csv", "styled": "CRM_177_20240902.xls"}


def written(folder: Path, listed: Export, form: str) -> Path:
    path = folder / NAMES[form]
    path.write_bytes(listed.csv() if form == "csv" else listed.xls(styled=form == "styled"))
    return path


def checked(path: Path, kind: str, **options: object) -> tuple[pd.DataFrame, Checked]:
    frame = read_sheet(path)
    return frame, check_frame(frame, CheckOptions(template=720, entity_type=kind, **options))  # type: ignore[arg-type]  # words


def ids(found: Checked) -> list[int | None]:
    return [request and request.entity_id for request in found.requests]


@pytest.mark.parametrize("id_last", [False, True])
@pytest.mark.parametrize("form", NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_list_is_read_cell_for_cell(tmp_path: Path, kind: str, form: str, id_last: bool) -> None:
    listed = export(kind, IDS, id_last=id_last)
    frame, found = checked(written(tmp_path, listed, form), kind)
    assert (ids(found), found.problems, frame.attrs["ragged"]) == ([*IDS], [], {})
    assert tuple(frame.columns) == listed.headers, "and no phantom column behind the last ;"
    own = [place for place, header in enumerate(listed.headers) if header != "Комментарий"]
    assert frame.iloc[:, own].to_numpy().tolist() == [[row[place] for place in own] for row in listed.rows]
    assert (set(frame["Комментарий"]) == {COMMENT}) == (form == "csv"), "in HTML a comment's own HTML is not its text"
    assert frame.index.tolist() == [2, 3, 4, 5]


@pytest.mark.parametrize(("charset", "bom"), [("UTF-8", False), ("windows-1251", False)])
def test_older_portals_write_no_mark_and_their_own_encoding(tmp_path: Path, charset: str, bom: bool) -> None:
    listed = export("deal", IDS)
    path = tmp_path / "deals.xls"
    path.write_bytes(listed.xls(bom=bom, charset=charset))
    frame, found = checked(path, "deal")
    assert ids(found) == [*IDS]
    assert frame["Название сделки"].iloc[0] == "Договор «Альфа» & <Ко> №7915"


@pytest.mark.parametrize("form", NAMES)
def test_products_repeat_the_id_and_each_further_row_is_named(tmp_path: Path, form: str) -> None:
    path = written(tmp_path, with_products(export("deal", IDS), [1, 3, 1, 2]), form)
    frame = bulkstart.read_sheet(path)
    problems = bulkstart.check(frame, sandbox=True, template=720)
    assert problems[["row", "code"]].to_numpy().tolist() == [[4, "duplicate-row"], [5, "duplicate-row"], [8, "duplicate-row"]]
    assert all(f"the same start as row {first}" in text for first, text in zip([3, 3, 7], problems["message"], strict=True))
    results = bulkstart.start(frame, sandbox=True, template=720, dry_run=True, skip_invalid=True)
    planned = results[results["startStatus"] == "planned"]
    assert [int(found) for found in planned["ID"]] == [*IDS]


@pytest.mark.parametrize("form", NAMES)
def test_three_columns_named_id_are_asked_about_and_told_apart_by_letter(tmp_path: Path, form: str) -> None:
    listed = with_clients(export("deal", IDS), [(31, 41), (32, 42), (31, 42), (33, 41)])
    path = written(tmp_path, listed, form)
    _, found = checked(path, "deal")
    assert ids(found) == [None] * len(IDS)
    (problem,) = found.problems
    assert problem.code == "ambiguous-label"
    assert all(f"{name} 'ID'" in problem.message for name in "AJL")
    assert (
        ids(checked(path, "deal", mapped={"entityId": "A"})[1]),
        ids(checked(path, "contact", mapped={"entityId": "J"})[1]),
    ) == (
        [*IDS],
        [31, 32, 31, 33],
    )


@pytest.mark.parametrize("form", NAMES)
@pytest.mark.parametrize("kind", ["contact", "company"])
def test_further_requisites_are_rows_without_an_id_and_are_named(tmp_path: Path, kind: str, form: str) -> None:
    _, found = checked(written(tmp_path, with_requisites(export(kind, IDS), [1, 2, 1, 3]), form), kind)
    assert ids(found) == [7915, 7911, None, 7903, 12, None, None]
    assert [(problem.row, problem.code) for problem in found.problems] == [(row, "missing-cell") for row in (4, 7, 8)]


@pytest.mark.parametrize("name", ["deals.xls", "deals.csv"])
@pytest.mark.parametrize("text", EMPTY)
@pytest.mark.parametrize("bom", [b"\xef\xbb\xbf", b""])
def test_an_empty_list_is_a_sentence_and_no_table(tmp_path: Path, text: str, name: str, bom: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(bom + text.encode())
    with pytest.raises(SheetError, match=f"no data rows: all that stands in it is '{text}'"):
        read_sheet(path)


@pytest.mark.parametrize("id_first", [True, False])
@pytest.mark.parametrize("bom", [True, False])
@pytest.mark.parametrize("form", ["xls", "csv"])
def test_an_export_that_is_cut_off_anywhere_starts_only_what_stood_in_it(
    tmp_path: Path, form: str, bom: bool, id_first: bool
) -> None:
    """Each of its beginnings, byte for byte, within a letter too."""
    headers, rows = ("ID", "Название сделки"), (("7915", 'Мост; "А"'), ("7911", "Дом"))
    listed = Export(headers if id_first else headers[::-1], tuple(row if id_first else row[::-1] for row in rows))
    whole = (listed.csv() if form == "csv" else listed.xls()).removeprefix(b"" if bom else BOM)
    path = tmp_path / NAMES[form]
    for end in range(1, len(whole)):
        path.write_bytes(whole[:end])
        frame, found = attempt(path)
        told = [position for position, number in enumerate(ids(found)) if number] if found else []
        assert [(ids(found)[at], frame["Название сделки"].iloc[at]) for at in told] == [
            (int(number), title) for number, title in rows[: len(told)]
        ], whole[:end]
        if told and form == "xls" and b"</table>" not in whole[:end]:
            assert any("CUT OFF" in note for note in frame.attrs["sheet"].notes)


def attempt(path: Path) -> tuple[pd.DataFrame, Checked | None]:
    """What is read, or nothing where that is refused in a sentence."""
    try:
        return checked(path, "deal")
    except SheetError as error:
        if str(path) not in str(error):
            raise
        return pd.DataFrame(), None
