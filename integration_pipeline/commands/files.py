"""The files that imports read. What is wrong with one is said inside :func:`named`, which says of which."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from integration_pipeline.errors import UsageError

STANDARD_INPUT = "-"


def lines(path: str) -> list[bytes]:
    """A file's lines, undecoded.

    :raises UsageError: it cannot be read.
    """
    return read(path).splitlines(keepends=True)


def read(path: str) -> bytes:
    """A file whole; ``-`` is standard input.

    :raises UsageError: it cannot be read.
    """
    try:
        if path == STANDARD_INPUT:
            return sys.stdin.buffer.read()
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib would read "" as the current folder
            return file.read()
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError("is no path") from error


def name(path: str) -> str:
    """What a file is called in a message."""
    return "standard input" if path == STANDARD_INPUT else path or "a file without a name"


@contextmanager
def named(path: str) -> Iterator[None]:
    """Say of which file an error within speaks."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{name(path)}: {error}", remedy=error.remedy) from error
