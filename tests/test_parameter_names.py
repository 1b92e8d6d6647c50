"""A written name means one parameter of each template, or it is asked about; never the first of two."""

from __future__ import annotations

import pytest

from bulkstart.columns import match
from bulkstart.model import Column, Parameter
from bulkstart.parameter_names import currency_name, meant, parameter_name, resolved, shared_label, with_currencies

BUDGET = Parameter("budget", "Бюджет", "UF:money")
DEFINED = [(Parameter("a", "Date"), Parameter("b", "date "), Parameter("Note", "Примечание"), BUDGET), None]


def sheet(*headers: str) -> list[Column]:
    return [Column(place, chr(ord("A") + place), header) for place, header in enumerate(headers)]


@pytest.mark.parametrize(("text", "name"), [("param:x", "x"), (" Param : Vid ", "Vid"), ("param:", None), ("x", None)])
def test_a_prefix_names_a_parameter(text: str, name: str | None) -> None:
    assert parameter_name(text) == name


@pytest.mark.parametrize(
    ("given", "names"),
    [("note", {"Note"}), ("ПРИМЕЧАНИЕ *", {"Note"}), ("a", {"a"}), ("Date", {"a", "b"}), ("notes", set()), ("", set())],
)
def test_names_and_labels_are_compared_in_any_case(given: str, names: set[str]) -> None:
    assert meant(given, DEFINED) == [names, set()]
    assert shared_label(given, DEFINED) == (("a", "b") if given == "Date" else ())


def test_a_shared_label_is_a_problem_and_an_unknown_name_has_the_nearest_one() -> None:
    names, (problem,) = resolved("Date", "--map Date", DEFINED)
    assert (names, problem.code) == (set(), "ambiguous-label")
    assert "a, b" in problem.message
    _, (problem,) = resolved("Nota", "--map Nota", DEFINED[:1])
    assert (problem.code, "did you mean Note?" in problem.message) == ("unknown-parameter", True)
    assert resolved("anything", "--map anything", DEFINED) == ({"anything"}, []), "no definitions, no opinion"


def test_a_column_with_a_shared_label_is_asked_about() -> None:
    found = match(sheet("ID", "Date", "Note"), definitions=DEFINED[:1])
    (doubt,) = found.doubts
    assert (doubt.columns[0].letter, doubt.names) == ("B", ("a", "b"))
    assert [fed.name for fed in found.parameters] == ["Note"]
    settled = match(sheet("ID", "Date", "Note"), definitions=DEFINED[:1], mapped={"b": "Date"})
    assert (settled.problems, settled.doubts) == ((), ())
    assert match(sheet("ID", "param:Date"), definitions=DEFINED[:1]).doubts[0].names == ("a", "b")


@pytest.mark.parametrize(
    "header", ["budget.currency", "param:budget.currency", "Бюджет валюта", "Бюджет, Currency", "Валюта: бюджет"]
)
def test_the_currency_of_money_has_a_column_of_its_own(header: str) -> None:
    found = match(sheet("ID", "Бюджет", header), definitions=DEFINED[:1])
    assert [(fed.name, fed.column.letter) for fed in found.parameters] == [("budget", "B"), ("budget.currency", "C")]
    assert currency_name(DEFINED[0][0]) is None  # type: ignore[index]  # the first template is known


@pytest.mark.parametrize("header", ["Валюта", "currency", "Бюджет"])
def test_no_other_column_is_taken_for_a_currency(header: str) -> None:
    found = match(sheet("ID", header), definitions=DEFINED[:1])
    assert "budget.currency" not in [fed.name for fed in found.parameters]


def test_a_parameter_that_goes_by_such_a_name_itself_is_that_parameter() -> None:
    own = (BUDGET, Parameter("budget.currency"), Parameter("c", "Бюджет валюта"))
    assert meant("budget.currency", with_currencies([own])) == [{"budget.currency"}]
    assert meant("Бюджет валюта", with_currencies([own])) == [{"c"}]
    assert len(with_currencies([own])[0] or ()) == 3
