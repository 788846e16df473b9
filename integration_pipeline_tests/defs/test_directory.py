import threading
from typing import Any

import dagster as dg
import pytest

from integration_pipeline.model import SyncType
from integration_pipeline_tests import builders
from integration_pipeline_tests.defs.conftest import Stage, failure, named
from integration_pipeline_tests.receivers import receiver

ASSETS = ("external_users", "external_teams", "notification_settings", "user_mappings")


def history(stage: Stage) -> list[tuple[Any, ...]]:
    return stage.night.rows(
        "SELECT tenant_id, system_type, sync_type, status, error_type FROM external_system_sync_history "
        "ORDER BY tenant_id, system_type, started_at"
    )


def test_one_bad_tenant_among_good_is_red_and_the_good_are_green(stage: Stage) -> None:
    result = stage.materialize()

    assert not result.success
    for asset in ASSETS:
        assert stage.colours(asset) == {"alpha": "green", "beta": "red", "gamma": "green"}


def test_the_reason_can_be_read(stage: Stage) -> None:
    told = failure(stage.materialize())

    assert told.description is not None
    assert "1 of 3 tenants failed" in told.description
    assert "beta SLACK USERS, TEAMS, NOTIFICATIONS: AUTH_ERROR: " in told.description
    assert "import the connection with the new tokens" in told.description
    assert told.metadata["failed_tenants"].value == 1
    table = told.metadata["failed"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [record.data["type"] for record in table.records] == ["USERS", "TEAMS", "NOTIFICATIONS"]
    assert {record.data["error_type"] for record in table.records} == {"AUTH_ERROR"}
    assert all(record.data["remedy"] for record in table.records)


def test_the_reason_stands_beside_the_red_partition_too(stage: Stage) -> None:
    stage.materialize("beta")

    seen = stage.observed("external_users")
    assert seen.keys() == {"beta"}
    shown = str(seen["beta"].metadata["systems"].value)
    assert "| TEAMS | SUCCESS |" in shown
    assert "| SLACK | FAILED |" in shown
    assert r"- SLACK: AUTH\_ERROR: " in shown


def test_a_tenants_other_system_is_synced_although_one_is_broken(stage: Stage) -> None:
    stage.materialize("beta")

    assert [row[:4] for row in history(stage) if row[1] == "TEAMS"] == [
        ("beta", "TEAMS", str(sync_type), "SUCCESS") for sync_type in SyncType
    ]


def test_a_tenant_shows_a_table_of_its_systems_and_numbers_to_plot(stage: Stage) -> None:
    stage.materialize("alpha")
    shown = stage.materialized("external_users")["alpha"].metadata

    assert str(shown["systems"].value).splitlines()[2].startswith("| SLACK | SUCCESS | 6 | 6 | 0 | 0 | 0 | 0 |")
    assert shown["status"].value == "SUCCESS"
    assert (shown["records_processed"].value, shown["records_created"].value) == (6, 6)
    assert isinstance(shown["api_calls"].value, int)
    assert shown["api_calls"].value > 0


def test_mappings_show_how_many_accounts_are_matched(stage: Stage) -> None:
    stage.materialize("alpha")
    shown = stage.materialized("user_mappings")["alpha"].metadata

    assert (shown["accounts_active"].value, shown["accounts_matched"].value) == (6, 6)
    assert shown["coverage_percent"].value == 100.0


def test_the_assets_chosen_are_the_types_synced(stage: Stage) -> None:
    assert stage.materialize("alpha", assets=["external_teams", "notification_settings"]).success

    assert [row[2] for row in history(stage)] == ["TEAMS", "NOTIFICATIONS"]
    assert stage.materialized("external_teams").keys() == {"alpha"}
    assert not stage.materialized("external_users")
    assert not stage.materialized("user_mappings")


def test_mappings_alone_are_matched_anew_without_asking_anybody(stage: Stage) -> None:
    stage.materialize("alpha")
    with stage.night.pipeline.database.transaction("alpha") as cursor:
        cursor.execute(
            "UPDATE external_users SET match_rule = NULL, match_user_id = NULL, match_status = NULL, match_reason = NULL"
        )
    asked = stage.night.sandbox.requests.count()

    assert stage.materialize("alpha", assets=["user_mappings"]).success
    shown = stage.materialized("user_mappings")["alpha"].metadata
    assert shown["records_updated"].value == 6
    assert shown["accounts_matched"].value == 6
    assert stage.night.sandbox.requests.count() == asked
    assert len(history(stage)) == len(SyncType)


def test_a_dry_run_writes_observations_only(stage: Stage) -> None:
    assert stage.materialize("alpha", config={"dry_run": True}).success

    assert not history(stage)
    for asset in ASSETS:
        assert not stage.materialized(asset)
    seen = stage.observed("external_users")["alpha"].metadata
    assert "| SLACK | SUCCESS | 6 | 6 |" in str(seen["dry_run_systems"].value)
    assert "CREATE USER" in str(seen["dry_run_changes"].value)


def test_a_dry_run_leaves_in_sight_what_the_run_before_it_said(stage: Stage) -> None:
    stage.materialize("alpha")
    assert stage.materialize("alpha", config={"dry_run": True}).success

    said, seen = (
        found["alpha"].metadata for found in (stage.materialized("external_users"), stage.observed("external_users"))
    )
    assert not said.keys() & seen.keys()
    assert stage.checks("external_users")["no_failed_syncs"].passed


def test_a_second_run_finds_nothing_to_change(stage: Stage) -> None:
    stage.materialize("alpha")
    stage.materialize("alpha")
    shown = stage.materialized("external_users")["alpha"].metadata

    assert (shown["records_unchanged"].value, shown["records_created"].value) == (6, 0)


def test_a_system_can_be_chosen(stage: Stage) -> None:
    assert stage.materialize("beta", config={"system_types": ["TEAMS"]}).success
    assert {row[1] for row in history(stage)} == {"TEAMS"}


def test_a_system_that_does_not_exist_is_said(stage: Stage) -> None:
    told = failure(stage.materialize("alpha", config={"system_types": ["IRC"]}))
    assert told.description == "system_types: there is no system 'IRC', only TEAMS, SLACK, LINE_WORKS"


def test_a_tenant_that_is_gone_does_not_fail_the_others(stage: Stage) -> None:
    stage.instance.add_dynamic_partitions("tenants", ["zeta"])

    assert stage.materialize("gamma", "zeta").success
    assert stage.colours("external_users") == {"alpha": "none", "beta": "none", "gamma": "green", "zeta": "none"}


def test_a_run_of_nobody_but_tenants_that_are_gone_fails(stage: Stage) -> None:
    stage.instance.add_dynamic_partitions("tenants", ["zeta"])
    assert failure(stage.materialize("zeta")).description == "there is no tenant zeta"


def test_a_tenant_with_nothing_due_is_green_and_says_so(stage: Stage) -> None:
    stage.execute("UPDATE external_system_connections SET sync_teams = false WHERE tenant_id = 'gamma'")

    assert stage.materialize("gamma").success
    assert "nothing to sync" in str(stage.materialized("external_teams")["gamma"].metadata["note"].value)
    assert stage.materialized("external_users")["gamma"].metadata["status"].value == "SUCCESS"


def test_a_tenant_stored_wrongly_does_not_stop_the_others(stage: Stage) -> None:
    stage.execute(
        "UPDATE external_system_connections SET api_endpoint = 'https://elsewhere.example/' WHERE tenant_id = 'alpha'"
    )

    told = failure(stage.materialize("alpha", "gamma"))
    assert told.description is not None
    assert "alpha SLACK USERS, TEAMS, NOTIFICATIONS: CONFIGURATION: " in told.description
    assert "elsewhere.example" in told.description
    assert "Allow the host" in told.description
    assert stage.colours("external_users")["alpha"] == "red"
    assert stage.colours("external_users")["gamma"] == "green"
    assert [row for row in history(stage) if row[0] == "alpha"] == [
        ("alpha", "SLACK", str(sync_type), "FAILED", "CONFIGURATION") for sync_type in SyncType
    ]
    assert stage.night.rows("SELECT tenant_id, cause FROM critical_notices WHERE tenant_id = 'alpha'") == [
        ("alpha", "CONFIGURATION")
    ]


def test_what_was_stored_wrongly_is_synced_by_the_retry_once_it_is_right(stage: Stage) -> None:
    stage.execute(
        "UPDATE external_system_connections SET api_endpoint = 'https://elsewhere.example/' WHERE tenant_id = 'alpha'"
    )
    stage.materialize("alpha")
    stage.retry("alpha")
    assert stage.colours("external_users")["alpha"] == "red"
    stage.execute("UPDATE external_system_connections SET api_endpoint = NULL WHERE tenant_id = 'alpha'")
    assert stage.retry("alpha").success
    assert stage.colours("external_users")["alpha"] == "green"


def test_matching_anew_needs_nothing_that_a_connection_is_reached_by(stage: Stage) -> None:
    stage.materialize("alpha")
    stage.execute(
        "UPDATE external_system_connections SET api_endpoint = 'https://elsewhere.example/' WHERE tenant_id = 'alpha'"
    )
    assert stage.materialize("alpha", assets=["user_mappings"]).success


def test_a_connection_stored_wrongly_does_not_stop_its_tenants_other_systems(stage: Stage) -> None:
    stage.execute(
        "UPDATE external_system_connections SET api_endpoint = 'https://elsewhere.example/' "
        "WHERE tenant_id = 'beta' AND system_type = 'SLACK'"
    )

    told = failure(stage.materialize("beta"))
    assert told.description is not None
    assert "beta SLACK USERS, TEAMS, NOTIFICATIONS: CONFIGURATION: " in told.description
    assert "beta TEAMS" not in told.description
    assert [row[:4] for row in history(stage)] == [
        ("beta", system, str(sync_type), status)
        for system, status in (("SLACK", "FAILED"), ("TEAMS", "SUCCESS"))
        for sync_type in SyncType
    ]
    assert stage.colours("external_users")["beta"] == "red"


def test_a_partial_sync_is_green_with_a_warning(stage: Stage) -> None:
    stage.night.sandbox.faults.add("wrong_types", system="SLACK", route="users.list", times=None, fields={"name": 7})

    assert stage.materialize("alpha").success
    assert stage.colours("external_users")["alpha"] == "green"
    shown = stage.materialized("external_users")["alpha"].metadata
    assert shown["status"].value == "PARTIAL"
    checks = stage.checks("external_users")
    assert not checks["no_partial_syncs"].passed
    assert checks["no_partial_syncs"].severity is dg.AssetCheckSeverity.WARN
    assert [row[:2] for row in named(checks["no_partial_syncs"])] == [["alpha", "SLACK"]]
    assert stage.checks("external_teams")["no_partial_syncs"].passed


def test_a_connection_somebody_else_works_on_is_red_and_said(stage: Stage) -> None:
    held = threading.Event()
    with stage.night.pipeline.locks.hold("alpha", builders.SLACK, wait=False, pause=lambda _: held.set()):
        told = failure(stage.materialize("alpha", "beta", "gamma", config={"system_types": ["SLACK", "LINE_WORKS"]}))

    assert told.description is not None
    assert "alpha SLACK USERS, TEAMS, NOTIFICATIONS: BUSY: " in told.description
    assert stage.colours("external_users") == {"alpha": "red", "beta": "red", "gamma": "green"}


def test_history_names_the_run(stage: Stage) -> None:
    result = stage.materialize("alpha")
    assert stage.night.rows("SELECT DISTINCT run_id FROM external_system_sync_history") == [(result.run_id,)]


def test_an_interrupted_run_leaves_a_true_history(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal, while the provider is silent."""
    stage.night.sandbox.faults.add("hang", system="SLACK", route="users.list", times=None)
    stage.interrupt_when(lambda request: request.route == "users.list", monkeypatch)

    result = stage.materialize("alpha")
    stage.night.sandbox.release()

    rows = stage.night.rows("SELECT status, error_type, completed_at IS NULL FROM external_system_sync_history")
    assert rows == [("FAILED", "INTERRUPTED", False)]
    assert not result.success
    assert not stage.materialized("external_users")


def test_runs_hold_no_secret(stage: Stage) -> None:
    stage.materialize()
    opened = builders.opened(stage.night.pipeline.database, stage.night.pipeline.keyring)
    secrets = {
        secret.get_secret_value()
        for connection in opened
        for secret in (
            connection.client_secret,
            connection.access_token,
            connection.refresh_token,
            *connection.secret_options.values(),
        )
        if secret
    }
    told = stage.everything_told()

    assert secrets
    assert "beta" in told
    assert not [secret for secret in secrets if secret in told]
    assert builders.KEYS.partition(":")[2] not in told
    assert stage.night.pipeline.database.url not in told


def test_what_only_a_person_can_mend_is_told_at_once_from_here_too(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiver() as there:
        for name, value in there.environment.items():
            monkeypatch.setenv(name, value)
        stage.materialize()
    assert there.causes == [("beta", "SLACK", "RECONNECT")]
