"""The words of the command line: which command is meant, which options it takes, and their values as ``Options``."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from bulkstart.errors import UsageError
from bulkstart.option_groups import common_options, doctor_options, new_options, past_options, sheet_options, start_options
from bulkstart.options import Options
from bulkstart.version import VERSION

COMMANDS = {
    "start": "start one workflow for each row of a sheet (the same as giving the sheet alone)",
    "check": "read and check a sheet only; sends no start",
    "templates": "list the portal's workflow templates",
    "new": "make a blank sheet for a template: a column for each parameter, drop-downs, a legend",
    "doctor": "look at key, scope, plan, administrator, clock and template before a run; starts nothing",
    "runs": "list past runs of the journal",
    "resume": "go on with a run that stopped: only rows that certainly did not start and were never refused",
    "reconcile": "settle a run's rows in doubt by the portal's list of running workflows",
    "undo": "terminate what a run started and still runs",
    "stop": "stop a run that goes on anywhere on this machine: rows on the wire finish, the others are not attempted",
    "pause": "let a run take no more rows; those on the wire finish",
    "continue": "let a paused run go on, or one that waits behind its pilot (--pilot)",
    "sandbox": "serve the sandbox portal on 127.0.0.1",
}
CONTROLS = ("stop", "pause", "continue")
"""Commands that write down what is wanted of a run."""
_PROG = "bulkstart"
LATER = ("report",)
"""Commands that later versions will have: named, so that nobody looks for a file of that name."""
_EXIT_CODES = """exit codes:
  0    every row started, had started before, or is planned
  1    a fault of ours
  2    usage, credentials, or a sheet that cannot be read
  3    the sheet has problems, nothing was sent
  4    finished, some rows refused, invalid, duplicate or given up
  5    finished, some rows in doubt
  6    stopped early, some rows not attempted
  7    denied, or wrong address
  130  interrupted and drained"""


class _Parser(argparse.ArgumentParser):
    """Errors become ``UsageError``, so that ``--json`` can tell them too."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def parser_of(command: str) -> argparse.ArgumentParser:
    """The parser of one command; ``start`` is also the program's own."""
    parser = _Parser(prog=f"{_PROG} {command}", description=COMMANDS[command], allow_abbrev=False)
    if command in ("start", "check"):
        if command == "start":
            names = "\n".join(f"  {name:<10} {text}" for name, text in COMMANDS.items())
            parser = _Parser(
                prog=_PROG,
                usage=f"{_PROG} SHEET [options]\n       {_PROG} COMMAND [options]",
                description="Start one Bitrix24 workflow for each row of a spreadsheet: each row at most once, and every doubt is shown.",
                epilog=f"commands ({_PROG} COMMAND --help tells more):\n{names}\n\n{_EXIT_CODES}",
                formatter_class=argparse.RawDescriptionHelpFormatter,
                allow_abbrev=False,
            )
        parser.add_argument("sheet", metavar="SHEET", help="a CSV or Excel file")
        sheet_options(parser)
        if command == "start":
            start_options(parser)
    if command in ("resume", "reconcile", "undo"):
        past_options(parser, command)
    if command in CONTROLS:
        parser.add_argument("run", metavar="RUN", help="the run, as bulkstart runs lists it")
    if command == "new":
        new_options(parser)
    if command == "doctor":
        doctor_options(parser)
    if command == "sandbox":
        parser.add_argument(
            "--port", type=int, default=8018, metavar="N", help="port on 127.0.0.1; 0 = any free one (default: 8018)"
        )
        parser.add_argument("--scenario", metavar="FILE", help="scenario file (its format: bulkstart/simulator/SCENARIOS.md)")
        parser.add_argument(
            "--idle", type=float, metavar="SECONDS", help="end by itself when nobody was connected for so long (default: never)"
        )
        parser.add_argument("--ledger", metavar="FILE", help="write what truly happens to this file, one JSON object a line")
    else:
        common_options(parser, portal=command != "runs" and command not in CONTROLS)
    parser.add_argument("--version", action="version", version=f"bulkstart {VERSION}")
    return parser


def _is_file(word: str) -> bool:
    try:
        return Path(word).exists()
    except OSError:  # a word that is too long for a name
        return False


def command_of(words: Sequence[str]) -> tuple[str, list[str]]:
    """Which command is meant, and its own words. The first word that is no option decides (interface.md 1)."""
    takes_value = {
        option
        for command in COMMANDS
        for action in parser_of(command)._actions  # noqa: SLF001  argparse has no other way to ask
        for option in action.option_strings
        if action.nargs is None
    }
    skip = False
    for place, word in enumerate(words):
        if skip:
            skip = False
        elif word.startswith("-") and word != "-":
            skip = word in takes_value
        elif word in COMMANDS:
            return word, [*words[:place], *words[place + 1 :]]
        elif _is_file(word):
            return "start", list(words)
        else:
            if word in LATER:
                raise UsageError(f"this version has no {word!r} yet; run the sheet again to go on: nothing starts twice")
            near = difflib.get_close_matches(word, COMMANDS, 1, 0.5)
            hint = f"; did you mean the command {near[0]!r}?" if near else f"; commands: {', '.join(COMMANDS)}"
            here = difflib.get_close_matches(word, [path.name for path in Path.cwd().iterdir()], 1, 0.6)
            hint = f"; there is a file {here[0]!r} here" if here and not near else hint
            raise UsageError(f"{word!r} is neither a command nor an existing file{hint}")
    if not words:
        raise UsageError("give a sheet or a command (see bulkstart --help)")
    return "start", list(words)


def options_from(arguments: argparse.Namespace) -> Options:
    """The options of the main job as given. Raises ``UsageError``."""
    known = set(Options.__dataclass_fields__)
    return Options(**{name: value for name, value in given_of(arguments).items() if name in known})


def given_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """What was given, by the names of Python. Raises ``UsageError``."""
    given: dict[str, Any] = dict(vars(arguments))
    for name, option in (("columns", "--map"), ("values", "--set")):
        if name not in given:
            continue
        pairs = given[name] or []
        names = [pair[0] for pair in pairs]
        if twice := next((found for found in names if names.count(found) > 1), None):
            raise UsageError(f"{option} {twice}=… is given twice; give it once")
        given[name] = dict(pairs)
    return given


def words_of(command: str, options: Mapping[str, Any]) -> list[str]:
    """Options by their names in Python as words of the command line; ``None`` and what is default is left out. Raises ``UsageError``.

    >>> words_of("start", {"template": 713, "columns": {"entityId": "ID"}, "skip_invalid": True, "limit": None})
    ['--template=713', '--map=entityId=ID', '--skip-invalid']
    """
    actions = [action for action in parser_of(command)._actions if action.option_strings]  # noqa: SLF001  as above
    if unknown := sorted(set(options) - {action.dest for action in actions}):
        raise UsageError(f"unknown option {unknown[0]!r} of bulkstart {command}")
    words: list[str] = []
    for action in actions:
        value, option = options.get(action.dest), action.option_strings[-1]
        if value is None or value == action.default:
            continue
        if isinstance(action, argparse.BooleanOptionalAction):
            words.append(action.option_strings[0 if value else -1])
        elif action.nargs == 0:
            words += [option] if value else []
        elif isinstance(value, Mapping):
            words += [f"{option}={name}={_typed(one, options)}" for name, one in value.items()]
        else:
            words.append(f"{option}={value}")
    return words


def _typed(value: object, options: Mapping[str, Any]) -> str:
    """A constant as it is typed; several values stand between separators."""
    if isinstance(value, list | tuple):
        return str(options.get("separator") or ";").join(map(str, value))
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
