"""The panel itself: ten sections below each other, each a view of one walk; what it knows is at hand as values."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from bulkstart.notebook import tags
from bulkstart.notebook.after import DoubtsSection, ResultsSection
from bulkstart.notebook.before import PortalSection, SheetSection, TemplateSection
from bulkstart.notebook.course import Course
from bulkstart.notebook.going import PilotSection, RunSection
from bulkstart.notebook.judging import ChecksSection, ForecastSection
from bulkstart.notebook.matching import ColumnsSection
from bulkstart.notebook.plain import told
from bulkstart.notebook.section import WRAP, Section, button, shown
from bulkstart.notebook.words import Words

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from bulkstart.portal import Portal

LOOK_SECONDS = 0.5
"""Seconds between two looks at a run in the journal."""
_PAST = 20
_ORDER = (
    SheetSection, PortalSection, TemplateSection, ColumnsSection, ChecksSection, ForecastSection, PilotSection, RunSection,
    ResultsSection, DoubtsSection,
)  # fmt: skip


class Panel:
    """What ``bulkstart.panel`` returns: shown by a notebook, and a text without one.

    Its values stand at every step: ``frame``, ``problems``, ``plan``, ``run_id``, ``results``; ``None`` where there is none yet.
    """

    def __init__(
        self, frame: pd.DataFrame | None, run: str | None, language: str, portal: Portal | None, options: Mapping[str, Any]
    ) -> None:  # fmt: skip
        self.words = Words(language)
        self.walk = Course(frame, portal, options)
        self.quiet = False
        self.lock, self._follower = threading.RLock(), threading.Event()
        self.sections: dict[str, Section] = {kind.name: kind(self) for kind in _ORDER}
        self.past = widgets.Dropdown(
            description=self.words("past"), style={"description_width": "initial"}, layout={"width": "520px", "max_width": "100%"}
        )
        self.attach = button(self.words("attach"), self._attach)
        head = widgets.HTML(f"{tags.STYLE}<h2>{tags.escaped(self.words('title'))}</h2>")
        self.row = widgets.HBox([self.past, self.attach], layout=WRAP)
        self.widget = widgets.VBox([head, self.row, *(section.box for section in self.sections.values())])
        self.widget.add_class("bulkstart")
        if run is not None:
            self.walk.attach(run)
        elif options.get("sandbox"):
            self.sections["portal"].act(lambda: self.walk.practise(on=True))
        elif portal is not None and portal.is_sandbox:
            self.sections["portal"].act(self.walk.connect)
        self.refresh()

    # ------------------------------------------------------------------------------------------------------ values

    @property
    def frame(self) -> pd.DataFrame | None:
        """The sheet."""
        return self.walk.frame

    @property
    def problems(self) -> pd.DataFrame:
        """Every problem, one line each, as ``bulkstart.check`` gives them."""
        return self.walk.problems

    @property
    def plan(self) -> pd.DataFrame | None:
        """The dry run: each row ``planned`` or what keeps it from starting, with the body that would be sent."""
        return None if self.walk.dry is None else self.walk.dry.results

    @property
    def run_id(self) -> str | None:
        """The run, for ``bulkstart.Run``."""
        return self.walk.run_id

    @property
    def results(self) -> pd.DataFrame | None:
        """Every row with what became of it so far."""
        return self.walk.results

    def __repr__(self) -> str:
        return told(self.walk, self.words)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = self.widget._repr_mimebundle_() or {}
        return bundle | {"text/plain": repr(self)}

    # ------------------------------------------------------------------------------------------------------- views

    def refresh(self) -> None:
        """Show what the walk holds now, and follow its run where one goes."""
        with self.lock:
            self.quiet = True
            try:
                for section in self.sections.values():
                    section.refresh()
                self._offer_past()
            finally:
                self.quiet = False
            if self.walk.goes_on and not self._follower.is_set():
                self._follower.set()
                threading.Thread(target=self._follow, name="bulkstart-panel", daemon=True).start()

    def _follow(self) -> None:
        pause = threading.Event()
        while self.walk.goes_on and not pause.wait(LOOK_SECONDS):
            self._look()
        with self.lock:
            self._follower.clear()
            self.refresh()

    def _look(self) -> None:
        with self.lock:
            before = self.walk.watched
            self.sections["run"].trouble.value = self.sections["run"].said(self.walk.look)  # a later look may tell more
            if self.walk.watched != before:
                self.quiet = True
                try:
                    for name in ("pilot", "run"):
                        self.sections[name].refresh()
                finally:
                    self.quiet = False

    def _offer_past(self) -> None:
        words, choices = self.words, [(self.words("no_past"), "")]
        for run in self.walk.past(_PAST):
            live = f" · {words('live')}" if run["live"] else ""
            choices.append(
                (f"{run['started_at']} · {run['portal']} · {run['template']} · {run['rows']}{live} · {run['run']}", run["run"])
            )
        if list(self.past.options) != choices:
            self.past.options = choices
        shown(self.row, when=len(choices) > 1)

    def _attach(self) -> None:
        if self.past.value:
            self.sections["run"].act(lambda: self.walk.attach(self.past.value))
