"""``demo``: the whole morning, on the sandbox and a database of its own."""

# ruff: noqa: PLC0415 - starting must be cheap: a command imports what it needs when it runs

import argparse
from collections.abc import Mapping

from integration_pipeline.commands.parsing import Commands

_ABOUT = """\
Four companies at imitated providers: a database, the imports, the morning's run, a second run that changes nothing,
a week of figures published to imitated spreadsheets, and the report. One company's Slack connection is broken on
purpose; everything else must succeed, or the exit code is 1. It works in a folder of its own
(.integration-pipeline/demo) and touches no real tenant, database or provider."""


def register(commands: Commands) -> None:
    commands.add(
        "demo",
        summary="see the whole morning on a sandbox",
        about=_ABOUT,
        examples=["integration-pipeline demo"],
        run=run,
    )


def run(_arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from integration_pipeline.commands.morning import morning

    return morning(environ)
