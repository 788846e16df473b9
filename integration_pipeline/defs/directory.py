"""The directory assets: one step that brings the selected tenants in step, and tells Dagster of each as it ends.

Which assets are selected says which sync types run. A tenant's partition of an asset is green when every system of the
tenant that was due for it succeeded (PARTIAL is success with a warning check), red when one failed. ``user_mappings``
goes with the users' sync, which matches; selected without ``external_users`` it matches anew and asks no provider.
"""

from collections.abc import Iterator, Sequence

import dagster as dg
from pydantic import Field

from integration_pipeline import registry
from integration_pipeline.defs import checks, events
from integration_pipeline.defs.lines import MAPPINGS, SYNCED
from integration_pipeline.defs.partitions import TENANTS
from integration_pipeline.defs.resources import DatabaseResource, LineWorksResource, SlackResource, TeamsResource
from integration_pipeline.defs.tally import Tally
from integration_pipeline.invocation import Request
from integration_pipeline.model import SyncType, System

POOL = "directory"
"""Runs of this step at once: the limit stands in dagster.yaml."""

_DESCRIPTIONS = {
    "external_users": "Each tenant's accounts at Teams, Slack and LINE WORKS (bots aside), leavers included.",
    "external_teams": "Each tenant's teams, channels, groups, user groups and organisational units.",
    "notification_settings": "Each tenant's bots, installed apps and subscriptions: who may notify whom.",
    MAPPINGS: "Which internal user each account belongs to, by hand-made link, key, employee number or e-mail.",
}


class SyncConfig(dg.Config):
    """How to sync; what to sync is the choice of assets and partitions."""

    dry_run: bool = Field(
        default=False, description="Read everything, write nothing: logs an observation of what would change."
    )
    force_refresh: bool = Field(
        default=False,
        description="Renew access tokens although the stored ones are good, and read every listing whole.",
    )
    batch_size: int | None = Field(
        default=None, gt=0, description="Changed records buffered at a time; unset: as each connection says."
    )
    system_types: list[str] = Field(
        default_factory=list, description=f"Only these systems, of {', '.join(registry.FOLDERS)}; empty: all."
    )

    def request(self, tenant_ids: Sequence[str], sync_types: Sequence[SyncType], run_id: str) -> Request:
        """The batch's request.

        :raises dagster.Failure: a system does not exist.
        """
        unknown = [name for name in self.system_types if name not in registry.FOLDERS]
        if unknown:
            known = ", ".join(registry.FOLDERS)
            raise dg.Failure(f"system_types: there is no system {unknown[0]!r}, only {known}", allow_retries=False)
        return Request(
            tenant_ids=tuple(tenant_ids),
            systems=tuple(System(name) for name in self.system_types) or None,
            sync_types=tuple(sync_types),
            dry_run=self.dry_run,
            force_refresh=self.force_refresh,
            batch_size=self.batch_size,
            run_id=run_id,
        )


def asset_specs() -> list[dg.AssetSpec]:
    return [
        dg.AssetSpec(
            name,
            deps=["external_users"] if name == MAPPINGS else [],
            description=description,
            group_name="directory",
            kinds={"python", "postgres"},
            owners=["team:integration"],
            metadata={"table": "external_user_mappings" if name == MAPPINGS else name},
            partitions_def=TENANTS,
            # No tenant's rows pass through Dagster, and what was reached is logged tenant by tenant.
            skippable=True,
        )
        for name, description in _DESCRIPTIONS.items()
    ]


@dg.multi_asset(
    name="sync_directory",
    specs=asset_specs(),
    check_specs=checks.specs(),
    can_subset=True,
    # One run takes a whole range: a run costs seconds to start, a tenant milliseconds.
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=POOL,
)
def sync_directory(
    context: dg.AssetExecutionContext,
    config: SyncConfig,
    database: DatabaseResource,
    teams: TeamsResource,
    slack: SlackResource,
    line_works: LineWorksResource,
) -> Iterator[dg.AssetCheckResult]:
    """Sync the run's partitions in one step."""
    from integration_pipeline.defs import batches  # noqa: PLC0415 - loads the clients and the database's driver

    assets = sorted(key.to_user_string() for key in context.selected_asset_keys)
    types = tuple(sync_type for asset, sync_type in SYNCED.items() if asset in assets)
    # Every look at partition_keys reads them from Dagster's storage. Checks executed by themselves come without any.
    tenant_ids = tuple(context.partition_keys) if assets else ()
    tally = Tally(context.op_execution_context, config.dry_run)
    events.pool_sessions(context.instance)
    with events.detail(), database.open_pipeline(teams, slack, line_works) as pipeline:
        if assets:
            request = config.request(batches.existing(pipeline, tenant_ids, context.log), types, context.run.run_id)
            with tally:
                batches.sync_assets(pipeline, request, assets, tally, at_once=database.connections_at_once)
        # Of a dry run too: what a run does not evaluate is shown as skipped, whatever was found before it.
        yield from checks.results(pipeline.database, context.selected_asset_check_keys, pipeline.now())
    # An output would be a materialization of the whole range: there is none.
    tally.conclude()
