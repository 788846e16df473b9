"""``report``: what a day's syncs came to."""

# ruff: noqa: PLC0415 - starting must be cheap: a command imports what it needs when it runs

import argparse
import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

from integration_pipeline.commands.output import emit_all, say
from integration_pipeline.commands.parsing import Commands, day, one_of
from integration_pipeline.commands.tenants import NO_TENANTS
from integration_pipeline.errors import UsageError

_FORMATS = ("text", "markdown", "html", "json")
EN = "en"
_LANGUAGES = ("ja", EN)
_TOKYO = ZoneInfo("Asia/Tokyo")

_ABOUT = """\
For every tenant and system: the day's last syncs, their counts, how many accounts are matched, what changed since the
day before, and what needs a person and why. Days are those of Asia/Tokyo, as the schedule's are. As HTML it is one file
for people, with two weeks in plots, in the language of most of its tenants.

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
            "integration-pipeline report --format html --out report.html",
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
        help=f"how it is written (default: {_FORMATS[0]}); html is for a day; json is for --week, a line for each tenant",
    )
    parser.add_argument(
        "--lang",
        type=one_of({name: name for name in _LANGUAGES}),
        metavar="{" + ",".join(_LANGUAGES) + "}",
        help="the language of a day's report (default: English, and for html that of most of its tenants)",
    )
    parser.add_argument("--week", action="store_true", help="the weekly figures: the seven days up to --day (today)")
    parser.add_argument("--out", metavar="FILE", help="write it there and not on standard output")


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    if arguments.out is not None and not Path(arguments.out).absolute().parent.is_dir():
        raise UsageError(f"--out: there is no folder {Path(arguments.out).absolute().parent}")
    if arguments.format == "json" and not arguments.week:
        raise UsageError("--format json: only the weekly figures (--week) are written as JSON")
    if arguments.format == "html" and arguments.week:
        raise UsageError("--format html: the weekly figures (--week) are not written as HTML")
    if arguments.lang and arguments.week:
        raise UsageError("--lang: the weekly figures (--week) are in each tenant's language")
    from integration_pipeline import pipeline

    now = pipeline.utc_now()
    today = now.astimezone(_TOKYO).date()
    if arguments.day is not None and arguments.day > today:
        raise UsageError(f"--day: {arguments.day} is still to come: today is {today}")
    read = _week if arguments.week else _day
    lines = read(arguments, environ, now)
    if arguments.out is None:
        emit_all(lines)
        return 0
    try:
        Path(arguments.out).write_text("\n".join([*lines, ""]), encoding="utf-8")
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is no path"
        raise UsageError(f"--out: {arguments.out} cannot be written: {said}") from error
    say(f"the report is in {arguments.out}")
    return 0


def _day(arguments: argparse.Namespace, environ: Mapping[str, str], now: dt.datetime) -> list[str]:
    from integration_pipeline.commands.opening import desk
    from integration_pipeline.report import days, integration, page, plain

    with desk(environ) as opened:
        found = integration.read(opened.database, day=arguments.day, now=now)
        overview = days.read(opened.database, found, now=now)
    if arguments.day is None and found.day != now.astimezone(integration.TOKYO).date():
        say(f"nothing was synced today; this is {found.day}")
    if arguments.format == "html":
        return page.as_html(overview, lang=arguments.lang).splitlines()
    written = plain.as_markdown if arguments.format == "markdown" else plain.as_text
    return written(overview, lang=arguments.lang or EN)


def _week(arguments: argparse.Namespace, environ: Mapping[str, str], now: dt.datetime) -> list[str]:
    from integration_pipeline.commands import weeks
    from integration_pipeline.commands.opening import desk

    with desk(environ) as opened:
        lines = list(weeks.written(opened.database, day=arguments.day, now=now, form=arguments.format))
    if not lines:
        say(NO_TENANTS)
    return lines
