"""``dev``: Dagster's UI, on the real tenants or, where there are none, on the demo's."""

# ruff: noqa: PLC0415 - starting must be cheap: a command imports what it needs when it runs

import argparse
from collections.abc import Mapping

from integration_pipeline.commands.parsing import Commands, whole_number

_ABOUT = """\
Starts Dagster's webserver and daemon on 127.0.0.1, and what they need. Where no database is named and the embedded one
has no tenants, the demo's four companies and the sandbox stand in, in .integration-pipeline/demo. Ctrl-C ends all of
it."""


def register(commands: Commands) -> None:
    parser = commands.add(
        "dev",
        summary="open the Dagster UI",
        about=_ABOUT,
        examples=["integration-pipeline dev --port 3000"],
        run=run,
    )
    parser.add_argument(
        "--port",
        type=whole_number(least=1, most=65535),
        default=3000,
        metavar="N",
        help="the UI's port (default: 3000)",
    )


def run(arguments: argparse.Namespace, environ: Mapping[str, str]) -> int:
    from integration_pipeline.commands.ui import serve

    return serve(environ, port=arguments.port)
