"""Meeting a portal: the line to it, the journal beside it, who it is, its limits, its templates."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from bulkstart.journal import Journal
from bulkstart.model import Answer, Denied, HttpCall, Lost
from bulkstart.options import Options
from bulkstart.portal import Login, Portal, is_loopback
from bulkstart.preflight import QUESTION_SECONDS, Met, limits_of, list_templates, meet, with_templates
from bulkstart.secret import Secret
from bulkstart.settings import journal_path, settings
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


async def meeting(portal: Portal, line: Line, journal: Journal | None, options: Options) -> Meeting:
    """Who the portal is, its limits, its templates; every question takes a slot of the throttle."""

    async def ask(call: HttpCall) -> Answer | Lost:
        return await line.send(call, within=QUESTION_SECONDS)

    loop = asyncio.get_running_loop()
    now = loop.time()
    salt = journal.salt if journal else ""
    base, credential = portal.base_url, portal.digest(salt)
    met = await meet(portal, ask, journal.remembered_portal(base, credential) if journal else None, salt)
    asked_too = 1
    if met.stop is None and options.rate is None and (plan := portal.gateway.plan_call()) is not None:
        answer, asked_too = await ask(plan), 2
        bucket = portal.gateway.read_bucket(answer) if isinstance(answer, Answer) else None
        met = replace(met, me=replace(met.me, bucket=bucket))
    limits = limits_of(portal, met.me, options)
    throttle = Throttle(limits, now)
    for _ in range(asked_too):  # these questions count, too
        throttle.answered(throttle.leave(now), loop.time())
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
