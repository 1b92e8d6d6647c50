"""Settings: environment over ``.env`` in the working directory. No secret is ever a command-line option."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bulkstart.errors import UsageError

_QUOTED = re.compile(r"""^(["'])(.*?)\1\s*(?:#.*)?$""")
BUDGET_NAME = "bulkstart-budget.json"
DEFAULT_BASE_URL = "https://vibecode.bitrix24.tech/v1"


def read_env_file(text: str) -> dict[str, str]:
    """``NAME=value`` lines; ``#`` comments, ``export`` and one pair of quotes are understood; anything else is left out."""
    found: dict[str, str] = {}
    for line in text.lstrip("\ufeff").splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        name, value = name.strip(), value.strip()
        if not equals or name.startswith("#") or not name.isidentifier():
            continue
        quoted = _QUOTED.match(value)
        found[name] = quoted[2] if quoted else value.split(" #")[0].strip()
    return found


def settings(environ: Mapping[str, str] | None = None, folder: Path | None = None) -> dict[str, str]:
    """Every ``BULKSTART_…`` setting that is not blank. Raises ``UsageError`` where ``.env`` is there and cannot be read."""
    path = (folder or Path.cwd()) / ".env"
    try:
        from_file = read_env_file(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path.name} in the working directory cannot be read ({type(error).__name__}): save it as UTF-8 text"
        ) from None
    merged = from_file | dict(os.environ if environ is None else environ)
    return {name: value.strip() for name, value in merged.items() if name.startswith("BULKSTART_") and value.strip()}


def journal_path(chosen: str | os.PathLike[str] | None, found: Mapping[str, str]) -> Path:
    """The journal: the option, else ``BULKSTART_JOURNAL``, else ``bulkstart/journal.sqlite`` in the user's data directory."""
    if chosen or "BULKSTART_JOURNAL" in found:
        return Path(chosen or found["BULKSTART_JOURNAL"]).expanduser()
    from platformdirs import user_data_path  # noqa: PLC0415  lazy: only where nobody names a journal

    return user_data_path("bulkstart", appauthor=False) / "journal.sqlite"


def budget_path(found: Mapping[str, str]) -> Path:
    """The machine's shared budget: ``BULKSTART_BUDGET``, else one file that every user of the machine finds and may write."""
    if "BULKSTART_BUDGET" in found:
        return Path(os.path.realpath(Path(found["BULKSTART_BUDGET"]).expanduser()))
    shared = os.environ.get("PUBLIC") if os.name == "nt" else next(filter(os.path.isdir, ("/var/tmp", "/tmp")), None)  # noqa: S108  meant for all users; the file is opened with care
    return Path(shared or tempfile.gettempdir()) / BUDGET_NAME
