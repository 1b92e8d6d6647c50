"""The sections of what stands before a start: the problems, and how long it would take."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import ipywidgets as widgets

from bulkstart.notebook import lines, tags
from bulkstart.notebook.listing import Listing
from bulkstart.notebook.section import Section, button, shown

if TYPE_CHECKING:
    import pandas as pd

    from bulkstart.ending import Finished


class ChecksSection(Section):
    """The problems with filters, counts by code, the good rows."""

    name, number = "checks", 5

    def build(self) -> list[widgets.Widget]:
        """The controls."""
        words = self.words
        self.told = widgets.HTML()
        self._listed: Finished | None = None
        self.listing = Listing(words, words("checks"), filters=["code"])
        self.skip = widgets.Checkbox(description=words("skip_invalid"), indent=False, layout={"width": "auto"})
        self.again = button(words("check_again"), lambda: self.act(self.walk.check))
        self.notes = widgets.HTML()
        self.on(self.skip, lambda on: self.walk.choose(skip_invalid=on or None))
        return [self.told, self.listing.box, self.skip, widgets.HBox([self.again]), self.notes]

    @property
    def ready(self) -> bool:
        """Once there are a sheet and a portal."""
        return self.walk.dry is not None

    def show(self) -> None:
        """Counts, and the problems themselves."""
        walk, words = self.walk, self.words
        assert walk.dry is not None
        assert walk.frame is not None
        problems = walk.dry.problems
        good = words("good_rows", good=walk.good, rows=len(walk.frame))
        count = words("problems", count=len(problems)) if problems else words("no_problems")
        by_code = Counter(problem.code for problem in problems)
        stopped = tags.note(walk.denied, "bad")
        told = tags.note(f"{good}. {count}", "bad" if problems else "good")
        self.told.value = stopped + told + tags.chips((code, number, code) for code, number in by_code.most_common())
        for one in (self.listing.box, self.skip):
            shown(one, when=bool(problems))
        self.skip.value = bool(walk.options.get("skip_invalid"))
        if problems and self._listed is not walk.dry:
            self._listed = walk.dry
            self.listing.show(self._table())
        self.notes.value = tags.note("\n".join(walk.said))

    def _table(self) -> pd.DataFrame:
        found = self.walk.problems
        whole = self.words("whole_sheet")
        cells = [
            whole if row is None else f"{column}{row}" if column else str(row)
            for row, column in zip(found["row"], found["column"], strict=True)
        ]
        table = found[["code", "message"]].copy()
        table.insert(0, "cell", cells)
        return table

    def lines(self) -> tuple[str, str]:
        """The check."""
        walk = self.walk
        return lines.check(walk.path, walk.reader, walk.options, sandbox=walk.in_sandbox)


class ForecastSection(Section):
    """How many workflows, where, and for how long."""

    name, number = "forecast", 6

    def build(self) -> list[widgets.Widget]:
        """No controls."""
        self.told = widgets.HTML()
        return [self.told]

    @property
    def ready(self) -> bool:
        """Once the sheet was checked."""
        return self.walk.dry is not None

    def show(self) -> None:
        """The time, and what a person would want to know before a start."""
        if not self.walk.planned:
            self.told.value = tags.faint(self.words("nothing_to_start"))
            return
        self.told.value = tags.note(self.walk.question.rpartition("\n")[0])  # without the question itself: the button asks it

    def lines(self) -> tuple[str, str]:
        """The dry run."""
        walk = self.walk
        return lines.forecast(walk.path, walk.reader, walk.options, sandbox=walk.in_sandbox)
