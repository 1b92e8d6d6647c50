"""Files become frames that know where they belong: ``read_sheet``, and the hidden tab of ``bulkstart new`` beside it."""

from __future__ import annotations

import functools
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

from bulkstart.collector import resting
from bulkstart.errors import SheetError
from bulkstart.origin import FIRST_TAB, LEGEND_TAB, TAB, Origin, read_origin
from bulkstart.sheet_read import read_sheet as read_plain
from bulkstart.sheet_tabs import clear_errors

if TYPE_CHECKING:
    import pandas as pd

P = ParamSpec("P")
_LISTING = "xl/workbook.xml"
_MOST = 1 << 20  # bytes of a listing of tabs that are looked at


def _placed(read: Callable[P, pd.DataFrame]) -> Callable[P, pd.DataFrame]:
    """A reader whose frames also tell in ``attrs["origin"]`` where their sheet belongs; its options stay what they are."""

    @functools.wraps(read)
    @resting()
    def placed(*words: P.args, **how: P.kwargs) -> pd.DataFrame:
        path = Path(str(words[0] if words else how["path"]))
        origin = origin_in(path)
        frame = _rows_of(path, how) if origin and how.get("tab") is None else read(*words, **how)
        if origin is not None:
            frame.attrs["origin"] = origin
        return frame

    return placed


def _rows_of(path: Path, how: Mapping[str, Any]) -> pd.DataFrame:
    """The rows of a sheet that ``bulkstart new`` made, also where its tab was renamed; never its legend."""
    how = {name: value for name, value in how.items() if name not in ("path", "tab")}
    with suppress(SheetError):
        return read_plain(path, tab=FIRST_TAB, **how)
    with suppress(SheetError):
        frame = read_plain(path, **how)
        if frame.attrs["sheet"].tab != LEGEND_TAB:
            return frame
    raise SheetError(
        f"{path} has no data rows: nothing stands below its header; fill in one row for each start, or name another tab with --tab"
    )


def origin_in(path: Path) -> Origin | None:
    """Where a workbook that was read belongs; ``None`` for one that ``bulkstart new`` did not make."""
    try:
        with clear_errors(path), zipfile.ZipFile(path) as package, package.open(_LISTING) as listing:
            named = f'name="{TAB}"'.encode() in listing.read(_MOST)
    except (SheetError, OSError):  # no such workbook: whoever reads it will say so
        return None
    if not named:
        return None
    try:
        frame = read_plain(path, tab=TAB, header_row=1)
    except SheetError:  # a tab of that name which is not ours
        return None
    if frame.shape[1] < 2:  # noqa: PLR2004  names and values
        return None
    return read_origin({str(name): str(value or "") for name, value in zip(frame.iloc[:, 0], frame.iloc[:, 1], strict=True)})


read_sheet = _placed(read_plain)
