"""The history of syncs: a row is born FAILED, and only the transaction that commits the data makes it better.

So a process that was killed leaves a true history: its row says FAILED, INTERRUPTED, and has no end. Such a row may
also be a sync that runs at this moment; the connection's advisory lock tells the two apart.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from integration_pipeline.errors import Kind, Superseded
from integration_pipeline.model import Connection, Load, Outcome, Status, SyncType, System
from integration_pipeline.store import locks, notices, people
from integration_pipeline.store.engine import Database
from integration_pipeline.store.queries import sql

RUNNING = "RUNNING"
INTERRUPTED = Kind.INTERRUPTED.value

AWAIT_COMMIT = b"SET LOCAL lock_timeout = '60s'"
"""Before a lock that a lost session's transaction may still hold: the server lets it sit idle for as long as that."""

_CLOSE = """
UPDATE external_system_sync_history SET
    completed_at = %(completed_at)s, status = %(status)s, records_processed = %(processed)s,
    records_created = %(created)s, records_updated = %(updated)s, records_deleted = %(deleted)s,
    records_unchanged = %(unchanged)s, records_rejected = %(rejected)s, error_type = %(error_type)s,
    error_message = %(error_message)s, remedy = %(remedy)s, warnings = %(warnings)s, api_calls = %(api_calls)s,
    api_calls_minimum = %(api_calls_minimum)s, api_load = %(api_load)s
WHERE sync_id = %(sync_id)s AND tenant_id = %(tenant_id)s AND completed_at IS NULL
"""


class Entry(NamedTuple):
    """A history row as people read it."""

    sync_id: UUID
    tenant_id: str
    system_type: str
    sync_type: str
    started_at: dt.datetime
    completed_at: dt.datetime | None
    status: str
    records_processed: int
    records_created: int
    records_updated: int
    records_deleted: int
    records_unchanged: int
    records_rejected: int
    error_type: str | None
    error_message: str | None
    remedy: str | None
    warnings: list[str]
    api_calls: int
    api_calls_minimum: int | None
    api_calls_estimate: int | None
    seconds_estimate: float | None
    run_id: str | None
    state: str = ""
    """The status; for a row without an end ``RUNNING`` or ``INTERRUPTED``."""


COLUMNS = Entry._fields[:-1]


def loads(
    database: Database, tenant_ids: Sequence[str]
) -> dict[tuple[str, System], dict[SyncType, Mapping[str, Load]]]:
    """What the last sync of each type that ended well asked of its provider; nothing of those that never did."""
    found: dict[tuple[str, System], dict[SyncType, Mapping[str, Load]]] = {}
    query, values = sql("sync/loads"), {"tenant_ids": list(tenant_ids)}
    for tenant_id, system, sync_type, load in database.ask(None, lambda cursor: list(cursor.execute(query, values))):
        asked = {operation: Load(*numbers) for operation, numbers in load.items()}
        found.setdefault((tenant_id, System(system)), {})[SyncType(sync_type)] = asked
    return found


def finish(cursor: psycopg.Cursor[Any], outcome: Outcome) -> None:
    """Turn the open row into what the sync came to, inside the transaction that commits its data.

    :raises Superseded: the row is open no more: somebody took this sync for dead, and its data must not be written.
    """
    if not _close(cursor, outcome):
        raise Superseded(f"the sync {outcome.sync_id} was closed by another process")
    notices.record(cursor, outcome.tenant_id, outcome.system, outcome.notices, at=outcome.completed_at)


def was_finished(database: Database, outcome: Outcome) -> bool:
    """Whether :func:`finish` is in the database after all, asked when its COMMIT went unanswered.

    The row tells: it was written in that transaction. Taking its lock waits for the transaction's end, should the server
    still be at it.

    :raises psycopg.Error: the database does not answer, or not within the time that a commit can take.
    """
    with database.transaction(outcome.tenant_id) as cursor:
        cursor.execute(AWAIT_COMMIT)
        found = cursor.execute(
            "SELECT status, completed_at FROM external_system_sync_history "
            "WHERE tenant_id = %s AND sync_id = %s FOR UPDATE",
            (outcome.tenant_id, outcome.sync_id),
        ).fetchone()
    return found == (outcome.status, outcome.completed_at)


