"""The calculated fields, evaluated in sheets of every disorder and compared with what Python makes of the same days."""

import datetime as dt
import random
import statistics
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_pipeline import kpi
from integration_pipeline.publish import cells
from integration_pipeline.publish.changes import change
from integration_pipeline.publish.formulas import CHANGE
from integration_pipeline.publish.layout import TRACKING_SHEET, Day, layouts
from integration_pipeline.publish.sandbox import updates
from integration_pipeline.publish.sandbox.book import Book, Sheet, new_sheet
from integration_pipeline.publish.sandbox.formulas import evaluate
from integration_pipeline.store.people import Tenant

FIRST = dt.date(2026, 2, 20)
Known = Mapping[int, Mapping[str, float | None]]
"""Day, counted from FIRST → KPIs."""

percents = st.none() | st.integers(0, 100).map(float)
months = st.dictionaries(
    st.integers(0, 20),
    st.fixed_dictionaries(
        {
            "overall_progress": percents,
            "team_satisfaction": st.none() | st.integers(0, 50).map(lambda tenths: tenths / 10),
            "blockers_count": st.none() | st.integers(0, 6).map(float),
        }
    ),
    min_size=1,
)


def sheet_of(known: Known, *, seed: int | None = None, locale: str = "en") -> Sheet:
    """The sheet after the days were published; shuffled where there is a seed."""
    tracking, _ = layouts(Tenant("tenant-a", "A", "Asia/Tokyo", locale))
    book = Book("id", "title", "owner", sheets=[new_sheet(0, "Sheet1")])
    order = sorted(known)
    days = [Day(FIRST + dt.timedelta(days=number), known[number]) for number in order]
    updates.apply(book, list(change(tracking, None, frozenset(), days).requests))
    sheet = book.sheet("KPI Tracking")
    if seed is not None:
        _shuffle(book, sheet, len(days), seed)
    return book.sheet("KPI Tracking")


def _shuffle(book: Book, sheet: Sheet, days: int, seed: int) -> None:
    """Rows in any order (sorted by numbers written beside them), a blank row and a column between."""
    rng = random.Random(seed)  # noqa: S311 - any order will do
    width = sheet.size[1] - 1
    for row in range(1, days + 1):
        sheet.put(row, width, {"userEnteredValue": {"numberValue": rng.random()}})
    block = {"sheetId": TRACKING_SHEET, "startRowIndex": 1, "endRowIndex": days + 1}
    between = {"sheetId": TRACKING_SHEET, "dimension": "ROWS", "startIndex": 2, "endIndex": 3}
    beside = {"sheetId": TRACKING_SHEET, "dimension": "COLUMNS", "startIndex": 1, "endIndex": 2}
    updates.apply(
        book,
        [
            {"sortRange": {"range": block, "sortSpecs": [{"dimensionIndex": width}]}},
            {"insertDimension": {"range": between}},
            {"insertDimension": {"range": beside}},
        ],
    )


def shown(sheet: Sheet, title: str) -> dict[int, object]:
    """Day → what the sheet has under a title."""
    titles = {sheet.value(0, column): column for column in range(sheet.size[1])}
    found: dict[int, object] = {}
    for row in range(1, sheet.used_rows):
        day = cells.day_of(sheet.value(row, titles["Date"]))
        if day is not None:
            found[(day - FIRST).days] = sheet.value(row, titles[title])
    return found


def week(known: Known, day: int, key: str) -> dict[int, float]:
    found = {at: known[at].get(key) for at in range(day - 6, day + 1) if at in known}
    return {at: value for at, value in found.items() if value is not None}


@given(months, st.none() | st.integers(0, 1000))
def test_averages_and_trend_are_over_the_seven_days_to_the_rows_own(known: Known, seed: int | None) -> None:
    sheet = sheet_of(known, seed=seed)
    trends, averages = shown(sheet, "Trend"), shown(sheet, "7-Day Average")
    satisfactions = shown(sheet, "Average Satisfaction")
    for day in known:
        progress, satisfaction = week(known, day, "overall_progress"), week(known, day, "team_satisfaction")
        assert averages[day] == (pytest.approx(statistics.mean(progress.values())) if progress else "")
        assert satisfactions[day] == (pytest.approx(statistics.mean(satisfaction.values())) if satisfaction else "")
        if len(progress) < 2:
            assert trends[day] == ""
        else:
            slope = statistics.linear_regression(list(progress), list(progress.values())).slope
            assert trends[day] == pytest.approx(slope, abs=1e-9)


