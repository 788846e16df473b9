"""Cells: dates as Sheets counts them, text that stays text, what is unknown stays empty."""

import datetime as dt
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_pipeline.publish import cells
from integration_pipeline.publish.sandbox import a1


def test_dates_are_serial_numbers() -> None:
    assert cells.serial(dt.date(2020, 1, 1)) == 43831
    assert cells.serial(dt.date(2025, 8, 11)) == 45880


@given(st.dates())
def test_a_date_is_found_again(day: dt.date) -> None:
    if cells.serial(day) >= 1:  # there is no day in Sheets before 31 December 1899
        assert cells.day_of(cells.serial(day)) == day
        assert cells.day_of(float(cells.serial(day))) == day
    assert cells.day_of(f" {day.isoformat()} ") == day


@pytest.mark.parametrize(
    "value", [45880.5, 0, -1, 1e300, math.inf, math.nan, True, "", "Date", "2025-02-30", None, "#REF!"]
)
def test_anything_else_is_no_date(value: object) -> None:
    assert cells.day_of(value) is None


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_is_unknown_is_an_empty_cell(value: float | None) -> None:
    assert cells.number(value, "0.0") == {}
    assert cells.number(0, "0.0")["userEnteredValue"] == {"numberValue": 0}


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@x", "\t=1", "'", ""])
def test_text_is_text(value: str) -> None:
    assert cells.text(value) == {"userEnteredValue": {"stringValue": value}}


@given(st.integers(0, 18_277))
def test_columns_have_the_names_that_people_see(number: int) -> None:
    assert a1.number(cells.letters(number)) == number
    assert cells.letters(number) == a1.letters(number)


def test_columns_go_on_after_z() -> None:
    assert [cells.letters(number) for number in (0, 25, 26, 51, 52, 701, 702)] == [
        "A",
        "Z",
        "AA",
        "AZ",
        "BA",
        "ZZ",
        "AAA",
    ]
