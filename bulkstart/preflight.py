"""The questions before the first send: who are we, on which portal, with which limit, which templates.

Questions change nothing on the portal, so they are asked again where an answer was lost; every one takes a slot of the throttle.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from bulkstart.gateways import Me
from bulkstart.gateways.codes import EXPIRED_TOKEN
from bulkstart.headroom import RateHint
from bulkstart.inert import inert
from bulkstart.model import Answer, Busy, Denied, HttpCall, Lost, StartRequest, Template
from bulkstart.operating import Operating
from bulkstart.portal import KNOWN_HOSTS, Portal
from bulkstart.retry import lost_verdict
from bulkstart.throttle import Limits, Throttle

QUESTION_SECONDS = 30.0
_ANY = StartRequest(1, "deal", 1)
DOCUMENTED_OPERATING = 480.0
"""Seconds of operating time in ten minutes, the worked example of bitrix24-api.md 3.1."""
LONGEST_WAIT = 60.0
"""Seconds to wait for a question at the most, whatever the portal asks for."""
TRIES = 5
"""Tries of a question whose answer was lost, with 0.3, 0.6, 1.2, 2.4 s between."""
LAST_PAGE = 40
FATAL_LISTING = frozenset(
    """INVALID_API_KEY INVALID_APP_KEY INVALID_SESSION TOKEN_MISSING TOKEN_EXPIRED SCOPE_DENIED IP_NOT_ALLOWED
    INVALID_CREDENTIALS insufficient_scope invalid_scope PAYMENT_REQUIRED ERROR_METHOD_NOT_FOUND""".split()
)
"""Codes of a denied template list that a start would meet as well."""

Ask = Callable[[HttpCall], Awaitable[Answer | Lost]]

UNSTATED = (5.0, 5.0)
"""Rate and burst where nobody states a limit: 300 requests in 60 s, the smaller of Vibecode's two (bitrix24-api.md 3.2)."""
POLITE = (4.0, 5.0)
"""``--polite`` (bitrix24-api.md 3.3)."""
PLATFORM_WINDOW = (300, 60.0)
NATIVE, NATIVE_POLITE = (2.0, 50.0), (1.5, 10.0)
"""Rate and burst of the native bucket on plans below Enterprise, the smaller of the two (3.1), and what leaves room (3.3)."""


