"""What chance decides about chaos: sheets, scenarios and series of acts. The same seed and number draw the same schedule."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.conftest import MARK

ROWS, KILL_ROWS = 40, 300
LATER = 10
"""Rows behind the sheet's own that come into it later, if at all."""
FAST = {"rate": 500, "burst": 500}
Json = dict[str, Any]

PROVING = """MISSING_PARAMS VALIDATION_ERROR ENTITY_NOT_FOUND BITRIX_ERROR ERROR_ARGUMENT ERROR_WRONG_WORKFLOW_ID INVALID_API_KEY
    SCOPE_DENIED TOKEN_EXPIRED BITRIX_ACCESS_DENIED ACCESS_DENIED ROUTE_NOT_FOUND OVERLOAD_LIMIT ERROR_LOOP_DETECTED redirect_302
    BODY_TOO_LARGE""".split()
"""Answers that prove that nothing was started: a portal that says them does not lie."""
OF_A_REQUEST = ("redirect_302", "BODY_TOO_LARGE")
OPEN = """hang close reset_after_reading html_502 html_503 html_504 html_403 html_200 json_500 empty_200 empty_201 garbage bad_gzip
    INTERNAL_ERROR BITRIX_UNAVAILABLE QUEUE_TIMEOUT ERROR_CORE INTERNAL_SERVER_ERROR ERROR_UNEXPECTED_ANSWER truncated_json
    close_mid_body close_after_headers wrong_charset""".split()
"""Answers that prove nothing either way."""
GARBLED = frozenset({"wrong_charset", "slow_loris"})
"""Kinds whose line in the ledger says ``sent`` and 201 although the client may have no use for it."""
CARRYING = ["chunked", "gzip", "keepalive_close"]
CARRYING += [{"kind": kind, "seconds": seconds} for kind in ("delay", "slow_loris") for seconds in (0.1, 0.9)]
LESS = {"kind": "error", "code": "RATE_LIMITED", "retryAfter": 0.05, "retry_after_header": False}
SWITCHES: dict[str, list[Any]] = {
    "cut_rolls_back": [True],
    "disconnect_stops_run": [True],
    "disconnect_drops_queued": [True],
    "upstream_retry_every": [3, 7],
    "upstream_answer": ["html_502", "html_504", "reset"],
    "parameters_passed": ["strings", "dropped"],
    "template_paths": [["/v1/bizproc-templates"], ["/v1/entities/bizproc-templates"]],
    "template_listing": ["OAUTH_REQUIRED"],
    "template_fields": ["native"],
    "template_parameters_key": ["PARAMETERS", None],
    "template_ids": ["string"],
    "missing_entity": ["ENTITY_NOT_FOUND", "localised"],
    "b24_code_when_empty": ["absent"],
    "list_page": [7],
    "list_fields": ["camel"],
    "refused_count": [True],
    "id_before_run": [True],
    "listed_while_running": [False],
    "clock_skew_seconds": [3600, -3600, 7, -40],
    "started_form": ["utc", "naive"],
    "gzip": [True],
    "short_pages": [True],
    "list_denied": ["SCOPE_DENIED", "ACCESS_DENIED"],
    "date_header": [False],
    "modified_moves": [True],
}
"""What the documents leave open: each switch now and then on another value than its first."""
NATIVE_SWITCHES: dict[str, list[Any]] = {
    "statuses": ["newer", "older", "all_200"],
    "operating_in_time": ["omitted", "not_in_batches"],
    "batch_cut": ["goes_on"],
    "numeric_keys": ["object"],
    "cut_answer": ["html_502", "reset"],
    "unreadable_entity": ["Wrong DOCUMENT_ID!"],
    "template_document_type": ["triple"],
    "iso_started": [False],
}
PAIRS = """start+start start+resume resume+resume resume+reconcile release+start release+resume release+release reconcile+reconcile
    start+reconcile""".split()


