from __future__ import annotations

import re

from bulkstart.result_columns import Status
from bulkstart.sheet_colours import FORMATS, FORMULAS, rules


def test_every_status_has_one_rule_and_one_of_the_four_colours() -> None:
    text = rules("F2:F9", first_format=7, first_priority=3)
    assert sorted(re.findall(r'<formula>"(\w+)"</formula>', text)) == sorted(Status)
    assert set(re.findall(r'dxfId="(\d+)"', text)) == {"7", "8", "9", "10"}
    assert re.findall(r'priority="(\d+)"', text) == [str(number) for number in range(3, 3 + len(Status))]
    assert len(FORMATS) == 4
    assert {f'"{status}"' for status in Status} == FORMULAS
