"""What is said to the person: one JSON object, or a run on one screen. Standard output holds nothing else."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bulkstart.console import plain
from bulkstart.secret import redact

if TYPE_CHECKING:
    from bulkstart.ending import Finished
    from bulkstart.model import Problem
    from bulkstart.undo import Undone

_SHOWN_PROBLEMS = 40


def program() -> list[str]:
    """The words that this program was called by."""
    return ["python", "-m", "bulkstart"] if Path(sys.argv[0]).name == "__main__.py" else ["bulkstart"]


def print_json(
    code: int, finished: Finished | None = None, results: Path | None = None,
    problems: list[dict[str, object]] | None = None, *, rows: int = 0,
    more: dict[str, Any] | None = None,
) -> None:  # fmt: skip
    """The object of ``--json`` (interface.md 1)."""
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
    told |= more or {}
    told |= {"results": None if results is None else str(results), "problems": problems or []}
    print_object(told)


def print_object(told: dict[str, Any]) -> None:
    """One JSON object on standard output, in ASCII where that cannot hold other letters."""
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    print(redact(json.dumps(told, ensure_ascii=not unicode, allow_nan=False)), flush=True)


def entries(problems: Sequence[Problem]) -> list[dict[str, object]]:
    """Problems as ``--json`` shows them."""
    from bulkstart.api import problem_entry  # noqa: PLC0415  lazy: pandas

    return [problem_entry(problem) for problem in problems]


def show_problems(arguments: argparse.Namespace, problems: Sequence[Problem]) -> None:
    """Problems, one a line."""
    from bulkstart.summary import problem_lines  # noqa: PLC0415  beside its use

    print(plain("\n".join(problem_lines(problems, len(problems) if arguments.verbose else _SHOWN_PROBLEMS))))


def tell(arguments: argparse.Namespace, finished: Finished, written: Path | None, command: str | None) -> None:
    """A run on one screen; ``command``: what to type next."""
    from bulkstart.summary import summary  # noqa: PLC0415  beside its use

    if finished.problems and not arguments.quiet:
        show_problems(arguments, finished.problems)
    if finished.stop is not None:
        print(plain(f"stopped: {finished.stop.code}: {finished.stop.message}"))
    labels = finished.results.index.tolist()
    print(plain(summary(finished.outcomes, labels, results=str(written) if written else None, command=command)), flush=True)


def tell_undone(arguments: argparse.Namespace, undone: Undone) -> None:
    """What became of a run's workflows."""
    if arguments.json:
        print_json(undone.exit_code, None, more={"run": undone.run_id, "portal": undone.portal, "counts": undone.counts})
        return
    told = ", ".join(f"{count:,} {name}" for name, count in undone.counts.items())
    print(plain(f"run {undone.run_id} on {undone.portal}: {told}"))
    for workflow_id, why in list(undone.running.items())[:_SHOWN_PROBLEMS]:
        print(plain(f"  {workflow_id} still runs: {why}"))
    if undone.stop is not None:
        print(plain(f"stopped: {undone.stop.code}: {undone.stop.message}"))
