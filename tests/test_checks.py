"""From a frame to start requests, or to every problem of every row."""

import datetime as dt
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from bulkstart.checks import CheckOptions, check_frame
from bulkstart.errors import UsageError
from bulkstart.model import DisguisedNumber, ErrorCell, Parameter, SheetSource, StartRequest, Template, UncalculatedCell
from bulkstart.parameters import Formats
from bulkstart.result_columns import RESULT_COLUMNS

RESP = Parameter("resp", "Responsible", "user", required=True)
KIND = Parameter("kind", "Kind", "select", options={"pdf": "PDF", "docx": "Word"}, required=True, default="pdf")
NOTE = Parameter("note", "Note")
DEALS = Template(713, "Contract", "deal", (RESP, KIND, NOTE))
LEADS = Template(714, "Call", "lead", (NOTE,))
PORTAL = (DEALS, LEADS)


def sheet(**columns):
    frame = pd.DataFrame({name.replace("__", " "): cells for name, cells in columns.items()}, dtype=object)
    frame.index = range(2, len(frame) + 2)
    return frame


def check(frame, templates=PORTAL, **options):
    return check_frame(frame, CheckOptions(**options), templates)


def told(checked):
    return [(problem.row, problem.column, problem.code) for problem in checked.problems]


def test_good_rows_become_start_requests():
    frame = sheet(ID=["5141", "DEAL_5142"], Responsible=["14", "user_15"], Kind=["Word", ""], note=[None, "hello"])
    checked = check(frame, template=713)
    assert checked.requests == [
        StartRequest(713, "deal", 5141, {"resp": "user_14", "kind": "docx"}),
        StartRequest(713, "deal", 5142, {"resp": "user_15", "note": "hello"}),
    ]
    assert checked.problems == []
    assert checked.templates == (DEALS,)
    assert [row.label for row in checked.rows] == [2, 3]


def test_every_problem_of_every_row_comes_at_once_in_the_order_of_the_sheet():
    frame = sheet(
        ID=["5141", "5141.5", None, ErrorCell("#N/A"), UncalculatedCell("=A1"), "7"],
        resp=["14", "Ivanov", "", "1", "1", "1"],
        kind=["pdf", "jpg", "pdf", "pdf", "pdf", "pdf"],
        note=["", "{=x}", "", "#Н/Д", "", ""],
    )
    checked = check(frame, template=713)
    assert told(checked) == [
        (3, "A", "type-error"),
        (3, "B", "type-error"),
        (3, "C", "constraint-error"),
        (3, "D", "unsafe-text"),
        (4, "A", "missing-cell"),
        (4, "B", "missing-cell"),
        (5, "A", "error-cell"),
        (5, "D", "error-cell"),
        (6, "A", "uncalculated-cell"),
    ]
    assert [problem.position for problem in checked.problems] == [1, 1, 1, 1, 2, 2, 3, 3, 4]
    assert [request is None for request in checked.requests] == [False, True, True, True, True, False]


@pytest.mark.parametrize(
    ("frame", "options", "codes"),
    [
        (sheet(Title=["a"]), {"template": 713}, ["missing-label"]),
        (sheet(deal_id=["1"], contact_id=["2"]), {"template": 714, "entity_type": "lead"}, ["ambiguous-label"]),
        (sheet(ID=["1"]), {"entity_type": "deal"}, ["missing-label"]),
        (sheet(ID=["1"], templateId=[""]), {"entity_type": "deal"}, ["missing-cell"]),
        (sheet(ID=["1"]), {"template": 714, "mapped": {"note": "Nope"}}, ["missing-label"]),
        (sheet(ID=["1"]), {"template": 999}, ["missing-label"]),
        (sheet(ID=["1"]), {"template": 714, "values": {"note": "{=x}"}}, ["unsafe-text"]),
        (sheet(ID=["1"], entityType=["lead"], entity_type=["deal"]), {"template": 714}, ["ambiguous-label"]),
    ],
)
def test_a_problem_of_the_whole_sheet_leaves_no_request(frame, options, codes):
    checked = check(frame, **options)
    assert [problem.code for problem in checked.problems if problem.position is None] == codes
    assert checked.requests == [None]
    assert len(checked.rows) == 1


