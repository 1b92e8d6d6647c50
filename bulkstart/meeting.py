"""Meeting a portal: the line to it, the journal beside it, who it is, its limits, its templates."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from bulkstart.budget import Budget
from bulkstart.gateways import Me
from bulkstart.journal import Journal
from bulkstart.model import Answer, Denied, HttpCall, Lost
from bulkstart.options import Options
from bulkstart.portal import Login, Portal, is_loopback
from bulkstart.preflight import QUESTION_SECONDS, Ask, Met, limits_of, list_templates, meet, passed, with_templates
from bulkstart.secret import Secret
from bulkstart.settings import budget_path, journal_path, settings
from bulkstart.sharing import Place, SharedThrottle
from bulkstart.template_file import completed, load
from bulkstart.throttle import Limits, Throttle
from bulkstart.tokens import Renewer, TokenStore, authorised, token_file

OAUTH_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Meeting:
    """A portal that was met: what it said of itself, the limits to keep, and the throttle that already counts its questions."""

    met: Met
    limits: Limits
    throttle: Throttle


@contextlib.asynccontextmanager
async def line_to(portal: Portal, options: Options) -> AsyncIterator[Line]:
    """The connections to a portal, for as long as the block lasts."""
    from bulkstart.transport import Transport  # noqa: PLC0415  lazy: httpx, which a check without a portal does without

    timeout = options.timeout or portal.gateway.timeout
    address = portal.webhook or portal.base_url
    async with Transport(
        address, portal.headers, timeout=timeout, connections=options.max_unknown + 1, loopback=portal.loopback
    ) as line:
        if portal.login is None:
            yield line
            return
        renewer = _renewer(portal, portal.login, journal_file(portal, options))
        try:
            yield SignedLine(line, renewer, portal.gateway.is_expired)
        finally:
            await renewer.close()


class Line(Protocol):
    """The connections to a portal."""

    async def send(self, call: HttpCall, /, *, within: float | None = None) -> Answer | Lost: ...
    def renew(self, headers: Mapping[str, Secret], /) -> None: ...


class SignedLine:
    """A line whose calls carry the present access token."""

    def __init__(self, line: Line, renewer: Renewer, is_expired: Callable[[Answer], bool]) -> None:
        self._line, self._renewer, self._is_expired = line, renewer, is_expired

    async def send(self, call: HttpCall, /, *, within: float | None = None) -> Answer | Lost:
        """The answer, or why there is none; see ``Transport.send``."""
        return await authorised(partial(self._line.send, within=within), self._renewer, self._is_expired)(call)

    def renew(self, headers: Mapping[str, Secret], /) -> None:
        """Use other headers from the next call on."""
        self._line.renew(headers)


def _renewer(portal: Portal, login: Login, journal: Path) -> Renewer:
    """The present pair of tokens, and how it is renewed."""
    from bulkstart.transport import Transport  # noqa: PLC0415  lazy: httpx

    async def fetch(address: Secret) -> Answer | Lost:
        loopback = is_loopback(login.client.address) if login.client else False
        async with Transport(address, {}, timeout=OAUTH_SECONDS, connections=1, loopback=loopback) as line:
            return await line.send(HttpCall("GET", ""))

    client_id = login.client.client_id if login.client else ""
    store = TokenStore(token_file(journal, portal.gateway.portal, client_id), login.tokens.seed)
    return Renewer(login.client, login.tokens, store, fetch, portal_url=login.portal_url)


def journal_file(portal: Portal | None, options: Options) -> Path:
    """The journal of a run: a sandbox's own, else the user's."""
    own = portal.journal if portal and portal.journal and not options.journal else None
    return Path(own or journal_path(options.journal, settings()))


@contextlib.contextmanager
def journal_of(portal: Portal, options: Options) -> Iterator[Journal | None]:
    """The journal; a dry run only reads one that is there, and writes none."""
    path = journal_file(portal, options)
    if options.dry_run and not path.exists():
        yield None
        return
    journal = Journal(path)
    try:
        yield journal
    finally:
        journal.close()


Enter = Callable[[str], Place]
"""Takes this process's place at the machine's budget for a portal, by its identity."""


def entrance(portal: Portal, say: Callable[[str], None]) -> Enter | None:
    """The machine's budget; ``None`` for an embedded sandbox, whose limits nobody shares. ``say`` hears once why it cannot be used."""
    found = settings()
    if portal.is_sandbox and "BULKSTART_BUDGET" not in found:
        return None
    budget, task = Budget(budget_path(found)), asyncio.current_task()

    def enter(identity: str) -> Place:
        place = Place(budget, identity, say)
        if task is not None:  # the whole job
            task.add_done_callback(lambda _: place.end())
        return place

    return enter


