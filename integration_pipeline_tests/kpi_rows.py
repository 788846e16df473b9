"""Rows that KPIs are computed from: the smallest true history and directory."""

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any

from integration_pipeline.crypto import Keyring
from integration_pipeline.model import Connection, System
from integration_pipeline.store.engine import Database
from integration_pipeline_tests import builders

READ_AT = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def add_connection(database: Database, keyring: Keyring, system: System = builders.SLACK, **changes: Any) -> Connection:
    """A connection whose users were read to their end once."""
    connection = builders.add_connection(database, keyring, builders.connection(system=system, **changes))
    set_columns(database, "external_system_connections", connection.tenant_id, users_listed_at=READ_AT)
    return connection


def add_sync(database: Database, connection: Connection, started_at: dt.datetime, **columns: Any) -> None:
    """A history row: by default a SUCCESS of USERS that took a minute."""
    row = {
        "sync_id": uuid.uuid4(),
        "tenant_id": connection.tenant_id,
        "system_type": connection.system,
        "sync_type": "USERS",
        "started_at": started_at,
        "completed_at": started_at + dt.timedelta(minutes=1),
        "status": "SUCCESS",
        "error_type": None if columns.get("status", "SUCCESS") == "SUCCESS" else "UNKNOWN_ERROR",
        **columns,
    }
    _insert(database, "external_system_sync_history", row)


def add_account(database: Database, connection: Connection, key: str, **columns: Any) -> None:
    """An account in use."""
    row = {"external_user_id": key, "is_active": True, **_stored(connection, "USER"), **columns}
    _insert(database, "external_users", row)


def add_team(database: Database, connection: Connection, key: str, **columns: Any) -> None:
    """A channel in use."""
    row = {"external_team_id": key, "is_active": True, **_stored(connection, "CHANNEL"), **columns}
    _insert(database, "external_teams", row)


def add_match(database: Database, connection: Connection, key: str, sync_status: str, person: str | None) -> None:
    """What matching found about an account."""
    with database.transaction(connection.tenant_id) as cursor:
        cursor.execute(
            "UPDATE external_users SET match_rule = 'EMAIL', match_user_id = %s, match_status = %s "
            "WHERE system_type = %s AND external_user_id = %s",
            (person, sync_status, connection.system, key),
        )


def set_columns(database: Database, table: str, tenant_id: str, **columns: Any) -> None:
    """Change all of a tenant's rows of a table."""
    changes = ", ".join(f"{name} = %({name})s" for name in columns)
    with database.transaction(tenant_id) as cursor:
        cursor.execute(f"UPDATE {table} SET {changes}".encode(), columns)


def _stored(connection: Connection, kind: str) -> dict[str, Any]:
    return {
        "tenant_id": connection.tenant_id,
        "system_type": connection.system,
        "kind": kind,
        "listing": "all",
        "content_hash": 0,
        "created_sync_id": uuid.uuid4(),
        "changed_sync_id": uuid.uuid4(),
        "changed_at": READ_AT,
    }


def _insert(database: Database, table: str, row: Mapping[str, Any]) -> None:
    columns, values = ", ".join(row), ", ".join(f"%({name})s" for name in row)
    with database.transaction(row["tenant_id"]) as cursor:
        cursor.execute(f"INSERT INTO {table} ({columns}) VALUES ({values})".encode(), row)
