"""The weekly figures (requirement B3): seven days of a tenant's KPIs, beside the seven before.

daily_kpis, progress_kpis -> averages, totals, trends, what changed

They come from the database, never from a sheet that somebody may have sorted. A day that is not known is left out of
the sum and of the number of days, and is named.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from integration_pipeline import kpi
from integration_pipeline.kpi import Column
from integration_pipeline.store.engine import Database
from integration_pipeline.store.people import Tenant

BLOCKERS = "blockers_count"


@dataclass(frozen=True, slots=True)
class Figure:
    """One KPI of a week.

    :param known: the week's days of which it is known.
    :param known_before: those of the week before.
    """

    column: Column
    known: Mapping[dt.date, float]
    known_before: Mapping[dt.date, float]

    @property
    def average(self) -> float | None:
        return _average(self.known)

    @property
    def average_before(self) -> float | None:
        return _average(self.known_before)

    @property
    def change(self) -> float | None:
        """The average against the week before, in the KPI's own unit (percentage points for a percentage)."""
        if self.average is None or self.average_before is None:
            return None
        return self.average - self.average_before

    @property
    def latest(self) -> tuple[dt.date, float] | None:
        """The last day known, and its value."""
        return max(self.known.items(), default=None)

    @property
    def trend(self) -> float | None:
        """How much it moves a day."""
        return slope(self.known)


class Alert(NamedTuple):
    """A KPI whose latest value is beyond its threshold."""

    figure: Figure
    day: dt.date
    value: float
    threshold: kpi.Threshold


@dataclass(frozen=True, slots=True)
class Week:
    """A tenant's seven days up to and with ``last``."""

    tenant: Tenant
    last: dt.date
    figures: Sequence[Figure]

    @property
    def first(self) -> dt.date:
        return self.last - dt.timedelta(days=kpi.WEEK - 1)

    @property
    def days(self) -> list[dt.date]:
        return [self.first + dt.timedelta(days=number) for number in range(kpi.WEEK)]

    @property
    def alerts(self) -> list[Alert]:
        """The gravest first."""
        found = []
        for figure in self.figures:
            threshold, latest = kpi.threshold(figure.column.key), figure.latest
            if threshold and latest and not threshold.is_met(latest[1]):
                found.append(Alert(figure, *latest, threshold))
        order = list(kpi.THRESHOLDS.values())
        return sorted(found, key=lambda alert: order.index(alert.threshold))

    def total(self, key: str) -> tuple[float | None, float | None]:
        """A KPI's sum over the days known, and the week before's; None where no day is."""
        figure = next(figure for figure in self.figures if figure.column.key == key)
        return _total(figure.known), _total(figure.known_before)


def columns() -> list[Column]:
    """What a week is told by: the progress KPIs, and the pipeline's own that are a tenant's as a whole."""
    return [*kpi.TRACKING, *(column for column in kpi.integration_columns() if "." not in column.key)]


def read(database: Database, tenant: Tenant, last: dt.date) -> Week:
    """A tenant's week from the database."""
    week, before = (dt.timedelta(days=kpi.WEEK * count) for count in (1, 2))
    values = kpi.values(database, tenant.tenant_id, last - before + dt.timedelta(days=1), last)

    def known(key: str, *, until: dt.date) -> dict[dt.date, float]:
        found = {day: row.get(key) for day, row in values.items() if until - week < day <= until}
        return {day: value for day, value in sorted(found.items()) if value is not None}

    figures = [Figure(c, known(c.key, until=last), known(c.key, until=last - week)) for c in columns()]
    return Week(tenant, last, figures)


def slope(points: Mapping[dt.date, float]) -> float | None:
    """The least-squares line's rise per day, over the days known; None with fewer than two of them."""
    if len(points) < 2:  # noqa: PLR2004 - a line needs two points
        return None
    mean_day = sum(day.toordinal() for day in points) / len(points)
    mean = sum(points.values()) / len(points)
    distances = {day: day.toordinal() - mean_day for day in points}
    rise = sum(distance * (points[day] - mean) for day, distance in distances.items())
    return rise / sum(distance**2 for distance in distances.values())


def _average(points: Mapping[dt.date, float]) -> float | None:
    return sum(points.values()) / len(points) if points else None


def _total(points: Mapping[dt.date, float]) -> float | None:
    return sum(points.values()) if points else None
