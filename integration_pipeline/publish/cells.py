"""Cells as the Sheets API takes them: typed, so that text is never taken for a formula or a date (CellData, ExtendedValue)."""

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

Cell = Mapping[str, Any]

WRITTEN = "userEnteredValue,userEnteredFormat.numberFormat"
"""The field mask of what these cells say: people's colours and notes stay."""

EMPTY: Cell = {}
"""Unknown: the cell is cleared. A 0 would be a claim."""

_DAY_ZERO = dt.date(1899, 12, 30)


def serial(day: dt.date) -> int:
    """A date as Sheets counts it: days since 30 December 1899 ("Date & time serial numbers")."""
    return (day - _DAY_ZERO).days


def day_of(value: object) -> dt.date | None:
    """The date that a cell's value stands for, a serial number or its ISO text; None where it is none."""
    if isinstance(value, float | int) and not isinstance(value, bool):
        is_day = 1 <= value <= serial(dt.date.max) and value == int(value)
        return _DAY_ZERO + dt.timedelta(days=int(value)) if is_day else None
    try:
        return dt.date.fromisoformat(value.strip()) if isinstance(value, str) else None
    except ValueError:
        return None


def date(day: dt.date) -> Cell:
    return _typed({"numberValue": serial(day)}, {"type": "DATE", "pattern": "yyyy-mm-dd"})


def number(value: float | None, pattern: str) -> Cell:
    if value is None or not math.isfinite(value):
        return EMPTY
    return _typed({"numberValue": value}, {"type": "NUMBER", "pattern": pattern})


def formula(text: str, pattern: str | None) -> Cell:
    return _typed({"formulaValue": text}, {"type": "NUMBER", "pattern": pattern} if pattern else None)


def text(value: str) -> Cell:
    """Text from people, ``=``, ``+`` and ``@`` at its start included."""
    return _typed({"stringValue": value}, None)


def letters(column: int) -> str:
    """A column's name: 0 is A, 26 is AA."""
    name = ""
    column += 1
    while column:
        column, place = divmod(column - 1, 26)
        name = chr(ord("A") + place) + name
    return name


def _typed(value: Mapping[str, Any], number_format: Mapping[str, str] | None) -> Cell:
    cell: dict[str, Any] = {"userEnteredValue": value}
    if number_format is not None:
        cell["userEnteredFormat"] = {"numberFormat": number_format}
    return cell
