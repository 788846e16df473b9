"""What a run tells Dagster, and the two places where Dagster's public interface does not reach.

Dagster colours a partition by its latest events: a materialization makes it green; planned and then not materialized by a
run that failed, it is red. Whoever logs each good tenant and lets the run fail at the end gets both out of one run.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from integration_pipeline.defs import rendering
from integration_pipeline.defs.lines import SYNC_TYPES, Line, in_order

_log = logging.getLogger(__name__)

_STATEMENT_TIMEOUT_MILLISECONDS = 60_000
_RECYCLE_SECONDS = 3600


@dataclass(slots=True)
class Tally:
    """What a run has reached: logs the good partitions tenant by tenant, keeps the failed syncs for the end."""

    context: dg.OpExecutionContext
    dry_run: bool = False
    tenants: set[str] = field(default_factory=set)
    failed: list[Line] = field(default_factory=list)

    def finish(self, tenant_id: str, lines: Sequence[Line], assets: Mapping[str, Mapping[str, Any]]) -> None:
        """A tenant has ended: say which of its partitions are in step, and why the others are not.

        :param assets: the assets this run is about, each with what it shows beside the syncs' own metadata.
        """
        self.tenants.add(tenant_id)
        for asset, shown in assets.items():
            own = in_order(line for line in lines if line.sync_type is SYNC_TYPES[asset])
            self.context.log_event(self._event(asset, tenant_id, own, shown))
        failed = [line for line in lines if line.is_failed]
        if failed:
            self.context.log.error(rendering.failures(failed))
            self.failed += failed

    def _event(
        self, asset: str, tenant_id: str, lines: Sequence[Line], shown: Mapping[str, Any]
    ) -> dg.AssetObservation | dg.AssetMaterialization:
        if self.dry_run:
            return dg.AssetObservation(asset, partition=tenant_id, metadata=rendering.plan(lines))
        if not all(line.is_good for line in lines):
            # It changes no colour, and puts the reason beside the red partition.
            return dg.AssetObservation(asset, partition=tenant_id, metadata=rendering.metadata(lines))
        return dg.AssetMaterialization(asset, partition=tenant_id, metadata={**rendering.metadata(lines), **shown})

    def check(self, evaluations: Iterable[dg.AssetCheckEvaluation]) -> None:
        """Say how the checks stand."""
        for evaluation in evaluations:
            self.context.log_event(evaluation)  # type: ignore[arg-type] # taken, though its type does not say so

    def conclude(self) -> None:
        """End the run.

        :raises dagster.Failure: a sync failed; says which, why, and what to do. A retry by Dagster would repeat every
            tenant of the run, so there is none: the job ``retry_failed`` repeats exactly these.
        """
        if not self.failed:
            return
        tenants = {line.tenant_id for line in self.failed}
        raise dg.Failure(
            description=f"{len(tenants)} of {len(self.tenants)} tenants failed:\n{rendering.failures(self.failed)}",
            metadata={
                "failed": rendering.failures_table(self.failed),
                **rendering.numbers({"failed_tenants": len(tenants), "failed_syncs": len(self.failed)}),
            },
            allow_retries=False,
        )


def pool_sessions(instance: dg.DagsterInstance) -> None:
    """Write this process's events through sessions that stay open.

    Dagster's PostgreSQL storage opens a session for each event, which is most of an event's cost: 9 ms against 3 over a
    local socket, 20 against 3 over TCP (dagster 1.13; a night of 1,000 tenants writes 4,000 events). What its webserver
    calls to keep sessions is not documented, so without it everything works as before, slower.
    """
    optimize = getattr(instance, "optimize_for_webserver", None)
    if optimize is None:
        _log.info("this Dagster opens a session per event")
        return
    optimize(statement_timeout=_STATEMENT_TIMEOUT_MILLISECONDS, pool_recycle=_RECYCLE_SECONDS, max_overflow=5)


@contextmanager
def detail() -> Iterator[None]:
    """The package's own log (waits for limits, renewed tokens, retries) in the step's compute log while the block runs.

    Dagster's event log takes 10 ms a line, so it gets a line per failed tenant and no more.
    """
    package = logging.getLogger("integration_pipeline")
    handler, level = logging.StreamHandler(), package.level
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    try:
        yield
    finally:
        package.removeHandler(handler)
        package.setLevel(level)


def announce(context: dg.OpExecutionContext, partitions: Iterable[tuple[str, str]]) -> None:
    """Say which (asset, tenant) this run is about to materialize, as Dagster itself does for runs of assets.

    A job that is no run of assets has no public way to; without it, tenants that fail again keep the colour they had.
    """
    try:
        from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent  # noqa: PLC0415 - internal

        build = DagsterEvent.build_asset_materialization_planned_event
        report = context.instance.report_dagster_event
    except (ImportError, AttributeError):
        _log.warning("this Dagster cannot be told what a job plans: tenants that fail again will not turn red")
        return
    for asset, tenant_id in partitions:
        planned = AssetMaterializationPlannedData(dg.AssetKey(asset), partition=tenant_id)
        report(build(context.job_name, context.op.name, planned), context.run_id, logging.DEBUG)
