"""The publishing assets: one step that closes a day's history, computes its KPIs and publishes them, tenants as rows.

A partition is a day: what is dated so in each tenant's own calendar. A tenant that fails stops no other; the partition of
the asset it failed in is red then, with the reasons, and what was published stays. Published again, nothing changes.
"""

from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from integration_pipeline.defs import day_checks, events
from integration_pipeline.defs.day_rendering import HISTORY, KPIS, SHEETS
from integration_pipeline.defs.lines import MAPPINGS, SYNCED
from integration_pipeline.defs.partitions import DAYS
from integration_pipeline.defs.resources import DatabaseResource, GoogleSheetsResource

_DESCRIPTIONS = {
    HISTORY: "The day's syncs, those cut off closed, against what was due: the integration report.",
    KPIS: "Each tenant's KPIs of the day. What describes the present is known for the day that is today and stays.",
    SHEETS: "The day's row in each tenant's spreadsheet, on both sheets.",
}
_TABLES = {HISTORY: "external_system_sync_history", KPIS: "daily_kpis", SHEETS: "spreadsheets"}


class PublishConfig(dg.Config):
    """For whom; which days is the choice of partitions."""

    tenant_ids: list[str] = Field(
        default_factory=list, description="Only these tenants; empty: all (published are those with a spreadsheet)."
    )


def asset_specs() -> list[dg.AssetSpec]:
    # Every day comes after every tenant: the mapping costs a launch of the tenants nothing (docs/architecture.md).
    every_tenant = dg.AllPartitionMapping()
    deps = {
        HISTORY: [dg.AssetDep(asset, partition_mapping=every_tenant) for asset in SYNCED],
        KPIS: [dg.AssetDep(HISTORY), dg.AssetDep(MAPPINGS, partition_mapping=every_tenant)],
        SHEETS: [dg.AssetDep(KPIS)],
    }
    return [
        dg.AssetSpec(
            name,
            deps=deps[name],
            description=description,
            group_name="publishing",
            kinds={"googlesheets"} if name == SHEETS else {"python", "postgres"},
            owners=["team:integration"],
            metadata={"table": _TABLES[name]},
            partitions_def=DAYS,
            # Each day is logged by the step, and only where it holds for every tenant.
            skippable=True,
        )
        for name, description in _DESCRIPTIONS.items()
    ]


@dg.multi_asset(
    name="publish_days",
    specs=asset_specs(),
    check_specs=day_checks.specs(),
    can_subset=True,
    # Neighbouring days are one read and one write per spreadsheet, however many they are.
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def publish_days(
    context: dg.AssetExecutionContext,
    config: PublishConfig,
    database: DatabaseResource,
    google_sheets: GoogleSheetsResource,
) -> Iterator[dg.AssetCheckResult]:
    """Bring the run's days up to date in one step."""
    from integration_pipeline.defs import days  # noqa: PLC0415 - loads the clients and the database's driver

    assets = {key.to_user_string() for key in context.selected_asset_keys}
    # Checks executed by themselves come without partitions.
    partitions = list(context.partition_keys) if assets else []
    events.pool_sessions(context.instance)
    with events.detail(), database.open_pipeline(google_sheets) as pipeline:
        work = days.begin(pipeline, context.op_execution_context, partitions, config.tenant_ids)
        if HISTORY in assets:
            work.close_history()
        if KPIS in assets:
            work.refresh()
        if SHEETS in assets:
            work.publish(at_once=google_sheets.spreadsheets_at_once)
        yield from work.checks(context.selected_asset_check_keys)
    # An output would be a materialization of the whole range: there is none.
    work.conclude()
