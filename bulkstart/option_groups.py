"""The options of the command line, group by group; ``arguments`` says which command takes which."""

from __future__ import annotations

import argparse


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name.strip(), value


def sheet_options(parser: argparse.ArgumentParser) -> None:
    """How a sheet is read, and what its rows mean."""
    group = parser.add_argument_group("the sheet")
    group.add_argument(
        "--tab",
        metavar="NAME_OR_NUMBER",
        help="worksheet: its name, else its number from 1 (default: the first visible one with data)",
    )
    group.add_argument(
        "--header-row", type=int, metavar="N", help="the sheet row that holds the headers (default: found, and shown)"
    )
    group.add_argument(
        "--visible-only", action="store_true", help="leave hidden and filtered rows out (default: they are rows, and counted)"
    )
    group.add_argument("--encoding", metavar="NAME", help="of a CSV file (default: detected, and shown)")
    group.add_argument("--delimiter", metavar="CHARACTER", help="of a CSV file (default: detected, and shown)")
    group.add_argument("--decimal", choices=[".", ","], metavar=".|,", help="decimal separator of numbers that are text")
    group.add_argument("--date-format", metavar="PATTERN", help="of dates that are text, e.g. %%d.%%m.%%Y or DD.MM.YYYY")
    group.add_argument(
        "--separator",
        default=";",
        metavar="TEXT",
        help="between several values in one cell, where a parameter takes several (default: ;)",
    )
    group.add_argument(
        "--date-output",
        default="iso",
        metavar="PATTERN",
        help="how dates are sent: iso (2026-12-31) or the portal's own, e.g. DD.MM.YYYY; shown for one row (default: iso)",
    )
    group.add_argument(
        "--datetime-output",
        default="iso",
        metavar="PATTERN",
        help="how dates with a time are sent, e.g. DD.MM.YYYY HH:MI:SS (default: iso)",
    )
    group.add_argument(
        "--time-zone", default="+00:00", metavar="OFFSET", help="of times that name none, as they are sent (default: +00:00)"
    )
    group.add_argument("--template", type=int, metavar="ID", help="workflow template; fills blank templateId cells")
    group.add_argument(
        "--template-file",
        metavar="FILE",
        help="parameter definitions where the portal gives none: the JSON that bulkstart templates --json writes",
    )
    group.add_argument(
        "--entity-type",
        metavar="TYPE",
        help="deal, lead, contact or company; natively also quote, smart_invoice, dynamic_N, list_item, feed_process, drive_file, "
        "task; fills blank entityType cells",
    )
    group.add_argument(
        "--map",
        dest="columns",
        type=_pair,
        action="append",
        default=[],
        metavar="NAME=COLUMN",
        help="which column feeds entityId, entityType, templateId or a parameter: a header or a column letter; repeatable",
    )
    group.add_argument(
        "--forget-mapping",
        action="store_true",
        help="match the columns anew, not as they were confirmed for these headers in an earlier run",
    )
    group.add_argument(
        "--set",
        dest="values",
        type=_pair,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="the same parameter value for every row; repeatable",
    )
    group.add_argument(
        "--check-exists",
        action="store_true",
        help="ask the portal which ids exist; one that does not is a problem (entity-not-found)",
    )
    group.add_argument("--limit", type=int, metavar="N", help="only the first N rows")
    group.add_argument(
        "--campaign", default="", metavar="LABEL", help="a deliberate new round: rows started under another label may start again"
    )
    group.add_argument(
        "--allow-changed",
        action="store_true",
        help="let a row start whose entity already has this workflow with other parameters",
    )


def start_options(parser: argparse.ArgumentParser) -> None:
    """How its rows are started."""
    group = parser.add_argument_group("starting")
    group.add_argument("-o", "--output", metavar="FILE", help="results file (default: SHEET.results.xlsx beside the sheet)")
    group.add_argument("--yes", action="store_true", help="do not ask; without a terminal nothing is sent unless this is given")
    group.add_argument("--dry-run", action="store_true", help="everything but sending; shows each row's request")
    group.add_argument("--skip-invalid", action="store_true", help="start the good rows although others have problems")
    group.add_argument(
        "--canary",
        type=int,
        default=3,
        metavar="N",
        help="the first N rows go first, then you are asked again; 0 = off (default: 3)",
    )
    group.add_argument(
        "--pilot",
        action="store_true",
        help="after the canary wait for bulkstart continue RUN, or bulkstart stop RUN, from anywhere, in place of a question here",
    )
    group.add_argument(
        "--rate",
        type=float,
        metavar="R",
        help="the portal's limit in requests a second (default: as the portal states it; native: 2)",
    )
    group.add_argument("--burst", type=float, metavar="B", help="the portal's bucket size (default: as stated; native: 50)")
    group.add_argument("--polite", action="store_true", help="leave room for other programs")
    group.add_argument(
        "--max-unknown", type=int, default=10, metavar="K", help="at no moment more than K rows on the wire (default: 10)"
    )
    group.add_argument(
        "--batch",
        default="auto",
        metavar="auto|off|N",
        help="rows per request, for the native dialect; auto: several where the first rows showed that it is faster (default: auto)",
    )
    group.add_argument(
        "--halt-doubts", type=int, default=3, metavar="N", help="stop after N doubts in a row; 0 = off (default: 3)"
    )
    group.add_argument(
        "--halt-same", type=int, default=5, metavar="N", help="stop after N equal errors in a row; 0 = off (default: 5)"
    )
    group.add_argument(
        "--halt-percent",
        type=float,
        default=20.0,
        metavar="P",
        help="stop at more than P %% errors in the last 50 rows; 0 = off (default: 20)",
    )
    group.add_argument(
        "--per-document",
        type=int,
        default=2,
        metavar="N",
        help="at most N running workflows on one entity; further rows wait; 0 = off (default: 2)",
    )
    group.add_argument(
        "--reconcile",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="look up rows in doubt when the run ends (default: asked on a terminal, else the command is printed)",
    )
    group.add_argument(
        "--probe-running",
        action="store_true",
        help="a row whose entity runs the same template already is a problem (already-running)",
    )
    group.add_argument(
        "--window", metavar="HH:MM-HH:MM", help="start only between these hours of local time, e.g. 20:00-06:00, each day"
    )
    group.add_argument("--deadline", type=float, metavar="SECONDS", help="stop taking new rows after this long")
    group.add_argument(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help="how long to wait for an answer before the row is in doubt (default: 130 Vibecode, 90 native)",
    )
    _settle_option(group)
    group.add_argument("--safe-csv", action="store_true", help="neutralise formula-like cells of your own columns in CSV results")