@dataclass(frozen=True, slots=True)
class Schedule:
    """Everything that chance decides about one case; all of it is JSON. ``suffix``: of the sheet's file, ``""``: a frame without a file."""

    number: int
    scenario: Json
    rows: list[Json]
    options: Json
    acts: list[Json]
    suffix: str = ".csv"
    native: bool = False

    @property
    def garbled(self) -> frozenset[int]:
        """The fault rules whose answers the ledger calls sent although the client may not be able to read them."""
        answers = [rule["answer"] for rule in self.scenario.get("faults", ())]
        kinds = [answer if isinstance(answer, str) else answer["kind"] for answer in answers]
        return frozenset(index for index, kind in enumerate(kinds) if kind in GARBLED)


# ----------------------------------------------------------------------------------------------------- schedules


def draw(number: int, seed: int) -> Schedule:
    """The schedule of this number: 40 rows, a scenario, a start and one to four further acts."""
    chance = random.Random(f"{seed}:{number}")
    rows = _rows(chance)
    lanes = len({str(row["entityId"]) for row in rows}) < ROWS
    options = {**FAST, "timeout": 0.6, "deadline": 1.5, "skip_invalid": True}
    options |= {} if any(row["templateId"] != 713 for row in rows) else {"template": 713}
    options |= {"max_unknown": chance.choice([1, 3, 10, 10]), "canary": chance.choice([0, 0, 3])}
    options["per_document"] = chance.choice([0, 0, 0, 0, 0, 2] if lanes else [0, 1, 2, 2])
    if chance.random() < 0.75:
        options |= {"halt_doubts": chance.choice([0, 6]), "halt_same": chance.choice([0, 8]), "halt_percent": 0}
    acts = [{"do": "start", **_end(chance)}, *(_act(chance) for _ in range(chance.randint(1, 4)))]
    return Schedule(number, _scenario(chance, rows), rows, options, acts, ".csv" if chance.random() < 0.6 else "")


