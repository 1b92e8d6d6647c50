"""Words ⇄ ``api``: the command line holds no rule. Results go to standard output, progress and questions to standard error."""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn

from bulkstart import cli_run
from bulkstart.arguments import COMMANDS, CONTROLS, command_of, options_from, parser_of
from bulkstart.cli_run import portal_of, read
from bulkstart.console import Console, plain
from bulkstart.errors import BulkstartError, CredentialsError, UsageError
from bulkstart.options import Options
from bulkstart.secret import redact
from bulkstart.telling import entries, print_json, print_object, show_problems


def script() -> NoReturn:
    """The console script: an interrupt after the results are told changes nothing any more."""
    code = main()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)


def _streams() -> None:
    """Closed streams swallow what is said; an encoding that lacks a letter shows its number."""
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  it lives as long as the program
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  as above
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    if "BULKSTART_RUN_ID" not in os.environ:
        return _main(words)
    from bulkstart.launched import lived  # noqa: PLC0415  lazy: --help loads no journal

    return lived(lambda run_id: _main(words, run_id))


def _main(words: Sequence[str] | None, launched: str | None = None) -> int:
    """One command; ``launched``: the id of its run, where it was launched by another process (``detached``)."""
    gc.set_threshold(
        100_000, 50, 1000
    )  # a sheet is many small values that live to the end: measured a third off reading 100,000 rows
    words = list(sys.argv[1:] if words is None else words)
    _streams()
    try:
        command, rest = command_of(words)
        arguments = parser_of(command).parse_args(rest)
        arguments.words, arguments.command, arguments.launched = words, command, launched
        return _COMMANDS[command](arguments)
    except SystemExit as ended:  # --help and --version
        return ended.code if isinstance(ended.code, int) else 2
    except BulkstartError as error:
        return _failed(words, error, error.exit_code)
    except KeyboardInterrupt:
        return _failed(
            words, UsageError("interrupted; what was started stands in the journal: run the same sheet again to see it"), 130
        )
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as error:  # noqa: BLE001  the last resort: a fault of ours is told as such, never as a bare traceback
        if "--verbose" in words:
            traceback.print_exc()
        text = f"a fault of bulkstart, please report it: {type(error).__name__}: {error} (--verbose shows where)"
        return _failed(words, BulkstartError(text), 1)


def _failed(words: Sequence[str], error: BulkstartError, code: int) -> int:
    text = plain(redact(str(error)))
    print(f"bulkstart: {text}", file=sys.stderr)
    if "--json" in words:
        print_json(code, problems=[{"row": None, "column": None, "code": type(error).__name__, "message": text}])
    return code


# ---------------------------------------------------------------------------------------------------- the others


def _check(arguments: argparse.Namespace) -> int:
    from bulkstart import api  # noqa: PLC0415  lazy: pandas

    options = options_from(arguments)
    console = Console(arguments, lambda _: True)
    with contextlib.ExitStack() as stack:
        try:
            portal = stack.enter_context(portal_of(arguments))
        except CredentialsError as error:
            portal = None
            console.say(
                f"checking without a portal ({str(error).split(':')[0]}): parameters are checked as far as the sheet alone allows"
            )
        frame = read(arguments, options.columns.values(), console)
        problems, finished = api.checked(frame, portal, options, console, dialect=arguments.dialect)
    code = 3 if problems else finished.exit_code if finished else 0
    if arguments.json:
        print_json(code, finished, None, entries(problems), rows=len(frame))
    elif problems:
        show_problems(arguments, problems)
    else:
        print(
            f"{len(frame):,} rows, no problems"
            + (f"; {finished.stop.code}: {plain(finished.stop.message)}" if finished and finished.stop else "")
        )
    return code


def _templates(arguments: argparse.Namespace) -> int:
    from bulkstart import api  # noqa: PLC0415  lazy: httpx
    from bulkstart.template_file import to_json  # noqa: PLC0415  beside its use

    with portal_of(arguments) as portal:
        found = api.template_list(portal, arguments.journal)
    if arguments.json:
        print_object({"exitCode": 0, **to_json(found)})
        return 0
    for template in found:
        print(plain(f"{template.id:>8}  {template.entity_type or '?':<8} {template.name}"))
        for p in template.parameters or ():
            marks = f"{p.type}{', required' if p.required else ''}{', several' if p.multiple else ''}"
            choices = f": {', '.join(p.options)}" if p.options else ""
            print(plain(f"          {p.name} ({p.label or p.name}; {marks}{choices})"))
        if template.parameters is None:
            print("          (the portal gives no parameter definitions)")
    return 0


