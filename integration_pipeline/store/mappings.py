"""Who is who: the list of requirement A6, and the links made by hand, which beat every other rule."""

import datetime as dt
from typing import NamedTuple
from uuid import UUID

from integration_pipeline.errors import UsageError
from integration_pipeline.model import System
from integration_pipeline.store import people
from integration_pipeline.store.engine import Database

STATUSES = ("ACTIVE", "INACTIVE", "ERROR")


class Mapping(NamedTuple):
    """An external account and the internal user it belongs to, when that is known."""

    mapping_id: UUID
    tenant_id: str
    internal_user_id: str | None
    system_type: str
    external_user_id: str
    external_username: str | None
    external_email: str | None
    sync_status: str
    last_synced_at: dt.datetime
    reason: str | None
    rule: str | None
    flags: str | None


def listing(
    database: Database, tenant_id: str, *, system: System | None = None, status: str | None = None
) -> list[Mapping]:
    """A tenant's mappings by system and account.

    :raises UsageError: there is no such tenant.
    """
    query = f"""
        SELECT {", ".join(Mapping._fields)} FROM external_user_mappings
        WHERE tenant_id = %(tenant_id)s
        AND (%(system)s::text IS NULL OR system_type = %(system)s)
        AND (%(status)s::text IS NULL OR sync_status = %(status)s)
        ORDER BY system_type, external_user_id
    """
    with database.transaction(tenant_id) as cursor:
        people.require_tenants(cursor, [tenant_id])
        rows = cursor.execute(query, {"tenant_id": tenant_id, "system": system, "status": status})
        return [Mapping(*row) for row in rows]


def link(database: Database, tenant_id: str, system: System, *, external_user_id: str, internal_user_id: str) -> None:
    """Say by hand whom an account belongs to, also before the account was ever seen. The next USERS sync applies it.

    :raises UsageError: there is no such tenant or internal user.
    """
    with database.transaction(tenant_id) as cursor:
        people.require_tenants(cursor, [tenant_id])
        query = "SELECT FROM internal_users WHERE tenant_id = %s AND internal_user_id = %s"
        if cursor.execute(query, (tenant_id, internal_user_id)).fetchone() is None:
            raise UsageError(f"{tenant_id} has no internal user {internal_user_id}", remedy="`users import` adds one")
        cursor.execute(
            "INSERT INTO user_links AS l (tenant_id, system_type, external_user_id, internal_user_id) "
            "VALUES (%s, %s, %s, %s) ON CONFLICT (tenant_id, system_type, external_user_id) "
            "DO UPDATE SET internal_user_id = excluded.internal_user_id, created_at = excluded.created_at "
            "WHERE l.internal_user_id <> excluded.internal_user_id",
            (tenant_id, system, external_user_id, internal_user_id),
        )


def unlink(database: Database, tenant_id: str, system: System, *, external_user_id: str) -> None:
    """Take a link made by hand back. The next USERS sync matches the account by the other rules.

    :raises UsageError: there is no such tenant or link.
    """
    with database.transaction(tenant_id) as cursor:
        people.require_tenants(cursor, [tenant_id])
        deleted = cursor.execute(
            "DELETE FROM user_links WHERE tenant_id = %s AND system_type = %s AND external_user_id = %s",
            (tenant_id, system, external_user_id),
        ).rowcount
        if not deleted:
            raise UsageError(f"{tenant_id} has no {system} link for the account {external_user_id}")
