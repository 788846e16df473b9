"""The command ``integration-pipeline``: arguments → a command → an exit code, and every error as one line.

Starting must be cheap (``--help`` answers at once), so nothing is imported here that a command may not need.
"""

import argparse
import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import NoReturn

from integration_pipeline.commands import (
    connections,
    demo,
    dev,
    history,
    holds,
    keys,
    kpis,
    logs,
    mappings,
    migrate,
    notices,
    output,
    publish,
    report,
    sandbox,
    spreadsheets,
    sync,
    tenants,
    users,
)
from integration_pipeline.commands.parsing import EXIT_CODES, PROGRAM, Commands, Parser, add_verbose
from integration_pipeline.errors import UsageError
from integration_pipeline.text import clean

OK, FAILED, WRONG = 0, 1, 2

ORDERLY_SECONDS = 2.5
"""How long an ordered end may take after a signal: the promise is three seconds."""

_COMMANDS = (
    *(sync, report, publish),
    *(tenants, users, connections, spreadsheets, mappings, holds, notices, history, kpis),
    *(keys, migrate, demo, dev, sandbox),
)
"""In the order in which ``--help`` lists them."""

_DESCRIPTION = """\
Keeps every tenant's Microsoft Teams, Slack and LINE WORKS directories in step with a company's own users."""

_EPILOG = f"""\
first steps:
  integration-pipeline demo                            see a whole morning on a sandbox, with nothing configured
  integration-pipeline tenants import tenants.csv      then: users import, connections import
  integration-pipeline connections test --tenant-id tenant-123 --system-type SLACK
  integration-pipeline sync --dry-run                  what would change
  integration-pipeline sync                            the batch
  integration-pipeline report                          what it came to

The environment names the database and the keys; without INTEGRATION_PIPELINE_DATABASE_URL, a PostgreSQL
of its own is started in .integration-pipeline/ (INTEGRATION_PIPELINE_HOME).

{EXIT_CODES}"""


class Signalled(KeyboardInterrupt):
    """The process was told to end. It is no Exception: nothing on the way may take it for an error it can handle."""


def main() -> int:
    """The process's own entry: arguments and environment of the process, its signals, its exit code."""
    _prepare_outputs()
    with _signals():
        try:
            code = run(sys.argv[1:], os.environ)
        except KeyboardInterrupt as interruption:
            _tell(str(interruption) or "interrupted")
            _leave()
    return code


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """A command, without the process around it.

    :returns: the exit code of the contract.
    """
    try:
        arguments = _parsed(argv)
        if arguments is None:
            code = OK
        else:
            with logs.written(is_verbose=getattr(arguments, "verbose", False)):
                code = arguments.run(arguments, environ)
        output.finish()
    except UsageError as error:
        _tell(f"{error}{f' ({error.remedy})' if error.remedy else ''}")
        return WRONG
    except Exception as error:
        if not _is_database_lost(error):
            raise
        _tell(f"the database was lost: {error}")
        return WRONG
    assert isinstance(code, int)  # noqa: S101 - argparse's Namespace knows no types
    return code


def parser() -> Parser:
    """The whole grammar."""
    whole = Parser(prog=PROGRAM, description=_DESCRIPTION, epilog=_EPILOG)
    add_verbose(whole)
    listed = Commands(whole)
    for command in _COMMANDS:
        command.register(listed)
    return whole


def _parsed(argv: Sequence[str]) -> argparse.Namespace | None:
    """The arguments; None after ``--help``, which answered."""
    try:
        arguments, unknown = parser().parse_known_args(argv)
    except SystemExit:
        return None
    if unknown:
        arguments.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return arguments


def _is_database_lost(error: Exception) -> bool:
    """Whether it is psycopg's word for a database that went away; nothing is imported to find out."""
    psycopg = sys.modules.get("psycopg")
    return psycopg is not None and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)


def _tell(message: str) -> None:
    output.say(f"{PROGRAM}: {clean(' '.join(message.split()))}")


def _prepare_outputs() -> None:
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            # Closed by whoever started us. Its number must not become a database's socket.
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115 - as long as the process
        elif isinstance(stream := getattr(sys, name), io.TextIOWrapper):
            # A terminal in another encoding shows an escape for what it lacks, and the work goes on.
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the work in order; a second one, or an order that takes too long, ends it at once."""

    def end(number: int, _frame: FrameType | None) -> None:
        for again in (signal.SIGINT, signal.SIGTERM):
            signal.signal(again, lambda *_: os._exit(FAILED))
        last_word = threading.Timer(ORDERLY_SECONDS, os._exit, (FAILED,))
        last_word.daemon = True
        last_word.start()
        raise Signalled(f"stopped by {signal.Signals(number).name}")

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave() -> NoReturn:
    """End without waiting for threads that hang in a read; what had to be closed is closed."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(FAILED)
