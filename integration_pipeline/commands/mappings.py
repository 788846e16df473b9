"""``mappings``: which account belongs to which internal user, and links made by hand."""

# ruff: noqa: PLC0415 - starting must be cheap: a command imports what it needs when it runs

import argparse
import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from integration_pipeline.commands.output import emit, emit_all, emit_table, json_line
from integration_pipeline.commands.parsing import Commands, Parser, add_output, add_system, identifier, one_of
from integration_pipeline.text import clean

_COLUMNS = (
    "mapping_id", "tenant_id", "internal_user_id", "system_type", "external_user_id", "external_username",
    "external_email", "sync_status", "last_synced_at", "reason", "rule", "flags",
)  # fmt: skip
_SHOWN = ("system_type", "external_user_id", "external_username", "internal_user_id", "sync_status", "rule", "reason")

_ACCOUNT = "--tenant-id tenant-123 --system-type SLACK --external-user-id U024BE7LH"


def register(commands: Commands) -> None:
    group = commands.group("mappings", summary="which account belongs to whom: list, link, unlink")
    listing = group.add(
        "list",
        summary="list a tenant's mappings",
        about="ERROR = more than one candidate; the reason says which. An ACTIVE mapping without an internal user\n"
        "is an account that matched nobody.",
        examples=["integration-pipeline mappings list --tenant-id tenant-123 --status ERROR"],
        run=run_list,
    )
    _add_tenant(listing)
    add_system(listing)
    statuses = ("ACTIVE", "INACTIVE", "ERROR")
    listing.add_argument(
        "--status",
        type=one_of({name.lower(): name for name in statuses}, names=statuses),
        metavar="{" + ",".join(statuses) + "}",
        help="only mappings of this status",
    )
    add_output(listing, "text", "json", "csv")
    link = group.add(
        "link",
        summary="say by hand whom an account belongs to",
        about="Beats every other rule of matching, also before the account was ever seen. Takes effect at once.",
        examples=[f"integration-pipeline mappings link {_ACCOUNT} --internal-user-id emp-7"],
        run=run_link,
    )
    _add_account(link)
    link.add_argument(
        "--internal-user-id", type=identifier, required=True, metavar="U", help="the internal user it belongs to"
    )
    unlink = group.add(
        "unlink",
        summary="take back a link made by hand",
        about="The account is matched by the other rules again, at once.",
        examples=[f"integration-pipeline mappings unlink {_ACCOUNT}"],
        run=run_unlink,
    )
    _add_account(unlink)


def run_list(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from integration_pipeline.commands.opening import desk
    from integration_pipeline.store import mappings

    with desk(environ) as opened:
        found = mappings.listing(
            opened.database, arguments.tenant_id, system=arguments.system_type, status=arguments.status
        )
    rows: Sequence[Mapping[str, Any]] = [mapping._asdict() for mapping in found]
    if arguments.output == "json":
        emit_all(json_line({name: row[name] for name in _COLUMNS}) for row in rows)
    elif arguments.output == "csv":
        emit(_as_csv(rows))
    else:
        shown = [[row[name] or "" for name in _SHOWN] for row in rows]
        emit_table([name.upper() for name in _SHOWN], shown, nothing=_nothing(arguments))
    return 0


def _nothing(arguments: argparse.Namespace) -> str:
    if arguments.system_type or arguments.status:
        return "no mapping matches; without --system-type and --status all of the tenant's are listed"
    return f"{clean(arguments.tenant_id)} has no mappings: its first sync of users makes them"


def run_link(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from integration_pipeline.commands import links
    from integration_pipeline.commands.opening import desk

    account = (arguments.tenant_id, arguments.system_type, arguments.external_user_id)
    with desk(environ) as opened:
        links.link(opened.database, *account, internal_user_id=arguments.internal_user_id)
    emit(f"{arguments.external_user_id} belongs to {arguments.internal_user_id}")
    return 0


def run_unlink(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from integration_pipeline.commands import links
    from integration_pipeline.commands.opening import desk

    account = (arguments.tenant_id, arguments.system_type, arguments.external_user_id)
    with desk(environ) as opened:
        links.unlink(opened.database, *account)
    emit(f"{arguments.external_user_id} is matched by the other rules again")
    return 0


def _add_tenant(parser: Parser) -> None:
    parser.add_argument("--tenant-id", type=identifier, required=True, metavar="ID", help="the tenant")


def _add_account(parser: Parser) -> None:
    _add_tenant(parser)
    add_system(parser, required=True)
    parser.add_argument(
        "--external-user-id", type=identifier, required=True, metavar="X", help="the account's id at the provider"
    )


def _as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    from integration_pipeline.commands.output import iso

    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "last_synced_at": iso(row["last_synced_at"])} for row in rows)
    return text.getvalue().removesuffix("\n")
