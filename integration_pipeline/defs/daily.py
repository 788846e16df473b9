"""What the database says about tenants' days: database → KPIs of a day, what cannot be, what fell, what was left open.

Loads the database's driver, so the definitions import this where it is used.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from integration_pipeline.defs.day_rendering import TenantDay
from integration_pipeline.model import System
from integration_pipeline.store.engine import Database
from integration_pipeline.store.queries import sql


class Ahead(NamedTuple):
    """A tenant with KPIs of a day that has not begun there."""

    tenant_id: str
    today: dt.date
    day: dt.date


class Fallen(NamedTuple):
    """A mapping coverage that fell, in per cent; without a system, the tenant's."""

    tenant_id: str
    system: str
    day: dt.date
    value: float
    before: float


def left_open(database: Database, tenant_ids: Sequence[str] | None) -> list[tuple[str, System]]:
    """Connections with history rows that have no end."""
    with database.operator() as cursor:
        rows = cursor.execute(sql("standing/open"), {"tenant_ids": _wanted(tenant_ids)}).fetchall()
    return [(tenant_id, System(system)) for tenant_id, system in rows]


def kpis(database: Database, tenant_ids: Sequence[str] | None, first: dt.date, last: dt.date) -> list[TenantDay]:
    """The tenants' days, those that are known."""
    values = {"tenant_ids": _wanted(tenant_ids), "first": first, "last": last}
    with database.operator() as cursor:
        return [TenantDay(*row) for row in cursor.execute(sql("standing/kpis"), values)]


def ahead(database: Database, todays: Mapping[str, dt.date]) -> list[Ahead]:
    """:param todays: tenant → what day it is there."""
    with database.operator() as cursor:
        return [Ahead(*row) for row in cursor.execute(sql("standing/future"), _arrays(todays))]


def fallen(database: Database, todays: Mapping[str, dt.date], points: float) -> list[Fallen]:
    """Coverages that fell by more than so many percentage points from one day to the next."""
    with database.operator() as cursor:
        values = {**_arrays(todays), "points": points}
        return [Fallen(*row) for row in cursor.execute(sql("standing/fallen"), values)]


def with_spreadsheet(database: Database) -> list[str]:
    """The tenants that are published."""
    with database.operator() as cursor:
        return [tenant_id for (tenant_id,) in cursor.execute("SELECT tenant_id FROM spreadsheets ORDER BY tenant_id")]


def _arrays(todays: Mapping[str, dt.date]) -> dict[str, object]:
    return {"tenant_ids": list(todays), "todays": list(todays.values())}


def _wanted(tenant_ids: Sequence[str] | None) -> list[str] | None:
    return None if tenant_ids is None else list(tenant_ids)
