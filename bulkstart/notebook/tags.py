"""Text → HTML for the panel: everything escaped, secrets hidden, lengths bounded, colours those of the theme. Pure.

The colours are the theme's own variables (JupyterLab, Notebook, Voila; VS Code), so that dark and light are both readable; tints are
translucent and lie under the theme's own text.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from bulkstart.secret import redact

LONGEST = 200  # characters of a cell that are shown
_BOUND = 12 * LONGEST  # of a sentence
_TINTS = {
    "plain": "transparent",
    "practice": "rgba(66, 133, 244, .24)",
    "good": "rgba(46, 160, 67, .18)",
    "warn": "rgba(255, 152, 0, .22)",
    "bad": "rgba(229, 57, 53, .20)",
}
_BY_STATUS = {
    **dict.fromkeys(("started", "already_started", "planned"), "good"),
    **dict.fromkeys(("in_doubt", "duplicate", "not_attempted"), "warn"),
    **dict.fromkeys(("invalid", "refused", "gave_up"), "bad"),
}
_LINE = "var(--jp-border-color2, var(--vscode-panel-border, rgba(128, 128, 128, .45)))"
_TEXT = "var(--jp-ui-font-color1, var(--vscode-editor-foreground, inherit))"
_FAINT = "var(--jp-ui-font-color2, var(--vscode-descriptionForeground, inherit))"
_SHADE = "var(--jp-layout-color2, var(--vscode-editorWidget-background, rgba(128, 128, 128, .14)))"

STYLE = f"""<style>
.bulkstart {{ max-width: 960px; color: {_TEXT}; }}
.bulkstart h2, .bulkstart h3 {{ margin: 6px 0 2px; color: {_TEXT}; }}
.bulkstart h3 {{ border-top: 1px solid {_LINE}; padding-top: 8px; }}
.bulkstart .widget-html-content {{ color: {_TEXT}; line-height: 1.45; }}
.bulkstart .bs-scroll {{ overflow: auto; max-height: 660px; max-width: 100%; box-sizing: border-box; }}
.bulkstart table {{ border-collapse: collapse; font-size: 12px; }}
.bulkstart th, .bulkstart td {{ border: 1px solid {_LINE}; padding: 2px 7px; text-align: left; vertical-align: top;
  min-width: 3.5em; max-width: 24em; overflow-wrap: break-word; white-space: pre-wrap; }}
.bulkstart th {{ background: {_SHADE}; position: sticky; top: 0; white-space: nowrap; }}
.bulkstart .bs-note {{ padding: 3px 9px; border-left: 4px solid {_LINE}; margin: 3px 0; white-space: pre-wrap; overflow-wrap: anywhere; }}
.bulkstart .bs-faint {{ color: {_FAINT}; font-size: 12px; padding-top: 4px; }}
.bulkstart .bs-chip {{ display: inline-block; padding: 0 8px; margin: 2px 6px 2px 0; border: 1px solid {_LINE}; border-radius: 9px; }}
.bulkstart code, .bulkstart pre {{ background: {_SHADE}; color: {_TEXT}; padding: 1px 4px; white-space: pre-wrap;
  overflow-wrap: anywhere; user-select: all; margin: 2px 0; font-size: 12px; }}
.bulkstart summary {{ cursor: pointer; }}
.bulkstart summary, .bulkstart a {{ color: var(--jp-content-link-color, var(--vscode-textLink-foreground, inherit)); }}
</style>"""


def escaped(value: object) -> str:
    """Any value as text that is safe in HTML; no secret, no control character, not longer than a cell is shown."""
    text = redact("" if value is None else str(value))
    text = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    return html.escape("".join(sign if sign.isprintable() or sign == "\n" else _seen(sign) for sign in text))


def _seen(sign: str) -> str:
    """What stands for a sign that cannot be printed: any space is a space."""
    return " " if sign.isspace() else "\N{REPLACEMENT CHARACTER}"


def heading(number: int, text: str) -> str:
    """The heading of a section."""
    return f"<h3>{number} · {escaped(text)}</h3>"


def note(text: str, kind: str = "plain") -> str:
    """A paragraph; ``kind``: ``plain``, ``practice``, ``good``, ``warn`` or ``bad``."""
    role = ' role="alert"' if kind == "bad" else ""
    return f'<div class="bs-note" style="background: {_TINTS[kind]}"{role}>{_long(text)}</div>' if text else ""


def faint(text: str) -> str:
    """A hint."""
    return f'<div class="bs-faint">{_long(text)}</div>' if text else ""


def chips(counted: Iterable[tuple[str, int, str]]) -> str:
    """Counts as (status or code, count, label), tinted by what the status means."""
    return "".join(
        f'<span class="bs-chip" style="background: {_TINTS[_BY_STATUS.get(name, "plain")]}">{escaped(label)} <b>{count:,}</b></span>'
        for name, count, label in counted
    )


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], *, label: str, tints: Sequence[str] = ()) -> str:
    """A table that scrolls, by keyboard too; ``tints``: the status that colours each row, in order."""
    head = "".join(f'<th scope="col">{escaped(name)}</th>' for name in headers)
    body = "".join(
        f"<tr{_tint(tints, at)}>{''.join(f'<td>{escaped(cell)}</td>' for cell in row)}</tr>" for at, row in enumerate(rows)
    )
    region = f'class="bs-scroll" tabindex="0" role="region" aria-label="{escaped(label)}"'
    return f"<div {region}><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def code(title: str, said: Iterable[tuple[str, str]]) -> str:
    """What repeats a step, as (language, line), behind a word to click on; a click on a line selects it whole."""
    shown = "".join(
        f'<div class="bs-faint">{escaped(name)}</div><pre tabindex="0">{_long(line)}</pre>' for name, line in said if line
    )
    return f"<details><summary>{escaped(title)}</summary>{shown}</details>" if shown else ""


def link(text: str, name: str, kind: str, encoded: str) -> str:
    """A link that holds a file; ``encoded``: its bytes in base 64."""
    return f'<a download="{escaped(name)}" href="data:{kind};base64,{encoded}">{escaped(text)}</a>'


def _tint(tints: Sequence[str], at: int) -> str:
    kind = _BY_STATUS.get(tints[at]) if at < len(tints) else None
    return f' style="background: {_TINTS[kind]}"' if kind else ""


def _long(text: str) -> str:
    """A text that may be longer than a cell, up to a bound of its own; secrets are hidden before it is cut."""
    whole = redact(text)[:_BOUND]
    return "".join(escaped(whole[at : at + LONGEST]) for at in range(0, len(whole), LONGEST))
