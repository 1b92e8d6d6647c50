"""A frame that one process hands to another (``detached``), to the last cell as it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bulkstart.errors import UsageError
from bulkstart.model import SheetSource
from bulkstart.spawning import fresh

if TYPE_CHECKING:
    import pandas as pd

FRAME = "frame.pickle"
"""Its name, in a folder that its user alone may enter."""


def handed_over(frame: pd.DataFrame, folder: Path) -> Path:
    """Keep the frame until the other process has read it. Raises ``UsageError``."""
    path = folder / FRAME
    try:
        with fresh(path) as file:
            frame.to_pickle(file)
    except (OSError, TypeError, AttributeError, ValueError) as error:
        path.unlink(missing_ok=True)
        raise UsageError(f"the frame cannot be handed to another process ({error}): write it to a file and start that") from error
    return path


def taken_over(path: Path) -> pd.DataFrame:
    """The frame that was handed to this process; its file is removed."""
    import pandas as pd  # noqa: PLC0415  lazy: --help loads no pandas

    frame = pd.read_pickle(path)  # noqa: S301  written by this program a moment ago, into a folder that its user alone may enter
    path.unlink()
    assert isinstance(frame, pd.DataFrame)
    return frame


def source_of(frame: pd.DataFrame) -> Path | None:
    """The file that a frame was read from."""
    source = frame.attrs.get("sheet")
    return Path(source.path) if isinstance(source, SheetSource) else None
