"""Standard output and standard error: results on the one, what is said about them on the other."""

import datetime as dt
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

from integration_pipeline.errors import UsageError
from integration_pipeline.text import clean, table


def emit(line: str) -> None:
    """A line of the result, at once.

    A reader that went away (``… | head``) ends the output and not the work.

    :raises UsageError: the output cannot be written for any other reason.
    """
    with _writing():
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def emit_all(lines: Iterable[str]) -> None:
    for line in lines:
        emit(line)


def json_line(values: Mapping[str, Any]) -> str:
    """A line of JSON, its keys in the order given."""
    return json.dumps(values, ensure_ascii=False, default=_plain)


def say(line: str) -> None:
    """A line about the work, on standard error. Nobody there to read it is no reason to stop."""
    with suppress(OSError):
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def say_waiting(who: str, seconds: float, reason: str) -> None:
    """That somebody waits: how long, unless nobody knows (infinite), and what for."""
    still = "" if math.isinf(seconds) else f" {seconds:.0f} s"
    say(f"{clean(who)}: waiting{still} for {clean(reason)}")


def emit_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, nothing: str, numbers: Sequence[str] = ()
) -> None:
    """A list for people.

    :param nothing: said on standard error where there is no row, with what to do about it: a header alone says neither.
    :param numbers: as of :func:`text.table`.
    """
    if rows:
        emit_all(table(header, rows, numbers=numbers))
    else:
        say(nothing)


def finish() -> None:
    """Write what was left behind by others (``--help``).

    :raises UsageError: it cannot be written.
    """
    with _writing():
        sys.stdout.flush()


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        _abandon()
    except OSError as error:
        _abandon()
        raise UsageError(f"standard output cannot be written: {error.strerror}") from error


def _abandon() -> None:
    """Let everything that is still to be printed go nowhere, quietly."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def iso(moment: dt.datetime) -> str:
    """The moment in UTC, in the one spelling the contract's consumers see: microseconds and a Z, always."""
    return f"{moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def local(moment: dt.datetime) -> str:
    """The moment as lists for people show it: by this machine's clock, to the second, with its offset from UTC."""
    return moment.astimezone().isoformat(sep=" ", timespec="seconds")


def _plain(value: object) -> str:
    if isinstance(value, dt.datetime):
        return iso(value)
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
