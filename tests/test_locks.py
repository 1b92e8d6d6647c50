"""A run's lock lives exactly as long as its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

import bulkstart
from bulkstart.locks import RunIsLiveError, RunLock, is_alive

HOLD = """
import sys
from pathlib import Path
from bulkstart.locks import RunIsLiveError, RunLock
lock = RunLock(Path(sys.argv[1]), "run-1")
print("held", flush=True)
sys.stdin.read()
"""


def holder(journal):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(journal)],
        cwd=Path(bulkstart.__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_a_lock_is_held_once_and_free_after_its_release(tmp_path):
    journal = tmp_path / "journal.sqlite"
    assert not is_alive(journal, "run-1")
    lock = RunLock(journal, "run-1")
    assert is_alive(journal, "run-1")
    assert not is_alive(journal, "run-2")
    with pytest.raises(RunIsLiveError):
        RunLock(journal, "run-1")
    lock.release()
    lock.release()
    assert not is_alive(journal, "run-1")
    RunLock(journal, "run-1").release()


def test_asking_whether_a_run_lives_neither_takes_nor_frees_its_lock(tmp_path):
    journal = tmp_path / "journal.sqlite"
    lock = RunLock(journal, "run-1")
    assert [is_alive(journal, "run-1") for _ in range(3)] == [True] * 3
    lock.release()


@pytest.mark.parametrize("end", [lambda process: os.kill(process.pid, signal.SIGKILL), lambda process: process.stdin.close()])
def test_a_lock_of_another_process_is_free_however_that_process_ends(tmp_path, end):
    journal = tmp_path / "journal.sqlite"
    with holder(journal) as process:
        assert is_alive(journal, "run-1")
        end(process)
        process.wait()
    assert not is_alive(journal, "run-1")


def test_a_lock_file_that_cannot_be_asked_counts_as_a_living_owner(tmp_path):
    journal = tmp_path / "journal.sqlite"
    (tmp_path / "journal.sqlite-runs" / "run-1").mkdir(parents=True)
    assert is_alive(journal, "run-1")


def test_a_child_process_does_not_inherit_the_lock(tmp_path):
    journal = tmp_path / "journal.sqlite"
    lock = RunLock(journal, "run-1")
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, close_fds=False)
    with closing(child.stdin):
        lock.release()
        assert not is_alive(journal, "run-1")
    child.wait()


def test_whoever_only_looks_at_a_run_never_keeps_its_owner_from_it(tmp_path):
    """A watcher looks without a pause, while a run takes and frees its lock again and again."""
    journal, done = tmp_path / "journal.sqlite", threading.Event()

    def watching() -> None:
        while not done.is_set():
            is_alive(journal, "r1")

    watchers = [threading.Thread(target=watching) for _ in range(2)]
    for watcher in watchers:
        watcher.start()
    try:
        for _ in range(300):
            lock = RunLock(journal, "r1")
            assert is_alive(journal, "r1")
            lock.release()
    finally:
        done.set()
        for watcher in watchers:
            watcher.join()
