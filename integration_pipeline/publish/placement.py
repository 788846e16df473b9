"""Where in a sheet things are, and where new ones go: the header, its columns, a row for every day. Pure.

A day that is there keeps its row, wherever people put it. A new one goes below the last; where the days stand in order and
it belongs between them (a backfill), rows are put in for it.
"""

import datetime as dt
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from integration_pipeline.errors import Misplaced
from integration_pipeline.publish import cells
from integration_pipeline.publish.formulas import DATE
from integration_pipeline.publish.layout import Layout
from integration_pipeline.publish.seen import HEAD_ROWS, SeenSheet


@dataclass(frozen=True, slots=True)
class Head:
    """A sheet's header.

    :param columns: title → column, those that are there and those to be made.
    :param missing: the titles to be made.
    """

    row: int
    columns: Mapping[str, int]
    missing: Sequence[str]


class Gap(NamedTuple):
    """Rows to put in, from ``start`` on, once all gaps above it are there."""

    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Where the days go.

    :param duplicates: days with more than one row, and all of their rows; the first one is written.
    """

    by_day: Mapping[dt.date, int]
    gaps: Sequence[Gap]
    duplicates: Mapping[dt.date, Sequence[int]]


def head(layout: Layout, sheet: SeenSheet) -> Head:
    """Find the header: the row with the date's title in one of the first rows; a sheet without anything gets one.

    :raises Misplaced: the sheet has content and no header: a number might come under a wrong title.
    """
    titles = [field.title for field in layout.fields]
    row = _header_row(sheet)
    if row is None and sheet.cells:
        raise Misplaced(
            f'the sheet "{sheet.title}" has no cell "{DATE}" in its first {HEAD_ROWS} rows',
            remedy="Put the header row back as it was (the spreadsheet's version history shows it), or delete the sheet: "
            "it is then made anew.",
        )
    found: dict[str, int] = {}
    for column in sorted(column for at, column in sheet.cells if at == row):
        found.setdefault(str(sheet.cells[row or 0, column]).strip(), column)
    missing = [title for title in titles if title not in found]
    width = max((column + 1 for at, column in sheet.cells if at < HEAD_ROWS), default=0)
    made = {title: width + position for position, title in enumerate(missing)}
    return Head(row or 0, {title: found.get(title, made.get(title, 0)) for title in titles}, missing)


def _header_row(sheet: SeenSheet) -> int | None:
    rows = [row for (row, _), value in sheet.cells.items() if row < HEAD_ROWS and _is_date_title(value)]
    return min(rows, default=None)


def _is_date_title(value: object) -> bool:
    return isinstance(value, str) and value.strip() == DATE


def rows(sheet: SeenSheet, header: Head, days: Iterable[dt.date]) -> Rows:
    """A row for every day."""
    column = header.columns[DATE]
    used = sorted(row for row, at in sheet.cells if at == column and row > header.row)
    dated = [(row, day) for row in used if (day := cells.day_of(sheet.cells[row, column])) is not None]
    there: dict[dt.date, list[int]] = {}
    for row, day in dated:
        there.setdefault(day, []).append(row)
    wanted = sorted(set(days))
    new = [day for day in wanted if day not in there]
    between = _between(dated, new)
    by_day: dict[dt.date, int] = {}
    gaps: list[Gap] = []
    for row in sorted(between):
        start = row + sum(gap.length for gap in gaps)
        gaps.append(Gap(start, len(between[row])))
        by_day |= {day: start + position for position, day in enumerate(between[row])}
    for day in wanted:
        if day in there:
            row = there[day][0]
            by_day[day] = row + sum(len(put_in) for before, put_in in between.items() if before <= row)
    below = max(used, default=header.row) + 1 + sum(gap.length for gap in gaps)
    by_day |= {day: below + position for position, day in enumerate(day for day in new if day not in by_day)}
    return Rows(by_day, gaps, {day: found for day, found in there.items() if len(found) > 1})


def _between(dated: Sequence[tuple[int, dt.date]], new: Sequence[dt.date]) -> dict[int, list[dt.date]]:
    """Row → the new days to put in before it. None where people have another order than ours."""
    if any(later <= earlier for (_, earlier), (_, later) in itertools.pairwise(dated)):
        return {}
    found: dict[int, list[dt.date]] = {}
    for day in new:
        following = next((row for row, there in dated if there > day), None)
        if following is not None:
            found.setdefault(following, []).append(day)
    return found


def runs(numbers: Iterable[int]) -> Iterator[range]:
    """The stretches without a gap."""
    start: int | None = None
    before = -1
    for number in sorted(numbers):
        if start is not None and number != before + 1:
            yield range(start, before + 1)
            start = None
        start = number if start is None else start
        before = number
    if start is not None:
        yield range(start, before + 1)
