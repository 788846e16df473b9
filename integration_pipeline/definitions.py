"""Everything Dagster knows of this product, written out."""

import dagster as dg

from integration_pipeline.defs.directory import sync_directory
from integration_pipeline.defs.jobs import publish_kpis, retry_failed, sync_tenants
from integration_pipeline.defs.mornings import morning_has_ended
from integration_pipeline.defs.publishing import publish_days
from integration_pipeline.defs.resources import (
    DatabaseResource,
    GoogleSheetsResource,
    LineWorksResource,
    SlackResource,
    TeamsResource,
)
from integration_pipeline.defs.schedules import every_morning
from integration_pipeline.defs.sensors import tenants_in_step

defs = dg.Definitions(
    assets=[sync_directory, publish_days],
    jobs=[sync_tenants, retry_failed, publish_kpis],
    schedules=[every_morning],
    sensors=[tenants_in_step, morning_has_ended],
    resources={
        "database": DatabaseResource(),
        "teams": TeamsResource(),
        "slack": SlackResource(),
        "line_works": LineWorksResource(),
        "google_sheets": GoogleSheetsResource(),
    },
    # The default starts a process per step, each of which imports everything again.
    executor=dg.in_process_executor,
)
