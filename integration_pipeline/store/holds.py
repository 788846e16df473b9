"""What the guard holds (requirement A10): kept with the sync that held it, shown, and decided once by a person.

At most one hold of a connection and sync type waits. A later sync of that type has seen the directory anew, and so
supersedes it, unless it would hold the very same rows: then the old one goes on waiting, and nothing is written.
"""

import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from integration_pipeline.errors import UsageError
from integration_pipeline.model import Connection, Counts, Outcome, State, Status, SyncType, System
from integration_pipeline.store import beginning, connections, cursors, history, matching, queries, staging
from integration_pipeline.store.engine import CommitUnanswered, Database
from integration_pipeline.store.locks import Locks
from integration_pipeline.store.spool import Row, Spool, as_row
from integration_pipeline.store.staging import TARGETS, Apply, Cursor, Target

WAITING, APPROVED, REJECTED, SUPERSEDED = "WAITING", "APPROVED", "REJECTED", "SUPERSEDED"

_BATCH_SIZE = 100


class Hold(NamedTuple):
    """What one sync would have removed, and what became of it."""

    hold_id: UUID
    tenant_id: str
    system_type: str
    sync_type: str
    status: str
    absent_count: int
    """Rows that their complete listing did not hold."""
    flagged_count: int
    """Rows that the provider lists as deleted or switched off."""
    reasons: list[str]
    sync_id: UUID
    created_at: dt.datetime
    decided_at: dt.datetime | None
    decided_sync_id: UUID | None

    @property
    def held(self) -> int:
        return self.absent_count + self.flagged_count


class HeldRow(NamedTuple):
    """One row of a hold: who it is, why it would be deactivated, and what would be written beside."""

    kind: str
    key: str
    name: str | None
    reason: str | None
    listing: str
    content: Mapping[str, Any] | None


_HOLDS = f"SELECT {', '.join(Hold._fields)} FROM sync_holds"
_ROWS = (
    f"SELECT {', '.join(HeldRow._fields)} FROM sync_hold_rows "
    "WHERE tenant_id = %s AND hold_id = %s ORDER BY kind, name, key"
)
_DECIDE = (
    "UPDATE sync_holds SET status = %s, decided_at = %s, decided_sync_id = %s "
    "WHERE tenant_id = %s AND hold_id = %s AND status = 'WAITING'"
)


def settle(cursor: Cursor, task: Apply, reasons: Sequence[str], rows: Iterable[Row]) -> UUID | None:
    """Let a sync's commit supersede what waited before it, and keep what it holds itself.

    :param reasons: the guard's objections; none = nothing is held.
    :param rows: what would deactivate somebody, read only where there are objections.
    :returns: the hold that waits for these rows.
    """
    target = TARGETS[task.sync_type]
    parameters = {**queries.keys(task.connection), "sync_type": task.sync_type, "sync_id": task.sync_id, "at": task.at}
    if reasons:
        cursor.execute(matching.SET_WISE)
        _stage(cursor, target, rows)
        same = cursor.execute(queries.sql("sync/held_again"), parameters).fetchone()
        if same is not None:
            return _id(same)
    cursor.execute(queries.sql("sync/supersede"), parameters)
    if not reasons:
        return None
    made = cursor.execute(target.sql("hold"), {**parameters, "reasons": list(reasons)}).fetchone()
    assert made is not None  # noqa: S101 - INSERT … RETURNING gives its row or raises
    return _id(made)


def waiting(cursor: Cursor) -> list[Hold]:
    """What waits for a person, for an operator's cursor."""
    rows = cursor.execute(f"{_HOLDS} WHERE status = 'WAITING' ORDER BY tenant_id, system_type, sync_type".encode())
    return [Hold(*row) for row in rows]


def listing(database: Database) -> list[Hold]:
    """Every hold: those that wait first, and the newest first among the others."""
    with database.operator() as cursor:
        rows = cursor.execute(f"{_HOLDS} ORDER BY status <> 'WAITING', created_at DESC, hold_id DESC".encode())
        return [Hold(*row) for row in rows]


def read(database: Database, hold_id: UUID) -> Hold:
    """:raises UsageError: there is no such hold."""
    with database.operator() as cursor:
        row = cursor.execute(f"{_HOLDS} WHERE hold_id = %s".encode(), (hold_id,)).fetchone()
    if row is None:
        raise UsageError(f"there is no hold {hold_id}", remedy="`holds list` shows those there are")
    return Hold(*row)


def rows(database: Database, hold: Hold) -> list[HeldRow]:
    """What it holds; nothing once it was superseded."""
    with database.transaction(hold.tenant_id) as cursor:
        return [HeldRow(*row) for row in cursor.execute(_ROWS.encode(), (hold.tenant_id, hold.hold_id))]


def reject(database: Database, hold_id: UUID, *, at: dt.datetime) -> Hold:
    """Decide that nothing of it may happen. A later sync that finds the same holds it anew.

    :raises UsageError: there is no such hold, or it does not wait any more.
    """
    hold = _still_waiting(read(database, hold_id))
    with database.transaction(hold.tenant_id) as cursor:
        _decide(cursor, hold, REJECTED, at=at)
    return read(database, hold_id)


