"""``sandbox``: the imitated providers, served until Ctrl-C."""

# ruff: noqa: PLC0415 - starting must be cheap: a command imports what it needs when it runs

import argparse
import signal
from collections.abc import Mapping
from pathlib import Path

from integration_pipeline.commands.output import emit, say
from integration_pipeline.commands.parsing import Commands, whole_number

_ABOUT = """\
Imitates Microsoft Graph, Slack, LINE WORKS and Google Sheets on 127.0.0.1, their limits and faults included, so that a
configuration can be rehearsed offline. Prints the variables that point the pipeline there, and works until Ctrl-C.
Every port also serves the world's import files: /tenants.csv, /users.csv, /connections.json and /spreadsheets.json."""


def register(commands: Commands) -> None:
    parser = commands.add(
        "sandbox",
        summary="serve imitated providers, to rehearse with",
        about=_ABOUT,
        examples=[
            "integration-pipeline sandbox --port 8900 --write-files rehearsal > rehearsal.env &",
            "integration-pipeline sandbox --world world.json",
        ],
        run=run,
    )
    parser.add_argument(
        "--port", type=whole_number(least=0, most=65535), default=0, metavar="N", help="the port (default: any)"
    )
    parser.add_argument("--world", metavar="FILE", help="what to imitate (default: the demo's four companies)")
    parser.add_argument("--write-files", metavar="DIR", help="write the world's import files there")


def run(arguments: argparse.Namespace, _environ: Mapping[str, str]) -> int:
    from integration_pipeline.commands.worlds import write_files
    from integration_pipeline.sandbox.server import Sandbox
    from integration_pipeline.sandbox.world import demo, load

    world = load(Path(arguments.world)) if arguments.world else demo()
    with Sandbox(world, port=arguments.port) as sandbox:
        for name, value in sandbox.environment.items():
            emit(f"export {name}={value}")
        say(f"the sandbox answers on {sandbox.url} and lists its routes there; Ctrl-C ends it")
        if arguments.write_files:
            write_files(world, Path(arguments.write_files))
            say(f"its tenants.csv, users.csv, connections.json and spreadsheets.json are in {arguments.write_files}")
        try:
            while True:
                signal.pause()
        except KeyboardInterrupt:
            # The way it is meant to end.
            return 0
