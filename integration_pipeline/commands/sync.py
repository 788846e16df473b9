"""``sync``: the batch, its outcomes printed as they end."""

# ruff: noqa: PLC0415 - starting must be cheap: a command imports what it needs when it runs

import argparse
from collections.abc import Mapping

from integration_pipeline.commands.output import say
from integration_pipeline.commands.parsing import (
    Commands,
    add_output,
    add_sync_type,
    add_system,
    identifier,
    whole_number,
)

_ABOUT = """\
For every tenant with an enabled connection, and every system: a valid token, then users, then teams, channels
and groups, then notification settings. Each ends on its own: one that fails stops no other. A line is printed
when a sync ends; progress is on standard error.

What the run is expected to cost is printed before it begins with text output, on standard error, and recorded in the
history with --output json too. It is what the last sync asked: a night that reads whole what Microsoft otherwise tells
as changes (once a week, or --force-refresh) takes more.

A tenant's records are only ever deactivated when their listing was read to its end, and never so many at once
that a fault at the provider is the likelier reason. What only a person can mend is told at once (see notices --help).

A connection that another invocation is working on is refused: standard error says so, there is no line for it on
standard output, and the exit code is 1. With --wait it is waited for."""


def register(commands: Commands) -> None:
    parser = commands.add(
        "sync",
        summary="keep the tenants' directories in step",
        about=_ABOUT,
        examples=[
            "integration-pipeline sync",
            "integration-pipeline sync --dry-run",
            "integration-pipeline sync --tenant-id tenant-123 --tenant-id tenant-456 --system-type SLACK",
            "integration-pipeline sync --sync-type users --output json | jq .status",
        ],
        run=run,
    )
    parser.add_argument(
        "--tenant-id", type=identifier, action="append", metavar="ID", help="only this tenant; may be repeated"
    )
    add_system(parser)
    add_sync_type(parser)
    parser.add_argument("--dry-run", action="store_true", help="read for real, write nothing, print what would change")
    parser.add_argument(
        "--force-refresh",
        action="store_true",
        help="get fresh tokens even where the old ones live, and read every listing whole",
    )
    parser.add_argument(
        "--batch-size",
        type=whole_number(least=1),
        metavar="N",
        help="changed records buffered at a time (default: as each connection says; 100)",
    )
    parser.add_argument(
        "--wait", action="store_true", help="wait for connections that another invocation is working on"
    )
    add_output(parser, "text", "json")


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from integration_pipeline.commands import batches
    from integration_pipeline.invocation import Request
    from integration_pipeline.pipeline import open_pipeline

    request = Request(
        tenant_ids=arguments.tenant_id and tuple(dict.fromkeys(arguments.tenant_id)),
        systems=arguments.system_type and (arguments.system_type,),
        sync_types=arguments.sync_type and (arguments.sync_type,),
        dry_run=arguments.dry_run,
        force_refresh=arguments.force_refresh,
        batch_size=arguments.batch_size,
        wait=arguments.wait,
    )
    with open_pipeline(environ) as pipeline:
        work = batches.work(pipeline, request)
        if not work:
            say(batches.hint(request))
            return 0
        results = batches.perform(pipeline, request, work, is_json=arguments.output == "json")
    return 0 if results.are_well else 1
