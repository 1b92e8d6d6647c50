"""``--check-exists``: which of the rows' entities the portal knows, asked for many at once; nothing is concluded from silence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bulkstart.model import Answer, Lost, Problem
from bulkstart.plan import Ready
from bulkstart.portal import Portal
from bulkstart.preflight import Ask, asked, busy_of, code_of
from bulkstart.throttle import Throttle

_SMALL = 50
"""Ids in a request where the portal takes fewer than it should."""
_SHOWN = 5


@dataclass(slots=True)
class Looked:
    """What came of asking. ``absent`` and ``untold`` hold (entity type, id); ``why``: the portal's codes, by entity type."""

    absent: set[tuple[str, int]] = field(default_factory=set)
    untold: set[tuple[str, int]] = field(default_factory=set)
    why: dict[str, str] = field(default_factory=dict)
    asked: int = 0
    requests: int = 0

    @property
    def notes(self) -> list[str]:
        """Sentences about what was asked, and what could not be."""
        told = [f"--check-exists: {self.asked:,} ids asked for in {self.requests:,} requests, {len(self.absent):,} are not there"]
        for kind, code in self.why.items():
            ids = sorted(number for other, number in self.untold if other == kind)
            shown = ", ".join(map(str, ids[:_SHOWN])) + (" …" if len(ids) > _SHOWN else "")
            told.append(
                f"--check-exists: the portal does not tell whether {len(ids):,} ids of type {kind} exist ({code}): {shown}; taken as they are"
            )
        return told


async def look(portal: Portal, send: Ask, throttle: Throttle, entities: Iterable[tuple[str, int]]) -> Looked:
    """Ask the portal which entities exist: an id is absent only where a good answer to it does not show it."""
    by_kind: dict[str, list[int]] = defaultdict(list)
    for kind, number in dict.fromkeys(entities):
        by_kind[kind].append(number)
    looked = Looked(asked=sum(map(len, by_kind.values())))
    for kind, ids in by_kind.items():
        most = portal.gateway.most_ids
        at = 0
        while at < len(ids):
            part = ids[at : at + most]
            if await _ask(portal, send, throttle, looked, kind, part) or most <= _SMALL:
                at += len(part)
            elif looked.why[kind] == _NO_CALL:
                break
            else:
                most = _SMALL  # the same ids again, in smaller numbers
        looked.untold |= {(kind, number) for number in ids[at:]}
        if not any(other == kind for other, _ in looked.untold):
            looked.why.pop(kind, None)
    return looked


_NO_CALL = "there is no such request for this type"


async def _ask(portal: Portal, send: Ask, throttle: Throttle, looked: Looked, kind: str, part: Sequence[int]) -> bool:
    """Ask for some ids; those that an answer leaves out once more, since its page may be shorter than what was asked for."""
    left = set(part)
    while left:
        wanted = sorted(left)
        call = portal.gateway.exist_call(kind, wanted)
        if call is None:
            looked.why[kind] = _NO_CALL
            break
        answer = await asked(send, call, throttle, lambda got: busy_of(portal, got))
        looked.requests += 1
        found = portal.gateway.read_exist(wanted, answer) if isinstance(answer, Answer) else None
        if found is None:
            looked.why[kind] = answer.reason if isinstance(answer, Lost) else code_of(portal, answer)
            break
        if found.untold:
            looked.why[kind] = "a part of the answer is missing"
            looked.untold |= {(kind, number) for number in found.untold}
        left -= found.found | found.untold
        if found.whole or not found.found:
            looked.absent |= {(kind, number) for number in left}
            return True
    else:
        return True
    if len(part) <= _SMALL:
        looked.untold |= {(kind, number) for number in left}
    return False


def problems(ready: Iterable[Ready], absent: set[tuple[str, int]], letter: str | None) -> tuple[Problem, ...]:
    """Rows to start whose entity the portal does not show; ``letter``: the column of the ids."""
    return tuple(
        Problem(
            row.position,
            row.label,
            letter,
            "entity-not-found",
            f"{row.request.entity_type} {row.request.entity_id} does not exist on the portal, or this user may not read it;"
            " correct the id, or delete the row",
        )
        for row in ready
        if row.request.document in absent
    )
