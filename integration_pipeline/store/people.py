"""Tenants and internal users: CSV → records → upsert. Absence from a file changes nothing (contract, "Command line")."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import psycopg

from integration_pipeline.errors import UsageError
from integration_pipeline.store.engine import Database, fill


class Tenant(NamedTuple):
    """A customer. ``locale`` is ``ja`` or ``en``; ``line`` is where the file has it."""

    tenant_id: str
    name: str
    time_zone: str
    locale: str
    line: int = 0


class InternalUser(NamedTuple):
    """A person in the company's own user management."""

    tenant_id: str
    internal_user_id: str
    email: str | None
    employee_number: str | None
    display_name: str | None
    is_active: bool
    line: int = 0


class Imported(NamedTuple):
    """What an import came to."""

    created: int
    updated: int
    unchanged: int


def require_tenants(cursor: psycopg.Cursor[Any], tenant_ids: Iterable[str]) -> None:
    """:raises UsageError: a tenant does not exist; names the first such."""
    query = """
        SELECT wanted FROM unnest(%s::text[]) WITH ORDINALITY AS w (wanted, position)
        WHERE NOT EXISTS (SELECT FROM tenants WHERE tenant_id = wanted) ORDER BY position LIMIT 1
    """
    unknown = cursor.execute(query, (list(tenant_ids),)).fetchone()
    if unknown is not None:
        raise UsageError(f"there is no tenant {unknown[0]}", remedy="`tenants list` shows those there are")


def in_turn(cursor: psycopg.Cursor[Any]) -> None:
    """Wait for other imports of the same tenants: those whose ids stand in the temporary table ``incoming``.

    Side by side, two would each take for new what the other adds, and the one that came second would be lost; and with
    several tenants they could wait for each other for ever.
    """
    cursor.execute("""
        SELECT FROM tenants WHERE tenant_id IN (SELECT tenant_id FROM incoming) ORDER BY tenant_id FOR NO KEY UPDATE
    """)


def list_tenants(database: Database) -> list[Tenant]:
    with database.operator() as cursor:
        rows = cursor.execute("SELECT tenant_id, name, time_zone, locale FROM tenants ORDER BY tenant_id")
        return [Tenant(*row) for row in rows]


def import_tenants(database: Database, tenants: Sequence[Tenant]) -> Imported:
    """Upsert; rows that say nothing new are not written."""
    with database.operator() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE incoming (tenant_id text, name text, time_zone text, locale text) ON COMMIT DROP"
        )
        fill(cursor, "incoming", (tenant[:-1] for tenant in tenants))
        in_turn(cursor)
        updated = cursor.execute("""
            UPDATE tenants AS t SET name = i.name, time_zone = i.time_zone, locale = i.locale
            FROM incoming AS i
            WHERE t.tenant_id = i.tenant_id
            AND (t.name, t.time_zone, t.locale) IS DISTINCT FROM (i.name, i.time_zone, i.locale)
        """).rowcount
        created = cursor.execute("""
            INSERT INTO tenants (tenant_id, name, time_zone, locale)
            SELECT i.tenant_id, i.name, i.time_zone, i.locale FROM incoming AS i ORDER BY i.tenant_id
            ON CONFLICT DO NOTHING
        """).rowcount
    return Imported(created, updated, len(tenants) - created - updated)


def import_users(database: Database, users: Sequence[InternalUser]) -> Imported:
    """Upsert; rows that say nothing new are not written, so that quiet nights need not match again.

    :raises UsageError: a user of an unknown tenant; names its line. Nothing is written then.
    """
    with database.operator() as cursor:
        cursor.execute("""
            CREATE TEMP TABLE incoming (
                tenant_id text, internal_user_id text, email text, employee_number text, display_name text,
                is_active boolean, line integer
            ) ON COMMIT DROP
        """)
        fill(cursor, "incoming", users)
        unknown = cursor.execute("""
            SELECT line, tenant_id FROM incoming
            WHERE NOT EXISTS (SELECT FROM tenants AS t WHERE t.tenant_id = incoming.tenant_id) ORDER BY line LIMIT 1
        """).fetchone()
        if unknown is not None:
            raise UsageError(f"line {unknown[0]}: there is no tenant {unknown[1]}; `tenants import` adds one")
        in_turn(cursor)
        updated = cursor.execute("""
            UPDATE internal_users AS u SET
                email = i.email, employee_number = i.employee_number, display_name = i.display_name,
                is_active = i.is_active
            FROM incoming AS i
            WHERE u.tenant_id = i.tenant_id AND u.internal_user_id = i.internal_user_id
            AND (u.email, u.employee_number, u.display_name, u.is_active)
                IS DISTINCT FROM (i.email, i.employee_number, i.display_name, i.is_active)
        """).rowcount
        created = cursor.execute("""
            INSERT INTO internal_users
                (tenant_id, internal_user_id, email, employee_number, display_name, is_active)
            SELECT i.tenant_id, i.internal_user_id, i.email, i.employee_number, i.display_name, i.is_active
            FROM incoming AS i
            WHERE NOT EXISTS (
                SELECT FROM internal_users AS u
                WHERE u.tenant_id = i.tenant_id AND u.internal_user_id = i.internal_user_id
            )
            ORDER BY i.tenant_id, i.internal_user_id
            ON CONFLICT DO NOTHING
        """).rowcount
    return Imported(created, updated, len(users) - created - updated)
