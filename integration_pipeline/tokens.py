"""A valid access token for one connection, renewed when it must be, by one process at a time.

    stored token -> still good? -> lock -> read again -> mark -> ask -> save -> use

A refresh token may be good for one use only (Slack: "Using token rotation"). So the new pair is committed before its
first use, and a mark is committed before the old one is spent: should the process die in between, the next one knows
why the provider refuses.
"""

import contextlib
import dataclasses
import datetime as dt
import logging
import threading
from collections.abc import Callable
from typing import Protocol

from pydantic import SecretStr

from integration_pipeline.errors import RECONNECT, CredentialsError, Garbled, NetworkError, ProviderFault, TimedOut
from integration_pipeline.model import Connection, Token
from integration_pipeline.provider import Provider, TokenRequest

log = logging.getLogger(__name__)


class TokenStore(Protocol):
    """Where one connection's tokens are kept. Every method commits by itself."""

    def exclusive(self) -> contextlib.AbstractContextManager[None]:
        """Hold the connection's tokens against every other process and thread."""

    def read(self) -> Connection:
        """Read the connection anew, secrets opened."""

    def begin_refresh(self, at: dt.datetime) -> None:
        """Mark that a refresh token is about to be spent."""

    def save(self, token: Token) -> None:
        """Keep a new token and clear the mark."""

    def end_refresh(self) -> None:
        """Clear the mark: nothing was spent, or nothing is left to save."""


class Tokens:
    """The access token of one connection, for one invocation. Thread safe.

    :param send: asks the token endpoint, and raises CredentialsError for a definite refusal and no other.
    :param now: an aware clock.
    :param force: renew once even though the stored token is good (``--force-refresh``).
    :param keep: false in a dry run, which stores a new token only where the old refresh token may be spent.
    """

    def __init__(
        self,
        *,
        provider: Provider,
        connection: Connection,
        store: TokenStore,
        send: Callable[[TokenRequest], Token],
        now: Callable[[], dt.datetime],
        force: bool,
        keep: bool,
    ) -> None:
        self._provider = provider
        self._connection = connection
        self._store = store
        self._send = send
        self._now = now
        self._force = force
        self._keep = keep
        self._lock = threading.Lock()
        self._current: str | None = None

    def __call__(self, stale: str | None) -> str:
        """Give the current token, or, when the provider rejected ``stale``, a newer one.

        :raises CredentialsError: there is none to be had until a person acts.
        :raises ProviderError: the token endpoint did not answer as it should.
        """
        with self._lock:
            if self._current is None:
                self._current = self._first()
            if stale is not None and stale == self._current:
                self._current = self._renewed(stale)
            return self._current

    def _first(self) -> str:
        stored = _secret(self._connection.access_token)
        if stored is not None and self._is_lasting(self._connection) and not self._force:
            return stored
        return self._renewed(stored if self._force else None, is_rejected=False)

    def _renewed(self, old: str | None, *, is_rejected: bool = True) -> str:
        """Get a token other than ``old``: one that another process has just stored, or else a new one."""
        with self._store.exclusive():
            stored = self._store.read()
            theirs = _secret(stored.access_token)
            if theirs is not None and theirs != old and self._is_lasting(stored):
                return theirs
            request = self._provider.token_request(stored, self._now())
            if request is not None:
                return self._refreshed(stored, request).access_token.get_secret_value()
        if theirs is None:
            raise CredentialsError("no access token is stored, and none can be asked for", remedy=RECONNECT)
        if is_rejected and theirs == old:
            raise CredentialsError("the provider rejects the access token, and it cannot be renewed", remedy=RECONNECT)
        return theirs  # all there is: the provider decides

    def _refreshed(self, stored: Connection, request: TokenRequest) -> Token:
        if request.uses_refresh_token:
            self._store.begin_refresh(self._now())
        try:
            token = self._send(request)
        except CredentialsError as error:
            if request.uses_refresh_token:
                self._store.end_refresh()
                raise _explained(error, stored) from error.__cause__
            raise
        log.info("token renewed tenant=%s system=%s", stored.tenant_id, stored.system)
        is_rotated = request.uses_refresh_token and token.refresh_token is not None
        token = dataclasses.replace(token, refresh_token=token.refresh_token or stored.refresh_token)
        if self._keep or is_rotated:
            self._store.save(token)  # before the first use: whoever comes next must find what is valid now
        elif request.uses_refresh_token:
            self._store.end_refresh()
        return token

    def _is_lasting(self, connection: Connection) -> bool:
        expires_at = connection.token_expires_at
        return expires_at is None or expires_at - self._now() > self._provider.refresh_before


def _explained(error: CredentialsError, stored: Connection) -> CredentialsError:
    """Say so where the refusal of a refresh token has a history: an answer that may have brought the next one."""
    if stored.refresh_started_at is not None:
        history = f"a refresh was interrupted at {stored.refresh_started_at:%Y-%m-%d %H:%M:%S %Z}"
    elif isinstance(error.__cause__, TimedOut | NetworkError | Garbled | ProviderFault):
        history = "the answer to an earlier try was lost"
    else:
        return error
    return CredentialsError(
        f"{history}, and the provider no longer accepts the refresh token it was spending: {error}",
        status=error.status,
        code=error.code,
        remedy=RECONNECT,
    )


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() or None if value is not None else None
