"""``report --week``: every tenant's weekly figures. Imported when asked for, since it loads the database's driver."""

import datetime as dt
from collections.abc import Iterator

from integration_pipeline import kpi
from integration_pipeline.commands.output import json_line, say
from integration_pipeline.errors import Misconfigured
from integration_pipeline.report import weekly, weekly_text
from integration_pipeline.report.weekly import Week
from integration_pipeline.store import people
from integration_pipeline.store.engine import Database
from integration_pipeline.text import clean


def written(database: Database, *, day: dt.date | None, now: dt.datetime, form: str) -> Iterator[str]:
    """The lines of the seven days up to a day; of each tenant's own today where none is given."""
    for number, week in enumerate(_weeks(database, day, now)):
        if form == "json":
            yield json_line(weekly_text.as_json(week))
            continue
        if number:
            yield ""
        yield from weekly_text.as_markdown(week) if form == "markdown" else weekly_text.as_text(week)


def _weeks(database: Database, day: dt.date | None, now: dt.datetime) -> Iterator[Week]:
    """Every tenant's; one whose days nobody knows is left out, and standard error says so."""
    for tenant in people.list_tenants(database):
        try:
            last = day or kpi.local_day(tenant, now)
        except Misconfigured as error:
            say(f"left out: {clean(str(error))} ({error.remedy})")
        else:
            yield weekly.read(database, tenant, last)
