"""JupyterLab and Voila as they are installed, the system's Chromium, and a sandbox portal beside them: what a journey needs."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bulkstart.simulator import Sandbox
from tests.conftest import PLAIN, ROOT, private, until

NEEDED = ("jupyterlab", "voila", "playwright", "ipywidgets", "ipykernel")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)
SECONDS = 60.0
"""How long a page may take for anything: far longer than it does."""

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)


def missing() -> str:
    """What is not there for a journey; ``""`` where all is."""
    packages = [name for name in NEEDED if find_spec(name) is None]
    if packages:
        return f"not installed: {', '.join(packages)} (pip install '.[test]')"
    return "" if CHROMIUM else "no chromium on this machine (apt-get install chromium)"


def notebook(*cells: str) -> dict[str, Any]:
    """A notebook of these cells."""
    made = [
        {"cell_type": "code", "id": f"cell-{at}", "metadata": {}, "execution_count": None, "outputs": [], "source": source}
        for at, source in enumerate(cells)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return {"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}


@dataclass
class Host:
    """One server, and the folder that it serves."""

    name: str
    folder: Path
    url: str

    def write(self, name: str, *cells: str) -> None:
        """Put a notebook into the folder."""
        (self.folder / name).write_text(json.dumps(notebook(*cells)), encoding="utf-8")

    def address(self, name: str) -> str:
        """Where a notebook is shown."""
        return (
            f"{self.url}/voila/render/{name}"
            if self.name == "voila"
            else f"{self.url}/lab/workspaces/{Path(name).stem}/tree/{name}"
        )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def settings(folder: Path, portal: Sandbox | None) -> dict[str, str]:
    """The environment of a server: everything inside ``folder``, this tree's bulkstart, the portal's credentials."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BULKSTART_", "JUPYTER_"))}
    jupyter = {f"JUPYTER_{name}_DIR": str(folder / "jupyter" / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    found = kept | private(folder / "home") | jupyter | {"PYTHONPATH": str(ROOT), "IPYTHONDIR": str(folder / "ipython")}
    if portal is not None:
        found |= {"BULKSTART_BASE_URL": portal.url, "BULKSTART_API_KEY": portal.api_key}
    return found


@contextmanager
def serving(name: str, folder: Path, portal: Sandbox | None, *words: str) -> Iterator[Host]:
    """A host over ``folder``, for as long as the block lasts."""
    root, port = folder / "work", free_port()
    root.mkdir(parents=True)
    env = settings(folder, portal)
    tools = Path(env["JUPYTER_CONFIG_DIR"]) / "labconfig"
    tools.mkdir(parents=True)
    off = {"@jupyterlab/apputils-extension:announcements": True}
    (tools / "page_config.json").write_text(json.dumps({"disabledExtensions": off}), encoding="utf-8")
    widgets = Path(env["JUPYTER_CONFIG_DIR"]) / "lab" / "user-settings" / "@jupyter-widgets" / "jupyterlab-manager"
    widgets.mkdir(parents=True)
    (widgets / "plugin.jupyterlab-settings").write_text('{"saveState": true}', encoding="utf-8")
    if name == "voila":
        command = ["voila", str(root), "--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1", *words]
    else:
        command = [
            *("jupyterlab", "--no-browser", f"--port={port}", "--ip=127.0.0.1", "--allow-root", "--IdentityProvider.token="),
            *("--ServerApp.password=", f"--ServerApp.root_dir={root}", "--ServerApp.disable_check_xsrf=True", *words),
        ]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=root, env=env, stdout=log, stderr=log, start_new_session=True
        )
        try:
            host = Host(name, root, f"http://127.0.0.1:{port}")
            until(lambda: answers(host.url + ("/voila" if name == "voila" else "/api")), SECONDS, name)
            yield host
        finally:
            server.terminate()
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:
                server.kill()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


@contextmanager
def browser(playwright: Any) -> Iterator[Any]:
    """The system's Chromium."""
    found = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
    try:
        yield found
    finally:
        found.close()


def opened(chromium: Any, width: int = 1000, **context: Any) -> Any:
    """A page that talks to this machine only."""
    page = chromium.new_context(viewport={"width": width, "height": 1400}, accept_downloads=True, **context).new_page()
    page.set_default_timeout(SECONDS * 1000)
    page.route("**/*", lambda route: route.continue_() if "127.0.0.1" in route.request.url else route.abort())
    return page


def show(page: Any, host: Host, name: str) -> None:
    """Open a notebook, and in JupyterLab run its cells."""
    page.goto(host.address(name))
    if host.name == "voila":
        page.wait_for_selector(".bulkstart")
        return
    run_all(page)


def run_all(page: Any) -> None:
    """Run the last cell, once the kernel listens: a keystroke before is lost, or answered by a question for a kernel."""
    page.wait_for_selector(".jp-Notebook .jp-CodeCell .cm-content")
    for _ in range(20):
        try:
            page.get_by_text("(ipykernel) | Idle").wait_for(timeout=10_000)
            cell = page.locator(".jp-Notebook .jp-CodeCell").last
            before = cell.locator(".jp-InputPrompt").inner_text()
            cell.locator(".cm-content").click(timeout=3000)
            page.keyboard.press("Control+Enter")
            cell.locator(f".jp-InputPrompt:text-matches('[0-9]'):not(:text-is('{before}'))").wait_for(timeout=10_000)
            page.wait_for_selector(".bulkstart", timeout=10_000)
        except Exception as error:  # the library's own timeout
            if "Timeout" not in type(error).__name__:
                raise
            accept = page.locator("dialog.jp-Dialog .jp-mod-accept")
            if accept.count():
                accept.last.click()
            continue
        return
    raise AssertionError(f"the panel did not appear: {page.locator('body').inner_text()[-2000:]}")


@dataclass
class Place:
    """A host, the portal that its panels talk to, and a folder for sheets."""

    host: Host
    portal: Sandbox
    folder: Path


def portal() -> Sandbox:
    """A portal with one plain template of deals, which refuses deal 1004 and answers for deal 1006 with a closed line."""
    faults = [
        {"entities": [1004], "committed": False, "answer": "BITRIX_ERROR"},
        {"entities": [1006], "committed": True, "answer": "close"},
    ]
    return Sandbox({"templates": [{**PLAIN, "life_seconds": 600}], "faults": faults})
