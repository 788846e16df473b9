"""The two tables of KPIs: ``daily_kpis``, which the pipeline computes, and ``progress_kpis``, which others bring."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import psycopg

from integration_pipeline.errors import UsageError
from integration_pipeline.store.engine import Database, fill
from integration_pipeline.store.people import Imported, in_turn

PROGRESS = (
    "overall_progress",
    "task_completion_rate",
    "quality_score",
    "team_satisfaction",
    "blockers_count",
    "code_review_time",
    "deploy_success_rate",
)
"""The columns of ``progress_kpis``."""

_FIRST_TO_SEE_A_DAY = dt.timezone(dt.timedelta(hours=14))


class Value(NamedTuple):
    """A KPI's value on a day; None = unknown."""

    day: dt.date
    kpi: str
    value: float | None


class Progress(NamedTuple):
    """A tenant's progress KPIs on a day. ``numbers`` are :data:`PROGRESS`'s; ``line`` is where the file has them."""

    tenant_id: str
    day: dt.date
    numbers: tuple[float | None, ...]
    line: int = 0


def read(
    cursor: psycopg.Cursor[Any], tenant_id: str, first: dt.date, last: dt.date
) -> dict[dt.date, dict[str, float | None]]:
    """What both tables hold of a tenant, from a first to a last day."""
    found: dict[dt.date, dict[str, float | None]] = {}
    query = f"SELECT day, {', '.join(PROGRESS)} FROM progress_kpis WHERE tenant_id = %s AND day BETWEEN %s AND %s"
    for day, *numbers in cursor.execute(query.encode(), (tenant_id, first, last)):
        found[day] = dict(zip(PROGRESS, numbers, strict=True))
    rows = cursor.execute(
        "SELECT day, kpi, value FROM daily_kpis WHERE tenant_id = %s AND day BETWEEN %s AND %s",
        (tenant_id, first, last),
    )
    for day, kpi, value in rows:
        found.setdefault(day, {})[kpi] = value
    return dict(sorted(found.items()))


def write(cursor: psycopg.Cursor[Any], tenant_id: str, values: Sequence[Value]) -> int:
    """Upsert into ``daily_kpis``; what is stored already is not written again.

    :returns: how many rows were written.
    """
    return cursor.execute(
        """
        INSERT INTO daily_kpis AS stored (tenant_id, day, kpi, value)
        SELECT %(tenant_id)s, day, kpi, value
        FROM unnest(%(days)s::date[], %(kpis)s::text[], %(values)s::double precision[]) AS fresh (day, kpi, value)
        -- The unknown is stored only over what was known. An order, so that two writers wait and never lock each other.
        WHERE value IS NOT NULL OR EXISTS (
            SELECT FROM daily_kpis AS d
            WHERE d.tenant_id = %(tenant_id)s AND d.day = fresh.day AND d.kpi = fresh.kpi
        )
        ORDER BY day, kpi
        ON CONFLICT (tenant_id, day, kpi) DO UPDATE SET value = excluded.value
        WHERE stored.value IS DISTINCT FROM excluded.value
        """,
        {
            "tenant_id": tenant_id,
            "days": [value.day for value in values],
            "kpis": [value.kpi for value in values],
            "values": [value.value for value in values],
        },
    ).rowcount


def import_progress(database: Database, rows: Sequence[Progress], *, now: dt.datetime) -> Imported:
    """Upsert into ``progress_kpis``; rows that say nothing new are not written.

    :raises UsageError: a day of an unknown tenant, or one that is still to come there; names its line. Nothing is
        written then.
    """
    columns, fresh = ", ".join(PROGRESS), ", ".join(f"i.{name}" for name in PROGRESS)
    stored = ", ".join(f"p.{name}" for name in PROGRESS)
    types = ", ".join(f"{name} double precision" for name in PROGRESS)
    with database.operator() as cursor:
        cursor.execute(
            f"CREATE TEMP TABLE incoming (line integer, tenant_id text, day date, {types}) ON COMMIT DROP".encode()
        )
        fill(cursor, "incoming", ((row.line, row.tenant_id, row.day, *row.numbers) for row in rows))
        unknown = cursor.execute("""
            SELECT line, tenant_id FROM incoming
            WHERE NOT EXISTS (SELECT FROM tenants AS t WHERE t.tenant_id = incoming.tenant_id) ORDER BY line LIMIT 1
        """).fetchone()
        if unknown is not None:
            raise UsageError(f"line {unknown[0]}: there is no tenant {unknown[1]}; `tenants import` adds one")
        _check_days(rows, dict(cursor.execute("SELECT tenant_id, time_zone FROM tenants")), now)
        in_turn(cursor)
        update = f"""
            UPDATE progress_kpis AS p SET ({columns}) = ROW ({fresh})
            FROM incoming AS i
            WHERE p.tenant_id = i.tenant_id AND p.day = i.day AND ({stored}) IS DISTINCT FROM ({fresh})
        """
        updated = cursor.execute(update.encode()).rowcount
        insert = f"""
            INSERT INTO progress_kpis (tenant_id, day, {columns})
            SELECT i.tenant_id, i.day, {fresh} FROM incoming AS i ORDER BY i.tenant_id, i.day
            ON CONFLICT DO NOTHING
        """
        created = cursor.execute(insert.encode()).rowcount
    return Imported(created, updated, len(rows) - created - updated)


def _check_days(rows: Sequence[Progress], zones: Mapping[str, str], now: dt.datetime) -> None:
    """Refuse days that nobody can know yet."""
    last = {tenant_id: _today(zone, now) for tenant_id, zone in zones.items()}
    for row in rows:
        if row.day > last[row.tenant_id]:
            raise UsageError(f"line {row.line}: {row.day} is still to come where {row.tenant_id} is")


def _today(zone: str, now: dt.datetime) -> dt.date:
    """The day there; in a zone that nobody knows (the host's table takes any text), the latest that it is anywhere."""
    try:
        return now.astimezone(ZoneInfo(zone)).date()
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return now.astimezone(_FIRST_TO_SEE_A_DAY).date()
