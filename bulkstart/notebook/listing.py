"""A frame as a table with filters, a page at a time: a notebook that is saved holds one page, however long the frame is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from bulkstart.notebook import tags
from bulkstart.notebook.words import Words

if TYPE_CHECKING:
    import pandas as pd

PAGE = 25
_ANY = ""


class Listing:
    """``frame``: texts as they are shown; ``filters``: columns that get a drop-down; ``tint``: the column with a status that colours."""

    def __init__(
        self, words: Words, label: str, *, filters: Sequence[str], tint: str = "", shown: Callable[[str], str] = str
    ) -> None:
        self._words, self._label, self._tint, self._shown = words, label, tint, shown
        self._frame: pd.DataFrame | None = None
        self._texts: list[str] | None = None
        self._page, self._quiet = 0, False
        self.filters = {name: widgets.Dropdown(description=words.known(name), layout={"width": "240px"}) for name in filters}
        self.search = widgets.Text(description=words("search"), layout={"width": "240px"})
        self.table = widgets.HTML()
        self.back = widgets.Button(description=words("back"), layout={"width": "90px"})
        self.forth = widgets.Button(description=words("forth"), layout={"width": "90px"})
        self.place = widgets.Label()
        for one in (*self.filters.values(), self.search):
            one.observe(self._changed, names="value")
        self.back.on_click(lambda _: self._turn(-1))
        self.forth.on_click(lambda _: self._turn(1))
        wrap = {"flex_flow": "row wrap"}
        self.box = widgets.VBox(
            [
                widgets.HBox([*self.filters.values(), self.search], layout=wrap),
                self.table,
                widgets.HBox([self.back, self.forth, self.place], layout=wrap),
            ]
        )

    def show(self, frame: pd.DataFrame) -> None:
        """Show another frame; filters stay as far as they still fit. The frame that is shown already costs nothing."""
        if frame is self._frame:
            return
        self._frame, self._texts = frame, None
        self._quiet = True
        try:
            for name, one in self.filters.items():
                counted = frame[name].value_counts(sort=True)
                choices = [(f"{self._words('any')} ({len(frame):,})", _ANY)]
                choices += [(f"{self._shown(str(value))} ({count:,})", str(value)) for value, count in counted.items()]
                before = one.value
                if list(one.options) != choices:
                    one.options = choices
                    one.value = before if before in [value for _, value in choices] else _ANY
        finally:
            self._quiet = False
        self._draw()

    @property
    def found(self) -> pd.DataFrame:
        """The rows that the filters leave."""
        import numpy as np  # noqa: PLC0415  beside its use

        assert self._frame is not None
        keep = np.ones(len(self._frame), dtype=bool)
        for name, one in self.filters.items():
            if one.value:
                keep &= (self._frame[name].astype(str) == one.value).to_numpy()
        if wanted := self.search.value.strip().casefold():
            keep &= np.fromiter((wanted in text for text in self._searched()), dtype=bool, count=len(self._frame))
        return self._frame[keep]

    def _searched(self) -> list[str]:
        if self._texts is None:
            assert self._frame is not None
            columns = [self._frame.iloc[:, at].tolist() for at in range(len(self._frame.columns))]
            self._texts = ["\n".join(map(str, row)).casefold() for row in zip(*columns, strict=True)]
        return self._texts

    def _changed(self, _: Any) -> None:
        if not self._quiet and self._frame is not None:
            self._page = 0
            self._draw()

    def _turn(self, pages: int) -> None:
        self._page += pages
        self._draw()

    def _draw(self) -> None:
        found = self.found
        last = max(0, (len(found) - 1) // PAGE)
        self._page = min(max(self._page, 0), last)
        page = found.iloc[self._page * PAGE : (self._page + 1) * PAGE]
        tints = page[self._tint].astype(str).tolist() if self._tint else []
        cells = page.astype(object).copy()
        if self._tint:
            cells[self._tint] = [self._shown(one) for one in tints]
        headers = [self._words.known(str(name)) for name in page.columns]
        self.table.value = tags.table(headers, cells.itertuples(index=False), label=self._label, tints=tints)
        first = self._page * PAGE
        count = len(found)
        told = (
            self._words("shown", first=first + 1, last=min(first + PAGE, count), count=count)
            if count
            else self._words("none_shown")
        )
        self.place.value = told
        self.back.disabled, self.forth.disabled = self._page == 0, self._page >= last
