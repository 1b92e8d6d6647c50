"""Words ⇄ ``api``: the command line holds no rule. Results go to standard output, progress and questions to standard error."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import gc
import io
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from bulkstart.arguments import COMMANDS, command_of, options_from, parser_of
from bulkstart.console import Console, plain
from bulkstart.errors import BulkstartError, CredentialsError, UsageError
from bulkstart.secret import redact

if TYPE_CHECKING:
    import pandas as pd

    from bulkstart.ending import Finished
    from bulkstart.model import Problem
    from bulkstart.portal import Portal

_SHOWN_PROBLEMS = 40


def program() -> list[str]:
    """The words that this program was called by."""
    return ["python", "-m", "bulkstart"] if Path(sys.argv[0]).name == "__main__.py" else ["bulkstart"]


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
    gc.set_threshold(
        100_000, 50, 1000
    )  # a sheet is many small values that live to the end: measured a third off reading 100,000 rows
    words = list(sys.argv[1:] if words is None else words)
    _streams()
    try:
        command, rest = command_of(words)
        arguments = parser_of(command).parse_args(rest)
        arguments.words = words
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
        _print_json(code, problems=[{"row": None, "column": None, "code": type(error).__name__, "message": text}])
    return code


def _print_json(
    code: int, finished: Finished | None = None, results: Path | None = None,
    problems: list[dict[str, object]] | None = None, *, rows: int = 0,
) -> None:  # fmt: skip
    told: dict[str, Any] = {
        "run": None,
        "portal": None,
        "exitCode": code,
        "counts": {},
        "rows": rows,
        "results": None,
        "forecast": None,
    }
    if finished is not None:
        told |= {"run": finished.run_id, "portal": finished.portal, "counts": finished.counts, "rows": len(finished.outcomes)}
        told |= {"forecast": finished.forecast.to_json() if finished.forecast else None}
    told |= {"results": None if results is None else str(results), "problems": problems or []}
    _print_object(told)


def _print_object(told: dict[str, Any]) -> None:
    """One JSON object on standard output, in ASCII where that cannot hold other letters."""
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    print(redact(json.dumps(told, ensure_ascii=not unicode, allow_nan=False)), flush=True)


# ---------------------------------------------------------------------------------------------------- main job


def _start(arguments: argparse.Namespace) -> int:
    from bulkstart import conduct, job, outputs  # noqa: PLC0415  lazy: --help loads no pandas, no httpx

    options = options_from(arguments)
    sheet = Path(arguments.sheet)
    output = outputs.wanted_path(sheet, arguments.output, dry_run=options.dry_run)
    outputs.check_folder(output)
    asks = not (arguments.yes or arguments.sandbox or options.dry_run)
    if asks and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            "there is no terminal to ask on: give --yes to start without a question, or --dry-run to see what would be started"
        )
    desk = conduct.Desk()
    console = Console(arguments, desk.ask)
    with _portal(arguments) as portal:
        frame = _read(arguments, options.columns.values(), console)
        running = job.Job(frame, portal, options, console)
        with conduct.draining(running):  # until the results are told: an interrupt may not tear them
            finished = conduct.conduct(running, desk, _asker if asks else None)
            written, notes = _written(arguments, finished, output, options, portal)
            for note in notes:
                console.say(note)
            code = finished.exit_code or (1 if written is None else 0)
            if arguments.json:
                _print_json(code, finished, written, _entries(finished.problems))
            else:
                _tell(arguments, finished, written, code)
    return code


def _asker(question: str) -> bool:
    print(f"\n{plain(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes", "д", "да")


@contextlib.contextmanager
def _portal(arguments: argparse.Namespace) -> Iterator[Portal]:
    if arguments.sandbox:
        from bulkstart.sandboxed import sandbox  # noqa: PLC0415  lazy: the simulator

        with sandbox() as portal:
            yield portal
    else:
        from bulkstart.portal import Portal  # noqa: PLC0415  lazy: --help needs none

        yield Portal.from_env(arguments.dialect)


def _read(arguments: argparse.Namespace, expected: Iterator[str] | Any, console: Console) -> pd.DataFrame:
    from bulkstart.sheet import read_sheet  # noqa: PLC0415  lazy: pandas

    frame = read_sheet(
        arguments.sheet,
        tab=arguments.tab,
        header_row=arguments.header_row,
        encoding=arguments.encoding,
        delimiter=arguments.delimiter,
        expected=tuple(expected),
    )
    for note in frame.attrs["sheet"].notes:
        console.say(note)
    return frame


def _written(
    arguments: argparse.Namespace, finished: Finished, output: Path, options: Any, portal: Portal
) -> tuple[Path | None, list[str]]:
    """Write the results beside the sheet, else in the working directory. A failure is said, and loses nothing: the journal has every id."""
    from bulkstart import api, outputs  # noqa: PLC0415  lazy: pandas

    known, source, notes = api.known_elsewhere(finished, portal, options), Path(arguments.sheet), []
    for goal in dict.fromkeys((output, Path.cwd() / output.name)):
        try:
            written, more = outputs.write_beside(finished.results, goal, source=source, safe_csv=arguments.safe_csv, known=known)
        except (OSError, BulkstartError) as error:
            notes.append(f"the results could not be written to {goal}: {error}")
        else:
            return written, [*notes, *more]
    return None, [*notes, "the journal has every id: run the same sheet again to write them"]


def _entries(problems: Sequence[Problem]) -> list[dict[str, object]]:
    from bulkstart.api import problem_entry  # noqa: PLC0415  lazy: pandas

    return [problem_entry(problem) for problem in problems]


def _tell(arguments: argparse.Namespace, finished: Finished, written: Path | None, code: int) -> None:
    from bulkstart.summary import next_step, problem_lines, summary  # noqa: PLC0415  beside its use

    if finished.problems and not arguments.quiet:
        print(
            plain(
                "\n".join(problem_lines(finished.problems, _SHOWN_PROBLEMS if not arguments.verbose else len(finished.problems)))
            )
        )
    if finished.stop is not None:
        print(plain(f"stopped: {finished.stop.code}: {finished.stop.message}"))
    command = next_step(code, [*program(), *arguments.words], str(arguments.sheet), str(written or arguments.sheet))
    labels = finished.results.index.tolist()
    print(plain(summary(finished.outcomes, labels, results=str(written) if written else None, command=command)), flush=True)


# ---------------------------------------------------------------------------------------------------- the others


def _check(arguments: argparse.Namespace) -> int:
    from bulkstart import api  # noqa: PLC0415  lazy: pandas
    from bulkstart.summary import problem_lines  # noqa: PLC0415  beside its use

    options = options_from(arguments)
    console = Console(arguments, lambda _: True)
    with contextlib.ExitStack() as stack:
        try:
            portal = stack.enter_context(_portal(arguments))
        except CredentialsError as error:
            portal = None
            console.say(
                f"checking without a portal ({str(error).split(':')[0]}): parameters are checked as far as the sheet alone allows"
            )
        frame = _read(arguments, options.columns.values(), console)
        problems, finished = api.checked(frame, portal, options, console)
    code = 3 if problems else finished.exit_code if finished else 0
    if arguments.json:
        _print_json(code, finished, None, _entries(problems), rows=len(frame))
    elif problems:
        print(plain("\n".join(problem_lines(problems, _SHOWN_PROBLEMS if not arguments.verbose else len(problems)))))
    else:
        print(
            f"{len(frame):,} rows, no problems"
            + (f"; {finished.stop.code}: {plain(finished.stop.message)}" if finished and finished.stop else "")
        )
    return code


def _templates(arguments: argparse.Namespace) -> int:
    from bulkstart import api  # noqa: PLC0415  lazy: httpx

    with _portal(arguments) as portal:
        found = api.template_list(portal)
    if arguments.json:
        _print_object({"exitCode": 0, "templates": [dataclasses.asdict(template) for template in found]})
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


def _runs(arguments: argparse.Namespace) -> int:
    from bulkstart import api  # noqa: PLC0415  lazy: pandas

    found = api.runs(arguments.journal)
    if arguments.json:
        _print_object({"exitCode": 0, "runs": json.loads(found.to_json(orient="records"))})
        return 0
    for run in found.to_dict("records"):
        told = ", ".join(f"{count:,} {status}" for status, count in run["counts"].items())
        state = " (running)" if run["live"] else ""
        print(
            plain(
                f"{run['run']}  {run['started_at']}  {run['portal']}  template {run['template'] or '–'}  {run['sheet'] or '–'}{state}: {told}"
            )
        )
    if found.empty:
        print("no runs yet")
    return 0


def _sandbox(arguments: argparse.Namespace) -> int:
    from bulkstart.simulator import serve  # noqa: PLC0415  lazy: the simulator

    return serve(arguments.scenario, port=arguments.port, ledger=arguments.ledger)


_COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "start": _start,
    "check": _check,
    "templates": _templates,
    "runs": _runs,
    "sandbox": _sandbox,
}
assert set(_COMMANDS) == set(COMMANDS)
