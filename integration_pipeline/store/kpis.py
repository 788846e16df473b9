"""The two tables of KPIs: ``daily_kpis``, which the pipeline computes, and ``progress_kpis``, which others bring."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg

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


class Value(NamedTuple):
    """A KPI's value on a day; None = unknown."""

    day: dt.date
    kpi: str
    value: float | None


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
