"""Every notebook runs from top to bottom in a clean kernel, and is committed without outputs, but for the one whose plots are to be seen.

That ``start`` works there at all proves that it works inside a running loop: a kernel has one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.conftest import ROOT, private
from tests.read_page import read

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CELL_SECONDS = 60
WITH_OUTPUTS = "analysis"
"""``python -m tests.test_notebooks`` runs it and keeps what it shows."""


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> Path:
    path = request.param
    assert isinstance(path, Path)
    return path


def executed(path: Path, folder: Path, home: Path) -> Any:
    """The notebook as it looks after a run in a kernel of its own, in a copy of the folders that it reads."""
    shutil.copytree(ROOT / "sample_data", folder / "sample_data")
    (folder / "notebooks").mkdir()
    found = nbformat.read(path, as_version=4)
    env = {**os.environ, **private(home), "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(home / "ipython")}
    client = NotebookClient(found, timeout=CELL_SECONDS, resources={"metadata": {"path": str(folder / "notebooks")}})
    if "matplotlib" in path.read_text(encoding="utf-8"):
        env["MPLCONFIGDIR"] = str(home / "matplotlib")  # its cache of fonts, made now: in a cell it would be said on stderr
        subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], env=env, capture_output=True, check=True)
    client.execute(env=env)
    return found


def said(cell: Any) -> str:
    """All text that a cell put out."""
    texts = [output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in cell["outputs"]]
    return "\n".join(texts)


def test_there_is_a_notebook() -> None:
    assert NOTEBOOKS


def test_a_notebook_is_valid_and_committed_without_outputs(notebook: Path) -> None:
    found = json.loads(notebook.read_text(encoding="utf-8"))
    nbformat.validate(found)
    assert (found["nbformat"], found["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in found["cells"]]
    assert len(ids) == len(set(ids))
    for cell in code_cells(found):
        if notebook.stem != WITH_OUTPUTS:
            assert cell["outputs"] == [], cell["id"]
            assert cell["execution_count"] is None, cell["id"]


def test_the_one_with_outputs_shows_a_whole_run_and_nothing_of_the_machine() -> None:
    path = ROOT / "notebooks" / f"{WITH_OUTPUTS}.ipynb"
    text = path.read_text(encoding="utf-8")
    assert len(text) < 500_000
    assert "vibe_api_" not in text
    assert not re.search(r"/(?:tmp|home|root|Users)/", text)
    cells = code_cells(json.loads(text))
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1)), "python -m tests.test_notebooks"
    shown = [output for cell in cells for output in cell["outputs"]]
    assert {output["output_type"] for output in shown} <= {"execute_result", "display_data"}
    assert sum("image/png" in output["data"] for output in shown) >= 4
    assert all("text/html" not in o["data"] or "<script" not in "".join(o["data"]["text/html"]) for o in shown)


def test_a_notebook_runs_to_its_end_in_a_clean_kernel(notebook: Path, tmp_path: Path, home: Path) -> None:
    ran = executed(notebook, tmp_path, home)
    for cell in code_cells(ran):
        assert cell["execution_count"], f"{cell['id']} did not run"
        for output in cell["outputs"]:
            assert output["output_type"] != "error", f"{cell['id']}: {output}"
            assert output.get("name") != "stderr", f"{cell['id']}: {output}"
    told = {cell["id"]: said(cell) for cell in code_cells(ran)}
    if notebook.stem == "quickstart":
        assert told["start-deals"].count(" started ") == 12
        assert "already_started    12" in told["start-again"]
        assert "BITRIX_ERROR" in told["refused-row"]
        assert "in_doubt" in told["doubt-row"]
        assert told["look-in-ledger"] == "True"
        assert (tmp_path / "notebooks" / "deals.results.xlsx").exists()
    if notebook.stem == "analysis":
        assert re.search(r"started +113\b", told["count"])
        assert "BITRIX_ERROR" in told["by-code"]
        assert read(tmp_path / "notebooks" / "analysis.report.html").of("svg")
    if notebook.stem == "faults":
        assert "none twice" in told["compare-crash"]
        assert told["compare-final"].strip("'") == "40 deals started, none twice; of 0 rows in doubt 0 did start, 0 did not"
        history = read(tmp_path / "notebooks" / "faults.report.html").text
        assert all(word in history for word in ("taken up again by", "released by"))
    if notebook.stem == "panel":
        assert "a frame of 60 rows" in told["open"] or "deals.xlsx" in told["open"]
        assert "Northwind" in told["values"]
        assert "planned    60" in told["options"]
        assert told["plan"].count("planned") == 3
    assert not list(home.glob("**/journal.sqlite")), "a sandbox run touched the user's journal"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        kept = ROOT / "notebooks" / f"{WITH_OUTPUTS}.ipynb"
        ran = executed(kept, Path(folder), Path(folder) / "home")
        for one in ran["cells"]:
            one["metadata"] = {}
        ran["metadata"]["language_info"] = {"name": "python"}
        nbformat.write(ran, kept)
