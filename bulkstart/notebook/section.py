"""A section of the panel: a heading, what stands below it, what went wrong there, and the code that repeats it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import ipywidgets as widgets

from bulkstart.errors import BulkstartError
from bulkstart.notebook import tags
from bulkstart.notebook.course import Course
from bulkstart.notebook.words import Words

WRAP = {"flex_flow": "row wrap"}


class Board(Protocol):
    """What holds the sections."""

    @property
    def walk(self) -> Course: ...
    @property
    def words(self) -> Words: ...
    @property
    def quiet(self) -> bool: ...
    @property
    def lock(self) -> AbstractContextManager[object]: ...

    def refresh(self) -> None: ...


class Section(ABC):
    """``name``: its heading in ``words``. A section shows what the walk holds, and a click in it does one thing of the walk's."""

    name = ""
    number = 0

    def __init__(self, board: Board) -> None:
        self.board, self.walk, self.words = board, board.walk, board.words
        self.trouble, self.hint, self.code = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.body = widgets.VBox(self.build())
        head = widgets.HTML(tags.heading(self.number, self.words(self.name)))
        self.box = widgets.VBox([head, self.hint, self.body, self.trouble, self.code])

    @abstractmethod
    def build(self) -> list[widgets.Widget]:
        """The controls, made once."""

    @property
    def ready(self) -> bool:
        """Whether the step before it is done."""
        return True

    @abstractmethod
    def show(self) -> None:
        """Show what the walk holds now."""

    def lines(self) -> tuple[str, str]:
        """The line of Python and of the command line that repeat the step."""
        return "", ""

    def refresh(self) -> None:
        """Show the section, or that it waits for the step before it."""
        ready = self.ready
        self.body.layout.display = "" if ready else "none"
        self.hint.value = "" if ready else tags.faint(self.words("waits"))
        if ready:
            self.show()
        python, command = self.lines() if ready else ("", "")
        self.code.value = tags.code(self.words("as_code"), (("Python", python), ("CLI", command)))

    def act(self, work: Callable[[], object]) -> None:
        """Do what a click means; whatever goes wrong is said in this section."""
        self.trouble.value = tags.faint(self.words("working"))
        with self.board.lock:  # the run may be looked at right now
            self.trouble.value = self.said(work)
        self.board.refresh()

    def said(self, work: Callable[[], object]) -> str:
        """Do something; what went wrong, as HTML, ``""`` where nothing did."""
        try:
            work()
        except BulkstartError as error:
            return tags.note(str(error), "bad")
        except Exception as error:  # noqa: BLE001  a click has no caller that could be told: an exception would vanish unseen
            return tags.note(self.words("our_fault", what=f"{type(error).__name__}: {error}"), "bad")
        return ""

    def on(self, widget: widgets.Widget, work: Callable[[Any], object]) -> None:
        """Do ``work`` with the new value when the person changes a control; what the panel itself sets means nothing."""

        def changed(change: Any) -> None:
            if not self.board.quiet:
                self.act(lambda: work(change["new"]))

        widget.observe(changed, names="value")


def button(text: str, work: Callable[[], object], *, style: str = "", width: str = "auto") -> widgets.Button:
    """A button that does one thing."""
    made = widgets.Button(description=text, button_style=style, layout={"width": width, "max_width": "100%"})
    made.on_click(lambda _: work())
    return made


def shown(widget: widgets.Widget, *, when: bool) -> None:
    """Show a control, or take it away."""
    widget.layout.display = "" if when else "none"
