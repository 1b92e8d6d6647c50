"""What stands beside the code: changelog, decision records, the page on scenario files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bulkstart.arguments import COMMANDS
from bulkstart.simulator import Sandbox
from tests.conftest import ROOT

CHANGELOG = ROOT / ".github" / "CHANGELOG.md"
DECISIONS = sorted((ROOT / ".github" / "decisions").glob("*.md"))
SCENARIOS = ROOT / "bulkstart" / "simulator" / "SCENARIOS.md"
PAGES = [ROOT / "README.md", CHANGELOG, *DECISIONS, SCENARIOS, *(ROOT / "notebooks").glob("*.ipynb")]


def test_the_changelog_tells_of_what_comes_next_before_what_was() -> None:
    headings = re.findall(r"^## (.+)$", CHANGELOG.read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0].startswith("Unreleased") or re.match(r"\[?\d+\.\d+\.\d+", headings[0])
    assert len(headings) == len(set(headings))


def test_the_changelog_names_every_command() -> None:
    text = CHANGELOG.read_text(encoding="utf-8")
    for command in set(COMMANDS) - {"start"}:
        assert f"`{command}`" in text or f"bulkstart {command}" in text, command


def test_each_decision_has_a_number_of_its_own() -> None:
    numbers = [path.name[:5] for path in DECISIONS]
    assert all(re.fullmatch(r"\d{4}-", number) for number in numbers)
    assert len(numbers) == len(set(numbers)) > 0


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_says_why_what_and_at_what_price(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# {path.name[:4]}: ")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert [heading for heading in headings if heading in ("Context", "Decision", "Price")] == ["Context", "Decision", "Price"]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_names_no_folder_of_the_machine_it_was_written_on(path: Path) -> None:
    found = re.findall(r"(?<![\w.])/(?:work|tmp|opt|root|home)/\S*", path.read_text(encoding="utf-8"))
    assert found == []


def test_every_scenario_example_of_the_page_is_accepted(tmp_path: Path) -> None:
    examples = re.findall(r"^```json\n(.*?)^```$", SCENARIOS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(examples) > 10
    for number, text in enumerate(examples):
        path = tmp_path / f"{number}.json"
        path.write_text(text, encoding="utf-8")
        assert json.loads(text)
        with Sandbox(path) as portal:
            assert portal.url
