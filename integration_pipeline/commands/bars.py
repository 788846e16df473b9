"""A batch on the terminal: a bar for the whole, and a line for each connection under way.

Events come from the batch's worker threads; rich's display is safe for them.
"""

import math
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID
from rich.text import Text

from integration_pipeline.invocation import Event, Read, Refused, Started, Waiting
from integration_pipeline.model import Connection, Outcome, SyncType
from integration_pipeline.text import clean

LINES = 12
"""How many connections are shown at a time; a batch may have hundreds under way."""

PER_SECOND = 5


def live(console: Console | None = None) -> Progress:
    """The display, gone when it ends: what stays are the results.

    :param console: None = standard error.
    """
    columns = (SpinnerColumn(), _What(), _HowFar(), BarColumn(20), MofNCompleteColumn())
    return Progress(
        *columns,
        console=console or Console(stderr=True),
        refresh_per_second=PER_SECOND,
        transient=True,
        redirect_stdout=False,  # it would send the results to standard error
    )


@dataclass(slots=True)
class _Line:
    """One connection under way: its bar counts its sync types."""

    task: TaskID
    left: int


@dataclass(slots=True)
class Bars:
    """The batch as a whole on the first line, and the connections that are under way below it."""

    progress: Progress
    work: Sequence[tuple[Connection, Sequence[SyncType]]]
    write: Callable[[str], None]
    _types: dict[str, int] = field(init=False)
    _lines: dict[str, _Line] = field(default_factory=dict)
    _whole: TaskID = field(init=False)
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._types = {str(connection): len(types) for connection, types in self.work}
        self._whole = self.progress.add_task("all", total=sum(self._types.values()), what="syncs", how_far="")

    def on_event(self, event: Event) -> None:
        name = str(event.connection)
        with self._mutex:
            line = self._lines.get(name)
            if line is None:
                line = self._lines[name] = self._begun(name)
            match event:
                case Started(_, sync_type):
                    self.progress.update(line.task, what=f"{name} {sync_type.lower()}", how_far="", until=None)
                case Read(_, _, rows):
                    self.progress.update(line.task, how_far=f"{rows:,} read", until=None)
                case Waiting(_, seconds, reason):
                    self.progress.update(line.task, until=time.monotonic() + seconds, reason=reason)

    def ended(self, result: Outcome | Refused) -> None:
        name = f"{result.tenant_id} {result.system}"
        steps = self._types.get(name, 0) if isinstance(result, Refused) else 1
        self.progress.advance(self._whole, steps)
        # A worker may tell more of a line that ends here: its types may have changed since the batch was drawn.
        with self._mutex:
            line = self._lines.get(name)
            if line is None:
                return
            line.left -= steps
            self.progress.advance(line.task, steps)
            if line.left > 0:
                return
            self.progress.remove_task(line.task)
            del self._lines[name]
            for other in list(self._lines.values())[:LINES]:
                self.progress.update(other.task, visible=True)

    def line(self, text: str) -> None:
        if sys.stdout.isatty():
            # On the terminal that shows the bars, only they know where a line can go.
            self.progress.console.print(Text(text), soft_wrap=True)
        else:
            self.write(text)

    def _begun(self, name: str) -> _Line:
        types = self._types.get(name, 1)
        is_visible = len(self._lines) < LINES
        task = self.progress.add_task(name, total=types, visible=is_visible, what=name, how_far="")
        return _Line(task, types)


class _What(ProgressColumn):
    """Which connection and type."""

    def render(self, task: Task) -> Text:
        return Text(clean(str(task.fields["what"])), no_wrap=True, overflow="ellipsis")


class _HowFar(ProgressColumn):
    """How many rows were read, or what it waits for and how long still."""

    def render(self, task: Task) -> Text:
        until = task.fields.get("until")
        seconds = 0.0 if until is None else until - time.monotonic()
        if seconds <= 0:
            return Text(str(task.fields["how_far"]), justify="right")
        # On a narrow terminal the end is cut off: how long stands first.
        still = "" if math.isinf(seconds) else f" {math.ceil(seconds)} s"
        told = f"waiting{still} for {clean(str(task.fields['reason']))}"
        return Text(told, style="yellow", no_wrap=True, overflow="ellipsis")
