"""The jobs: the night's sync over partitions, the retry of exactly what failed last, and the publishing over days."""

import dagster as dg
from pydantic import Field

from integration_pipeline.defs import events
from integration_pipeline.defs.directory import POOL, sync_directory
from integration_pipeline.defs.publishing import publish_days
from integration_pipeline.defs.resources import DatabaseResource, LineWorksResource, SlackResource, TeamsResource
from integration_pipeline.defs.tally import Tally

sync_tenants = dg.define_asset_job(
    "sync_tenants",
    selection=dg.AssetSelection.assets(sync_directory),
    description="Sync the directories and match the users of the partitions chosen. The schedule runs it in chunks.",
    executor_def=dg.in_process_executor,
)

publish_kpis = dg.define_asset_job(
    "publish_kpis",
    selection=dg.AssetSelection.assets(publish_days),
    description="Close the history of the days chosen, compute their KPIs, write them into the spreadsheets.",
    executor_def=dg.in_process_executor,
)


class RetryConfig(dg.Config):
    """Whom to look at."""

    tenant_ids: list[str] = Field(default_factory=list, description="Only these tenants; empty: all.")


@dg.op(pool=POOL)
def sync_failed(
    context: dg.OpExecutionContext,
    config: RetryConfig,
    database: DatabaseResource,
    teams: TeamsResource,
    slack: SlackResource,
    line_works: LineWorksResource,
) -> None:
    """Sync again exactly what the history says failed last and nobody is syncing now."""
    from integration_pipeline.defs import retrying  # noqa: PLC0415 - loads the clients and the database's driver

    events.pool_sessions(context.instance)
    tally = Tally(context)
    with events.detail(), database.open_pipeline(teams, slack, line_works) as pipeline, tally:
        retrying.retry(pipeline, tally, config.tenant_ids or None, at_once=database.connections_at_once)
    tally.conclude()


@dg.job(
    description="Sync again exactly what failed last: which tenants, systems and types is read from the history. "
    "A range of partitions cannot say this, and re-executing a run repeats all of its tenants.",
    executor_def=dg.in_process_executor,
)
def retry_failed() -> None:
    sync_failed()
