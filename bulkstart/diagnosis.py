"""What would stand in the way of a run, from what portal and credentials told: one sentence of advice for each finding. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bulkstart.forecast import about
from bulkstart.gateways import Me
from bulkstart.gateways.questions import App, Method
from bulkstart.guards import NEEDED_SCOPE
from bulkstart.model import Denied, Template
from bulkstart.throttle import Limits

CRM_SCOPE = "crm"
CLOCK_SECONDS = 30.0  # a portal's clock that is further away is told; doubts are settled by its own clock all the same
SOON = 3600.0  # seconds: credentials that end within an hour are told

Level = Literal["ok", "warning", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the diagnosis. ``code``: of a warning or fault, ``""`` where all is well; ``exit_code``: of a fault, else 0."""

    topic: str
    text: str
    code: str = ""
    exit_code: int = 0

    @property
    def level(self) -> Level:
        """How bad it is."""
        return "bad" if self.exit_code else "warning" if self.code else "ok"


@dataclass(frozen=True, slots=True)
class Facts:
    """What was told; ``None``: not asked, or no usable answer. ``clock_ahead``: seconds that the portal's clock is ahead of ours.

    ``write``: why a request that writes was denied; ``running``: the portal's code where the list of running workflows cannot be read, ``""`` where it can.
    """

    identity: str
    limits: Limits
    now: float
    dialect: str = "vibecode"
    me: Me = field(default_factory=Me)
    stop: Denied | None = None
    write: Denied | None = None
    notes: tuple[str, ...] = ()
    templates: Sequence[Template] | None = None
    wanted: int | None = None
    entity_type: str | None = None
    method: Method | None = None
    app: App | None = None
    clock_ahead: float | None = None
    running: str = ""


def diagnose(facts: Facts) -> list[Finding]:
    """The findings, in the order of a run."""
    if facts.stop is not None:
        return [Finding("credentials", facts.stop.message, facts.stop.code, facts.stop.exit_code)]
    return [*_credentials(facts), *_rights(facts), *_limits(facts), *_clock(facts), *_template(facts), *_running(facts)]


def _credentials(facts: Facts) -> Iterator[Finding]:
    who = f", as {facts.me.user}" if facts.me.user else ""
    yield Finding("credentials", f"they work on {facts.identity}{who}")
    for note in facts.notes:
        yield Finding("credentials", note, "NOTE")
    if facts.me.expires_at is not None and facts.me.expires_at < facts.now + SOON:
        left = facts.me.expires_at - facts.now
        text = f"they end in {about(left)}" if left > 0 else "they have ended"
        yield Finding("credentials", f"{text}: a longer run stops there, and bulkstart resume goes on", "ENDS_SOON")


def _rights(facts: Facts) -> Iterator[Finding]:
    scopes = facts.me.scopes
    if scopes is not None and NEEDED_SCOPE not in scopes:
        text = f"the scope {NEEDED_SCOPE} is missing: every start would be denied; issue new credentials that have it"
        yield Finding("scope", text, "SCOPE_MISSING", 7)
    elif scopes is not None and CRM_SCOPE not in scopes:
        text = f"the scope {CRM_SCOPE} is missing: starts on deals, leads, contacts and companies may be denied; issue new credentials that have it"
        yield Finding("scope", text, "SCOPE_MISSING")
    elif scopes is not None:
        yield Finding("scope", f"{NEEDED_SCOPE} and {CRM_SCOPE} are there")
    if facts.me.read_only:
        text = "the key is read-only: every start would be denied; use one that may write"
        yield Finding("scope", text, "READ_ONLY", 7)
    elif facts.write is not None and not (scopes is not None and NEEDED_SCOPE not in scopes):
        text = f"a request that writes was denied ({facts.write.message}): starts would be, too; use a key that may write"
        yield Finding("scope", text, facts.write.code, facts.write.exit_code)
    if facts.method is not None and not (facts.method.exists and facts.method.available):
        text = "bizproc.workflow.start is not available: the portal's plan has no workflows (paid, demo and NFR plans have them)"
        yield Finding("plan", text, "METHOD_UNAVAILABLE", 7)
    if facts.app is not None and facts.app.payment_expired:
        yield Finding("plan", "the application's payment has expired: renew it before a run", "PAYMENT_EXPIRED", 7)
    if facts.app is not None and facts.app.installed is False:
        yield Finding(
            "plan", "the application is not installed to its end: finish its installation on the portal", "NOT_INSTALLED", 7
        )
    if facts.me.admin is False:
        text = (
            "the user is no administrator: starts may be denied, and the lists of templates and of running workflows mostly are; "
            "use an administrator's credentials, or try a few rows first"
        )
        yield Finding("administrator", text, "NOT_ADMIN")
    elif facts.me.admin:
        yield Finding("administrator", "the user is one")


