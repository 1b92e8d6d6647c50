"""The journal's file: made once, kept as it is, and every kind of trouble comes with what to do."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from bulkstart.errors import JournalError
from bulkstart.journal_tables import VERSION, open_database, told, trouble


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (sqlite3.OperationalError("database is locked"), "end that program"),
        (sqlite3.OperationalError("database table is busy"), "end that program"),
        (sqlite3.DatabaseError("database disk image is malformed"), "restore it from a copy"),
        (sqlite3.DatabaseError("file is not a database"), "restore it from a copy"),
        (sqlite3.OperationalError("no such table: starts"), "restore it from a copy"),
        (sqlite3.OperationalError("no such column: doubted"), "restore it from a copy"),
        (sqlite3.OperationalError("database or disk is full"), "make room"),
        (sqlite3.OperationalError("unable to open database file"), "--journal or BULKSTART_JOURNAL"),
        (PermissionError(13, "Permission denied"), "--journal or BULKSTART_JOURNAL"),
    ],
    ids=str,
)
def test_each_kind_of_trouble_names_the_file_the_cause_and_what_to_do(tmp_path, error, advice):
    found = trouble(tmp_path / "journal.sqlite", error)
    assert advice in str(found)
    assert str(tmp_path / "journal.sqlite") in str(found)
    assert str(error) in str(found)
    assert found.exit_code == 2


@pytest.mark.parametrize("error", [sqlite3.IntegrityError("x"), OSError("x")])
def test_what_the_file_raises_is_a_trouble_of_the_journal_and_its_cause_is_kept(tmp_path, error):
    with pytest.raises(JournalError) as caught, told(tmp_path):
        raise error
    assert caught.value.__cause__ is error


def test_a_fault_of_ours_is_no_trouble_of_the_journal(tmp_path):
    with pytest.raises(KeyError), told(tmp_path):
        raise KeyError("ours")


def test_a_journal_is_made_with_its_folders_and_opened_again_as_it_is(tmp_path):
    path = tmp_path / "a" / "b" / "journal.sqlite"
    with closing(open_database(path)) as db:
        salt = db.execute("SELECT value FROM meta WHERE name='salt'").fetchone()
        db.execute("INSERT INTO portals VALUES ('base', 'credential', 'acme')")
    with closing(open_database(path)) as db:
        assert db.execute("SELECT value FROM meta WHERE name='salt'").fetchall() == [salt]
        assert db.execute("SELECT identity FROM portals").fetchall() == [("acme",)]
        assert db.execute("PRAGMA user_version").fetchone() == (VERSION,)


def test_an_empty_file_becomes_a_journal(tmp_path):
    path = tmp_path / "journal.sqlite"
    path.touch()
    with closing(open_database(path)) as db:
        assert db.execute("SELECT COUNT(*) FROM starts").fetchone() == (0,)


def test_a_file_in_the_place_of_the_folder_is_said(tmp_path):
    (tmp_path / "folder").write_text("not a folder", encoding="utf-8")
    with pytest.raises(JournalError, match="choose another file"):
        open_database(tmp_path / "folder" / "journal.sqlite")
    assert (tmp_path / "folder").read_text(encoding="utf-8") == "not a folder"


def test_a_new_journal_is_made_once_however_many_open_it_at_once(tmp_path):
    gate, salts = threading.Barrier(4), []

    def opened(path):
        gate.wait()
        db = open_database(path)
        salts.append(db.execute("SELECT value FROM meta WHERE name='salt'").fetchall())
        db.close()

    for number in range(40):
        path = tmp_path / f"{number}.sqlite"
        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(opened, path) for _ in range(4)]:
                done.result()
        assert len(salts) == 4
        assert len({str(salt) for salt in salts}) == 1
        salts.clear()