@given(months, st.none() | st.integers(0, 1000))
def test_the_change_is_against_the_day_before_and_not_the_row_above(known: Known, seed: int | None) -> None:
    sheet = sheet_of(known, seed=seed)
    changes, arrows, goals = shown(sheet, CHANGE), shown(sheet, "Trend Arrow"), shown(sheet, "Goal Reached")
    for day, values in known.items():
        today = values["overall_progress"]
        yesterday = known.get(day - 1, {}).get("overall_progress")
        assert goals[day] == ("" if today is None else "✅" if today >= 80 else "⚠️")
        if today is None or yesterday is None:
            assert (changes[day], arrows[day]) == ("", "")
        else:
            wanted = today - yesterday
            assert changes[day] == pytest.approx(wanted)
            assert arrows[day] == ("📈" if wanted > 0 else "📉" if wanted < 0 else "➡️")


@given(months, st.sampled_from(["en", "ja"]))
def test_the_alert_says_what_is_not_well_and_nothing_of_what_is_unknown(known: Known, locale: str) -> None:
    alerts = shown(sheet_of(known, locale=locale), "Alert")
    for day, values in known.items():
        watched = {key: values[key] for key in kpi.THRESHOLDS if key in values}
        numbers = {key: value for key, value in watched.items() if value is not None}
        missed = [key for key, value in numbers.items() if not kpi.THRESHOLDS[key].is_met(value)]
        said = " / ".join(kpi.THRESHOLDS[key].alert_in(locale) for key in missed)
        assert alerts[day] == (said or kpi.all_well_in(locale) if numbers else "")


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("=1+2*3-4/2", 5),
        ("=-(2+3)", -5),
        ('="a"&1&TRUE', "a1TRUE"),
        ('="b">5', True),  # text is more than any number
        ("=Z1=0", True),
        ('=Z1=""', True),
        ("=A1<>2", True),
        ("=1/0", "#DIV/0!"),
        ('=IFERROR(1/0,"x")', "x"),
        ("=IFERROR(5,1/0)", 5),
        ("=IF(A1=1,2,1/0)", 2),
        ("=IF(1/0,1,2)", "#DIV/0!"),
        ("=IF(FALSE,1)", False),
        ("=AND(A1=1,ISNUMBER(B1))", False),
        ("=OR(A1=2,NOT(FALSE))", True),
        ("=COUNT(A1:C2,7)", 4),
        ("=SUM(A:A)+MAX(A:A)+MIN(A:A)+AVERAGE(A:A)", 3 + 2 + 1 + 1.5),
        ('=AVERAGEIFS(A:A,A:A,">1")', 2),
        ('=AVERAGEIFS(A:A,B:B,"two")', 2),
        ('=AVERAGEIFS(A:A,A:A,">9")', "#DIV/0!"),
        ("=SUM(FILTER(A:A,A:A>1))", 2),
        ("=FILTER(A:A,A:A>5)", "#N/A"),
        ("=SLOPE(A1:A1,A1:A1)", "#DIV/0!"),
        ('=TEXTJOIN("-",TRUE,"a","","b")', "a-b"),
        ('=TEXTJOIN("-",FALSE,"a","","b")', "a--b"),
        ('="a"+1', "#VALUE!"),
        ("=C1+1", "#VALUE!"),
        ("=D1", "#N/A"),
        ("=#REF!+1", "#REF!"),
        ("=NOSUCH(1)", "#NAME?"),
        ("=1+", "#ERROR!"),
        ("=(1", "#ERROR!"),
        ("=1 2", "#ERROR!"),
        ("=?", "#ERROR!"),
        ("=Z9", 0),
    ],
)
def test_the_evaluator_counts_as_sheets_does(formula: str, value: object) -> None:
    grid: dict[tuple[int, int], float | str | bool] = {
        (0, 0): 1.0, (1, 0): 2.0, (0, 1): "one", (1, 1): "two", (0, 2): "text", (1, 2): 3.0, (0, 3): "#N/A",
    }  # fmt: skip
    assert evaluate(formula, lambda row, column: grid.get((row, column)), 2) == value
