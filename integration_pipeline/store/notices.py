"""The ledger of critical notices: each said once for its cause, connection and UTC day, and due until it is delivered.

sync's or publishing's own transaction -> recorded -> claimed -> said in the log -> claimed -> delivered, or due again

Recorded with what it is about, so that neither is there without the other. Whoever delivers claims first: another process
leaves it alone until the claim ends. A process that dies between the receiver's answer and the mark delivers twice, under
the same id.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from uuid import UUID

from integration_pipeline.model import Notice, System
from integration_pipeline.notices import Told
from integration_pipeline.store.engine import Database
from integration_pipeline.store.staging import Cursor

DUE_DAYS = 4
"""How long a notice is tried: over a long weekend. An older one has a newer one beside it, or its reason is gone."""

CLAIM = dt.timedelta(minutes=5)
"""Longer than any delivery takes, tries included."""

UNSENT = "in the log, and not sent yet"

_COLUMNS = ", ".join(Told._fields)

_RECORD = """
INSERT INTO critical_notices (tenant_id, system_type, day, cause, message, remedy, provider_code, commands, created_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (tenant_id, day, system_type, cause) DO NOTHING
"""

# Materialized: as a part of the join the choice may be made anew for every row, each time of another one.
_CLAIM = f"""
WITH chosen AS MATERIALIZED (
    SELECT tenant_id, day, system_type, cause FROM critical_notices
    WHERE delivered_at IS NULL AND created_at > %(oldest)s AND (claimed_until IS NULL OR claimed_until <= %(at)s)
        AND notice_id <> ALL (%(but)s) AND (last_error IS NOT NULL) = %(is_said)s
    ORDER BY tries, created_at LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE critical_notices SET tries = tries + 1, claimed_until = %(until)s
WHERE (tenant_id, day, system_type, cause) IN (SELECT * FROM chosen) RETURNING {_COLUMNS}
"""

_DELIVERED = "delivered_at = %(at)s, claimed_until = NULL, last_error = NULL"
_FAILED = "claimed_until = NULL, last_error = %(why)s"
_SAID = f"tries = tries - 1, {_FAILED}"


def record(cursor: Cursor, tenant_id: str, system: System, notices: Sequence[Notice], *, at: dt.datetime) -> None:
    """Keep what was not said yet on this day, inside the transaction of what it is about."""
    day = at.astimezone(dt.UTC).date()
    for notice in notices:
        cursor.execute(
            _RECORD,
            (
                # U+0000, which PostgreSQL cannot hold, is dropped: a sheet's title may stand in the message.
                *(tenant_id, system, day, notice.cause, notice.message.replace("\0", ""), notice.remedy),
                *(notice.provider_code, list(notice.commands), at),
            ),
        )


def claim(database: Database, *, at: dt.datetime, but: Collection[UUID] = (), is_said: bool = False) -> Told | None:
    """The notice that is due and was tried least, for this process alone while the claim lasts; counts the try.

    Of those the oldest. One that its receiver fails at every time so keeps no other from being sent.

    :param but: not these.
    :param is_said: of those that are in the log already; else of those that nobody has said yet.
    """
    oldest = at - dt.timedelta(days=DUE_DAYS)
    values = {"at": at, "until": at + CLAIM, "oldest": oldest, "but": list(but), "is_said": is_said}
    with database.operator() as cursor:
        row = cursor.execute(_CLAIM.encode(), values).fetchone()
    return None if row is None else Told(*row)


def said(database: Database, told: Told) -> None:
    """It is in the log, and to be sent: that was no try yet."""
    _mark(database, told, _SAID, {"why": UNSENT})


def delivered(database: Database, told: Told, *, at: dt.datetime) -> None:
    """Every receiver has it."""
    _mark(database, told, _DELIVERED, {"at": at})


def failed(database: Database, told: Told, why: str) -> None:
    """Keep why not; it is due again."""
    _mark(database, told, _FAILED, {"why": why})


def between(cursor: Cursor, begin: dt.datetime, end: dt.datetime) -> list[Told]:
    """What was recorded from ``begin`` until before ``end``, for an operator's cursor; by tenant, then as it came."""
    rows = cursor.execute(
        f"SELECT {_COLUMNS} FROM critical_notices WHERE created_at >= %s AND created_at < %s "
        "ORDER BY tenant_id, created_at, system_type, cause".encode(),
        (begin, end),
    )
    return [Told(*row) for row in rows]


def recent(database: Database, *, limit: int) -> list[Told]:
    """The newest ones first."""
    with database.operator() as cursor:
        rows = cursor.execute(
            f"SELECT {_COLUMNS} FROM critical_notices ORDER BY created_at DESC, tenant_id, system_type, cause LIMIT %s".encode(),
            (limit,),
        )
        return [Told(*row) for row in rows]


def _mark(database: Database, told: Told, assignments: str, values: dict[str, object]) -> None:
    key = {"tenant_id": told.tenant_id, "day": told.day, "system_type": told.system_type, "cause": told.cause}
    with database.operator() as cursor:
        cursor.execute(
            f"UPDATE critical_notices SET {assignments} WHERE tenant_id = %(tenant_id)s AND day = %(day)s "
            "AND system_type = %(system_type)s AND cause = %(cause)s AND delivered_at IS NULL".encode(),
            {**values, **key},
        )
