"""What the report is compared with, read from a real database: the day before, and fourteen days of Tokyo."""

import datetime as dt
from typing import Any

import pytest

from integration_pipeline.crypto import Keyring
from integration_pipeline.report import days, integration
from integration_pipeline.report.days import Day, Known, Moved, Overview, pooled, total
from integration_pipeline.store.engine import Database
from integration_pipeline_tests import builders
from integration_pipeline_tests.report.test_integration import DAY, SIX, add_row

MIDNIGHT = dt.datetime(2026, 11, 20, 15, 0, tzinfo=dt.UTC)
"""The beginning of that day, in Tokyo."""

TICK = dt.timedelta(microseconds=1)
A_DAY = dt.timedelta(days=1)
TOMORROW = SIX + A_DAY
COST: dict[str, Any] = {"api_calls_minimum": 2, "api_calls_estimate": 3, "seconds_estimate": 1.5}


@pytest.fixture
def stored(database: Database, keyring: Keyring) -> Database:
    """A database with one connection that has done nothing yet."""
    builders.add_connection(database, keyring, builders.connection())
    return database


def read(database: Database, *, now: dt.datetime = SIX) -> Overview:
    return days.read(database, integration.read(database, day=DAY, now=now), now=now)


def add_account(database: Database, name: str, *, is_mapped: bool) -> None:
    with database.transaction("tenant-a") as cursor:
        cursor.execute(
            "INSERT INTO external_users (tenant_id, system_type, external_user_id, kind, listing, is_active, "
            "content_hash, created_sync_id, changed_sync_id, changed_at) "
            "VALUES ('tenant-a', 'SLACK', %s, 'USER', 'users', true, 0, new_id(), new_id(), now())",
            (name,),
        )
        if is_mapped:
            cursor.execute(
                "UPDATE external_users SET match_rule = 'EMAIL', match_user_id = 'u', match_status = 'ACTIVE' "
                "WHERE external_user_id = %s",
                (name,),
            )


def add_kpi(database: Database, day: dt.date, **values: float | None) -> None:
    with database.transaction("tenant-a") as cursor:
        cursor.executemany(
            "INSERT INTO daily_kpis (tenant_id, day, kpi, value) VALUES ('tenant-a', %s, %s, %s)",
            [(day, f"{name}.SLACK", value) for name, value in values.items()],
        )


def test_there_are_fourteen_days_whether_anything_was_synced_or_not(stored: Database) -> None:
    add_row(stored, "USERS", SIX - 13 * A_DAY, records_created=40, api_calls=5)
    add_row(stored, "USERS", SIX - 14 * A_DAY)
    days = read(stored).days
    assert [day.day for day in days] == [DAY - ago * A_DAY for ago in range(13, -1, -1)]
    assert days[0] == Day(DAY - 13 * A_DAY, "SLACK", 1, 0, 0, 40, 0, 0, 5)
    assert {day[1:] for day in days[1:]} == {(None, 0, 0, 0, 0, 0, 0, 0)}


def test_a_day_has_its_last_results_and_the_sums_of_all_its_syncs(stored: Database) -> None:
    failed: dict[str, Any] = {"status": "FAILED", "error_type": "TIMEOUT", "records_created": 0}
    add_row(stored, "USERS", MIDNIGHT - TICK, api_calls=100)
    add_row(stored, "USERS", MIDNIGHT, api_calls=1, **failed)
    add_row(stored, "USERS", SIX, api_calls=2, records_created=7, records_updated=5, records_deleted=1)
    add_row(stored, "TEAMS", SIX, api_calls=4, **failed)
    add_row(stored, "NOTIFICATIONS", MIDNIGHT + A_DAY - TICK, api_calls=8, status="PARTIAL", error_type="INCOMPLETE")
    add_row(stored, "USERS", MIDNIGHT + A_DAY, api_calls=200)
    assert read(stored, now=TOMORROW).days[-1] == Day(DAY, "SLACK", 1, 1, 1, 10, 5, 1, 15)


def test_systems_are_told_apart(stored: Database, keyring: Keyring) -> None:
    builders.add_connection(stored, keyring, builders.connection(system=builders.TEAMS))
    add_row(stored, "USERS", SIX)
    with stored.transaction("tenant-a") as cursor:
        cursor.execute("UPDATE external_system_sync_history SET system_type = 'TEAMS'")
    add_row(stored, "USERS", SIX)
    overview = read(stored)
    assert [day.system for day in overview.days][-2:] == ["SLACK", "TEAMS"]
    assert [each.system for each in overview.connections] == ["TEAMS", "SLACK"]


