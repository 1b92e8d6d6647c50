"""The tables of a report: kinds of trouble, rows in doubt, rows that did not start, started rows with a remark, history. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from bulkstart.markup import Markup, tag
from bulkstart.model import Outcome
from bulkstart.report_rows import MOST_DOUBTS, MOST_REMARKS, MOST_ROWS, Account, card, chosen, entity, what_to_do, where_to_look
from bulkstart.result_columns import Status
from bulkstart.summary import WORDS, advice_for
from bulkstart.timeline import Turn

When = Callable[[float], str]

_MOST_KINDS, _MOST_TURNS = 40, 150
_LABEL, _CODE, _MESSAGE, _SHOWN, _NARROW = 60, 80, 400, 6, 24


def word(status: str) -> str:
    """A status as people say it."""
    named = {str(name): text for name, text in WORDS.items()}
    return named.get(status, "still to come" if status == "open" else status.replace("_", " "))


def dot(status: str) -> Markup:
    """A spot in the colour of a status."""
    return tag("svg", tag("circle", cx=5, cy=5, r=5), class_=f"dot {status}", viewBox="0 0 10 10", aria_hidden="true")


def table(heads: Iterable[object], rows: Iterable[object]) -> Markup:
    """A table of rows that are made already."""
    head = tag("thead", tag("tr", [tag("th", name, scope="col") for name in heads]))
    return tag("table", head, tag("tbody", list(rows)))


def kinds(account: Account) -> Markup:
    """Trouble by status and code, with what to do."""
    rows = []
    groups = account.groups()
    for status, code, found in groups[:_MOST_KINDS]:
        first = ", ".join(_cut(account.past.rows[o.position].label, _LABEL) for o in found[:_SHOWN])
        advice = advice_for(status, code)
        told = [
            _cut(found[0].error_message, _MESSAGE),
            _aside(f"→ {advice}") if advice and advice not in found[0].error_message else None,
        ]
        cells = (
            tag("td", dot(status), word(status), class_="short"),
            tag("td", tag("code", _cut(code, _CODE)), class_="short" if len(code) <= _NARROW else "said"),
            tag("td", f"{len(found):,}", class_="number"),
            tag("td", told, class_="said"),
            tag("td", first + (", …" if len(found) > _SHOWN else ""), class_="said"),
        )
        rows.append(tag("tr", cells))
    more = f"and {len(groups) - _MOST_KINDS:,} more kinds" if len(groups) > _MOST_KINDS else None
    return tag(
        "section",
        tag("h2", "Errors and doubts by kind"),
        table(("", "code", "how many", "the first of them says", "which rows"), rows),
        _soft(more),
    )


def doubts(account: Account, when: When, elsewhere: str) -> Markup:
    """Rows that may have started, with where to look."""
    found = account.of(Status.IN_DOUBT)
    shown, sent = chosen(found, MOST_DOUBTS), account.last_sent()

    def cells(outcome: Outcome) -> Markup:
        row = account.past.rows[outcome.position]
        at = when(sent[row.key]) if row.key in sent else ""
        return _row(account, outcome, tag("td", at, class_="short"), tag("td", where_to_look(row, sent=bool(at))))

    heads = ("row", "entity", "what happened", "sent last", "where to look")
    intro = "Each of these may have started, or may not. None is sent again unless a person says so."
    return tag(
        "section",
        tag("h2", f"In doubt: {len(found):,}"),
        tag("p", intro),
        filters(shown),
        table(heads, [cells(outcome) for outcome in shown]),
        _left_out(len(shown), len(found), elsewhere),
    )


def not_started(account: Account, elsewhere: str) -> Markup:
    """Rows that certainly did not start, with what to do."""
    found = account.not_started()
    shown = chosen(found, MOST_ROWS)
    rows = [_row(account, outcome, tag("td", what_to_do(outcome))) for outcome in shown]
    return tag(
        "section",
        tag("h2", f"Not started: {len(found):,}"),
        tag("p", "This run has started nothing for these."),
        filters(shown),
        table(("row", "entity", "what happened", "what to do"), rows),
        _left_out(len(shown), len(found), elsewhere),
    )


def remarked(account: Account, elsewhere: str) -> Markup:
    """Started rows that have something to tell."""
    found = account.remarked()
    shown = found[:MOST_REMARKS]
    rows = [_row(account, outcome, tag("td", tag("code", _cut(outcome.workflow_id, _CODE)))) for outcome in shown]
    return tag(
        "section",
        tag("h2", f"Started, with a remark: {len(found):,}"),
        table(("row", "entity", "remark", "workflow"), rows),
        _left_out(len(shown), len(found), elsewhere),
    )


def history(turns: Sequence[Turn], when: When) -> Markup:
    """What happened to the run, one line each; the first and the last where there are too many."""
    half = _MOST_TURNS // 2
    cut = len(turns) > _MOST_TURNS
    rows = [tag("tr", tag("td", _span(turn, when), class_="short"), tag("td", _counted(turn))) for turn in turns]
    if cut:
        rows = [*rows[:half], tag("tr", tag("td", "…"), tag("td", f"{len(turns) - 2 * half:,} more")), *rows[-half:]]
    return tag("section", tag("h2", "What happened"), table(("when", "what"), rows))


def filters(shown: Sequence[Outcome]) -> Markup | None:
    """Fields that filter the table behind them, shown where the script runs; none for a few rows."""
    if len(shown) <= _SHOWN:
        return None
    statuses = dict.fromkeys(str(outcome.status) for outcome in shown)
    choices = [tag("option", "every status", value=""), *(tag("option", word(status), value=status) for status in statuses)]
    words = tag("input", type="search", placeholder="filter: row, entity, code, words", aria_label="filter rows by words")
    return tag(
        "div", words, tag("select", choices, aria_label="filter rows by status"), tag("small"), class_="filter", hidden=True
    )


def _row(account: Account, outcome: Outcome, *more: Markup) -> Markup:
    row = account.past.rows[outcome.position]
    code = tag("code", _cut(outcome.error_code, _CODE)) if outcome.error_code else None
    tries = _aside(f"{outcome.attempts:,} requests left") if outcome.attempts > 1 else None
    cells = (
        tag("td", _cut(row.label, _LABEL), class_="short" if len(row.label) <= _NARROW else "said"),
        tag("td", _link(account, outcome) or entity(row), class_="short"),
        tag(
            "td",
            dot(outcome.status),
            word(outcome.status),
            " " if code else ":",
            code,
            " ",
            _cut(outcome.error_message, _MESSAGE),
            tries,
            class_="said",
        ),
    )
    return tag("tr", cells, more, data_kind=str(outcome.status))


def _link(account: Account, outcome: Outcome) -> Markup | None:
    row = account.past.rows[outcome.position]
    address = card(account.past, row)
    return tag("a", entity(row), href=address, rel="noreferrer noopener") if address else None


def _left_out(shown: int, all_of_them: int, elsewhere: str) -> Markup | None:
    if shown == all_of_them:
        return None
    return _soft(
        f"{all_of_them - shown:,} more rows are left out here; some of every kind are shown. All of them stand in {elsewhere}."
    )


def _span(turn: Turn, when: When) -> str:
    return when(turn.at) + (f" to {when(turn.until)[11:]}" if turn.until - turn.at >= 1 else "")


def _counted(turn: Turn) -> str:
    return f"{_cut(turn.text, _MESSAGE)}{f' (× {turn.count:,})' if turn.count > 1 else ''}"


def _soft(said: str | None) -> Markup | None:
    return tag("p", said, class_="soft") if said else None


def _aside(said: str) -> list[Markup]:
    return [tag("br"), tag("small", said)]


def _cut(value: str, most: int) -> str:
    return value if len(value) <= most else value[: most - 1] + "…"
