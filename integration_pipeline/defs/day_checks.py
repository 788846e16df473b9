"""Asset checks of what is published: nothing due was left out, no day is ahead, no coverage fell, the sheets are right.

Like the checks of the directory they speak of every tenant, as things stand, and name those that are not well.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg

from integration_pipeline.defs import rendering
from integration_pipeline.defs.day_rendering import HISTORY, KPIS, ROWS, SHEETS

if TYPE_CHECKING:  # loading the definitions must not load the clients and the database's driver
    from integration_pipeline.pipeline import Pipeline

DUE, AHEAD, FALLEN, EQUAL = "ran_as_due", "no_future_day", "coverage_has_not_fallen", "sheet_equals_database"

POINTS = 10.0
"""By how many percentage points a mapping coverage may fall from one day to the next."""

_ASSETS = {DUE: HISTORY, AHEAD: KPIS, FALLEN: KPIS, EQUAL: SHEETS}
_SEVERITIES = {AHEAD: dg.AssetCheckSeverity.ERROR, EQUAL: dg.AssetCheckSeverity.ERROR}
_DESCRIPTIONS = {
    DUE: "Every sync that was due on the newest day ran.",
    AHEAD: "No KPI is dated after the day that it is where its tenant is.",
    FALLEN: f"No mapping coverage fell by more than {POINTS:.0f} percentage points from one day to the next.",
    EQUAL: "The spreadsheets say of these days what the database says: 60 of them a day are read once more, all in turn.",
}

Rows = Sequence[Sequence[object]]


def specs() -> list[dg.AssetCheckSpec]:
    return [dg.AssetCheckSpec(name, asset=asset, description=_DESCRIPTIONS[name]) for name, asset in _ASSETS.items()]


def results(
    pipeline: "Pipeline", chosen: Collection[dg.AssetCheckKey], published: Sequence[str], days: Sequence[dt.date]
) -> Iterator[dg.AssetCheckResult]:
    """The checks chosen, evaluated.

    :param published: the tenants whose spreadsheets are compared.
    :param days: the days that are compared there; none = yesterday and today.
    """
    from integration_pipeline.defs import day_standing  # noqa: PLC0415 - loads the clients and the database's driver

    heads: Mapping[str, tuple[Sequence[str], Callable[[], Rows]]] = {
        DUE: (("tenant", "system", "type", "day"), partial(day_standing.not_run, pipeline)),
        AHEAD: (("tenant", "its today", "day"), partial(day_standing.ahead, pipeline)),
        FALLEN: (("tenant", "system", "day", "coverage %", "before %"), partial(day_standing.fallen, pipeline, POINTS)),
        EQUAL: (("tenant", "difference"), partial(day_standing.unequal, pipeline, published, days)),
    }
    names = {key.name for key in chosen}
    for name, (head, rows) in heads.items():
        if name in names:
            yield _result(name, head, rows())


def _result(name: str, head: Sequence[str], rows: Rows) -> dg.AssetCheckResult:
    """Passed when there is nothing to name. The first of those to name are; the description counts them all."""
    named = {"named": rendering.records(head, rows[:ROWS])} if rows else {}
    return dg.AssetCheckResult(
        asset_key=dg.AssetKey(_ASSETS[name]),
        check_name=name,
        passed=not rows,
        severity=_SEVERITIES.get(name, dg.AssetCheckSeverity.WARN),
        description=_described(rows),
        metadata={**rendering.numbers({"count": len(rows)}), **named},
    )


def _described(rows: Rows) -> str:
    tenants = sorted({str(row[0]) for row in rows})
    more = f" and {len(tenants) - rendering.NAMED} tenants more" if len(tenants) > rendering.NAMED else ""
    return f"{len(rows)} to name, of {', '.join(tenants[: rendering.NAMED])}{more}" if rows else "nothing to name"
