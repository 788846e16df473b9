"""``report``: what a day's syncs came to."""

# ruff: noqa: PLC0415 - starting must be cheap: a command imports what it needs when it runs

import argparse
import datetime as dt
from collections.abc import Mapping
from pathlib import Path

from integration_pipeline.commands.output import emit_all, say
from integration_pipeline.commands.parsing import Commands, day, one_of
from integration_pipeline.errors import UsageError

_FORMATS = ("text", "markdown", "json")

_ABOUT = """\
For every tenant and system: the day's last syncs, their counts, how many accounts are matched, and what needs a
person and why. Days are those of Asia/Tokyo, as the schedule's are.

With --week: every tenant's KPIs of the seven days up to the day, in its own calendar and language; averages, the
total of blockers, trends, and the week before. Days that are not known are left out, and named."""


def register(commands: Commands) -> None:
    parser = commands.add(
        "report",
        summary="what a day's syncs came to",
        about=_ABOUT,
        examples=[
            "integration-pipeline report",
            "integration-pipeline report --day 2026-11-21 --format markdown --out report.md",
            "integration-pipeline report --week --format json",
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
        help=f"how it is written (default: {_FORMATS[0]}); json is for --week, a line for each tenant",
    )
    parser.add_argument("--week", action="store_true", help="the weekly figures: the seven days up to --day (today)")
    parser.add_argument("--out", metavar="FILE", help="write it there and not on standard output")


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    if arguments.out is not None and not Path(arguments.out).absolute().parent.is_dir():
        raise UsageError(f"--out: there is no folder {Path(arguments.out).absolute().parent}")
    if arguments.format == "json" and not arguments.week:
        raise UsageError("--format json: only the weekly figures (--week) are written as JSON")
    read = _week if arguments.week else _day
    lines = read(arguments, environ, dt.datetime.now(dt.UTC))
    if arguments.out is None:
        emit_all(lines)
        return 0
    try:
        Path(arguments.out).write_text("\n".join([*lines, ""]), encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"--out: {arguments.out} cannot be written: {error}") from error
    say(f"the report is in {arguments.out}")
    return 0


def _day(arguments: argparse.Namespace, environ: Mapping[str, str], now: dt.datetime) -> list[str]:
    from integration_pipeline import report
    from integration_pipeline.commands.opening import desk

    with desk(environ) as opened:
        found = report.read(opened.database, day=arguments.day, now=now)
    if arguments.day is None and found.day != now.astimezone(report.TOKYO).date():
        say(f"nothing was synced today; this is {found.day}")
    return report.as_markdown(found) if arguments.format == "markdown" else report.as_text(found)


def _week(arguments: argparse.Namespace, environ: Mapping[str, str], now: dt.datetime) -> list[str]:
    from integration_pipeline.commands import weeks
    from integration_pipeline.commands.opening import desk

    with desk(environ) as opened:
        return list(weeks.written(opened.database, day=arguments.day, now=now, form=arguments.format))
