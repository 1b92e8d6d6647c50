"""Which request a fault rule chooses."""

import pytest

ODD = {"kind": "status", "status": 599}


def statuses(talk, entities, **more):
    return [talk.start(entity, **more).status for entity in entities]


def test_the_nth_and_a_list_of_nth(open_portal):
    talk = open_portal({"faults": [{"nth": 2, "answer": ODD}, {"nth": [4, 5], "answer": ODD}]})
    assert statuses(talk, range(1, 7)) == [201, 599, 201, 599, 599, 201]


def test_every_nth(open_portal):
    assert statuses(open_portal({"faults": [{"every": 3, "answer": ODD}]}), range(1, 8)) == [201, 201, 599, 201, 201, 599, 201]


def test_sets_of_entities_types_and_templates(open_portal):
    faults = [{"entities": [3, [5, 6]], "entityType": "deal", "answer": ODD}, {"templateId": 714, "answer": ODD}]
    talk = open_portal({"faults": faults})
    assert statuses(talk, range(1, 8)) == [201, 201, 599, 201, 599, 599, 201]
    assert statuses(talk, [3], kind="lead", template=714) == [599]
    assert statuses(talk, [3], kind="lead") == [422]


def test_selectors_combine_and_the_first_matching_rule_decides(open_portal):
    faults = [{"every": 2, "entities": [[3, 9]], "answer": ODD}, {"every": 2, "answer": "html_502"}]
    assert statuses(open_portal({"faults": faults}), range(1, 7)) == [201, 502, 201, 599, 201, 599]


def test_a_limit_counts_how_often_a_rule_acted(open_portal):
    assert statuses(open_portal({"faults": [{"limit": 2, "answer": ODD}]}), range(1, 5)) == [599, 599, 201, 201]


def test_probability_is_seeded_and_about_right(open_portal):
    def drawn(seed):
        return statuses(open_portal({"seed": seed, "faults": [{"probability": 0.25, "answer": ODD}]}), range(1, 201))

    first = drawn(5)
    assert first == drawn(5) != drawn(6)
    assert 30 <= first.count(599) <= 70


def test_a_time_window_counts_from_the_first_start(open_portal, until):
    talk = open_portal({"faults": [{"between": [0.15, None], "answer": ODD}]})
    talk.ask("GET", "/me")
    assert talk.start(1).status == 201
    until(lambda: talk.start(2).status == 599)
    arrivals = [line["mono"] for line in talk.lines("arrival", "start")]
    seen = [line["status"] for line in talk.lines("answer", "start")]
    assert seen == [599 if moment - arrivals[0] >= 0.15 else 201 for moment in arrivals]


def test_any_counts_all_endpoints_together(open_portal):
    talk = open_portal({"faults": [{"on": "any", "nth": 3, "answer": ODD}]})
    assert [talk.ask("GET", "/me").status, talk.start(1).status, talk.ask("GET", "/workflows").status] == [200, 201, 599]


def test_refused_requests_are_not_numbered(open_portal, until):
    limits = {"portal": {"rate": 0.001, "burst": 3, "changes": [{"at": 0.05, "rate": 1000}]}}
    talk = open_portal({"limits": limits, "faults": [{"nth": 4, "answer": ODD}]})
    assert statuses(talk, range(1, 6)) == [201, 201, 201, 429, 429]
    assert talk.start(6, headers={}).code == "MISSING_API_KEY"
    assert until(lambda: [status for status in statuses(talk, [7]) if status != 429]) == [599]
    assert statuses(talk, [8]) == [201]


def test_committed_true_runs_what_the_portal_would_have_refused(open_portal):
    talk = open_portal({"documents": {"missing": {"any": [7]}}, "faults": [{"nth": 2, "committed": True, "answer": "normal"}]})
    assert statuses(talk, [7, 7, 7]) == [422, 201, 422]
    assert talk.committed() == [7]


def test_committed_true_does_not_mend_a_malformed_start(open_portal):
    talk = open_portal({"faults": [{"committed": True, "answer": "normal"}]})
    assert talk.start("7").code == "MISSING_PARAMS"
    assert talk.sandbox.commits() == []


def test_as_it_would_lets_the_portal_decide(open_portal):
    talk = open_portal({"documents": {"missing": {"any": [7]}}, "faults": [{"answer": "close"}]})
    for entity in (7, 8):
        with pytest.raises(OSError, match="without response"):
            talk.start(entity)
    assert talk.committed() == [8]


def test_the_ledger_names_the_rule_that_acted(open_portal):
    talk = open_portal({"faults": [{"nth": 9, "answer": "close"}, {"nth": 2, "answer": "normal"}]})
    statuses(talk, [1, 2])
    assert [line["rule"] for line in talk.lines("commit")] == [None, 1]
    assert [line["rule"] for line in talk.lines("answer")] == [None, 1]
