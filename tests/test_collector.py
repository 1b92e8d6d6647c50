from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from bulkstart.collector import resting


@pytest.fixture(autouse=True)
def _enabled() -> Iterator[None]:
    gc.enable()
    yield
    gc.enable()


def test_the_collector_rests_and_wakes_up_also_after_an_error() -> None:
    found = []

    @resting()
    def failing() -> None:
        found.append(gc.isenabled())
        raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert (found, gc.isenabled()) == ([False], True)


def test_who_held_it_back_before_is_left_in_charge() -> None:
    gc.disable()
    with resting():
        assert not gc.isenabled()
    assert not gc.isenabled()


def test_one_within_another_ends_with_the_outer_one() -> None:
    with resting():
        with resting():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_function_rests_each_time_it_is_called() -> None:
    rested = resting()(gc.isenabled)
    assert [rested(), rested(), gc.isenabled()] == [False, False, True]
