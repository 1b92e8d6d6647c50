"""The panel's figures, in a kernel and in JupyterLab with the system's Chromium: ``python -m tests.benchmarks.panel`` prints them as Markdown.

Shown: from import to a panel in a warm kernel; a table of 10,000 results, its first paint and a filter; how fast another cell answers
while a run goes at 50 a second; and from the click on Stop to the last word of the run.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from jupyter_client.manager import start_new_kernel
from playwright.sync_api import sync_playwright

from tests.browser import hosts
from tests.browser.hosts import browser, notebook, opened, serving, settings

ROWS = 1500
CELLS = 60
RUN = f"""
import pandas, bulkstart, time
panel = bulkstart.panel(pandas.DataFrame({{"entityId": range(1, {ROWS} + 1)}}), template=713, canary=0, rate=50, burst=1)
panel.sections["portal"].connect.click()
panel.sections["pilot"].start.click()
"""
STOP = """
clicked = time.monotonic()
panel.sections["run"].stop.click()
while panel.walk.goes_on or panel.walk.told is None: time.sleep(0.01)
print(time.monotonic() - clicked)
"""
TABLE = """
import pandas
from bulkstart.notebook.listing import Listing
from bulkstart.notebook.words import Words
from bulkstart.notebook.tags import STYLE
import ipywidgets
n = 10_000
frame = pandas.DataFrame({"row": range(2, n + 2), "entity": [f"deal {i}" for i in range(n)], "status": ["started", "refused"] * (n // 2),
    "workflow": ["6b02a80bb0a74a.20986950", ""] * (n // 2), "code": ["", "BITRIX_ERROR"] * (n // 2),
    "message": ["", "Wrong DOCUMENT_ID! " * 3] * (n // 2), "advice": ["", "mend the cause, then run the results file again"] * (n // 2)})
listing = Listing(Words("en"), "Results", filters=["status", "code"], tint="status", shown=Words("en").known)
box = ipywidgets.VBox([ipywidgets.HTML(STYLE), listing.box]); box.add_class("bulkstart")
listing.show(frame)
box
"""


def asked(client: Any, code: str) -> tuple[float, str]:
    """Seconds until a cell has answered, and what it printed."""
    said: list[str] = []
    began = time.monotonic()
    client.execute_interactive(code, timeout=120, output_hook=lambda told: said.append(told["content"].get("text", "")))
    return time.monotonic() - began, "".join(said)


def in_kernel(env: dict[str, str], folder: Path) -> dict[str, float]:
    """What a kernel alone shows."""
    manager, client = start_new_kernel(env=env, cwd=str(folder))
    try:
        asked(client, "1 + 1")
        cell = "import time; began = time.process_time(); import bulkstart; panel = bulkstart.panel(); display(panel)"
        took, cpu = asked(client, f"{cell}; print('CPU', time.process_time() - began)")
        found = {"import to panel, warm kernel": took, "the same, CPU seconds": float(cpu.split("CPU")[-1])}
        asked(client, RUN)
        time.sleep(12)  # the rate that a run tells is that of its last ten seconds
        answers = []
        for _ in range(CELLS):
            answers.append(asked(client, "1 + 1")[0])
            time.sleep(0.05)
        rate = asked(client, "print(panel.walk.watched.told.rate, panel.walk.watched.told.on_wire)")[1]
        found |= {f"another cell answers, median of {CELLS}, run at {rate.split()[0]} a second": statistics.median(answers)}
        found |= {"another cell answers, the slowest": max(answers)}
        found |= {"click on Stop to the last word": float(asked(client, STOP)[1].split()[-1])}
        return found
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def in_browser(place: Any, chromium: Any) -> dict[str, float]:
    """What a person in JupyterLab sees."""
    cells = ["1 + 1", "import bulkstart\nbulkstart.panel()", TABLE]
    (place.folder / "figures.ipynb").write_text(json.dumps(notebook(*cells)), encoding="utf-8")
    page = opened(chromium)
    page.goto(place.address("figures.ipynb"))
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").first.wait_for(state="attached")
    first = page.locator(".jp-Notebook .jp-CodeCell").first
    while not first.locator(".jp-OutputArea-output").count():  # a keystroke before the kernel listens is lost
        first.locator(".cm-content").click()
        page.keyboard.press("Control+Enter")
        page.wait_for_timeout(1500)
    found = {}
    shown = [("import to panel shown, JupyterLab", ".bulkstart h3"), ("10,000 results, first paint", "td:has-text('deal 24')")]
    for at, (name, seen) in enumerate(shown, 1):
        cell = page.locator(".jp-Notebook .jp-CodeCell").nth(at)
        cell.locator(".cm-content").click()
        began = time.monotonic()
        page.keyboard.press("Control+Enter")
        cell.locator(seen).first.wait_for(state="attached")
        found[name] = time.monotonic() - began
    table = page.locator(".jp-Notebook .jp-CodeCell").nth(2)
    began = time.monotonic()
    table.locator("select").first.select_option(label="refused (5,000)")
    table.locator("td:has-text('deal 49')").first.wait_for()
    found["10,000 results, filter"] = time.monotonic() - began
    page.context.close()
    return found


def main() -> None:
    """Measure, and print."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        portal = stack.enter_context(hosts.portal())
        found = in_kernel(settings(folder / "kernel", portal), folder)
        host = stack.enter_context(serving("lab", folder / "lab", portal))
        playwright = stack.enter_context(sync_playwright())
        found |= in_browser(host, stack.enter_context(browser(playwright)))
    print("| what | seconds |\n|---|---|")
    for name, seconds in found.items():
        print(f"| {name} | {seconds:.3f} |")


if __name__ == "__main__":
    main()
