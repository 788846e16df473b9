"""KPIs: each on a small history made by hand; a tenant's own days; unknown is not 0; nothing is written twice."""

import datetime as dt
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from integration_pipeline import kpi, registry
from integration_pipeline.crypto import Keyring
from integration_pipeline.errors import UsageError
from integration_pipeline.model import Connection
from integration_pipeline.store import kpis, queries
from integration_pipeline.store.engine import Database
from integration_pipeline.store.people import Tenant
from integration_pipeline_tests import builders, kpi_rows
from integration_pipeline_tests.builders import LINE_WORKS, SLACK, TEAMS
from integration_pipeline_tests.kpi_rows import add_account, add_match, add_sync, add_team

DAY = dt.date(2026, 11, 20)
TENANT = Tenant("tenant-a", "A", "Asia/Tokyo", "ja")
NEW_YORK = Tenant("tenant-a", "A", "America/New_York", "en")


def tokyo(day: int, hour: int, minute: int = 0) -> dt.datetime:
    """A moment of November 2026 in Tokyo."""
    return dt.datetime(2026, 11, day, hour, minute, tzinfo=dt.timezone(dt.timedelta(hours=9)))


NOW = tokyo(20, 6, 30)


@pytest.fixture
def slack(database: Database, keyring: Keyring) -> Connection:
    return kpi_rows.add_connection(database, keyring)


def computed(
    database: Database, day: dt.date = DAY, *, now: dt.datetime = NOW, tenant: Tenant = TENANT
) -> dict[str, float | None]:
    """A day's values, computed now."""
    kpi.refresh(database, tenant, [day], now=now)
    return kpi.values(database, tenant.tenant_id, day, day).get(day, {})


def versions(database: Database) -> Sequence[Any]:
    """Every stored row with the transaction that wrote it."""
    with database.operator() as cursor:
        return cursor.execute("SELECT kpi, day, value, xmin::text FROM daily_kpis ORDER BY kpi, day").fetchall()


# what the columns are


def test_progress_columns_are_the_table_s_and_titled_as_required() -> None:
    assert tuple(column.key for column in kpi.TRACKING) == kpis.PROGRESS
    assert [column.title for column in kpi.TRACKING] == [
        "Overall Progress",
        "Task Completion Rate",
        "Quality Score",
        "Team Satisfaction",
        "Blockers Count",
        "Code Review Time",
        "Deploy Success Rate",
    ]


def test_every_system_has_its_columns_whoever_uses_it() -> None:
    keys = [column.key for column in kpi.integration_columns()]
    assert len(keys) == len(set(keys))
    assert {key.partition(".")[2] for key in keys} == {"", *registry.FOLDERS}
    assert keys[:3] == ["active_users.TEAMS", "active_users.SLACK", "active_users.LINE_WORKS"]
    assert [key for key in keys if "." not in key] == ["mapping_coverage", "sync_success_rate"]
    slack = next(column for column in kpi.integration_columns() if column.key == "active_users.SLACK")
    assert (slack.title, slack.title_in("ja")) == ("Active users (Slack)", "利用中アカウント数（Slack）")


def test_what_is_well_is_said_of_kpis_that_there_are() -> None:
    keys = {column.key for column in (*kpi.TRACKING, *kpi.integration_columns())}
    assert set(kpi.THRESHOLDS) <= {key.partition(".")[0] for key in keys}
    assert kpi.threshold("mapping_coverage.SLACK") is kpi.threshold("mapping_coverage")
    assert kpi.threshold("quality_score") is None


@pytest.mark.parametrize(
    ("key", "well", "not_well"),
    [("overall_progress", 80, 79.9), ("blockers_count", 3, 4), ("team_satisfaction", 4, 3.9)],
)
def test_a_threshold_itself_is_well(key: str, well: float, not_well: float) -> None:
    threshold = kpi.THRESHOLDS[key]
    assert threshold.is_met(well)
    assert not threshold.is_met(not_well)
    assert threshold.alert_in("ja") != threshold.alert_in("en")


