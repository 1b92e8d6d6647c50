"""The store on a real disk: who may use it, what it survives, and that it never takes a file that is not its own."""

from __future__ import annotations

import json
import os
import platform
import signal
import stat
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bulkstart.budget import ELSEWHERE, MAGIC, Budget, BudgetError, has_ended, new_name, this_machine
from bulkstart.locks import try_lock
from bulkstart.slots import Slots, Word, owed, reserve
from tests.conftest import ROOT, until

PORTAL = "acme.bitrix24.ru"
TEN = Word(10.0, 5.0, firm=True)
VISITS = """
import sys
from pathlib import Path
from bulkstart.budget import Budget
from bulkstart.slots import owed
store = Budget(Path(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    store.visit("acme.bitrix24.ru", lambda slots, now: (owed(slots, 1, now), None))
"""
HOLDS = """
import signal, sys
from pathlib import Path
from bulkstart.budget import Budget
def keep(slots, now):
    print("in", flush=True)
    signal.pause()
Budget(Path(sys.argv[1])).visit("acme.bitrix24.ru", keep)
"""


def one_more(store, portal=PORTAL):
    return store.visit(portal, lambda slots, now: (owed(slots, 1, now), slots.count + 1))


def asking(store, who, word=TEN):
    return store.visit(PORTAL, lambda slots, now: reserve(slots, who, word, now))


def child(code, *words, **more):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)], env=os.environ | {"PYTHONPATH": str(ROOT)}, text=True, **more
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "shared" / "budget"


@contextmanager
def kept_locked(path):
    with path.open("r+b") as file:
        assert try_lock(file.fileno())
        yield


def test_what_one_process_writes_another_reads(path):
    assert one_more(Budget(path)) == 1
    assert one_more(Budget(path)) == 2
    assert one_more(Budget(path), "other.bitrix24.ru") == 1


def test_no_visit_of_any_process_is_lost(path):
    visitors = [child(VISITS, path, 200) for _ in range(3)]
    assert [visitor.wait(60) for visitor in visitors] == [0, 0, 0]
    assert one_more(Budget(path)) == 601


def test_every_user_of_the_machine_may_write_the_file_whatever_the_umask(path):
    before = os.umask(0o077)
    try:
        one_more(Budget(path))
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666


def test_the_file_names_no_portal(path):
    one_more(Budget(path))
    assert b"acme" not in path.read_bytes()


def test_a_symbolic_link_is_not_followed(path, tmp_path):
    path.parent.mkdir()
    (tmp_path / "aim").touch()
    path.symlink_to(tmp_path / "aim")
    with pytest.raises(BudgetError, match="symbolic link"):
        one_more(Budget(path))
    assert (tmp_path / "aim").read_bytes() == b""


def test_a_second_name_of_another_file_is_not_written(path, tmp_path):
    path.parent.mkdir()
    (tmp_path / "aim").touch()
    os.link(tmp_path / "aim", path)
    with pytest.raises(BudgetError, match="plain file"):
        one_more(Budget(path))


def test_a_pipe_is_no_store_and_holds_nobody_up(path):
    path.parent.mkdir()
    os.mkfifo(path)
    with pytest.raises(BudgetError, match="plain file"):
        one_more(Budget(path))


