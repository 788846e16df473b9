"""``kpis``: import progress KPIs."""

# ruff: noqa: PLC0415 - starting must be cheap: a command imports what it needs when it runs

import argparse
import datetime as dt
from collections.abc import Mapping

from integration_pipeline.commands import files
from integration_pipeline.commands.output import emit
from integration_pipeline.commands.parsing import Commands
from integration_pipeline.commands.tenants import imported

_ABOUT = """\
The file is CSV in UTF-8 with the columns tenant_id, day (such as 2026-11-21; the tenant's own) and
overall_progress, task_completion_rate, quality_score, team_satisfaction, blockers_count, code_review_time,
deploy_success_rate. Rates and the progress are percentages from 0 to 100, scores go up to 5, blockers are counted in
whole numbers, the review time is in hours. An empty cell is unknown, which is not 0. A day that is still to come is
refused. A day that is known already is replaced; days that the file does not mention stay as they are. Nothing is
imported unless all of the file is right."""


def register(commands: Commands) -> None:
    group = commands.group("kpis", summary="KPIs of progress: import")
    importing = group.add(
        "import",
        summary="add and replace tenants' days of progress KPIs from a CSV file",
        about=_ABOUT,
        examples=["integration-pipeline kpis import progress.csv"],
        run=run_import,
    )
    importing.add_argument("file", metavar="FILE.csv", help="the file; - is standard input")


def run_import(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from integration_pipeline import kpi
    from integration_pipeline.commands.opening import desk
    from integration_pipeline.store import kpi_files, kpis

    with files.named(arguments.file):
        rows = kpi_files.parse_progress(files.lines(arguments.file), kpi.TOPS, kpi.WHOLE)
    with desk(environ) as opened, files.named(arguments.file):
        result = kpis.import_progress(opened.database, rows, now=dt.datetime.now(dt.UTC))
    emit(imported("day", result))
    return 0
