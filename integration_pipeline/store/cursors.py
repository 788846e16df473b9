"""Where a connection's incremental listings go on (``sync_cursors``): read before a walk, moved with its rows or not at all.

A cursor stands for rows that are stored. So it is kept by the transaction that keeps them, and only where that sync is
a SUCCESS; anything less forgets it, and the next night reads the whole listing.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import psycopg

from integration_pipeline.model import Bookmark, Connection, SyncType
from integration_pipeline.store import queries

Cursor = psycopg.Cursor[Any]

TRUSTED_FOR = dt.timedelta(days=6, hours=12)
"""How long changes alone are trusted since the whole listing was last read. A night later it would be more than a week,
the longest that Graph remembers what was deleted (learn.microsoft.com/graph/delta-query-overview)."""


def trusted(bookmarks: Mapping[str, Bookmark], *, at: dt.datetime) -> dict[str, Bookmark]:
    """Those from which a night that begins now may go on."""
    return {
        listing: bookmark
        for listing, bookmark in bookmarks.items()
        if bookmark.listed_at is not None and at - bookmark.listed_at < TRUSTED_FOR
    }


def settle(
    cursor: Cursor, connection: Connection, sync_type: SyncType, bookmarks: Mapping[str, Bookmark], *, at: dt.datetime
) -> None:
    """Keep these bookmarks and no other of this type, in the caller's transaction.

    :param at: when the sync began; what was read whole now was read no earlier.
    """
    cursor.execute(
        queries.sql("sync/cursors"),
        {
            "tenant_id": connection.tenant_id,
            "system_type": connection.system,
            "sync_type": sync_type,
            "listings": list(bookmarks),
            "cursors": [bookmark.cursor for bookmark in bookmarks.values()],
            "questions": [bookmark.question for bookmark in bookmarks.values()],
            "listed_ats": [bookmark.listed_at or at for bookmark in bookmarks.values()],
            "at": at,
        },
    )