def test_a_blank_template_is_filled_and_one_that_disagrees_is_a_problem():
    frame = sheet(ID=[1, 2, 3], templateId=["714", "", "713"])
    checked = check(frame, template=714)
    assert told(checked) == [(4, "B", "conflicting-value")]
    assert checked.requests[1] == StartRequest(714, "lead", 2, {})
    assert told(check(frame.head(2))) == [(3, "B", "missing-cell")]


def test_a_template_id_is_not_guessed():
    checked = check(sheet(ID=[1, 2], templateId=["714.5", "714"]))
    assert told(checked) == [(2, "B", "type-error")]


def test_several_templates_are_checked_each_by_its_own_parameters():
    frame = sheet(ID=[1, 2, 3], templateId=[713, 714, 713], resp=[5, "ignored here", ""], note=["a", "b", "c"])
    checked = check(frame)
    assert told(checked) == [(4, "C", "missing-cell")]
    assert checked.requests[:2] == [
        StartRequest(713, "deal", 1, {"resp": "user_5", "note": "a"}),
        StartRequest(714, "lead", 2, {"note": "b"}),
    ]


def test_a_filled_param_cell_that_the_rows_template_lacks_is_a_problem():
    frame = sheet(ID=[1, 2, 3], templateId=[713, 714, 714], **{"param:resp": [5, 6, None]})
    assert told(check(frame)) == [(3, "C", "unknown-parameter")]


def test_a_template_without_definitions_takes_only_explicit_parameters():
    frame = sheet(ID=["LEAD_1", "LEAD_2"], templateId=[714, 999], note=["a", "b"], **{"param:note2": [None, "c"]})
    assert check(frame).requests == [StartRequest(714, "lead", 1, {"note": "a"}), StartRequest(999, "lead", 2, {"note2": "c"})]


def test_a_required_parameter_without_a_column_is_missed_in_each_of_its_rows():
    checked = check(sheet(ID=[1, 2], templateId=[713, 714]))
    assert told(checked) == [(2, None, "missing-cell")]
    assert "resp" in checked.problems[0].message
    assert check(sheet(ID=[1]), template=713, values={"resp": "14"}).requests == [
        StartRequest(713, "deal", 1, {"resp": "user_14"})
    ]


@pytest.mark.parametrize(
    ("cells", "options", "problems"),
    [
        ({"ID": [1], "entityType": ["lead"]}, {"template": 714}, []),
        ({"ID": [1], "entityType": ["Лиды"]}, {"template": 714}, []),
        ({"ID": [1], "entityType": [""]}, {"template": 714}, []),
        ({"ID": [1], "entityType": ["deal"]}, {"template": 714}, [(2, "B", "wrong-entity-type")]),
        ({"ID": [1]}, {"template": 714, "entity_type": "deal"}, [(2, None, "wrong-entity-type")]),
        ({"ID": [1], "entityType": ["deal"]}, {"template": 999, "entity_type": "lead"}, [(2, "B", "conflicting-value")]),
        ({"ID": [1], "entityType": ["dael"]}, {"template": 714}, [(2, "B", "type-error")]),
        ({"ID": ["DEAL_1"]}, {"template": 714}, [(2, "A", "conflicting-value")]),
        ({"ID": ["/crm/lead/details/1/"]}, {"template": 714}, []),
        ({"ID": ["/crm/contact/details/1/"]}, {"template": 714}, [(2, "A", "conflicting-value")]),
        ({"ID": ["DEAL_1", 2]}, {"template": 999}, [(3, None, "missing-cell")]),
        ({"contact_id": [1], "entityType": ["lead"]}, {"template": 714}, [(None, None, "missing-label")]),
    ],
)
def test_what_names_an_entity_type_must_not_contradict_the_rest(cells, options, problems):
    checked = check(sheet(**cells), **options)
    assert told(checked) == problems
    if not problems:
        assert checked.requests[0].document == ("lead", 1)