def _settle_option(group: argparse._ArgumentGroup) -> None:  # argparse names no other type
    group.add_argument(
        "--settle",
        type=_seconds,
        metavar="SECONDS",
        help="after the last send, before rows in doubt are looked up or sent again (default: 100 Vibecode, 60 native)",
    )


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e6:  # noqa: PLR2004  longer than any wait
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, 0 or more")
    return value


def past_options(parser: argparse.ArgumentParser, command: str) -> None:
    """What the commands about a past run take."""
    if command == "undo":
        parser.add_argument("run", metavar="RUN", help="the run, as bulkstart runs lists it")
    else:
        parser.add_argument(
            "run", metavar="RUN", nargs="?", help="the run, as bulkstart runs lists it (default: the last one that has such rows)"
        )
    if command == "resume":
        sheet_options(parser)
        start_options(parser)
        parser.add_argument(
            "--release-doubts", action="store_true", help="send rows in doubt again too: what had started already runs twice"
        )
        for action in parser._actions:  # noqa: SLF001  a run keeps its own options: only what is given here counts
            if action.dest not in ("run", "help", "yes", "output"):
                action.default = argparse.SUPPRESS
        return
    group = parser.add_argument_group("this command")
    if command == "reconcile":
        _settle_option(group)
        group.add_argument("-o", "--output", metavar="FILE", help="results file (default: the run's own)")
        group.add_argument(
            "--safe-csv", action="store_true", help="neutralise formula-like cells of your own columns in CSV results"
        )
        group.add_argument(
            "--encoding", metavar="NAME", help="of a CSV sheet that was saved again since (default: as the run read it)"
        )
        group.add_argument("--delimiter", metavar="CHARACTER", help="of a CSV sheet that was saved again since")
    else:
        group.add_argument(
            "--erase", action="store_true", help="abort the workflows and erase their data, instead of ending them"
        )
        group.add_argument("--dry-run", action="store_true", help="only count what runs")
        group.add_argument(
            "--yes", action="store_true", help="do not ask; without a terminal nothing is done unless this is given"
        )
    group.add_argument(
        "--rate", type=float, metavar="R", help="the portal's limit in requests a second (default: as it states it; native: 2)"
    )
    group.add_argument("--burst", type=float, metavar="B", help="the portal's bucket size")
    for action in parser._actions:  # noqa: SLF001  as above
        if action.dest in ("rate", "burst", "encoding", "delimiter", "settle"):
            action.default = argparse.SUPPRESS


def doctor_options(parser: argparse.ArgumentParser) -> None:
    """What is looked at besides portal and credentials."""
    parser.add_argument("--template", type=int, metavar="ID", help="look at this workflow template too")
    parser.add_argument("--entity-type", metavar="TYPE", help="the type that it is to start on")
    parser.add_argument("--rate", type=float, metavar="R", help="the portal's limit in requests a second")
    parser.add_argument("--burst", type=float, metavar="B", help="the portal's bucket size")


def new_options(parser: argparse.ArgumentParser) -> None:
    """Which blank sheet is made."""
    parser.add_argument("template", metavar="TEMPLATE", help="the workflow template: its id, or its name")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="the workbook to write (default: template-ID.xlsx here); never one that is there"
    )
    parser.add_argument(
        "--template-file",
        metavar="FILE",
        help="parameter definitions where the portal gives none: the JSON that bulkstart templates --json writes",
    )


def common_options(parser: argparse.ArgumentParser, *, portal: bool = True) -> None:
    """What every command takes."""
    group = parser.add_argument_group("general")
    group.add_argument("--journal", metavar="FILE", help="journal database (default: BULKSTART_JOURNAL, else per user)")
    if portal:
        group.add_argument(
            "--dialect", choices=["vibecode", "native"], help="which API, where settings of both are there, or of the sandbox"
        )
        group.add_argument(
            "--sandbox", action="store_true", help="use an embedded sandbox portal: no key, no network, nothing real is started"
        )
    group.add_argument(
        "--json", action="store_true", help="one JSON object on standard output, nothing else there, also on errors"
    )
    group.add_argument("--quiet", action="store_true", help="say less")
    group.add_argument("--verbose", action="store_true", help="say more")
