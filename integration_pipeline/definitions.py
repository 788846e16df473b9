"""Everything Dagster knows of this product, written out."""

import dagster as dg

from integration_pipeline.defs.directory import sync_directory
from integration_pipeline.defs.jobs import retry_failed, sync_tenants
from integration_pipeline.defs.resources import DatabaseResource, LineWorksResource, SlackResource, TeamsResource
from integration_pipeline.defs.schedules import every_morning
from integration_pipeline.defs.sensors import tenants_in_step

defs = dg.Definitions(
    assets=[sync_directory],
    jobs=[sync_tenants, retry_failed],
    schedules=[every_morning],
    sensors=[tenants_in_step],
    resources={
        "database": DatabaseResource(),
        "teams": TeamsResource(),
        "slack": SlackResource(),
        "line_works": LineWorksResource(),
    },
    # The default starts a process per step, each of which imports everything again.
    executor=dg.in_process_executor,
)
