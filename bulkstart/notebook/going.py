"""The sections of what cannot be taken back: the pilot with the start, and the run while it goes."""

from __future__ import annotations

import time

import ipywidgets as widgets

from bulkstart.forecast import about
from bulkstart.notebook import lines, tags
from bulkstart.notebook.section import WRAP, Section, button, shown
from bulkstart.notebook.walk import FIRST
from bulkstart.result_columns import Status
from bulkstart.standing import State, Watched, Wish

_FULL = {"width": "99%"}


class PilotSection(Section):
    """The one button that starts something, and what the first rows showed."""

    name, number = "pilot", 7

    def build(self) -> list[widgets.Widget]:
        """The controls."""
        words = self.words
        self.pilot = widgets.BoundedIntText(
            value=self.walk.options.get("canary", FIRST), min=0, max=1000, description=words("pilot_rows"),
            style={"description_width": "initial"}, layout={"width": "220px"},
        )  # fmt: skip
        self.on(self.pilot, lambda rows: self.walk.choose(canary=int(rows)))
        self.start = button("", lambda: self.act(self._start), style="warning")
        self.why = widgets.HTML()
        self.told = widgets.HTML()
        self.go_on = button("", lambda: self.act(lambda: self.walk.wish(Wish.GO_ON)), style="warning")
        self.end = button(words("end_here"), lambda: self.act(lambda: self.walk.wish(Wish.STOP)))
        self.answer = widgets.HBox([self.go_on, self.end], layout=WRAP)
        hint = widgets.HTML(tags.faint(words("pilot_hint")))
        self.before = widgets.VBox([widgets.HBox([self.pilot, hint], layout=WRAP), self.why, self.start])
        return [self.before, self.told, self.answer]

    def _start(self) -> None:
        self.start.disabled = True
        self.walk.begin()

    @property
    def ready(self) -> bool:
        """Once the sheet was checked, or a run is there."""
        return self.walk.dry is not None or self.walk.run_id is not None

    def show(self) -> None:
        """The button with what it would do, or the answer that the run waits for."""
        walk, words, watched = self.walk, self.words, self.walk.watched
        going = watched is not None and not watched.over
        shown(self.before, when=walk.dry is not None and not going)
        count, pilot = walk.planned, min(walk.options.get("canary", FIRST), walk.planned)
        name = "start_pilot" if 0 < pilot < count else "start_all"
        may = walk.mended and count > 0 and not going
        shown(self.start, when=may)
        self.start.disabled = not may
        self.start.description = words(name, pilot=pilot, count=count, portal=walk.place)
        why = "no_way_back" if may else "mend_first" if not walk.mended else "nothing_to_start"
        self.why.value = tags.faint(words(why))
        self.told.value = self._pilot(watched) if watched else ""
        asking = watched is not None and watched.state is State.ASKING
        shown(self.answer, when=asking)
        if watched and watched.pilot and asking:
            self.go_on.description = words("go_on_rest", count=watched.pilot.left, portal=watched.portal)

    def _pilot(self, watched: Watched) -> str:
        pilot, words = watched.pilot, self.words
        if pilot is None:
            return ""
        headers = [words(name) for name in ("row", "status", "workflow", "code", "message")]
        rows = [(one.row, words.known(one.status), one.workflow_id, one.code, one.message) for one in pilot.rows]
        table = tags.table(headers, rows, label=words("pilot"), tints=[one.status for one in pilot.rows])
        times = f"{min(pilot.durations):.2f} – {max(pilot.durations):.2f}" if pilot.durations else "–"
        return table + tags.faint(words("durations", seconds=times))

    def lines(self) -> tuple[str, str]:
        """The start."""
        walk = self.walk
        return lines.start(walk.path, walk.reader, walk.options, sandbox=walk.in_sandbox) if walk.dry else ("", "")


class RunSection(Section):
    """Bar, counts, rate, holds, time left; Pause, Go on, Stop; and what is left to resume."""

    name, number = "run", 8

    def build(self) -> list[widgets.Widget]:
        """The controls."""
        words = self.words
        self.bar = widgets.IntProgress(min=0, max=1, layout=_FULL)
        self.told = widgets.HTML()
        self.pause = button(words("pause"), lambda: self.act(lambda: self.walk.wish(Wish.PAUSE)))
        self.go_on = button(words("go_on"), lambda: self.act(lambda: self.walk.wish(Wish.GO_ON)))
        self.stop = button(words("stop"), lambda: self.act(lambda: self.walk.wish(Wish.STOP)), style="danger")
        self.resume = button("", lambda: self.act(self._resume), style="warning")
        self.elsewhere = widgets.HTML()
        controls = widgets.HBox([self.pause, self.go_on, self.stop, self.resume], layout=WRAP)
        return [self.bar, self.told, controls, self.elsewhere]

    def _resume(self) -> None:
        self.resume.disabled = True
        self.walk.resume()

    @property
    def ready(self) -> bool:
        """Once there is a run."""
        return self.walk.watched is not None

    def show(self) -> None:
        """The run as the journal has it now."""
        walk, words, watched = self.walk, self.words, self.walk.watched
        assert watched is not None
        self.bar.max, self.bar.value = max(watched.rows, 1), min(watched.settled, max(watched.rows, 1))
        self.bar.bar_style = {State.ENDED: "success", State.LOST: "danger", State.PAUSED: "warning"}.get(watched.state, "info")
        self.told.value = self._told(watched)
        shown(self.pause, when=watched.state is State.RUNNING)
        shown(self.go_on, when=watched.state is State.PAUSED)
        shown(self.stop, when=watched.state in (State.RUNNING, State.PAUSED, State.PREPARING))
        left = 0 if walk.goes_on else walk.left
        here = left > 0 and walk.connected
        shown(self.resume, when=here)
        self.resume.disabled = not here
        self.resume.description = words("resume", count=left, portal=watched.portal)
        self.elsewhere.value = tags.note(words("another_portal", portal=watched.portal), "warn") if left and not here else ""

    def _told(self, watched: Watched) -> str:
        words, told = self.words, watched.told
        parts = [words("run_id", run=watched.run_id), watched.portal, words(f"state_{watched.state}")]
        if not watched.over:
            parts += [words("rate", rate=told.rate)] if watched.state is State.RUNNING else []
            parts += [words("left", time=about(told.seconds_left))] if told.seconds_left is not None else []
            if watched.hold:
                parts.append(words("held", seconds=max(0.0, watched.hold.until - time.time()), why=watched.hold.why))
        kind = {State.ENDED: "good", State.LOST: "bad"}.get(watched.state, "practice" if self.walk.in_sandbox else "warn")
        why = tags.note(f"{told.code}: {told.message}", "warn") if told.code and watched.over else ""
        counted = [(str(name), watched.counts[name], words.known(str(name))) for name in Status if watched.counts.get(name)]
        whole = tags.faint(f"{watched.settled:,} / {watched.rows:,}") + tags.note(self.walk.unsent, "bad")
        return tags.note(" · ".join(filter(None, parts)), kind) + tags.chips(counted) + whole + why

    def lines(self) -> tuple[str, str]:
        """The run by its id, and how to go on with it."""
        walk = self.walk
        if walk.watched is None or walk.run_id is None:
            return "", ""
        return lines.run(walk.run_id, "resume()" if walk.watched.over else "", walk.kept)
