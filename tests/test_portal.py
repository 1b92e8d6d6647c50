"""Which keys may start workflows, which addresses may hear them, and what a portal is known by."""

from __future__ import annotations

import os
import pickle

import pytest

from bulkstart.errors import CredentialsError
from bulkstart.portal import Portal, is_loopback
from bulkstart.secret import redact
from bulkstart.settings import DEFAULT_BASE_URL

KEY = "vibe_api_PLANTED0123456789"


def portal(url=DEFAULT_BASE_URL, key=KEY, session=None):
    return Portal.vibecode(api_key=key, session_token=session, base_url=url)


@pytest.fixture
def environment(monkeypatch, tmp_path):
    """An environment without settings of ours, in a folder without an ``.env``."""
    for name in [name for name in os.environ if name.startswith("BULKSTART_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def test_a_key_for_the_api_is_enough():
    found = portal()
    assert (found.dialect, found.base_url, found.loopback) == ("vibecode", "https://vibecode.bitrix24.tech/v1", False)
    assert {name: value.reveal() for name, value in found.headers.items()} == {"X-Api-Key": KEY}


def test_an_application_key_needs_a_session_and_sends_it_as_bearer():
    with pytest.raises(CredentialsError, match="BULKSTART_SESSION_TOKEN"):
        portal(key="vibe_app_PLANTED")
    headers = portal(key="vibe_app_PLANTED", session="session-PLANTED").headers
    assert headers["Authorization"].reveal() == "Bearer session-PLANTED"
    assert headers["X-Api-Key"].reveal() == "vibe_app_PLANTED"


@pytest.mark.parametrize(
    "key", ["vibe_live_PLANTED", "PLANTED", "", "vibe_api_PLANTED\n", "vibe_api_ PLANTED", "vibe_api_ПLANTED"]
)
def test_a_key_that_cannot_start_workflows_is_said_and_not_shown(key):
    with pytest.raises(CredentialsError, match="BULKSTART_API_KEY") as error:
        portal(key=key)
    assert "PLANTED" not in str(error.value)
    assert "LANTED" not in str(error.value)


def test_a_session_with_a_line_break_is_said_and_not_shown():
    with pytest.raises(CredentialsError, match="BULKSTART_SESSION_TOKEN") as error:
        portal(session="PLANTED\r\nX: y")
    assert "PLANTED" not in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://vibecode.bitrix24.tech/v1",
        "http://10.0.0.1/v1",
        "http://localhost.example.com/v1",
        "http://127.0.0.1.example.com/v1",
        "http://127.0.0.1@example.com/v1",
        "https://user:PLANTED@example.com/v1",
        "https://example.com/v1?key=PLANTED",
        "https://example.com/v1#PLANTED",
        "https://example.com:99999/v1",
        "https:///v1",
        "ftp://example.com/v1",
        "example.com/v1",
        "",
    ],
)
def test_an_address_that_would_show_the_key_or_is_none_is_refused(url):
    with pytest.raises(CredentialsError, match="BULKSTART_BASE_URL") as error:
        portal(url)
    assert "PLANTED" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "identity"),
    [
        ("http://127.0.0.1:8018/v1", "127.0.0.1:8018"),
        ("http://localhost:8018/v1/", "127.0.0.1:8018"),
        ("http://[::1]:8018/v1", "127.0.0.1:8018"),
        ("http://127.1.2.3:8018", "127.0.0.1:8018"),
        ("http://LOCALHOST/v1", "127.0.0.1:80"),
        ("https://127.0.0.1/v1", "127.0.0.1:443"),
    ],
)
def test_on_loopback_http_is_fine_and_the_port_is_the_identity(url, identity):
    assert portal(url).loopback
    assert portal(url).fixed_identity() == identity


@pytest.mark.parametrize("url", ["https://vibecode.bitrix24.tech/v1", "https://gateway.example:8443/v1"])
def test_elsewhere_the_address_is_no_identity_since_all_portals_share_it(url):
    assert portal(url).fixed_identity() is None
    assert not is_loopback(url)


def test_a_digest_tells_keys_apart_and_depends_on_the_journals_salt():
    assert portal().digest("a") == portal().digest("a")
    assert portal().digest("a") != portal().digest("b")
    assert portal().digest("a") != portal(key=KEY + "x").digest("a")
    assert KEY not in portal().digest("")


