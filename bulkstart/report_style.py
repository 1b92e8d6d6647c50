"""How a report looks, and its only script, which filters rows where it is allowed to run. Constants of ours, nothing of a run. Pure."""

from __future__ import annotations

import base64
import hashlib

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1d2733; --soft: #5d6b7a; --line: #dde3e9; --wash: #f4f6f8; --link: #0b62c4;
  --started: #2e9e5b; --already_started: #2a8fa8; --planned: #6d7fd1; --in_doubt: #e09000; --refused: #d1423f; --invalid: #d0672c;
  --gave_up: #9c5b3f; --duplicate: #9a72b5; --not_attempted: #97a3af; --open: #4a86d8; --bar: #4a86d8; --limit: #d1423f; }
@media (prefers-color-scheme: dark) { :root { --paper: #14191f; --ink: #e4e9ee; --soft: #9fadba; --line: #323c47; --wash: #1d242c;
  --link: #7ab5ff; --started: #41b873; --already_started: #45acc6; --in_doubt: #f0ac32; --refused: #ec6a66; --invalid: #ea8750;
  --gave_up: #c08468; --duplicate: #b491cc; --not_attempted: #7f8b97; --open: #6ea3ea; --bar: #6ea3ea; --limit: #ec6a66; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 28px 24px 60px; max-width: 1080px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 25px; line-height: 1.25; margin: 0 0 4px; } h2 { font-size: 18px; margin: 34px 0 8px; }
p { margin: 6px 0; } a { color: var(--link); } .soft, small { color: var(--soft); } small { font-size: 13px; }
.promise { margin: 14px 0 0; padding: 8px 12px; border-left: 3px solid var(--started); background: var(--wash); }
.state { display: inline-block; padding: 1px 10px; border-radius: 10px; background: var(--wash); border: 1px solid var(--line); font-size: 14px; }
code { font: 13px/1.5 ui-monospace, SFMono-Regular, Consolas, "Liberation Mono", monospace; background: var(--wash); padding: 1px 4px; border-radius: 3px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; } .said { overflow-wrap: anywhere; }
th, td { text-align: left; vertical-align: top; padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line); }
thead th { color: var(--soft); font-weight: 600; font-size: 13px; } .number { text-align: right; font-variant-numeric: tabular-nums; }
.short { white-space: nowrap; overflow-wrap: normal; } .facts th { width: 150px; color: var(--soft); font-weight: 400; }
.counts { display: flex; flex-wrap: wrap; gap: 6px 22px; padding: 0; margin: 10px 0 0; list-style: none; } .counts b { font-variant-numeric: tabular-nums; }
.key { margin-right: 14px; white-space: nowrap; }
.dot { width: 10px; height: 10px; margin-right: 6px; } .share { width: 100%; height: 18px; display: block; border-radius: 4px; margin-top: 8px; }
.chart { width: 100%; height: auto; display: block; } figure { margin: 10px 0 18px; } figcaption { font-size: 13px; color: var(--soft); }
.chart text { font-size: 12px; fill: var(--soft); } .grid { stroke: var(--line); stroke-width: 1; } .bar { fill: var(--bar); }
.waits { fill: var(--in_doubt); } .limit { stroke: var(--limit); stroke-width: 1.5; stroke-dasharray: 6 4; } .pause { fill: var(--wash); }
.started { fill: var(--started); } .already_started { fill: var(--already_started); } .planned { fill: var(--planned); } .open { fill: var(--open); }
.in_doubt { fill: var(--in_doubt); } .refused { fill: var(--refused); } .invalid { fill: var(--invalid); } .gave_up { fill: var(--gave_up); }
.duplicate { fill: var(--duplicate); } .not_attempted { fill: var(--not_attempted); }
.filter { display: flex; flex-wrap: wrap; gap: 8px; margin: 8px 0; align-items: baseline; } .filter[hidden], tr[hidden] { display: none; }
input, select { font: inherit; font-size: 14px; padding: 4px 8px; color: inherit; background: var(--paper); border: 1px solid var(--line); border-radius: 4px; }
input { flex: 1 1 220px; } ol, ul { padding-left: 22px; margin: 6px 0; }
footer { margin-top: 40px; padding-top: 10px; border-top: 1px solid var(--line); font-size: 13px; color: var(--soft); }
@media print { :root { color-scheme: light; --paper: #fff; --ink: #000; --soft: #444; --line: #bbb; --wash: #f2f2f2; --link: #000; }
  body { padding: 0; max-width: none; font-size: 11pt; } .filter { display: none; } tr, figure, svg { break-inside: avoid; }
  thead { display: table-header-group; } h2 { break-after: avoid; } svg, .dot { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""
SCRIPT = """
for (const box of document.querySelectorAll('.filter')) {
  const rows = [...box.nextElementSibling.tBodies[0].rows], [words, kind, told] = box.children;
  const shown = () => {
    const wanted = words.value.toLowerCase().split(/\\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = Boolean(kind.value && row.dataset.kind !== kind.value) || !wanted.every(word => text.includes(word));
      count += !row.hidden;
    }
    told.textContent = count + ' of ' + rows.length;
  };
  words.addEventListener('input', shown);
  kind.addEventListener('input', shown);
  box.hidden = false;
  shown();
}
"""


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


POLICY = f"default-src 'none'; style-src 'sha256-{_digest(STYLE)}'; script-src 'sha256-{_digest(SCRIPT)}'; base-uri 'none'; form-action 'none'"
"""The browser loads nothing, and runs nothing but the script above: a second lock behind the escaping."""
