"""A report read as a browser reads it: its elements, its texts, and whether anything in it could load or run."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

KNOWN = set(
    "html head meta title style body header section footer h1 h2 p ul li span strong b small code br a "
    "table thead tbody tr th td figure figcaption svg rect line text polygon circle div input select option script".split()
)
INERT = set(
    "charset content name lang class http-equiv href rel type placeholder aria-label aria-hidden hidden value scope role "
    "viewbox preserveaspectratio x y x1 x2 y1 y2 cx cy r width height points text-anchor data-kind".split()
)
EMPTY = {"meta", "br", "input"}


@dataclass
class Page(HTMLParser):
    """Every element with its attributes, and every text with the elements around it."""

    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    _path: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in EMPTY:
            self._path.append(tag)

    def handle_endtag(self, tag):
        assert self._path[-1] == tag, f"</{tag}> inside {self._path}"
        self._path.pop()

    def handle_data(self, data):
        self.texts.append((self._path[-1] if self._path else "", data))
        if {"td", "th"} & set(self._path):
            self.rows[-1][-1] += data

    @property
    def text(self) -> str:
        """What a person can read."""
        return " ".join(" ".join(data for place, data in self.texts if place not in ("style", "script")).split())

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def inside(self, tag: str) -> list[str]:
        return [data for place, data in self.texts if place == tag]


def read(page: str | Path) -> Page:
    """The page, after a look at everything in it that could load, run or be somebody else's."""
    found = Page()
    found.feed(page.read_text(encoding="utf-8") if isinstance(page, Path) else page)
    found.close()
    assert found._path == []
    for name, attributes in found.elements:
        assert name in KNOWN, name
        assert set(attributes) <= INERT, (name, attributes)
        assert re.match(r"https://[a-z0-9.-]+/crm/[a-z0-9/_-]+/$", attributes.get("href", "https://a.b/crm/x/")), attributes
    assert len(found.of("script")) == len(found.of("style")) == 1
    (policy,) = [one["content"] for one in found.of("meta") if "http-equiv" in one]
    assert policy.startswith("default-src 'none'; ")
    for kind in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256("".join(found.inside(kind)).encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    return found
