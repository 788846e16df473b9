"""``kpis import`` and ``report --week``: what comes in from a file, and what is told of it by the week."""

from pathlib import Path

import pytest

from integration_pipeline.store.engine import Database
from integration_pipeline.store.kpis import PROGRESS
from integration_pipeline_tests import builders
from integration_pipeline_tests.commands.conftest import Command

HEADER = f"tenant_id,day,{','.join(PROGRESS)}\n"


def stored(database: Database) -> list[tuple[object, ...]]:
    with database.operator() as cursor:
        return cursor.execute(
            f"SELECT tenant_id, day::text, {', '.join(PROGRESS)} FROM progress_kpis ORDER BY 1, 2".encode()
        ).fetchall()


def versions(database: Database) -> list[tuple[object, ...]]:
    with database.operator() as cursor:
        return cursor.execute("SELECT tenant_id, day, xmin::text FROM progress_kpis ORDER BY 1, 2").fetchall()


@pytest.fixture
def file(database: Database, tmp_path: Path) -> Path:
    """An empty file; two tenants are known."""
    builders.add_tenant(database)
    builders.add_tenant(database, "tenant-b", name="Tenant | B", locale="en")
    return tmp_path / "progress.csv"


def test_a_file_is_imported_once(command: Command, database: Database, file: Path) -> None:
    file.write_text(
        f"\ufeff{HEADER}tenant-a,2024-11-20,72.5,68,4.2,4.5,2,3.5,98\n\ntenant-b,2024-11-20,0,,,,0,,\n",
        encoding="utf-8",
    )
    assert command("kpis", "import", str(file)).out == "2 days created, 0 updated, 0 unchanged\n"
    assert stored(database) == [
        ("tenant-a", "2024-11-20", 72.5, 68.0, 4.2, 4.5, 2.0, 3.5, 98.0),
        ("tenant-b", "2024-11-20", 0.0, None, None, None, 0.0, None, None),
    ]
    before = versions(database)
    assert command("kpis", "import", str(file)).out == "0 days created, 0 updated, 2 unchanged\n"
    assert versions(database) == before


def test_only_the_days_that_differ_are_written(command: Command, database: Database, file: Path) -> None:
    file.write_text(f"{HEADER}tenant-a,2024-11-19,70,,,,,,\ntenant-a,2024-11-20,71,,,,,,\n")
    command("kpis", "import", str(file))
    before = versions(database)
    file.write_text(
        f"{HEADER}tenant-a,2024-11-20,,,4,,,,\ntenant-a,2024-11-19,70.0,,,,,,\ntenant-a,2024-11-21,,,,,,,\n"
    )
    assert command("kpis", "import", str(file)).out == "1 day created, 1 updated, 1 unchanged\n"
    assert versions(database)[0] == before[0]
    assert stored(database)[1][2:5] == (None, None, 4.0)


