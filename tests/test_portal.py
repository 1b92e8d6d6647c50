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