def test_no_spelling_of_a_portal_shows_its_key():
    found = portal(key="vibe_app_PLANTED", session="session-PLANTED")
    for text in (repr(found), str(found), f"{found}", f"{found.headers}", repr(found.credential)):
        assert "PLANTED" not in text
    with pytest.raises(TypeError):
        pickle.dumps(found)


def test_every_credential_of_a_portal_is_redacted_as_long_as_it_lives():
    found = portal(key="vibe_app_PLANTED", session="session-PLANTED")
    for text in ("key vibe_app_PLANTED", "Bearer session-PLANTED", "the session session-PLANTED has expired"):
        assert "PLANTED" not in redact(text)
    assert found.credential.reveal() == "vibe_app_PLANTED"


def test_the_environment_describes_a_portal(environment):
    environment.setenv("BULKSTART_API_KEY", KEY)
    environment.setenv("BULKSTART_BASE_URL", "http://127.0.0.1:8018/v1")
    assert Portal.from_env().base_url == "http://127.0.0.1:8018/v1"
    environment.delenv("BULKSTART_BASE_URL")
    assert Portal.from_env().base_url == DEFAULT_BASE_URL


def test_the_env_file_describes_a_portal_where_the_environment_does_not(environment, tmp_path):
    (tmp_path / ".env").write_text(f"BULKSTART_API_KEY={KEY}\n")
    assert Portal.from_env().credential.reveal() == KEY
    environment.setenv("BULKSTART_API_KEY", "vibe_api_OTHER")
    assert Portal.from_env().credential.reveal() == "vibe_api_OTHER"


def test_without_credentials_the_variables_and_the_sandbox_are_named(environment):
    with pytest.raises(CredentialsError, match=r"BULKSTART_API_KEY.*--sandbox"):
        Portal.from_env()


@pytest.mark.parametrize("name", ["BULKSTART_WEBHOOK_URL", "BULKSTART_PORTAL_URL"])
def test_both_dialects_at_once_are_a_contradiction_that_is_said(environment, name):
    environment.setenv("BULKSTART_API_KEY", KEY)
    environment.setenv(name, "https://acme.bitrix24.ru/rest/1/PLANTED/")
    with pytest.raises(CredentialsError, match=name) as error:
        Portal.from_env()
    assert "PLANTED" not in str(error.value)


# ------------------------------------------------------------------------------------------------------------ native


HOOK = "https://Acme.Bitrix24.ru/rest/7/PLANTEDcode/"
TOKENS = {"portal_url": "https://acme.bitrix24.ru", "access_token": "PLANTEDaccess"}
CLIENT = {"client_id": "local.shop", "client_secret": "PLANTEDsecret", "refresh_token": "PLANTEDrefresh"}


@pytest.mark.parametrize("url", [HOOK, HOOK.rstrip("/"), HOOK.replace(".ru/", ".ru:443/")])
def test_a_webhook_is_a_portal_known_by_its_own_domain(url):
    found = Portal.native(webhook_url=url)
    assert (found.dialect, found.fixed_identity(), found.loopback) == ("native", "acme.bitrix24.ru", False)
    assert found.webhook.reveal().endswith("/rest/7/PLANTEDcode")
    assert found.base_url.endswith("/rest"), "the address that is shown is without the code"


@pytest.mark.parametrize(
    ("make", "identity"),
    [
        (lambda: Portal.native(webhook_url="http://127.0.0.1:8018/rest/1/PLANTEDcode/"), "127.0.0.1:8018"),
        (lambda: Portal.native(webhook_url="http://localhost:8018/rest/1/PLANTEDcode/"), "127.0.0.1:8018"),
        (lambda: Portal.oauth(portal_url="http://127.0.0.1:8018", access_token="PLANTEDaccess"), "127.0.0.1:8018"),
        (lambda: Portal.oauth(**TOKENS), "acme.bitrix24.ru"),
        (lambda: Portal.oauth(portal_url="https://ACME.bitrix24.ru:8443", access_token="PLANTEDaccess"), "acme.bitrix24.ru:8443"),
    ],
)
def test_a_native_portal_is_known_by_its_address_on_loopback_by_its_port(make, identity):
    assert make().fixed_identity() == identity