def test_what_syncs_moved_is_summed_by_type(stored: Database) -> None:
    second = dt.timedelta(seconds=1)
    add_row(stored, "USERS", SIX, completed_at=SIX + second, records_created=2, api_calls=3, **COST)
    add_row(stored, "USERS", SIX + 9 * second, completed_at=SIX + 11 * second, records_deleted=1, api_calls=3)
    add_row(stored, "TEAMS", SIX, completed_at=None, status="FAILED", error_type="INTERRUPTED", records_created=0)
    # Closed by the next process, hours later.
    killed = {"status": "FAILED", "error_type": "INTERRUPTED", "records_created": 0}
    add_row(stored, "NOTIFICATIONS", SIX, completed_at=SIX + dt.timedelta(hours=9), **killed)
    (connected,) = read(stored).connections
    assert connected.moved == {
        "USERS": Moved(runs=2, created=5, deleted=1, api_calls=6, seconds=3.0, estimated=1, **COST),
        "TEAMS": Moved(runs=1),
        "NOTIFICATIONS": Moved(runs=1),
    }
    assert connected.all_moved == Moved(runs=4, created=5, deleted=1, api_calls=6, seconds=3.0, estimated=1, **COST)
    assert total([]) == Moved()


def test_a_result_is_compared_with_the_last_one_of_the_day_before(stored: Database) -> None:
    failed = {"status": "FAILED", "error_type": "TIMEOUT"}
    add_row(stored, "USERS", SIX - A_DAY, **failed)
    add_row(stored, "USERS", MIDNIGHT - TICK)
    add_row(stored, "USERS", SIX, **failed)
    add_row(stored, "TEAMS", SIX - 2 * A_DAY)
    add_row(stored, "TEAMS", SIX, **failed)
    add_row(stored, "NOTIFICATIONS", SIX - A_DAY)
    (connected,) = read(stored).connections
    assert connected.changed == {"USERS": ("SUCCESS", "FAILED"), "NOTIFICATIONS": ("SUCCESS", "not run")}


def test_coverage_of_today_is_as_it_stands_and_of_the_day_before_as_it_was_stored(stored: Database) -> None:
    for name, is_mapped in {"a": True, "b": True, "c": True, "d": False}.items():
        add_account(stored, name, is_mapped=is_mapped)
    add_kpi(stored, DAY - A_DAY, mapping_coverage=50.0, active_users=10)
    add_kpi(stored, DAY, mapping_coverage=60.0, active_users=10)
    (connected,) = read(stored).connections
    assert (connected.coverage, connected.coverage_before) == (Known(0.75, 4), Known(0.5, 10))
    (connected,) = read(stored, now=TOMORROW).connections
    assert (connected.coverage, connected.coverage_before) == (Known(0.6, 10), Known(0.5, 10))


def test_coverage_that_nobody_stored_is_unknown(stored: Database) -> None:
    add_kpi(stored, DAY - A_DAY, mapping_coverage=None, active_users=10)
    add_kpi(stored, DAY - 2 * A_DAY, mapping_coverage=50.0, active_users=10)
    add_kpi(stored, DAY, mapping_coverage=50.0)
    (connected,) = read(stored, now=TOMORROW).connections
    assert (connected.accounts, connected.coverage, connected.coverage_before) == (None, None, None)


def test_coverage_of_several_is_weighed_and_only_of_those_known_on_both_days(stored: Database) -> None:
    (one,) = read(stored).connections

    def known(now: Known | None, before: Known | None) -> days.Connected:
        return days.Connected("t", "SLACK", {}, {}, {}, None, now, before)

    both = [known(Known(1.0, 30), Known(0.5, 10)), known(Known(0.5, 10), Known(1.0, 30)), one]
    assert pooled([*both, known(Known(0.0, 1000), None)]) == (Known(0.875, 40), Known(0.875, 40))
    assert pooled([one]) == (None, None)


def test_names_and_languages_are_those_of_the_reports_tenants(stored: Database, keyring: Keyring) -> None:
    builders.add_tenant(stored, "idle", locale="en")
    builders.add_tenant(stored, "tenant-b", name="B", locale="en-US")
    builders.add_connection(stored, keyring, builders.connection("tenant-b"))
    overview = read(stored)
    assert overview.names == {"tenant-a": "Tenant tenant-a", "tenant-b": "B"}
    assert overview.locales == ["ja", "en-US"]
