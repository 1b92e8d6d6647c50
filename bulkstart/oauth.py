"""OAuth of the native dialect, purely: a pair of tokens, the request for a new one, its answer (bitrix24-api.md 5.1).

The access token lives an hour, the refresh token once: each renewal gives a new pair and kills the old one. A renewal that fails
says nothing about the start that asked for it, which had been refused before. Disk and network: ``tokens``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from urllib.parse import quote, urlencode, urlsplit

from bulkstart.gateways.bodies import decode, text_of
from bulkstart.model import Answer, Denied, HttpCall
from bulkstart.secret import Secret

DEFAULT_OAUTH_URL = "https://oauth.bitrix.info"

ADVICE = {
    "invalid_grant": "the refresh token is used up, expired or revoked: log the application in anew and set both tokens again",
    "invalid_client": "BULKSTART_CLIENT_ID or BULKSTART_CLIENT_SECRET is wrong: copy both from the application's page again",
    "wrong_client": "BULKSTART_CLIENT_ID and BULKSTART_CLIENT_SECRET belong to another application than BULKSTART_REFRESH_TOKEN",
    "invalid_request": "the authorisation server did not understand the request: check BULKSTART_CLIENT_ID and BULKSTART_OAUTH_URL",
    "insufficient_scope": "the webhook or application may not do this: give it the scopes bizproc and crm (an application: and log it in anew)",
    "invalid_scope": "the webhook or application may not do this: give it the scopes bizproc and crm (an application: and log it in anew)",
    "PAYMENT_REQUIRED": "the application's paid period on this portal is over: pay for it, or use a webhook",
    "NOT_INSTALLED": "the application is not installed on this portal: install it, and log it in anew",
    "TOKENS_INCOMPLETE": (
        "the access token has expired and cannot be renewed: set BULKSTART_REFRESH_TOKEN, BULKSTART_CLIENT_ID and BULKSTART_CLIENT_SECRET"
    ),
    "TOKEN_NEVER_VALID": "the portal calls a token expired that was renewed just now: check the clocks of the portal and of its server",
    "TOKEN_STORE": "the new tokens could not be kept safe, so they were not asked for: make the folder of the journal writable",
    "OAUTH_MOVED": "the authorisation server or the portal has another address now: check BULKSTART_OAUTH_URL and BULKSTART_PORTAL_URL",
    "OAUTH_UNREACHABLE": "the authorisation server gave no usable answer, so the token may be used up: log the application in anew if it stays so",
    "OAUTH_REFUSED": "the authorisation server refused to renew the access token: log the application in anew",
}
"""What a person can do, by the code of a renewal that failed. The first eight are the server's own codes, the others ours."""

_BY_CODE = {code.upper(): code for code in ADVICE}


@dataclass(frozen=True, slots=True)
class Client:
    """The application. ``address``: its authorisation server, without the path."""

    client_id: str
    client_secret: Secret
    address: str = DEFAULT_OAUTH_URL


@dataclass(frozen=True, slots=True)
class Tokens:
    """One pair. ``refresh is None``: it cannot be renewed. ``endpoint``: where the portal says that calls go, ``""`` where untold."""

    access: Secret
    refresh: Secret | None = None
    endpoint: str = field(default="", repr=False)

    def same_as(self, other: Tokens) -> bool:
        """Whether both are one pair."""
        return self.access.reveal() == other.access.reveal()

    @property
    def seed(self) -> str:
        """A digest by which the pairs that descend from this one know each other, without holding it."""
        first = self.refresh or self.access
        return hashlib.sha256(first.reveal().encode()).hexdigest()


def signed(call: HttpCall, tokens: Tokens) -> HttpCall:
    """The call with the token as ``auth`` in its JSON body, where no log and no address shows it."""
    body = json.loads(call.body or b"{}") | {"auth": tokens.access.reveal()}
    return replace(call, body=json.dumps(body).encode())


def refresh_address(client: Client, refresh: Secret) -> Secret:
    """The whole address to GET for a new pair. All of it is a secret: the portal wants its secrets in the query."""
    query = urlencode(
        {
            "grant_type": "refresh_token",
            "client_id": client.client_id,
            "client_secret": client.client_secret.reveal(),
            "refresh_token": refresh.reveal(),
        },
        quote_via=quote,
        safe="",
    )
    return Secret(f"{client.address.rstrip('/')}/oauth/token/?{query}")


def read_refresh(answer: Answer) -> Tokens | Denied:
    """The new pair, or why there is none; its code stands in ``ADVICE``. The code before the status: ``wrong_client`` has 200."""
    if 300 <= answer.status < 400:  # noqa: PLR2004
        return refused("OAUTH_MOVED")
    payload = decode(answer.body)
    if not isinstance(payload, dict):
        return refused("OAUTH_UNREACHABLE", f"HTTP {answer.status}")
    if "error" in payload:
        code = text_of(payload["error"]).strip()
        known = _BY_CODE.get(code.upper())
        return refused(known) if known else refused("OAUTH_REFUSED", code[:60])
    access, refresh = (text_of(payload.get(name)) for name in ("access_token", "refresh_token"))
    if answer.status != 200 or not _usable(access) or not _usable(refresh):  # noqa: PLR2004
        return refused("OAUTH_UNREACHABLE", f"HTTP {answer.status}")
    return Tokens(Secret(access), Secret(refresh), text_of(payload.get("client_endpoint")))


def refused(code: str, told: str = "") -> Denied:
    """A renewal that failed, with what a person can do. ``told``: what the server said beyond a known code."""
    return Denied(code, f"{ADVICE[code]} ({told})" if told else ADVICE[code])


def moved(portal_url: str, tokens: Tokens) -> bool:
    """Whether the portal says that calls go to another host than ours: a token is never sent there unasked."""
    try:
        host, ours = urlsplit(tokens.endpoint).hostname, urlsplit(portal_url).hostname
    except ValueError:
        return True
    return bool(host) and host != ours


def _usable(token: str) -> bool:
    return bool(token) and token.isascii() and token.isprintable() and " " not in token
