"""The notebook panel: one column, one way down, from a sheet to its results. Widgets hold no rule; each click is a call of ``api``.

words      every text, in every language       tags    text → HTML, everything escaped
walk       what the panel holds before a start course    its run, followed through the journal
lines      what repeats each step as code      downloads results as files
section    a heading and what stands below     listing   a frame as a table with filters
before, matching, judging, going, after        the ten sections        board     all of them: ``Panel``
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from bulkstart.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from bulkstart.notebook.board import Panel
    from bulkstart.options import CallOptions
    from bulkstart.portal import Portal


def panel(
    frame: pd.DataFrame | None = None, *, run: str | None = None, language: str = "en", portal: Portal | None = None,
    **options: Unpack[CallOptions],
) -> Panel:  # fmt: skip
    """The notebook panel: sheet, template, columns, checks, forecast, pilot, run, results, doubts, one below the other.

    ``frame``: a sheet, else it is uploaded or read in the panel; ``run``: the id of a run to follow, that of another notebook too;
    ``language``: ``"en"`` or ``"ru"``; ``portal``: by default that of the environment, met with a click; ``options``: those of ``start``.
    What the panel knows is at hand as values: ``frame problems plan run_id results``. Nothing starts without a click.

    >>> import bulkstart, pandas
    >>> with bulkstart.sandbox() as portal:
    ...     panel = bulkstart.panel(pandas.DataFrame({"entityId": [5141, 5142]}), portal=portal, template=720)
    ...     len(panel.plan), len(panel.problems)
    (2, 0)

    Raises ``UsageError`` where ipywidgets is missing, for an unknown language or option, or a run that the journal does not have.
    """
    try:
        from bulkstart.notebook.board import Panel  # noqa: PLC0415  lazy: import bulkstart loads no ipywidgets
    except ModuleNotFoundError as error:
        if error.name != "ipywidgets":
            raise
        raise UsageError("the panel needs ipywidgets: pip install 'bulkstart[notebook]'") from None
    return Panel(frame, run, language, portal, options)