def _limits(facts: Facts) -> Iterator[Finding]:
    limits, burst = facts.limits, facts.limits.burst
    text = f"{limits.rate:.3g} requests a second" + (f", {burst:.0f} at once" if burst and burst > 1 else "")
    if limits.stated:
        yield Finding("limits", text)
    else:
        yield Finding(
            "limits", f"{text} to begin with: the portal states no limit; say --rate where you know it", "RATE_UNSTATED"
        )


def _clock(facts: Facts) -> Iterator[Finding]:
    if facts.clock_ahead is None:
        text = "the portal does not tell its time: rows in doubt cannot be settled by its list of running workflows"
        yield Finding("clock", text, "CLOCK_UNKNOWN")
    elif abs(facts.clock_ahead) > CLOCK_SECONDS:
        side = "ahead of" if facts.clock_ahead > 0 else "behind"
        text = f"the portal's clock is {about(abs(facts.clock_ahead))} {side} this machine's: set this machine's clock"
        yield Finding("clock", text, "CLOCK_SKEW")
    else:
        yield Finding("clock", "the portal's clock and this machine's agree")


def _template(facts: Facts) -> Iterator[Finding]:
    known = {template.id: template for template in facts.templates or () if template.listed}
    if facts.templates is None:
        text = "the portal gives no template list: parameters cannot be checked; only param:NAME, --map and --set make parameters"
        yield Finding("template", text, "NO_TEMPLATE_LIST")
    elif facts.wanted is None:
        yield Finding("template", f"the portal lists {len(known):,} templates; name one with --template to look at it")
    elif facts.wanted not in known:
        text = f"template {facts.wanted} does not stand in the portal's list, which may be incomplete: look at its id again"
        yield Finding("template", text, "TEMPLATE_UNLISTED")
    else:
        yield from _known_template(known[facts.wanted], facts.entity_type)


def _known_template(template: Template, entity_type: str | None) -> Iterator[Finding]:
    kind = template.entity_type
    if entity_type is not None and kind is not None and kind != entity_type:
        text = f"template {template.id} is for {kind}, not for {entity_type}: every start would be refused; choose the other or leave --entity-type out"
        yield Finding("template", text, "WRONG_ENTITY_TYPE", 3)
        return
    needed = [parameter.name for parameter in template.parameters or () if parameter.required]
    own = "its parameters are not told" if template.parameters is None else f"required parameters: {', '.join(needed) or 'none'}"
    yield Finding("template", f"template {template.id} {template.name!r} starts on {kind or 'a type that is not told'}; {own}")
    if template.auto_execute:
        text = f"template {template.id} also starts by itself: a start from here comes on top of that"
        yield Finding("template", text, "AUTO_EXECUTE")


def _running(facts: Facts) -> Iterator[Finding]:
    if facts.running:
        text = f"the list of running workflows cannot be read ({facts.running}): rows in doubt must be settled by hand"
        yield Finding("running list", text, "NO_RUNNING_LIST")
    else:
        yield Finding("running list", "it can be read: rows in doubt can be looked up")
