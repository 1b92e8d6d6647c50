"""The error tree: what a caller may catch, and the exit code that each branch means."""

from __future__ import annotations

import pytest

from bulkstart import errors
from bulkstart.errors import BulkstartError, CredentialsError, DeniedError, JournalError, SheetError, UsageError


@pytest.mark.parametrize(
    ("error", "code"),
    [(BulkstartError, 1), (UsageError, 2), (SheetError, 2), (CredentialsError, 2), (JournalError, 2), (DeniedError, 7)],
)
def test_every_error_has_the_exit_code_of_the_interface_and_says_only_its_sentence(error, code):
    assert error.exit_code == code
    assert str(error("one sentence")) == "one sentence"


def test_a_sheet_and_credentials_are_usage_and_a_journal_and_a_denial_are_not():
    assert {error for error in vars(errors).values() if isinstance(error, type) and issubclass(error, UsageError)} == {
        UsageError,
        SheetError,
        CredentialsError,
    }