def fail(
    database: Database, outcome: Outcome, *, provider_code: str | None = None, stack_trace: str | None = None
) -> None:
    """Close the row of a sync that wrote nothing, with its error; a row that is closed already stays as it is."""
    with database.transaction(outcome.tenant_id) as cursor:
        if _close(cursor, outcome):
            cursor.execute(
                "INSERT INTO sync_errors (sync_id, tenant_id, system_type, sync_type, error_type, error_message, "
                "provider_code, remedy, stack_trace, occurred_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    outcome.sync_id, outcome.tenant_id, outcome.system, outcome.sync_type,
                    outcome.error_type or Kind.UNKNOWN_ERROR.value, outcome.error_message or "", provider_code,
                    outcome.remedy, stack_trace, outcome.completed_at,
                ),
            )  # fmt: skip
            notices.record(cursor, outcome.tenant_id, outcome.system, outcome.notices, at=outcome.completed_at)


def interrupt(database: Database, connection: Connection, sync_id: UUID, *, at: dt.datetime) -> None:
    """Close the row of a sync whose worker cannot do it any more. It keeps saying FAILED, INTERRUPTED."""
    with database.transaction(connection.tenant_id) as cursor:
        cursor.execute(
            "UPDATE external_system_sync_history SET completed_at = greatest(%s, started_at) "
            "WHERE tenant_id = %s AND sync_id = %s AND completed_at IS NULL",
            (at, connection.tenant_id, sync_id),
        )


def close_interrupted(database: Database, connection: Connection, *, at: dt.datetime) -> int:
    """Close what a killed process left open of this connection. Call it holding the connection's lock.

    :returns: how many rows.
    """
    with database.transaction(connection.tenant_id) as cursor:
        return cursor.execute(
            "UPDATE external_system_sync_history SET completed_at = greatest(%s, started_at) "
            "WHERE tenant_id = %s AND system_type = %s AND completed_at IS NULL",
            (at, connection.tenant_id, connection.system),
        ).rowcount


def recent(database: Database, *, tenant_ids: Sequence[str] | None = None, limit: int | None = 20) -> list[Entry]:
    """The newest rows first, each with whether it is still running.

    :raises UsageError: a tenant does not exist.
    """
    with database.operator() as cursor:
        if tenant_ids is not None:
            people.require_tenants(cursor, tenant_ids)
        # Before and after: a sync may begin or end between the look at the locks and the look at its row.
        running = locks.running(cursor)
        rows = cursor.execute(
            f"SELECT {', '.join(COLUMNS)} FROM external_system_sync_history "
            "WHERE %(tenant_ids)s::text[] IS NULL OR tenant_id = ANY(%(tenant_ids)s) "
            "ORDER BY started_at DESC, sync_id DESC LIMIT %(limit)s",
            {"tenant_ids": None if tenant_ids is None else list(tenant_ids), "limit": limit},
        ).fetchall()
        running |= locks.running(cursor)
    return [with_state(Entry(*row), running) for row in rows]


def with_state(entry: Entry, running: set[int]) -> Entry:
    """The row with its state.

    :param running: the locks held now (:func:`integration_pipeline.store.locks.running`).
    """
    if entry.completed_at is not None:
        return entry._replace(state=entry.status)
    is_running = locks.lock_key(entry.tenant_id, System(entry.system_type)) in running
    return entry._replace(state=RUNNING if is_running else INTERRUPTED)


def _close(cursor: psycopg.Cursor[Any], outcome: Outcome) -> bool:
    counts = outcome.counts
    values = {
        **{
            name: getattr(counts, name)
            for name in ("created", "updated", "deleted", "unchanged", "rejected", "processed")
        },
        **{name: getattr(outcome, name) for name in ("sync_id", "tenant_id", "completed_at", "status", "error_type")},
        **{name: getattr(outcome, name) for name in ("error_message", "remedy", "api_calls", "api_calls_minimum")},
        "warnings": list(outcome.warnings),
        # Of what failed half-way it would say too little.
        "api_load": None if outcome.status is Status.FAILED else Jsonb(outcome.load),
    }
    return cursor.execute(_CLOSE, values).rowcount == 1
