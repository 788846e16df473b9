"""``tenants``: import them from a file, list them."""

# ruff: noqa: PLC0415 - starting must be cheap: a command imports what it needs when it runs

import argparse
from collections.abc import Mapping

from integration_pipeline.commands import files
from integration_pipeline.commands.output import emit, emit_all, emit_table, json_line
from integration_pipeline.commands.parsing import Commands, add_output
from integration_pipeline.text import count

_ABOUT_IMPORT = """\
The file is CSV in UTF-8 with the columns tenant_id and name, and, where wanted, time_zone (Asia/Tokyo when empty)
and locale (ja, the default, or en). New tenants are added and known ones updated; a tenant that the file does not
mention stays as it is. Nothing is imported unless all of the file is right."""

NO_TENANTS = "no tenants yet: 'integration-pipeline tenants import --help' says how they are imported"


def register(commands: Commands) -> None:
    group = commands.group("tenants", summary="the tenants: import, list")
    importing = group.add(
        "import",
        summary="add and update tenants from a CSV file",
        about=_ABOUT_IMPORT,
        examples=["integration-pipeline tenants import tenants.csv"],
        run=run_import,
    )
    importing.add_argument("file", metavar="FILE.csv", help="the file; - is standard input")
    listing = group.add(
        "list", summary="list the tenants", examples=["integration-pipeline tenants list"], run=run_list
    )
    add_output(listing, "text", "json")


def run_import(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from integration_pipeline.commands.opening import desk
    from integration_pipeline.store import people, people_files

    with files.named(arguments.file):
        tenants = people_files.parse_tenants(files.lines(arguments.file))
    with desk(environ) as opened:
        emit(imported("tenant", people.import_tenants(opened.database, tenants)))
    return 0


def run_list(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from integration_pipeline.commands.opening import desk
    from integration_pipeline.store import people

    with desk(environ) as opened:
        tenants = people.list_tenants(opened.database)
    names = ("tenant_id", "name", "time_zone", "locale")
    rows = [(tenant.tenant_id, tenant.name, tenant.time_zone, tenant.locale) for tenant in tenants]
    if arguments.output == "json":
        emit_all(json_line(dict(zip(names, row, strict=True))) for row in rows)
    else:
        emit_table([name.upper() for name in names], rows, nothing=NO_TENANTS)
    return 0


def imported(noun: str, result: tuple[int, int, int]) -> str:
    """What an import came to, in one line."""
    created, updated, unchanged = result
    return f"{count(created, noun)} created, {updated:,} updated, {unchanged:,} unchanged"
