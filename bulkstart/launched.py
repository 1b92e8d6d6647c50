"""The life of a process that ``detached`` launched, told in the journal from its first moment to its last, whatever becomes of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import replace

from bulkstart.errors import JournalError
from bulkstart.journal import Journal
from bulkstart.locks import RunIsLiveError
from bulkstart.settings import journal_path, settings
from bulkstart.standing import State, Told
from bulkstart.steering import standing

RUN_ID = "BULKSTART_RUN_ID"
"""Set for a launched process: the id of its run, which whoever launched it knows already. Its journal is ``BULKSTART_JOURNAL``."""


def lived(work: Callable[[str], int]) -> int:
    """Do the work of a launched process, given the id of its run, and tell the journal of its beginning and its end; its exit code.

    A journal that cannot be written stops nothing here: the work meets it too, and says so.
    """
    run_id = os.environ.pop(RUN_ID)
    with contextlib.ExitStack() as stack:
        attended = None
        with contextlib.suppress(JournalError, RunIsLiveError, OSError):
            journal = stack.enter_context(contextlib.closing(Journal(journal_path(None, settings()))))
            journal.attend(run_id)
            journal.tell(run_id, standing(State.PREPARING))
            attended = journal
        code = work(run_id)
        if attended is not None:
            with contextlib.suppress(JournalError):
                told = attended.glance(run_id).told or Told(State.ENDED)
                attended.tell(run_id, replace(told, state=State.ENDED, hold=None, seconds_left=None, exit_code=code))
        return code