def test_the_header_of_the_id_column_names_the_type_where_nothing_else_does():
    checked = check(sheet(**{"ID сделки": ["5"]}), templates=None, template=999)
    assert checked.requests == [StartRequest(999, "deal", 5, {})]


def test_vibecode_starts_on_four_entity_types_only():
    smart = (Template(5, "Smart", "dynamic_147", ()),)
    assert told(check(sheet(ID=["DYNAMIC_147_1"]), smart, template=5)) == [(2, None, "wrong-entity-type")]
    checked = check(sheet(ID=["DYNAMIC_147_1"]), smart, template=5, dialect="native")
    assert checked.requests == [StartRequest(5, "dynamic_147", 1, {})]


def test_a_template_that_the_portal_does_not_show_is_only_a_note():
    checked = check(sheet(ID=["DEAL_1"], **{"param:x": [5.0]}), template=999)
    assert checked.requests == [StartRequest(999, "deal", 1, {"x": 5})]
    assert any("999" in note for note in checked.notes)
    assert not any("999" in note for note in check(sheet(ID=["DEAL_1"]), templates=None, template=999).notes)


def test_an_export_of_another_entity_is_warned_about():
    frame = sheet(ID=[1], Название__сделки=["x"])
    assert any("Название сделки" in note and "deal" in note for note in check(frame, template=714).notes[1:])
    assert check(frame, template=714).requests[0].entity_type == "lead"


def test_a_template_that_starts_by_itself_is_warned_about():
    checked = check(sheet(ID=[1]), [Template(7, "Auto", "deal", (), auto_execute=3)], template=7)
    assert any("created or changed" in note for note in checked.notes)


def test_a_crm_export_with_its_own_type_column_is_read():
    frame = sheet(ID=["7915", "7911"], Название__сделки=["a", "b"], Тип=["Продажа", "Услуги"], Шаблон=["Договор", "Счёт"])
    checked = check(frame, templates=[Template(713, "x", "deal", ())], template=713)
    assert checked.requests == [StartRequest(713, "deal", 7915, {}), StartRequest(713, "deal", 7911, {})]
    assert [column.header for column in checked.column_map.ignored] == ["Название сделки", "Тип", "Шаблон"]


def test_links_of_another_portal_are_problems():
    links = [
        "https://acme.bitrix24.ru/crm/deal/details/1/",
        "/crm/deal/details/2/",
        "https://other.bitrix24.ru/crm/deal/details/3/",
    ]
    deals = [Template(7, "x", "deal", ())]
    frame = sheet(ID=links)
    assert told(check(frame, deals, template=7, portal="acme.bitrix24.ru")) == [(4, "A", "conflicting-value")]
    assert told(check(frame, deals, template=7)) == [(2, "A", "conflicting-value"), (4, "A", "conflicting-value")]
    assert told(check(frame.head(2), deals, template=7, portal="127.0.0.1:8080")) == []


def test_ragged_rows_are_problems_and_are_not_shifted():
    frame = sheet(ID=["1", "2"], note=["a", "b"])
    frame.attrs["ragged"] = {3: 5}
    checked = check(frame, template=714)
    assert told(checked) == [(3, None, "ragged-row")]
    assert checked.requests[1] is None


def test_a_repeated_header_and_a_total_are_named_as_such():
    frame = sheet(Title=["a", "Title", "Итого:", "b"], ID=["1", "ID", "", ""], resp=["1", "resp", "", "1"])
    checked = check(frame, template=713)
    assert told(checked) == [(3, "B", "type-error"), (4, "B", "missing-cell"), (5, "B", "missing-cell")]
    assert "header" in checked.problems[0].message
    assert "totals" in checked.problems[1].message
    assert "totals" not in checked.problems[2].message


def test_letters_are_the_sheets_own():
    frame = sheet(ID=["x"], note=["a"])
    frame.attrs["sheet"] = SheetSource("f.csv", "csv", None, 1, ("C", "F"), ("ID", "note"))
    assert told(check(frame, template=714)) == [(2, "C", "type-error")]