def test_the_document_tells_every_kpi_as_its_query_does() -> None:
    document = (queries.folder().parent / "docs" / "kpis.md").read_text(encoding="utf-8")
    for column in kpi.TRACKING:
        assert f"| `{column.key}` | {column.title} | {column.unit} | {column.meaning} |" in document
    for query in kpi.stored_queries():
        known = "today" if query.is_present else "any day"
        assert f"| `{query.key}` | {query.name} | {query.unit} | {query.meaning} | {known} |" in document
    for key in kpi.THRESHOLDS:
        assert f"| `{key}` | at " in document


def test_a_query_without_its_header_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks name_ja, unit, meaning, kind, per"):
        kpi.read_query("01_nothing", "-- name: Nothing\nSELECT 1")
    header = "-- name: N\n-- name_ja: N\n-- unit: count\n-- meaning: M\n"
    with pytest.raises(ValueError, match="lacks a kind"):
        kpi.read_query("01_nothing", f"{header}-- kind: future\n-- per: system\n")
    with pytest.raises(ValueError, match="per must be"):
        kpi.read_query("01_nothing", f"{header}-- kind: present\n-- per: person\n")


# the state as it is


def test_accounts_teams_and_who_is_who(database: Database, keyring: Keyring, slack: Connection) -> None:
    teams = kpi_rows.add_connection(database, keyring, TEAMS)
    builders.add_internal_user(database, "p1")
    builders.add_internal_user(database, "p2", is_active=False)
    for key in ("mapped", "ambiguous", "unmatched", "leaver"):
        add_account(database, slack, key)
    add_account(database, slack, "gone", is_active=False)
    add_account(database, teams, "mapped")
    add_match(database, slack, "mapped", "ACTIVE", "p1")
    add_match(database, slack, "ambiguous", "ERROR", None)
    add_match(database, slack, "leaver", "INACTIVE", "p2")
    add_match(database, slack, "gone", "ACTIVE", "p1")
    add_match(database, teams, "mapped", "ACTIVE", "p1")
    add_sync(database, slack, tokyo(20, 6), sync_type="TEAMS")
    add_team(database, slack, "c1")
    add_team(database, slack, "c1", kind="USER_GROUP")
    add_team(database, slack, "c2", is_active=False)
    found = computed(database)
    assert found["active_users.SLACK"] == 4
    assert found["mapping_coverage.SLACK"] == 25.0
    assert found["unmatched_accounts.SLACK"] == 1
    assert found["ambiguous_accounts.SLACK"] == 1
    assert found["teams_and_channels.SLACK"] == 2
    assert (found["active_users.TEAMS"], found["mapping_coverage.TEAMS"]) == (1, 100.0)
    assert found["mapping_coverage"] == 40.0


def test_an_empty_directory_that_was_read_has_nobody_and_no_coverage(database: Database, slack: Connection) -> None:
    add_sync(database, slack, tokyo(20, 6), sync_type="TEAMS")
    found = computed(database)
    for name in ("active_users", "unmatched_accounts", "ambiguous_accounts", "teams_and_channels"):
        assert found[f"{name}.SLACK"] == 0
    assert found.get("mapping_coverage.SLACK") is None
    assert found.get("mapping_coverage") is None


@pytest.mark.parametrize("changes", [{"sync_enabled": False}, {"sync_users": False, "sync_teams": False}])
def test_what_nobody_keeps_in_step_is_unknown(database: Database, keyring: Keyring, changes: dict[str, bool]) -> None:
    connection = kpi_rows.add_connection(database, keyring, SLACK, **changes)
    add_account(database, connection, "somebody")
    add_team(database, connection, "something")
    assert not any(key.startswith(("active_users", "mapping", "teams_and")) for key in computed(database))


def test_what_was_never_read_to_its_end_is_unknown(database: Database, slack: Connection) -> None:
    kpi_rows.set_columns(database, "external_system_connections", "tenant-a", users_listed_at=None)
    add_sync(database, slack, tokyo(20, 6), status="PARTIAL")
    add_sync(database, slack, tokyo(20, 6), status="FAILED", sync_type="TEAMS")
    add_account(database, slack, "somebody")
    assert not any(key.startswith(("active_users", "mapping", "teams_and")) for key in computed(database))


def test_a_tenant_without_a_system_knows_nothing_of_it(database: Database, slack: Connection) -> None:
    add_sync(database, slack, tokyo(20, 6))
    assert not [key for key in computed(database) if key.endswith((TEAMS, LINE_WORKS))]


