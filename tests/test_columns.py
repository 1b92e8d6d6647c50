"""Headers find their names by what they say, never by likeness or by coming first."""

import pytest

from bulkstart.columns import match, recognise
from bulkstart.errors import UsageError
from bulkstart.model import Column, Parameter
from bulkstart.result_columns import RESULT_COLUMNS

DEFINED = [(Parameter("resp", "Ответственный", "user"), Parameter("note", "Note"), Parameter("Kind", "Вид документа"))]


def sheet(*headers):
    return [Column(index, chr(ord("A") + index), header) for index, header in enumerate(headers)]


def codes(found):
    return [problem.code for problem in found.problems]


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        (
            "entityId",
            [
                *(
                    "entityId",
                    "entity_id",
                    "Entity ID",
                    "ENTITYID",
                    "ID",
                    "id",
                    " Id\u00a0",
                    "\ufeffID",
                    "Deal ID",
                    "deal_id",
                    "dealId",
                ),
                *(
                    "ID сделки",
                    "Сделка ID",
                    "ИД",
                    "Ид сделки",
                    "Идентификатор",
                    "ID лида",
                    "contact_id",
                    "Company ID",
                    "ID компании",
                ),
                *("Идентификатор контакта", "ID *", "Bitrix24 ID"),
            ],
        ),
        ("entityType", ["entityType", "entity_type", "Entity type", "Тип сущности", "Тип"]),
        ("templateId", ["templateId", "template_id", "Template ID", "ID шаблона", "Идентификатор шаблона", "Шаблон"]),
        (
            None,
            [
                *(
                    "№",
                    "Title",
                    "Phone",
                    "product_id",
                    "user_id",
                    "STAGE_ID",
                    "ASSIGNED_BY_ID",
                    "Название сделки",
                    "Тип сделки",
                    "",
                ),
                *("param:ID", "Стадия", "IDX", "Record ID", "ID1", "startstatus", "UF_CRM_1647996021", "idea", "Код", "Номер"),
            ],
        ),
    ],
)
def test_headers_are_recognised(name, headers):
    assert {header: recognise(header) for header in headers} == dict.fromkeys(headers, name)


def test_the_decomposed_and_the_dotted_letter_are_the_same():
    assert recognise("Идентификатор сде\u0301лки".replace("\u0301", "")) == "entityId"
    assert recognise("Идентификатор".replace("й", "и\u0306")) == "entityId"


def test_the_six_result_columns_are_recognised_exactly():
    assert [recognise(name) for name in RESULT_COLUMNS] == list(RESULT_COLUMNS)


def test_each_column_is_shown_with_its_reason():
    found = match(sheet("ID", "Entity type", "templateId", "Ответственный", "note", "Phone"), definitions=DEFINED)
    assert [found.entity_id.column.letter, found.entity_type.column.letter, found.template_id.column.letter] == ["A", "B", "C"]
    assert [(fed.name, fed.column.letter) for fed in found.parameters] == [("resp", "D"), ("note", "E")]
    assert [column.header for column in found.ignored] == ["Phone"]
    assert found.notes[0] == "entityId ← column A 'ID' (header known)"
    assert any("ignored" in note and "F 'Phone'" in note for note in found.notes)
    assert found.problems == ()


@pytest.mark.parametrize(
    "headers",
    [
        ("deal_id", "contact_id"),
        ("ID", "ID"),
        ("ID", "ID.1", "ID.2"),
        ("id", "name", "id", "age", "id"),
        ("ID", "Deal ID"),
        ("ID", "contact_id"),
        ("entityId", "entity_id"),
        ("ID", "Идентификатор"),
    ],
)
def test_several_columns_that_could_be_the_id_are_never_resolved_by_taking_the_first(headers):
    found = match(sheet(*headers))
    assert found.entity_id is None
    assert codes(found) == ["ambiguous-label"]
    assert "--map" in found.problems[0].message
    assert found.problems[0].position is None


def test_an_exact_single_match_beats_the_aliases():
    found = match(sheet("ID", "deal_id", "entityId"))
    assert found.entity_id.column.letter == "C"
    assert codes(found) == []


def test_a_plain_id_beside_ids_of_another_type_is_it_only_where_the_type_is_known():
    columns = sheet("ID", "TITLE", "COMPANY_ID", "CONTACT_ID", "product_id")
    assert match(columns, entity_types={"deal"}).entity_id.column.letter == "A"
    assert codes(match(columns, entity_types={"contact"})) == ["ambiguous-label"]
    assert codes(match(columns)) == ["ambiguous-label"]


def test_ids_of_another_type_are_not_taken_for_the_rows_ids():
    found = match(sheet("Title", "contact_id"), entity_types={"deal"})
    assert found.entity_id is None
    assert codes(found) == ["missing-label"]
    assert match(sheet("contact_id"), entity_types={"contact"}).entity_id.hint == "contact"
    assert match(sheet("contact_id"), entity_types={"deal"}, mapped={"entityId": "A"}).entity_id.hint is None


