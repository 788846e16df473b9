"""The calculated fields of "KPI Tracking" (requirement B2), as formulas that every row brings along.

They look at whole columns and at dates, never at neighbouring rows: sorting, gaps and rows put in between change nothing
about what they say. Each says it as of its own row's day, so that no spreadsheet's time zone has a part in it.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from integration_pipeline import kpi
from integration_pipeline.publish.cells import letters

DATE = "Date"

_TITLES: Mapping[str, str] = {column.key: column.title for column in kpi.TRACKING}
_GOAL = _TITLES[kpi.GOAL]
_SATISFACTION = _TITLES["team_satisfaction"]


class Place(NamedTuple):
    """Where a row and its fields are in the sheet."""

    row: int
    """From 0."""
    columns: Mapping[str, int]
    """By title."""

    def cell(self, title: str) -> str:
        return f"${letters(self.columns[title])}{self.row + 1}"

    def column(self, title: str) -> str:
        name = f"${letters(self.columns[title])}"
        return f"{name}:{name}"


Formula = Callable[[Place, str], str]
"""A place and a language → the formula."""


class Calculated(NamedTuple):
    """A calculated field.

    :param pattern: how its number is shown; None for text.
    """

    title: str
    meaning: str
    pattern: str | None
    formula: Formula


def _trend(place: Place, _locale: str) -> str:
    days, values = place.column(DATE), place.column(_GOAL)
    known = f"{days}>{place.cell(DATE)}-{kpi.WEEK},{days}<={place.cell(DATE)},ISNUMBER({values})"
    return f'=IFERROR(SLOPE(FILTER({values},{known}),FILTER({days},{known})),"")'


def _week(title: str, place: Place) -> str:
    days, day = place.column(DATE), place.cell(DATE)
    return f'=IFERROR(AVERAGEIFS({place.column(title)},{days},">"&{day}-{kpi.WEEK},{days},"<="&{day}),"")'


def _satisfaction(place: Place, _locale: str) -> str:
    return _week(_SATISFACTION, place)


def _average(place: Place, _locale: str) -> str:
    return _week(_GOAL, place)


def _reached(place: Place, _locale: str) -> str:
    value = place.cell(_GOAL)
    return f'=IF(ISNUMBER({value}),IF({_is_missed(kpi.GOAL, value)},"⚠️","✅"),"")'


def _change(place: Place, _locale: str) -> str:
    value, days = place.cell(_GOAL), place.column(DATE)
    before = f"AVERAGEIFS({place.column(_GOAL)},{days},{place.cell(DATE)}-1)"
    return f'=IF(ISNUMBER({value}),IFERROR({value}-{before},""),"")'


def _arrow(place: Place, _locale: str) -> str:
    change = place.cell(CHANGE)
    return f'=IF(ISNUMBER({change}),IF({change}>0,"📈",IF({change}<0,"📉","➡️")),"")'


def _alert(place: Place, locale: str) -> str:
    watched = [key for key in kpi.THRESHOLDS if key in _TITLES]
    cells = {key: place.cell(_TITLES[key]) for key in watched}
    missed = {key: f"AND(ISNUMBER({cell}),{_is_missed(key, cell)})" for key, cell in cells.items()}
    said = [f'IF({missed[key]},{_quoted(kpi.THRESHOLDS[key].alert_in(locale))},"")' for key in watched]
    alerts = f'TEXTJOIN(" / ",TRUE,{",".join(said)})'
    judged = f"IF(OR({','.join(missed.values())}),{alerts},{_quoted(kpi.all_well_in(locale))})"
    return f'=IF(COUNT({",".join(cells.values())})=0,"",{judged})'


def _is_missed(key: str, cell: str) -> str:
    """The condition under which a number is not well."""
    found = kpi.threshold(key)
    if found is None:
        raise ValueError(f"{key} has no threshold")
    return is_missed(found, cell)


def is_missed(threshold: kpi.Threshold, cell: str) -> str:
    """A threshold as a condition of a formula."""
    sides = [f"{cell}<{threshold.least:g}"] if threshold.least is not None else []
    sides += [f"{cell}>{threshold.most:g}"] if threshold.most is not None else []
    return sides[0] if len(sides) == 1 else f"OR({','.join(sides)})"


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


CHANGE = "Change from Day Before"

CALCULATED = (
    Calculated(
        "Trend", "Change of the overall progress a day, over the 7 days to this one.", "+0.00;-0.00;0.00", _trend
    ),
    Calculated(
        "Average Satisfaction", "Team satisfaction, on average over the 7 days to this one.", "0.00", _satisfaction
    ),
    Calculated("7-Day Average", "Overall progress, on average over the 7 days to this one.", "0.0", _average),
    Calculated("Goal Reached", "Whether the overall progress has reached its goal.", None, _reached),
    Calculated(CHANGE, "Overall progress against the day before.", "+0.0;-0.0;0.0", _change),
    Calculated("Trend Arrow", "Up, down or level against the day before.", None, _arrow),
    Calculated("Alert", "What is not well on this day.", None, _alert),
)
