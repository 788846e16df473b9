"""What a run tells Dagster, tenant by tenant: which partitions are in step, and at its end which syncs failed.

Dagster colours a partition by its latest events: a materialization makes it green; planned and then not materialized by a
run that failed, it is red. Whoever logs each good tenant and lets the run fail at the end gets both out of one run.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import dagster as dg

from integration_pipeline.defs import rendering
from integration_pipeline.defs.events import Batches
from integration_pipeline.defs.lines import SYNC_TYPES, Line, in_order

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Tally:
    """What a run has reached: logs the good partitions tenant by tenant, keeps the failed syncs for the end.

    ``with tally:`` what is told inside has reached Dagster after it, however the block ends.
    """

    context: dg.OpExecutionContext
    dry_run: bool = False
    tenants: set[str] = field(default_factory=set)
    failed: list[Line] = field(default_factory=list)
    events: Batches = field(init=False)

    def __post_init__(self) -> None:
        self.events = Batches(self.context)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.events.write()

    def finish(self, tenant_id: str, lines: Sequence[Line], assets: Mapping[str, Mapping[str, Any]]) -> None:
        """A tenant has ended: say which of its partitions are in step, and why the others are not.

        :param assets: the assets this run is about, each with what it shows beside the syncs' own metadata.
        """
        failed = [line for line in lines if line.is_failed]
        self.tenants.add(tenant_id)
        self.failed += failed
        for asset, shown in assets.items():
            own = in_order(line for line in lines if line.sync_type is SYNC_TYPES[asset])
            self.events.add(self._event(asset, tenant_id, own, shown))
        self.events.write_when_due()
        if failed:
            self._tell(rendering.failures(failed))

    def _tell(self, failures: str) -> None:
        """A line in Dagster's log. Where it cannot be written the work goes on: the run's end says it again."""
        try:
            self.context.log.error(failures)
        except Exception as error:  # noqa: BLE001 - Dagster's storage may fail in any way
            _log.warning("not in Dagster's log error=%s: %s", type(error).__name__, failures)

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
