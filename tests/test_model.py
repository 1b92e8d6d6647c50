"""The nouns: values that nobody changes on their way down the street."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from bulkstart import model
from bulkstart.model import StartRequest

NOUNS = [found for _, found in inspect.getmembers(model, dataclasses.is_dataclass) if found.__module__ == model.__name__]


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.__name__)
def test_a_noun_is_frozen_and_has_no_other_fields_than_its_own(noun):
    assert noun.__dataclass_params__.frozen
    assert "__slots__" in vars(noun)


def test_there_are_nouns():
    assert {"Row", "StartRequest", "Outcome", "Template"} <= {noun.__name__ for noun in NOUNS}


def test_rows_share_a_document_whatever_their_template_and_parameters():
    assert StartRequest(713, "deal", 1, {"a": "x"}).document == StartRequest(720, "deal", 1).document == ("deal", 1)
    assert StartRequest(713, "deal", 1).document != StartRequest(713, "lead", 1).document
