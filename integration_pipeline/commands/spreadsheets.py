"""``spreadsheets``: where each tenant's KPIs are published, imported from a file."""

# ruff: noqa: PLC0415 - starting must be cheap: a command imports what it needs when it runs

import argparse
from collections.abc import Mapping

from integration_pipeline.commands import files
from integration_pipeline.commands.output import emit
from integration_pipeline.commands.parsing import Commands
from integration_pipeline.commands.tenants import imported

_ABOUT_IMPORT = """\
The file is a JSON array of {"tenant_id", "spreadsheet_id", "service_account"}: the id is what stands between /d/ and
/edit in the spreadsheet's address, the service account is its key file's JSON, as Google's console gives it. Share the
spreadsheet with the service account's client_email as an editor. Importing again updates; a service account that is
left out stays as it is, and an entry that says nothing new counts as unchanged. Keys are sealed with the first key of
INTEGRATION_PIPELINE_KEYS and never shown. A spreadsheet belongs to one tenant. Nothing is imported unless all of the
file is right."""


def register(commands: Commands) -> None:
    group = commands.group("spreadsheets", summary="the tenants' spreadsheets: import")
    importing = group.add(
        "import",
        summary="add and update spreadsheets from a JSON file",
        about=_ABOUT_IMPORT,
        examples=["integration-pipeline spreadsheets import spreadsheets.json"],
        run=run_import,
    )
    importing.add_argument("file", metavar="FILE.json", help="the file; - is standard input")


def run_import(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from integration_pipeline.commands.opening import desk
    from integration_pipeline.store import entries, sealing, spreadsheet_files

    with files.named(arguments.file):
        parsed = entries.parse_entries(files.read(arguments.file))
    with desk(environ) as opened:
        keyring = sealing.ring(opened.settings, opened.database)
        with files.named(arguments.file):
            result = spreadsheet_files.import_entries(opened.database, keyring, parsed)
    emit(imported("spreadsheet", result))
    return 0
