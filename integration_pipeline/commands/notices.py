"""``notices``: what people were told because only they can mend it, and whether the receiver takes it."""

# ruff: noqa: PLC0415 - starting must be cheap: a command imports what it needs when it runs

import argparse
import datetime as dt
from collections.abc import Mapping
from contextlib import closing

from integration_pipeline.commands.output import emit, emit_all, emit_table, json_line, local, say
from integration_pipeline.commands.parsing import PROGRAM, Commands, add_output, whole_number
from integration_pipeline.errors import ProviderError, UsageError
from integration_pipeline.text import clean

_ABOUT = """\
Credentials, consent, a hold, a spreadsheet that cannot be written: told once a day for each cause and connection, in
the log, and by a signed POST to INTEGRATION_PIPELINE_NOTICE_URL where it is set. What was not taken is tried again by
every sync and publish for four days."""

_LIMIT = 50


def register(commands: Commands) -> None:
    group = commands.group("notices", summary="what only a person can mend: list, test the receiver", about=_ABOUT)
    listing = group.add(
        "list",
        summary="list the notices, the newest first",
        about="One line each. TOLD = when the log and the receiver had it; what the receiver has not taken says so.",
        examples=[f"{PROGRAM} notices list --limit 5"],
        run=run_list,
    )
    listing.add_argument(
        "--limit", type=whole_number(least=1), default=_LIMIT, metavar="N", help=f"how many rows (default: {_LIMIT})"
    )
    add_output(listing, "text", "json")
    group.add(
        "test",
        summary="send the receiver a notice that means nothing",
        about="Its cause is TEST. Exit code 1 when the receiver does not take it.",
        examples=[f"{PROGRAM} notices test"],
        run=run_test,
    )


def run_list(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from integration_pipeline.commands.opening import desk
    from integration_pipeline.store import notices

    with desk(environ) as opened:
        found = notices.recent(opened.database, limit=arguments.limit)
    if arguments.output == "json":
        emit_all(json_line({**told._asdict(), "day": told.day.isoformat()}) for told in found)
        return 0
    header = ("SINCE", "TENANT", "SYSTEM", "CAUSE", "TOLD", "MESSAGE")
    rows = [
        (
            *(local(told.created_at), told.tenant_id, told.system_type, told.cause),
            *(local(told.delivered_at) if told.delivered_at else f"not yet, tries: {told.tries}", told.message),
        )
        for told in found
    ]
    emit_table(header, rows, nothing="no notices: nothing has ever needed a person")
    return 0


def run_test(_arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from integration_pipeline import pipeline, settings
    from integration_pipeline.notices import rehearsal

    webhook = pipeline.webhook(settings.load(environ, pipeline.endpoints()))
    if webhook is None:
        raise UsageError(f"{settings.NOTICE_URL} is not set: notices are in the log alone")
    with closing(webhook):
        told = rehearsal(dt.datetime.now(dt.UTC))
        try:
            webhook(told)
        except ProviderError as error:
            say(f"{PROGRAM}: not taken: {clean(str(error))}")
            return 1
    emit(f"the receiver took notice {told.notice_id}")
    return 0
