"""``publish``: the tenants' KPIs into their spreadsheets, a line for each tenant when it ends."""

# ruff: noqa: PLC0415 - starting must be cheap: a command imports what it needs when it runs

import argparse
import datetime as dt
from collections.abc import Mapping

from integration_pipeline.commands.parsing import Commands, add_output, day, identifier
from integration_pipeline.errors import UsageError

_ABOUT = """\
Writes the KPIs of each tenant's local day (today, unless days are named) into its spreadsheet: the sheets
"KPI Tracking" and "Integration KPIs", a row each day. The sheets are set up when they are missing. A day that is there
is written over in its row, wherever people put it, so that publishing again changes nothing; an unknown KPI is an empty
cell.

rows_written counts days (a row on both sheets), google_calls the requests to the Sheets API. A day with several rows is
PARTIAL: the first row is written, and the others are named."""


def register(commands: Commands) -> None:
    parser = commands.add(
        "publish",
        summary="write the tenants' KPIs into their spreadsheets",
        about=_ABOUT,
        examples=[
            "integration-pipeline publish",
            "integration-pipeline publish --tenant-id tenant-123 --from 2026-10-22 --to 2026-11-20",
            "integration-pipeline publish --output json | jq .status",
        ],
        run=run,
    )
    parser.add_argument(
        "--tenant-id", type=identifier, action="append", metavar="ID", help="only this tenant; may be repeated"
    )
    parser.add_argument("--day", type=day, metavar="D", help="the day, as 2026-11-21 (default: each tenant's today)")
    parser.add_argument("--from", type=day, metavar="D", dest="first", help="the first of several days")
    parser.add_argument("--to", type=day, metavar="D", dest="last", help="the last of several days")
    add_output(parser, "text", "json")


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from integration_pipeline.commands import publications
    from integration_pipeline.pipeline import open_pipeline
    from integration_pipeline.publish.publishing import Request

    first, last = _days(arguments)
    request = Request(arguments.tenant_id and tuple(dict.fromkeys(arguments.tenant_id)), first, last)
    with open_pipeline(environ) as pipeline:
        results = publications.perform(pipeline, request, is_json=arguments.output == "json")
    return 0 if all(published.error is None for published in results) else 1


def _days(arguments: argparse.Namespace) -> tuple[dt.date | None, dt.date | None]:
    """The first and the last day asked for; None = each tenant's today."""
    if arguments.day and (arguments.first or arguments.last):
        raise UsageError("--day is one day, --from and --to are several: name the one or the others")
    if bool(arguments.first) != bool(arguments.last):
        raise UsageError("--from and --to belong together")
    return arguments.day or arguments.first, arguments.day or arguments.last
