"""The sections of what came of a run: results with advice, files to download, rows in doubt."""

from __future__ import annotations

import base64
import threading
from functools import partial
from pathlib import Path

import ipywidgets as widgets

from bulkstart.notebook import downloads, lines, tags
from bulkstart.notebook.listing import Listing
from bulkstart.notebook.section import WRAP, Section, button, shown
from bulkstart.outputs import numbered
from bulkstart.result_columns import Status

LINK_SECONDS = 120.0
"""How long a link that holds a file stays in the page."""
MOST_BYTES = 20_000_000
"""What a link may hold; a larger file is written into the working directory."""


class ResultsSection(Section):
    """Every row with what became of it and what to do; the same as files."""

    name, number = "results", 9

    def build(self) -> list[widgets.Widget]:
        """The controls."""
        words = self.words
        self.listing = Listing(words, words("results"), filters=["status", "code"], tint="status", shown=words.known)
        self.files = {kind: button(words(kind), partial(self.offer, kind)) for kind in downloads.KINDS}
        self.link = widgets.HTML()
        self._timer: threading.Timer | None = None
        return [self.listing.box, widgets.HBox(list(self.files.values()), layout=WRAP), self.link]

    @property
    def ready(self) -> bool:
        """Once a run has ended."""
        return self.walk.told is not None

    def show(self) -> None:
        """The table."""
        self.listing.show(self.walk.table())

    def offer(self, kind: str) -> None:
        """Make a file, and put a link that holds it into the page for a while."""
        self.act(lambda: self._offer(kind))

    def _offer(self, kind: str) -> None:
        self.take_away()
        results = self.walk.results
        assert results is not None
        watched, own = self.walk.watched, self.walk.began_here
        made = downloads.made(
            kind,
            results,
            self.walk.path if own else None,
            Path(watched.results) if watched and watched.results and not own else None,
        )
        if made is None:
            self.link.value = tags.faint(self.words("no_failed"))
            return
        words = self.words
        if len(made.content) > MOST_BYTES:
            path = Path.cwd() / made.name
            path = next(free for free in numbered(path) if not free.exists())
            path.write_bytes(made.content)
            self.link.value = tags.note(words("too_large", path=path))
            return
        encoded = base64.b64encode(made.content).decode("ascii")
        said = tags.note("\n".join(made.notes)) + tags.faint(words("link_goes"))
        self.link.value = tags.link(words("download", name=made.name), made.name, made.media, encoded) + said
        self._timer = threading.Timer(LINK_SECONDS, self.take_away)
        self._timer.daemon = True
        self._timer.start()

    def take_away(self) -> None:
        """Take the link out of the page: a saved notebook holds no file."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self.link.value = None, ""

    def lines(self) -> tuple[str, str]:
        """The writing."""
        walk = self.walk
        return lines.write(walk.run_id or "", walk.path, downloads.named("workbook", walk.path))


class DoubtsSection(Section):
    """Rows in doubt, looked up in the portal's list of running workflows."""

    name, number = "doubts", 10

    def build(self) -> list[widgets.Widget]:
        """The controls."""
        self.told = widgets.HTML()
        self.listing = Listing(self.words, self.words("doubts"), filters=["code"])
        self.look = button("", lambda: self.act(self._look))
        return [self.told, self.listing.box, self.look]

    @property
    def ready(self) -> bool:
        """Once a run has ended."""
        return self.walk.told is not None

    def show(self) -> None:
        """The rows, and the button that settles them."""
        walk, words = self.walk, self.words
        table = walk.table(Status.IN_DOUBT)
        count = len(table)
        shown(self.listing.box, when=count > 0)
        here = count > 0 and walk.connected and not walk.goes_on
        shown(self.look, when=here)
        self.look.disabled = not here
        said = words("doubts_found", count=count) if count else words("no_doubts")
        self.told.value = tags.note(said, "warn" if count else "good")
        if count:
            self.listing.show(table)
            self.look.description = words(
                "reconcile", count=count, portal=walk.watched.portal if walk.watched else "", seconds=walk.settle
            )

    def _look(self) -> None:
        self.look.disabled = True
        self.walk.reconcile()

    def lines(self) -> tuple[str, str]:
        """The looking up."""
        walk = self.walk
        return lines.run(walk.run_id or "", "reconcile()", walk.kept)
