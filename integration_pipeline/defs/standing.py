"""How the connections stand, read from the database: database → lines, tokens, coverage.

The history is the truth about every sync, whoever ran it; Dagster's own events are a picture of it. Loads the database's
driver, so the definitions import this where it is used.
"""

import datetime as dt
from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from integration_pipeline.defs.lines import NEVER, RUNNING, Coverage, Held, Line, Token
from integration_pipeline.model import Counts, SyncType, System
from integration_pipeline.store import holds as store
from integration_pipeline.store import locks
from integration_pipeline.store.engine import Database
from integration_pipeline.store.queries import sql


class Ended(NamedTuple):
    """A sync that has ended."""

    sync_id: UUID
    tenant_id: str
    sync_type: SyncType
    completed_at: dt.datetime


def lines(database: Database, tenant_ids: Iterable[str] | None = None) -> list[Line]:
    """The latest result of every enabled connection, for each sync type it asks for.

    :param tenant_ids: of these tenants; None = all. Tenants that do not exist have no lines.
    """
    with database.operator() as cursor:
        # Before and after: a sync may begin or end between the look at the locks and the look at its row.
        running = locks.running(cursor)
        rows = cursor.execute(
            sql("standing/syncs"), {"tenant_ids": None if tenant_ids is None else list(tenant_ids)}
        ).fetchall()
        running |= locks.running(cursor)
    return [_line(*row, running=running) for row in rows]


def _line(
    tenant_id: str,
    system: str,
    sync_type: str,
    started_at: dt.datetime | None,
    completed_at: dt.datetime | None,
    status: str | None,
    created: int,
    updated: int,
    deleted: int,
    unchanged: int,
    rejected: int,
    error_type: str | None,
    error_message: str | None,
    remedy: str | None,
    warnings: list[str],
    api_calls: int,
    api_calls_minimum: int | None,
    run_id: str | None,
    good_at: dt.datetime | None,
    *,
    running: set[int],
) -> Line:
    is_running = completed_at is None and locks.lock_key(tenant_id, System(system)) in running
    return Line(
        tenant_id=tenant_id,
        system=System(system),
        sync_type=SyncType(sync_type),
        status=NEVER if status is None else RUNNING if is_running else status,
        counts=Counts(created, updated, deleted, unchanged, rejected),
        started_at=started_at,
        completed_at=completed_at,
        error_type=error_type,
        error_message=error_message,
        remedy=remedy,
        warnings=warnings,
        api_calls=api_calls,
        api_calls_minimum=api_calls_minimum,
        run_id=run_id,
        good_at=good_at,
    )


def tokens(database: Database, *, ends_before: dt.datetime, cut_off_before: dt.datetime) -> list[Token]:
    """The tokens a person should look after.

    :param ends_before: those that end before this, where nothing is stored to renew them by.
    :param cut_off_before: those whose renewal began before this and has not ended.
    """
    with database.operator() as cursor:
        moments = {"ends_before": ends_before, "cut_off_before": cut_off_before}
        return [Token(*row) for row in cursor.execute(sql("standing/tokens"), moments)]


def holds(database: Database) -> list[Held]:
    """What waits for a person, the oldest first."""
    with database.operator() as cursor:
        found = sorted(store.waiting(cursor), key=lambda hold: hold.created_at)
    return [
        Held(
            hold.tenant_id,
            System(hold.system_type),
            SyncType(hold.sync_type),
            hold.hold_id,
            hold.created_at,
            hold.held,
            hold.reasons,
        )
        for hold in found
    ]


def coverage(database: Database, tenant_ids: Iterable[str] | None = None) -> list[Coverage]:
    """The enabled connections that have accounts, with how many of these are matched."""
    with database.operator() as cursor:
        wanted = None if tenant_ids is None else list(tenant_ids)
        return [Coverage(*row) for row in cursor.execute(sql("standing/coverage"), {"tenant_ids": wanted})]


def tenants(database: Database) -> list[str]:
    """The tenants that have a connection, enabled or not: those that are partitions."""
    with database.operator() as cursor:
        rows = cursor.execute("SELECT DISTINCT tenant_id FROM external_system_connections ORDER BY tenant_id")
        return [tenant_id for (tenant_id,) in rows]


def existing(database: Database, tenant_ids: Iterable[str]) -> set[str]:
    """Those of the tenants that (still) exist."""
    with database.operator() as cursor:
        rows = cursor.execute("SELECT tenant_id FROM tenants WHERE tenant_id = ANY(%s)", (list(tenant_ids),))
        return {tenant_id for (tenant_id,) in rows}


def unseen(database: Database, *, ended: str, sync_id: str, before: dt.datetime, limit: int) -> list[Ended]:
    """Syncs made without Dagster, in the order in which they ended, after the one named and before a moment."""
    with database.operator() as cursor:
        values = {"ended": ended, "sync_id": sync_id, "before": before, "limit": limit}
        rows = cursor.execute(sql("standing/unseen"), values).fetchall()
    return [Ended(found, tenant_id, SyncType(sync_type), at) for found, tenant_id, sync_type, at in rows]
