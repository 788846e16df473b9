"""What the checks of the days look at: database and spreadsheets → the rows that are not well, none where all is.

Loads the clients and the database's driver, so the definitions import this where it is used.
"""

import datetime as dt
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing

from integration_pipeline import kpi
from integration_pipeline.defs import daily
from integration_pipeline.errors import PipelineError
from integration_pipeline.http.limiter import Pause
from integration_pipeline.pipeline import GOOGLE_SHEETS, GOOGLE_TOKEN, Pipeline
from integration_pipeline.publish import comparing
from integration_pipeline.publish.google import Account, Google
from integration_pipeline.publish.layout import Day, layouts
from integration_pipeline.report import integration
from integration_pipeline.store import people, spreadsheets
from integration_pipeline.store.people import Tenant
from integration_pipeline.store.spreadsheets import Spreadsheet

Row = tuple[object, ...]

DEADLINE_SECONDS = 600.0
"""How long comparing all of them may take, however slow Google is: a minute's reads, limits included, and a margin."""

COMPARED = 60
"""Spreadsheets compared in one day: a minute of what one service account may read (Sheets API, "Usage limits"). All of a
thousand would take longer than publishing them did; so each has its turn, every so many days."""


def not_run(pipeline: Pipeline) -> list[Row]:
    """What was due on the newest day on which anything was synced, and did not run."""
    found = integration.read(pipeline.database, day=None, now=pipeline.now())
    return [
        (sync.tenant_id, sync.system, sync.sync_type, found.day)
        for sync in found.syncs
        if sync.state == integration.NOT_RUN
    ]


def ahead(pipeline: Pipeline) -> list[Row]:
    return [*daily.ahead(pipeline.database, kpi.local_days(people.list_tenants(pipeline.database), pipeline.now()))]


def fallen(pipeline: Pipeline, points: float) -> list[Row]:
    here = kpi.local_days(people.list_tenants(pipeline.database), pipeline.now())
    return [
        (each.tenant_id, each.system or "all", each.day, f"{each.value:.1f}", f"{each.before:.1f}")
        for each in daily.fallen(pipeline.database, here, points)
    ]


def unequal(pipeline: Pipeline, tenant_ids: Sequence[str], days: Sequence[dt.date]) -> list[Row]:
    """Where spreadsheets of these tenants, those whose turn it is, differ from the database on these days.

    One that was never published says nothing.
    """
    tenants = {tenant.tenant_id: tenant for tenant in people.list_tenants(pipeline.database)}
    accounts: dict[str, Account] = {}
    found: list[Row] = []
    deadline = pipeline.clock() + DEADLINE_SECONDS
    for tenant_id in in_turn(tenant_ids, pipeline.now().date()):
        if tenant_id not in tenants:
            continue  # deleted since the run began: there is nothing to compare with any more
        if pipeline.clock() >= deadline:
            found.append((tenant_id, "it was not compared: the others took too long"))
            continue
        try:
            differences = _differences(pipeline, tenants[tenant_id], days, accounts, deadline)
            found += [(tenant_id, difference) for difference in differences]
        except PipelineError as error:
            found.append((tenant_id, f"it cannot be read: {error}"))
    return found


def in_turn(tenant_ids: Sequence[str], day: dt.date) -> list[str]:
    """At most :data:`COMPARED` of the tenants; on the days that follow the others, until all had their turn."""
    turns = -(-len(tenant_ids) // COMPARED)
    return sorted(tenant_ids)[day.toordinal() % turns :: turns] if turns else []


def _differences(
    pipeline: Pipeline, tenant: Tenant, days: Sequence[dt.date], accounts: dict[str, Account], deadline: float
) -> Iterator[str]:
    spreadsheet = spreadsheets.read(pipeline.database, pipeline.keyring, tenant.tenant_id)
    today = kpi.local_day(tenant, pipeline.now())
    begun = [day for day in days or (today - dt.timedelta(days=1), today) if day <= today]
    if not begun or not spreadsheet.titles:
        return
    known = kpi.values(pipeline.database, tenant.tenant_id, begun[0], begun[-1])
    wanted = [Day(day, known.get(day, {})) for day in begun]
    with closing(_google(pipeline, spreadsheet, accounts, deadline)) as google:
        yield from comparing.differences(
            google, spreadsheet.spreadsheet_id, layouts(tenant), spreadsheet.titles, wanted
        )


def _google(pipeline: Pipeline, spreadsheet: Spreadsheet, accounts: dict[str, Account], deadline: float) -> Google:
    """The way into a spreadsheet; those of one service account share its token and its limits."""
    key = spreadsheet.key.get_secret_value()
    if key not in accounts:
        accounts[key] = Account(spreadsheet.key, pipeline.settings.url(GOOGLE_TOKEN), pipeline.clock)
    stop = threading.Event()

    def wait(seconds: float) -> None:
        pipeline.wait_for(stop, seconds)

    return Google(
        accounts[key],
        base_url=pipeline.settings.url(GOOGLE_SHEETS),
        limiter=pipeline.limiter_of("google", accounts[key].email),
        pause=Pause(wait),
        deadline=deadline,
        clock=pipeline.clock,
        now=pipeline.now,
    )