@pytest.mark.parametrize(
    "url",
    [
        "http://acme.bitrix24.ru/rest/1/PLANTEDcode/",
        "https://acme.bitrix24.ru/rest/1/",
        "https://acme.bitrix24.ru/rest/1/PLANTEDcode/profile.json",
        "https://acme.bitrix24.ru/rest/0/PLANTEDcode/",
        "https://acme.bitrix24.ru/rest/x/PLANTEDcode/",
        "https://acme.bitrix24.ru/rest/1/PLANTEDcode/?x=1",
        "https://u:p@acme.bitrix24.ru/rest/1/PLANTEDcode/",
        "https://acme.bitrix24.ru/",
        "acme.bitrix24.ru/rest/1/PLANTEDcode/",
        "",
    ],
)
def test_what_is_no_webhook_is_refused_and_never_shown(url):
    with pytest.raises(CredentialsError, match="BULKSTART_WEBHOOK_URL") as error:
        Portal.native(webhook_url=url)
    assert "PLANTED" not in str(error.value)


@pytest.mark.parametrize(
    "given",
    [
        {**TOKENS, "access_token": None},
        {**TOKENS, "access_token": None, **CLIENT, "client_secret": None},
        {**TOKENS, "access_token": None, **CLIENT, "refresh_token": None},
        {**TOKENS, "access_token": "PLANTED access"},
        {**TOKENS, **CLIENT, "refresh_token": "PLANTED\nrefresh"},
        {**TOKENS, "portal_url": "http://acme.bitrix24.ru"},
        {**TOKENS, **CLIENT, "oauth_url": "http://oauth.example"},
    ],
)
def test_a_login_that_leads_to_no_token_or_shows_one_is_refused(given):
    with pytest.raises(CredentialsError, match="BULKSTART_") as error:
        Portal.oauth(**given)
    assert "PLANTED" not in str(error.value)


def test_no_spelling_of_a_native_portal_shows_a_secret():
    for found in (Portal.native(webhook_url=HOOK), Portal.oauth(**TOKENS, **CLIENT)):
        for text in (repr(found), str(found), repr(found.login), repr(found.webhook)):
            assert "PLANTED" not in text
    kept = Portal.oauth(**TOKENS, **CLIENT), Portal.native(webhook_url=HOOK)
    shown = redact("PLANTEDcode PLANTEDaccess PLANTEDsecret PLANTEDrefresh")
    assert "PLANTED" not in shown, kept


SETTINGS = {
    "webhook": ({"BULKSTART_WEBHOOK_URL": HOOK}, "native"),
    "tokens": ({"BULKSTART_PORTAL_URL": "https://acme.bitrix24.ru", "BULKSTART_ACCESS_TOKEN": "PLANTEDaccess"}, "native"),
    "key": ({"BULKSTART_API_KEY": KEY}, "vibecode"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_the_settings_that_are_there_choose_the_dialect(name, environment):
    found, dialect = SETTINGS[name]
    for variable, value in found.items():
        environment.setenv(variable, value)
    for asked in (None, dialect):
        assert Portal.from_env(asked).dialect == dialect
    with pytest.raises(CredentialsError):
        Portal.from_env("native" if dialect == "vibecode" else "vibecode")


def test_where_settings_of_both_are_there_the_dialect_that_is_asked_for_decides(environment):
    environment.setenv("BULKSTART_API_KEY", KEY)
    environment.setenv("BULKSTART_WEBHOOK_URL", HOOK)
    assert [Portal.from_env(name).dialect for name in ("native", "vibecode")] == ["native", "vibecode"]


def test_a_webhook_and_an_application_at_once_are_a_contradiction(environment):
    environment.setenv("BULKSTART_WEBHOOK_URL", HOOK)
    environment.setenv("BULKSTART_PORTAL_URL", "https://acme.bitrix24.ru")
    with pytest.raises(CredentialsError, match="BULKSTART_WEBHOOK_URL and BULKSTART_PORTAL_URL") as error:
        Portal.from_env()
    assert "PLANTED" not in str(error.value)


def test_every_setting_of_an_application_is_read(environment):
    given = {
        "PORTAL_URL": "https://acme.bitrix24.ru",
        "ACCESS_TOKEN": "PLANTEDaccess",
        "REFRESH_TOKEN": "PLANTEDrefresh",
        "CLIENT_ID": "local.shop",
        "CLIENT_SECRET": "PLANTEDsecret",
        "OAUTH_URL": "https://oauth.example",
    }
    for name, value in given.items():
        environment.setenv(f"BULKSTART_{name}", value)
    login = Portal.from_env().login
    assert (login.client.client_id, login.client.address, login.portal_url) == (
        *("local.shop", "https://oauth.example", "https://acme.bitrix24.ru"),
    )
    assert [login.tokens.access.reveal(), login.tokens.refresh.reveal()] == ["PLANTEDaccess", "PLANTEDrefresh"]
