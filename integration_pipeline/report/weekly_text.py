"""The weekly figures as people and programs read them: text, Markdown, JSON."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from integration_pipeline import kpi
from integration_pipeline.kpi import Column
from integration_pipeline.report import markdown, weekly
from integration_pipeline.report.markdown import escaped
from integration_pipeline.report.weekly import Figure, Week
from integration_pipeline.text import UNKNOWN, clean, table

TREND_DECIMALS = 2

_DECIMALS: Mapping[str, int] = {"score": 2}
_UNITS: Mapping[str, str] = {"percent": " (%)", "hours": " (h)", "seconds": " (s)"}
_COUNT = "count"
_EN = {
    "title": "Weekly figures",
    "kpi": "KPI",
    "numbers": ("AVERAGE", "LATEST", "TREND PER DAY", "WEEK BEFORE", "CHANGE", "DAYS"),
    "blockers": "Total blockers: {total}; the week before: {before}",
    "blockers_unknown": "Total blockers: unknown",
    "unknown": "unknown",
    "state_unknown": "How the work goes: unknown, for want of progress KPIs",
    "alert": "{alert}: {kpi} {value} on {day}",
    "left_out": "Left out, because unknown: ",
    "every_day": "every day",
}
_JA = {
    "title": "週次レポート",
    "kpi": "KPI",
    "numbers": ("平均", "最新", "1日あたりの傾き", "前週", "前週比", "日数"),
    "blockers": "ブロッカー合計: {total}（前週: {before}）",
    "blockers_unknown": "ブロッカー合計: 不明",
    "unknown": "不明",
    "state_unknown": "進捗の状況: 不明（進捗 KPI がありません）",
    "alert": "{alert}: {kpi} {value}（{day}）",
    "left_out": "不明のため除いた日: ",
    "every_day": "全日",
}


def as_text(week: Week) -> list[str]:
    """The week for a terminal, in the tenant's language."""
    words = _words(week)
    header, numbers = (words["kpi"], *words["numbers"]), words["numbers"]
    rows = [_row(week, figure) for figure in week.figures]
    lines = [clean(_title(week)), "", *table(header, rows, numbers=numbers), ""]
    return [*lines, *map(clean, _remarks(week))]


def as_markdown(week: Week) -> list[str]:
    """The same for people's documents."""
    words = _words(week)
    header, numbers = (words["kpi"], *words["numbers"]), words["numbers"]
    rows = [_row(week, figure) for figure in week.figures]
    lines = [f"# {escaped(_title(week))}", "", *markdown.table(header, rows, numbers=numbers), ""]
    return [*lines, *(f"- {escaped(remark)}" for remark in _remarks(week))]


def as_json(week: Week) -> dict[str, Any]:
    """The same for programs: numbers whole, unknown as null."""
    total, before = week.total(weekly.BLOCKERS)
    return {
        "tenant_id": week.tenant.tenant_id,
        "tenant_name": week.tenant.name,
        "from": str(week.first),
        "to": str(week.last),
        "total_blockers": total,
        "total_blockers_before": before,
        "kpis": {figure.column.key: _json_figure(week, figure) for figure in week.figures},
        "alerts": [
            {
                "kpi": alert.figure.column.key,
                "day": str(alert.day),
                "value": alert.value,
                "alert": alert.threshold.alert_in(week.tenant.locale),
            }
            for alert in week.alerts
        ],
    }


def _json_figure(week: Week, figure: Figure) -> dict[str, Any]:
    latest = figure.latest
    return {
        "title": figure.column.title,
        "unit": figure.column.unit,
        "average": figure.average,
        "latest": latest[1] if latest else None,
        "latest_day": str(latest[0]) if latest else None,
        "trend_per_day": figure.trend,
        "average_before": figure.average_before,
        "change": figure.change,
        "days_known": len(figure.known),
        "days_unknown": [str(day) for day in week.days if day not in figure.known],
    }


def _words(week: Week) -> dict[str, Any]:
    return _JA if week.tenant.locale == "ja" else _EN


def _title(week: Week) -> str:
    tenant = week.tenant
    return f"{_words(week)['title']}: {tenant.name} ({tenant.tenant_id}), {week.first} – {week.last}"


def _name(week: Week, column: Column) -> str:
    return column.title_in(week.tenant.locale) + _UNITS.get(column.unit, "")


def _row(week: Week, figure: Figure) -> list[str]:
    unit, latest = figure.column.unit, figure.latest
    return [
        _name(week, figure.column),
        _number(figure.average, unit),
        _number(latest[1] if latest else None, unit),
        trend(figure.trend),
        _number(figure.average_before, unit),
        _number(figure.change, unit, sign="+"),
        f"{len(figure.known)}/{kpi.WEEK}",
    ]


def _remarks(week: Week) -> Iterator[str]:
    words = _words(week)
    total, before = week.total(weekly.BLOCKERS)
    if total is None:
        yield words["blockers_unknown"]
    else:
        yield words["blockers"].format(total=f"{total:g}", before=words["unknown"] if before is None else f"{before:g}")
    for alert in week.alerts:
        yield words["alert"].format(
            alert=alert.threshold.alert_in(week.tenant.locale),
            kpi=_name(week, alert.figure.column),
            value=_number(alert.value, alert.figure.column.unit),
            day=alert.day,
        )
    # That the pipeline itself runs well says nothing of the work.
    if not any(figure.known for figure in week.figures if figure.column in kpi.TRACKING):
        yield words["state_unknown"]
    elif not week.alerts:
        yield kpi.all_well_in(week.tenant.locale)
    unknown = _unknown(week)
    if unknown:
        yield words["left_out"] + "; ".join(unknown)


def _unknown(week: Week) -> list[str]:
    """The days that are not known, those KPIs together that lack the same ones."""
    missing: dict[tuple[dt.date, ...], list[str]] = {}
    for figure in week.figures:
        days = tuple(day for day in week.days if day not in figure.known)
        missing.setdefault(days, []).append(figure.column.title_in(week.tenant.locale))
    missing.pop((), None)
    every_day = _words(week)["every_day"]
    return [
        f"{', '.join(names)}: {every_day if len(days) == kpi.WEEK else ', '.join(_runs(days))}"
        for days, names in missing.items()
    ]


def _runs(days: Sequence[dt.date]) -> Iterator[str]:
    """Days in their order, those that follow one another as from the first to the last."""
    for _, run in groupby(enumerate(days), key=lambda numbered: numbered[1].toordinal() - numbered[0]):
        (_, first), *others = run
        yield f"{first} – {others[-1][1]}" if others else str(first)


def trend(rise: float | None) -> str:
    """A slope as an arrow and a number; one that rounds to nothing is level."""
    if rise is None:
        return UNKNOWN
    rounded = round(rise, TREND_DECIMALS)
    arrow = "↗" if rounded > 0 else "↘" if rounded < 0 else "→"
    return f"{arrow} {_signed(rise, TREND_DECIMALS)}"


def _number(value: float | None, unit: str, *, sign: str = "") -> str:
    if value is None:
        return UNKNOWN
    decimals = 0 if unit == _COUNT and value.is_integer() else _DECIMALS.get(unit, 1)
    return _signed(value, decimals) if sign else f"{value:,.{decimals}f}"


def _signed(value: float, decimals: int) -> str:
    """With its sign, which nothing that rounds to zero has."""
    text = f"{value:+,.{decimals}f}"
    return text if text.strip("+-0.") else text[1:]