def test_no_id_column_lists_the_columns_found():
    found = match(sheet("№", "Title", ""))
    assert codes(found) == ["missing-label"]
    assert "A '№', B 'Title', C (no header)" in found.problems[0].message


def test_a_doubtful_type_column_counts_only_where_its_cells_bear_it_out():
    columns = sheet("ID", "Тип", "Шаблон")
    assert match(columns).entity_type.column.letter == "B"
    found = match(columns, fits=lambda _, __: False)
    assert (found.entity_type, found.template_id) == (None, None)
    assert [column.letter for column in found.ignored] == ["B", "C"]
    assert match(sheet("ID", "Тип", "Тип сущности")).entity_type.column.letter == "C"
    assert codes(match(sheet("ID", "Тип", "Тип"))) == ["ambiguous-label"]


def test_map_prefers_an_exact_header_to_a_letter():
    columns = sheet("B", "ID", "Deal ID")
    assert match(columns, mapped={"entityId": "B"}).entity_id.column.index == 0
    assert match(columns, mapped={"entity_id": "C"}).entity_id.column.index == 2
    assert match(columns, mapped={"entityId": "deal id"}).entity_id.column.index == 2


def test_map_needs_the_letter_where_headers_are_equal():
    columns = sheet("ID", "Title", "ID")
    found = match(columns, mapped={"entityId": "ID"})
    assert "ambiguous-label" in codes(found)
    assert match(columns, mapped={"entityId": "C"}).entity_id.column.index == 2
    assert codes(match(columns, mapped={"entityId": "c"})) == []


def test_map_to_a_column_that_is_not_there_is_a_problem_of_the_whole_sheet():
    found = match(sheet("ID", "Title"), mapped={"entityType": "Kind"})
    assert codes(found) == ["missing-label"]
    assert "Kind" in found.problems[0].message


def test_map_names_a_thing_once():
    with pytest.raises(UsageError):
        match(sheet("ID", "Title"), mapped={"entityId": "A", "entity_id": "B"})


def test_parameters_are_found_by_name_label_prefix_and_map():
    columns = sheet("ID", "RESP", "вид  документа", "param:note", "X")
    found = match(columns, definitions=DEFINED)
    assert [(fed.name, fed.column.letter, fed.explicit) for fed in found.parameters] == [
        ("resp", "B", False),
        ("Kind", "C", False),
        ("note", "D", True),
    ]
    found = match(columns, definitions=DEFINED, mapped={"param:resp": "X"})
    assert [(fed.name, fed.column.letter) for fed in found.parameters] == [("resp", "E"), ("Kind", "C"), ("note", "D")]
    assert [column.letter for column in found.ignored] == ["B"]


def test_two_columns_that_feed_one_parameter_are_a_problem():
    assert codes(match(sheet("ID", "resp", "Ответственный"), definitions=DEFINED)) == ["ambiguous-label"]
    assert codes(match(sheet("ID", "param:x", "param:x"))) == ["ambiguous-label"]


def test_a_label_that_two_parameters_share_feeds_neither():
    shared = [(Parameter("a", "User"), Parameter("b", "user"))]
    found = match(sheet("ID", "User"), definitions=shared)
    assert codes(found) == ["ambiguous-label"]
    assert found.parameters == ()
    assert [fed.name for fed in match(sheet("ID", "param:b"), definitions=shared).parameters] == ["b"]


def test_one_label_may_name_different_parameters_of_different_templates():
    found = match(sheet("ID", "User"), definitions=[(Parameter("a", "User"),), (Parameter("b", "User"),)])
    assert [fed.name for fed in found.parameters] == ["a", "b"]
    assert codes(found) == []


def test_a_header_that_is_an_id_and_a_parameter_is_asked_about():
    own = [(Parameter("ID", "Number"),)]
    assert codes(match(sheet("ID", "Title"), definitions=own)) == ["ambiguous-label"]
    assert codes(match(sheet("ID", "Title"), definitions=own, mapped={"entityId": "A"})) == []
    assert codes(match(sheet("entityId"), definitions=[(Parameter("entityId"),)])) == []


@pytest.mark.parametrize("how", [{"mapped": {"noet": "B"}}, {"mapped": {"param:noet": "B"}}, {"values": {"noet": "1"}}])
def test_an_unknown_parameter_is_a_problem_where_definitions_are_known(how):
    found = match(sheet("ID", "X"), definitions=DEFINED, **how)
    assert codes(found) == ["unknown-parameter"]
    assert "did you mean note?" in found.problems[0].message
    assert codes(match(sheet("ID", "param:zzz"), definitions=DEFINED)) == ["unknown-parameter"]
    assert codes(match(sheet("ID", "param:zzz"), definitions=[()])) == ["unknown-parameter"]


def test_without_definitions_only_explicit_words_make_parameters_and_a_note_says_so():
    for definitions in ((), [None]):
        found = match(sheet("ID", "note", "param:x", "Y"), definitions=definitions, mapped={"y": "Y"}, values={"z": 1})
        assert [(fed.name, fed.column.letter) for fed in found.parameters] == [("y", "D"), ("x", "C")]
        assert found.constants == (("z", 1),)
        assert any("not known" in note for note in found.notes)
        assert found.problems == ()


