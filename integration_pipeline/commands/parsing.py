"""The command line's grammar: what every command's parser has in common, and the types of their arguments."""

import argparse
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn, TypeVar

from integration_pipeline import registry
from integration_pipeline.errors import UsageError
from integration_pipeline.model import SyncType, System
from integration_pipeline.text import clean

PROGRAM = "integration-pipeline"
ALL = "all"

EXIT_CODES = """\
exit codes:
  0  all is well
  1  something synced FAILED or PARTIAL, was refused, or the command was interrupted
  2  wrong usage or configuration; one line on standard error says what"""

Run = Callable[[argparse.Namespace, Mapping[str, str]], int]
"""A command: its arguments and the environment in, the exit code out."""

T = TypeVar("T")


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line, and leaves printing it to the edge."""

    def __init__(self, **options: object) -> None:
        super().__init__(
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **options,  # type: ignore[arg-type]  # argparse's own defaults stand for what is not given
        )

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{clean(message)}; see '{self.prog} --help'")


class Commands:
    """The commands under one parser."""

    def __init__(self, parser: Parser) -> None:
        self._parsers = parser.add_subparsers(
            title="commands", metavar="COMMAND", required=True, dest=f"command of {parser.prog}", parser_class=Parser
        )

    def add(self, name: str, *, summary: str, run: Run, about: str = "", examples: Sequence[str] = ()) -> Parser:
        """A command.

        :param summary: its line in the list of commands.
        :param about: what its own ``--help`` says beyond that.
        :param examples: command lines to learn from, each under a comment or on its own.
        """
        parser = self._parser(name, summary=summary, about=about, examples=examples)
        parser.set_defaults(run=run, parser=parser)
        return parser

    def group(self, name: str, *, summary: str, about: str = "", examples: Sequence[str] = ()) -> "Commands":
        """A command that has commands of its own."""
        return Commands(self._parser(name, summary=summary, about=about, examples=examples))

    def _parser(self, name: str, *, summary: str, about: str, examples: Sequence[str]) -> Parser:
        shown = "\n".join(f"  {example}" for example in examples)
        parser: Parser = self._parsers.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.\n\n{about}".strip(),
            epilog=f"examples:\n{shown}\n\n{EXIT_CODES}" if examples else EXIT_CODES,
        )
        add_verbose(parser)
        return parser


def add_verbose(parser: argparse.ArgumentParser) -> None:
    """``-v`` may stand before or after the command's name."""
    parser.add_argument(
        "-v", "--verbose", action="store_true", default=argparse.SUPPRESS, help="say more on standard error"
    )


def add_system(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """``--system-type``, of the registry's systems; ``all`` where none has to be named."""
    names = [*registry.FOLDERS, *([] if required else [ALL])]
    parser.add_argument(
        "--system-type",
        type=one_of({name.lower(): None if name == ALL else System(name) for name in names}, names=names),
        required=required,
        default=None,
        metavar="{" + ",".join(names) + "}",
        help="the system to work on" if required else f"the systems to work on (default: {ALL})",
    )


def add_sync_type(parser: argparse.ArgumentParser) -> None:
    names = [*(sync_type.lower() for sync_type in SyncType), ALL]
    parser.add_argument(
        "--sync-type",
        type=one_of({name: None if name == ALL else SyncType(name.upper()) for name in names}, names=names),
        default=None,
        metavar="{" + ",".join(names) + "}",
        help=f"what to keep in step (default: {ALL})",
    )


def add_output(parser: argparse.ArgumentParser, *formats: str) -> None:
    """``--output``; the first format is the default."""
    parser.add_argument(
        "--output",
        type=one_of({name: name for name in formats}),
        default=formats[0],
        metavar="{" + ",".join(formats) + "}",
        help=f"how results are printed on standard output (default: {formats[0]})",
    )


def one_of(values: Mapping[str, T], *, names: Sequence[str] = ()) -> Callable[[str], T]:
    """An argument that is one of a few words, in either case.

    :param names: the words as people see them, where that differs from the mapping's keys.
    """

    def read(text: str) -> T:
        try:
            return values[text.lower()]
        except KeyError:
            choices = ", ".join(names or values)
            raise argparse.ArgumentTypeError(f"{text!r} is none of {choices}") from None

    return read


def whole_number(*, least: int, most: int = 10**9) -> Callable[[str], int]:
    """An argument that is a number within bounds."""

    def read(text: str) -> int:
        # int() alone would take underscores, signs, and digits of any script.
        if text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} to {most}")

    return read


def identifier(text: str) -> str:
    """An argument that names something stored: not empty, and text that a database can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"{text!r} is not UTF-8") from None
    if not text:
        raise argparse.ArgumentTypeError("it is empty")
    return text


def day(text: str) -> dt.date:
    """An argument that is a day."""
    try:
        return dt.datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no time zone
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day like 2026-11-21") from None
