"""The integration report's day (requirement A15): what its syncs came to, who is who, and what waits for a person.

history, mappings, holds -> one day's rows
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from zoneinfo import ZoneInfo

from integration_pipeline.model import System
from integration_pipeline.notices import Told
from integration_pipeline.store import holds, locks, notices, spreadsheets
from integration_pipeline.store.engine import Database
from integration_pipeline.store.holds import Hold
from integration_pipeline.store.queries import sql
from integration_pipeline.store.spreadsheets import Standing

TOKYO = ZoneInfo("Asia/Tokyo")
"""The report's days are the schedule's."""

NOT_RUN, RUNNING = "not run", "running"


class Sync(NamedTuple):
    """The last sync of the day of one tenant, system and type; without one, the status is null."""

    tenant_id: str
    tenant_name: str
    system: str
    sync_type: str
    status: str | None
    started_at: dt.datetime | None
    completed_at: dt.datetime | None
    processed: int | None
    created: int | None
    updated: int | None
    deleted: int | None
    unchanged: int | None
    rejected: int | None
    api_calls: int | None
    api_calls_minimum: int | None
    error_type: str | None
    error_message: str | None
    remedy: str | None
    warnings: Sequence[str] | None
    attempts: int
    is_running: bool = False

    @property
    def state(self) -> str:
        """The status, or why there is none yet."""
        if self.status is None:
            return NOT_RUN
        return RUNNING if self.is_running else self.status

    @property
    def seconds(self) -> float:
        if self.started_at is None or self.completed_at is None:
            return 0.0
        return (self.completed_at - self.started_at).total_seconds()


class Coverage(NamedTuple):
    """How many of a connection's accounts in use belong to somebody known, as it stands now."""

    tenant_id: str
    system: str
    active: int
    mapped: int
    unmatched: int
    ambiguous: int
    of_leavers: int


@dataclass(frozen=True, slots=True)
class Report:
    """One day, read."""

    day: dt.date
    syncs: Sequence[Sync]
    coverage: Sequence[Coverage]
    holds: Sequence[Hold] = ()
    """What the guard keeps back and nobody has decided yet, as it stands now."""
    publications: Sequence[Standing] = ()
    """How each tenant's last publishing ended, as it stands now."""
    notices: Sequence[Told] = ()
    """What people were told of, or will be, because only a person can mend it."""


def read(database: Database, *, day: dt.date | None, now: dt.datetime) -> Report:
    """A day's report from the database.

    :param day: None = today in Tokyo, or where nothing was synced today yet, the newest day on which something was.
    """
    with database.operator() as cursor:
        if day is None:
            today = now.astimezone(TOKYO).date()
            newest = cursor.execute(sql("report/day"), {"day": today}).fetchone()
            day = newest[0] if newest and newest[0] else today
        running = locks.running(cursor)
        rows = cursor.execute(sql("report/syncs"), {"day": day}).fetchall()
        running |= locks.running(cursor)
        coverage = [Coverage(*row) for row in cursor.execute(sql("report/coverage"))]
        waiting = holds.waiting(cursor)
        begin = dt.datetime.combine(day, dt.time(), TOKYO)
        told = notices.between(cursor, begin, begin + dt.timedelta(days=1))
    publications = spreadsheets.standing(database)
    syncs = [Sync(*row) for row in rows]
    syncs = [sync._replace(is_running=_is_running(sync, running)) for sync in syncs]
    return Report(day, syncs, coverage, waiting, publications, told)


def _is_running(sync: Sync, running: set[int]) -> bool:
    is_open = sync.status is not None and sync.completed_at is None
    return is_open and locks.lock_key(sync.tenant_id, System(sync.system)) in running