def test_a_tenant_without_connections_has_no_kpis(database: Database) -> None:
    builders.add_tenant(database)
    assert computed(database) == {}


# what the history tells


def test_records_of_a_day_are_those_of_its_applied_syncs(database: Database, slack: Connection) -> None:
    add_sync(database, slack, tokyo(20, 6), records_created=3, records_updated=2, records_deleted=1)
    add_sync(database, slack, tokyo(20, 7), sync_type="TEAMS", status="PARTIAL", records_created=4, records_rejected=2)
    add_sync(database, slack, tokyo(20, 8), sync_type="TEAMS", status="PARTIAL", records_created=1, records_rejected=5)
    add_sync(database, slack, tokyo(20, 9), sync_type="TEAMS", status="FAILED")
    found = computed(database)
    assert found["records_created.SLACK"] == 8
    assert found["records_updated.SLACK"] == 2
    assert found["records_deleted.SLACK"] == 1
    assert found["records_rejected.SLACK"] == 5


def test_a_day_on_which_nothing_could_be_read_has_no_records_and_not_none_of_them(
    database: Database, slack: Connection
) -> None:
    add_sync(database, slack, tokyo(20, 6), status="FAILED", api_calls=7)
    found = computed(database)
    assert not any(key.startswith("records_") for key in found)
    assert found["api_calls.SLACK"] == 7
    assert found["sync_duration.SLACK"] == 60
    assert found["sync_success_rate.SLACK"] == 0.0


def test_the_success_rate_is_of_the_syncs_that_ended_in_seven_days(
    database: Database, keyring: Keyring, slack: Connection
) -> None:
    teams = builders.add_connection(database, keyring, builders.connection(system=TEAMS))
    add_sync(database, slack, tokyo(13, 23, 59), status="FAILED")
    add_sync(database, slack, tokyo(14, 0), status="FAILED")
    add_sync(database, slack, tokyo(17, 6), status="PARTIAL")
    add_sync(database, slack, tokyo(20, 6))
    add_sync(database, slack, tokyo(20, 6, 30), status="FAILED", completed_at=None)
    add_sync(database, teams, tokyo(20, 6))
    found = computed(database)
    assert found["sync_success_rate.SLACK"] == pytest.approx(100 / 3)
    assert found["sync_success_rate.TEAMS"] == 100.0
    assert found["sync_success_rate"] == 50.0


def test_a_killed_process_counts_as_no_success_and_tells_no_calls_and_no_time(
    database: Database, slack: Connection
) -> None:
    closed_by_the_next_night = tokyo(21, 6)
    add_sync(
        database,
        slack,
        tokyo(20, 6),
        status="FAILED",
        error_type="INTERRUPTED",
        completed_at=closed_by_the_next_night,
    )
    found = computed(database)
    assert found == {"sync_success_rate.SLACK": 0.0, "sync_success_rate": 0.0} | {
        key: value for key, value in found.items() if key.startswith(("active", "unmatched", "ambiguous"))
    }


def test_the_calls_of_an_interrupted_sync_that_were_counted_count(database: Database, slack: Connection) -> None:
    add_sync(database, slack, tokyo(20, 6), status="FAILED", error_type="INTERRUPTED", api_calls=3)
    add_sync(database, slack, tokyo(20, 7), api_calls=4)
    found = computed(database)
    assert found["api_calls.SLACK"] == 7
    assert found["sync_duration.SLACK"] == 60


def test_calls_above_the_minimum_are_those_of_syncs_that_know_it(database: Database, slack: Connection) -> None:
    add_sync(database, slack, tokyo(20, 6), api_calls=9, api_calls_minimum=4)
    add_sync(database, slack, tokyo(20, 7), api_calls=3, api_calls_minimum=3)
    add_sync(database, slack, tokyo(20, 8), status="FAILED", api_calls=5)
    assert computed(database)["api_calls_above_minimum.SLACK"] == 5


def test_a_sync_is_complete_when_every_type_that_is_due_has_succeeded(database: Database, slack: Connection) -> None:
    add_sync(database, slack, tokyo(18, 6), sync_type="USERS")
    add_sync(database, slack, tokyo(19, 6), sync_type="USERS")
    add_sync(database, slack, tokyo(19, 12), sync_type="TEAMS")
    add_sync(database, slack, tokyo(20, 6), sync_type="TEAMS", status="PARTIAL")
    key = "hours_since_complete_sync.SLACK"
    assert key not in computed(database)
    add_sync(database, slack, tokyo(19, 11, 59), sync_type="NOTIFICATIONS")
    add_sync(database, slack, tokyo(20, 6), sync_type="NOTIFICATIONS")
    complete_at = tokyo(19, 6, 1)
    assert computed(database)[key] == pytest.approx((tokyo(21, 0) - complete_at) / dt.timedelta(hours=1))


