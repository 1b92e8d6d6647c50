"""The blank workbook: what Excel is told of drop-downs, formats and hidden tabs, and no text of a portal as a formula."""

from __future__ import annotations

import io

import openpyxl
import pytest

from bulkstart.errors import UsageError
from bulkstart.legend import entries_of
from bulkstart.model import Parameter, Template
from bulkstart.origin import origin_of
from bulkstart.sheet_new import CHOICES_TAB, blank_workbook, save_new

NASTY = (
    Parameter("s", "=HYPERLINK(1)", "select", options={"1": "=1+1", "2": "A,B", "3": 'say "x"'}),
    Parameter("d", "Due", "date"),
    Parameter("t", "When", "datetime"),
    Parameter("y", "Urgent", "bool"),
    Parameter("n", "Text\x07", "string", required=True, description="\x00=1\ud800" + "x" * 40_000),
    Parameter("m", "Several", "select", multiple=True, options={"a": "A"}),
)


@pytest.fixture
def book():
    template = Template(713, "=1+1", "deal", NASTY)
    return openpyxl.load_workbook(io.BytesIO(blank_workbook(entries_of(template), origin_of(template, "p.example"))))


def test_no_text_of_the_portal_is_a_formula(book):
    cells = [cell for sheet in book for line in sheet.iter_rows() for cell in line if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s"}
    assert "=HYPERLINK(1)" in [cell.value for cell in book["Starts"][1]]


def test_choices_and_home_are_hidden_and_the_legend_is_not(book):
    assert {sheet.title: sheet.sheet_state for sheet in book} == {
        "Starts": "visible",
        "Legend": "visible",
        CHOICES_TAB: "hidden",
        "bulkstart": "hidden",
    }


def test_drop_downs_stand_on_entity_type_booleans_and_choices(book):
    sheet = book["Starts"]
    lists = {}
    for rule in sheet.data_validations.dataValidation:
        if rule.type == "list":
            tab, _, area = rule.formula1.partition("!")
            assert tab.strip("'") == CHOICES_TAB
            cells = book[CHOICES_TAB][area.replace("$", "")]
            lists[str(rule.sqref).split("2:")[0]] = (
                [line[0].value for line in cells] if isinstance(cells, tuple) else [cells.value]
            )
    assert lists == {"B": ["deal"], "C": ["=1+1", "A,B", 'say "x"'], "F": ["yes", "no"]}


def test_dates_have_date_formats_and_texts_are_texts(book):
    shapes = {letter: book["Starts"].column_dimensions[letter].number_format for letter in "DEG"}
    assert shapes == {"D": "yyyy-mm-dd", "E": "yyyy-mm-dd hh:mm", "G": "@"}


def test_required_columns_look_different(book):
    colours = {cell.value: cell.fill.fgColor.rgb for cell in book["Starts"][1]}
    assert len(set(colours.values())) == 2
    assert [name for name, colour in colours.items() if colour == colours["entityId *"]] == [
        "entityId *",
        next(n for n in colours if n.startswith("Text")),
    ]


def test_the_legend_has_a_line_for_each_column(book):
    legend = book["Legend"]
    assert [line[0].value for line in legend.iter_rows(min_row=2)] == [cell.value for cell in book["Starts"][1]]


def test_a_file_that_is_there_is_never_replaced(tmp_path):
    path = tmp_path / "t.xlsx"
    path.write_bytes(b"rows")
    with pytest.raises(UsageError, match="is there already"):
        save_new(path, b"new")
    assert path.read_bytes() == b"rows"


@pytest.mark.parametrize("name", ["t.csv", "no/such/t.xlsx"])
def test_a_place_that_cannot_be_written_is_named(tmp_path, name):
    with pytest.raises(UsageError, match="-o"):
        save_new(tmp_path / name, b"new")
