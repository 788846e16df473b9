"""Connections: rows with sealed secrets ↔ records with opened ones; and where a connection's tokens are kept."""

import datetime as dt
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import psycopg
from pydantic import SecretStr

from integration_pipeline.crypto import Keyring
from integration_pipeline.errors import UsageError
from integration_pipeline.model import Connection, System, Token
from integration_pipeline.store.engine import Database
from integration_pipeline.store.locks import Locks, Purpose
from integration_pipeline.store.queries import sql

_log = logging.getLogger(__name__)

PLAIN = (
    "client_id", "token_expires_at", "refresh_started_at", "api_endpoint", "sync_enabled", "sync_users", "sync_teams",
    "sync_notifications", "batch_size", "api_rate_limit", "retry_attempts", "timeout_seconds", "options", "workspace",
    "last_sync_at", "sync_generation",
)  # fmt: skip
"""Columns that are what the record says."""

SEALED = ("client_secret", "access_token", "refresh_token")
"""Columns that hold one sealed secret each; ``secret_options`` holds the options' by name."""

TOKEN_POLL_SECONDS = 0.2
"""How often a process looks whether another one is done refreshing the token it waits for."""

SAVE_AGAIN_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""The pauses between tries to keep a new token while the database is away: a refresh token is not given twice."""

_SHOWN = ("tenant_id", "system_type", *PLAIN)
"""What an operator may read too."""
_COLUMNS = (*_SHOWN, *SEALED, "secret_options")
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM external_system_connections"
_LISTED = f"""
    SELECT {", ".join(_SHOWN)} FROM external_system_connections
    WHERE
        (%(tenant_ids)s::text[] IS NULL OR tenant_id = ANY(%(tenant_ids)s))
        AND (%(systems)s::text[] IS NULL OR system_type = ANY(%(systems)s))
        AND (sync_enabled OR NOT %(enabled_only)s)
    ORDER BY tenant_id, system_type
"""
_ONE = f"{_SELECT} WHERE tenant_id = %s AND system_type = %s"
_ADDS_ONE = "`connections list` shows those there are, `connections import` adds one"


def describe(
    database: Database,
    *,
    tenant_ids: Sequence[str] | None = None,
    systems: Sequence[System] | None = None,
    enabled_only: bool = False,
) -> list[Connection]:
    """The connections of these tenants and systems (None = all), by tenant and system, without any secret.

    No key is needed, and one that is lost hides no connection. A tenant that does not exist has none.
    """
    values = {
        "tenant_ids": None if tenant_ids is None else list(tenant_ids),
        "systems": None if systems is None else list(systems),
        "enabled_only": enabled_only,
    }
    listed = database.ask(None, lambda cursor: cursor.execute(_LISTED, values).fetchall())
    return [_record(dict(zip(_SHOWN, row, strict=True))) for row in listed]


def read(database: Database, keyring: Keyring, tenant_id: str, system: System) -> Connection:
    """One connection, as it is now.

    :raises UsageError: there is none, or a secret does not open.
    """
    found = database.ask(tenant_id, lambda cursor: row(cursor, tenant_id, system))
    return _there(found, keyring, tenant_id, system)


def take_over(database: Database, keyring: Keyring, tenant_id: str, system: System, *, at: dt.datetime) -> Connection:
    """The same, closing what a killed process left open in the history. Call it holding the connection's lock.

    :raises UsageError: there is none, or a secret does not open.
    """
    query = sql("sync/take_over").format(columns=", ".join(_COLUMNS))
    values = {"tenant_id": tenant_id, "system_type": system, "at": at}
    found = database.ask(tenant_id, lambda cursor: _row(cursor.execute(query, values)))
    return _there(found, keyring, tenant_id, system)


def row(cursor: psycopg.Cursor[Any], tenant_id: str, system: System) -> dict[str, Any] | None:
    """One connection's row, secrets sealed."""
    return _row(cursor.execute(_ONE, (tenant_id, system)))


def _row(found: psycopg.Cursor[Any]) -> dict[str, Any] | None:
    values = found.fetchone()
    return None if values is None else dict(zip(_COLUMNS, values, strict=True))


