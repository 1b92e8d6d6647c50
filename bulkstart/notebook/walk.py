"""One walk down the street with a value at every step: what the panel shows, and each thing that a click does, without widgets.

Every method is a call of ``api`` and its kin; no rule stands here. ``BulkstartError`` says what is wrong in one sentence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkstart import api
from bulkstart.errors import UsageError
from bulkstart.mapping import name_of
from bulkstart.matches import Match, matches
from bulkstart.meeting import journal_file
from bulkstart.options import Options, options_of
from bulkstart.portal import Portal
from bulkstart.question import Question
from bulkstart.rehearsal import IDLE, lasting_sandbox
from bulkstart.result_columns import Status
from bulkstart.rows import columns_of
from bulkstart.sheet import read_sheet
from bulkstart.sheet_bytes import digest_of
from bulkstart.work import Silent

if TYPE_CHECKING:
    import pandas as pd

    from bulkstart.ending import Finished
    from bulkstart.model import Column, SheetSource, Template

FIRST = 3
"""Rows of the pilot where nobody says another number."""
UPLOADS = "uploads"
"""The folder beside the journal in which uploaded sheets are kept, each under the digest of its bytes."""

_OF_THE_PORTAL = frozenset({"sandbox", "dialect", "yes", "quiet", "verbose", "dry_run"})


class _Heard(Silent):
    """Keeps what a job says."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str, /) -> None:
        self.said.append(text)

    warn = say


