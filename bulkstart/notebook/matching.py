"""The section of columns: each name with what feeds it and why, a drop-down to change that, and a constant in place of a column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets

from bulkstart.headers import NAMES
from bulkstart.mapping import name_of
from bulkstart.matches import Match
from bulkstart.model import Column
from bulkstart.notebook import lines, tags
from bulkstart.notebook.section import WRAP, Section

_AUTO = ""


@dataclass(frozen=True, slots=True)
class _Line:
    """The controls of one name."""

    box: widgets.HBox
    column: widgets.Dropdown
    constant: widgets.Text | None
    why: widgets.HTML


class ColumnsSection(Section):
    """What feeds ``entityId``, ``entityType``, ``templateId`` and each parameter."""

    name, number = "columns", 4

    def build(self) -> list[widgets.Widget]:
        """The controls are made when names are known, and kept: a control that is replaced loses the keyboard's focus."""
        self.known: dict[str, _Line] = {}
        self.rows = widgets.VBox()
        self.ignored = widgets.HTML()
        return [self.rows, self.ignored]

    @property
    def ready(self) -> bool:
        """Once the sheet was checked."""
        return self.walk.dry is not None

    def show(self) -> None:
        """Every name, and what feeds it now."""
        found, columns = self.walk.matches(), self.walk.columns
        for match in found:
            if match.name not in self.known:
                self.known[match.name] = self._made(match)
            self._show(match, columns)
        boxes = tuple(self.known[match.name].box for match in found)
        if self.rows.children != boxes:
            self.rows.children = boxes
        begun = self.walk.dry.begun if self.walk.dry else None
        ignored = begun.sheet.checked.column_map.ignored if begun else ()
        self.ignored.value = tags.faint(self.words("ignored", columns=_listed(ignored))) if ignored else ""

    def _made(self, match: Match) -> _Line:
        label = match.name if match.parameter is None else match.parameter.label or match.name
        name = widgets.Label(label + (" *" if match.parameter and match.parameter.required else ""), layout={"width": "150px"})
        name.tooltip = match.name
        column = widgets.Dropdown(layout={"width": "235px"}, tooltip=label)
        constant = None
        self.on(column, lambda chosen: self._feed(match.name, chosen))
        why = widgets.HTML(layout={"flex": "1 1 200px", "min_width": "200px"})
        controls = [name, column]
        if match.name not in NAMES:
            constant = widgets.Text(continuous_update=False, placeholder=self.words("constant"), layout={"width": "165px"})
            self.on(constant, lambda text: self.walk.fix(match.name, text))
            controls.append(constant)
        return _Line(widgets.HBox([*controls, why], layout=WRAP), column, constant, why)

    def _feed(self, name: str, chosen: str) -> None:
        self.walk.feed(name, next((column for column in self.walk.columns if name_of(column, self.walk.columns) == chosen), None))

    def _show(self, match: Match, columns: list[Column]) -> None:
        line, words = self.known[match.name], self.words
        given: dict[str, Any] = self.walk.options.get("columns", {})
        chosen = next((str(value) for key, value in given.items() if key.removeprefix("param:") == match.name), _AUTO)
        found = f"{match.column.letter} · {match.column.header}" if match.column and not chosen else words("nothing")
        auto = words("as_found", column=found) if not chosen else words("as_found", column="…")
        named = [(f"{column.letter} · {column.header}", name) for column in columns if (name := name_of(column, columns))]
        choices = [(auto, _AUTO), *named]
        chosen = chosen if chosen in [value for _, value in choices] else self._as_named(match, chosen, columns)
        if list(line.column.options) != choices:
            line.column.options = choices
        if line.column.value != chosen:
            line.column.value = chosen
        if line.constant is not None:
            values: dict[str, Any] = self.walk.options.get("values", {})
            line.constant.value = next(
                (str(value) for key, value in values.items() if key.removeprefix("param:") == match.name), ""
            )
            line.constant.disabled = match.column is not None
        line.why.value = self._why(match, chosen)

    @staticmethod
    def _as_named(match: Match, chosen: str, columns: list[Column]) -> str:
        """A column that was given by letter in place of its header."""
        return (name_of(match.column, columns) or _AUTO) if chosen and match.column else _AUTO

    def _why(self, match: Match, chosen: str) -> str:
        words = self.words
        if match.column is not None:
            why = {"--map": words("chosen_here" if chosen else "as_before")}.get(match.reason) or words.known(match.reason)
            return tags.faint(why)
        if match.constant not in (None, ""):
            return tags.faint(words("same_value"))
        if match.columns:
            return tags.note(words("could_be", columns=_listed(match.columns)), "warn")
        needed = match.parameter is not None and match.parameter.required and match.parameter.default in (None, "", [], {})
        return tags.note(words("missing"), "bad") if needed else ""

    def lines(self) -> tuple[str, str]:
        """What was chosen."""
        return lines.columns(self.walk.options)


def _listed(columns: Sequence[Column]) -> str:
    return ", ".join(f"{column.letter} · {column.header}" for column in columns)