def test_a_type_that_is_switched_off_delays_no_complete_sync(database: Database, keyring: Keyring) -> None:
    users_only = kpi_rows.add_connection(database, keyring, sync_teams=False, sync_notifications=False)
    add_sync(database, users_only, tokyo(20, 5, 59))
    found = computed(database)
    assert found["hours_since_complete_sync.SLACK"] == 18.0
    assert "teams_and_channels.SLACK" not in found


def test_a_past_day_knows_nothing_of_later_syncs(database: Database, keyring: Keyring) -> None:
    users_only = kpi_rows.add_connection(database, keyring, sync_teams=False, sync_notifications=False)
    add_sync(database, users_only, tokyo(18, 5, 59))
    add_sync(database, users_only, tokyo(20, 5, 59), records_created=9)
    found = computed(database, dt.date(2026, 11, 19))
    assert found["hours_since_complete_sync.SLACK"] == 42.0
    assert "records_created.SLACK" not in found


# a day is the tenant's own


def test_half_past_midnight_belongs_to_the_new_day_where_the_tenant_is(database: Database, slack: Connection) -> None:
    add_sync(database, slack, tokyo(20, 0, 30), records_created=5)
    add_sync(database, slack, tokyo(19, 23, 59), records_created=2)
    now = tokyo(20, 0, 45)
    assert now.astimezone(dt.UTC).date() == dt.date(2026, 11, 19)
    assert kpi.local_day(TENANT, now) == DAY
    assert computed(database, now=now)["records_created.SLACK"] == 5
    assert computed(database, dt.date(2026, 11, 19), now=now)["records_created.SLACK"] == 2


def test_a_day_has_as_many_hours_as_clocks_gave_it(database: Database, slack: Connection) -> None:
    """In New York, 2026-11-01 had 25 hours and 2026-03-08 had 23 (IANA time zone database)."""
    for first, hours in (
        (dt.datetime(2026, 11, 1, 4, tzinfo=dt.UTC), 25),
        (dt.datetime(2026, 3, 8, 5, tzinfo=dt.UTC), 23),
    ):
        for hour in range(-1, hours + 1):
            add_sync(database, slack, first + dt.timedelta(hours=hour), records_created=1)
        found = computed(database, first.date(), tenant=NEW_YORK)
        assert found["records_created.SLACK"] == hours


def test_a_day_that_has_not_begun_is_left_out(database: Database, slack: Connection) -> None:
    add_account(database, slack, "somebody")
    kpi.refresh(database, NEW_YORK, [DAY], now=NOW)
    assert kpi.local_day(NEW_YORK, NOW) == dt.date(2026, 11, 19)
    assert versions(database) == []


# writing


def test_the_same_day_twice_writes_nothing_the_second_time(database: Database, slack: Connection) -> None:
    add_account(database, slack, "somebody")
    add_sync(database, slack, tokyo(19, 6), records_created=1)
    add_sync(database, slack, tokyo(20, 6), records_created=1)
    days = [dt.date(2026, 11, 19), DAY]
    kpi.refresh(database, TENANT, days, now=NOW)
    before = versions(database)
    kpi.refresh(database, TENANT, [*days, DAY], now=NOW + dt.timedelta(hours=3))
    assert versions(database) == before
    assert before


def test_only_what_differs_is_written(database: Database, slack: Connection) -> None:
    add_account(database, slack, "a")
    computed(database)
    before = {row[0]: row for row in versions(database)}
    add_account(database, slack, "b")
    computed(database)
    after = {row[0]: row for row in versions(database)}
    assert {key for key in after if after[key] != before[key]} == {"active_users.SLACK", "unmatched_accounts.SLACK"}


