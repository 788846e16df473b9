"""Days → what the Dagster UI shows of them: a table with a row per tenant, a plot, and reasons that can be read. Pure."""

import base64
import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import dagster as dg

from integration_pipeline.defs import rendering
from integration_pipeline.text import UNKNOWN

HISTORY, KPIS, SHEETS = "sync_history", "daily_kpis", "google_sheets_kpis"
"""The assets."""

ROWS = 100
"""How many tenants a table names, and lines a section of the report has: events are kept for ever."""

PLOTTED = 14
"""How many days a plot shows."""

_BARS = "▁▂▃▄▅▆▇█"
_NO_BAR = "·"
_WIDTH, _HEIGHT, _TOP = 28, 60, 16
_WELL, _UNWELL, _INK = "#4a7fc1", "#d0453b", "#5b6675"
_GOAL = 80.0
_NUMBERS = {
    "coverage %": "coverage",
    "active": "active",
    "unmatched": "unmatched",
    "success % (7 days)": "success_rate",
    "API calls": "api_calls",
}


class TenantDay(NamedTuple):
    """A tenant's KPIs on a day, its systems taken together; None = unknown."""

    tenant_id: str
    day: dt.date
    active: float | None
    coverage: float | None
    unmatched: float | None
    success_rate: float | None
    api_calls: float | None


class Sheet(NamedTuple):
    """How one tenant's publishing ended."""

    tenant_id: str
    status: str
    message: str
    rows_written: int = 0
    google_calls: int = 0
    spreadsheet_id: str = ""


class Trouble(NamedTuple):
    """Why a day is not up to date for a tenant, and what a person should do."""

    tenant_id: str
    asset: str
    error_type: str
    message: str
    remedy: str | None

    @property
    def reason(self) -> str:
        text = f"{self.error_type}: {self.message}"
        return f"{text}. {self.remedy}" if self.remedy else text


def shortened(report: Iterable[str]) -> str:
    """A Markdown report, its long sections cut. Whoever wants all of it asks the command line."""
    sections: list[list[str]] = [[]]
    for line in report:
        if line.startswith("## "):
            sections.append([])
        sections[-1].append(line)
    found: list[str] = []
    for section in sections:
        found += section[:ROWS]
        if len(section) > ROWS:
            found += ["", f"… and {len(section) - ROWS:,} more lines: `integration-pipeline report` shows all.", ""]
    return "\n".join(found)


def kpis(rows: Sequence[TenantDay], day: dt.date) -> dict[str, dg.MetadataValue]:
    """What is kept with a day of ``daily_kpis``.

    :param rows: the day's, and those of the days before it that are plotted.
    """
    days = [day - dt.timedelta(days=back) for back in reversed(range(PLOTTED))]
    by_tenant: dict[str, dict[dt.date, TenantDay]] = defaultdict(dict)
    for row in rows:
        by_tenant[row.tenant_id][row.day] = row
    known = [of_tenant[day] for of_tenant in by_tenant.values() if day in of_tenant]
    # The worst first: a long table is cut.
    known.sort(key=lambda row: (-1.0 if row.coverage is None else row.coverage, row.tenant_id))
    table = [
        [
            row.tenant_id,
            *(_number(getattr(row, name)) for name in _NUMBERS.values()),
            spark([_coverage(by_tenant[row.tenant_id].get(each)) for each in days]),
        ]
        for row in known[:ROWS]
    ]
    over_all = [overall([of[each] for of in by_tenant.values() if each in of]) for each in days]
    shown: dict[str, dg.MetadataValue] = {
        "tenants": dg.MetadataValue.int(len(known)),
        "kpis": rendering.records(["tenant", *_NUMBERS, f"coverage, {PLOTTED} days"], table),
        "coverage": dg.MetadataValue.md(plot(days, over_all)),
        "api_calls": dg.MetadataValue.int(int(sum(row.api_calls or 0 for row in known))),
    }
    if over_all[-1] is not None:
        shown["coverage_percent"] = dg.MetadataValue.float(round(over_all[-1], 1))
    return shown


def overall(rows: Iterable[TenantDay]) -> float | None:
    """Mapping coverage over all of these tenants' accounts; None where no tenant's is known."""
    weights = [(row.coverage, row.active) for row in rows if row.coverage is not None and row.active]
    accounts = sum(active for _, active in weights)
    return sum(coverage * active for coverage, active in weights) / accounts if accounts else None


def spark(percentages: Iterable[float | None]) -> str:
    """A plot in one word: a bar for each day, a dot where nothing is known."""
    last = len(_BARS) - 1
    return "".join(_NO_BAR if value is None else _BARS[round(last * value / 100)] for value in percentages)


def plot(days: Sequence[dt.date], percentages: Sequence[float | None]) -> str:
    """Bars with their values as a Markdown image, and the same in words for those who cannot see it.

    The UI shows ``data:`` images, and cleans inline SVG away.
    """
    bars = []
    for place, (day, value) in enumerate(zip(days, percentages, strict=True)):
        x, middle = place * _WIDTH, place * _WIDTH + _WIDTH // 2
        if value is not None:
            height = max(1.0, _HEIGHT * value / 100)
            fill = _WELL if value >= _GOAL else _UNWELL
            y = _TOP + _HEIGHT - height
            bars.append(f'<rect x="{x + 3}" y="{y:.1f}" width="{_WIDTH - 6}" height="{height:.1f}" fill="{fill}"/>')
            bars.append(f'<text x="{middle}" y="{y - 4:.1f}">{value:.0f}</text>')
        bars.append(f'<text x="{middle}" y="{_TOP + _HEIGHT + 14}">{day.day}</text>')
    width, height = _WIDTH * len(days), _TOP + _HEIGHT + 20
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif" '
        f'font-size="10" fill="{_INK}" text-anchor="middle">{"".join(bars)}</svg>'
    )
    words = f"Mapping coverage of all tenants in per cent, {days[0]} to {days[-1]}: {spark(percentages)}"
    return f"![{words}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def sheets(found: Sequence[Sheet]) -> dict[str, dg.MetadataValue]:
    """What is kept with a day of ``google_sheets_kpis``: how the publishing that wrote it went."""
    # What did not go well first: a long table is cut.
    rows = sorted(found, key=lambda sheet: (not sheet.message, sheet.tenant_id))[:ROWS]
    head = ["tenant", "status", "message", "rows written", "Google calls", "spreadsheet"]
    return {
        "spreadsheets": rendering.records(head, rows),
        **rendering.numbers(
            {
                "tenants": len(found),
                "rows_written": sum(sheet.rows_written for sheet in found),
                "google_calls": sum(sheet.google_calls for sheet in found),
            }
        ),
    }


def reasons(found: Sequence[Trouble]) -> str:
    """The troubles in words, one line each."""
    named = [f"{each.tenant_id} {each.asset}: {each.reason}" for each in found[: rendering.NAMED]]
    more = [f"and {len(found) - rendering.NAMED} more, see the table"] if len(found) > rendering.NAMED else []
    return "\n".join([*named, *more])


def failure(found: Sequence[Trouble]) -> Mapping[str, dg.MetadataValue]:
    """The same as a table, whole."""
    head = ("tenant", "asset", "error_type", "message", "remedy")
    return {"failed": rendering.records(head, found), **rendering.numbers({"failures": len(found)})}


def _coverage(row: TenantDay | None) -> float | None:
    return None if row is None else row.coverage


def _number(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.1f}".removesuffix(".0")
