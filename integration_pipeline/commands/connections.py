"""``connections``: import them from a file, list them without their secrets, test one."""

# ruff: noqa: PLC0415 - starting must be cheap: a command imports what it needs when it runs

import argparse
from collections.abc import Mapping
from functools import partial
from typing import Any

from integration_pipeline.commands import files
from integration_pipeline.commands.output import emit, emit_all, emit_table, json_line, local, say, say_waiting
from integration_pipeline.commands.parsing import Commands, add_output, add_system, identifier
from integration_pipeline.commands.tenants import imported
from integration_pipeline.text import clean

_ABOUT_IMPORT = """\
The file is a JSON array of connections, each with tenant_id, system_type, its credentials, and where wanted
api_endpoint, sync_enabled, sync_users, sync_teams, sync_notifications, batch_size, api_rate_limit, retry_attempts,
timeout_seconds and options. Importing again updates; a secret that is left out stays as it is, and an entry
that says nothing new counts as unchanged. Secrets are sealed with the first key of INTEGRATION_PIPELINE_KEYS.
Nothing is imported unless all of the file is right.

defaults: sync_enabled and the three others true, batch_size 100 records, api_rate_limit 60 requests a minute,
          retry_attempts 3, timeout_seconds 30
options for all: page_size (the provider's largest), guard_max_removed (10), guard_max_removed_percent (20)
         TEAMS: directory_id      LINE_WORKS: service_account, private_key, domain_ids

  [{"tenant_id": "tenant-123", "system_type": "SLACK", "access_token": "xoxb-…"}]"""

_NONE = "no connections yet: 'integration-pipeline connections import --help' says how they are imported"

_ABOUT_TEST = """\
Gets a token, makes the provider's cheapest call, and names the permissions that are missing and where to grant them.
Exit code 1 when the connection does not work or something is missing."""


def register(commands: Commands) -> None:
    group = commands.group("connections", summary="how the tenants' systems are reached: import, list, test")
    importing = group.add(
        "import",
        summary="add and update connections from a JSON file",
        about=_ABOUT_IMPORT,
        examples=[
            "integration-pipeline connections import connections.json",
            "vault read -field=json pipeline | integration-pipeline connections import -",
        ],
        run=run_import,
    )
    importing.add_argument("file", metavar="FILE.json", help="the file; - is standard input")
    listing = group.add(
        "list",
        summary="list the connections, never a secret",
        about="One line each. SECRETS names the secrets that are stored.",
        examples=["integration-pipeline connections list --output json | jq .last_sync_at"],
        run=run_list,
    )
    add_output(listing, "text", "json")
    testing = group.add(
        "test",
        summary="find out whether a connection works, and what it lacks",
        about=_ABOUT_TEST,
        examples=["integration-pipeline connections test --tenant-id tenant-123 --system-type LINE_WORKS"],
        run=run_test,
    )
    testing.add_argument("--tenant-id", type=identifier, required=True, metavar="ID", help="the tenant")
    add_system(testing, required=True)


def run_import(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from integration_pipeline import registry
    from integration_pipeline.commands.opening import desk
    from integration_pipeline.store import connection_files, entries, sealing

    with files.named(arguments.file):
        parsed = entries.parse_entries(files.read(arguments.file))
    with desk(environ) as opened:
        keyring = sealing.ring(opened.settings, opened.database)
        with files.named(arguments.file):
            result = connection_files.import_entries(
                opened.database, keyring, opened.settings, parsed, registry.providers()
            )
    emit(imported("connection", result))
    return 0


def run_list(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from integration_pipeline.commands.opening import desk
    from integration_pipeline.store.queries import sql

    with desk(environ) as opened, opened.database.operator() as cursor:
        cursor.execute(sql("report/connections"))
        names = [column.name for column in cursor.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in cursor]
    if arguments.output == "json":
        emit_all(json_line(row) for row in rows)
    else:
        header = ("TENANT", "SYSTEM", "ENABLED", "SYNCS", "WORKSPACE", "SECRETS", "LAST SYNC", "API ENDPOINT")
        emit_table(header, [_cells(row) for row in rows], nothing=_NONE)
    return 0


def run_test(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from integration_pipeline.commands.probing import probe
    from integration_pipeline.errors import ProviderError
    from integration_pipeline.pipeline import open_pipeline

    name = f"{arguments.tenant_id} {arguments.system_type}"
    with open_pipeline(environ) as pipeline:
        try:
            found = probe(pipeline, arguments.tenant_id, arguments.system_type, on_wait=partial(say_waiting, name))
        except ProviderError as error:
            emit(f"{name}: does not work: {error.kind}: {clean(str(error))}")
            if error.remedy:
                say(f"what to do: {clean(error.remedy)}")
            return 1
    emit(f"{name}: reaches {clean(found.workspace)}")
    emit_all(f"  missing: {clean(missing)}" for missing in found.missing)
    emit_all(f"  what to do: {clean(remedy)}" for remedy in found.remedies)
    emit_all(f"  note: {clean(note)}" for note in found.notes)
    return 1 if found.missing else 0


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    types = [name for name in ("users", "teams", "notifications") if row[f"sync_{name}"]]
    secrets = [name for name in ("client_secret", "access_token", "refresh_token") if row[f"{name}_set"]]
    last = row["last_sync_at"]
    return (
        row["tenant_id"],
        row["system_type"],
        "yes" if row["sync_enabled"] else "no",
        "all" if len(types) == 3 else ", ".join(types) or "none",  # noqa: PLR2004 - there are three
        str(row["workspace"].get("name", "")),
        ", ".join([*secrets, *row["secret_options_set"]]) or "none",
        local(last) if last else "never",
        row["api_endpoint"] or "",
    )
