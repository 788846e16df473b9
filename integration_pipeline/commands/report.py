"""``report``: what a day's syncs came to."""

# ruff: noqa: PLC0415 - starting must be cheap: a command imports what it needs when it runs

import argparse
import datetime as dt
from collections.abc import Mapping
from pathlib import Path

from integration_pipeline.commands.output import emit_all, say
from integration_pipeline.commands.parsing import Commands, day, one_of
from integration_pipeline.errors import UsageError

_FORMATS = ("text", "markdown")

_ABOUT = """\
For every tenant and system: the day's last syncs, their counts, how many accounts are matched, and what needs a
person and why. Days are those of Asia/Tokyo, as the schedule's are."""


def register(commands: Commands) -> None:
    parser = commands.add(
        "report",
        summary="what a day's syncs came to",
        about=_ABOUT,
        examples=[
            "integration-pipeline report",
            "integration-pipeline report --day 2026-11-21 --format markdown --out report.md",
        ],
        run=run,
    )
    parser.add_argument(
        "--day",
        type=day,
        metavar="YYYY-MM-DD",
        help="the day (default: today, or the newest day on which something was synced)",
    )
    parser.add_argument(
        "--format",
        type=one_of({name: name for name in _FORMATS}),
        default=_FORMATS[0],
        metavar="{" + ",".join(_FORMATS) + "}",
        help=f"how it is written (default: {_FORMATS[0]})",
    )
    parser.add_argument("--out", metavar="FILE", help="write it there and not on standard output")


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from integration_pipeline import report
    from integration_pipeline.commands.opening import desk

    if arguments.out is not None and not Path(arguments.out).absolute().parent.is_dir():
        raise UsageError(f"--out: there is no folder {Path(arguments.out).absolute().parent}")
    now = dt.datetime.now(dt.UTC)
    with desk(environ) as opened:
        found = report.read(opened.database, day=arguments.day, now=now)
    if arguments.day is None and found.day != now.astimezone(report.TOKYO).date():
        say(f"nothing was synced today; this is {found.day}")
    lines = report.as_markdown(found) if arguments.format == "markdown" else report.as_text(found)
    if arguments.out is None:
        emit_all(lines)
        return 0
    try:
        Path(arguments.out).write_text("\n".join([*lines, ""]), encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"--out: {arguments.out} cannot be written: {error}") from error
    say(f"the report is in {arguments.out}")
    return 0