def test_any_order_of_columns_will_do(command: Command, database: Database, file: Path) -> None:
    columns = ["day", *reversed(PROGRESS), "tenant_id"]
    file.write_text(f"{','.join(columns)}\n2024-11-20,7,6,5,4,3,2,1,tenant-a\n")
    assert command("kpis", "import", str(file)).code == 0
    assert stored(database) == [("tenant-a", "2024-11-20", 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("tenant-a,2024-11-20,much,,,,,,\n", "line 2: overall_progress is no number"),
        ("tenant-a,2024-11-20,,-1,,,,,\n", "line 2: task_completion_rate is no number"),
        ("tenant-a,2024-11-20,,,nan,,,,\n", "line 2: quality_score is no number"),
        ("tenant-a,2024-11-20,,,,,inf,,\n", "line 2: blockers_count is no number"),
        ("tenant-a,2024-11-20,,,,,1_0,,\n", "line 2: blockers_count is no number"),
        ("tenant-a,2024-11-20,,,,,,\uff13,\n", "line 2: code_review_time is no number"),
        ("tenant-a,2024-11-20,,,,,,1e9,\n", "line 2: code_review_time is no number"),
        ("tenant-a,2024-11-20,,,,,1.5,,\n", "line 2: blockers_count is no whole number"),
        ("tenant-a,2024-11-20,100.1,,,,,,\n", "line 2: overall_progress is more than 100"),
        ("tenant-a,2024-11-20,,,80,,,,\n", "line 2: quality_score is more than 5"),
        ("tenant-a,2024-11-20,,,,5.5,,,\n", "line 2: team_satisfaction is more than 5"),
        ("tenant-a,2024-11-20,,,,,,,\ntenant-a,2024-02-30,,,,,,,\n", "line 3: day is no day"),
        ("tenant-a,20241120,,,,,,,\n", "line 2: day is no day"),
        ("tenant-a,9999-12-31,,,,,,,\n", "line 2: 9999-12-31 is still to come where tenant-a is"),
        ("tenant-a,20/11/2026,,,,,,,\n", "line 2: day is no day"),
        ("tenant-a,,,,,,,,\n", "line 2: day is no day"),
        (",2024-11-20,,,,,,,\n", "line 2: tenant_id is empty"),
        ("tenant-a,2024-11-20,,,,,,,\nnobody,2024-11-20,,,,,,,\n", "line 3: there is no tenant nobody"),
        ("tenant-a,2024-11-20,1,,,,,,\ntenant-a,2024-11-20,2,,,,,,\n", "line 3: the same tenant and day as in line 2"),
        ("tenant-a,2024-11-20,1\n", "line 2: 3 cells under 9 columns"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_it_and_nothing_is_written(
    command: Command, database: Database, file: Path, rows: str, problem: str
) -> None:
    file.write_text(HEADER + rows, encoding="utf-8")
    assert f"{file}: {problem}" in command("kpis", "import", str(file)).one_line
    assert stored(database) == []


def test_a_column_that_is_missing_or_unknown_is_named(command: Command, file: Path) -> None:
    file.write_text("tenant_id,day\n")
    assert "line 1: the column overall_progress is missing" in command("kpis", "import", str(file)).one_line
    file.write_text(HEADER.replace("\n", ",mood\n"))
    assert "line 1: there is no column 'mood'" in command("kpis", "import", str(file)).one_line


def test_a_file_that_is_not_there_is_one_line(command: Command) -> None:
    assert "cannot be read" in command("kpis", "import", "nowhere.csv").one_line


def test_the_weekly_figures_are_told_in_every_form(command: Command, file: Path) -> None:
    file.write_text(f"{HEADER}tenant-a,2024-11-19,70,,,,2,,\ntenant-a,2024-11-20,72,,,,3,,\n")
    command("kpis", "import", str(file))
    text = command("report", "--week", "--day", "2024-11-21")
    assert text.code == 0
    assert "週次レポート: Tenant tenant-a (tenant-a), 2024-11-15 – 2024-11-21" in text.out.splitlines()
    assert "ブロッカー合計: 5（前週: 不明）" in text.out.splitlines()
    assert "Weekly figures: Tenant | B (tenant-b), 2024-11-15 – 2024-11-21" in text.out.splitlines()
    markdown = command("report", "--week", "--day", "2024-11-21", "--format", "markdown")
    assert "# Weekly figures: Tenant \\| B (tenant-b), 2024-11-15 – 2024-11-21" in markdown.out.splitlines()
    first, second = command("report", "--week", "--day", "2024-11-21", "--format", "json").rows
    assert (first["tenant_id"], first["total_blockers"], first["kpis"]["overall_progress"]["average"]) == (
        "tenant-a",
        5,
        71,
    )
    assert (second["tenant_id"], second["total_blockers"]) == ("tenant-b", None)


def test_the_week_ends_today_unless_a_day_is_named(command: Command, file: Path) -> None:
    (first, _) = command("report", "--week", "--format", "json").rows
    assert first["from"] < first["to"]
    assert len(first["kpis"]["overall_progress"]["days_unknown"]) == 7


def test_a_tenant_whose_days_nobody_knows_is_left_out_of_the_week_and_named(
    command: Command, file: Path, database: Database
) -> None:
    (first, second) = command("report", "--week", "--format", "json").rows
    with builders.everything(database) as cursor:
        cursor.execute("UPDATE tenants SET time_zone = 'Mars' WHERE tenant_id = %s", (first["tenant_id"],))
    result = command("report", "--week", "--format", "json")
    assert (result.code, [row["tenant_id"] for row in result.rows]) == (0, [second["tenant_id"]])
    assert f"so nobody knows the days of {first['tenant_id']} (Give the tenant one" in result.err


def test_json_without_the_week_is_wrong_usage(command: Command) -> None:
    assert "--week" in command("report", "--format", "json").one_line


def test_the_weekly_figures_are_written_to_a_file(command: Command, file: Path) -> None:
    out = file.with_name("week.md")
    assert command("report", "--week", "--format", "markdown", "--out", str(out)).code == 0
    assert out.read_text(encoding="utf-8").startswith("# 週次レポート: ")
