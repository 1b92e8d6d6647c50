"""A portal to start workflows on: its dialect, its address, its credentials, and what it is known by."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from bulkstart.errors import CredentialsError
from bulkstart.gateways import Gateway
from bulkstart.gateways.native import Native
from bulkstart.gateways.vibecode import Vibecode
from bulkstart.oauth import DEFAULT_OAUTH_URL, Client, Tokens
from bulkstart.secret import Secret
from bulkstart.settings import DEFAULT_BASE_URL, settings

KNOWN_HOSTS = frozenset({"vibecode.bitrix24.tech"})
"""Hosts for which the platform window of 300 requests in 60 s is assumed (bitrix24-api.md 3.2)."""

SANDBOX = "BULKSTART_SANDBOX"
"""Set where the address is a sandbox portal's (on loopback only): results say so."""

_LOOPBACK_NAMES = ("localhost", "::1")

NO_CREDENTIALS = (
    "no credentials: set BULKSTART_API_KEY (Vibecode; with BULKSTART_SESSION_TOKEN for an application key), BULKSTART_WEBHOOK_URL (native REST), "
    "or BULKSTART_PORTAL_URL with BULKSTART_ACCESS_TOKEN (native OAuth) in the environment or in .env, or try it without any with --sandbox"
)
_NATIVE = ("BULKSTART_WEBHOOK_URL", "BULKSTART_PORTAL_URL")
_WEBHOOK = re.compile(r"/rest/([1-9][0-9]*)/([A-Za-z0-9_-]+)/?")
WEBHOOK_FORM = "it looks like https://PORTAL/rest/USER/CODE/"


def is_loopback(url: str) -> bool:
    """Whether an address is this machine's own: 127.0.0.0/8, ``::1`` or ``localhost``."""
    host = (urlsplit(url).hostname or "").lower()
    return host in _LOOPBACK_NAMES or (host.startswith("127.") and host.replace(".", "").isdigit())


@dataclass(frozen=True, slots=True)
class Login:
    """An OAuth application's login: ``client`` is ``None`` where its tokens cannot be renewed."""

    client: Client | None
    tokens: Tokens
    portal_url: str