class RateWishes(Protocol):
    """The options that say how fast."""

    @property
    def rate(self) -> float | None: ...
    @property
    def burst(self) -> float | None: ...
    @property
    def polite(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Met:
    """What the portal said of itself. ``identity is None``: nothing may be sent, for the reason in ``stop``."""

    identity: str | None
    me: Me = field(default_factory=Me)
    templates: tuple[Template, ...] | None = None
    notes: tuple[str, ...] = ()
    stop: Denied | None = None
    denied: Denied | None = None
    """What ``/v1/me`` was denied with, where the portal is known all the same: a second denial of the kind stops the run."""


def limits_of(portal: Portal, me: Me, wishes: RateWishes) -> Limits:
    """The limit to keep: the user's, else the portal's own word, else the dialect's smaller one, which may be probed upward."""
    host = portal.base_url.split("/")[2].split(":")[0].lower()
    window = PLATFORM_WINDOW if host in KNOWN_HOSTS else me.window
    native = portal.dialect == "native"
    unstated, polite = (me.bucket or NATIVE, NATIVE_POLITE) if native else (UNSTATED, POLITE)
    stated = wishes.rate or me.rate
    rate = stated or unstated[0]
    burst = wishes.burst or (None if stated else unstated[1])
    if wishes.polite:
        rate, burst = min(rate, polite[0]), min(burst or polite[1], polite[1])
    return Limits(rate=rate, burst=burst, stated=bool(stated) or wishes.polite or native, window=window)


def told_window(hint: RateHint | None) -> tuple[int, float] | None:
    """The documented window, where the headers of an answer have its size and a reset that can be its (bitrix24-api.md 3.2)."""
    limit, reset = (hint.limit, hint.reset_seconds) if hint else (None, None)
    size, seconds = PLATFORM_WINDOW
    known = limit == size and reset is not None and seconds / 2 < reset <= seconds + 1
    return PLATFORM_WINDOW if known else None


def operating_of(portal: Portal, wishes: RateWishes, now: float) -> Operating | None:
    """The native dialect's budget of operating time; a polite run keeps below the documented example."""
    if portal.dialect != "native":
        return None
    return Operating(now, threshold=DOCUMENTED_OPERATING if wishes.polite else None)


async def asked(
    send: Ask, call: HttpCall, throttle: Throttle | None, read_busy: Callable[[Answer], Busy | None]
) -> Answer | Lost:
    """Ask until an answer comes that is no throttling; after ``TRIES`` the last one stands."""
    loop = asyncio.get_running_loop()
    answer: Answer | Lost = Lost("UNREACHABLE", left=False)
    for attempt in range(TRIES):
        ticket = 0
        if throttle is not None:
            ticket = await passed(throttle)
        answer = await send(call)
        busy = read_busy(answer) if isinstance(answer, Answer) else None
        if throttle is not None:
            throttle.answered(
                ticket,
                loop.time(),
                throttled=busy is not None and busy.throttled,
                lost=isinstance(answer, Lost),
                after=busy.after if busy else None,
            )
        if isinstance(answer, Answer) and busy is None:
            return answer
        if isinstance(answer, Lost) and (answer.reason == "READ_TIMEOUT" or isinstance(lost_verdict(answer), Denied)):
            return answer
        if attempt + 1 < TRIES:
            told = busy.after if busy and throttle is None else None  # else the throttle holds everybody by itself
            await asyncio.sleep(0.3 * 2**attempt if told is None else min(LONGEST_WAIT, told))
    return answer


async def passed(throttle: Throttle) -> int:
    """Wait until one more request may leave, and give its ticket."""
    loop = asyncio.get_running_loop()
    while (at := throttle.next_leave(now := loop.time())) > now:  # noqa: ASYNC110  time passes, no event comes
        await asyncio.sleep(at - now)
    return throttle.leave(now)


async def meet(portal: Portal, send: Ask, remembered: str | None, salt: str) -> Met:
    """Who am I? Decides the portal's identity by interface.md 3; ``remembered``: what the journal kept for this address and key."""
    answer = await asked(send, portal.gateway.me_call(), None, lambda found: busy_of(portal, found))
    fixed = portal.fixed_identity()
    known = fixed or remembered
    if isinstance(answer, Lost):
        return _not_met(answer, known, portal.base_url)
    me = portal.gateway.read_me(answer)
    if isinstance(me, Me):
        me = replace(me, window=told_window(portal.gateway.read_hint(answer, time.time())))
        if fixed or (me.portal and "#" not in (remembered or "")):
            renamed = bool(remembered) and not fixed and remembered != me.portal
            note = f"this address and key were {remembered} before and are {me.portal} now: rows that {remembered} started would start again"
            return Met(fixed or me.portal, me, notes=(note,) if renamed else ())
        identity = remembered or f"{portal.base_url}#{portal.digest(salt)}"
        note = "the portal does not say its name: it is known by its address and this key, so that another key counts as another portal"
        return Met(identity, me, notes=() if me.portal else (note,))
    why = inert(f"{me.code}: {me.message}") if me else f"HTTP {answer.status}"
    if me and portal.dialect == "native":
        return Met(known, stop=me)  # every credential may read its own profile (1.10)
    if me and 300 <= answer.status < 400:  # noqa: PLR2004  a redirect stops the run (4.2)
        return Met(known, stop=me)
    if known:
        return Met(known, notes=(f"the portal did not say who it is ({why}); going on as {known}",), denied=me)
    unknown = f"the portal did not say who it is ({why}), so it cannot be told from others; nothing was sent"
    return Met(None, stop=me or Denied("UNREACHABLE", unknown, 6))


def _not_met(lost: Lost, known: str | None, where: str) -> Met:
    """No answer at all. Where the portal is known, what the journal holds is still told, though nothing may be sent."""
    if isinstance(denied := lost_verdict(lost), Denied):
        return Met(known, stop=denied)
    if lost.left and known:
        return Met(known, notes=(f"the portal did not say who it is ({lost.reason}); going on as {known}",))
    what = f"{where} {'did not answer' if lost.left else 'cannot be reached'} ({lost.message or lost.reason})"
    return Met(known, stop=Denied("UNREACHABLE", f"{what}: check the address and the network, then run again", 6))


def busy_of(portal: Portal, answer: Answer) -> Busy | None:
    """Whether an answer to any question asks for time."""
    verdict = portal.gateway.read_start([_ANY], answer)[0]
    return verdict if isinstance(verdict, Busy) and (verdict.throttled or verdict.code == EXPIRED_TOKEN) else None


async def list_templates(portal: Portal, send: Ask, throttle: Throttle | None) -> tuple[tuple[Template, ...] | None, str]:
    """The portal's templates, or ``None`` with the reason: then parameters cannot be checked."""
    why = "no such path"
    for path in portal.gateway.template_paths():
        found: dict[int, Template] = {}
        for _ in range(LAST_PAGE):
            answer = await asked(send, portal.gateway.template_call(path, len(found)), throttle, lambda got: busy_of(portal, got))
            page = portal.gateway.read_templates(answer) if isinstance(answer, Answer) else None
            if page is None:
                why = answer.reason if isinstance(answer, Lost) else code_of(portal, answer)
                break
            templates, total = page
            fresh = {template.id: template for template in templates if template.id not in found}
            found |= fresh
            if not fresh or total is None or len(found) >= total:
                return tuple(found.values()), ""
        if isinstance(answer, Lost) or answer.status != 404:  # noqa: PLR2004  the other path is worth a try only where this one is absent
            return None, why if not found else f"it breaks off after {len(found)}: {why}"
    return None, why


def code_of(portal: Portal, answer: Answer) -> str:
    """The portal's code in an answer that is no list, else its status."""
    verdict = portal.gateway.read_start([_ANY], answer)[0]
    return getattr(verdict, "code", "") or f"HTTP {answer.status}"


def with_templates(met: Met, templates: tuple[Template, ...] | None, why: str) -> Met:
    """``met`` completed by what the portal gives of its templates."""
    if templates is None and met.denied is not None and met.denied.code in why:
        return replace(met, stop=met.denied)
    if templates is None and why in FATAL_LISTING:
        met = replace(met, denied=Denied(why, "the portal denies its template list to this key"))
    if templates is None:
        note = f"the portal gives no template list ({why}): parameters cannot be checked; only param:NAME, --map and --set make parameters"
        return replace(met, notes=(*met.notes, note))
    return replace(met, templates=templates)
