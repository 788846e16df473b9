"""The KPIs people read: what they are called, what they mean, and their values for a tenant's days.

sql/kpi/*.sql (one query = one KPI) -> daily_kpis; files and later sources -> progress_kpis; both -> values

A day is the tenant's own, from midnight to midnight in its time zone. Unknown is None, never 0.
"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from integration_pipeline import registry
from integration_pipeline.errors import Misconfigured
from integration_pipeline.model import System
from integration_pipeline.store import kpis, queries
from integration_pipeline.store.engine import Database
from integration_pipeline.store.people import Tenant

WEEK = 7
HIGHEST: Mapping[str, float] = {"percent": 100, "score": 5}
"""Units whose values end somewhere; none goes below 0."""

_FIELDS = ("name", "name_ja", "unit", "meaning", "kind", "per")
_FIELD = re.compile(r"^-- (\w+): (.+)$")
_PRESENT, _HISTORY = "present", "history"
_SYSTEM, _TENANT = "system", "tenant"


@dataclass(frozen=True, slots=True)
class Column:
    """A KPI as a column of a sheet or a report.

    :param key: stable; ``active_users.SLACK`` is one system's.
    :param unit: percent (0 to 100), score (0 to 5), count, hours or seconds.
    """

    key: str
    title: str
    title_ja: str
    unit: str
    meaning: str

    def title_in(self, locale: str) -> str:
        """What people who read Japanese (``ja``) or English call it; a sheet's header is always ``title``."""
        return self.title_ja if locale == "ja" else self.title


@dataclass(frozen=True, slots=True)
class Threshold:
    """Where a value stops being well: below ``least`` or above ``most``, and what is said then."""

    alert: str
    alert_ja: str
    least: float | None = None
    most: float | None = None

    def alert_in(self, locale: str) -> str:
        return self.alert_ja if locale == "ja" else self.alert

    def is_met(self, value: float) -> bool:
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)


TRACKING: tuple[Column, ...] = (
    Column("overall_progress", "Overall Progress", "全体進捗", "percent", "How much of all the work is done."),
    Column("task_completion_rate", "Task Completion Rate", "タスク完了率", "percent", "Tasks done of the tasks due."),
    Column("quality_score", "Quality Score", "品質スコア", "score", "How good the work is, out of 5."),
    Column("team_satisfaction", "Team Satisfaction", "チーム満足度", "score", "How the team feels, out of 5."),
    Column("blockers_count", "Blockers Count", "ブロッカー数", "count", "Obstacles that were open on the day."),
    Column("code_review_time", "Code Review Time", "コードレビュー時間", "hours", "How long a review took on average."),
    Column("deploy_success_rate", "Deploy Success Rate", "デプロイ成功率", "percent", "Deployments that succeeded."),
)
"""What the sheet "KPI Tracking" shows beside the date (requirement B1)."""

TOPS: Mapping[str, float] = {column.key: HIGHEST[column.unit] for column in TRACKING if column.unit in HIGHEST}
"""The highest value that each of them may have, where it has one."""

WHOLE = frozenset(column.key for column in TRACKING if column.unit == "count")
"""Those of them that are counted, one by one."""

GOAL = "overall_progress"
"""The KPI whose threshold is the goal that is reached or not (requirement B2)."""

THRESHOLDS: Mapping[str, Threshold] = {
    GOAL: Threshold("🚨 Below the goal", "🚨 目標未達", least=80),
    "blockers_count": Threshold("⚠️ Many blockers", "⚠️ ブロッカー多", most=3),
    "team_satisfaction": Threshold("😟 Low satisfaction", "😟 満足度低", least=4),
    "mapping_coverage": Threshold("⚠️ Low mapping coverage", "⚠️ マッピング率低", least=80),
    "sync_success_rate": Threshold("⚠️ Many failed syncs", "⚠️ 同期成功率低", least=95),
    "hours_since_complete_sync": Threshold("🚨 No complete sync for long", "🚨 完全な同期が長時間なし", most=26),
    "records_rejected": Threshold("⚠️ Records could not be read", "⚠️ 取込不可あり", most=0),
}
"""The one place where it is said what is well, the gravest first; a KPI's threshold is each system's too (:func:`threshold`)."""

_ALL_WELL, _ALL_WELL_JA = "✅ All well", "✅ 良好"


class Query(NamedTuple):
    """A KPI's file: its header, and the text that is run."""

    key: str
    name: str
    name_ja: str
    unit: str
    meaning: str
    is_present: bool
    """Describes the state as it is, so that it can only be known for the day that is today."""
    is_per_system: bool
    is_per_tenant: bool
    text: str


def threshold(key: str) -> Threshold | None:
    """A column's threshold, if its KPI has one."""
    return THRESHOLDS.get(key.partition(".")[0])


def all_well_in(locale: str) -> str:
    """What is said when no threshold is crossed."""
    return _ALL_WELL_JA if locale == "ja" else _ALL_WELL


def integration_columns() -> tuple[Column, ...]:
    """The KPIs of the pipeline itself: every query's, for the tenant and for every system of the registry.

    A new query is a new file behind the others, so that columns keep their places.
    """
    return tuple(column for query in stored_queries() for column in _columns(query))