@dataclass(frozen=True, slots=True)
class Portal:
    """One portal and one credential; made by ``from_env``, ``vibecode``, ``native`` or ``oauth``. Its ``repr`` shows no secret.

    >>> Portal.vibecode(api_key="vibe_api_0123456789").dialect
    'vibecode'
    """

    base_url: str
    gateway: Gateway = field(repr=False)
    headers: Mapping[str, Secret] = field(repr=False)
    credential: Secret = field(repr=False)
    journal: Path | None = field(default=None, repr=False)
    """A journal of its own (a sandbox's); ``None``: the user's."""
    is_sandbox: bool = field(default=False, repr=False)
    webhook: Secret | None = field(default=None, repr=False)
    """The whole address of calls, where it holds the credential."""
    login: Login | None = field(default=None, repr=False)
    """An OAuth application's login, whose access token expires."""

    @classmethod
    def from_env(cls, dialect: str | None = None) -> Portal:
        """The portal that ``BULKSTART_…`` variables (or ``.env`` here) describe. Raises ``CredentialsError``."""
        found = settings()
        portal = cls._from(found, dialect)
        return replace(portal, is_sandbox=True) if SANDBOX in found and portal.loopback else portal

    @classmethod
    def _from(cls, found: Mapping[str, str], dialect: str | None) -> Portal:
        native = [name for name in _NATIVE if name in found]
        if dialect is None and native and "BULKSTART_API_KEY" in found:
            raise CredentialsError(
                f"BULKSTART_API_KEY and {native[0]} are both set: choose with --dialect vibecode or --dialect native, or unset one of them"
            )
        if dialect == "native" or (native and dialect is None):
            return cls._native_from(found, native)
        if "BULKSTART_API_KEY" not in found:
            raise CredentialsError(NO_CREDENTIALS)
        return cls.vibecode(
            api_key=found["BULKSTART_API_KEY"],
            session_token=found.get("BULKSTART_SESSION_TOKEN"),
            base_url=found.get("BULKSTART_BASE_URL", DEFAULT_BASE_URL),
        )

    @classmethod
    def vibecode(cls, *, api_key: str, session_token: str | None = None, base_url: str = DEFAULT_BASE_URL) -> Portal:
        """A Vibecode gateway. Raises ``CredentialsError`` for a key that can never start a workflow (bitrix24-api.md 5.2)."""
        _check_key(api_key, session_token)
        headers = {"X-Api-Key": Secret(api_key)}
        if session_token:
            _check_printable("BULKSTART_SESSION_TOKEN", session_token)
            headers["Authorization"] = Secret(session_token, before="Bearer ")
        return cls(_address(base_url), Vibecode(), headers, Secret(api_key))

    @classmethod
    def _native_from(cls, found: Mapping[str, str], native: Sequence[str]) -> Portal:
        if len(native) > 1:
            raise CredentialsError("BULKSTART_WEBHOOK_URL and BULKSTART_PORTAL_URL are both set: unset one of them")
        if native == ["BULKSTART_WEBHOOK_URL"]:
            return cls.native(webhook_url=found["BULKSTART_WEBHOOK_URL"])
        if not native:
            raise CredentialsError(
                "--dialect native: set BULKSTART_WEBHOOK_URL, or BULKSTART_PORTAL_URL with BULKSTART_ACCESS_TOKEN"
            )
        return cls.oauth(
            portal_url=found["BULKSTART_PORTAL_URL"],
            access_token=found.get("BULKSTART_ACCESS_TOKEN"),
            refresh_token=found.get("BULKSTART_REFRESH_TOKEN"),
            client_id=found.get("BULKSTART_CLIENT_ID"),
            client_secret=found.get("BULKSTART_CLIENT_SECRET"),
            oauth_url=found.get("BULKSTART_OAUTH_URL", DEFAULT_OAUTH_URL),
        )

    @classmethod
    def native(cls, *, webhook_url: str) -> Portal:
        """Native REST by an incoming webhook, ``https://PORTAL/rest/USER/CODE/``. Raises ``CredentialsError`` (bitrix24-api.md 1.3)."""
        name = "BULKSTART_WEBHOOK_URL"
        parts = urlsplit(_address(webhook_url, name, WEBHOOK_FORM))
        found = _WEBHOOK.fullmatch(parts.path)
        if found is None:
            raise CredentialsError(f"{name} is not a webhook's address: {WEBHOOK_FORM}")
        base = f"{parts.scheme}://{parts.netloc}/rest"
        code = Secret(found[2])
        return cls(base, Native(_host(parts.netloc)), {}, code, webhook=Secret(f"{base}/{found[1]}/{found[2]}"))

    @classmethod
    def oauth(
        cls, *, portal_url: str, access_token: str | None, refresh_token: str | None = None, client_id: str | None = None,
        client_secret: str | None = None, oauth_url: str = DEFAULT_OAUTH_URL,
    ) -> Portal:  # fmt: skip
        """Native REST by an OAuth application's tokens. Raises ``CredentialsError`` where there is no way to a token (bitrix24-api.md 5.1)."""
        parts = urlsplit(_address(portal_url, "BULKSTART_PORTAL_URL", "it looks like https://PORTAL"))
        given = {
            "ACCESS_TOKEN": access_token,
            "REFRESH_TOKEN": refresh_token,
            "CLIENT_ID": client_id,
            "CLIENT_SECRET": client_secret,
        }
        for name, value in given.items():
            if value:
                _check_printable(f"BULKSTART_{name}", value)
        client = None
        if client_id and client_secret:
            address = _address(oauth_url, "BULKSTART_OAUTH_URL", f"it looks like {DEFAULT_OAUTH_URL}")
            client = Client(client_id, Secret(client_secret), address.removesuffix("/oauth/token"))
        if not access_token and not (refresh_token and client):
            raise CredentialsError(
                "BULKSTART_PORTAL_URL needs BULKSTART_ACCESS_TOKEN, or BULKSTART_REFRESH_TOKEN with BULKSTART_CLIENT_ID and BULKSTART_CLIENT_SECRET"
            )
        tokens = Tokens(Secret(access_token or ""), Secret(refresh_token) if refresh_token else None)
        login = Login(client, tokens, f"{parts.scheme}://{parts.netloc}")
        gateway = Native(_host(parts.netloc), oauth=True)
        return cls(f"{login.portal_url}/rest", gateway, {}, Secret(client_id or access_token or ""), login=login)

    @property
    def dialect(self) -> str:
        """``vibecode`` or ``native``."""
        return self.gateway.dialect

    @property
    def loopback(self) -> bool:
        """Whether the address is this machine's own."""
        return is_loopback(self.base_url)

    def fixed_identity(self) -> str | None:
        """The identity where it does not depend on the portal's word: ``127.0.0.1:PORT`` on loopback, the native portal's own domain (interface.md 3)."""
        if not self.loopback:
            return self.gateway.portal or None
        parts = urlsplit(self.base_url)
        return f"127.0.0.1:{parts.port or (443 if parts.scheme == 'https' else 80)}"

    def renewed_headers(self, session: str) -> Mapping[str, Secret] | None:
        """The headers of a new session; ``None`` where it can be none."""
        try:
            _check_printable("BULKSTART_SESSION_TOKEN", session)
        except CredentialsError:
            return None
        return {"Authorization": Secret(session, before="Bearer ")}

    @property
    def has_session(self) -> bool:
        """Whether it is used by a session, which expires."""
        return "Authorization" in self.headers

    def digest(self, salt: str) -> str:
        """A salted digest of the credential: tells keys apart without holding them."""
        return hashlib.sha256(f"{salt}:{self.credential.reveal()}".encode()).hexdigest()[:16]


def _check_key(api_key: str, session_token: str | None) -> None:
    _check_printable("BULKSTART_API_KEY", api_key)
    if api_key.startswith("vibe_live_"):
        raise CredentialsError(
            "BULKSTART_API_KEY is a management key (vibe_live_…), which may not start workflows: use a vibe_api_… or vibe_app_… key"
        )
    if not api_key.startswith(("vibe_api_", "vibe_app_")):
        raise CredentialsError("BULKSTART_API_KEY does not look like a Vibecode key: it begins with vibe_api_ or vibe_app_")
    if api_key.startswith("vibe_app_") and not session_token:
        raise CredentialsError(
            "BULKSTART_API_KEY is an application key (vibe_app_…): set BULKSTART_SESSION_TOKEN to a user's session as well"
        )


def _check_printable(name: str, value: str) -> None:
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise CredentialsError(
            f"{name} holds characters that no key has (a line break, a space, a letter that is not Latin): copy it again"
        )


def _host(netloc: str) -> str:
    """The portal's own domain, in lower case; a port that is not the usual one stays."""
    return netloc.lower().removesuffix(":443")


def _address(url: str, name: str = "BULKSTART_BASE_URL", form: str = "it looks like https://vibecode.bitrix24.tech/v1") -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise CredentialsError(f"{name} is not an address: {form}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CredentialsError(f"{name} is not an address: {form}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise CredentialsError(f"{name} may hold no user name, query or fragment: {form}")
    if parts.scheme == "http" and not is_loopback(url):
        raise CredentialsError(
            f"{name} begins with http://, which would send the key in the clear: use https:// (http is for loopback addresses only)"
        )
    return url.rstrip("/")
