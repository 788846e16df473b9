"""The night's schedule: every tenant at 06:00 in Tokyo, in chunks (requirement A1)."""

from collections.abc import Iterator

import dagster as dg

from integration_pipeline.defs.jobs import sync_tenants
from integration_pipeline.defs.partitions import TENANTS, chunks, range_tags

MORNING = "integration_pipeline/morning"
"""The tag that all of a morning's runs share: its day in Tokyo."""

CHUNK_OF = "integration_pipeline/chunk"
"""The tag that says which of a morning's chunks a run is, and how many there are: ``2/5``."""


@dg.schedule(
    job=sync_tenants,
    cron_schedule="0 6 * * *",
    execution_timezone="Asia/Tokyo",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every tenant, in runs of at most 250.",
)
def every_morning(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """A run for each chunk; asking twice on one day starts nothing twice."""
    keys = TENANTS.get_partition_keys(dynamic_partitions_store=context.instance)
    if not keys:
        yield dg.SkipReason("no tenant has a connection yet")
    day = f"{context.scheduled_execution_time:%Y-%m-%d}"
    found = list(chunks(keys))
    for number, chunk in enumerate(found):
        tags = {**range_tags(chunk), MORNING: day, CHUNK_OF: f"{number + 1}/{len(found)}"}
        yield dg.RunRequest(run_key=f"{day}:{number}", tags=tags)