def test_set_beside_a_column_of_the_same_parameter_is_a_usage_error():
    for headers in (("ID", "note"), ("ID", "param:note")):
        with pytest.raises(UsageError, match="column B"):
            match(sheet(*headers), definitions=DEFINED, values={"note": "x"})
    with pytest.raises(UsageError):
        match(sheet("ID"), values={"note": "x", "param:note": "y"})
    with pytest.raises(UsageError):
        match(sheet("ID"), values={"entityType": "deal"})


def test_result_columns_count_only_when_all_six_are_there_and_can_be_told_from_an_analysts_own():
    assert set(match(sheet("ID", *RESULT_COLUMNS)).results) == set(RESULT_COLUMNS)
    assert match(sheet("ID", "attempts", *RESULT_COLUMNS)).results["attempts"].letter == "G"
    assert match(sheet("ID", "attempts", "errorCode")).results is None
    assert codes(match(sheet("ID", *RESULT_COLUMNS[:5]))) == ["ambiguous-label"]
    assert codes(match(sheet("ID", *reversed(RESULT_COLUMNS), "workflowId"))) == ["ambiguous-label"]
    assert match(sheet("ID", *RESULT_COLUMNS)).ignored == ()


def test_a_header_with_a_typing_error_is_hinted_at_and_never_taken():
    headers = ["entiyId", "Примичание", "Сумма"]
    found = match(sheet(*headers), definitions=[(Parameter("note", "Примечание"), Parameter("sum", "Сумма"))])
    assert found.entity_id is None
    assert "Did you mean column A 'entiyId'?" in found.problems[0].message
    assert [fed.name for fed in found.parameters] == ["sum"]
    assert any("nearly names the parameter note" in note for note in found.notes)
    assert [(doubt.name, [column.letter for column in doubt.columns]) for doubt in found.doubts] == [
        ("entityId", ["A"]),
        ("note", ["B"]),
    ]


def test_what_a_person_could_tell_apart_is_a_doubt():
    own = (Parameter("note", "Note"),)
    found = match(sheet("ID", "Note", "ID", "note"), definitions=[own])
    assert [(doubt.name, [column.letter for column in doubt.columns]) for doubt in found.doubts] == [
        ("entityId", ["A", "C"]),
        ("note", ["B", "D"]),
    ]
    assert match(sheet("contact_id", "lead_id"), entity_types={"deal"}).doubts == ()


def test_a_header_that_is_the_id_and_a_parameter_is_a_doubt_that_map_settles():
    own = [(Parameter("parent", "ID сделки"),)]
    found = match(sheet("ID сделки"), definitions=own)
    assert codes(found) == ["ambiguous-label"]
    assert [(doubt.name, len(doubt.columns)) for doubt in found.doubts] == [("entityId", 1)]
    settled = match(sheet("ID сделки"), definitions=own, mapped={"entityId": "ID сделки"})
    assert (codes(settled), settled.doubts, settled.parameters) == ([], (), ())


@pytest.mark.parametrize("header", ["", "ID", "Idea", "Notiz", "Сумма заказа", "Примечание2026", "Примечания отдела продаж"])
def test_a_header_that_is_another_word_is_no_near_miss(header):
    found = match(sheet("entityId", header), definitions=[(Parameter("note", "Примечание"), Parameter("total", "Сумма"))])
    assert found.doubts == ()


@pytest.mark.parametrize("header", ["ID cделки", "Идентификaтор", "entitуId", "ИД cделки"])
def test_an_id_header_with_a_letter_of_another_alphabet_is_a_hint_and_no_match(header):
    found = match(sheet("Title", header))
    assert found.entity_id is None
    assert f"Did you mean column B '{header}'?" in found.problems[0].message
    assert [doubt.columns[0].letter for doubt in found.doubts] == ["B"], "a person on a terminal is asked"


def test_a_parameter_spelled_with_letters_of_another_alphabet_is_nearly_named():
    found = match(sheet("ID", "Nоtе"), definitions=DEFINED)
    assert [fed.name for fed in found.parameters] == []
    assert [(doubt.name, doubt.columns[0].letter) for doubt in found.doubts] == [("note", "B")]


def test_a_letter_as_it_is_written_goes_before_a_header_in_another_case():
    assert match(sheet("5141", "a"), mapped={"entityId": "A"}).entity_id.column.letter == "A"
    assert match(sheet("5141", "A"), mapped={"entityId": "A"}).entity_id.column.letter == "B", "an exact header goes before both"
    assert codes(match(sheet("5141", "A "), mapped={"entityId": "a"})) == ["ambiguous-label", "missing-label"]


@pytest.mark.parametrize(("header", "mark"), [("ID;Title", "';'"), ("ID\tTitle", "'tab'"), ("ID|Title", "'|'")])
def test_whole_lines_in_one_cell_are_named_as_such(header, mark):
    (problem,) = match(sheet(header)).problems
    assert f"Whole lines stand in one cell: say --delimiter {mark}" in problem.message
