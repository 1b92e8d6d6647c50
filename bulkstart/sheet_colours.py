"""The colours of ``startStatus``: conditional formatting that follows the cell's text. Pure."""

from __future__ import annotations

from typing import Final

from bulkstart.result_columns import Status

_STATUSES: Final = {
    **dict.fromkeys((Status.STARTED, Status.ALREADY_STARTED), 0),
    **dict.fromkeys((Status.INVALID, Status.REFUSED, Status.GAVE_UP), 1),
    Status.IN_DOUBT: 2,
    **dict.fromkeys((Status.NOT_ATTEMPTED, Status.DUPLICATE, Status.PLANNED), 3),
}
"""Which of the four formats a status is coloured with."""
_FILLS: Final = (("C6EFCE", "006100"), ("FFC7CE", "9C0006"), ("FFEB9C", "7F6000"), ("E7E6E6", "404040"))
FORMATS: Final = tuple(
    f'<dxf><font><color rgb="FF{ink}"/></font><fill><patternFill patternType="solid"><bgColor rgb="FF{paper}"/></patternFill></fill></dxf>'
    for paper, ink in _FILLS
)
"""The four formats (``dxf``): started, failed, in doubt, left out."""
FORMULAS: Final = frozenset(f'"{status}"' for status in _STATUSES)
"""The formulas of the rules, which tell them from an analyst's own."""


def rules(cells: str, *, first_format: int = 0, first_priority: int = 1) -> str:
    """Return the ``conditionalFormatting`` of some cells; ``first_format``: the number that the first of ``FORMATS`` has."""
    found = (
        f'<cfRule type="cellIs" dxfId="{first_format + colour}" priority="{priority}" operator="equal">'
        f'<formula>"{status}"</formula></cfRule>'
        for priority, (status, colour) in enumerate(_STATUSES.items(), first_priority)
    )
    return f'<conditionalFormatting sqref="{cells}">{"".join(found)}</conditionalFormatting>'
