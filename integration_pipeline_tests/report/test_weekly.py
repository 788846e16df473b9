"""The weekly figures: against numbers worked out by hand, and the line against the standard library's."""

import datetime as dt
import json
import statistics
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_pipeline import kpi
from integration_pipeline.report import weekly, weekly_text
from integration_pipeline.report.weekly import Figure, Week
from integration_pipeline.store import kpis
from integration_pipeline.store.engine import Database
from integration_pipeline.store.people import Tenant
from integration_pipeline_tests import builders

LAST = dt.date(2026, 11, 21)
TENANT = Tenant("tenant-a", "株式会社 *山田*", "Asia/Tokyo", "ja")
ENGLISH = TENANT._replace(name="A | B", locale="en")


def day(number: int) -> dt.date:
    """A day of November 2026; 0 and below are October's."""
    return dt.date(2026, 10, 31) + dt.timedelta(days=number)


def store(database: Database, rows: dict[int, dict[str, float]]) -> None:
    kpis.import_progress(
        database,
        [
            kpis.Progress("tenant-a", day(number), tuple(row.get(k) for k in kpis.PROGRESS))
            for number, row in rows.items()
        ],
        now=dt.datetime(2026, 12, 31, tzinfo=dt.UTC),
    )


def progress(numbers: Sequence[float | None], *, key: str = "overall_progress") -> dict[int, dict[str, float]]:
    """A KPI's values on the days up to the 21st; None = no row."""
    first = 21 - len(numbers) + 1
    return {first + place: {key: value} for place, value in enumerate(numbers) if value is not None}


@pytest.fixture
def tenant(database: Database) -> Database:
    builders.add_tenant(database, name=TENANT.name)
    return database


def figure(week: Week, key: str = "overall_progress") -> Figure:
    return next(figure for figure in week.figures if figure.column.key == key)


def test_a_week_is_the_seven_days_up_to_a_day_beside_the_seven_before(tenant: Database) -> None:
    # before: 1000 is too old; 10 … 16 (mean 13); week: 20, 22, …, 32 (mean 26, two a day)
    store(tenant, progress([1000, *range(10, 17), *range(20, 34, 2)]) | {22: {"overall_progress": 2000.0}})
    week = weekly.read(tenant, TENANT, LAST)
    found = figure(week)
    assert (week.first, week.last) == (day(15), LAST)
    assert found.average == 26
    assert found.average_before == 13
    assert found.change == 13
    assert found.latest == (LAST, 32)
    assert found.trend == pytest.approx(2)


def test_days_that_are_not_known_are_left_out_and_said(tenant: Database) -> None:
    # 15th: 10, 17th: 20, 21st: 30. Mean day 53/3 (17.666…): slope (-2.6667*-10 + -0.6667*0 + 3.3333*10) / 18.6667
    store(tenant, progress([10, None, 20, None, None, None, 30]) | {16: {"quality_score": 4.0}})
    week = weekly.read(tenant, TENANT, LAST)
    assert figure(week).average == 20
    assert figure(week).trend == pytest.approx(60 / (56 / 3))
    shown = weekly_text.as_json(week)["kpis"]
    assert shown["overall_progress"]["days_known"] == 3
    assert shown["overall_progress"]["days_unknown"] == [f"2026-11-{number}" for number in (16, 18, 19, 20)]
    text = "\n".join(weekly_text.as_text(week))
    assert "全体進捗: 2026-11-16, 2026-11-18 – 2026-11-20" in text
    assert "タスク完了率" in text.rsplit("全日", 1)[0].splitlines()[-1]


@pytest.mark.parametrize(("numbers", "average"), [([], None), ([70.0], 70.0)])
def test_fewer_than_two_days_are_no_trend(tenant: Database, numbers: list[float | None], average: float | None) -> None:
    store(tenant, progress(numbers))
    found = figure(weekly.read(tenant, TENANT, LAST))
    assert (found.average, found.trend, found.change) == (average, None, None)


def test_a_zero_is_a_value_and_not_an_unknown(tenant: Database) -> None:
    store(tenant, progress([0.0] * 7, key="blockers_count"))
    week = weekly.read(tenant, ENGLISH, LAST)
    assert figure(week, "blockers_count").average == 0
    assert week.total("blockers_count") == (0, None)
    lines = weekly_text.as_text(week)
    assert "Total blockers: 0; the week before: unknown" in lines
    assert next(line for line in lines if line.startswith("Blockers Count")).split()[2:] == [
        "0", "0", "→", "0.00", "–", "–", "7/7",
    ]  # fmt: skip


def test_counts_are_whole_where_they_are_and_an_average_of_them_need_not_be(tenant: Database) -> None:
    store(tenant, progress([2.0] * 7 + [5.0, 4.0], key="blockers_count"))
    lines = weekly_text.as_text(weekly.read(tenant, ENGLISH, LAST))
    assert next(line for line in lines if line.startswith("Blockers Count")).split()[2:] == [
        "2.7", "4", "↗", "+0.43", "2", "+0.7", "7/7",
    ]  # fmt: skip
    assert "⚠️ Many blockers: Blockers Count 4 on 2026-11-21" in lines


def test_blockers_are_summed_over_the_days_known(tenant: Database) -> None:
    store(tenant, progress([1, 1, 1, 1, 1, 1, 1, 4, None, 2, 0, 0, 3, 5], key="blockers_count"))
    week = weekly.read(tenant, TENANT, LAST)
    assert week.total("blockers_count") == (14, 7)
    assert "ブロッカー合計: 14（前週: 7）" in weekly_text.as_text(week)


