"""Dagster in this process, over a real database and the sandbox."""

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
import psycopg
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.execution.plan.objects import UserFailureData
from dagster._core.storage.partition_status_cache import build_failed_and_in_progress_partition_subset
from dagster._serdes import serialize_value

from integration_pipeline.definitions import defs
from integration_pipeline.defs.checks import specs
from integration_pipeline.defs.partitions import TENANTS, range_tags
from integration_pipeline.sandbox.plan import SystemPlan, TenantPlan, WorldPlan
from integration_pipeline.sandbox.requests import Request
from integration_pipeline.sandbox.world import World
from integration_pipeline_tests.nights import Nights, nights

SMALL = SystemPlan(users=6, teams=2, groups=1, apps=1, oddities=False)
REVOKED = SMALL.model_copy(update={"problem": "token_revoked"})

GOOD = ("alpha", "gamma")
BAD = "beta"
"""Its Slack app was removed; its Teams connection is well."""


def world_of(*tenants: TenantPlan) -> World:
    return World(WorldPlan(limits=False, tenants=tenants))


@pytest.fixture
def world() -> World:
    """Two tenants that are well, and between them one whose Slack is broken."""
    return world_of(
        TenantPlan(tenant_id="alpha", seed=1, systems={"SLACK": SMALL}),
        TenantPlan(tenant_id="beta", seed=2, systems={"SLACK": REVOKED, "TEAMS": SMALL}),
        TenantPlan(tenant_id="gamma", seed=3, systems={"LINE_WORKS": SMALL}),
    )


@dataclass
class Stage:
    """A Dagster instance, and the nights behind it."""

    instance: dg.DagsterInstance
    night: Nights

    def materialize(
        self,
        *tenant_ids: str,
        assets: Sequence[str] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Run the asset job over a range of neighbouring partitions."""
        keys = tenant_ids or tuple(self.partitions)
        return defs.resolve_job_def("sync_tenants").execute_in_process(
            instance=self.instance,
            asset_selection=[dg.AssetKey(asset) for asset in assets] if assets else None,
            run_config={"ops": {"sync_directory": {"config": dict(config or {})}}},
            tags=range_tags(keys),
            raise_on_error=False,
        )

    def retry(self, *tenant_ids: str) -> dg.ExecuteInProcessResult:
        return defs.resolve_job_def("retry_failed").execute_in_process(
            instance=self.instance,
            run_config={"ops": {"sync_failed": {"config": {"tenant_ids": list(tenant_ids)}}}},
            raise_on_error=False,
        )

    @property
    def partitions(self) -> Sequence[str]:
        return self.instance.get_dynamic_partitions("tenants")

    def colours(self, asset: str) -> dict[str, str]:
        """What the UI shows of an asset's partitions."""
        key = dg.AssetKey(asset)
        green = self.instance.get_materialized_partitions(key)
        with partition_loading_context(dynamic_partitions_store=self.instance):
            failed, _, _ = build_failed_and_in_progress_partition_subset(self.instance, key, TENANTS, 1)
        red = failed.get_partition_keys()
        return {key: "red" if key in red else "green" if key in green else "none" for key in self.partitions}

    def checks(self, asset: str) -> dict[str, dg.AssetCheckEvaluation]:
        """How the asset's checks stand, those that were evaluated."""
        storage = self.instance.event_log_storage
        keys = [dg.AssetCheckKey(dg.AssetKey(asset), spec.name) for spec in specs() if spec.asset_key.path == [asset]]
        found = storage.get_latest_asset_check_execution_by_key(keys)
        events = {key.name: record.event and record.event.dagster_event for key, record in found.items()}
        return {
            name: event.asset_check_evaluation_data
            for name, event in events.items()
            if event and event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
        }

    def execute(self, statement: str) -> None:
        """Change the database behind everybody's back, as its owner."""
        with psycopg.connect(self.night.pipeline.database.url) as session:
            session.execute(statement.encode())

    def everything_told(self) -> str:
        """All that Dagster has stored of all runs."""
        runs = self.instance.get_runs()
        logs = [record for run in runs for record in self.instance.all_logs(run.run_id)]
        return "\n".join([*map(serialize_value, runs), *map(serialize_value, logs)])

    def interrupt_when(self, is_time: Callable[[Request], bool], monkeypatch: pytest.MonkeyPatch) -> None:
        """Ctrl-C for this process, at such a request."""
        requests = self.night.sandbox.requests
        add = requests.add

        def watched(request: Request) -> None:
            add(request)
            if is_time(request):
                os.kill(os.getpid(), signal.SIGINT)

        monkeypatch.setattr(requests, "add", watched)

    def materialized(self, asset: str) -> dict[str, dg.AssetMaterialization]:
        """The latest materialization of each partition."""
        records = self.instance.fetch_materializations(dg.AssetKey(asset), limit=1000).records
        return {
            str(record.partition_key): record.asset_materialization
            for record in reversed(records)
            if record.asset_materialization
        }

    def observed(self, asset: str) -> dict[str, dg.AssetObservation]:
        """The latest observation of each partition."""
        records = self.instance.fetch_observations(dg.AssetKey(asset), limit=1000).records
        return {
            str(record.partition_key): record.asset_observation
            for record in reversed(records)
            if record.asset_observation
        }


def named(evaluation: dg.AssetCheckEvaluation) -> list[list[str]]:
    """The rows of a check's table."""
    table = evaluation.metadata["named"]
    assert isinstance(table, dg.TableMetadataValue)
    columns = [column.name for column in table.schema.columns]
    return [[str(record.data[column]) for column in columns] for record in table.records]


def failure(result: dg.ExecuteInProcessResult) -> UserFailureData:
    """What the run's one step says of why it failed."""
    (event,) = [event for event in result.all_events if event.is_step_failure]
    told = event.step_failure_data.user_failure_data
    assert told is not None, event.step_failure_data.error_display_string
    return told


@pytest.fixture
def stage(environ: Mapping[str, str], world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """The world imported, its tenants partitions."""
    with nights(environ, world) as night, dg.DagsterInstance.ephemeral() as instance:
        for name, value in {**environ, **night.sandbox.environment}.items():
            monkeypatch.setenv(name, value)
        instance.add_dynamic_partitions("tenants", list(world.tenants))
        yield Stage(instance, night)
