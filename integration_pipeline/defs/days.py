"""The work on a run's days: history → KPIs → spreadsheets, each for every tenant, whatever happens to one of them.

Loads the clients and the database's driver, so the definitions import this where it is used.
"""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import dagster as dg
import psycopg

from integration_pipeline import kpi
from integration_pipeline.defs import daily, day_checks, day_rendering, rendering
from integration_pipeline.defs.day_rendering import HISTORY, KPIS, PLOTTED, SHEETS, Sheet, Trouble
from integration_pipeline.errors import Busy, Kind, Misconfigured
from integration_pipeline.model import Connection, Status
from integration_pipeline.pipeline import Pipeline
from integration_pipeline.publish import publishing
from integration_pipeline.publish.publishing import Published, Request
from integration_pipeline.report import days, integration, plain
from integration_pipeline.store import history, people
from integration_pipeline.store.people import Tenant


@dataclass(slots=True)
class Work:
    """A run's days and tenants, and what went wrong so far.

    :param tenants: those that are worked on; ``chosen`` says whether they were named.
    :param todays: tenant → what day it is there.
    """

    pipeline: Pipeline
    context: dg.OpExecutionContext
    days: Sequence[dt.date]
    tenants: Sequence[Tenant]
    todays: Mapping[str, dt.date]
    chosen: tuple[str, ...] | None
    troubles: list[Trouble] = field(default_factory=list)
    unpublished: set[str] = field(default_factory=set)

    def close_history(self) -> None:
        """Close what killed processes left open, and say how each day went."""
        closed = self._close_interrupted()
        for day in self.days:
            found = integration.read(self.pipeline.database, day=day, now=self.pipeline.now())
            if self.chosen is not None:
                found = replace(
                    found,
                    syncs=[sync for sync in found.syncs if sync.tenant_id in self.chosen],
                    coverage=[row for row in found.coverage if row.tenant_id in self.chosen],
                )
            states = [sync.state for sync in found.syncs]
            numbers = {status.value.lower(): states.count(status) for status in Status}
            numbers |= {"not_run": states.count(integration.NOT_RUN), "running": states.count(integration.RUNNING)}
            overview = days.read(self.pipeline.database, found, now=self.pipeline.now())
            shown = {
                "report": dg.MetadataValue.md(day_rendering.shortened(plain.as_markdown(overview))),
                **rendering.numbers({**numbers, "interrupted_closed": closed}),
            }
            self._materialize(HISTORY, day, shown)

    def _close_interrupted(self) -> int:
        """Rows without an end of connections that nobody works on; whoever has the lock closes its own."""
        database, locks = self.pipeline.database, self.pipeline.locks
        closed = 0
        for tenant_id, system in daily.left_open(database, self.chosen):
            try:
                with locks.hold(tenant_id, system, wait=False, pause=_never):
                    connection = Connection(tenant_id, system)
                    closed += history.close_interrupted(database, connection, at=self.pipeline.now())
            except Busy:
                continue
        return closed

    def refresh(self) -> None:
        """Compute the days' KPIs."""
        self.troubles += [trouble for tenant in self.tenants if (trouble := self._refreshed(tenant)) is not None]
        failed = [trouble for trouble in self.troubles if trouble.asset == KPIS]
        first, last = self.days[0] - dt.timedelta(days=PLOTTED - 1), self.days[-1]
        rows = daily.kpis(self.pipeline.database, self.chosen, first, last)
        for day in self.days:
            self._say(KPIS, day, day_rendering.kpis(rows, day), is_good=not failed)

    def _refreshed(self, tenant: Tenant) -> Trouble | None:
        try:
            kpi.refresh(self.pipeline.database, tenant, self.days, now=self.pipeline.now())
        except psycopg.Error as error:
            if error.sqlstate is None:  # the server did not say it: it is gone, and for everybody
                raise
            # Its text may quote what it stumbled over.
            message = f"the database refused with {type(error).__name__} ({error.sqlstate})"
            return Trouble(tenant.tenant_id, KPIS, Kind.UNKNOWN_ERROR.value, message, None)
        return None

    def publish(self, *, at_once: int) -> None:
        """Write the days, each spreadsheet at once, and say how it went."""
        wanted = self.chosen or daily.with_spreadsheet(self.pipeline.database)
        lost = {trouble.tenant_id: trouble.reason for trouble in self.troubles}
        tenant_ids = tuple(tenant_id for tenant_id in wanted if tenant_id not in lost)
        # A day that has begun nowhere yet is no mistake: it is written when it has.
        begun = [self.todays[tenant_id] for tenant_id in tenant_ids if tenant_id in self.todays]
        last = min(self.days[-1], max(begun, default=self.days[-1]))
        request = Request(tenant_ids=tenant_ids, first=min(self.days[0], last), last=last)
        chosen = publishing.select(self.pipeline, request)
        found = [Sheet(each, Status.FAILED, lost[each]) for each in wanted if each in lost]
        found += [self._without(each) for each in sorted({*tenant_ids} - {tenant.tenant_id for tenant, _ in chosen})]
        with closing(publishing.run(self.pipeline, request, chosen, concurrency=at_once)) as results:
            found += [self._noted(result) for result in results]
        self.unpublished = {sheet.tenant_id for sheet in found if sheet.status == Status.FAILED}
        for day in self.days:
            self._say(SHEETS, day, day_rendering.sheets(found), is_good=not self.unpublished)

    def _without(self, tenant_id: str) -> Sheet:
        error = publishing.without(tenant_id)
        self.troubles.append(Trouble(tenant_id, SHEETS, error.kind.value, str(error), error.remedy))
        return Sheet(tenant_id, Status.FAILED, str(error))

    def _noted(self, result: Published) -> Sheet:
        error = result.error
        message = ""
        if error is not None:
            trouble = Trouble(result.tenant_id, SHEETS, error.kind.value, str(error), error.remedy)
            message = trouble.reason
            if result.status is Status.FAILED:
                self.troubles.append(trouble)
                self.context.log.error("%s: %s", result.tenant_id, message)
        return Sheet(
            tenant_id=result.tenant_id,
            spreadsheet_id=result.spreadsheet_id,
            status=result.status,
            rows_written=result.rows_written,
            google_calls=result.google_calls,
            message=message,
        )

    def checks(self, chosen: Collection[dg.AssetCheckKey]) -> Iterator[dg.AssetCheckResult]:
        """How the checks chosen stand, after all that was done."""
        tenant_ids = self.chosen or daily.with_spreadsheet(self.pipeline.database)
        published = [each for each in tenant_ids if each in self.todays and each not in self.unpublished]
        yield from day_checks.results(self.pipeline, chosen, published, self.days)

    def conclude(self) -> None:
        """End the run.

        :raises dagster.Failure: something failed for a tenant; says for which, why, and what to do. A retry by Dagster
            would repeat every tenant, so there is none: the next publishing writes what is missing.
        """
        if not self.troubles:
            return
        tenants = {trouble.tenant_id for trouble in self.troubles}
        raise dg.Failure(
            description=f"{len(tenants)} of {len({*self.todays, *tenants})} tenants failed:\n{day_rendering.reasons(self.troubles)}",
            metadata=day_rendering.failure(self.troubles),
            allow_retries=False,
        )

    def _say(self, asset: str, day: dt.date, shown: Mapping[str, Any], *, is_good: bool) -> None:
        """A day that does not hold for every tenant stays without a materialization: the run's failure makes it red."""
        if is_good:
            self._materialize(asset, day, shown)
        else:
            self.context.log_event(dg.AssetObservation(asset, partition=day.isoformat(), metadata=shown))

    def _materialize(self, asset: str, day: dt.date, shown: Mapping[str, Any]) -> None:
        self.context.log_event(dg.AssetMaterialization(asset, partition=day.isoformat(), metadata=shown))