@pytest.mark.parametrize("content", [b"entityId\n1\n", b"SQLite format 3\0", b"\0" * 400, b"{}"])
def test_somebody_elses_file_is_left_as_it_is(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(BudgetError, match="another program's file"):
        one_more(Budget(path))
    assert path.read_bytes() == content


@pytest.mark.parametrize("where", ["file/budget", "folder"])
def test_where_no_file_can_be_the_reason_is_told(tmp_path, where):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(BudgetError, match="directory"):
        one_more(Budget(tmp_path / where))


@pytest.mark.parametrize("torn", [MAGIC, MAGIC + "}\n", MAGIC + ', "machine": "x", "wall": "y"}\n', MAGIC + "[" * 90000])
def test_a_file_that_a_crash_tore_begins_anew(path, torn):
    path.parent.mkdir()
    path.write_text(torn)
    assert one_more(Budget(path)) == 1


def test_a_file_that_vanished_begins_anew(path):
    store = Budget(path)
    one_more(store)
    path.unlink()
    assert one_more(store) == 1


def test_a_shorter_state_leaves_nothing_of_a_longer_one(path):
    for _ in range(2):
        for name in ("long" * 30, ""):
            Budget(path).visit(PORTAL, lambda _, now, name=name: reserve(Slots(), name, TEN, now))
            json.loads(path.read_text())


def test_a_file_that_another_process_keeps_locked_is_given_up_after_a_second(path):
    store = Budget(path)
    one_more(store)
    with kept_locked(path):
        began = time.monotonic()
        with pytest.raises(BudgetError, match="locked"):
            one_more(store)
        assert 0.9 < time.monotonic() - began < 3
    assert one_more(store) == 2


def test_a_process_that_is_killed_in_a_visit_keeps_nothing(path):
    with child(HOLDS, path, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == "in\n"
        holder.send_signal(signal.SIGKILL)
        holder.wait(10)
        assert one_more(Budget(path)) == 1


def test_the_word_of_a_process_that_ended_counts_no_more(path):
    store, slow = Budget(path), Word(0.1, 1.0, firm=True)
    with child("input()", stdin=subprocess.PIPE) as other:
        name = f"{other.pid}-" + new_name().split("-", 1)[1]
        asking(store, name, slow)
        assert asking(store, new_name()).rate == 0.1
        other.kill()
        other.wait(10)
        assert asking(store, new_name()).rate == 10.0


def test_a_name_of_other_containers_or_of_another_kind_is_believed_to_live():
    number, space, rest = new_name().split("-")
    assert not has_ended(new_name())
    for name in (f"999999999-{int(space) + 1}-{rest}", "", "x", f"x-{space}-{rest}", "99999999", f"1-{space}-{rest}"):
        assert not has_ended(name)
    assert has_ended(f"{'9' * 40}-{space}-{rest}")
    assert number == str(os.getpid())


def rewritten(path, **more):
    found = json.loads(path.read_text())
    path.write_text(json.dumps(found | more) + "\n")


def test_two_machines_share_no_clock_and_so_no_store(path):
    store = Budget(path)
    one_more(store)
    rewritten(path, machine="another")
    before = path.read_bytes()
    with pytest.raises(BudgetError, match="another machine"):
        one_more(store)
    assert path.read_bytes() == before


def test_what_stood_before_the_machine_was_switched_on_is_forgotten(path):
    store = Budget(path)
    one_more(store)
    rewritten(path, machine="this one, before", wall=time.time() - 2 * ELSEWHERE)
    assert one_more(store) == 1
    rewritten(path, seen=time.monotonic() + 1000)
    assert one_more(store) == 1


def test_a_machine_that_has_no_number_for_its_boots_is_known_by_its_name():
    assert this_machine(Path("no-such-file")) == platform.node()
    assert this_machine() == this_machine() != ""


def test_portals_that_nobody_uses_any_more_are_dropped(path):
    store = Budget(path)
    store.visit("old.bitrix24.ru", lambda slots, now: reserve(slots, "a", TEN, now - 10000))
    one_more(store)
    assert len(json.loads(path.read_text())["portals"]) == 1


def test_visits_of_many_threads_wait_for_each_other(path):
    store = Budget(path)
    threads = [threading.Thread(target=lambda: [one_more(store) for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    until(lambda: not any(thread.is_alive() for thread in threads))
    assert one_more(store) == 201


def test_a_visit_leaves_nothing_open(path):
    store = Budget(path)
    one_more(store)
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(5):
        one_more(store)
    path.write_text("no store")
    for _ in range(5):
        with pytest.raises(BudgetError):
            one_more(store)
    path.unlink()
    path.mkdir()
    with closing(os.scandir(path)), pytest.raises(BudgetError):
        one_more(store)
    assert len(list(Path("/dev/fd").iterdir())) == before