def test_the_latest_values_beyond_their_thresholds_are_said_the_gravest_first(tenant: Database) -> None:
    store(
        tenant,
        progress([90, 90, 90, 79.5, None])
        | {21: {"blockers_count": 4.0, "team_satisfaction": 4.0, "quality_score": 1.0}},
    )
    week = weekly.read(tenant, ENGLISH, LAST)
    assert [(alert.figure.column.key, alert.day, alert.value) for alert in week.alerts] == [
        ("overall_progress", day(20), 79.5),
        ("blockers_count", LAST, 4.0),
    ]
    lines = weekly_text.as_text(week)
    assert "🚨 Below the goal: Overall Progress (%) 79.5 on 2026-11-20" in lines
    assert kpi.all_well_in("en") not in lines


@pytest.mark.parametrize(("own", "unknown"), [(TENANT, "不明"), (ENGLISH, "unknown")])
def test_all_is_well_only_where_something_of_the_progress_is_known(tenant: Database, own: Tenant, unknown: str) -> None:
    with tenant.transaction("tenant-a") as cursor:
        kpis.write(cursor, "tenant-a", [kpis.Value(day(20), "mapping_coverage", 100.0)])
    well = kpi.all_well_in(own.locale)
    (said,) = [
        line
        for line in weekly_text.as_text(weekly.read(tenant, own, LAST))
        if "進捗 KPI" in line or "progress KPIs" in line
    ]
    assert unknown in said
    assert well not in weekly_text.as_text(weekly.read(tenant, own, LAST))
    store(tenant, progress([80.0]))
    assert well in weekly_text.as_text(weekly.read(tenant, own, LAST))


def test_the_pipeline_s_own_kpis_that_are_a_tenant_s_stand_in_its_week(tenant: Database) -> None:
    with tenant.transaction("tenant-a") as cursor:
        kpis.write(cursor, "tenant-a", [kpis.Value(day(20), "mapping_coverage", 70.0)])
    week = weekly.read(tenant, ENGLISH, LAST)
    assert figure(week, "mapping_coverage").latest == (day(20), 70.0)
    assert [alert.threshold for alert in week.alerts] == [kpi.THRESHOLDS["mapping_coverage"]]


def test_a_name_is_text_in_markdown(tenant: Database) -> None:
    store(tenant, progress([50.0, 60.0]))
    lines = weekly_text.as_markdown(weekly.read(tenant, TENANT, LAST))
    assert lines[0] == "# 週次レポート: 株式会社 \\*山田\\* (tenant-a), 2026-11-15 – 2026-11-21"
    assert "| 全体進捗 (%) | 55.0 | 60.0 | ↗ +10.00 | – | – | 2/7 |" in lines
    english = weekly_text.as_markdown(weekly.read(tenant, ENGLISH, LAST))
    assert english[0] == "# Weekly figures: A \\| B (tenant-a), 2026-11-15 – 2026-11-21"


def test_json_has_whole_numbers_and_null_for_unknown(tenant: Database) -> None:
    store(tenant, progress([70.0, None, 71.0]))
    found = json.loads(json.dumps(weekly_text.as_json(weekly.read(tenant, ENGLISH, LAST))))
    assert (found["tenant_id"], found["from"], found["to"]) == ("tenant-a", "2026-11-15", "2026-11-21")
    assert (found["total_blockers"], found["total_blockers_before"]) == (None, None)
    assert found["alerts"] == [
        {"kpi": "overall_progress", "day": "2026-11-21", "value": 71.0, "alert": "🚨 Below the goal"}
    ]
    assert found["kpis"]["overall_progress"] == {
        "title": "Overall Progress",
        "unit": "percent",
        "average": 70.5,
        "latest": 71.0,
        "latest_day": "2026-11-21",
        "trend_per_day": 0.5,
        "average_before": None,
        "change": None,
        "days_known": 2,
        "days_unknown": ["2026-11-15", "2026-11-16", "2026-11-17", "2026-11-18", "2026-11-20"],
    }


@pytest.mark.parametrize(
    ("rise", "shown"),
    [
        (0.004, "→ 0.00"),
        (-0.004, "→ 0.00"),
        (0.006, "↗ +0.01"),
        (-1.5, "↘ -1.50"),
        (None, "–"),
        (1234.5, "↗ +1,234.50"),
    ],
)
def test_a_trend_that_rounds_to_nothing_is_level(rise: float | None, shown: str) -> None:
    assert weekly_text.trend(rise) == shown


@given(st.dictionaries(st.integers(0, 400), st.floats(-1e6, 1e6), min_size=2, max_size=30))
def test_the_line_is_the_least_squares_line(points: dict[int, float]) -> None:
    days = {LAST + dt.timedelta(days=number): value for number, value in points.items()}
    expected = statistics.linear_regression(list(points), list(points.values())).slope
    assert weekly.slope(days) == pytest.approx(expected, rel=1e-9, abs=1e-6)


@given(st.sets(st.integers(0, 6), min_size=2), st.floats(-100, 100), st.floats(-100, 100))
def test_days_left_out_do_not_bend_a_straight_line(numbers: set[int], start: float, rise: float) -> None:
    days = {LAST + dt.timedelta(days=number): start + rise * number for number in numbers}
    assert weekly.slope(days) == pytest.approx(rise, rel=1e-9, abs=1e-6)
