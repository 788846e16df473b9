"""What tests build things from: the smallest true thing, and what matters said by the test."""

import base64
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any
from uuid import UUID

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb
from pydantic import SecretStr

from integration_pipeline.crypto import Keyring
from integration_pipeline.diff import Absence, Change
from integration_pipeline.errors import Cause
from integration_pipeline.model import Connection, Notice, SyncType, System
from integration_pipeline.store import beginning, connections, spreadsheets
from integration_pipeline.store.engine import Database
from integration_pipeline.store.spool import Spool, row_of, row_of_absence
from integration_pipeline.store.spreadsheets import Spreadsheet
from integration_pipeline.store.staging import Target

SLACK = System("SLACK")
TEAMS = System("TEAMS")
LINE_WORKS = System("LINE_WORKS")

KEYS = f"test:{base64.b64encode(bytes(range(32))).decode()}"
"""A keyring's text, with one key that everybody knows."""


def as_login(url: str, login: str) -> str:
    """The same database, for another login."""
    return make_conninfo(url, user=login)


def connection(tenant_id: str = "tenant-a", system: System = SLACK, **changes: Any) -> Connection:
    """A connection with a token that never expires."""
    return Connection(
        **{"tenant_id": tenant_id, "system": system, "access_token": SecretStr("token-of-" + tenant_id), **changes}
    )


@contextmanager
def everything(database: Database) -> Iterator[psycopg.Cursor[TupleRow]]:
    """A transaction of the login itself, which in tests may read and write every row: what no role of ours may."""
    with database.operator() as cursor:
        cursor.execute("SELECT set_config('role', %s, true)", (cursor.connection.info.user,))
        yield cursor


def notice(**changes: Any) -> Notice:
    """That a connection's token was revoked."""
    values = {"cause": Cause.RECONNECT, "message": "token_revoked", "remedy": "Install the app again.", **changes}
    return Notice(**values)


def add_tenant(database: Database, tenant_id: str = "tenant-a", **columns: Any) -> str:
    """Store a tenant."""
    values = {"name": f"Tenant {tenant_id}", "time_zone": "Asia/Tokyo", "locale": "ja", **columns}
    with database.operator() as cursor:
        cursor.execute(
            "INSERT INTO tenants (tenant_id, name, time_zone, locale) VALUES (%s, %s, %s, %s)",
            (tenant_id, values["name"], values["time_zone"], values["locale"]),
        )
    return tenant_id


def add_internal_user(database: Database, internal_user_id: str, tenant_id: str = "tenant-a", **columns: Any) -> str:
    """Store an internal user."""
    values = {"email": None, "employee_number": None, "display_name": None, "is_active": True, **columns}
    with database.operator() as cursor:
        cursor.execute(
            "INSERT INTO internal_users "
            "(tenant_id, internal_user_id, email, employee_number, display_name, is_active) "
            "VALUES (%(tenant_id)s, %(internal_user_id)s, %(email)s, %(employee_number)s, %(display_name)s, "
            "%(is_active)s)",
            {"tenant_id": tenant_id, "internal_user_id": internal_user_id, **values},
        )
    return internal_user_id


def add_connection(database: Database, keyring: Keyring, connection: Connection) -> Connection:
    """Store a connection as it is, sealed; its tenant too, where it is missing."""

    def sealed(column: str, value: SecretStr | None) -> str | None:
        place = {"tenant_id": connection.tenant_id, "system": connection.system, "column": column}
        return None if value is None else keyring.seal(value, **place)

    row: Mapping[str, Any] = {
        "tenant_id": connection.tenant_id,
        "system_type": connection.system,
        **{
            name: getattr(connection, name)
            for name in (
                "client_id", "token_expires_at", "refresh_started_at", "api_endpoint", "sync_enabled", "sync_users",
                "sync_teams", "sync_notifications", "batch_size", "api_rate_limit", "retry_attempts",
                "timeout_seconds", "last_sync_at", "sync_generation",
            )
        },
        **{name: sealed(name, getattr(connection, name)) for name in ("client_secret", "access_token", "refresh_token")},
        "options": Jsonb(dict(connection.options)),
        "workspace": Jsonb(dict(connection.workspace)),
        "secret_options": Jsonb(
            {name: sealed(f"secret_options.{name}", value) for name, value in connection.secret_options.items()}
        ),
    }  # fmt: skip
    with database.operator() as cursor:
        cursor.execute(
            "INSERT INTO tenants (tenant_id, name) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (connection.tenant_id, f"Tenant {connection.tenant_id}"),
        )
    with database.transaction(connection.tenant_id) as cursor:
        columns, values = ", ".join(row), ", ".join(f"%({name})s" for name in row)
        cursor.execute(f"INSERT INTO external_system_connections ({columns}) VALUES ({values})".encode(), row)
    return connection


def opened(database: Database, keyring: Keyring) -> list[Connection]:
    """All connections that are stored, with their secrets."""
    listed = connections.describe(database)
    return [connections.read(database, keyring, each.tenant_id, each.system) for each in listed]


def opened_spreadsheets(database: Database, keyring: Keyring) -> list[Spreadsheet]:
    """All spreadsheets that are stored, with their keys."""
    return [spreadsheets.read(database, keyring, one.tenant_id) for one in spreadsheets.standing(database)]


@contextmanager
def spooled(target: Target, changes: Iterable[Change], absent: Iterable[Absence]) -> Iterator[Spool]:
    """What a walk came to, on its way to the stage."""
    with closing(Spool(100)) as spool:
        for change in changes:
            spool.add(row_of(change), deactivates=change.deactivates)
        for absence in absent:
            spool.add(row_of_absence(absence, len(target.columns)), deactivates=absence.is_active)
        yield spool


def begin(database: Database, connection: Connection, sync_type: SyncType, **more: Any) -> UUID:
    """A sync under way, as its history row says."""
    with database.transaction(connection.tenant_id) as cursor:
        sync_id = beginning.begin(cursor, connection, sync_type, **more).sync_id
    assert sync_id is not None
    return sync_id
