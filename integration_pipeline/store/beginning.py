"""How a sync begins: one statement that keeps its history row and says where the connection stands."""

import datetime as dt
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from integration_pipeline.errors import Kind, Superseded
from integration_pipeline.model import Bookmark, Connection, Estimate, SyncType
from integration_pipeline.store import queries

_CUT_OFF = "the process ended before the sync did"


class Beginning(NamedTuple):
    """Where a connection stood when a sync of one type began."""

    sync_id: UUID | None
    """None in a dry run, which writes no history."""
    generation: int
    """The connection's ``sync_generation``: the apply is refused where another one came first."""
    has_hold: bool
    """Whether a hold of the type waits. Only a sync makes one, and would move the generation."""
    bookmarks: dict[str, Bookmark]
    """listing → where it goes on, of use or not."""


def begin(
    cursor: psycopg.Cursor[Any],
    connection: Connection,
    sync_type: SyncType,
    *,
    started_at: dt.datetime,
    run_id: str | None = None,
    estimate: Estimate | None = None,
    is_dry_run: bool = False,
) -> Beginning:
    """Let a history row say FAILED, INTERRUPTED: what is true if nothing more comes of it, once it is committed.

    Where all that can come of it is all or nothing, the same transaction also finishes it.

    :raises Superseded: the connection is gone; nothing was written.
    """
    calls, seconds = estimate or (None, None)
    values = {
        "tenant_id": connection.tenant_id,
        "system_type": connection.system,
        "sync_type": sync_type,
        "at": started_at,
        "error_type": Kind.INTERRUPTED.value,
        "error_message": _CUT_OFF,
        "run_id": run_id,
        "calls": calls,
        "seconds": seconds,
        "is_written": not is_dry_run,
    }
    rows = cursor.execute(queries.sql("sync/begin"), values).fetchall()
    if not rows:
        message = f"the connection {connection} was removed meanwhile"
        raise Superseded(message)
    sync_id, generation, has_hold, *_ = rows[0]
    bookmarks = {listing: Bookmark(*bookmark) for _, _, _, listing, *bookmark in rows if listing is not None}
    return Beginning(sync_id, generation, has_hold, bookmarks)
