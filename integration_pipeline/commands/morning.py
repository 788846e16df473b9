"""The demo's morning, step by step; every step says what it did and how long it took."""

import datetime as dt
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from integration_pipeline import invocation, kpi, settings
from integration_pipeline.commands import batches, publications
from integration_pipeline.commands.batches import Results
from integration_pipeline.commands.output import emit, emit_all
from integration_pipeline.commands.worlds import Arrived, arrive, demo_environ, demo_home
from integration_pipeline.errors import Kind
from integration_pipeline.model import Status
from integration_pipeline.pipeline import Pipeline, endpoints, open_pipeline
from integration_pipeline.publish.publishing import Published, Request
from integration_pipeline.publish.sandbox import showing
from integration_pipeline.report import days, integration, page, plain
from integration_pipeline.sandbox.server import Sandbox
from integration_pipeline.sandbox.world import World, demo
from integration_pipeline.store import kpi_files, kpis, migrations, urls
from integration_pipeline.store.embedded import DATABASE, Embedded
from integration_pipeline.store.kpis import PROGRESS
from integration_pipeline.text import count

_CLOSING = """\
Next: 'make dev' (integration-pipeline dev) opens the Dagster UI with these four companies;
'integration-pipeline --help' shows how to bring your own tenants."""


def morning(environ: Mapping[str, str]) -> int:
    """Show it; 0 when everything went as it should, the connection that is broken on purpose included."""
    configured = settings.load(environ, endpoints())
    world = demo()
    steps = _Steps()
    with demo_home(configured) as home, Sandbox(world) as sandbox, Embedded(home) as url:
        with steps.step("A PostgreSQL of its own, with a database made anew"):
            _renew(url)
        emit(f"   the providers are imitated on {sandbox.url}")
        with open_pipeline(demo_environ(environ, home, sandbox.environment)) as pipeline:
            with steps.step("Import the companies, their own users, and their connections"):
                emit(_arrived(arrive(world, pipeline.database, pipeline.keyring, pipeline.settings)))
            with steps.step("The morning's run"):
                first = _run(pipeline)
            with steps.step("The same again: nothing moved, so nothing may be written"):
                second = _run(pipeline)
            with steps.step("The companies' figures into their (imitated) Google spreadsheets, a week of them"):
                published = _publish(pipeline, world)
                emit_all(["", *_sheet(world)])
            with steps.step("The report"):
                emit_all(["", *_report(pipeline, home / "report.html")])
    emit("")
    troubles = [*_unexpected(first, world), *_unexpected(second, world), *_changed(second), *_unpublished(published)]
    if troubles:
        emit_all(f"not as it should be: {trouble}" for trouble in troubles)
        return 1
    emit("As it should be: one connection is broken on purpose, everything else is in step, and the second run changed")
    emit_all(["nothing.", "", *_CLOSING.splitlines()])
    return 0


class _Steps:
    """Numbered headings, with the time each step took."""

    def __init__(self) -> None:
        self._number = 0

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        self._number += 1
        emit(f"\n{self._number}. {title}")
        begun = time.monotonic()
        yield
        emit(f"   {time.monotonic() - begun:.1f} s")


def _renew(url: str) -> None:
    """The database without yesterday's demo. It is the demo's own: nothing else ever uses this server."""
    with psycopg.connect(urls.with_database(url, "postgres"), autocommit=True) as session:
        session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(DATABASE)))
    urls.create_database(urls.with_database(url, "postgres"), DATABASE)
    migrations.upgrade(url)


def _run(pipeline: Pipeline) -> Results:
    request = invocation.Request()
    return batches.perform(pipeline, request, batches.work(pipeline, request), is_json=False)


def _publish(pipeline: Pipeline, world: World) -> list[Published]:
    """Progress as an operator would import it, and a week published."""
    today = pipeline.now().astimezone(integration.TOKYO).date()
    week = [today - dt.timedelta(days=back) for back in reversed(range(7))]
    lines = [",".join(("tenant_id", "day", *PROGRESS)), *_progress(list(world.tenants), week)]
    rows = kpi_files.parse_progress((f"{line}\n".encode() for line in lines), kpi.TOPS, kpi.WHOLE)
    kpis.import_progress(pipeline.database, rows, now=pipeline.now())
    return publications.perform(pipeline, Request(None, week[0], week[-1]), is_json=False)


def _progress(tenant_ids: Sequence[str], days: Sequence[dt.date]) -> Iterator[str]:
    """Made-up figures of projects under way; who was asked for satisfaction is not known of every day."""
    for company, tenant_id in enumerate(tenant_ids):
        for number, day in enumerate(days):
            progress = 58 + 6 * company + 2.5 * number
            satisfaction = f"{3.6 + 0.2 * company + 0.1 * (number % 3):.1f}" if (company + number + 1) % 4 else ""
            values = (
                progress,
                progress + 4,
                4 + (company + number % 3) / 10,
                satisfaction,
                (9 - number + company) // 3,
                5,
                96,
            )
            yield ",".join((tenant_id, day.isoformat(), *map(str, values)))


def _sheet(world: World) -> list[str]:
    """One company's sheet, as its people see it: the columns that fit on a terminal."""
    tenant = next(iter(world.tenants.values()))
    title = "KPI Tracking"
    fields = ["Date", *(column.title for column in kpi.TRACKING), "Trend"]
    return [f"{tenant.name}, sheet {title!r}:", *showing.lines(world, tenant.tenant_id, title, fields=fields)]


def _report(pipeline: Pipeline, target: Path) -> list[str]:
    """The report as text, and as a file for people."""
    now = pipeline.now()
    found = integration.read(pipeline.database, day=None, now=now)
    overview = days.read(pipeline.database, found, now=now)
    target.write_text(page.as_html(overview), encoding="utf-8")
    return [*plain.as_text(overview), "", f"The same for people, with plots: {target}"]


def _unpublished(published: Sequence[Published]) -> Iterator[str]:
    for one in published:
        if one.error:
            yield f"the figures of {one.tenant_id} were not published: {one.error}"


def _arrived(arrived: Arrived) -> str:
    return (
        f"   {count(arrived.tenants.created, 'company', 'companies')}, {count(arrived.users.created, 'internal user')}, "
        f"{count(arrived.connections.created, 'connection')}"
    )


def _unexpected(results: Results, world: World) -> Iterator[str]:
    """Where an outcome is not what the world makes it."""
    for refused in results.refused:
        yield refused.message
    for outcome in results.outcomes:
        is_broken = world.tenants[outcome.tenant_id].systems[outcome.system].problem is not None
        is_well = outcome.status is Status.SUCCESS
        is_refused = outcome.status is Status.FAILED and outcome.error_type == Kind.AUTH_ERROR
        if not (is_refused if is_broken else is_well):
            name = f"{outcome.tenant_id} {outcome.system} {outcome.sync_type}"
            yield f"{name} is {outcome.status}: {outcome.error_type} {outcome.error_message}"


def _changed(results: Results) -> Iterator[str]:
    """What a run changed that should have changed nothing."""
    for outcome in results.outcomes:
        counts = outcome.counts
        if counts.created or counts.updated or counts.deleted:
            name = f"{outcome.tenant_id} {outcome.system} {outcome.sync_type}"
            yield f"the second run changed {name}: {counts}"
