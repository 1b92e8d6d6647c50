"""Meeting a portal: which journal, what is asked through which slots, and what is remembered of it. In virtual time."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

import bulkstart
from bulkstart.errors import JournalError
from bulkstart.journal import Journal
from bulkstart.meeting import SignedLine, journal_file, journal_of, line_to, meeting, unmet
from bulkstart.model import Answer, Denied, Lost
from bulkstart.oauth import Client, Tokens
from bulkstart.options import Options
from bulkstart.portal import Portal
from bulkstart.preflight import QUESTION_SECONDS
from bulkstart.secret import Secret
from bulkstart.sharing import SharedThrottle
from bulkstart.slots import Word, hold
from bulkstart.tokens import Renewer, TokenStore, token_file
from tests.conftest import FAST, PLAIN, deals
from tests.memory_store import Memory, clock, place
from tests.virtual import run

GATEWAY = Portal.vibecode(api_key="vibe_api_PLANTED", base_url="https://gateway.example/v1")
LOOPBACK = Portal.vibecode(api_key="vibe_api_PLANTED", base_url="http://127.0.0.1:8018/v1")


def said(data, **meta):
    return Answer(200, {}, json.dumps({"success": True, "data": data, **({"meta": meta} if meta else {})}).encode())


def failed(status, code):
    return Answer(status, {}, json.dumps({"success": False, "error": {"code": code, "message": "m"}}).encode())


ME = said({"portal": "Acme.Bitrix24.ru", "rateLimit": {"requestsPerSecond": 10}})
TEMPLATES = said([{"id": 713, "name": "Plain"}], total=1)
SILENT = Lost("READ_TIMEOUT", left=True)


class Line:
    """Answers by path; remembers what was asked, when, and how long it would have waited."""

    def __init__(self, me=ME, templates=TEMPLATES):
        self.answers, self.asked = {"/me": me, "/bizproc-templates": templates}, []

    async def send(self, call, *, within):
        self.asked.append((asyncio.get_running_loop().time(), call.path, within))
        return self.answers[call.path]

    @property
    def paths(self):
        return [path for _, path, _ in self.asked]


def met(line, journal=None, portal=GATEWAY, **options):
    async def go():
        found = await meeting(portal, line, journal, Options(**options))
        return found, asyncio.get_running_loop().time()

    return run(go())


# ------------------------------------------------------------------------------------------------------------ the journal


def test_the_journal_is_the_one_that_was_named_else_the_sandboxs_own_else_the_users(home, tmp_path):
    own = replace(LOOPBACK, journal=tmp_path / "own.sqlite")
    assert journal_file(own, Options(journal=tmp_path / "named.sqlite")) == tmp_path / "named.sqlite"
    assert journal_file(own, Options()) == tmp_path / "own.sqlite"
    assert journal_file(LOOPBACK, Options()) == journal_file(None, Options()) == home / "journal.sqlite"
    assert journal_file(None, Options(journal="here.sqlite")) == Path("here.sqlite")


def test_a_dry_run_reads_a_journal_that_is_there_and_makes_none(tmp_path):
    options = Options(journal=tmp_path / "folder" / "journal.sqlite", dry_run=True)
    with journal_of(LOOPBACK, options) as none:
        assert none is None
    assert list(tmp_path.glob("folder*")) == []
    Journal(tmp_path / "folder" / "journal.sqlite").close()
    with journal_of(LOOPBACK, options) as opened:
        assert opened.runs() == []


def test_a_run_makes_its_journal_and_closes_it_however_the_run_ends(tmp_path):
    path = tmp_path / "folder" / "journal.sqlite"

    def fails():
        with journal_of(LOOPBACK, Options(journal=path)) as opened:
            kept.append(opened)
            raise KeyError

    kept = []
    with pytest.raises(KeyError):
        fails()
    assert path.exists()
    with pytest.raises(JournalError):
        kept[0].runs()


# -------------------------------------------------------------------------------------------------------------- questions


def test_a_portal_is_asked_who_it_is_and_then_for_its_templates_and_no_question_waits_for_ever():
    line = Line()
    found, _ = met(line)
    assert line.paths == ["/me", "/bizproc-templates"]
    assert {within for _, _, within in line.asked} == {QUESTION_SECONDS}
    assert found.met.identity == "acme.bitrix24.ru"
    assert [template.id for template in found.met.templates] == [713]


def test_limits_are_the_users_else_the_portals_and_every_question_has_taken_a_slot_of_them():
    assert met(Line())[0].limits.rate == 10.0
    line = Line()
    found, now = met(line, rate=0.5, burst=1)
    assert (found.limits.rate, found.limits.burst) == (0.5, 1)
    (first, second) = (at for at, _, _ in line.asked)
    assert second - first >= 1.9, "who am I took the only token"
    assert found.throttle.next_leave(now) - now >= 1.9, "the template list took the next one"


def test_a_portal_that_denies_everything_is_not_asked_for_templates():
    line = Line(me=failed(401, "INVALID_API_KEY"))
    found, _ = met(line)
    assert line.paths == ["/me"]
    assert (found.met.identity, found.met.stop.code, found.met.templates) == (None, "INVALID_API_KEY", None)


def test_a_known_portal_that_redirects_is_asked_nothing_more():
    line = Line(me=Answer(302, {"location": "https://elsewhere.example/"}, b""))
    found, _ = met(line, portal=LOOPBACK)
    assert (line.paths, found.met.identity, found.met.stop.code) == (["/me"], "127.0.0.1:8018", "HTTP_302")


def test_without_a_template_list_the_meeting_goes_on_and_says_so():
    found, _ = met(Line(templates=failed(500, "INTERNAL_ERROR")))
    assert (found.met.identity, found.met.stop, found.met.templates) == ("acme.bitrix24.ru", None, None)
    assert "INTERNAL_ERROR" in found.met.notes[-1]


# ------------------------------------------------------------------------------------------------------------- identity


def test_who_a_portal_is_is_remembered_for_the_time_when_it_does_not_say(journal):
    met(Line(), journal)
    found, _ = met(Line(me=SILENT), journal)
    assert found.met.identity == "acme.bitrix24.ru"
    assert journal.remembered_portal(GATEWAY.base_url, GATEWAY.digest(journal.salt)) == "acme.bitrix24.ru"


def test_a_template_that_the_portal_lists_no_more_still_tells_what_a_row_meant(journal):
    """Else its rows would be others: their type and parameters would be unknown, and what was started would not be found."""
    both = said(
        [{"id": 713, "name": "Plain"}, {"id": 714, "name": "Gone", "documentType": ["crm", "CCrmDocumentDeal", "DEAL"]}], total=2
    )
    met(Line(templates=both), journal)
    first, again = (met(Line(), journal)[0].met.templates for _ in range(2))
    assert first == again
    assert [(template.id, template.listed) for template in again] == [(713, True), (714, False)]
    assert again[1].entity_type == "deal"
    back = met(Line(templates=both), journal)[0].met.templates
    assert [(template.id, template.listed) for template in back] == [(713, True), (714, True)]


def test_a_portal_that_nobody_waited_for_is_known_by_the_journal_and_sends_nothing(journal):
    met(Line(), journal)
    stop = Denied("INTERRUPTED", "interrupted", 130)
    found = unmet(GATEWAY, journal, Options(), stop, 0.0).met
    assert (found.identity, found.stop) == ("acme.bitrix24.ru", stop)
    assert [template.id for template in found.templates] == [713]
    assert unmet(GATEWAY, None, Options(), stop, 0.0).met.identity is None
    assert unmet(LOOPBACK, None, Options(), stop, 0.0).met.identity == "127.0.0.1:8018"


def test_another_key_or_another_address_is_not_taken_for_it(journal):
    met(Line(), journal)
    other_key = Portal.vibecode(api_key="vibe_api_OTHER", base_url=GATEWAY.base_url)
    other_address = Portal.vibecode(api_key="vibe_api_PLANTED", base_url="https://other.example/v1")
    for portal in (other_key, other_address):
        assert met(Line(me=SILENT), journal, portal)[0].met.identity is None
    assert "PLANTED" not in repr(journal._db.execute("SELECT * FROM portals").fetchall())


def test_a_dry_run_remembers_nothing_but_knows_what_was_remembered(journal):
    met(Line(), journal, dry_run=True)
    assert met(Line(me=SILENT), journal)[0].met.identity is None
    met(Line(), journal)
    assert met(Line(me=SILENT), journal, dry_run=True)[0].met.identity == "acme.bitrix24.ru"


def test_on_loopback_the_port_is_the_identity_and_needs_no_memory(journal):
    assert met(Line(), journal, LOOPBACK)[0].met.identity == "127.0.0.1:8018"
    assert journal._db.execute("SELECT COUNT(*) FROM portals").fetchone() == (0,)


def test_a_portal_that_stops_the_run_is_not_remembered(journal):
    met(Line(me=failed(401, "INVALID_API_KEY")), journal)
    assert journal._db.execute("SELECT COUNT(*) FROM portals").fetchone() == (0,)


# ---------------------------------------------------------------------------------------------------------------- the line


def test_the_line_carries_questions_with_the_portals_credentials_as_long_as_it_is_open():
    async def go(portal):
        async with line_to(portal, Options()) as line:
            return await line.send(portal.gateway.me_call(), within=10)

    with bulkstart.sandbox({"templates": [PLAIN]}) as portal:
        answer = asyncio.run(go(portal))
    assert answer.status == 200


# -------------------------------------------------------------------------------------------------------------- native


NATIVE = Portal.native(webhook_url="https://acme.bitrix24.ru/rest/1/PLANTEDcode/")
PROFILE = Answer(200, {}, json.dumps({"result": {"ID": "1", "ADMIN": True, "NAME": "A", "LAST_NAME": "B"}}).encode())
ROWS = {
    "result": [{"ID": "713", "NAME": "Plain", "MODULE_ID": "crm", "ENTITY": "CCrmDocumentDeal", "DOCUMENT_TYPE": "DEAL"}],
    "total": 1,
}


class NativeLine(Line):
    """Answers by method."""

    def __init__(self, me=PROFILE):
        super().__init__()
        listed = Answer(200, {}, json.dumps(ROWS).encode())
        self.answers = {"/profile": me, "/bizproc.workflow.template.list": listed}


def test_a_native_portal_is_met_by_its_profile_and_never_remembered_since_its_address_says_who_it_is(journal):
    line = NativeLine()
    found, _ = met(line, journal, NATIVE)
    assert [path.split(".json")[0] for path in line.paths] == ["/profile", "/bizproc.workflow.template.list"]
    assert (found.met.identity, [template.id for template in found.met.templates]) == ("acme.bitrix24.ru", [713])
    assert (found.limits.rate, found.limits.burst) == (2.0, 50.0)
    assert journal._db.execute("SELECT COUNT(*) FROM portals").fetchone() == (0,)


class Wire:
    """Answers one after the other; remembers the bodies, how long it would have waited, and its headers."""

    def __init__(self, *answers):
        self.answers, self.calls, self.headers = list(answers), [], []

    async def send(self, call, *, within=None):
        self.calls.append((json.loads(call.body), within))
        return self.answers.pop(0)

    def renew(self, headers):
        self.headers.append(headers)


def test_a_signed_line_puts_the_present_token_into_each_body_and_a_new_one_behind_an_expired_one(tmp_path):
    expired = Answer(401, {}, b'{"error": "expired_token", "error_description": "m"}')
    wire = Wire(expired, PROFILE)
    fresh = json.dumps({"access_token": "second", "refresh_token": "next", "expires_in": 3600}).encode()
    client = Client("local.shop", Secret("PLANTEDsecret"))
    asked = []

    async def fetch(address):
        asked.append(address)
        return Answer(200, {}, fresh)

    tokens = Tokens(Secret("first-token"), Secret("first-refresh"))
    store = TokenStore(token_file(tmp_path / "journal.sqlite", "acme.bitrix24.ru", "local.shop"), tokens.seed)
    gateway = Portal.oauth(portal_url="https://acme.bitrix24.ru", access_token="first-token").gateway

    async def go():
        renewer = Renewer(client, tokens, store, fetch)
        line = SignedLine(wire, renewer, gateway.is_expired)
        answers = [await line.send(gateway.me_call(), within=7.0), await line.send(gateway.me_call())]
        line.renew({"X": Secret("PLANTEDheader")})
        await renewer.close()
        return answers

    assert asyncio.run(go()) == [expired, PROFILE]
    assert [(body["auth"], within) for body, within in wire.calls] == [("first-token", 7.0), ("second", None)]
    assert (len(asked), len(wire.headers)) == (1, 1)
    assert store.read().access.reveal() == "second", "kept before it was used"


def test_the_renewed_pair_is_kept_beside_the_journal_of_the_run(tmp_path):
    scenario = {"templates": [PLAIN], "native": {"applications": [{"lifetime_starts": 1}]}}
    with bulkstart.sandbox(scenario, dialect="oauth") as portal:
        results = bulkstart.start(deals(3), portal=portal, template=713, journal=tmp_path / "mine.sqlite", **FAST)
    assert results["startStatus"].tolist() == ["started"] * 3
    assert len(list((tmp_path / "mine.sqlite-tokens").glob("*.json"))) == 1


# ----------------------------------------------------------------------------------------------- the machine's budget


def met_with(store, line, portal=GATEWAY, journal=None, **options):
    """A meeting in a slot of the store; the identities it entered by, and when it ended."""
    entered = []

    async def go():
        found = await meeting(portal, line, journal, Options(**options), lambda name: entered.append(name) or place(store))
        found.throttle.leave(clock())
        return found, clock()

    return *run(go()), entered


def test_the_first_questions_take_slots_where_the_portal_is_known_already():
    store, line = Memory(), Line()
    found, _, entered = met_with(store, line, LOOPBACK)
    assert entered == ["127.0.0.1:8018"]
    assert store.slots.count == len(line.asked) == 2
    assert isinstance(found.throttle, SharedThrottle)


def test_the_first_questions_are_made_up_for_where_the_portal_was_not_known():
    store, line = Memory(), Line()
    _, _, entered = met_with(store, line)
    assert entered == ["acme.bitrix24.ru"]
    assert store.slots.count == len(line.asked) == 2


def test_a_portal_that_the_journal_remembers_is_asked_in_a_slot(journal):
    met(Line(), journal)
    store = Memory()
    assert met_with(store, Line(), journal=journal)[2] == ["acme.bitrix24.ru"]
    assert store.slots.count == 2


def test_not_even_the_first_question_leaves_in_a_hold():
    store, line = Memory(), Line()
    store.slots = hold(store.slots, "other", Word(10.0, 10.0, firm=True), 0.0, until=30.0)
    met_with(store, line, LOOPBACK)
    assert line.asked[0][0] >= 30.0


@pytest.mark.parametrize(("options", "firm"), [({}, True), ({"rate": 50.0}, False), ({"polite": True}, False)])
def test_what_the_portal_states_binds_all_and_what_the_user_wishes_does_not(options, firm):
    store = Memory()
    met_with(store, Line(), LOOPBACK, **options)
    (voice,) = store.slots.voices.values()
    assert voice.firm is firm
