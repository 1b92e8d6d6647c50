"""The journeys, said once for both hosts: a person before the panel, from the sheet to the results."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import openpyxl

from tests.browser.hosts import Place, opened, run_all, show
from tests.conftest import starts, until

PANEL = "import bulkstart\npanel = bulkstart.panel({})\npanel"


class Person:
    """A person at one page."""

    def __init__(self, place: Place, chromium: Any, name: str, options: str) -> None:
        self.place, self.notebook = place, f"{name}.ipynb"
        place.host.write(self.notebook, PANEL.format(options))
        self.page = opened(chromium)
        show(self.page, place.host, self.notebook)
        self.panel = self.page.locator(".bulkstart").first

    def click(self, text: str) -> None:
        """Click a button by what it says."""
        self.panel.get_by_role("button", name=text).first.click()

    def sees(self, text: str) -> None:
        """Wait until the panel says something."""
        self.panel.get_by_text(text).first.wait_for()

    def upload(self, path: Path) -> None:
        """Choose a file behind the button."""
        with self.page.expect_file_chooser() as chooser:
            self.click("Upload")
        chooser.value.set_files(path)

    def read(self, path: Path) -> None:
        """Type a path."""
        field = self.panel.get_by_placeholder("deals.xlsx, contacts.csv")
        field.fill(str(path))
        field.press("Enter")

    def download(self, kind: str) -> bytes:
        """Ask for a file, and follow its link."""
        self.click(kind)
        with self.page.expect_download() as found:
            self.panel.get_by_role("link", name="Download").click()
        return Path(found.value.path()).read_bytes()

    def leave(self) -> None:
        """Close the page."""
        self.page.context.close()


def sheet(folder: Path, name: str, rows: int, first: int, header: str = "CRM") -> Path:
    """A workbook of deals; their ids stand under a header that could be anything."""
    book = openpyxl.Workbook()
    book.active.append([header, "Title"])
    for number in range(first, first + rows):
        book.active.append([number, f"Deal {number} <b>bold</b>"])
    book.save(folder / name)
    return folder / name


def started(place: Place, first: int, rows: int) -> list[int]:
    """Which of these deals have truly started, once or more."""
    return sorted(
        line["entityId"] for line in starts(place.portal.ledger(), "commit") if first <= line["entityId"] < first + rows
    )


def from_upload_to_downloaded_results(place: Place, chromium: Any) -> None:
    """Upload, a column chosen by hand, pilot, the rest with a refusal and a lost answer, doubts looked up, results downloaded."""
    person = Person(place, chromium, "happy", "template=713, settle=1, max_unknown=2, halt_percent=0")
    person.upload(sheet(place.folder, "deals.xlsx", 12, 1000))
    person.sees("12 data rows")
    person.click("Connect")
    person.sees("no column holds the entity ids")
    assert not person.panel.get_by_role("button", name="Start").first.is_visible()
    person.panel.locator("select:has(option:text-is('A · CRM'))").first.select_option("A · CRM")
    person.sees("Good rows: 12 of 12")
    person.click("Start the first 3 of 12 workflows on 127.0.0.1")
    person.click("Start the other 9 workflows on 127.0.0.1")
    person.sees("Rows in doubt: 1")
    person.sees("Wrong DOCUMENT_ID!")
    person.click("Look 1 rows up")
    person.sees("No row is in doubt.")
    book = openpyxl.load_workbook(io.BytesIO(person.download("Workbook")))
    header, *rows = list(book.worksheets[0].iter_rows(values_only=True))
    told = [dict(zip(header, row, strict=True)) for row in rows]
    assert [row["startStatus"] for row in told if row["startStatus"] != "started"] == ["refused"]
    assert [row["Title"] for row in told] == [f"Deal {number} <b>bold</b>" for number in range(1000, 1012)]
    rows = list(csv.reader(io.StringIO(person.download("CSV").decode("utf-8-sig"))))
    assert len(rows) == 13
    truly = started(place, 1000, 12)
    claimed = [row["CRM"] for row in told if row["startStatus"] == "started"]
    assert truly == claimed, (truly, claimed)
    if place.host.name == "lab":
        text = saved(person)
        assert len(text) < 500_000
        assert place.portal.api_key not in text
        assert "<b>bold" not in text
        assert "&lt;b&gt;bold" in text
    person.leave()


def stopped_reloaded_and_gone_on_with(place: Place, chromium: Any) -> None:
    """Pause, the page loaded anew, the run found again in the list of runs, stopped there, and gone on with."""
    rows = 60
    person = Person(place, chromium, "stop", "canary=0, template=713, rate=8, burst=1, max_unknown=2")
    person.read(sheet(place.folder, "more.xlsx", rows, 2000, "ID"))
    person.sees("60 data rows")
    person.click("Connect")
    person.click("Start 60 workflows on 127.0.0.1")
    until(lambda: len(started(place, 2000, rows)) >= 3, 60, "the run")
    person.click("Pause")
    person.sees("paused")
    person.page.reload()
    if place.host.name != "voila":
        run_all(person.page)
    person.panel = person.page.locator(".bulkstart").last
    person.panel.locator("select:has(option:text-matches('running'))").first.select_option(index=1)
    person.click("Show")
    person.sees("paused")
    person.click("Stop")
    person.sees("ended")
    done = started(place, 2000, rows)
    assert 3 <= len(done) < rows
    person.click("Connect")
    person.click(f"Start the remaining {rows - len(done)} workflows on 127.0.0.1")
    person.sees("60 / 60")
    until(lambda: len(started(place, 2000, rows)) >= rows, 60, "the rest")
    assert started(place, 2000, rows) == list(range(2000, 2000 + rows))
    person.leave()


def too_large_to_upload(place: Place, chromium: Any) -> None:
    """A file over the limit never arrives; the panel has said so, still works, and reads it by its path."""
    person = Person(place, chromium, "large", "template=713")
    person.sees("A larger file never arrives")
    path = place.folder / "large.csv"
    path.write_text("entityId;note\n" + "".join(f"{3000 + number};{'x' * 12_000}\n" for number in range(1000)), encoding="utf-8")
    assert path.stat().st_size > 11_000_000
    person.upload(path)
    person.page.wait_for_timeout(1500)
    assert person.panel.get_by_text("data rows").count() == 0
    person.read(path)
    person.sees("1,000 data rows")
    person.leave()


def saved(person: Person) -> str:
    """The notebook as it is saved, the state of its controls with it."""
    file = person.place.host.folder / person.notebook

    def is_saved() -> bool:
        person.panel.get_by_role("button", name="CSV").first.focus()
        person.page.keyboard.press("Control+s")
        person.page.wait_for_timeout(1000)
        return "widget-state" in file.read_text(encoding="utf-8")

    until(is_saved, 60, "the saved notebook")
    return file.read_text(encoding="utf-8")