class Walk:
    """``frame``: the sheet; ``portal``: by default the environment's; ``options``: those of ``start``."""

    idle = IDLE
    """Seconds without a connection behind which a sandbox that was entered ends."""

    def __init__(self, frame: pd.DataFrame | None, portal: Portal | None, options: Mapping[str, Any]) -> None:
        options_of(options)
        self.options: dict[str, Any] = {name: value for name, value in options.items() if name not in _OF_THE_PORTAL}
        self.dialect = options.get("dialect")
        self.reader: dict[str, Any] = {}
        self.frame = frame
        self.whole_file = False
        """Whether the frame is its file, row for row."""
        self.templates: tuple[Template, ...] | None = None
        self.portal: Portal | None = None
        self.connected = False
        self.dry: Finished | None = None
        self.said: tuple[str, ...] = ()
        self.given = portal
        self._digest = ""
        self._practice: Portal | None = None

    # ------------------------------------------------------------------------------------------------------- sheet

    @property
    def source(self) -> SheetSource | None:
        """How the sheet was read; ``None`` for a frame from elsewhere."""
        found: SheetSource | None = None if self.frame is None else self.frame.attrs.get("sheet")
        return found

    @property
    def path(self) -> str | None:
        """The sheet's file."""
        return self.source.path if self.source else None

    @property
    def columns(self) -> list[Column]:
        """The sheet's columns."""
        return [] if self.frame is None else columns_of(self.frame)

    def read(self, path: str, **reader: Any) -> None:
        """Read a sheet; ``reader``: ``tab``, ``header_row`` and the other options of ``read_sheet``, where they are given."""
        if not path.strip():
            raise UsageError("give the path of a sheet, or upload one")
        wanted = {name: value for name, value in reader.items() if value not in (None, "")}
        frame = read_sheet(Path(path.strip()).expanduser(), **wanted)
        self.frame, self.reader, self.whole_file = frame, wanted, True
        self._digest = self._present()
        self.check()

    def _present(self) -> str:
        """The digest of the sheet's file as it is now; ``""`` where it cannot be read."""
        try:
            return digest_of(Path(self.path or ""))
        except OSError:
            return ""

    @property
    def changed(self) -> bool:
        """Whether the sheet's file is another one than was read and checked."""
        return self.whole_file and self._present() != self._digest

    def receive(self, name: str, content: bytes, **reader: Any) -> None:
        """Keep an uploaded sheet beside the journal, and read it."""
        folder = journal_file(None, self.chosen).parent / UPLOADS / hashlib.sha256(content).hexdigest()[:12]
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / (Path(name.replace("\\", "/")).name or "sheet")
        path.write_bytes(content)
        self.read(str(path), **reader)

    # ------------------------------------------------------------------------------------------------------ portal

    @property
    def in_sandbox(self) -> bool:
        """Whether nothing real can happen."""
        return self.portal is not None and self.portal.is_sandbox

    @property
    def place(self) -> str:
        """What the portal is called."""
        if self.dry is not None and self.dry.portal:
            return self.dry.portal
        return (self.portal.fixed_identity() or self.portal.base_url) if self.portal else ""

    def practise(self, *, on: bool) -> None:
        """Enter the sandbox, or leave it. It is a process of its own, so that a rehearsal outlives the kernel too, and ends by itself."""
        self.portal, self.connected, self.templates, self.dry = None, False, None, None
        if on:
            self._practice = self.portal = self._practice or lasting_sandbox(dialect=self.dialect or "vibecode", idle=self.idle)
            self.connect()

    def connect(self) -> None:
        """Meet the portal: its templates, and the sheet checked against them. Raises ``DeniedError`` where it gives no list."""
        if self.portal is None:
            self.portal = self.given or Portal.from_env(self.dialect)
        self.connected = True
        try:
            self.templates = api.template_list(self.portal, self.options.get("journal"))
        finally:  # a portal that gives no list is met all the same
            self.check()

    # ------------------------------------------------------------------------------------------- template, columns

    @property
    def chosen(self) -> Options:
        """The options as a value."""
        return options_of(self.options)

    def choose(self, **options: Any) -> None:
        """Choose options of ``start``: ``template``, ``entity_type``, ``skip_invalid``, …; ``None`` takes one back."""
        wanted = {name: value for name, value in {**self.options, **options}.items() if value is not None}
        options_of(wanted)
        self.options = wanted
        self.check()

    def feed(self, name: str, column: Column | None) -> None:
        """Let a column feed a name; ``None``: as it was found."""
        self._with("columns", name, column and name_of(column, self.columns))

    def fix(self, name: str, value: str) -> None:
        """Give a parameter the same value for every row; ``""``: none."""
        self._with("values", name, value.strip() or None)

    def _with(self, option: str, name: str, value: object) -> None:
        before = self.options
        given = {key: one for key, one in before.get(option, {}).items() if key.removeprefix("param:") != name}
        given |= {} if value is None else {name: value}
        self.options = {key: one for key, one in before.items() if key != option} | ({option: given} if given else {})
        try:
            self.check()
        except UsageError:  # the two contradict each other: as before
            self.options = before
            self.check()
            raise

    def matches(self) -> tuple[Match, ...]:
        """What feeds each name."""
        if self.dry is None or self.dry.begun is None:
            return ()
        checked = self.dry.begun.sheet.checked
        return matches(checked.column_map, checked.templates)

    # ---------------------------------------------------------------------------------------------- checks, forecast

    def check(self) -> None:
        """Everything but sending: problems, plan, forecast."""
        self.dry, self.said = None, ()
        if self.frame is None or self.portal is None or not self.connected:
            return
        heard = _Heard()
        _, self.dry = api.checked(self.frame, self.portal, self.chosen, heard, planned=True)
        known = self.dry.begun.sheet.checked.column_map.notes if self.dry and self.dry.begun else ()
        self.said = tuple(said for said in heard.said if said not in known)  # the columns have a section of their own

    @property
    def planned(self) -> int:
        """How many workflows a start would start."""
        return self.dry.counts.get(Status.PLANNED, 0) if self.dry else 0

    @property
    def good(self) -> int:
        """How many rows have no problem."""
        if self.dry is None or self.dry.begun is None:
            return 0
        return sum(request is not None for request in self.dry.begun.sheet.checked.requests)

    @property
    def denied(self) -> str:
        """Why the portal lets nobody start anything; ``""`` where it does."""
        met = self.dry.begun.met if self.dry and self.dry.begun else None
        found = met and (met.stop or met.denied)
        return f"{found.code}: {found.message}" if found else ""

    @property
    def mended(self) -> bool:
        """Whether a start may begin: no problems, or only of rows, and the others start all the same."""
        if self.dry is None or self.denied or any(problem.position is None for problem in self.dry.problems):
            return False
        return not self.dry.problems or bool(self.options.get("skip_invalid"))

    @property
    def problems(self) -> pd.DataFrame:
        """One line for each problem, as ``bulkstart.check`` gives them."""
        return api.problem_frame(self.dry.problems if self.dry else ())

    @property
    def question(self) -> str:
        """What a person is told before the first send."""
        if self.dry is None or self.dry.begun is None:
            return ""
        begun, options = self.dry.begun, self.chosen
        return Question(self.place, begun.plan, begun.met.templates or (), options.campaign, options.canary, begun.forecast).text
