"""``holds``: what the guard kept back, and a person's decision about it."""

# ruff: noqa: PLC0415 - starting must be cheap: a command imports what it needs when it runs

import argparse
import datetime as dt
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from uuid import UUID

from integration_pipeline.commands.output import emit, emit_all, emit_table, json_line, local, say
from integration_pipeline.commands.parsing import PROGRAM, Commands, add_output
from integration_pipeline.text import clean, count, table

if TYPE_CHECKING:
    from integration_pipeline.store.holds import HeldRow, Hold

_ABOUT = """\
Above a connection's threshold (more than 10 and more than 20 % of the active rows), or when a listing reads empty,
nobody is deactivated: what would have been is held until a person decides, or until a later sync of that type sees
the directory anew."""

_EXAMPLE = "019aa7c2-5d1e-7c3a-9a55-3f0e6f1b2c4d"


def register(commands: Commands) -> None:
    group = commands.group("holds", summary="what the guard kept back: list, show, approve, reject", about=_ABOUT)
    listing = group.add(
        "list",
        summary="list the holds, those that wait first",
        about="One line each. SUPERSEDED = a later sync of that type saw the directory anew.",
        examples=[f"{PROGRAM} holds list"],
        run=run_list,
    )
    add_output(listing, "text", "json")
    show = group.add(
        "show",
        summary="show who would be deactivated, and why",
        examples=[f"{PROGRAM} holds show {_EXAMPLE}"],
        run=run_show,
    )
    _add_id(show)
    add_output(show, "text", "json")
    approve = group.add(
        "approve",
        summary="deactivate exactly what is held, at once",
        about="All of it in one transaction, with a history row of its own. It needs no provider: whoever the provider\n"
        "brings back is active again after the next sync. A superseded hold is refused.",
        examples=[f"{PROGRAM} holds approve {_EXAMPLE}"],
        run=run_approve,
    )
    _add_id(approve)
    reject = group.add(
        "reject",
        summary="decide that nothing held may happen",
        about="The next sync that finds the same again holds it again: the way out is to repair the listing.",
        examples=[f"{PROGRAM} holds reject {_EXAMPLE}"],
        run=run_reject,
    )
    _add_id(reject)


def run_list(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from integration_pipeline.commands.opening import desk
    from integration_pipeline.store import holds

    with desk(environ) as opened:
        found = holds.listing(opened.database)
    if arguments.output == "json":
        emit_all(json_line(hold._asdict()) for hold in found)
        return 0
    header = ("HOLD", "STATUS", "TENANT", "SYSTEM", "TYPE", "HELD", "SINCE", "WHY")
    rows = [
        (
            *(str(hold.hold_id), hold.status, hold.tenant_id, hold.system_type, hold.sync_type),
            *(f"{hold.held:,}", local(hold.created_at), "; ".join(hold.reasons)),
        )
        for hold in found
    ]
    emit_table(header, rows, numbers=("HELD",), nothing="no holds: the guard has kept nothing back")
    return 0


def run_show(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from integration_pipeline.commands.opening import desk
    from integration_pipeline.store import holds

    with desk(environ) as opened:
        hold = holds.read(opened.database, arguments.hold_id)
        held = holds.rows(opened.database, hold)
    if arguments.output == "json":
        emit(json_line({**hold._asdict(), "rows": [row._asdict() for row in held]}))
    else:
        emit_all(_shown(hold, held))
    return 0


def run_approve(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from contextlib import closing

    from integration_pipeline.commands.opening import desk
    from integration_pipeline.errors import Busy, Superseded
    from integration_pipeline.store import holds
    from integration_pipeline.store.locks import Locks

    with desk(environ) as opened, closing(Locks(opened.database.url)) as locks:
        try:
            outcome = holds.approve(opened.database, locks, arguments.hold_id, now=lambda: dt.datetime.now(dt.UTC))
        except (Busy, Superseded) as error:
            say(f"{PROGRAM}: {error}; nothing was done")
            return 1
    where = f"{outcome.tenant_id} {outcome.system} {outcome.sync_type}"
    emit(f"{clean(where)}: {outcome.counts.deleted:,} deactivated (sync {outcome.sync_id})")
    return 0


def run_reject(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from integration_pipeline.commands.opening import desk
    from integration_pipeline.store import holds

    with desk(environ) as opened:
        hold = holds.reject(opened.database, arguments.hold_id, at=dt.datetime.now(dt.UTC))
    emit(f"{clean(hold.tenant_id)} {hold.system_type} {hold.sync_type}: nothing was deactivated")
    say("the next sync that finds the same again holds it again")
    return 0


def _add_id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("hold_id", type=_hold_id, metavar="ID", help="the hold, as `holds list` names it")


def _hold_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no hold's id like {_EXAMPLE}") from None


def _shown(hold: "Hold", held: list["HeldRow"]) -> Iterator[str]:
    yield f"{hold.hold_id}: {hold.status} since {local(hold.decided_at or hold.created_at)}"
    yield f"{clean(hold.tenant_id)} {hold.system_type} {hold.sync_type}, held by sync {hold.sync_id}"
    yield (
        f"{count(hold.held, 'row')} would be deactivated: {hold.absent_count:,} not in their complete listing, "
        f"{hold.flagged_count:,} deleted or switched off at the provider"
    )
    yield from (f"why it waits: {clean(reason)}" for reason in hold.reasons)
    if hold.decided_sync_id:
        yield f"decided by sync {hold.decided_sync_id}"
    if held:
        yield ""
        rows = [(row.kind, row.key, row.name or "", row.reason or "", row.listing) for row in held]
        yield from table(("KIND", "KEY", "NAME", "WHY", "LISTING"), rows)
    if hold.status == "WAITING":
        yield ""
        yield f"{PROGRAM} holds approve {hold.hold_id}"
        yield f"{PROGRAM} holds reject {hold.hold_id}"
