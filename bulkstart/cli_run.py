"""The commands that may send: start, resume, reconcile, undo. Words ⇄ ``api``; they hold no rule."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bulkstart.arguments import given_of, options_from
from bulkstart.console import Console
from bulkstart.errors import BulkstartError, UsageError
from bulkstart.origin import Origin
from bulkstart.result_columns import Status
from bulkstart.telling import entries, print_json, program, tell, tell_undone
from bulkstart.terminal import asked_between, asker, chooser, sessions

if TYPE_CHECKING:
    import pandas as pd

    from bulkstart.ending import Finished
    from bulkstart.history import Taken
    from bulkstart.options import Options
    from bulkstart.portal import Portal

ELSEWHERE = frozenset({"NOT_IN_RUN", "LIMIT"})
"""Codes of rows that ``resume`` does not go on with, or that nobody asked to start."""
TRY = {
    "start": "--dry-run to see what would be started",
    "resume": "--dry-run to see what would be started",
    "undo": "--dry-run to count",
}


def start(arguments: argparse.Namespace) -> int:
    """The main job."""
    from bulkstart import conduct, handed, job, outputs  # noqa: PLC0415  lazy: --help loads no pandas, no httpx

    options = options_from(arguments)
    sheet, launched = Path(arguments.sheet), arguments.launched
    output = outputs.wanted_path(sheet, arguments.output, dry_run=options.dry_run)
    outputs.check_folder(output)
    asks = _asks(arguments)
    desk = conduct.Desk()
    console = Console(arguments, desk.ask, desk.session, desk.choose if asks else None)
    with portal_of(arguments) as portal:
        whole = not (launched and sheet.name == handed.FRAME)
        frame = read(arguments, options.columns.values(), console) if whole else handed.taken_over(sheet)
        running = job.Job(frame, portal, options, console, whole_file=whole, run_id=launched)
        with conduct.draining(running):  # until the results are told: an interrupt may not tear them
            finished = conduct.conduct(running, desk, asker if asks else None, sessions(), chooser)
            ended = _Ended(arguments, finished, portal, options, sheet if whole else handed.source_of(frame), output, console)
            ended.write()
            ended.settle(frame, asks=asks)
            return ended.told()


def resume(arguments: argparse.Namespace) -> int:
    """Go on with a run that stopped."""
    from bulkstart import conduct, history  # noqa: PLC0415  lazy: --help loads no pandas, no httpx

    asks = _asks(arguments)
    desk = conduct.Desk()
    console = Console(arguments, desk.ask, desk.session)
    given = given_of(arguments)
    release = bool(given.get("release_doubts"))
    with portal_of(arguments) as portal:
        kind = history.KINDS["release" if release else "resume"]
        taken = history.take_up(arguments.run, portal, given, rows=kind)
        output = _output(arguments, taken)
        launched = arguments.launched is not None
        running = taken.resuming(portal, console, release=release, settle=given.get("settle"), launched=launched)
        with conduct.draining(running):
            _say(taken, console)
            finished = conduct.conduct(running, desk, asker if asks else None, sessions())
            ended = _Ended(arguments, finished, portal, taken.options, taken.source, output, console)
            ended.write()
            ended.settle(taken.frame if taken.source else None, asks=asks)
            return ended.told()


def reconcile(arguments: argparse.Namespace) -> int:
    """Settle a run's doubts by the portal's running list."""
    from bulkstart import conduct, history  # noqa: PLC0415  lazy: --help loads no pandas, no httpx

    desk = conduct.Desk()
    console = Console(arguments, desk.ask)
    given = given_of(arguments)
    with portal_of(arguments) as portal:
        taken = history.take_up(arguments.run, portal, given, rows=history.KINDS["reconcile"])
        output = _output(arguments, taken)
        looking = taken.reconciling(portal, console, settle=given.get("settle"), launched=arguments.launched is not None)
        with conduct.draining(looking):
            _say(taken, console)
            finished = conduct.conduct(looking, desk, None)
            ended = _Ended(arguments, finished, portal, taken.options, taken.source, output, console)
            ended.write()
            return ended.told(looked=True)


def undo(arguments: argparse.Namespace) -> int:
    """Terminate what a run started and still runs."""
    from bulkstart import conduct, history  # noqa: PLC0415  lazy: --help loads no pandas, no httpx

    asks = _asks(arguments)
    desk = conduct.Desk()
    console = Console(arguments, desk.ask)
    with portal_of(arguments) as portal:
        taken = history.take_up(arguments.run, portal, given_of(arguments), rows=history.KINDS["undo"], frame=history.no_frame())
        undoing = taken.undoing(portal, console, erase=arguments.erase)
        with conduct.draining(undoing):
            undone = conduct.conduct(undoing, desk, asker if asks else None)
            tell_undone(arguments, undone)
    return undone.exit_code


# --------------------------------------------------------------------------------------------------- before it


def _asks(arguments: argparse.Namespace) -> bool:
    """Whether the person is asked. Raises ``UsageError`` where nobody could be."""
    dry_run = getattr(arguments, "dry_run", False)
    asks = not (arguments.yes or arguments.sandbox or dry_run)
    if asks and not (sys.stdin.isatty() and sys.stderr.isatty()):
        advice = TRY.get(arguments.command, TRY["start"])
        raise UsageError(f"there is no terminal to ask on: give --yes to do it without a question, or {advice}")
    return asks


@contextlib.contextmanager
def portal_of(arguments: argparse.Namespace) -> Iterator[Portal]:
    """The portal of the settings, or an embedded sandbox."""
    if arguments.sandbox:
        from bulkstart.sandboxed import sandbox  # noqa: PLC0415  lazy: the simulator

        with sandbox(dialect=arguments.dialect or "vibecode") as portal:
            yield portal
    else:
        from bulkstart.portal import Portal  # noqa: PLC0415  lazy: --help needs none

        yield Portal.from_env(arguments.dialect)


def read(arguments: argparse.Namespace, expected: Iterable[str], console: Console) -> pd.DataFrame:
    """The sheet as a frame; how it was read is said."""
    from bulkstart.sheet import read_sheet  # noqa: PLC0415  lazy: pandas

    frame = read_sheet(
        arguments.sheet,
        tab=arguments.tab,
        header_row=arguments.header_row,
        encoding=arguments.encoding,
        delimiter=arguments.delimiter,
        visible_only=arguments.visible_only,
        expected=tuple(expected),
    )
    for note in frame.attrs["sheet"].notes:
        console.say(note)
    return frame


def _output(arguments: argparse.Namespace, taken: Taken) -> Path:
    """Where a past run's results go. Raises ``UsageError`` before anything is sent."""
    from bulkstart import outputs  # noqa: PLC0415  beside its use

    if not getattr(arguments, "output", None):
        return taken.goal
    output = outputs.wanted_path(taken.source or taken.goal, arguments.output, dry_run=taken.options.dry_run)
    outputs.check_folder(output)
    return output