def begin(
    pipeline: Pipeline, context: dg.OpExecutionContext, partitions: Sequence[str], tenant_ids: Sequence[str]
) -> Work:
    """The work on these days, for the tenants named, or all.

    :raises dagster.Failure: a tenant named does not exist.
    """
    known = {tenant.tenant_id: tenant for tenant in people.list_tenants(pipeline.database)}
    unknown = [tenant_id for tenant_id in tenant_ids if tenant_id not in known]
    if unknown:
        raise dg.Failure(f"tenant_ids: there is no tenant {unknown[0]}", allow_retries=False)
    chosen = tuple(dict.fromkeys(tenant_ids)) or None
    tenants = [known[tenant_id] for tenant_id in chosen or sorted(known)]
    todays: dict[str, dt.date] = {}
    lost = []
    for tenant in tenants:
        try:
            todays[tenant.tenant_id] = kpi.local_day(tenant, pipeline.now())
        except Misconfigured as error:
            lost.append(Trouble(tenant.tenant_id, KPIS, error.kind.value, str(error), error.remedy))
    return Work(
        pipeline=pipeline,
        context=context,
        days=[dt.date.fromisoformat(key) for key in sorted(partitions)],
        tenants=[tenant for tenant in tenants if tenant.tenant_id in todays],
        todays=todays,
        chosen=chosen,
        troubles=lost if partitions else [],
    )


def _never(_seconds: float) -> None:
    raise AssertionError("a lock that is not waited for has no pause")
