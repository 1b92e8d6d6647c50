"""A run as a process of its own, which outlives the page, the cell and the kernel it was launched from; followed through the journal.

How a panel uses it, whole::

    from bulkstart.detached import launch, launch_past, said_of
    from bulkstart.watch import look, wish
    from bulkstart.standing import State, Wish

    started = launch("deals.xlsx", portal=portal, template=713, pilot=True)   # returns at once; .run_id is known already
    seen = look(started.run_id, started.journal)      # a value, cheap: look twice a second, in a thread or between two awaits
    seen.state                                        # preparing → running → asking → running → (paused) → stopping → ended | lost
    seen.counts, seen.rows, seen.told.on_wire, seen.told.rate, seen.told.seconds_left, seen.hold    # live figures
    if seen.state is State.ASKING: show(seen.pilot)   # rows with ids, durations, forecast; nothing is on the wire
    wish(started.run_id, Wish.GO_ON, started.journal) # or STOP, PAUSE; from any process; ``Run(run_id).stop()`` is the same
    if seen.over: results = bulkstart.Run(started.run_id, portal=portal, journal=started.journal).results
    if seen.over and seen.started_at is None: said_of(started.run_id, started.journal)   # why nothing was sent: the ``--json`` object

Another panel attaches with the run id (and journal) alone. ``seen.alive`` stays true a moment behind the end: the process writes the
results file (``seen.results``) and settles doubts. Credentials go through the child's environment, never into arguments or files.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from bulkstart.arguments import words_of
from bulkstart.cli_run import FRAME
from bulkstart.errors import BulkstartError, UsageError
from bulkstart.journal import Journal, new_run_id
from bulkstart.launched import RUN_ID
from bulkstart.meeting import journal_file
from bulkstart.options import CallOptions, Options
from bulkstart.portal import SANDBOX, Portal
from bulkstart.standing import State, Told

if TYPE_CHECKING:
    import pandas as pd

CREDENTIALS = tuple(
    f"BULKSTART_{name}"
    for name in (
        *("API_KEY", "SESSION_TOKEN", "BASE_URL", "WEBHOOK_URL", "PORTAL_URL", "ACCESS_TOKEN", "REFRESH_TOKEN"),
        *("CLIENT_ID", "CLIENT_SECRET", "OAUTH_URL"),
    )
)
_SAID, _ERRORS = "said.json", "errors.log"


@dataclass(frozen=True, slots=True)
class Detached:
    """A process that was launched. ``folder``: private, holds what it says (``said.json``) and its notes (``errors.log``)."""

    run_id: str
    pid: int
    journal: Path
    folder: Path

    @property
    def notes(self) -> str:
        """What it has told a person so far."""
        return _text(self.folder / _ERRORS)


def launch(
    sheet: str | os.PathLike[str] | pd.DataFrame,
    *,
    portal: Portal | None = None,
    reading: Mapping[str, Any] | None = None,
    **options: Unpack[CallOptions],
) -> Detached:
    """Start a sheet in a process of its own and return at once; its rows are confirmed by this very call.

    ``options``: those of ``start``; ``pilot=True`` waits behind the first rows until the journal says "go on". ``reading``: how a file
    is read (``tab``, ``header_row``, ``encoding``, ``delimiter``, ``visible_only``). A frame is started as it is, and its results go to ``output``.
    Raises ``UsageError`` and its kin before anything is launched.
    """
    chosen = None if options.get("sandbox") else portal or Portal.from_env(options.get("dialect"))
    journal = journal_file(chosen, Options(journal=options.get("journal"))).absolute()
    run_id = new_run_id()
    folder = _folder(journal, run_id)
    if isinstance(sheet, str | os.PathLike):
        if not Path(sheet).is_file():
            raise UsageError(f"there is no sheet {os.fspath(sheet)}")
        path = Path(sheet).absolute()
    else:
        path = _kept(sheet, folder / FRAME)
        options.setdefault("output", f"bulkstart-{run_id}.results.csv")
    given: dict[str, Any] = {**options, **(reading or {}), "journal": journal, "yes": True, "json": True}
    return _spawned(run_id, ["start", *words_of("start", given), "--", str(path)], chosen, journal, folder)


def launch_past(command: str, run_id: str, *, portal: Portal | None = None, **options: Unpack[CallOptions]) -> Detached:
    """The same for a past run: ``command`` is ``"resume"`` or ``"reconcile"``. Raises ``UsageError`` and its kin."""
    if command not in ("resume", "reconcile"):
        raise UsageError(f"a past run is gone on with by resume or reconcile, not by {command!r}")
    chosen = portal or Portal.from_env(options.get("dialect"))
    journal = journal_file(chosen, Options(journal=options.get("journal"))).absolute()
    given: dict[str, Any] = {**options, "journal": journal, "json": True} | ({"yes": True} if command == "resume" else {})
    return _spawned(run_id, [command, *words_of(command, given), "--", run_id], chosen, journal, _folder(journal, run_id))


def said_of(run_id: str, journal: str | os.PathLike[str]) -> dict[str, Any] | None:
    """What a launched process said when it ended: the object of ``--json``; ``None`` before its end, and for runs that were not launched."""
    text = _text(_place(Path(journal), run_id) / _SAID)
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


# ------------------------------------------------------------------------------------------------- the process


def _spawned(run_id: str, words: Sequence[str], portal: Portal | None, journal: Path, folder: Path) -> Detached:
    with contextlib.closing(Journal(journal)) as opened:
        opened.begin(run_id, Told(State.PREPARING))
    try:
        with _new(folder / _SAID) as said, _new(folder / _ERRORS) as errors:
            process = subprocess.Popen(  # noqa: S603  this very program
                [sys.executable, "-P", "-m", "bulkstart", *words],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=errors,
                env=_environment(run_id, portal, journal),
                **_apart(),
            )
    except OSError as error:
        _ended(journal, run_id, 1)
        raise UsageError(f"no process could be started ({error}): start the sheet in this one with bulkstart.start") from error
    threading.Thread(target=_reap, args=(process, journal, run_id), name="bulkstart-reaper", daemon=True).start()
    return Detached(run_id, process.pid, journal, folder)


def _apart() -> dict[str, Any]:
    """A session of its own: neither a closed terminal nor the end of the kernel's process group reaches it."""
    if sys.platform == "win32":  # pragma: no cover  (the same promise by the other system's flags)
        return {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _reap(process: subprocess.Popen[bytes], journal: Path, run_id: str) -> None:
    """Wait for the process, so that no zombie stays; one that ended before it could say so is told of."""
    code = process.wait()
    with contextlib.suppress(BulkstartError), contextlib.closing(Journal(journal)) as opened:
        told = opened.glance(run_id).told
        if told is not None and told.state is State.PREPARING and not told.pid:
            opened.tell(run_id, Told(State.ENDED, exit_code=code))


def _ended(journal: Path, run_id: str, code: int) -> None:
    with contextlib.suppress(BulkstartError), contextlib.closing(Journal(journal)) as opened:
        opened.tell(run_id, Told(State.ENDED, exit_code=code))


def _environment(run_id: str, portal: Portal | None, journal: Path) -> dict[str, str]:
    """The child's environment: this one's, with the portal's credentials alone. A blank setting covers one that ``.env`` has."""
    found = {name: value for name, value in os.environ.items() if name not in CREDENTIALS}
    if portal is not None:
        found |= dict.fromkeys(CREDENTIALS, "") | credentials_of(portal)
        found |= {SANDBOX: "1"} if portal.is_sandbox else {}
    package = Path(__file__).resolve().parents[1]
    if str(package) not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        found["PYTHONPATH"] = os.pathsep.join(filter(None, (str(package), found.get("PYTHONPATH"))))
    return found | {RUN_ID: run_id, "BULKSTART_JOURNAL": str(journal), "PYTHONIOENCODING": "utf-8"}


def credentials_of(portal: Portal) -> dict[str, str]:
    """The settings that ``Portal.from_env`` makes this portal of. They are secrets."""
    if portal.webhook is not None:
        return {"BULKSTART_WEBHOOK_URL": portal.webhook.reveal() + "/"}
    if portal.login is not None:
        login = portal.login
        found = {"BULKSTART_PORTAL_URL": login.portal_url, "BULKSTART_ACCESS_TOKEN": login.tokens.access.reveal()}
        if login.tokens.refresh:
            found["BULKSTART_REFRESH_TOKEN"] = login.tokens.refresh.reveal()
        if login.client:
            found["BULKSTART_CLIENT_ID"] = login.client.client_id
            found["BULKSTART_CLIENT_SECRET"] = login.client.client_secret.reveal()
            found["BULKSTART_OAUTH_URL"] = login.client.address
        return found
    found = {"BULKSTART_API_KEY": portal.credential.reveal(), "BULKSTART_BASE_URL": portal.base_url}
    if session := portal.headers.get("Authorization"):
        found["BULKSTART_SESSION_TOKEN"] = session.reveal().removeprefix("Bearer ")
    return found


# -------------------------------------------------------------------------------------------------- its folder


def _place(journal: Path, run_id: str) -> Path:
    return journal.with_name(journal.name + "-launched") / run_id


def _folder(journal: Path, run_id: str) -> Path:
    """The private folder of a launched run, made."""
    folder = _place(journal, run_id)
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise UsageError(f"the folder {folder} cannot be made ({error.strerror}): name another journal") from error
    return folder


def _new(path: Path) -> Any:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _kept(frame: pd.DataFrame, path: Path) -> Path:
    """The frame on disk, to the last cell as it is; only its owner reads it, and the process removes it when it has read it."""
    try:
        with _new(path) as file:
            frame.to_pickle(file)
    except (OSError, TypeError, AttributeError, ValueError) as error:
        raise UsageError(f"the frame cannot be handed to another process ({error}): write it to a file and start that") from error
    return path