def _say(taken: Taken, console: Console) -> None:
    source = f"of {taken.past.sheet}" if taken.past.sheet else "of a frame"
    console.say(f"run {taken.past.run_id} {source} on {taken.past.portal}")
    for note in taken.notes:
        console.say(note)


# ---------------------------------------------------------------------------------------------------- after it


class _Ended:
    """A run that came to its end, while its results are written and told."""

    def __init__(
        self, arguments: argparse.Namespace, finished: Finished, portal: Portal, options: Options,
        sheet: Path | None, output: Path, console: Console,
    ) -> None:  # fmt: skip
        self.finished = finished
        self._arguments, self._portal, self._options, self._console = arguments, portal, options, console
        self._sheet, self._output = sheet, output
        self._written: Path | None = None
        self._looked = False

    def write(self) -> None:
        """Write the results where they belong, else in the working directory. A failure is said, and loses nothing: the journal has every id."""
        from bulkstart import filing, outputs  # noqa: PLC0415  lazy: pandas

        known = filing.known_elsewhere(self.finished, self._portal, self._options)
        safe_csv = bool(getattr(self._arguments, "safe_csv", False))
        for goal in dict.fromkeys((self._written or self._output, Path.cwd() / self._output.name)):
            try:
                written, notes = outputs.write_beside(
                    self.finished.results, goal, source=self._sheet, safe_csv=safe_csv, known=known
                )
            except (OSError, BulkstartError) as error:
                self._console.warn(f"the results could not be written to {goal}: {error}")
                continue
            for note in notes:
                self._console.say(note)
            self._written = written
            filing.remember_results(self.finished, self._portal, self._options, written)
            return
        labels = self.finished.results.index.tolist()
        for outcome in self.finished.outcomes:
            if outcome.workflow_id:
                self._console.warn(f"  row {labels[outcome.position]}: {outcome.status} {outcome.workflow_id}")
        self._console.warn(
            "keep these lines; the journal has the ids as far as the disk took them: make room, then run the same sheet again"
        )

    def settle(self, frame: pd.DataFrame | None, *, asks: bool) -> None:
        """Look doubts up now, where the options or the person say so, and write the results once more."""
        from bulkstart import conduct, history  # noqa: PLC0415  lazy: pandas

        if not self.finished.run_id or not self._wanted(asks=asks):
            return
        given = {} if self._options.journal is None else {"journal": self._options.journal}
        taken = history.take_up(self.finished.run_id, self._portal, given, frame=frame)
        looking = taken.reconciling(self._portal, self._console, settle=self._settle)
        with conduct.draining(looking):
            self.finished = conduct.conduct(looking)
        self._looked = True
        self.write()

    @property
    def _settle(self) -> float | None:
        return getattr(self._arguments, "settle", None)

    def _wanted(self, *, asks: bool) -> bool:
        doubts = self.finished.counts.get("in_doubt", 0)
        if not doubts or self._options.dry_run or self.finished.exit_code in (1, 7, 130):
            return False
        if self._options.reconcile is not None or not asks:
            return bool(self._options.reconcile)
        if not self._arguments.json:
            self._show(None)
        wait = self._portal.gateway.settle if self._settle is None else self._settle
        rows = f"{doubts:,} row{'' if doubts == 1 else 's'} in doubt"
        return asked_between(f"{rows}. Look them up in the list of running workflows now (it waits up to {wait:.0f} s)?")

    def told(self, *, looked: bool = False) -> int:
        """Tell the person, and give the exit code."""
        code = self.finished.exit_code or (1 if self._written is None else 0)
        if self._arguments.json:
            print_json(code, self.finished, self._written, entries(self.finished.problems))
        else:
            self._show(self._next(code, looked=looked or self._looked))
        return code

    def _show(self, command: str | None) -> None:
        tell(self._arguments, self.finished, self._written, command)

    def _next(self, code: int, *, looked: bool) -> str | None:
        """The command to type next."""
        from bulkstart.summary import next_step  # noqa: PLC0415  beside its use

        if code == 6 and not any(  # noqa: PLR2004  rows are left, but none for resume
            o.status is Status.NOT_ATTEMPTED and o.error_code not in ELSEWHERE for o in self.finished.outcomes
        ):
            code = 5 if self.finished.counts.get(Status.IN_DOUBT) else 0
        words = [*program(), *self._arguments.words]
        origin = self.finished.results.attrs.get("origin")
        if code in (4, 5) and isinstance(origin, Origin) and self._options.template is None:
            words += ["--template", str(origin.template)]  # a results file may have lost the tab that says it
        results = str(self._written or self._sheet or "")
        lasting = not self._portal.is_sandbox or self._options.journal is not None
        carried = [word for name in ("journal", "dialect") for word in self._carried(name)]
        known = [self.finished.run_id] if self.finished.run_id else []
        run = [*program(), "{}", *known, *carried] if lasting and (known or code == 5) else None  # noqa: PLR2004  doubts of earlier runs
        return next_step(code, words, str(self._sheet or ""), results, run=run, looked=looked)

    def _carried(self, name: str) -> list[str]:
        value = getattr(self._arguments, name, None)
        return [f"--{name}", str(value)] if value else []


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "start": start,
    "resume": resume,
    "reconcile": reconcile,
    "undo": undo,
}