def _new(arguments: argparse.Namespace) -> int:
    from bulkstart import blank  # noqa: PLC0415  lazy: httpx, openpyxl

    options = Options(template_file=arguments.template_file, journal=arguments.journal, dry_run=True)
    with contextlib.ExitStack() as stack:
        try:
            portal = stack.enter_context(portal_of(arguments))
        except CredentialsError:
            if options.template_file is None:
                raise
            portal = None
        made = blank.make(arguments.template, arguments.output, portal, options, dialect=arguments.dialect)
    if arguments.json:
        print_object(
            {
                "exitCode": 0,
                "template": made.template,
                "results": str(made.path),
                "columns": list(made.columns),
                "notes": list(made.notes),
            }
        )
        return 0
    for note in () if arguments.quiet else made.notes:
        print(plain(note), file=sys.stderr)
    print(
        plain(
            f"{made.path}: {len(made.columns)} columns for template {made.template}; fill in one row for each start, then bulkstart {made.path}"
        )
    )
    return 0


def _doctor(arguments: argparse.Namespace) -> int:
    from bulkstart.conduct import conduct  # noqa: PLC0415  lazy: httpx
    from bulkstart.doctor import Doctor  # noqa: PLC0415  as above

    with portal_of(arguments) as portal:
        found = conduct(Doctor(portal, options_from(arguments)))
    if arguments.json:
        problems: list[dict[str, object]] = [
            {"row": None, "column": None, "code": finding.code, "message": finding.text}
            for finding in found.findings
            if finding.code
        ]
        findings = [{"topic": f.topic, "level": f.level, "code": f.code, "message": f.text} for f in found.findings]
        print_json(found.exit_code, problems=problems, more={"portal": found.portal, "findings": findings})
        return found.exit_code
    for finding in found.findings:
        if finding.code or not arguments.quiet:
            print(plain(f"{finding.level:<8} {finding.topic:<14} {finding.text}"))
    return found.exit_code


def _runs(arguments: argparse.Namespace) -> int:
    from bulkstart import api  # noqa: PLC0415  lazy: pandas
    from bulkstart.watch import look  # noqa: PLC0415  beside its use

    found = api.runs(arguments.journal)
    if arguments.json:
        print_object({"exitCode": 0, "runs": json.loads(found.to_json(orient="records"))})
        return 0
    for run in found.to_dict("records"):
        told = ", ".join(f"{count:,} {status}" for status, count in run["counts"].items())
        state = f" ({look(run['run'], arguments.journal).state})" if run["live"] else ""
        print(
            plain(
                f"{run['run']}  {run['started_at']}  {run['portal']}  template {run['template'] or '–'}  {run['sheet'] or '–'}{state}: {told}"
            )
        )
    if found.empty:
        print("no runs yet")
    return 0


def _control(arguments: argparse.Namespace) -> int:
    from bulkstart.standing import Wish  # noqa: PLC0415  beside its use
    from bulkstart.watch import wish  # noqa: PLC0415  lazy: the journal

    wanted = {"stop": Wish.STOP, "pause": Wish.PAUSE, "continue": Wish.GO_ON}[arguments.command]
    seen = wish(arguments.run, wanted, arguments.journal)
    if arguments.json:
        print_object(
            {"exitCode": 0, "run": seen.run_id, "state": str(seen.state), "counts": dict(seen.counts), "rows": seen.rows}
        )
    elif not arguments.quiet:
        print(
            plain(
                f"run {seen.run_id} is {seen.state}: {seen.settled:,} of {seen.rows:,} rows are settled, {seen.told.on_wire} on the wire"
            )
        )
    return 0


def _sandbox(arguments: argparse.Namespace) -> int:
    from bulkstart.simulator import serve  # noqa: PLC0415  lazy: the simulator

    return serve(arguments.scenario, port=arguments.port, ledger=arguments.ledger, idle=arguments.idle)


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    **cli_run.COMMANDS,
    "check": _check,
    "templates": _templates,
    "new": _new,
    "doctor": _doctor,
    "runs": _runs,
    **dict.fromkeys(CONTROLS, _control),
    "sandbox": _sandbox,
}
assert set(_COMMANDS) == set(COMMANDS)
