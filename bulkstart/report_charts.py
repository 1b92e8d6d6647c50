"""Rate and status over time as drawings in a page (SVG). Pure: moments are Unix times, ``label`` says how one is written."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bulkstart.markup import Markup, joined, tag

WIDTH, HEIGHT = 900, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 12, 26
_GAP = 18.0  # the width of a pause that is cut out
_LONG, _SHARE = 120.0, 0.2
"""A pause is cut out where it is longer than so many seconds and than such a share of the whole."""
_BARS, _POINTS, _TICKS = 150, 200, 6
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 86_400)

Label = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Axis:
    """Time from left to right; stretches in which something happened, as (start, end), with the pauses between them cut short."""

    stretches: tuple[tuple[float, float], ...]

    @property
    def seconds(self) -> float:
        """All stretches together."""
        return sum(end - start for start, end in self.stretches)

    def x(self, at: float) -> float:
        """Where a moment stands."""
        room = WIDTH - _LEFT - _RIGHT - _GAP * (len(self.stretches) - 1)
        scale, left = room / self.seconds, float(_LEFT)
        for start, end in self.stretches[:-1]:
            if at <= end:
                return left + max(0.0, at - start) * scale
            left += (end - start) * scale + _GAP
        start, end = self.stretches[-1]
        return left + min(max(0.0, at - start), end - start) * scale


def axis_of(moments: Sequence[float]) -> Axis:
    """The axis on which ``moments`` (ascending, at least one) stand."""
    bar = max(_LONG, _SHARE * (moments[-1] - moments[0]))
    stretches, start = [], moments[0]
    for before, after in pairwise(moments):
        if after - before > bar:
            stretches.append((start, max(before, start + 1)))
            start = after
    stretches.append((start, max(moments[-1], start + 1)))
    return Axis(tuple(stretches))


def rate_chart(sent: Sequence[float], throttled: Sequence[float], limit: float | None, axis: Axis, label: Label) -> Markup:
    """Requests a second as bars, answers that asked for time in another colour, and the limit as a line. Moments ascend."""
    width = next((step for step in _STEPS if axis.seconds / step <= _BARS), math.ceil(axis.seconds / _BARS))
    bars = []
    for start, end in axis.stretches:
        for number in range(max(1, math.ceil((end - start) / width))):
            low = start + number * width
            last = low + width >= end
            high = end if last else low + width
            span = min(width, max(high - low, 1.0)) if last else width  # the last one is shorter than the others
            place = bisect_right if last else bisect_left
            bars.append((low, high, *((place(of, high) - bisect_left(of, low)) / span for of in (sent, throttled))))
    top = _round_up(max(0.1, (limit or 0.0) * 1.1, *(rate for _, _, rate, _ in bars)))
    shapes = []
    for low, high, rate, waits in bars:
        left, right = axis.x(low), axis.x(high)
        for name, value in (("bar", rate), ("bar waits", min(waits, rate))):
            if value:
                y = _y(value, top)
                shapes.append(_rect(name, left + 0.4, y, max(0.8, right - left - 0.8), HEIGHT - _BOTTOM - y))
    line: Markup | None = None
    if limit:
        y = _y(limit, top)
        line = tag("line", class_="limit", x1=_LEFT, x2=WIDTH - _RIGHT, y1=_n(y), y2=_n(y))
    said = f"Requests a second over time; at most {max(rate for _, _, rate, _ in bars):.1f}"
    return _drawing(said, _grid(top, "/s"), shapes, line, _times(axis, label))


def status_chart(ended: Mapping[str, Sequence[float]], axis: Axis, label: Label) -> Markup:
    """How many requests had ended, by status, as areas one on the other. ``ended``: ascending moments by status."""
    total = sum(len(moments) for moments in ended.values())
    top = _round_up(max(1.0, total))
    points: list[float] = []
    for start, end in axis.stretches:
        steps = max(2, round(_POINTS * (end - start) / axis.seconds))
        points += [start + (end - start) * step / steps for step in range(steps + 1)]
    below, shapes = [0] * len(points), []
    for status, moments in ended.items():
        above = [base + bisect_right(moments, at) for base, at in zip(below, points, strict=True)]
        if moments:
            places = [f"{_n(axis.x(at))},{_n(_y(count, top))}" for at, count in zip(points, above, strict=True)]
            back = [f"{_n(axis.x(at))},{_n(_y(count, top))}" for at, count in zip(reversed(points), reversed(below), strict=True)]
            shapes.append(tag("polygon", class_=f"area {status}", points=" ".join([*places, *back])))
        below = above
    told = ", ".join(f"{len(moments):,} {status}" for status, moments in ended.items() if moments)
    return _drawing(f"Rows by status over time; at the end {told}", _grid(top, ""), shapes, _times(axis, label))


def share_bar(parts: Mapping[str, int]) -> Markup:
    """One bar of all rows, cut by status."""
    total, left, shapes = sum(parts.values()) or 1, 0.0, []
    for status, count in parts.items():
        width = count / total * WIDTH
        shapes.append(_rect(f"area {status}", left, 0, max(width, 1.0), 18))
        left += width
    said = ", ".join(f"{count:,} {status}" for status, count in parts.items())
    return tag("svg", shapes, class_="share", viewBox=f"0 0 {WIDTH} 18", preserveAspectRatio="none", role="img", aria_label=said)


def _drawing(said: str, *shapes: object) -> Markup:
    return tag("svg", *shapes, class_="chart", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=said)


def _rect(name: str, x: float, y: float, width: float, height: float) -> Markup:
    return tag("rect", class_=name, x=_n(x), y=_n(y), width=_n(width), height=_n(height))


def _grid(top: float, unit: str) -> Markup:
    lines = []
    for part in range(5):
        value = top * part / 4
        y = _n(_y(value, top))
        lines.append(tag("line", class_="grid", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y))
        written = f"{value:,.10g}{unit}"
        lines.append(tag("text", written, x=_LEFT - 6, y=_n(_y(value, top) + 3.5), text_anchor="end"))
    return joined(lines)


def _times(axis: Axis, label: Label) -> Markup:
    """Moments under the axis, and where pauses were cut out."""
    marks = []
    if len(axis.stretches) == 1:
        start, end = axis.stretches[0]
        moments = [start + (end - start) * part / (_TICKS - 1) for part in range(_TICKS)]
    else:
        moments = [*(start for start, _ in axis.stretches), axis.stretches[-1][1]]
    shown = -math.inf
    for number, at in enumerate(moments):
        x = axis.x(at)
        if x - shown < 90:  # noqa: PLR2004  the width of a time
            continue
        shown = x
        last = number == len(moments) - 1
        anchor = "end" if last else "middle" if number and x < WIDTH - 60 else "start"
        marks.append(tag("text", label(at), x=_n(x), y=HEIGHT - 8, text_anchor=anchor))
    for _, end in axis.stretches[:-1]:
        marks.append(_rect("pause", axis.x(end), _TOP, _GAP, HEIGHT - _TOP - _BOTTOM))
    return joined(marks)


def _y(value: float, top: float) -> float:
    return _TOP + (HEIGHT - _TOP - _BOTTOM) * (1 - value / top)


def _round_up(value: float) -> float:
    """The next number that four equal parts of read well."""
    size = 10.0 ** math.floor(math.log10(value))
    return next(size * step for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if size * step >= value * 0.999)


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
