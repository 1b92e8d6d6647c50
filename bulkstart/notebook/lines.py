"""What repeats each step of the panel, ready to copy: one line of Python and one of the command line. No secret is in either."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from bulkstart.arguments import parser_of, words_of

_OWN = ("columns", "values")


def read(path: str | None, reader: Mapping[str, Any]) -> tuple[str, str]:
    """The sheet read."""
    if path is None:
        return "frame", ""
    return f"frame = bulkstart.read_sheet({_python([repr(path), *_keywords(reader)])})", ""


def portal(*, sandbox: bool) -> tuple[str, str]:
    """The portal met."""
    if sandbox:
        return "with bulkstart.sandbox() as portal: ...", "bulkstart SHEET --sandbox"
    return "portal = bulkstart.Portal.from_env()", "bulkstart doctor"


def templates(*, sandbox: bool) -> tuple[str, str]:
    """The portal's templates listed."""
    if sandbox:
        return "with bulkstart.sandbox() as portal: print(bulkstart.templates(portal))", "bulkstart templates --sandbox"
    return "listing = bulkstart.templates(portal)", "bulkstart templates"


def columns(options: Mapping[str, Any]) -> tuple[str, str]:
    """What was chosen for the columns."""
    given = {name: options[name] for name in _OWN if options.get(name)}
    return f"options = {given!r}" if given else "", shlex.join(_words("start", given)) if given else ""


def check(path: str | None, reader: Mapping[str, Any], options: Mapping[str, Any], *, sandbox: bool) -> tuple[str, str]:
    """The sheet checked."""
    kept = {name: value for name, value in options.items() if name not in ("skip_invalid", "canary")}
    return _call("found = bulkstart.check", kept, sandbox=sandbox), _command(["check"], path, reader, kept, sandbox=sandbox)


def forecast(path: str | None, reader: Mapping[str, Any], options: Mapping[str, Any], *, sandbox: bool) -> tuple[str, str]:
    """The dry run."""
    python = _call("planned = bulkstart.start", {**options, "dry_run": True}, sandbox=sandbox)
    return python, _command([], path, reader, {**options, "dry_run": True}, sandbox=sandbox)


def start(path: str | None, reader: Mapping[str, Any], options: Mapping[str, Any], *, sandbox: bool) -> tuple[str, str]:
    """The start itself; Python never asks, the command line does."""
    return _call("results = bulkstart.start", options, sandbox=sandbox), _command([], path, reader, options, sandbox=sandbox)


def run(run_id: str, verb: str, options: Mapping[str, Any], *, portal: str = "portal=portal") -> tuple[str, str]:
    """A run by its id (``verb`` blank), or something done with it: ``resume()``, ``reconcile()``."""
    journal = options.get("journal")
    given = [repr(run_id), portal, *([f"journal={str(journal)!r}"] if journal else [])]
    python = f"run = bulkstart.Run({_python(given)})" if not verb else f"results = bulkstart.Run({_python(given)}).{verb}"
    command = verb.removesuffix("()")
    return python, shlex.join(["bulkstart", command, run_id, *_words(command, {"journal": journal})]) if command else ""


def write(run_id: str, path: str | None, goal: str) -> tuple[str, str]:
    """The results written."""
    source = f", source={path!r}" if path else ""
    return f"bulkstart.write_results(bulkstart.Run({run_id!r}, portal=portal).results, {goal!r}{source})", ""


# ------------------------------------------------------------------------------------------------------- their pieces


def _call(function: str, options: Mapping[str, Any], *, sandbox: bool) -> str:
    return f"{function}({_python(['frame', 'sandbox=True' if sandbox else 'portal=portal', *_keywords(options)])})"


def _command(verb: list[str], path: str | None, reader: Mapping[str, Any], options: Mapping[str, Any], *, sandbox: bool) -> str:
    if path is None:
        return ""
    words = _words(verb[0] if verb else "start", {**options, **reader, "sandbox": sandbox})
    return shlex.join(["bulkstart", *verb, path, *words])


def _python(words: list[str]) -> str:
    return ", ".join(words)


def _keywords(options: Mapping[str, Any]) -> list[str]:
    return [f"{name}={_literal(value)}" for name, value in options.items() if _is_given(value)]


def _literal(value: object) -> str:
    """A value as Python has it; a path is its text."""
    if isinstance(value, Mapping):
        return repr({str(name): one for name, one in value.items()})
    return repr(value) if isinstance(value, str | int | float | bool) else repr(str(value))


def _words(command: str, options: Mapping[str, Any]) -> list[str]:
    """The options that this command takes."""
    taken = {action.dest for action in parser_of(command)._actions}  # noqa: SLF001  argparse has no other way to ask
    return words_of(command, {name: value for name, value in options.items() if name in taken})


def _is_given(value: object) -> bool:
    return value is not None and value is not False and value not in ("", {})
