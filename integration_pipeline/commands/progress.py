"""What a batch shows while it runs: bars where somebody watches standard error, nothing where nobody does."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from integration_pipeline.invocation import Event, Refused
from integration_pipeline.model import Connection, Outcome, SyncType


class Display(Protocol):
    """What a batch is shown on."""

    def on_event(self, event: Event) -> None:
        """Something happened in a worker."""

    def ended(self, result: Outcome | Refused) -> None:
        """A sync, or a refused connection with all of its syncs, is done with."""

    def line(self, text: str) -> None:
        """A line of the result."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nobody watches: results only."""

    write: Callable[[str], None]

    def on_event(self, event: Event) -> None:
        pass

    def ended(self, result: Outcome | Refused) -> None:
        pass

    def line(self, text: str) -> None:
        self.write(text)


@contextmanager
def display(
    work: Sequence[tuple[Connection, Sequence[SyncType]]],
    write: Callable[[str], None],
    *,
    is_watched: bool | None = None,
) -> Iterator[Display]:
    """Show a batch while the block runs.

    :param work: the connections and the sync types due for each.
    :param write: prints a line of the result.
    :param is_watched: None = whether standard error is a terminal.
    """
    if not (sys.stderr.isatty() if is_watched is None else is_watched):
        yield Quiet(write)
        return
    from integration_pipeline.commands.bars import Bars, live  # noqa: PLC0415 - nobody pays for rich who does not watch

    with live() as progress:
        yield Bars(progress, work, write)
