"""Clocks that are wrong, go backwards or are changed for summer: what is synced is right, and every sync has one day."""

import datetime as dt
import random
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import count
from zoneinfo import ZoneInfo

from integration_pipeline import kpi, registry
from integration_pipeline.pipeline import utc_now
from integration_pipeline.store.engine import Database
from integration_pipeline.store.people import Tenant
from integration_pipeline_tests import kpi_rows
from integration_pipeline_tests.chaos import invariants, snapshot
from integration_pipeline_tests.chaos.case import Case, Verdict
from integration_pipeline_tests.chaos.ground import Ground

Clock = Callable[[], dt.datetime]


def _backwards() -> Clock:
    """A clock that is set back by ten minutes with every look."""
    looks = count()
    began = utc_now()
    return lambda: began - next(looks) * dt.timedelta(minutes=10)


CLOCKS: Mapping[str, Callable[[], Clock]] = {
    "ten minutes slow": lambda: lambda: utc_now() - dt.timedelta(minutes=10),
    "ten minutes fast": lambda: lambda: utc_now() + dt.timedelta(minutes=10),
    "a day slow": lambda: lambda: utc_now() - dt.timedelta(days=1),
    "a day fast": lambda: lambda: utc_now() + dt.timedelta(days=1),
    "going backwards": _backwards,
}
CHANGES: Mapping[str, tuple[str, dt.date]] = {
    "a day of 25 hours": ("America/New_York", dt.date(2026, 11, 1)),
    "a day of 23 hours": ("America/New_York", dt.date(2026, 3, 8)),
    "a midnight that comes twice": ("America/Havana", dt.date(2026, 11, 1)),
    "a midnight that is skipped": ("America/Havana", dt.date(2026, 3, 8)),
    "half an hour of summer": ("Australia/Lord_Howe", dt.date(2026, 4, 5)),
}


def cases(_rng: random.Random) -> Iterator[Case]:
    for name, clock in CLOCKS.items():
        for system in map(str, registry.FOLDERS):
            yield Case("clock", f"our clock {name}", "all night", system, partial(_skewed, clock, system))
    for name, (zone, day) in CHANGES.items():
        yield Case("clock", name, zone, "all", partial(_changed, zone, day))


def _skewed(clock: Callable[[], Clock], system: str, ground: Ground) -> Verdict:
    prepared, truth = ground.prepared(system), ground.truth(system)
    with ground.night(prepared.settled, ground.second_world(system)) as (night, url):
        before = snapshot.take(url)
        night.pipeline.now = clock()
        outcomes = night.run()
        after = snapshot.take(url)
        broken = invariants.broken(before, after, truth) + invariants.told_otherwise(outcomes.values(), after)
        night.pipeline.now = utc_now
        if invariants.statuses(night.run()) != "unharmed":
            broken.append("the next night was not well")
        broken += invariants.unlike(snapshot.take(url), truth)
    return Verdict(invariants.statuses(outcomes), broken)


def _changed(zone: str, day: dt.date, ground: Ground) -> Verdict:
    """A sync every half hour around the change, each creating one record: every one is counted on one day, its own."""
    local = ZoneInfo(zone)
    noon = dt.datetime.combine(day - dt.timedelta(days=1), dt.time(12), local).astimezone(dt.UTC)
    moments = [noon + dt.timedelta(minutes=30 * number) for number in range(96)]
    tenant_id = "tenant-a"
    with ground.database() as url, Database.open(url) as database:
        connection = kpi_rows.add_connection(database, ground.keyring)
        with database.operator() as cursor:
            cursor.execute("SELECT set_config('role', %s, true)", (cursor.connection.info.user,))
            cursor.execute("UPDATE tenants SET time_zone = %s", (zone,))
        for moment in moments:
            kpi_rows.add_sync(database, connection, moment, records_created=1, records_processed=1)
        days = [day + dt.timedelta(days=number) for number in range(-2, 4)]
        tenant = Tenant(tenant_id, "A", zone, "ja")
        kpi.refresh(database, tenant, days, now=moments[-1] + dt.timedelta(hours=1))
        found = kpi.values(database, tenant_id, days[0], days[-1])
    counted = {one: int(found.get(one, {}).get(f"records_created.{connection.system}") or 0) for one in days}
    true = {one: sum(moment.astimezone(local).date() == one for moment in moments) for one in days}
    return Verdict("unharmed", [] if counted == true else [f"counted {counted}, and it was {true}"])
