"""A process of its own: it gets the credentials by its environment alone, says everything into private files, and leaves no zombie."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from bulkstart.errors import UsageError
from bulkstart.portal import Portal
from bulkstart.spawning import CREDENTIALS, credentials_of, fresh, private, spawn, text_of
from tests.conftest import until

PORTALS = {
    "key": Portal.vibecode(api_key="vibe_api_PLANTED0123"),
    "session": Portal.vibecode(api_key="vibe_app_PLANTED0123", session_token="SESSION-1", base_url="http://127.0.0.1:8018/v1"),
    "webhook": Portal.native(webhook_url="https://acme.bitrix24.com/rest/7/PLANTEDcode/"),
    "tokens": Portal.oauth(portal_url="https://acme.bitrix24.com", access_token="ACCESS-1"),
    "application": Portal.oauth(
        portal_url="https://acme.bitrix24.com", access_token="ACCESS-1", refresh_token="REFRESH-1", client_id="app.1",
        client_secret="CLIENTSECRET-1", oauth_url="https://oauth.example/oauth/token/",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PORTALS)
def test_the_child_makes_the_same_portal_of_its_settings(name, monkeypatch, tmp_path):
    """Also where ``.env`` in its folder would say something else."""
    (tmp_path / ".env").write_text("BULKSTART_WEBHOOK_URL=https://other.example/rest/1/x/\nBULKSTART_API_KEY=vibe_api_other\n")
    monkeypatch.chdir(tmp_path)
    for setting, value in credentials_of(PORTALS[name]).items():
        monkeypatch.setenv(setting, value)
    found, meant = Portal.from_env(), PORTALS[name]
    assert (found.base_url, found.dialect, found.is_sandbox) == (meant.base_url, meant.dialect, False)
    assert credentials_of(found) == credentials_of(meant)
    assert found.digest("salt") == meant.digest("salt")
    assert set(credentials_of(meant)) >= set(CREDENTIALS)


def test_a_sandbox_portal_stays_one_on_loopback_only(monkeypatch):
    monkeypatch.setenv("BULKSTART_SANDBOX", "1")
    for url, sandbox in (("http://127.0.0.1:8018/v1", True), ("https://acme.example/v1", False)):
        monkeypatch.setenv("BULKSTART_API_KEY", "vibe_api_x")
        monkeypatch.setenv("BULKSTART_BASE_URL", url)
        assert Portal.from_env().is_sandbox is sandbox
    monkeypatch.setenv("BULKSTART_BASE_URL", "http://127.0.0.1:8018/v1")
    assert credentials_of(Portal.from_env())["BULKSTART_SANDBOX"] == "1"


def test_what_a_process_says_and_how_it_ends_is_heard(tmp_path, monkeypatch):
    monkeypatch.setenv("BULKSTART_API_KEY", "vibe_api_mine")
    codes: list[int] = []
    pid = spawn(["--version"], {}, tmp_path / "said", tmp_path / "errors", codes.append)
    until(lambda: codes, 30, "its end")
    assert codes == [0]
    assert text_of(tmp_path / "said").startswith("bulkstart ")
    assert text_of(tmp_path / "errors") == ""
    assert not Path(f"/proc/{pid}").exists(), "no zombie stays"
    assert text_of(tmp_path / "nothing") == ""


def test_a_process_has_a_session_of_its_own(tmp_path):
    pid = spawn(["sandbox", "--port", "0", "--idle", "0.5"], {}, tmp_path / "said", tmp_path / "errors", lambda _: None)
    assert os.getsid(pid) == pid != os.getsid(0)
    until(lambda: "Ctrl-C" in text_of(tmp_path / "said"), 30, "its first words")


def test_a_process_that_cannot_be_started_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.executable", str(tmp_path / "no-python"))
    with pytest.raises(UsageError, match=r"no process could be started.*bulkstart\.start"):
        spawn([], {}, tmp_path / "said", tmp_path / "errors", lambda _: None)


def test_folders_and_files_are_their_users_alone(tmp_path):
    folder = private(tmp_path / "a" / "b")
    with fresh(folder / "c") as file:
        file.write(b"x")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder.parent, folder, folder / "c")] == [0o700, 0o700, 0o600]
    assert private(folder) == folder
    with pytest.raises(FileExistsError):
        private(folder, new=True)
    with pytest.raises(UsageError, match="cannot be made"):
        private(folder / "c" / "d")


def test_the_reaper_never_keeps_the_program_alive(tmp_path):
    spawn(["--version"], {}, tmp_path / "said", tmp_path / "errors", lambda _: None)
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "bulkstart-reaper")
