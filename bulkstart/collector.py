"""The collector of reference cycles rests while a sheet becomes values.

A million rows are many small values, no cycles, and all of them live on. Python's collector would look through them again and
again: with its usual thresholds that was two thirds of reading and checking a million rows of CSV.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def resting() -> Iterator[None]:
    """Hold the collector back, unless somebody else did so already; as a decorator, too."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
