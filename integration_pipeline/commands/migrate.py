"""``migrate``: bring the database up to date."""

# ruff: noqa: PLC0415 - starting must be cheap: a command imports what it needs when it runs

import argparse
from collections.abc import Mapping
from contextlib import ExitStack

from integration_pipeline.commands.output import emit
from integration_pipeline.commands.parsing import Commands

_ABOUT = """\
Creates or changes the tables in one transaction; a second run changes nothing. The login must own the database, and
may need CREATEROLE the first time. The embedded database is brought up to date by every command that opens it."""


def register(commands: Commands) -> None:
    commands.add(
        "migrate",
        summary="bring the database up to date",
        about=_ABOUT,
        examples=["INTEGRATION_PIPELINE_DATABASE_URL=postgresql://owner@db/pipeline integration-pipeline migrate"],
        run=run,
    )


def run(_arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from integration_pipeline import settings
    from integration_pipeline.pipeline import endpoints
    from integration_pipeline.store import migrations
    from integration_pipeline.store.embedded import Embedded

    configured = settings.load(environ, endpoints())
    with ExitStack() as stack:
        url = configured.database_url or stack.enter_context(Embedded(configured.home))
        before, after = migrations.upgrade(url)
    if before == after:
        emit(f"the database is up to date at revision {after}")
    else:
        emit(f"the database was brought from {f'revision {before}' if before else 'nothing'} to revision {after}")
    return 0
