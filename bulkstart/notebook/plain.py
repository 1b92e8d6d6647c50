"""The panel as text: where there is no front end to show it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bulkstart.console import plain
from bulkstart.summary import problem_lines

if TYPE_CHECKING:
    from bulkstart.notebook.course import Course
    from bulkstart.notebook.words import Words

_SHOWN = 10


def told(walk: Course, words: Words) -> str:
    """What the panel holds, a line for each step; no secret, no control character."""
    lines = [words("title")]
    if walk.frame is not None:
        lines.append(f"{words('sheet')}: {walk.path or words('of_frame', rows=len(walk.frame))}")
    if walk.connected:
        lines.append(f"{words('portal')}: {words('sandbox_on') if walk.in_sandbox else walk.place}")
    if walk.options.get("template"):
        lines.append(f"{words('template')}: {walk.options['template']}")
    if walk.dry is not None and walk.frame is not None:
        lines.append(f"{words('checks')}: {words('good_rows', good=walk.good, rows=len(walk.frame))}")
        lines += problem_lines(walk.dry.problems, _SHOWN)
        if walk.planned:
            lines.append(f"{words('forecast')}: {walk.question}")
    if walk.watched is not None:
        counts = ", ".join(f"{count:,} {words.known(str(name))}" for name, count in walk.watched.counts.items())
        lines.append(f"{words('run')}: {walk.watched.run_id} · {words(f'state_{walk.watched.state}')} · {counts}")
    return plain("\n".join(lines))