def local_day(tenant: Tenant, now: dt.datetime) -> dt.date:
    """The day it is where the tenant is.

    :raises Misconfigured: nobody knows its time zone; the host application's table takes any text.
    """
    try:
        zone = ZoneInfo(tenant.time_zone)
    # No zone's name, no name at all, and one that is a folder of theirs.
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Misconfigured(
            f"there is no time zone {tenant.time_zone!r}, so nobody knows the days of {tenant.tenant_id}",
            remedy="Give the tenant one of the IANA time zones, such as Asia/Tokyo.",
        ) from None
    return now.astimezone(zone).date()


def local_days(tenants: Iterable[Tenant], now: dt.datetime) -> dict[str, dt.date]:
    """The same of several, by their ids; without those whose days nobody knows."""
    found = {}
    for tenant in tenants:
        with suppress(Misconfigured):
            found[tenant.tenant_id] = local_day(tenant, now)
    return found


def refresh(database: Database, tenant: Tenant, days: Sequence[dt.date], *, now: dt.datetime) -> None:
    """Bring ``daily_kpis`` up to date for these days of a tenant; only what differs is written.

    A day that is over keeps the state it ended with: only what the history tells is computed again, and what the history
    does not know any more stays. A day that has not begun where the tenant is, is left out.
    """
    today = local_day(tenant, now)
    with database.transaction(tenant.tenant_id) as cursor:
        found: list[kpis.Value] = []
        for day in sorted({day for day in days if day <= today}):
            bounds = _bounds(tenant, day)
            for query in stored_queries():
                if query.is_present and day != today:
                    continue
                known = dict(cursor.execute(query.text.encode(), bounds).fetchall())
                for system, key in _keys(query):
                    value = known.get(system)
                    if value is not None or day == today:
                        found.append(kpis.Value(day, key, None if value is None else float(value)))
        kpis.write(cursor, tenant.tenant_id, found)


def values(database: Database, tenant_id: str, first: dt.date, last: dt.date) -> dict[dt.date, dict[str, float | None]]:
    """Every stored KPI of both kinds from a first to a last day; what is absent or None is unknown."""
    with database.transaction(tenant_id) as cursor:
        return kpis.read(cursor, tenant_id, first, last)


@cache
def stored_queries() -> tuple[Query, ...]:
    """Every KPI's query, in the order of their files.

    :raises ValueError: a file's header lacks something.
    """
    files = sorted((queries.folder() / "kpi").glob("*.sql"))
    return tuple(read_query(file.stem, queries.sql(f"kpi/{file.stem}")) for file in files)


def read_query(stem: str, text: str) -> Query:
    """A query from its file's name and text.

    :raises ValueError: its header lacks something.
    """
    matches = [_FIELD.match(line) for line in text.splitlines()]
    header = {match[1]: match[2].strip() for match in matches if match}
    missing = [name for name in _FIELDS if name not in header]
    if missing or header["kind"] not in (_PRESENT, _HISTORY):
        raise ValueError(f"sql/kpi/{stem}.sql: its header lacks {', '.join(missing) or 'a kind'}")
    per = {name.strip() for name in header["per"].split(",")}
    if not per or per - {_SYSTEM, _TENANT}:
        raise ValueError(f"sql/kpi/{stem}.sql: per must be {_SYSTEM}, {_TENANT} or both")
    return Query(
        key=stem.partition("_")[2],
        name=header["name"],
        name_ja=header["name_ja"],
        unit=header["unit"],
        meaning=header["meaning"],
        is_present=header["kind"] == _PRESENT,
        is_per_system=_SYSTEM in per,
        is_per_tenant=_TENANT in per,
        text=text,
    )


def _columns(query: Query) -> Iterator[Column]:
    for system, key in _keys(query):
        title, title_ja = query.name, query.name_ja
        if system:
            name = registry.provider(system).title
            title, title_ja = f"{title} ({name})", f"{title_ja}（{name}）"
        yield Column(key, title, title_ja, query.unit, query.meaning)


def _keys(query: Query) -> Iterator[tuple[System | None, str]]:
    """The query's columns: the row without a system is the tenant's."""
    if query.is_per_tenant:
        yield None, query.key
    if query.is_per_system:
        for system in registry.FOLDERS:
            yield system, f"{query.key}.{system}"


def _bounds(tenant: Tenant, day: dt.date) -> dict[str, object]:
    """What a query may ask about its day: midnights, as instants, since a day may have 23 or 25 hours."""
    zone = ZoneInfo(tenant.time_zone)

    def midnight(of: dt.date) -> dt.datetime:
        # Where clocks are changed at midnight: the earlier of two midnights, or the moment at which one was skipped.
        return dt.datetime.combine(of, dt.time(), zone).astimezone(dt.UTC)

    return {
        "tenant_id": tenant.tenant_id,
        "day_start": midnight(day),
        "day_end": midnight(day + dt.timedelta(days=1)),
        "week_start": midnight(day - dt.timedelta(days=WEEK - 1)),
    }
