"""What a plan is made of is plain and cannot be changed behind its back."""

from __future__ import annotations

import dataclasses

import pytest

from bulkstart.journal_view import EMPTY, Held, Note, View
from bulkstart.states import Event


def test_an_empty_view_knows_nothing():
    assert not any((EMPTY.held, EMPTY.siblings, EMPTY.together, EMPTY.ids))


def test_a_note_without_proof_proves_nothing():
    note = Note("key", Event.SEND)
    assert (note.workflow_id, note.error_code, note.error_message, note.sent_at) == ("", "", "", None)


@pytest.mark.parametrize("kind", [Held, Note, View])
def test_what_the_journal_shows_is_frozen(kind):
    assert kind.__dataclass_params__.frozen
    assert "__dict__" not in dir(kind)
    assert dataclasses.is_dataclass(kind)