async def meeting(portal: Portal, line: Line, journal: Journal | None, options: Options, enter: Enter | None = None) -> Meeting:
    """Who the portal is, its limits, its templates; every question takes a slot of the throttle, and with ``enter`` of the machine's budget."""

    async def ask(call: HttpCall) -> Answer | Lost:
        return await line.send(call, within=QUESTION_SECONDS)

    salt = journal.salt if journal else ""
    base, credential = portal.base_url, portal.digest(salt)
    remembered = journal.remembered_portal(base, credential) if journal else None
    questions = _Questions(portal, options, enter, ask, portal.fixed_identity() or remembered)
    met = await meet(portal, questions.ask, remembered, salt)
    if met.stop is None and options.rate is None and (plan := portal.gateway.plan_call()) is not None:
        answer = await questions.ask(plan)
        bucket = portal.gateway.read_bucket(answer) if isinstance(answer, Answer) else None
        met = replace(met, me=replace(met.me, bucket=bucket))
    limits = limits_of(portal, met.me, options)
    throttle = questions.throttle(limits, met)
    if met.identity is not None and met.stop is None:
        if journal and not options.dry_run and portal.fixed_identity() is None:
            journal.remember_portal(base, credential, met.identity)
        found, why = await list_templates(portal, ask, throttle)
        met = _with_kept(met, with_templates(met, found, why), journal, why)
    if journal:
        met, kept = _told_by(journal, met), journal.kept_templates(met.identity) if met.identity is not None else None
        if met.identity is not None and met.stop is None and not options.dry_run and met.templates and met.templates != kept:
            journal.keep_templates(met.identity, met.templates)
    return Meeting(with_file(met, options), limits, throttle)


def asking(portal: Portal, options: Options, place: Place | None) -> SharedThrottle | None:
    """The throttle of questions to a portal whose limits were not asked for: it goes by what others on this machine know of them."""
    now = asyncio.get_running_loop().time()
    return SharedThrottle(limits_of(portal, Me(), options), now, place, mute=True) if place else None


def nobody(_: str) -> None:
    """Who hears of a store that cannot be used where only a question or two are asked."""


class _Questions:
    """The first questions, before the limits are known. Where the portal is known already, they take slots of the machine's budget."""

    def __init__(self, portal: Portal, options: Options, enter: Enter | None, send: Ask, identity: str | None) -> None:
        self._portal, self._options, self._enter, self._send, self._identity = portal, options, enter, send, identity
        self._began, self._asked = asyncio.get_running_loop().time(), 0
        self._place = enter(identity) if enter and identity is not None else None
        self._first = asking(portal, options, self._place)

    async def ask(self, call: HttpCall) -> Answer | Lost:
        self._asked += 1
        if self._first is not None:
            await passed(self._first)
        return await self._send(call)

    def throttle(self, limits: Limits, met: Met) -> Throttle:
        """The throttle for all that follows, which counts these questions, too."""
        loop = asyncio.get_running_loop()
        place = self._place if met.identity == self._identity else None
        if place is None and self._enter and met.identity is not None:
            place = self._enter(met.identity)
        if place is None:
            throttle = Throttle(limits, self._began)
        else:
            told = met.me.rate is not None or met.me.bucket is not None
            firm = told and self._options.rate is None and not self._options.polite
            throttle = SharedThrottle(limits, self._began, place, firm=firm)
        for _ in range(self._asked):
            if isinstance(throttle, SharedThrottle) and place is self._place:
                throttle.counted(self._began, loop.time())
            else:
                throttle.answered(throttle.leave(self._began), loop.time())
        return throttle


def unmet(portal: Portal, journal: Journal | None, options: Options, stop: Denied, now: float) -> Meeting:
    """A portal that nobody waited for: nothing may be sent, for the reason in ``stop``, and the journal still tells the rows."""
    remembered = journal.remembered_portal(portal.base_url, portal.digest(journal.salt)) if journal else None
    met = Met(portal.fixed_identity() or remembered, stop=stop)
    limits = limits_of(portal, met.me, options)
    return Meeting(with_file(_told_by(journal, met) if journal else met, options), limits, Throttle(limits, now))


def with_file(met: Met, options: Options) -> Met:
    """``met`` with what ``--template-file`` tells where the portal tells nothing. Raises ``UsageError``."""
    if options.template_file is None:
        return met
    templates, notes = completed(met.templates, load(options.template_file))
    return replace(met, templates=templates, notes=(*met.notes, *notes))


def _told_by(journal: Journal, met: Met) -> Met:
    """``met`` with templates that an earlier run found: where nothing will be sent, and what the portal lists no more.

    Without them columns would mean less, so that a row would be another than the one that was started.
    """
    kept = journal.kept_templates(met.identity) if met.identity is not None else None
    if not kept:
        return met
    listed = {template.id for template in met.templates or ()}
    gone = tuple(replace(template, listed=False) for template in kept if template.id not in listed)
    return replace(met, templates=kept if met.templates is None else (*met.templates, *gone))


def _with_kept(before: Met, met: Met, journal: Journal | None, why: str) -> Met:
    """Where the portal gives no list this time, that of an earlier run: else columns would mean less, and rows would be others."""
    kept = (
        journal.kept_templates(met.identity) if journal and met.identity and met.templates is None and met.stop is None else None
    )
    if kept is None:
        return met
    note = f"the portal gives no template list this time ({why}): going on with its templates as an earlier run found them"
    return replace(met, templates=kept, notes=(*before.notes, note))
