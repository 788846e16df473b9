"""Publishings for tests: a sandbox's spreadsheets, a real database, and time that passes only when somebody waits for it."""

import datetime as dt
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from integration_pipeline.pipeline import Pipeline, open_pipeline
from integration_pipeline.publish import publishing
from integration_pipeline.publish.publishing import Published, Request
from integration_pipeline.publish.sandbox.book import Book
from integration_pipeline.sandbox.plan import Fault
from integration_pipeline.sandbox.server import Sandbox
from integration_pipeline.sandbox.world import World, build
from integration_pipeline.store import people, people_files, spreadsheet_files
from integration_pipeline_tests import builders
from integration_pipeline_tests.nights import Time
from integration_pipeline_tests.publish import google

NOON = dt.datetime(2026, 11, 21, 3, tzinfo=dt.UTC)
"""Noon in Tokyo."""
TODAY = dt.date(2026, 11, 21)
TENANT = "tenant-0001"


@dataclass
class Morning:
    """A pipeline whose Google is a sandbox."""

    pipeline: Pipeline
    sandbox: Sandbox
    time: Time

    def publish(self, **request: Any) -> dict[str, Published]:
        """One publishing; results by tenant."""
        asked = Request(**request)
        chosen = publishing.select(self.pipeline, asked)
        return {result.tenant_id: result for result in publishing.run(self.pipeline, asked, chosen)}

    def well(self, **request: Any) -> dict[str, Published]:
        """One publishing of which all must be well."""
        results = self.publish(**request)
        assert all(result.error is None for result in results.values()), results
        return results

    def book(self, tenant_id: str = TENANT) -> Book:
        return google.book(self.sandbox, tenant_id)

    def calls(self, route: str | None = None, tenant_id: str | None = TENANT) -> int:
        """Requests so far; of the Sheets API alone where no route is named."""
        count = self.sandbox.requests.count
        if route:
            return count(tenant_id=tenant_id, system="GOOGLE_SHEETS", route=route)
        return count(tenant_id=tenant_id, system="GOOGLE_SHEETS") - self.calls("POST /token", tenant_id)

    def fault(self, action: str, route: str, **described: Any) -> Fault:
        return self.sandbox.faults.add(action, system="GOOGLE_SHEETS", route=route, **described)

    def know(self, day: dt.date, tenant_id: str = TENANT, **values: float | None) -> None:
        """Store progress KPIs of a day."""
        columns = ", ".join(["tenant_id", "day", *values])
        marks = ", ".join(["%s"] * (2 + len(values)))
        with builders.everything(self.pipeline.database) as cursor:
            cursor.execute("DELETE FROM progress_kpis WHERE tenant_id = %s AND day = %s", (tenant_id, day))
            query = f"INSERT INTO progress_kpis ({columns}) VALUES ({marks})"
            cursor.execute(query.encode(), (tenant_id, day, *values.values()))

    def kept(self, tenant_id: str = TENANT) -> tuple[Any, ...]:
        """How the last publishing ended, as reports read it: when it failed, the error's kind, message and remedy."""
        with self.pipeline.database.operator() as cursor:
            found = cursor.execute(
                "SELECT last_failed_at, last_error_type, last_error, last_remedy FROM spreadsheets WHERE tenant_id = %s",
                (tenant_id,),
            ).fetchone()
        assert found is not None
        return found

    def column(self, title: str, field: str, tenant_id: str = TENANT) -> list[str]:
        """What people see under a header, from the top."""
        header, *rows = self.book(tenant_id).table(title)
        return [row[header.index(field)] for row in rows]


@contextmanager
def morning(environ: Mapping[str, str], world: World | None = None, now: dt.datetime = NOON) -> Iterator[Morning]:
    """Everything a publishing needs, with the world's tenants and spreadsheets imported."""
    world = world or build(tenants=1, users=1, channels=0, teams=0, oddities=False)
    time = Time()
    with Sandbox(world) as sandbox, open_pipeline({**environ, **sandbox.environment}) as pipeline:
        pipeline.clock, pipeline.wait_for, pipeline.now = time, time.wait_for, lambda: now
        people.import_tenants(pipeline.database, people_files.parse_tenants(io.BytesIO(world.tenants_csv().encode())))
        spreadsheet_files.import_entries(pipeline.database, pipeline.keyring, json.loads(world.spreadsheets_json()))
        yield Morning(pipeline, sandbox, time)