def draw_native(number: int, seed: int) -> Schedule:
    """The same schedule by the native dialect: rows share requests now and then, and batches have faults of their own."""
    schedule, chance = draw(number, seed), random.Random(f"native:{seed}:{number}")
    scenario = {name: value for name, value in schedule.scenario.items() if name not in ("keys", "error_loop")}
    scenario["native"] = {
        "webhooks": [{"user": 1, "code": "chaoscode0123456789"}],
        "switches": {name: chance.choice(values) for name, values in NATIVE_SWITCHES.items() if chance.random() < 0.15},
        "request_seconds": chance.choice([60, 60, 0.3]),
    }
    limits = {name: value for name, value in scenario["limits"].items() if name not in ("portal", "queue")}
    scenario["limits"] = limits | ({"native": {"rate": 200, "burst": 20}} if chance.random() < 0.15 else {})
    for _ in range(chance.choice([0, 0, 1, 2])):
        rule: Json = {
            "on": "batch",
            "nth": chance.randint(1, 6),
            "answer": chance.choice([*OPEN, "hang", "reset_before_reading"]),
        }
        if rule["answer"] != "reset_before_reading" and chance.random() < 0.7:
            rule["commands"] = chance.randint(0, 6)
        scenario["faults"] = [rule, *scenario["faults"]]
    for rule in scenario["faults"]:
        if rule["answer"] in OF_A_REQUEST:  # said of one start they would be said of its whole batch, which had started others
            rule["answer"] = "ERROR_ARGUMENT"
    if chance.random() < 0.3:
        scenario["faults"] = [*scenario["faults"], {"probability": 0.05, "committed": chance.random() < 0.5, "answer": "absent"}]
    options = schedule.options | {"batch": "off"}
    if (most := options["max_unknown"]) > 1 and chance.random() < 0.75:
        options["batch"] = chance.choice(["auto", most, most, max(2, most // 3)])
        options["rate"] = 500 if options["batch"] != "auto" else 20
    return dataclasses.replace(schedule, scenario=scenario, options=options, native=True)


def _rows(chance: random.Random) -> list[Json]:
    """One row for a deal, or several that differ in a parameter; some equal, some that cannot be read."""
    several, odd, typed, both = (chance.random() < share for share in (0.35, 0.2, 0.85, 0.2))
    rows: list[Json] = []
    for n in range(ROWS + LATER):
        row: Json = {"entityId": 1000 + (chance.randrange(ROWS // 3) if several and n < ROWS else n)}
        row |= {"templateId": chance.choice([713, 714]) if both else 713, **({"entityType": "deal"} if typed else {})}
        row["param:mark"] = f"m{n}" if several else chance.choice(["", "x"])
        if odd and n < ROWS and chance.random() < 0.1:
            row |= {"entityId": chance.choice(["", "abc", "1.5"])} if chance.random() < 0.5 else chance.choice(rows or [row])
        rows.append(row)
    return rows


def _scenario(chance: random.Random, rows: Sequence[Json]) -> Json:
    """A portal: its templates, faults, switches, limits, outages, and what else goes on there."""
    one = {"documentType": "deal", "parameters": MARK, "life_seconds": chance.choice([0, 0.3, 30, 30, None])}
    one["run_seconds"] = chance.choice([0, [0, 0.01], [0.01, 0.04]])
    fails = {"at_step": 1, "steps": 2, "message": "Mail server refused the letter", "probability": 0.05}
    scenario: Json = {
        "seed": chance.randrange(10**6),
        "templates": [{"id": 713, **one, **({"fails": fails} if chance.random() < 0.15 else {})}, {"id": 714, **one}],
        "faults": [_rule(chance) for _ in range(chance.choice([0, 1, 2, 3, 4, 6]))],
        "switches": {name: chance.choice(values) for name, values in SWITCHES.items() if chance.random() < 0.1},
        "limits": {"per_document": chance.choice([0, 2, 2, 2])},
    }
    _limits(chance, scenario)
    ids = sorted({row["entityId"] for row in rows if isinstance(row["entityId"], int)})
    if chance.random() < 0.3:
        scenario["documents"] = {"missing": {"deal": chance.sample(ids, 4)}}
    if chance.random() < 0.3:
        scenario["running"] = [{"templateId": 713, "entityType": "deal", "entityId": n} for n in chance.sample(ids, 3)]
        elsewhere = [{"at": 0.1, "templateId": 713, "entityType": "deal", "entityId": 5_000_000 + n} for n in range(3)]
        scenario["others"] = [*elsewhere, {"at": 0.1, "templateId": 999, "entityType": "deal", "entityId": ids[0]}]
    return scenario


def _limits(chance: random.Random, scenario: Json) -> None:
    """Outages, queues, limits on requests, keys that expire, templates that vanish: each now and then."""
    if chance.random() < 0.15:
        scenario["outages"] = [{"from": (at := round(chance.uniform(0, 0.3), 3)), "to": round(at + chance.uniform(0.05, 0.3), 3)}]
    if chance.random() < 0.2:
        scenario["limits"]["queue"] = {"parallel": 2, "seconds": 0.1, "timed_out": chance.choice(["run", "drop"])}
        scenario["templates"][0]["run_seconds"] = [0.02, 0.08]
    if chance.random() < 0.15:
        refusal = chance.choice(["RATE_LIMITED", "BITRIX_UNAVAILABLE"])
        told = {"retry_after": chance.choice([0.05, "exact"]), "retry_after_header": False}
        scenario["limits"]["portal"] = {"rate": 200, "burst": 20, "refusal": refusal, **told}
        scenario["me"] = {"requests_per_second": None}
    if chance.random() < 0.1:
        scenario["error_loop"] = {"warn_after": 2, "after": 4, "every": 3, "same": chance.choice(["request", "endpoint"])}
    if chance.random() < 0.1:
        scenario["me"] = {"answer": chance.choice(["malformed", "not_json", "not_found", "hang"])}
    if chance.random() < 0.05:
        scenario["keys"] = [{"key": "vibe_app_chaos_0123456789", "session_expires_after_starts": chance.randint(5, 60)}]
    if chance.random() < 0.1:
        scenario["templates"][-1]["gone_after_starts"] = chance.randint(1, 40)


def _rule(chance: random.Random) -> Json:
    """One fault: which requests, carried out or not, and what the client sees."""
    rule: Json = {"limit": chance.randint(2, 9)}
    begin = round(chance.uniform(0, 0.4), 3)
    rule |= chance.choice(
        [
            {"nth": sorted(chance.sample(range(1, 3 * ROWS), chance.randint(1, 6)))},
            {"every": chance.randint(4, 20)},
            {"probability": round(chance.uniform(0.03, 0.3), 3)},
            {"between": [begin, round(begin + 0.15, 3)]},
        ]
    )
    match chance.choices(("open", "proving", "carrying", "throttled", "unread", "others"), (10, 3, 2, 2, 1, 2))[0]:
        case "open":
            rule |= {"committed": chance.random() < 0.6, "answer": chance.choice(OPEN)}
            if rule["committed"] and chance.random() < 0.2:
                rule["commit_after"] = round(chance.uniform(0.05, 0.6), 3)
        case "proving":
            rule |= {"committed": False, "answer": chance.choice(PROVING), "limit": chance.randint(1, 4)}
        case "carrying":
            rule["answer"] = chance.choice(CARRYING)
        case "throttled":
            rule |= {"committed": False, "answer": LESS}
        case "unread":
            rule["answer"] = "reset_before_reading"
        case "others":
            rule = {"on": chance.choice(["list", "list", "me", "templates"]), "nth": chance.randint(1, 4)}
            rule["answer"] = chance.choice(["html_502", "hang", "truncated_json", "garbage", {"kind": "delay", "seconds": 0.5}])
    return rule


def _end(chance: random.Random) -> Json:
    """How an act ends: by itself, drained, abandoned or killed, ``at`` so many arrivals, ``after`` so many seconds."""
    how = chance.choices(("", "drain", "abandon", "kill"), (5, 1, 2, 3))[0]
    return {"end": how, "at": chance.randrange(ROWS), "after": round(chance.uniform(0, 0.03), 4)} if how else {}


def _act(chance: random.Random) -> Json:
    """A further act. Before it the sheet may have been sorted, and rows taken away or added."""
    sheet = chance.choices(("", "sorted", "fewer", "more"), (6, 2, 1, 1))[0]
    act = {"sheet": sheet, "run": chance.randrange(3), "settle": chance.choice([0, 0, 0.4])}
    match chance.choices(("one", "two", "dry"), (10, 3, 1))[0]:
        case "dry":
            return {"do": "dry", **act}
        case "two":
            return {"do": chance.choice(PAIRS), **act}
        case _:
            one = chance.choice(["start", "fed_back", "resume", "resume", "resume", "release", "reconcile", "reconcile"])
            again = {"campaign": "again"} if one == "start" and chance.random() < 0.1 else {}
            return {"do": one, **act, **again, **_end(chance)}


# ------------------------------------------------------------------------------------------------------- SIGKILL


def draw_kills(number: int, seed: int) -> Schedule:
    """A 300-row run of the program, and one to three moments at which it, or the resume after it, is killed."""
    chance = random.Random(f"{seed}:kill:{number}")
    rows = [
        {"entityId": 1000 + n, "entityType": "deal", "param:mark": chance.choice(["", "x"])} for n in range(KILL_ROWS + LATER)
    ]
    template = {
        "id": 713,
        "documentType": "deal",
        "parameters": MARK,
        "run_seconds": [0, 0.02],
        "life_seconds": chance.choice([0, 30]),
    }
    lost = [{"probability": 0.01, "committed": kept, "answer": how} for kept, how in ((True, "close"), (False, "html_502"))]
    scenario = {"seed": number, "templates": [template], "limits": {"per_document": 0}, "faults": chance.choice([lost, []])}
    acts = []
    for place in range(chance.choice([1, 1, 1, 2, 2, 3])):
        when = chance.choices(("time", "arrivals", "results", "written", "checkpoint"), (2, 5, 2, 1, 2))[0]
        at = {
            "time": round(chance.uniform(0.2, 2.5), 3),
            "arrivals": chance.randrange(KILL_ROWS >> place),
            "checkpoint": chance.randint(1, 3),
        }
        sheet = chance.choices(("", "sorted", "fewer", "more"), (5, 2, 1, 1))[0]
        acts.append({"when": when, "at": at.get(when, 0), "after": round(chance.uniform(0, 0.01), 4), "then": sheet})
    options = {"template": 713, **FAST, "timeout": 2, "canary": chance.choice([0, 3]), "max_unknown": chance.choice([3, 10])}
    options |= {"halt_doubts": 0, "halt_same": 0, "halt_percent": 0}
    return Schedule(number, scenario, rows, options, acts, chance.choice([".csv", ".csv", ".xlsx"]))
