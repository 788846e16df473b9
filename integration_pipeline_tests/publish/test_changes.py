"""Requests: of Google's schemas, the same again from what they left, and only where a person may expect them."""

import datetime as dt
import itertools
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from integration_pipeline.publish import cells, placement, seen
from integration_pipeline.publish.changes import change
from integration_pipeline.publish.layout import Day, Layout, layouts
from integration_pipeline.publish.placement import Head
from integration_pipeline.publish.sandbox import answers, masks, updates
from integration_pipeline.publish.sandbox.book import Book, new_sheet
from integration_pipeline.publish.seen import SeenSheet
from integration_pipeline.store.people import Tenant
from integration_pipeline_tests.publish.schemas import problems

TENANT = Tenant("tenant-a", "=Tenant", "Asia/Tokyo", "ja")
TRACKING, INTEGRATION = layouts(TENANT)
FIRST = dt.date(2026, 1, 1)


def days(*numbers: int) -> list[Day]:
    return [Day(FIRST + dt.timedelta(days=number), {"overall_progress": float(number)}) for number in numbers]


def book() -> Book:
    return Book("id", "title", "owner", sheets=[new_sheet(0, "Sheet1")])


def look(found: Book, layout: Layout) -> SeenSheet | None:
    if not found.find(layout.sheet_id):
        return None
    sheet = found.find(layout.sheet_id)
    assert sheet is not None
    answer = answers.spreadsheet(found, seen.ranges(sheet.title), masks.parse(seen.FIELDS), with_data=True)
    return seen.read(answer).sheets[layout.sheet_id]


def publish(found: Book, layout: Layout, *numbers: int) -> Sequence[Any]:
    charts = frozenset(chart["chartId"] for sheet in found.sheets for chart in sheet.charts)
    requests = list(change(layout, look(found, layout), charts, days(*numbers)).requests)
    updates.apply(found, requests)
    return requests


def test_all_requests_are_of_googles_schemas() -> None:
    found = book()
    for layout in (TRACKING, INTEGRATION):
        for numbers in ([3], [1, 3, 5], list(range(500))):
            body = {"requests": publish(found, layout, *numbers)}
            assert problems(body, "BatchUpdateSpreadsheetRequest") == []
    kinds = {kind for request in publish(book(), TRACKING, 1) for kind in request}
    assert kinds == {"addSheet", "updateCells", "addConditionalFormatRule", "addChart"}


def test_a_day_more_is_one_block_of_cells() -> None:
    found = book()
    publish(found, TRACKING, 1)
    (request,) = publish(found, TRACKING, 2)
    assert request["updateCells"]["start"] == {"sheetId": TRACKING.sheet_id, "rowIndex": 2, "columnIndex": 0}
    assert len(request["updateCells"]["rows"]) == 1


numbers = st.lists(st.integers(0, 25), min_size=1, max_size=8)


@given(st.lists(numbers, min_size=1, max_size=5))
def test_however_it_is_published_every_day_has_one_row_and_they_are_in_order(nights: list[list[int]]) -> None:
    found = book()
    for night in nights:
        publish(found, TRACKING, *night)
    wanted = sorted({number for night in nights for number in night})
    table = found.table(TRACKING.title)
    assert [row[0] for row in table[1:]] == [str(FIRST + dt.timedelta(days=number)) for number in wanted]
    assert [row[1] for row in table[1:]] == [f"{number:.1f}%" for number in wanted]
    at_once = book()
    publish(at_once, TRACKING, *wanted)
    assert [sheet.cells for sheet in found.sheets] == [sheet.cells for sheet in at_once.sheets]


@given(st.lists(st.integers(0, 12), min_size=1, unique=True), st.lists(st.none() | st.integers(0, 12), max_size=12))
def test_whatever_rows_there_are_each_wanted_day_gets_one_and_none_is_lost(
    wanted: list[int], rows: list[int | None]
) -> None:
    found = book()
    publish(found, TRACKING)
    sheet = found.sheet(TRACKING.title)
    for row, number in enumerate(rows, start=1):
        if number is not None:
            sheet.type_in(row, 0, cells.serial(FIRST) + number)
    publish(found, TRACKING, *wanted)
    sheet = found.sheet(TRACKING.title)
    dated = [cells.day_of(sheet.value(row, 0)) for row in range(1, sheet.used_rows)]
    there = [number for number in rows if number is not None]
    for number in range(13):
        count = dated.count(FIRST + dt.timedelta(days=number))
        assert count == max(there.count(number), 1 if number in wanted else 0)


@given(st.sets(st.integers(0, 30)))
def test_runs_are_the_stretches_without_a_gap(found: set[int]) -> None:
    runs = list(placement.runs(found))
    assert {number for run in runs for number in run} == found
    assert all(later.start > earlier.stop for earlier, later in itertools.pairwise(runs))


def head_of(*rows: list[str]) -> Head:
    found = {(row, column): text for row, line in enumerate(rows) for column, text in enumerate(line) if text}
    return placement.head(TRACKING, SeenSheet("KPI Tracking", 100, 26, found, ()))


def test_the_header_is_found_below_a_title_and_missing_columns_are_made_at_the_right() -> None:
    head = head_of(["KPIs of the year", "", "", "a", "b"], [], ["", " Date ", "Alert", "Date"])
    assert (head.row, head.columns["Date"], head.columns["Alert"]) == (2, 1, 2)
    assert head.missing[0] == "Overall Progress"
    assert head.columns["Overall Progress"] == 5


def test_an_empty_sheet_gets_its_header_at_the_top() -> None:
    head = head_of()
    assert (head.row, list(head.columns.values())) == (0, list(range(len(TRACKING.fields))))
    assert len(head.missing) == len(TRACKING.fields)


def test_titles_of_the_columns_are_each_others_own() -> None:
    for layout in (TRACKING, INTEGRATION):
        titles = [field.title for field in layout.fields]
        assert len(set(titles)) == len(titles)
        assert set(layout.charted) <= set(titles)
        assert layout.charted