@pytest.mark.parametrize("options", [{"template": "7x"}, {"template": 0}, {"entity_type": "dael"}, {"entity_type": "quote"}])
def test_options_that_cannot_be_meant_are_usage_errors(options):
    with pytest.raises(UsageError):
        check(sheet(ID=["1"]), **options)


def test_frames_straight_from_pandas_work():
    frame = pd.DataFrame(
        {
            "ID": pd.array([5141, 5142, None], dtype="Int64"),
            "entityType": pd.Categorical(["deal", "deal", "deal"]),
            "templateId": np.array([7, 7, 7], dtype="int32"),
            "when": pd.to_datetime(["2026-12-31", None, "2026-01-01"]),
            "sum": [1.0, float("nan"), 2.5],
            "done": np.array([True, False, True]),
        },
        index=["a", "a", "b"],
    )
    own = (Parameter("when", type="date"), Parameter("sum", type="double"), Parameter("done", type="bool"))
    before = frame.copy()
    checked = check(frame, [Template(7, "x", "deal", own)])
    assert checked.requests == [
        StartRequest(7, "deal", 5141, {"when": "2026-12-31", "sum": 1, "done": "Y"}),
        StartRequest(7, "deal", 5142, {"done": "N"}),
        None,
    ]
    assert told(checked) == [("b", "A", "missing-cell")]
    pd.testing.assert_frame_equal(frame, before)


def test_float_ids_of_a_column_with_one_blank_lose_their_point_zero():
    checked = check(pd.DataFrame({"ID": [5141.0, float("nan")]}), template=714)
    assert checked.requests == [StartRequest(714, "lead", 5141, {}), None]


def test_one_and_true_are_different_cells_of_one_column():
    checked = check(sheet(ID=[1, True, 1.0, "1"]), template=714)
    assert [request is None for request in checked.requests] == [False, True, False, False]


def test_equal_cells_of_different_types_are_read_apart():
    checked = check(sheet(ID=["LEAD_1"] * 4, **{"param:x": [1, True, 1.0, "1"]}), template=999)
    assert [request.parameters["x"] for request in checked.requests] == [1, "Y", 1, "1"]


def test_formats_reach_the_parameters():
    own = (Parameter("when", type="date"), Parameter("sum", type="double"))
    frame = sheet(ID=[1], when=["31.12.2026"], sum=["1 234,5"])
    checked = check(frame, [Template(7, "x", "deal", own)], template=7, formats=Formats(decimal=",", date_format="DD.MM.YYYY"))
    assert checked.requests == [StartRequest(7, "deal", 1, {"when": "2026-12-31", "sum": 1234.5})]
    assert told(check(frame, [Template(7, "x", "deal", own)], template=7)) == [(2, "B", "type-error"), (2, "C", "type-error")]


def test_results_fed_back_are_read_and_not_sent():
    frame = sheet(ID=[1], **{name: ["x"] for name in RESULT_COLUMNS})
    checked = check(frame, template=714)
    assert checked.requests == [StartRequest(714, "lead", 1, {})]
    assert checked.rows[0].previous.workflow_id == "x"
    assert checked.column_map.ignored == ()


def test_an_empty_frame_has_no_rows_and_no_row_problems():
    checked = check(sheet(ID=[]), template=714)
    assert (checked.rows, checked.requests, checked.problems) == ([], [], [])


def test_ten_kinds_of_error_in_many_rows_are_counted_exactly():
    bad = ["5.5", "007", "", "#N/A", "1e5", 0, True, dt.date(2026, 1, 1), "1 2", "№ 3"]
    ids = [bad[place % 10] if place % 7 == 0 else str(place + 1) for place in range(7000)]
    checked = check(sheet(ID=ids), template=714)
    assert len(checked.problems) == 1000
    assert sum(request is None for request in checked.requests) == 1000
    assert {problem.row for problem in checked.problems} == {place + 2 for place in range(0, 7000, 7)}