def test_two_at_once_write_one_row_each_day(database: Database, slack: Connection) -> None:
    add_sync(database, slack, tokyo(20, 6), records_created=3)
    days = [DAY - dt.timedelta(days=number) for number in range(10)]
    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(kpi.refresh, database, TENANT, turn, now=NOW) for turn in (days, days[::-1])]:
            future.result()
    before = versions(database)
    kpi.refresh(database, TENANT, days, now=NOW)
    assert versions(database) == before


def test_a_day_that_is_over_keeps_the_state_it_ended_with(database: Database, slack: Connection) -> None:
    add_account(database, slack, "a")
    computed(database)
    add_account(database, slack, "b")
    tomorrow = NOW + dt.timedelta(days=1)
    kpi.refresh(database, TENANT, [DAY, DAY + dt.timedelta(days=1)], now=tomorrow)
    values = kpi.values(database, "tenant-a", DAY, DAY + dt.timedelta(days=1))
    assert [row["active_users.SLACK"] for row in values.values()] == [1, 2]


def test_a_past_day_s_state_that_nobody_wrote_down_stays_unknown(database: Database, slack: Connection) -> None:
    add_account(database, slack, "a")
    add_sync(database, slack, tokyo(19, 6), records_created=1)
    found = computed(database, dt.date(2026, 11, 19))
    assert found["records_created.SLACK"] == 1
    assert "active_users.SLACK" not in found


def test_what_history_no_longer_knows_of_a_past_day_stays(database: Database, slack: Connection) -> None:
    add_sync(database, slack, tokyo(20, 6), records_created=3)
    computed(database)
    kpi_rows.set_columns(database, "external_system_sync_history", "tenant-a", started_at=tokyo(1, 6))
    assert computed(database, now=NOW + dt.timedelta(days=1))["records_created.SLACK"] == 3


def test_today_s_value_that_is_not_known_any_more_becomes_unknown(database: Database, slack: Connection) -> None:
    add_account(database, slack, "a")
    assert computed(database)["mapping_coverage.SLACK"] == 0.0
    kpi_rows.set_columns(database, "external_users", "tenant-a", is_active=False)
    found = computed(database)
    assert found["mapping_coverage.SLACK"] is None
    assert found["active_users.SLACK"] == 0


def test_a_tenant_s_kpis_are_its_own(database: Database, keyring: Keyring, slack: Connection) -> None:
    other = builders.connection("tenant-b")
    builders.add_connection(database, keyring, other)
    add_sync(database, other, tokyo(20, 6), records_created=99)
    add_sync(database, slack, tokyo(20, 6), records_created=1)
    assert computed(database)["records_created.SLACK"] == 1
    assert kpi.values(database, "tenant-b", DAY, DAY) == {}


def test_a_day_that_is_still_to_come_where_the_tenant_is_is_refused(database: Database, slack: Connection) -> None:
    def store(day: dt.date, zone: str) -> None:
        with database.operator() as cursor:
            cursor.execute("UPDATE tenants SET time_zone = %s", (zone,))
        row = kpis.Progress("tenant-a", day, (70.0, None, None, None, None, None, None), line=7)
        kpis.import_progress(database, [row], now=dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC))

    store(dt.date(2026, 11, 20), "Asia/Tokyo")
    store(dt.date(2026, 11, 21), "Pacific/Kiritimati")
    store(dt.date(2026, 11, 21), "Nowhere/At All")
    with pytest.raises(UsageError, match="line 7: 2026-11-21 is still to come where tenant-a is"):
        store(dt.date(2026, 11, 21), "Asia/Tokyo")


def test_values_are_of_both_kinds_and_of_the_days_asked_for(database: Database, slack: Connection) -> None:
    days = [DAY - dt.timedelta(days=2), DAY - dt.timedelta(days=1), DAY]
    rows = [kpis.Progress("tenant-a", day, (70.0, None, None, None, 0.0, None, None)) for day in days]
    kpis.import_progress(database, rows, now=tokyo(20, 6))
    add_sync(database, slack, tokyo(20, 6), api_calls=5)
    computed(database)
    found = kpi.values(database, "tenant-a", days[1], DAY)
    assert list(found) == days[1:]
    assert found[DAY]["overall_progress"] == 70.0
    assert found[DAY]["quality_score"] is None
    assert found[DAY]["blockers_count"] == 0.0
    assert found[DAY]["api_calls.SLACK"] == 5
    assert "api_calls.SLACK" not in found[days[1]]
