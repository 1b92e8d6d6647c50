"""What a header names: the words that count, those that do not, and when a word alone is not enough."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkstart.headers import (
    ENTITY_ID,
    ENTITY_TYPE,
    TEMPLATE_ID,
    folded,
    known_word,
    listed,
    locate,
    recognise,
    result_columns,
    unmangled,
)
from bulkstart.model import Column
from bulkstart.result_columns import RESULT_COLUMNS


def columns(*headers):
    return [Column(place, chr(ord("A") + place), header) for place, header in enumerate(headers)]


def located(name, *headers, types=(), **more):
    found, problems = locate(columns(*headers), name, {}, types, **more)
    return found.column.letter if found else None, [problem.code for problem in problems]


@pytest.mark.parametrize("word", ["entityId", "entityType", "templateId"])
@pytest.mark.parametrize("spelled", [str, str.upper, str.lower, lambda word: f"  {word} ", lambda word: word.replace("I", "_I")])
def test_the_three_names_count_in_any_case_and_with_joining_underscores(word, spelled):
    assert recognise(spelled(word)) == word


@pytest.mark.parametrize("word", RESULT_COLUMNS)
def test_a_result_column_counts_to_the_letter_only(word):
    assert recognise(f" {word} ") == word
    assert recognise(word.upper()) is None


@pytest.mark.parametrize("word", ["_id", "id_", "", " ", "№", "ids", "guid", "userid", "Ответственный ID", "id 2", "dealing id"])
def test_a_likeness_is_no_match(word):
    assert recognise(word) is None


@pytest.mark.parametrize(
    ("header", "kind"), [("deal_id", "deal"), ("ID сделки", "deal"), ("ContactID", "contact"), ("ИД лида", "lead"), ("ID", None)]
)
def test_a_header_may_name_the_entity_type_besides(header, kind):
    assert (known_word(header).name, known_word(header).hint) == (ENTITY_ID, kind)


@given(st.text(max_size=30))
def test_any_header_is_answered(header):
    assert recognise(header) is None or recognise(header) in {ENTITY_ID, ENTITY_TYPE, TEMPLATE_ID, *RESULT_COLUMNS}
    assert folded(folded(header)) == folded(header)


def test_a_weak_word_counts_only_where_the_cells_bear_it_out():
    assert located(ENTITY_TYPE, "ID", "Тип", fits=lambda *_: True) == ("B", [])
    assert located(ENTITY_TYPE, "ID", "Тип", fits=lambda *_: False) == (None, [])
    assert located(ENTITY_TYPE, "Тип", "Тип сущности", fits=lambda *_: True) == ("B", []), "the better word wins"


def test_two_columns_of_one_strength_are_asked_about_and_the_exact_name_wins_over_both():
    assert located(TEMPLATE_ID, "ID шаблона", "Шаблон ID") == (None, ["ambiguous-label"])
    assert located(TEMPLATE_ID, "ID шаблона", "Шаблон ID", "templateId") == ("C", [])


def test_only_a_missing_id_is_a_problem_of_its_own():
    assert located(ENTITY_ID, "Title") == (None, ["missing-label"])
    assert located(ENTITY_TYPE, "Title") == (None, [])


def test_a_column_that_map_gave_away_is_not_taken_for_something_else():
    both = columns("ID", "deal_id")
    found, problems = locate(both, ENTITY_ID, {TEMPLATE_ID: both[0]})
    assert (found.column.letter, problems) == ("B", [])


def test_the_number_that_pandas_puts_behind_a_repeated_header_is_taken_off_only_there():
    repeated = columns("ID", "ID.1", "Sum.1")
    assert [unmangled(column, repeated) for column in repeated] == ["ID", "ID", "Sum.1"]
    assert located(ENTITY_ID, "ID", "ID.1") == (None, ["ambiguous-label"])


@pytest.mark.parametrize("missing", RESULT_COLUMNS)
def test_a_part_of_the_six_is_a_problem_only_where_it_says_what_was_started(missing):
    found, problems = result_columns(columns("ID", *(name for name in RESULT_COLUMNS if name != missing)))
    assert found is None
    assert bool(problems) == (missing not in ("startStatus", "workflowId"))


def test_very_many_columns_are_listed_to_a_point():
    text = listed(columns(*"abc", " "), most=2)
    assert text == "columns A 'a', B 'b' …"
    assert listed(columns(" ")) == "column A (no header)"


def test_names_are_compared_without_case_outer_spaces_yo_and_the_star_of_a_required_column():
    assert folded(" Счёт   клиента * ") == folded("счет клиента")
