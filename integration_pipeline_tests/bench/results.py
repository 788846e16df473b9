"""What was measured: a line for each process, single figures beside them, and both as text that is read.

Tables are Markdown, aligned, so that they read the same on a terminal and in a document.
"""

import dataclasses
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from integration_pipeline_tests.bench.meter import Cost


@dataclass(frozen=True, slots=True)
class Line:
    """One of those compared, at one thing; without a cost it was left out, and ``note`` says why."""

    case: str
    subject: str
    night: str
    users: int
    """Of each tenant."""
    tenants: int = 1
    cost: Cost | None = None
    note: str = ""


@dataclass
class Results:
    """Everything measured in one run.

    :param say: told of each figure as it comes.
    """

    say: Callable[[str], None]
    as_json: bool = False
    is_whole: bool = True
    lines: list[Line] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    """What is no figure: why something was not measured, what a fault came to."""

    def add(self, line: Line) -> None:
        self.lines.append(line)
        tenants = f"{line.tenants:,} × " if line.tenants > 1 else ""
        what = f"{tenants}{line.users:,} users, {line.night}: {line.subject}"
        cost = f"{line.cost.wall:.1f} s, CPU {line.cost.cpu:.2f} s" if line.cost else f"left out: {line.note}"
        self.say(f"{what}: {cost}")
        if self.as_json:
            values = dataclasses.asdict(line)
            if line.cost is not None:
                del values["cost"]["output"]
            print(json.dumps(values, ensure_ascii=False), flush=True)

    def figure(self, name: str, value: float) -> None:
        """A single figure, by the name that the targets know it by."""
        self.figures[name] = value
        self.say(f"{name}: {value:.3g}")
        if self.as_json:
            print(json.dumps({"figure": name, "value": value}), flush=True)

    def word(self, name: str, text: str) -> None:
        self.words[name] = text
        self.say(f"{name}: {text}")
        if self.as_json:
            print(json.dumps({"word": name, "text": text}, ensure_ascii=False), flush=True)

    def fail(self, name: str, reason: str) -> None:
        """Something could not be measured: the rest goes on, and the run says so at its end."""
        self.is_whole = False
        self.word(f"{name} failed", reason)

    def cost(self, case: str, subject: str, night: str, *, users: int, tenants: int = 1) -> Cost | None:
        """The cost that was measured of this, or None."""
        wanted = (case, subject, night, users, tenants)
        for line in self.lines:
            if (line.case, line.subject, line.night, line.users, line.tenants) == wanted and line.cost:
                return line.cost
        return None


def middle(costs: Sequence[Cost]) -> Cost:
    """Of repetitions, the median of every figure."""
    numbers = [each.name for each in dataclasses.fields(Cost) if each.type in {float, int}]
    found = {name: median(getattr(cost, name) for cost in costs) for name in numbers}
    return dataclasses.replace(costs[0], **found)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A Markdown table; a column of figures ends where they end."""
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(_width(row[column]) for row in cells) for column in range(len(header))]
    is_number = [all(_is_figure(row[column]) for row in cells[1:]) for column in range(len(header))]
    for number, row in enumerate(cells):
        padded = (
            " " * (width - _width(cell)) + cell if right else cell + " " * (width - _width(cell))
            for cell, width, right in zip(row, widths, is_number, strict=True)
        )
        yield f"| {' | '.join(padded)} |"
        if number == 0:
            rule = (
                "-" * (width - 1) + ":" if right else "-" * width
                for width, right in zip(widths, is_number, strict=True)
            )
            yield f"| {' | '.join(rule)} |"


def _is_figure(cell: str) -> bool:
    return cell in {"", "–"} or re.fullmatch(r"[\d.,]+( %)?", cell) is not None


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
