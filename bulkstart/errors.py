"""The one error tree.

    BulkstartError
    ├── UsageError          exit 2   the call, the settings or the sheet cannot be used as they are
    │   ├── SheetError      exit 2   the sheet cannot be read, or has no data rows
    │   └── CredentialsError exit 2  no credentials, or credentials that contradict each other
    ├── JournalError        exit 2   the journal cannot be opened, is damaged, locked or newer than the program
    └── DeniedError         exit 7   the portal denies access, or the address is wrong

What becomes of a *row* is never an exception: it is an ``Outcome`` (see ``bulkstart.model``).
"""

from __future__ import annotations


class BulkstartError(Exception):
    """Base of every error that bulkstart raises on purpose; its text is one sentence that a person can act on."""

    exit_code = 1


class UsageError(BulkstartError):
    """A wrong option, setting or argument; nothing was sent."""

    exit_code = 2


class SheetError(UsageError):
    """The sheet cannot be read, or it has no data rows; the text names file, tab and what to do."""


class CredentialsError(UsageError):
    """No credentials, or credentials that contradict each other; the text names the variables to set."""


class JournalError(BulkstartError):
    """The journal cannot be used; nothing is sent without one, since it is what keeps a row from starting twice."""

    exit_code = 2


class DeniedError(BulkstartError):
    """The portal denied a question that was asked outside of a run, or the address is not a portal's."""

    exit_code = 7
