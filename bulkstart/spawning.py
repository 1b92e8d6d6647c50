"""This program in a process of its own: its session, its environment with the credentials, and files only its user can read."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from bulkstart.errors import UsageError
from bulkstart.portal import SANDBOX, Portal

CREDENTIALS = tuple(
    f"BULKSTART_{name}"
    for name in (
        *("API_KEY", "SESSION_TOKEN", "BASE_URL", "WEBHOOK_URL", "PORTAL_URL", "ACCESS_TOKEN", "REFRESH_TOKEN"),
        *("CLIENT_ID", "CLIENT_SECRET", "OAUTH_URL"),
    )
)
"""The settings that make a portal (interface.md 3)."""


def spawn(words: Sequence[str], settings: Mapping[str, str], said: Path, errors: Path, ended: Callable[[int], None]) -> int:
    """Run ``python -m bulkstart WORDS`` apart from this process; its process id. Raises ``UsageError`` where the system starts none.

    It outlives this process, whatever ends it, and its terminal; what it says goes to the files. ``settings`` are added to this process's
    environment in place of its credentials. ``ended`` hears its exit code, as long as this process lives; no zombie stays.
    """
    try:
        with fresh(said) as out, fresh(errors) as err:
            process = subprocess.Popen(  # noqa: S603  this very program
                [sys.executable, "-P", "-m", "bulkstart", *words],  # -P: no file of the working directory is taken for a module
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=_environment() | dict(settings),
                **_apart(),
            )
    except OSError as error:
        raise UsageError(f"no process could be started ({error}): start the sheet in this one, with bulkstart.start") from error
    threading.Thread(target=lambda: ended(process.wait()), name="bulkstart-reaper", daemon=True).start()
    return process.pid


def _apart() -> dict[str, Any]:
    """A session of its own: neither a closed terminal nor the end of the kernel's process group reaches it."""
    if sys.platform == "win32":  # pragma: no cover  (the same promise by the other system's flags)
        return {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _environment() -> dict[str, str]:
    """This process's environment without its credentials, and where this very package is found."""
    found = {name: value for name, value in os.environ.items() if name not in CREDENTIALS}
    package = Path(__file__).resolve().parents[1]
    if str(package) not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        found["PYTHONPATH"] = os.pathsep.join(filter(None, (str(package), found.get("PYTHONPATH"))))
    return found | {"PYTHONIOENCODING": "utf-8"}


def credentials_of(portal: Portal) -> dict[str, str]:
    """The settings that ``Portal.from_env`` makes this portal of, secrets among them; those that it has not are blank, which covers ``.env``."""
    found = dict.fromkeys(CREDENTIALS, "") | {SANDBOX: "1" if portal.is_sandbox else ""}
    if portal.webhook is not None:
        return found | {"BULKSTART_WEBHOOK_URL": portal.webhook.reveal() + "/"}
    if portal.login is not None:
        login, client = portal.login, portal.login.client
        found |= {"BULKSTART_PORTAL_URL": login.portal_url, "BULKSTART_ACCESS_TOKEN": login.tokens.access.reveal()}
        found["BULKSTART_REFRESH_TOKEN"] = login.tokens.refresh.reveal() if login.tokens.refresh else ""
        if client is None:
            return found
        found |= {"BULKSTART_CLIENT_ID": client.client_id, "BULKSTART_CLIENT_SECRET": client.client_secret.reveal()}
        return found | {"BULKSTART_OAUTH_URL": client.address}
    session = portal.headers.get("Authorization")
    found |= {"BULKSTART_API_KEY": portal.credential.reveal(), "BULKSTART_BASE_URL": portal.base_url}
    return found | {"BULKSTART_SESSION_TOKEN": session.reveal().removeprefix("Bearer ") if session else ""}


def private(folder: Path, *, new: bool = False) -> Path:
    """A folder that only its owner enters, made where it is not there.

    ``new``: raises ``FileExistsError`` where it is. Raises ``UsageError`` where there can be none.
    """
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=not new)
    except OSError as error:
        if new and folder.is_dir():
            raise
        raise UsageError(f"the folder {folder} cannot be made ({error.strerror}): name another journal") from error
    return folder


def fresh(path: Path) -> IO[bytes]:
    """An empty file that only its owner reads, opened."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def text_of(path: Path) -> str:
    """What a process has said so far; nothing where it has not begun."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
