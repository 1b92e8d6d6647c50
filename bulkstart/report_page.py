"""A run as one page of HTML that needs no network. Pure: the moment and the zone of its times are given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any

from bulkstart.forecast import about
from bulkstart.markup import Markup, joined, tag
from bulkstart.options import Options
from bulkstart.report_charts import axis_of, rate_chart, share_bar, status_chart
from bulkstart.report_rows import Account
from bulkstart.report_style import POLICY, SCRIPT, STYLE
from bulkstart.report_tables import dot, doubts, history, kinds, not_started, remarked, word
from bulkstart.result_columns import Status
from bulkstart.timeline import DEFERRED, SENDING, Request, Turn, quantile
from bulkstart.version import VERSION

PROMISE = "Each row is started at most once, and every doubt is shown."
MARK = "bulkstart-run"
"""The name of the meta element that says which run a page is of."""
_ENDS: Mapping[int | None, str] = {
    0: "ended: every row that was to start has started, now or before",
    3: "ended: the sheet has problems",
    4: "ended: some rows were refused, are invalid or were given up",
    5: "ended: some rows are in doubt",
    6: "stopped early: some rows were not attempted",
    7: "stopped: denied, or a wrong address",
    130: "interrupted and drained",
}
_DEFAULTS = Options()
_READ_BY = ("tab", "header_row", "encoding", "delimiter")
_UNSAID = frozenset({"journal", "reconcile", "template", "campaign"})
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Report:
    """All that a page tells. ``now``: a Unix time; ``zone``: of all its times, ``None`` is the machine's own.

    ``carried``: words that each command about the run needs; ``names``: of templates by their ids.
    """

    account: Account
    turns: Sequence[Turn]
    now: float
    zone: tzinfo | None = None
    carried: Sequence[str] = ()
    names: Mapping[str, str] = field(default_factory=dict)

    def when(self, at: float) -> str:
        """``2026-11-22 08:12:31``."""
        return f"{self._local(at):%Y-%m-%d %H:%M:%S}"

    def _local(self, at: float) -> datetime:
        return datetime.fromtimestamp(at, UTC).astimezone(self.zone)

    @property
    def html(self) -> str:
        """The whole page."""
        past = self.account.past
        head = tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
            tag("meta", name="generator", content=f"bulkstart {VERSION}"),
            tag("meta", name=MARK, content=past.run_id),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="color-scheme", content="light dark"),
            tag("title", f"bulkstart: run {past.run_id}"),
            tag("style", Markup(STYLE)),
        )
        body = tag("body", *self._sections(), tag("script", Markup(SCRIPT)))
        return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"

    def _sections(self) -> Iterator[Markup]:
        account, elsewhere = self.account, self._elsewhere
        yield self._top()
        yield self._next()
        if account.counts.get(Status.IN_DOUBT):
            yield doubts(account, self.when, elsewhere)
        if account.groups():
            yield kinds(account)
        if account.not_started():
            yield not_started(account, elsewhere)
        if account.remarked():
            yield remarked(account, elsewhere)
        yield self._charts()
        yield self._what_was_run()
        begun = Turn(account.past.started_at, account.past.started_at, f"begun by {account.past.settings.get('by', 'somebody')}")
        yield history([begun, *self.turns], self.when)
        made = f"Made by bulkstart {VERSION} at {self.when(self.now)} from the journal, without asking the portal. Times are those of UTC{self._local(self.now).isoformat()[-6:]}."
        yield tag("footer", made, " Rows that started are not listed here: their ids stand in ", elsewhere, ".")

    @property
    def _elsewhere(self) -> str:
        """Where every row stands."""
        past = self.account.past
        return past.results or f"bulkstart.Run({past.run_id!r}).results"

    # ------------------------------------------------------------------------------------------------- sections

    def _top(self) -> Markup:
        account, past = self.account, self.account.past
        counts = account.counts
        state = "going on right now" if past.live else _ENDS.get(past.exit_code, "ended")
        if not past.live and past.finished_at is None:
            state = "ended without a word: the program was killed, or the machine went down"
        told = [tag("li", dot(status), tag("b", f"{count:,}"), f" {word(status)}") for status, count in counts.items()]
        rows = f"{len(past.rows):,} row{'' if len(past.rows) == 1 else 's'}"
        return tag(
            "header",
            tag("h1", f"Run {past.run_id}"),
            tag("p", tag("span", state, class_="state"), f" {rows} on {past.portal}, begun at {self.when(past.started_at)}"),
            tag("p", "A sandbox: nothing started on a real portal.") if past.settings.get("sandbox") else None,
            tag("p", tag("strong", PROMISE), class_="promise"),
            tag("ul", told, class_="counts"),
            share_bar(counts),
        )

    def _next(self) -> Markup:
        steps = list(self.account.next_steps(self.account.past.results, self.carried))
        shown = [tag("li", f"{why}: ", tag("code", command)) for why, command in steps]
        local = "The portal was on this machine; where it was a sandbox that has ended, nothing more can be asked of it."
        note = tag("p", local, class_="soft") if self.account.past.portal.startswith("127.") and steps else None
        return tag(
            "section", tag("h2", "What to type next"), tag("ul", shown) if steps else tag("p", "Nothing is left to do."), note
        )

    def _charts(self) -> Markup:
        requests = self.account.requests
        if not requests:
            return tag("section", tag("h2", "Rate and durations"), tag("p", "No request left in this run."))
        sent = [request.sent_at for request in requests]
        ended = sorted(request.ended_at for request in requests if request.ended_at is not None)
        waits = sorted(r.ended_at for r in requests if r.status == DEFERRED and r.code and r.ended_at is not None)
        axis = axis_of(sorted([*sent, *ended]))
        by_status = {
            status: sorted(r.ended_at for r in requests if r.status == status and r.ended_at is not None)
            for status in ("started", "refused", "in_doubt")
        }
        limit = self.account.past.settings.get("portal_limit") or {}
        rate = limit.get("rate")
        cut = " A grey strip stands for a pause that is cut out." if len(axis.stretches) > 1 else None
        label = self._labels(axis.stretches[0][0], axis.stretches[-1][1])
        legend = [tag("span", dot(status), word(status), class_="key") for status, moments in by_status.items() if moments]
        return tag(
            "section",
            tag("h2", "Rate and durations"),
            tag(
                "figure",
                rate_chart(sorted(sent), waits, rate, axis, label),
                tag("figcaption", self._about_rate(limit, len(waits)), cut),
            ),
            tag("figure", status_chart(by_status, axis, label), tag("figcaption", "Requests that had ended: ", legend)),
            _durations(requests),
        )

    def _labels(self, first: float, last: float) -> Callable[[float], str]:
        days = {self._local(at).date() for at in (first, last)}
        pattern = "%m-%d %H:%M" if len(days) > 1 else "%H:%M:%S" if last - first < 600 else "%H:%M"  # noqa: PLR2004  ten minutes
        return lambda at: format(self._local(at), pattern)

    def _what_was_run(self) -> Markup:
        past = self.account.past
        end = max((at for r in self.account.requests for at in (r.sent_at, r.ended_at) if at is not None), default=None)
        last = past.finished_at or end
        facts: dict[str, object] = {
            "portal": f"{past.portal} ({past.dialect})",
            "template": ", ".join(f"{number} {self.names.get(number, '')}".strip() for number in past.template.split(",")),
            "sheet": past.sheet or "a frame in Python",
            "read by": ", ".join(
                f"{name.replace('_', ' ')} {past.settings[name]}" for name in _READ_BY if past.settings.get(name)
            ),
            "rows": f"{len(past.rows):,}",
            "campaign": past.campaign,
            "begun": f"{self.when(past.started_at)} by {past.settings.get('by', 'somebody')}",
            "ended": f"{self.when(last)}, after {about(last - past.started_at)}" if last and not past.live else "",
            "requests": f"{len(self.account.requests):,}",
            "results": past.results,
            "options": [[tag("code", option), " "] for option in options_of(past.settings)] or "all by default",
        }
        rows = [tag("tr", tag("th", name, scope="row"), tag("td", value)) for name, value in facts.items() if value]
        return tag("section", tag("h2", "What was run"), tag("table", tag("tbody", rows), class_="facts"))

    def _about_rate(self, limit: Mapping[str, Any], waits: int) -> list[object]:
        said = ["Requests a second."]
        if limit.get("rate"):
            burst = f", and {limit['burst']:g} at once" if limit.get("burst") else ""
            stated = (
                "the limit that was known when the run began"
                if limit.get("stated")
                else "where probing began, since nobody stated a limit"
            )
            said.append(f"The line is {limit['rate']:g} a second{burst}: {stated}; {limit['kept']:.3g} was kept.")
        if self.account.past.dialect == "native" and self.account.past.settings.get("batch", "auto") != "off":
            said.append("Each row counts, also where several shared a request, so that bars may stand above the line.")
        if waits:
            said.append(f"In the other colour: {waits:,} requests that did nothing and could go again.")
        return [" ".join(said)]


def options_of(settings: Mapping[str, Any]) -> list[str]:
    """The options that a run was given, as they are typed; what is as by default is left out."""
    found = []
    for name in Options.__dataclass_fields__:
        value = settings.get(name)
        if name in _UNSAID or value in (None, "", {}) or value == getattr(_DEFAULTS, name):
            continue
        option = {"columns": "--map", "values": "--set"}.get(name, "--" + name.replace("_", "-"))
        if isinstance(value, dict):
            found += [f"{option} {key}={one}"[:_LONGEST] for key, one in value.items()]
        else:
            found.append(option if value is True else f"{option} {value}"[:_LONGEST])
    return found


def _durations(requests: Sequence[Request]) -> Markup:
    """How long answers took, by what they said."""
    rows = []
    for status in ("started", "refused", "in_doubt", DEFERRED):
        seconds = sorted(r.seconds for r in requests if r.status == status and r.seconds is not None)
        if seconds:
            figures = [f"{value:.2f} s" for value in (seconds[0], quantile(seconds, 0.5), quantile(seconds, 0.95), seconds[-1])]
            name = "could go again" if status == DEFERRED else word(status)
            cells = [tag("td", figure, class_="number") for figure in (f"{len(seconds):,}", *figures)]
            rows.append(tag("tr", tag("td", name), cells))
    waiting = sum(r.status == SENDING or (r.status == "in_doubt" and r.ended_at is None) for r in requests)
    note = tag("p", f"{waiting:,} more never got an answer that was written down.", class_="soft") if waiting else None
    head = tag(
        "tr",
        tag("th", "answers"),
        [tag("th", name, class_="number") for name in ("how many", "fastest", "median", "95 % within", "slowest")],
    )
    caption = "From the moment before a request left to the moment at which its answer was on disk."
    return joined((tag("table", tag("thead", head), tag("tbody", rows)), tag("p", caption, class_="soft"), note))
