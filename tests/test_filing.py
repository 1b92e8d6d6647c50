"""Where results go, and what of an existing file is known elsewhere."""

from __future__ import annotations

import bulkstart
from bulkstart.conduct import conduct
from bulkstart.filing import known_elsewhere, put_out, remember_results
from bulkstart.job import Job
from bulkstart.options import Options
from tests.conftest import FAST, PLAIN, deals
from tests.past import asked_of


def test_what_a_results_file_says_is_known_only_where_the_journal_has_all_of_it():
    options = Options(template=713, canary=0, **FAST)
    with bulkstart.sandbox({"templates": [PLAIN]}) as portal:
        finished = conduct(Job(deals(2), portal, options))
        known = known_elsewhere(finished, portal, options)
        assert known(finished.results)
        assert not known(finished.results.assign(workflowId=[finished.results["workflowId"][0], "w.strange"]))
        doubted = finished.results.assign(startStatus="in_doubt", workflowId="")
        assert known(doubted), "the journal holds both rows"
        assert not known(doubted.assign(entityId=[1, 77])), "a doubt of a row that it does not hold"


def test_without_a_journal_nothing_is_known_elsewhere():
    options = Options(template=713, dry_run=True, **FAST)
    with bulkstart.sandbox({"templates": [PLAIN]}) as portal:
        finished = conduct(Job(deals(2), portal, options))
        assert not known_elsewhere(finished, portal, options)(finished.results)


def test_the_file_that_output_names_is_written_and_kept_in_the_journal(tmp_path):
    options = Options(template=713, canary=0, **FAST)
    with bulkstart.sandbox({"templates": [PLAIN]}) as portal:
        finished = conduct(Job(deals(2), portal, options))
        put_out(finished, portal, options, {"output": tmp_path / "x.csv"})
        assert (tmp_path / "x.csv").exists()
        assert asked_of(portal.journal, "SELECT results FROM runs") == [(str(tmp_path / "x.csv"),)]


def test_without_output_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = Options(template=713, canary=0, **FAST)
    with bulkstart.sandbox({"templates": [PLAIN]}) as portal:
        put_out(conduct(Job(deals(1), portal, options)), portal, options, {})
        assert not list(tmp_path.glob("*.*"))


def test_a_journal_that_cannot_be_written_loses_nothing_by_it(tmp_path):
    options = Options(template=713, canary=0, **FAST)
    with bulkstart.sandbox({"templates": [PLAIN]}) as portal:
        finished = conduct(Job(deals(1), portal, options))
    (tmp_path / "journal.sqlite").mkdir()
    remember_results(finished, portal, Options(journal=tmp_path / "journal.sqlite"), tmp_path / "x.csv")