def approve(database: Database, locks: Locks, hold_id: UUID, *, now: Callable[[], dt.datetime]) -> Outcome:
    """Deactivate exactly what is held, as far as it is still active, in one transaction with a history row of its own.

    :raises UsageError: there is no such hold, or it does not wait any more.
    :raises Busy: a sync of this connection is under way; it may supersede the hold.
    :raises Superseded: one came between after all; nothing was written.
    """
    hold = _still_waiting(read(database, hold_id))
    system = System(hold.system_type)
    (connection,) = connections.describe(database, tenant_ids=[hold.tenant_id], systems=[system])
    outcome: Outcome | None = None
    with locks.hold(hold.tenant_id, system, wait=False, pause=lambda _: None):
        try:
            with database.transaction(hold.tenant_id) as cursor:
                outcome = _release(cursor, connection, hold, now)
        except CommitUnanswered:
            if outcome is None or not was_approved(database, hold, by=outcome):
                raise
    return outcome


def was_approved(database: Database, hold: Hold, *, by: Outcome) -> bool:
    """What became of a COMMIT that nobody answered; as :func:`history.was_finished`, for a row that was there before."""
    with database.transaction(hold.tenant_id) as cursor:
        cursor.execute(history.AWAIT_COMMIT)
        found = cursor.execute(
            "SELECT decided_sync_id::text FROM sync_holds WHERE tenant_id = %s AND hold_id = %s FOR UPDATE",
            (hold.tenant_id, hold.hold_id),
        ).fetchone()
    return found == (by.sync_id,)


def _release(cursor: Cursor, connection: Connection, hold: Hold, now: Callable[[], dt.datetime]) -> Outcome:
    sync_type, started_at = SyncType(hold.sync_type), now()
    begun = beginning.begin(cursor, connection, sync_type, started_at=started_at)
    assert begun.sync_id is not None  # noqa: S101 - this is no dry run
    task = Apply(
        connection=connection,
        sync_id=begun.sync_id,
        sync_type=sync_type,
        at=started_at,
        generation=begun.generation,
        users_are_complete=False,
        workspace=None,
    )
    target, counts, spool = TARGETS[sync_type], Counts(), Spool(_BATCH_SIZE)
    # What was held a moment ago has no statistics yet; taken for a few rows, 60,000 were looked up in seven minutes.
    cursor.execute(matching.SET_WISE)
    try:
        parameters = {**queries.keys(connection), "hold_id": hold.hold_id}
        for row in cursor.stream(target.sql("release").encode(), parameters):
            spool.add(_row(target, row), deactivates=True)
            counts.deleted += 1
        counts.updated = len(staging.apply(cursor, task, spool.blocks()))
    finally:
        spool.close()
    cursors.settle(cursor, connection, sync_type, {}, at=started_at)
    # Only now: an apply that lost the race has raised, and whoever won it has decided.
    _decide(cursor, hold, APPROVED, at=started_at, sync_id=task.sync_id)
    outcome = Outcome(
        sync_id=str(task.sync_id),
        tenant_id=connection.tenant_id,
        system=connection.system,
        sync_type=sync_type,
        started_at=started_at,
        completed_at=max(now(), started_at),
        status=Status.SUCCESS,
        counts=counts,
        error_type=None,
        error_message=None,
        remedy=None,
        warnings=(),
        api_calls=0,
        api_calls_minimum=0,
        dry_run=False,
    )
    history.finish(cursor, outcome)
    return outcome


def _row(target: Target, kept: Sequence[Any]) -> str:
    """A held row as the sync that held it would have written it."""
    kind, key, listing_name, reason, content_hash, content = kept
    action, state = ("G", State.GONE) if content is None else ("U", State.INACTIVE)
    values = tuple((content or {}).get(name) for name in target.columns)
    return as_row((listing_name, key, kind, state.value, reason, *values, content_hash, action))


def _still_waiting(hold: Hold) -> Hold:
    if hold.status == WAITING:
        return hold
    why = ", a later sync has seen the directory anew" if hold.status == SUPERSEDED else ""
    raise UsageError(f"the hold {hold.hold_id} does not wait any more: it was {hold.status.lower()}{why}")


def _decide(cursor: Cursor, hold: Hold, status: str, *, at: dt.datetime, sync_id: UUID | None = None) -> None:
    if cursor.execute(_DECIDE, (status, at, sync_id, hold.tenant_id, hold.hold_id)).rowcount != 1:
        raise UsageError(f"the hold {hold.hold_id} was decided by somebody else at this moment")


def _stage(cursor: Cursor, target: Target, rows: Iterable[Row]) -> None:
    cursor.execute(queries.sql("sync/held"))
    with cursor.copy("COPY held (kind, key, listing, reason, content_hash, content) FROM STDIN") as copy:
        for row in rows:
            content = None if row.action == "G" else json.dumps(target.typed(row.values), ensure_ascii=False)
            copy.write_row((row.kind, row.key, row.listing, row.reason, row.content_hash, content))
    cursor.execute("ANALYZE held")  # a temporary table has no statistics else, and is taken for a small one


def _id(row: Sequence[Any]) -> UUID:
    found: UUID = row[0]
    return found
