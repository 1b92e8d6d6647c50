"""The code beside each step is code: it parses, names options that exist, and holds no secret."""

from __future__ import annotations

import ast
import shlex

import pytest

from bulkstart.arguments import command_of, options_from, parser_of
from bulkstart.notebook import lines

OPTIONS = {
    "template": 713,
    "entity_type": "deal",
    "columns": {"entityId": "CRM id", "param:note": "B"},
    "values": {"kind": "it's"},
    "canary": 0,
    "skip_invalid": True,
    "polite": False,
    "campaign": "",
    "reconcile": False,
}


def parsed(command: str, folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "my deals.xlsx").write_bytes(b"")
    program, *words = shlex.split(command)
    assert program == "bulkstart"
    name, own = command_of(words)
    return name, parser_of(name).parse_args(own)


@pytest.mark.parametrize("sandbox", [True, False])
def test_the_command_line_means_the_options_of_the_panel(tmp_path, monkeypatch, sandbox):
    python, command = lines.start("my deals.xlsx", {"tab": "Deals", "header_row": 4}, OPTIONS, sandbox=sandbox)
    name, arguments = parsed(command, tmp_path, monkeypatch)
    options = options_from(arguments)
    assert name == "start"
    assert (arguments.sheet, arguments.tab, arguments.header_row, bool(arguments.sandbox)) == (
        "my deals.xlsx",
        "Deals",
        4,
        sandbox,
    )
    assert (options.template, options.entity_type, options.canary, options.skip_invalid) == (713, "deal", 0, True)
    assert (options.columns, options.values, options.reconcile) == (OPTIONS["columns"], OPTIONS["values"], False)
    call = ast.parse(python).body[0].value
    given = {one.arg: one.value for one in call.keywords}
    assert ast.literal_eval(given["columns"]) == OPTIONS["columns"]
    assert ("sandbox" in given) == sandbox
    assert "polite" not in given
    assert "campaign" not in given


@pytest.mark.parametrize("sandbox", [True, False])
def test_every_line_is_python_and_every_command_is_one(tmp_path, monkeypatch, sandbox):
    path, reader = "my deals.xlsx", {"tab": "Deals"}
    pairs = [
        lines.read(path, reader),
        lines.templates(sandbox=sandbox),
        lines.columns(OPTIONS),
        lines.check(path, reader, OPTIONS, sandbox=sandbox),
        lines.forecast(path, reader, OPTIONS, sandbox=sandbox),
        lines.run("20261122-1", "", {}),
        lines.run("20261122-1", "resume()", {"journal": tmp_path / "journal.sqlite"}),
        lines.run("20261122-1", "reconcile()", {}),
        lines.write("20261122-1", path, "my deals.results.xlsx"),
    ]
    for python, command in pairs:
        ast.parse(python)
        if command.startswith("bulkstart "):
            parsed(command, tmp_path, monkeypatch)
    for python, _ in (lines.portal(sandbox=True), lines.portal(sandbox=False), lines.read(None, {})):
        ast.parse(python)


def test_a_frame_that_came_from_no_file_has_no_command():
    assert lines.start(None, {}, {"template": 713}, sandbox=False)[1] == ""
    assert lines.columns({"template": 713}) == ("", "")
