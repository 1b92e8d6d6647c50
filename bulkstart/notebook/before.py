"""The first sections: the sheet, the portal, the template."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from bulkstart.model import Template
from bulkstart.notebook import lines, tags
from bulkstart.notebook.section import WRAP, Section, button

_PREVIEW = 5
_WIDE = {"width": "420px", "max_width": "100%"}


class SheetSection(Section):
    """Upload, path field, or the frame passed in."""

    name, number = "sheet", 1

    def build(self) -> list[widgets.Widget]:
        """The controls."""
        words = self.words
        self.upload = widgets.FileUpload(
            description=words("upload"),
            multiple=False,
            accept=".xlsx,.xlsm,.xls,.xlsb,.ods,.csv,.tsv,.txt",
            layout={"width": "160px"},
        )
        self.path = widgets.Text(description=words("path"), placeholder=words("path_hint"), continuous_update=False, layout=_WIDE)
        auto = words("found_itself")
        self.tab = widgets.Text(description=words("tab"), placeholder=auto, continuous_update=False, layout={"width": "240px"})
        self.header_row = widgets.Text(
            description=words("header_row"), placeholder=auto, continuous_update=False, layout={"width": "260px"},
            style={"description_width": "initial"},
        )  # fmt: skip
        self.told = widgets.HTML()
        self.read = button(words("read"), lambda: self.act(self._read))
        self.on(self.upload, self._received)
        self.on(self.path, lambda path: self._read() if path.strip() else None)
        for one in (self.tab, self.header_row):
            self.on(one, lambda _: self._read())
        return [
            self.upload,
            widgets.HTML(tags.faint(words("upload_hint"))),
            widgets.HBox([self.path, self.read], layout=WRAP),
            widgets.HBox([self.tab, self.header_row], layout=WRAP),
            self.told,
        ]

    def _reader(self) -> dict[str, Any]:
        row = self.header_row.value.strip()
        return {"tab": self.tab.value.strip(), "header_row": int(row) if row.isascii() and row.isdigit() else None}

    def _read(self) -> None:
        self.walk.read(self.path.value or self.walk.path or "", **self._reader())

    def _received(self, files: Any) -> None:
        if files:
            name, content = files[0]["name"], bytes(files[0]["content"])
            try:
                self.walk.receive(name, content, **self._reader())
            finally:
                self.upload.value = ()  # a saved notebook holds no sheet

    def show(self) -> None:
        """What was read, and its first rows."""
        walk, words = self.walk, self.words
        if walk.frame is None:
            self.told.value = ""
            return
        said = [walk.path or words("of_frame", rows=len(walk.frame)), *(walk.source.notes if walk.source else ())]
        head = walk.frame.head(_PREVIEW)
        headers = [words("row"), *(f"{column.letter} · {column.header}" for column in walk.columns)]
        rows = ((label, *row) for label, row in zip(head.index, head.itertuples(index=False, name=None), strict=True))
        self.told.value = tags.note("\n".join(said), "good") + tags.table(headers, rows, label=words("preview"))

    def lines(self) -> tuple[str, str]:
        """The reading."""
        return ("", "") if self.walk.frame is None else lines.read(self.walk.path, self.walk.reader)


class PortalSection(Section):
    """The environment's portal, or the sandbox, which says so in colour."""

    name, number = "portal", 2

    def build(self) -> list[widgets.Widget]:
        """The controls."""
        self.sandbox = widgets.Checkbox(description=self.words("sandbox"), indent=False, layout=_WIDE)
        self.connect = button(self.words("connect"), lambda: self.act(self.walk.connect))
        self.banner = widgets.HTML()
        self.on(self.sandbox, lambda on: self.walk.practise(on=on))
        return [widgets.HBox([self.sandbox, self.connect], layout=WRAP), self.banner]

    def show(self) -> None:
        """Which portal it is."""
        walk, words = self.walk, self.words
        self.sandbox.value = walk.in_sandbox
        self.sandbox.disabled = walk.goes_on
        self.connect.disabled = walk.in_sandbox or walk.goes_on
        if not walk.connected:
            self.banner.value = tags.faint(words("not_connected"))
            return
        told = words("sandbox_on") if walk.in_sandbox else words("real_portal", portal=walk.place)
        count = f" · {words('templates_found', count=len(walk.templates))}" if walk.templates is not None else ""
        self.banner.value = tags.note(told + count, "practice" if walk.in_sandbox else "warn")

    def lines(self) -> tuple[str, str]:
        """The meeting."""
        return lines.portal(sandbox=self.walk.in_sandbox)


class TemplateSection(Section):
    """The portal's templates, filtered by entity type; where it tells none, the id is typed."""

    name, number = "template", 3

    def build(self) -> list[widgets.Widget]:
        """The controls."""
        words = self.words
        wide = {"description_width": "initial"}
        self.kind = widgets.Dropdown(description=words("entity_type"), options=[(words("all_types"), "")], style=wide)
        self.template = widgets.Dropdown(description=words("template_id"), options=[(words("as_sheet"), 0)], layout=_WIDE)
        self.typed = widgets.Text(description=words("template_id"), continuous_update=False)
        self.told = widgets.HTML()
        self.on(self.kind, lambda _: None)
        self.on(self.template, lambda chosen: self.walk.choose(template=chosen or None))
        self.on(self.typed, lambda text: self.walk.choose(template=int(text) if text.strip().isdecimal() else None))
        return [widgets.HBox([self.kind, self.template, self.typed], layout=WRAP), self.told]

    @property
    def ready(self) -> bool:
        """Once the portal was met."""
        return self.walk.connected

    def show(self) -> None:
        """The templates of the type chosen, and the parameters of the one chosen."""
        words, found = self.words, self.walk.templates or ()
        known = self.walk.templates is not None
        for one, when in ((self.kind, known), (self.template, known), (self.typed, not known)):
            one.layout.display = "" if when else "none"
        kinds = sorted({template.entity_type for template in found if template.entity_type})
        _offer(self.kind, [(words("all_types"), ""), *((kind, kind) for kind in kinds)], self.kind.value)
        chosen = self.walk.options.get("template") or 0
        offered = [one for one in found if self.kind.value in ("", one.entity_type) or one.id == chosen]
        choices = [(f"{one.id} · {one.name} · {one.entity_type or '?'}", one.id) for one in offered]
        if chosen and chosen not in [value for _, value in choices]:
            choices.append((str(chosen), chosen))
        _offer(self.template, [(words("as_sheet"), 0), *choices], chosen)
        template = next((one for one in found if one.id == chosen), None)
        self.told.value = self._parameters(template) if template else ""

    def _parameters(self, template: Template) -> str:
        words = self.words
        if template.parameters is None:
            return tags.note(words("unknown_parameters"), "warn")
        if not template.parameters:
            return tags.faint(words("no_parameters"))
        headers = [words(name) for name in ("parameter", "label", "type", "required", "options")]
        rows = [
            (one.name, one.label, f"{one.type}{' …' if one.multiple else ''}", words("yes") if one.required else "", ", ".join(one.options.values()))
            for one in template.parameters
        ]  # fmt: skip
        return tags.table(headers, rows, label=words("parameters"))

    def lines(self) -> tuple[str, str]:
        """The listing."""
        return lines.templates(sandbox=self.walk.in_sandbox)


def _offer(dropdown: widgets.Dropdown, choices: list[tuple[str, Any]], chosen: Any) -> None:
    """Set what a drop-down offers and shows, where that differs."""
    if list(dropdown.options) != choices:
        dropdown.options = choices
    if dropdown.value != chosen:
        dropdown.value = chosen
