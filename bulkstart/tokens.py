"""The present pair of tokens: kept on disk before it is used, renewed by one at a time, never asked for twice.

The only module that writes a credential. The file is readable by its owner alone, replaced as a whole, and shared by all
processes that use the same application on the same portal.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

from bulkstart.locks import try_lock
from bulkstart.model import Answer, Denied, HttpCall, Lost
from bulkstart.oauth import Client, Tokens, moved, read_refresh, refresh_address, refused, signed
from bulkstart.secret import Secret

Fetch = Callable[[Secret], Awaitable[Answer | Lost]]
"""GETs one address, which is a secret as a whole; follows nothing, repeats nothing."""

Send = Callable[[HttpCall], Awaitable[Answer | Lost]]

LOOK_AGAIN = 0.05
"""Seconds between two looks at the lock that another process holds while it renews."""


def token_file(journal: Path, portal: str, client_id: str) -> Path:
    """Where the pair of one application on one portal is kept: beside the journal."""
    name = hashlib.sha256(f"{portal}\n{client_id}".encode()).hexdigest()[:16]
    return journal.with_name(journal.name + "-tokens") / f"{name}.json"


class TokenStore:
    """One file. ``seed``: which first pair its pairs descend from, so that a new login by hand is not overruled by an old file."""

    def __init__(self, path: Path, seed: str) -> None:
        self._path, self._seed = path, seed

    def read(self) -> Tokens | None:
        """The newest pair of this descent; ``None`` where there is none that can be read."""
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
            if found["seed"] != self._seed:
                return None
            refresh = Secret(str(found["refresh"])) if found["refresh"] else None
            return Tokens(Secret(str(found["access"])), refresh, str(found["endpoint"]))
        except (OSError, ValueError, LookupError, TypeError):
            return None

    @contextlib.contextmanager
    def place(self) -> Iterator[Callable[[Tokens], None]]:
        """A place for a new pair, made before the pair is asked for; what it yields keeps one. Raises ``OSError``."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self._path.with_name(f".{self._path.name}.{secrets.token_hex(6)}.tmp")
        with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:

            def keep(tokens: Tokens) -> None:
                json.dump(self._content(tokens), file)
                file.flush()
                os.fsync(file.fileno())
                file.close()
                new.replace(self._path)

            try:
                yield keep
            finally:
                new.unlink(missing_ok=True)

    def _content(self, tokens: Tokens) -> dict[str, str]:
        refresh = tokens.refresh.reveal() if tokens.refresh else ""
        return {"seed": self._seed, "access": tokens.access.reveal(), "refresh": refresh, "endpoint": tokens.endpoint}

    @contextlib.asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """One process at a time. Raises ``OSError`` where there can be no lock."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            while not try_lock(handle):  # noqa: ASYNC110  another process holds it: no event of ours tells when it is free
                await asyncio.sleep(LOOK_AGAIN)
            yield
        finally:
            os.close(handle)


class Renewer:
    """The present pair of one run. A pair is renewed only when the portal has called it expired, and by one caller at a time.

    A renewal that failed is final: it is never asked for again. One that never left this machine is no renewal.
    """

    def __init__(self, client: Client | None, tokens: Tokens, store: TokenStore, fetch: Fetch, *, portal_url: str = "") -> None:
        self._client, self._store, self._fetch, self._portal_url = client, store, fetch, portal_url
        self.tokens = store.read() or tokens
        self.refused: Denied | None = None
        """Why there will never be a new pair in this run."""
        self.unkept = False
        """Whether the present pair could not be written to disk: it ends with this process."""
        self._expired = not len(self.tokens.access)
        self._unproven = False
        self._renewal: asyncio.Task[Denied | Lost | None] | None = None

    async def ready(self) -> Tokens | Denied | Lost:
        """A pair that the portal has not called expired. All callers wait for one renewal, and none of them can cut it short."""
        if self.refused is None and self._expired:
            if self._renewal is None:
                self._renewal = asyncio.create_task(self._renew())
            failed = await asyncio.shield(self._renewal)
            if isinstance(failed, Lost):
                return failed
        return self.refused or self.tokens

    def accepted(self, tokens: Tokens) -> None:
        """A call with this pair succeeded."""
        if tokens is self.tokens:
            self._unproven = False

    def expired(self, tokens: Tokens) -> None:
        """The portal called this pair expired."""
        if tokens is not self.tokens or self._expired:
            return
        self._expired = True
        if self._unproven:
            self.refused = refused("TOKEN_NEVER_VALID")

    async def close(self) -> None:
        """Wait for a renewal under way: its answer holds the only pair that is still alive."""
        if self._renewal is not None:
            await asyncio.wait([self._renewal])

    async def _renew(self) -> Denied | Lost | None:
        """Renew; ``None`` where there is a new pair."""
        try:
            async with self._store.alone():
                failed = await self._asked()
        except OSError:
            failed = refused("TOKEN_STORE")
        finally:
            self._renewal = None
        if isinstance(failed, Denied):
            self.refused = failed
        return failed

    async def _asked(self) -> Denied | Lost | None:
        newer = None if self.unkept else self._store.read()
        if newer is not None and not newer.same_as(self.tokens):
            self.tokens, self._expired, self._unproven = newer, False, False  # another process was faster
            return None
        if self._client is None or self.tokens.refresh is None:
            return refused("TOKENS_INCOMPLETE")
        with self._store.place() as keep:
            answer = await self._fetch(refresh_address(self._client, self.tokens.refresh))
            if isinstance(answer, Lost):
                return refused("OAUTH_UNREACHABLE", answer.reason) if answer.left else answer
            found = read_refresh(answer)
            if isinstance(found, Denied):
                return found
            try:
                keep(found)
            except OSError:
                self.unkept = True
        self.tokens, self._expired, self._unproven = found, False, True
        return refused("OAUTH_MOVED") if self._portal_url and moved(self._portal_url, found) else None


def authorised(send: Send, renewer: Renewer, is_expired: Callable[[Answer], bool]) -> Send:
    """``send`` with the present token in every call.

    A call that the portal calls expired is not repeated here: whoever sent it hears that answer, sends it again in its own time,
    and that call waits for the new pair. Without one it never leaves: ``Lost`` by the code of ``oauth.ADVICE``.
    """

    async def send_authorised(call: HttpCall) -> Answer | Lost:
        tokens = await renewer.ready()
        if isinstance(tokens, Denied):
            return Lost(tokens.code, left=False, message=tokens.message)
        if isinstance(tokens, Lost):
            return tokens
        answer = await send(signed(call, tokens))
        if isinstance(answer, Answer) and is_expired(answer):
            renewer.expired(tokens)
        elif isinstance(answer, Answer) and answer.status == 200:  # noqa: PLR2004
            renewer.accepted(tokens)
        return answer

    return send_authorised
