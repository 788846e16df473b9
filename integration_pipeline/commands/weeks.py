"""``report --week``: every tenant's weekly figures. Imported when asked for, since it loads the database's driver."""

import datetime as dt
from collections.abc import Iterator

from integration_pipeline import kpi
from integration_pipeline.commands.output import json_line
from integration_pipeline.report import weekly, weekly_text
from integration_pipeline.store import people
from integration_pipeline.store.engine import Database


def written(database: Database, *, day: dt.date | None, now: dt.datetime, form: str) -> Iterator[str]:
    """The lines of the seven days up to a day; of each tenant's own today where none is given."""
    for number, tenant in enumerate(people.list_tenants(database)):
        week = weekly.read(database, tenant, day or kpi.local_day(tenant, now))
        if form == "json":
            yield json_line(weekly_text.as_json(week))
            continue
        if number:
            yield ""
        yield from weekly_text.as_markdown(week) if form == "markdown" else weekly_text.as_text(week)
