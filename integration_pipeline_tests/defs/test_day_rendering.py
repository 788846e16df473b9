import base64
import datetime as dt
from xml.etree import ElementTree as ET

import dagster as dg
import pytest

from integration_pipeline.defs import day_rendering
from integration_pipeline.defs.day_rendering import PLOTTED, ROWS, Sheet, TenantDay, Trouble

DAY = dt.date(2026, 11, 22)
BEFORE = DAY - dt.timedelta(days=1)


def day(tenant_id: str, coverage: float | None, *, on: dt.date = DAY, active: float | None = 10) -> TenantDay:
    return TenantDay(tenant_id, on, active, coverage, 0, 100, 5)


def cells(table: dg.MetadataValue) -> list[list[str]]:
    assert isinstance(table, dg.TableMetadataValue)
    columns = [column.name for column in table.schema.columns]
    return [[str(record.data[column]) for column in columns] for record in table.records]


def test_a_plot_in_a_word_knows_the_unknown_from_nothing() -> None:
    assert day_rendering.spark([None, 0, 50, 100]) == "·▁▅█"


def test_the_plot_is_an_image_with_a_bar_for_every_day_known() -> None:
    text = day_rendering.plot([BEFORE, DAY], [None, 79.6])
    assert text.startswith(
        f"![Mapping coverage of all tenants in per cent, {BEFORE} to {DAY}: ·▇](data:image/svg+xml;base64,"
    )
    svg = ET.fromstring(base64.b64decode(text.rpartition(",")[2].removesuffix(")")))  # noqa: S314 - made above
    assert len(svg.findall("{*}rect")) == 1
    assert [label.text for label in svg.findall("{*}text")] == ["21", "80", "22"]


def test_the_day_shows_every_tenant_with_its_fortnight_the_worst_first() -> None:
    rows = [day("a", 90), day("b", 50.25), day("b", 100, on=BEFORE), day("c", None), day("d", 70, on=BEFORE)]
    shown = day_rendering.kpis(rows, DAY)

    found = cells(shown["kpis"])
    assert [row[:3] for row in found] == [["c", "–", "10"], ["b", "50.2", "10"], ["a", "90", "10"]]
    assert [len(row[-1]) for row in found] == [PLOTTED] * 3
    assert found[1][-1].endswith("·█▅")
    assert (shown["tenants"].value, shown["api_calls"].value) == (3, 15)


def test_coverage_over_all_goes_by_accounts() -> None:
    assert day_rendering.overall([day("a", 100, active=1), day("b", 50, active=3), day("c", None)]) == 62.5
    assert day_rendering.overall([day("a", 100, active=0), day("c", None)]) is None
    assert "coverage_percent" not in day_rendering.kpis([], DAY)


def test_a_long_report_keeps_the_beginning_of_every_section() -> None:
    report = ["# Title", "## Syncs", *(f"row {number}" for number in range(500)), "## What needs attention", "- this"]
    lines = day_rendering.shortened(report).splitlines()
    assert lines[:2] == ["# Title", "## Syncs"]
    assert lines[-2:] == ["## What needs attention", "- this"]
    assert len(lines) < ROWS + 10
    assert "… and 401 more lines: `integration-pipeline report` shows all." in lines
    assert day_rendering.shortened(report[-2:]) == "## What needs attention\n- this"


def test_what_went_wrong_stands_first_and_all_are_counted() -> None:
    sheets = [Sheet(f"t{number:03}", "SUCCESS", "", 2, 2, "id") for number in range(150)]
    sheets.append(Sheet("zzz", "FAILED", "AUTH_ERROR: no", 0, 1, "id"))
    shown = day_rendering.sheets(sheets)
    assert cells(shown["spreadsheets"])[0][0] == "zzz"
    assert len(cells(shown["spreadsheets"])) == ROWS
    assert (shown["tenants"].value, shown["rows_written"].value, shown["google_calls"].value) == (151, 300, 301)


@pytest.mark.parametrize(("count", "more"), [(20, ""), (25, "and 5 more, see the table")])
def test_reasons_are_named_with_the_remedy(count: int, more: str) -> None:
    found = [Trouble(f"t{number:02}", "daily_kpis", "UNKNOWN_ERROR", "gone", "Look.") for number in range(count)]
    lines = day_rendering.reasons(found).splitlines()
    assert lines[0] == "t00 daily_kpis: UNKNOWN_ERROR: gone. Look."
    assert lines[20:] == ([more] if more else [])
