"""What a report says beyond its own day: the day before, and the two weeks that led here.

report, history, daily KPIs -> one row for each connection, and a series of days
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from integration_pipeline import registry
from integration_pipeline.report.integration import NOT_RUN, RUNNING, TOKYO, Coverage, Report, Sync
from integration_pipeline.store.engine import Database
from integration_pipeline.store.queries import sql

DAYS = 14


class Day(NamedTuple):
    """One system's syncs on one day; the day's only row, without a system, where nothing was synced."""

    day: dt.date
    system: str | None
    success: int
    partial: int
    failed: int
    created: int
    updated: int
    deleted: int
    api_calls: int


class Moved(NamedTuple):
    """What syncs came to together."""

    runs: int = 0
    created: int = 0
    updated: int = 0
    deleted: int = 0
    api_calls: int = 0
    api_calls_minimum: int = 0
    seconds: float = 0.0
    estimated: int = 0
    """How many of the runs could be estimated before they began."""
    api_calls_estimate: int = 0
    seconds_estimate: float = 0.0

    @property
    def records(self) -> int:
        return self.created + self.updated + self.deleted


class Known(NamedTuple):
    """Mapping coverage on a day: a share of 1, of so many accounts."""

    share: float
    accounts: float


@dataclass(frozen=True, slots=True)
class Connected:
    """One connection's day: by type its last sync, that of the day before, and what all syncs of the day moved."""

    tenant_id: str
    system: str
    syncs: dict[str, Sync]
    before: dict[str, Sync]
    moved: dict[str, Moved]
    accounts: Coverage | None
    """As they stand now."""
    coverage: Known | None
    """As it was on the day, which for today is now."""
    coverage_before: Known | None

    @property
    def all_moved(self) -> Moved:
        return total(self.moved.values())

    @property
    def changed(self) -> Mapping[str, tuple[str, str]]:
        """By type, the state of the day before and the day's, where they differ. What did not end has none yet."""
        pairs = {
            name: (self.before[name].state, sync.state) for name, sync in self.syncs.items() if name in self.before
        }
        return {
            name: (was, came) for name, (was, came) in pairs.items() if was not in {came, NOT_RUN} and came != RUNNING
        }


@dataclass(frozen=True, slots=True)
class Overview:
    """A report, and what it is compared with."""

    report: Report
    connections: Sequence[Connected]
    """Ordered by tenant, and in it as the registry orders systems."""
    days: Sequence[Day]
    """Oldest first; the last one is the report's."""
    names: Mapping[str, str]
    """The tenants of this report."""
    locales: Sequence[str]
    """Of each of them."""
    written_at: dt.datetime


def read(database: Database, report: Report, *, now: dt.datetime) -> Overview:
    """All that a report for people shows, from the database."""
    eve = report.day - dt.timedelta(days=1)
    with database.operator() as cursor:
        tenants = {row[0]: row[1:] for row in cursor.execute(sql("report/tenants"))}
        before = [Sync(*row) for row in cursor.execute(sql("report/syncs"), {"day": eve})]
        moved = [(row[:3], Moved(*row[3:])) for row in cursor.execute(sql("report/moved"), {"day": report.day})]
        days = [Day(*row) for row in cursor.execute(sql("report/days"), {"day": report.day, "days": DAYS})]
        stored = cursor.execute(sql("report/known_coverage"), {"day": report.day}).fetchall()
    known = {(day, tenant_id, system): Known(percent / 100, of) for day, tenant_id, system, percent, of in stored}
    if report.day >= now.astimezone(TOKYO).date():
        # Today's stored coverage may be this morning's, from before the syncs.
        known |= {(report.day, row.tenant_id, row.system): live for row in report.coverage if (live := _live(row))}
    connections = _connections(report, before, moved, known)
    own = sorted({connected.tenant_id for connected in connections})
    names, locales = ({tenant_id: tenants[tenant_id][place] for tenant_id in own} for place in (0, 1))
    return Overview(report, connections, days, names, list(locales.values()), now)


def total(moved: Iterable[Moved]) -> Moved:
    return Moved(*(sum(column) for column in zip(*moved, strict=True)))


def _live(row: Coverage) -> Known | None:
    return Known(row.mapped / row.active, row.active) if row.active else None


def systems(names: Iterable[str]) -> list[str]:
    """Each of them once, in the registry's order; what it does not know comes last."""
    return sorted(set(names), key=lambda name: _place(("", name)))


def _place(key: tuple[str, str]) -> tuple[str, int, str]:
    tenant_id, system = key
    order: list[str] = list(registry.FOLDERS)
    return tenant_id, order.index(system) if system in order else len(order), system


def _connections(
    report: Report,
    before: Sequence[Sync],
    moved: Sequence[tuple[tuple[str, str, str], Moved]],
    known: Mapping[tuple[dt.date, str, str], Known],
) -> list[Connected]:
    """Everything by connection."""
    accounts = {(row.tenant_id, row.system): row for row in report.coverage}
    rows = {
        key: Connected(
            *key,
            syncs={},
            before={},
            moved={},
            accounts=accounts.get(key),
            coverage=known.get((report.day, *key)),
            coverage_before=known.get((report.day - dt.timedelta(days=1), *key)),
        )
        for key in sorted({*((sync.tenant_id, sync.system) for sync in report.syncs), *accounts}, key=_place)
    }
    for sync in report.syncs:
        rows[sync.tenant_id, sync.system].syncs[sync.sync_type] = sync
    for sync in before:
        if (sync.tenant_id, sync.system) in rows:
            rows[sync.tenant_id, sync.system].before[sync.sync_type] = sync
    for (tenant_id, system, sync_type), sums in moved:
        if (tenant_id, system) in rows:
            rows[tenant_id, system].moved[sync_type] = sums
    return list(rows.values())


def pooled(connections: Iterable[Connected]) -> tuple[Known | None, Known | None]:
    """Coverage of several connections together, on the day and before: of those of which both are known."""
    pairs = [(each.coverage, each.coverage_before) for each in connections if each.coverage and each.coverage_before]
    now, before = ([pair[place] for pair in pairs] for place in (0, 1))
    return _pool(now), _pool(before)


def _pool(known: Sequence[Known]) -> Known | None:
    accounts = sum(each.accounts for each in known)
    return Known(sum(each.share * each.accounts for each in known) / accounts, accounts) if accounts else None
