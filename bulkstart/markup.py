"""HTML by construction: whatever is no ``Markup`` is text, and text can never become a tag, an attribute or a script. Pure."""

from __future__ import annotations

from html import escape

from bulkstart.inert import visible
from bulkstart.secret import redact


class Markup(str):
    """HTML that this program wrote itself."""

    __slots__ = ()


_VOID = frozenset({"meta", "input", "br"})


def text(value: object) -> Markup:
    """Any value as text: no secret, no control character, nothing that a browser takes for markup."""
    return Markup(escape(visible(redact(str(value).replace("\r\n", "\n").replace("\n", " ")))))


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """One element. ``class_`` is ``class``, ``data_x`` is ``data-x``; ``True`` stands alone, ``None`` and ``False`` are left out."""
    own = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{text(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Markup(f"<{name}{own}>" if name in _VOID else f"<{name}{own}>{joined(children)}</{name}>")


def joined(children: object) -> Markup:
    """Elements and texts one after the other; ``None`` is nothing."""
    if isinstance(children, Markup):
        return children
    if isinstance(children, tuple | list):
        return Markup("".join(joined(child) for child in children))
    return Markup("") if children is None else text(children)
