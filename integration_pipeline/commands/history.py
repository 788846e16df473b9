"""``history``: what was synced when, and what it came to."""

# ruff: noqa: PLC0415 - starting must be cheap: a command imports what it needs when it runs

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from integration_pipeline.commands.output import emit_all, emit_table, json_line, local
from integration_pipeline.commands.parsing import Commands, add_output, identifier, whole_number
from integration_pipeline.text import figure

if TYPE_CHECKING:
    from integration_pipeline.store.history import Entry

_NUMBERS = ("CREATED", "UPDATED", "DELETED", "UNCHANGED", "REJECTED", "CALLS", "LEAST")


def register(commands: Commands) -> None:
    group = commands.group("history", summary="what was synced: list")
    listing = group.add(
        "list",
        summary="list the newest syncs, one line each",
        about="A row without an end is a sync that runs at this moment (RUNNING) or was cut off (INTERRUPTED).",
        examples=["integration-pipeline history list --tenant-id tenant-123 --limit 5"],
        run=run_list,
    )
    listing.add_argument(
        "--tenant-id", type=identifier, action="append", metavar="ID", help="only this tenant; may be repeated"
    )
    listing.add_argument(
        "--limit", type=whole_number(least=1), default=20, metavar="N", help="how many rows (default: 20)"
    )
    add_output(listing, "text", "json")


def run_list(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from integration_pipeline.commands.opening import desk
    from integration_pipeline.store import history

    with desk(environ) as opened:
        entries = history.recent(opened.database, tenant_ids=arguments.tenant_id, limit=arguments.limit)
    if arguments.output == "json":
        emit_all(json_line(_plain(entry)) for entry in entries)
        return 0
    header = ("STARTED", "TENANT", "SYSTEM", "TYPE", "STATE", *_NUMBERS, "ERROR")
    rows = [
        (
            local(entry.started_at),
            entry.tenant_id,
            entry.system_type,
            entry.sync_type,
            entry.state,
            figure(entry.records_created),
            figure(entry.records_updated),
            figure(entry.records_deleted),
            figure(entry.records_unchanged),
            figure(entry.records_rejected),
            figure(entry.api_calls),
            figure(entry.api_calls_minimum),
            f"{entry.error_type}: {entry.error_message}" if entry.error_type and entry.state != "RUNNING" else "",
        )
        for entry in entries
    ]
    emit_table(header, rows, numbers=_NUMBERS, nothing="nothing was synced yet: 'integration-pipeline sync' does it")
    return 0


def _plain(entry: "Entry") -> Mapping[str, Any]:
    """A row for programs; an estimate is no more exact than tenths of a second."""
    seconds = entry.seconds_estimate
    return {**entry._asdict(), "seconds_estimate": None if seconds is None else round(seconds, 1)}