def test_checking_imports_no_pandas():
    code = "import sys, bulkstart.checks; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_first_date_of_each_column_is_shown_as_it_leaves():
    own = (Parameter("due", type="date"), Parameter("at", type="datetime"), Parameter("note"))
    frame = pd.DataFrame(
        {
            "ID": [1, 2, 3],
            "due": ["", "31.12.2026", "30.12.2026"],
            "at": [None, None, pd.Timestamp("2026-01-02 03:00")],
            "note": ["a"] * 3,
        }
    )
    formats = Formats(date_format="DD.MM.YYYY", date_output="DD.MM.YYYY", offset="+03:00")
    checked = check(frame, [Template(7, "x", "deal", own)], template=7, formats=formats)
    shown = [note for note in checked.notes if "is sent as" in note]
    assert [note.partition(";")[0] for note in shown] == [
        "due, row 1: '31.12.2026' is sent as '31.12.2026'",
        "at, row 2: 2026-01-02T03:00:00 is sent as '2026-01-02T03:00:00+03:00'",
    ]


def test_a_date_cell_of_an_unknown_parameter_is_shown_too():
    frame = pd.DataFrame({"ID": [1], "param:due": [dt.date(2026, 12, 31)], "param:note": ["2026-12-31"]})
    checked = check(frame, [Template(7, "x", "deal", None)], template=7)
    assert len([note for note in checked.notes if "is sent as" in note]) == 1


def test_ids_that_are_shown_with_zeros_in_front_count_as_their_number_and_are_said():
    frame = pd.DataFrame({"ID": [DisguisedNumber(5141, "05141"), 5142, DisguisedNumber(5143, "05143")]}, dtype=object)
    found = check_frame(frame, CheckOptions(template=713, entity_type="deal"))
    assert [request.entity_id for request in found.requests] == [5141, 5142, 5143]
    assert [note for note in found.notes if "zeros in front" in note] == [
        "2 ids are shown with zeros in front by their number format (05141 for 5141); the number counts"
    ]


def test_money_has_its_currency_from_a_column_or_from_set():
    deals = [Template(713, "Contract", "deal", (Parameter("budget", "Budget", "money", required=True),))]
    frame = sheet(ID=[1, 2, 3], Budget=[300, "5|", None], budget__currency=["RUB", "usd", "RUB"])
    checked = check(frame, deals, template=713)
    assert [request and request.parameters for request in checked.requests] == [{"budget": "300|RUB"}, {"budget": "5|USD"}, None]
    assert told(checked) == [(4, "B", "missing-cell")]
    frame = frame[["ID", "Budget"]].head(2)
    assert told(check(frame, deals, template=713)) == [(2, "B", "type-error"), (3, "B", "type-error")]
    for_all = check(frame, deals, template=713, values={"budget.currency": "RUB"})
    assert [request.parameters for request in for_all.requests] == [{"budget": "300|RUB"}, {"budget": "5|RUB"}]
    both = check(frame[["ID"]], deals, template=713, values={"budget": "7", "budget.currency": "EUR"})
    assert [request.parameters for request in both.requests] == [{"budget": "7|EUR"}] * 2
    mapped = check(frame.assign(Валюта=["RUB", "Рубль"]), deals, template=713, mapped={"budget.currency": "Валюта"})
    assert told(mapped) == [(3, "B", "type-error")]


def test_texts_that_were_broken_before_they_came_are_said_and_sent_as_they_stand():
    cells = ["Ð¡Ð´ÐµÐ»ÐºÐ°", "Êàëèíèíãðàä", "Имя \ufffd", "хорошо"]
    checked = check(sheet(ID=[1, 2, 3, 4], note=cells), template=714)
    (note,) = (note for note in checked.notes if "broken" in note)
    assert note.startswith("column B 'note': 3 texts look broken")
    assert "first in row 2: 'Ð¡Ð´ÐµÐ»ÐºÐ°' may have been 'Сделка'" in note
    assert [request.parameters["note"] for request in checked.requests] == cells
    lost = check(sheet(ID=[1], note=["????"]), template=714)
    assert any("'????' has lost its letters" in note for note in lost.notes)
