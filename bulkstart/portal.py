"""A portal to start workflows on: its dialect, its address, its credentials, and what it is known by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bulkstart.errors import CredentialsError
from bulkstart.gateways import Gateway
from bulkstart.gateways.vibecode import Vibecode
from bulkstart.secret import Secret
from bulkstart.settings import DEFAULT_BASE_URL, settings

KNOWN_HOSTS = frozenset({"vibecode.bitrix24.tech"})
"""Hosts for which the platform window of 300 requests in 60 s is assumed (bitrix24-api.md 3.2)."""

_LOOPBACK_NAMES = ("localhost", "::1")

NO_CREDENTIALS = (
    "no credentials: set BULKSTART_API_KEY (Vibecode; with BULKSTART_SESSION_TOKEN for an application key) in the environment or in .env, "
    "or try it without any with --sandbox"
)


def is_loopback(url: str) -> bool:
    """Whether an address is this machine's own: 127.0.0.0/8, ``::1`` or ``localhost``."""
    host = (urlsplit(url).hostname or "").lower()
    return host in _LOOPBACK_NAMES or (host.startswith("127.") and host.replace(".", "").isdigit())


@dataclass(frozen=True, slots=True)
class Portal:
    """One portal and one credential; made by ``from_env`` or ``vibecode``. Its ``repr`` shows no secret.

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

    @classmethod
    def from_env(cls, dialect: str | None = None) -> Portal:
        """The portal that ``BULKSTART_…`` variables (or ``.env`` here) describe. Raises ``CredentialsError``."""
        found = settings()
        native = [name for name in ("BULKSTART_WEBHOOK_URL", "BULKSTART_PORTAL_URL") if name in found]
        if dialect == "native":
            raise CredentialsError("--dialect native: this version speaks the Vibecode dialect only; leave it out")
        if native and "BULKSTART_API_KEY" in found and dialect is None:
            raise CredentialsError(
                f"BULKSTART_API_KEY and {native[0]} are both set: choose with --dialect vibecode, or unset one of them"
            )
        if native and dialect is None:
            raise CredentialsError(
                f"{native[0]} is set, but this version speaks the Vibecode dialect only: unset it and set BULKSTART_API_KEY"
            )
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

    @property
    def dialect(self) -> str:
        """``vibecode``."""
        return self.gateway.dialect

    @property
    def loopback(self) -> bool:
        """Whether the address is this machine's own."""
        return is_loopback(self.base_url)

    def fixed_identity(self) -> str | None:
        """The identity where it does not depend on the portal's word: ``127.0.0.1:PORT`` on loopback (interface.md 3)."""
        if not self.loopback:
            return None
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


def _address(base_url: str) -> str:
    try:
        parts = urlsplit(base_url)
    except ValueError:
        raise CredentialsError("BULKSTART_BASE_URL is not an address: it looks like https://vibecode.bitrix24.tech/v1") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise CredentialsError("BULKSTART_BASE_URL is not an address: it looks like https://vibecode.bitrix24.tech/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise CredentialsError(
            "BULKSTART_BASE_URL may hold no user name, query or fragment: it looks like https://vibecode.bitrix24.tech/v1"
        )
    if parts.scheme == "http" and not is_loopback(base_url):
        raise CredentialsError(
            "BULKSTART_BASE_URL begins with http://, which would send the key in the clear: use https:// (http is for loopback addresses only)"
        )
    try:
        _ = parts.port
    except ValueError:
        raise CredentialsError("BULKSTART_BASE_URL names an impossible port") from None
    return base_url.rstrip("/")
