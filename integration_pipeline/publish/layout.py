"""What the two sheets look like: their columns, in what order, and what a day's cells hold. Data and pure functions.

Columns are found by their titles in the header row, so that people may move them and put their own between; one whose
title is gone is made anew at the right, and so is one that a newer version brings.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from integration_pipeline import kpi
from integration_pipeline.publish import cells
from integration_pipeline.publish.cells import Cell
from integration_pipeline.publish.formulas import CALCULATED, DATE, Calculated, Place
from integration_pipeline.store.people import Tenant

TRACKING_SHEET, INTEGRATION_SHEET = 403_001, 403_002
TRACKING_CHART, INTEGRATION_CHART = 403_101, 403_102
"""Ids of our own choice: to make a second sheet or chart of an id is an error ("AddSheetRequest", "EmbeddedChart")."""

TENANT = "Tenant"

_PATTERNS = {"percent": '0.0"%"', "score": "0.00", "count": "#,##0", "hours": "0.0", "seconds": "#,##0.0"}


class Day(NamedTuple):
    """A row to write."""

    day: dt.date
    values: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a sheet.

    :param note: shown on the header cell.
    :param write: what it holds of a day, at a place.
    :param key: the KPI it shows as it is; None for the date, the tenant and what is calculated.
    """

    title: str
    note: str
    write: Callable[[Day, Place], Cell]
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """One sheet. The date is the first of its fields."""

    sheet_id: int
    title: str
    fields: tuple[Field, ...]
    chart_id: int
    chart_title: str
    charted: tuple[str, ...]
    """The titles of the columns that the chart shows over the dates."""


def layouts(tenant: Tenant) -> tuple[Layout, Layout]:
    """Both sheets of a tenant: their titles and headers in English (requirement B1), what is said in them in its language."""
    return _tracking(tenant), _integration(tenant)


def _tracking(tenant: Tenant) -> Layout:
    fields = (
        _date(),
        *(_known(column, tenant) for column in kpi.TRACKING),
        *(_calculated(c, tenant) for c in CALCULATED),
    )
    return Layout(
        sheet_id=TRACKING_SHEET,
        title="KPI Tracking",
        fields=fields,
        chart_id=TRACKING_CHART,
        chart_title="進捗の推移 (%)" if tenant.locale == "ja" else "Progress (%)",
        charted=tuple(column.title for column in kpi.TRACKING if column.unit == "percent"),
    )


def _integration(tenant: Tenant) -> Layout:
    columns = kpi.integration_columns()
    return Layout(
        sheet_id=INTEGRATION_SHEET,
        title="Integration KPIs",
        fields=(_date(), _tenant(tenant), *(_known(column, tenant) for column in columns)),
        chart_id=INTEGRATION_CHART,
        chart_title="マッピング率の推移 (%)" if tenant.locale == "ja" else "Mapping coverage (%)",
        charted=tuple(column.title for column in columns if column.key.partition(".")[0] == "mapping_coverage"),
    )


def _date() -> Field:
    note = "Written by integration-pipeline, a row each day. A row is known by its date, a column by its title."
    return Field(DATE, note, lambda row, _place: cells.date(row.day))


def _tenant(tenant: Tenant) -> Field:
    return Field(TENANT, "Whose figures these are.", lambda _row, _place: cells.text(tenant.name))


def _known(column: kpi.Column, tenant: Tenant) -> Field:
    pattern = _PATTERNS.get(column.unit, "General")
    name = "" if tenant.locale == "en" else f"{column.title_in(tenant.locale)}\n"
    return Field(
        column.title,
        f"{name}{column.meaning} ({column.unit})",
        lambda row, _place: cells.number(row.values.get(column.key), pattern),
        column.key,
    )


def _calculated(field: Calculated, tenant: Tenant) -> Field:
    return Field(
        field.title,
        field.meaning,
        lambda _row, place: cells.formula(field.formula(place, tenant.locale), field.pattern),
    )
