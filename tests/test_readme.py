"""Every fenced block of the README is run, or checked by its kind; a kind that is not known here fails.

``python -m tests.test_readme`` rewrites the help block after a change of the options.
"""

from __future__ import annotations

import ast
import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import bulkstart
from bulkstart.arguments import COMMANDS, parser_of
from bulkstart.result_columns import RESULT_COLUMNS, Status
from bulkstart.settings import read_env_file
from bulkstart.simulator import Sandbox
from tests.conftest import ROOT, private

README = ROOT / "README.md"
SET_UP = ("pip install . && python -m bulkstart sample_data/deals.xlsx --sandbox", "pip install '.[test]' && pytest")
QUICK = {"limits": {"portal": {"rate": 400, "burst": 400}}}
"""The portal of the console blocks: the default templates, and no waiting."""
HELP_MARK = "bulkstart --help"
BOUND = 60.0
_FENCE = re.compile(r"(?:^<!-- (?P<mark>[^\n]*) -->\n)?^```(?P<kind>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_VARYING = (
    (r"[0-9a-f]{14}\.\d{8}", "WORKFLOW"),
    (r"\d{8}-\d{6}-[0-9a-f]{4}", "RUN"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00", "TIME"),
    (r"127\.0\.0\.1:\d+|portal\.example", "PORTAL"),
    (r"(a few seconds|about \S+ seconds?) \([^)\n]+\)", "SECONDS"),
    (r"python -m bulkstart", "bulkstart"),
    (r"\d+\.\d\d to \d+\.\d\d s", "SECONDS"),
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the comment before it, its text, and the line where the text begins."""

    kind: str
    mark: str
    body: str
    line: int


def blocks() -> list[Block]:
    text = README.read_text(encoding="utf-8")
    found = list(_FENCE.finditer(text))
    return [Block(m["kind"], m["mark"] or "", m["body"], text.count("\n", 0, m.start("body")) + 1) for m in found]


def of_kind(kind: str) -> list[Block]:
    return [block for block in blocks() if block.kind == kind]


def plain(text: str, folder: Path) -> str:
    """Text without what differs from run to run: ids, times, ports, durations, the folder; and without blank lines."""
    text = text.replace(str(folder), "…").replace("\r\n", "\n")
    for pattern, word in _VARYING:
        text = re.sub(pattern, word, text)
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines() if line.strip())


def shown_in(said: str, shown: str, folder: Path) -> bool:
    """Whether a run said what the README shows; a line ``…`` stands for any number of lines."""
    lines = ["(?:.*\n)*?" if line.strip() == "…" else re.escape(line + "\n") for line in plain(shown, folder).splitlines()]
    return re.fullmatch("".join(lines), plain(said, folder)) is not None


# ------------------------------------------------------------------------------------------------------ the console


@dataclass
class Console:
    """A folder with the sample sheets, a portal, and the program; a command is run once, whoever asks again."""

    folder: Path
    portal: Sandbox
    said: dict[str, tuple[int, str]] = field(default_factory=dict)

    def run(self, command: str, shown: str = "") -> tuple[int, str]:
        """Exit code and all that was said, of a command as the README writes it."""
        if command not in self.said:
            words = [sys.executable, "-m", "bulkstart", *words_of(command)]
            if words[3] == "sandbox":
                self.said[command] = self._served(words, len(shown.splitlines()))
            elif answers := re.findall(r"\[y/N\] (\w)", shown):
                self.said[command] = self._asked(words, answers)
            else:
                ended = subprocess.run(
                    words,
                    env=self._env(),
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    encoding="utf-8",
                    timeout=BOUND,
                    check=False,
                )
                self.said[command] = ended.returncode, ended.stdout
        return self.said[command]

    def _env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BULKSTART_")}
        own = {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "COLUMNS": "100"}
        address = {"BULKSTART_BASE_URL": self.portal.url, "BULKSTART_API_KEY": self.portal.api_key}
        return kept | private(self.folder.parent / "home") | own | address

    def _served(self, words: list[str], lines: int) -> tuple[int, str]:
        """A server says its first lines, and is stopped with Ctrl-C; its port is any free one."""
        words = ["0" if before == "--port" else word for before, word in zip(["", *words], words, strict=False)]
        with subprocess.Popen(
            words, env=self._env(), cwd=self.folder, stdout=subprocess.PIPE, encoding="utf-8", start_new_session=True
        ) as server:
            assert server.stdout is not None
            said = "".join(server.stdout.readline() for _ in range(lines))
            os.kill(server.pid, signal.SIGINT)
            return server.wait(BOUND), said

    def _asked(self, words: list[str], answers: list[str]) -> tuple[int, str]:
        """A person at a terminal answers each question with the next of ``answers``."""
        desk, terminal = pty.openpty()
        said, left = b"", list(answers)
        with subprocess.Popen(
            words, env=self._env(), cwd=self.folder, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
        ) as asking:
            os.close(terminal)
            while select.select([desk], [], [], BOUND)[0] and (more := _read(desk)):
                said += more
                if said.endswith(b"[y/N] ") and left:
                    os.write(desk, f"{left.pop(0)}\n".encode())
            os.close(desk)
            return asking.wait(BOUND), said.decode()


def _read(desk: int) -> bytes:
    try:
        return os.read(desk, 65536)
    except OSError:  # the other side of a terminal has gone
        return b""


def words_of(command: str) -> list[str]:
    words = shlex.split(command)
    if words[0] == "bulkstart":
        return words[1:]
    assert words[:3] == ["python", "-m", "bulkstart"], f"{command!r} is no command of this program"
    return words[3:]


def steps(block: Block) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with the output shown under it."""
    assert block.body.startswith("$ "), f"the console block in line {block.line} does not begin with a command"
    for part in re.split(r"^\$ ", block.body, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    folder = tmp_path_factory.mktemp("readme") / "project"
    shutil.copytree(ROOT / "sample_data", folder / "sample_data", ignore=shutil.ignore_patterns("*.results*", "*.planned*"))
    with Sandbox(QUICK) as portal:
        found = Console(folder, portal)
        for block in of_kind("console"):  # in the order of the page, whichever test is asked first
            for command, shown in steps(block):
                found.run(command, shown)
        yield found


@pytest.mark.parametrize("block", of_kind("console"), ids=lambda block: f"line {block.line}")
def test_a_console_block_shows_what_the_program_says(console: Console, block: Block) -> None:
    for command, shown in steps(block):
        code, said = console.run(command, shown)
        assert "Traceback" not in said, said
        assert code != 1, said
        assert shown_in(said, shown, console.folder), f"`{command}` says now:\n{plain(said, console.folder)}"


def test_the_first_set_up_command_starts_every_row_of_the_sample(console: Console) -> None:
    code, said = console.run(SET_UP[0].partition(" && ")[2])
    assert code == 0, said
    assert "60 rows: 60 started" in said
    assert (console.folder / "sample_data" / "deals.results.xlsx").exists()


def test_nothing_but_yes_starts_the_rest_and_the_code_says_stopped(console: Console) -> None:
    assert console.run("bulkstart sample_data/deals.xlsx --quiet")[0] == 6


# ------------------------------------------------------------------------------------------------- the other kinds


def test_the_two_set_up_commands_stand_word_for_word_in_blocks_of_their_own() -> None:
    assert [block.body for block in of_kind("sh")][:2] == [f"{command}\n" for command in SET_UP]


def test_every_file_that_a_shell_block_runs_is_there() -> None:
    for block in of_kind("sh"):
        for line in block.body.splitlines():
            words = shlex.split(line)
            if line in SET_UP:
                continue
            script = ROOT / words[-1]
            assert script.is_file(), f"{line!r} in the block of line {block.line}"
            assert words[:-1] == ["python"] or os.access(script, os.X_OK), f"{line!r} cannot be run"


def test_every_block_is_of_a_kind_that_is_checked_here() -> None:
    known = {"console": "", "sh": "", "python": "", "dotenv": "", "json": "file: ", "text": HELP_MARK}
    for block in blocks():
        assert block.kind in known, f"line {block.line}: nothing checks blocks of the kind {block.kind!r}"
        if known[block.kind]:
            assert block.mark.startswith(known[block.kind]), f"line {block.line}: nothing says what this block is"
    assert README.read_text(encoding="utf-8").count("\n```") == 2 * len(blocks())


def test_the_python_blocks_run_in_order_in_one_namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "sample_data", tmp_path / "sample_data")
    monkeypatch.chdir(tmp_path)
    for block in of_kind("json"):
        path = tmp_path / block.mark.removeprefix("file: ")
        path.write_text(json.dumps(json.loads(block.body)), encoding="utf-8")
    namespace: dict[str, object] = {"__name__": "readme"}
    for block in of_kind("python"):
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if block.mark else 0
        code = compile("\n" * (block.line - 1) + block.body, str(README), "exec", flags)
        if not block.mark:
            exec(code, namespace)  # the README's own code
    assert (tmp_path / "deals.results.xlsx").exists()


def test_only_blocks_that_need_a_portal_are_left_unrun() -> None:
    assert {block.mark for block in of_kind("python")} <= {"", "needs a portal"}


def test_the_env_file_describes_a_portal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = of_kind("dotenv")
    (tmp_path / ".env").write_text(block.body, encoding="utf-8")
    assert "BULKSTART_API_KEY" in read_env_file(block.body)
    assert bulkstart.Portal.from_env().base_url.startswith("https://")


# ------------------------------------------------------------------------------------------------------ help, words


def real_help(command: str = "start") -> str:
    env = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    words = [sys.executable, "-m", "bulkstart", command, "--help"]
    return subprocess.run(words, env=env, capture_output=True, encoding="utf-8", timeout=BOUND, check=True).stdout


def wording(text: str) -> list[str]:
    """The words of a help text; how lines break and how short options are shown differs between versions of Python."""
    return re.sub(r"(-\w) (\S+), (--[\w-]+) \2(?=\s)", r"\1, \3 \2", text).split()


def test_the_help_block_is_the_real_help() -> None:
    (block,) = of_kind("text")
    assert wording(block.body) == wording(real_help()), "python -m tests.test_readme rewrites it"


def spelled() -> set[str]:
    """Every long option of every command."""
    actions = [action for command in COMMANDS for action in parser_of(command)._actions]
    return {option for action in actions for option in action.option_strings if option.startswith("--")}


def test_every_option_and_command_stands_in_the_readme_and_none_that_is_not_there() -> None:
    text = README.read_text(encoding="utf-8")
    assert set(re.findall(r"--[a-z][a-z-]*[a-z]", text)) == spelled()
    for command in COMMANDS:
        assert re.search(rf"`{command}`|bulkstart {command}\b|^  {command} ", text, re.MULTILINE), command


def test_every_status_result_column_exit_code_and_public_name_is_explained() -> None:
    text = README.read_text(encoding="utf-8")
    for word in (*Status, *RESULT_COLUMNS, *(0, 1, 2, 3, 4, 5, 6, 7, 130)):
        assert re.search(rf"^\| `?{word}`? \| \S", text, re.MULTILINE), word
    for name in set(bulkstart.__all__) - {"BulkstartError", "__version__"}:
        assert re.search(rf"\b{name}\b", text), name


def test_the_promise_is_the_one_that_can_be_kept() -> None:
    text = README.read_text(encoding="utf-8")
    first_screen = text[: text.index("```")]
    assert "each row is started at most once, and every doubt is shown" in first_screen
    assert "exactly once" not in text.lower()


def test_every_file_that_the_readme_links_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README.read_text(encoding="utf-8")):
        assert (ROOT / target).exists(), target


if __name__ == "__main__":
    (old,) = of_kind("text")
    mark = f"<!-- {HELP_MARK} -->\n```text\n"
    README.write_text(README.read_text(encoding="utf-8").replace(mark + old.body, mark + real_help(), 1), encoding="utf-8")
