"""What the guard holds (requirement A10): kept with the sync that held it, shown, and decided once by a person.

At most one hold of a connection and sync type waits. A later sync of that type has seen the directory anew, and so
supersedes it, unless it would hold the very same rows: then the old one goes on waiting, and nothing is written.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from integration_pipeline.model import Connection
from integration_pipeline.store import queries
from integration_pipeline.store.staging import TARGETS, Apply, Cursor, Row, Target


def settle(cursor: Cursor, task: Apply, reasons: Sequence[str], rows: Iterable[Row]) -> UUID | None:
    """Let a sync's commit supersede what waited before it, and keep what it holds itself.

    :param reasons: the guard's objections; none = nothing is held.
    :param rows: what would deactivate somebody, read only where there are objections.
    :returns: the hold that waits for these rows.
    """
    target = TARGETS[task.sync_type]
    parameters = {**_keys(task.connection), "sync_type": task.sync_type, "sync_id": task.sync_id, "at": task.at}
    if reasons:
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


def _stage(cursor: Cursor, target: Target, rows: Iterable[Row]) -> None:
    cursor.execute(queries.sql("sync/held"))
    with cursor.copy("COPY held (kind, key, listing, reason, content_hash, content) FROM STDIN") as copy:
        for row in rows:
            key, kind, _, reason, *content, listing, content_hash, action = row.values
            kept = None if action == "G" else dict(zip(target.columns, content, strict=True))
            copy.write_row((kind, key, listing, reason, content_hash, kept and json.dumps(kept, ensure_ascii=False)))
    cursor.execute("ANALYZE held")  # a temporary table has no statistics else, and is taken for a small one


def _keys(connection: Connection) -> dict[str, Any]:
    return {"tenant_id": connection.tenant_id, "system_type": connection.system}


def _id(row: Sequence[Any]) -> UUID:
    found: UUID = row[0]
    return found