def _there(found: Mapping[str, Any] | None, keyring: Keyring, tenant_id: str, system: System) -> Connection:
    if found is None:
        raise UsageError(f"{tenant_id} has no {system} connection", remedy=_ADDS_ONE)
    return opened(found, keyring)


class ConnectionTokens:
    """One connection's tokens, kept for :class:`integration_pipeline.tokens.Tokens`."""

    def __init__(
        self,
        *,
        database: Database,
        keyring: Keyring,
        locks: Locks,
        tenant_id: str,
        system: System,
        pause: Callable[[float], None],
    ) -> None:
        """Nothing is read yet.

        :param pause: sleeps between looks at the lock; may raise to give up.
        """
        self._database = database
        self._keyring = keyring
        self._locks = locks
        self._tenant_id = tenant_id
        self._system = system
        self._pause = pause

    def exclusive(self) -> AbstractContextManager[None]:
        """The only refresh of this connection's token under way, over all processes; waits for another's end."""
        return self._locks.hold(
            self._tenant_id,
            self._system,
            wait=True,
            pause=self._pause,
            purpose=Purpose.TOKEN,
            poll_seconds=TOKEN_POLL_SECONDS,
        )

    def read(self) -> Connection:
        return read(self._database, self._keyring, self._tenant_id, self._system)

    def begin_refresh(self, at: dt.datetime) -> None:
        """Commit that a refresh token is about to be spent: a process that dies now leaves it said."""
        self._update("refresh_started_at = %(at)s", {"at": at})

    def end_refresh(self) -> None:
        """Commit that no refresh is under way after all: it was refused, and nothing was spent."""
        self._update("refresh_started_at = NULL", {})

    def save(self, token: Token) -> None:
        """Commit a new token, however often the database is lost meanwhile. A refresh token that did not come stays."""
        values = {
            "access_token": self._sealed("access_token", token.access_token),
            "refresh_token": token.refresh_token and self._sealed("refresh_token", token.refresh_token),
            "expires_at": token.expires_at,
        }
        for seconds in SAVE_AGAIN_SECONDS:
            try:
                return self._save(values)
            except psycopg.OperationalError as error:
                _log.warning("%s %s: a new token waits: %s", self._tenant_id, self._system, type(error).__name__)
            self._pause(seconds)
        return self._save(values)

    def _save(self, values: Mapping[str, Any]) -> None:
        self._update(
            "access_token = %(access_token)s, token_expires_at = %(expires_at)s, refresh_started_at = NULL, "
            "refresh_token = coalesce(%(refresh_token)s, refresh_token)",
            values,
        )

    def _sealed(self, column: str, value: SecretStr) -> str:
        return self._keyring.seal(value, tenant_id=self._tenant_id, system=self._system, column=column)

    def _update(self, assignments: str, values: Mapping[str, Any]) -> None:
        with self._database.transaction(self._tenant_id) as cursor:
            cursor.execute(
                f"UPDATE external_system_connections SET {assignments} "
                "WHERE tenant_id = %(tenant_id)s AND system_type = %(system)s",
                {**values, "tenant_id": self._tenant_id, "system": self._system},
            )


def opened(stored: Mapping[str, Any], keyring: Keyring) -> Connection:
    """The record of a row.

    :raises UsageError: a secret does not open.
    """
    tenant_id, system = stored["tenant_id"], System(stored["system_type"])

    place = {"tenant_id": tenant_id, "system": system}
    secrets: dict[str, Any] = {
        column: keyring.open(stored[column], column=column, **place) for column in SEALED if stored[column] is not None
    }
    options = {
        name: keyring.open(sealed, column=option_column(name), **place)
        for name, sealed in stored["secret_options"].items()
    }
    return _record(stored, **secrets, secret_options=options)


def _record(stored: Mapping[str, Any], **secrets: Any) -> Connection:
    plain: dict[str, Any] = {name: stored[name] for name in PLAIN}
    return Connection(tenant_id=stored["tenant_id"], system=System(stored["system_type"]), **plain, **secrets)


def option_column(name: str) -> str:
    """What a secret option is bound to, as a column's name is for the other secrets."""
    return f"secret_options.{name}"
