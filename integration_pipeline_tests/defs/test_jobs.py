from typing import Any

from integration_pipeline.defs.lines import Line
from integration_pipeline.defs.retrying import grouped
from integration_pipeline.model import Counts, Status, SyncType, System
from integration_pipeline_tests import builders
from integration_pipeline_tests.defs.conftest import Stage, failure


def syncs_of(stage: Stage, run_id: str) -> list[tuple[Any, ...]]:
    return stage.night.rows(
        "SELECT tenant_id, system_type, sync_type, status FROM external_system_sync_history "
        f"WHERE run_id = '{run_id}' ORDER BY tenant_id, system_type, started_at"
    )


def mend(stage: Stage) -> None:
    """Beta's Slack app is installed again."""
    stage.night.world.workspace("beta", builders.SLACK).access.problem = None


def test_exactly_what_failed_is_synced_again(stage: Stage) -> None:
    stage.materialize()
    mend(stage)

    result = stage.retry()
    assert result.success
    assert syncs_of(stage, result.run_id) == [("beta", "SLACK", str(each), "SUCCESS") for each in SyncType]
    for asset in ("external_users", "external_teams", "notification_settings", "user_mappings"):
        assert stage.colours(asset)["beta"] == "green"


def test_a_tenant_mended_shows_all_of_its_systems(stage: Stage) -> None:
    stage.materialize()
    mend(stage)
    stage.retry()

    shown = stage.materialized("external_users")["beta"].metadata
    assert "| SLACK | SUCCESS |" in str(shown["systems"].value)
    assert "| TEAMS | SUCCESS |" in str(shown["systems"].value)


def test_only_the_type_that_failed_is_synced_again(stage: Stage) -> None:
    stage.night.sandbox.faults.add(
        "error", system="SLACK", route="conversations.list", code="missing_scope", times=None
    )
    stage.materialize("alpha")
    stage.night.sandbox.faults.clear()

    result = stage.retry()
    assert syncs_of(stage, result.run_id) == [("alpha", "SLACK", "TEAMS", "SUCCESS")]
    assert stage.colours("external_teams")["alpha"] == "green"


def test_a_tenant_that_fails_again_is_red(stage: Stage) -> None:
    stage.materialize("alpha", "beta")
    mend(stage)
    stage.materialize("beta")
    stage.night.world.workspace("beta", builders.SLACK).access.problem = "token_revoked"
    stage.materialize("beta", config={"system_types": ["SLACK"]}, assets=["external_users"])

    told = failure(stage.retry())
    assert told.description is not None
    assert "beta SLACK USERS: AUTH_ERROR" in told.description
    assert stage.colours("external_users")["beta"] == "red"
    assert stage.colours("external_teams")["beta"] == "green"
    assert stage.colours("external_users")["alpha"] == "green"


def test_tenants_can_be_chosen(stage: Stage) -> None:
    stage.materialize()
    result = stage.retry("alpha")
    assert result.success
    assert not syncs_of(stage, result.run_id)


def test_a_tenant_that_does_not_exist_is_no_success(stage: Stage) -> None:
    assert failure(stage.retry("zeta")).description == "there is no tenant zeta"


def test_what_is_running_is_left_alone(stage: Stage) -> None:
    stage.materialize()
    stage.execute(
        "INSERT INTO external_system_sync_history (sync_id, tenant_id, system_type, sync_type, started_at) "
        "SELECT new_id(), 'beta', 'SLACK', sync_type, now() FROM unnest(ARRAY['USERS', 'TEAMS', 'NOTIFICATIONS']) sync_type"
    )
    with stage.night.pipeline.locks.hold("beta", builders.SLACK, wait=False, pause=lambda _: None):
        result = stage.retry()

    assert result.success
    assert not syncs_of(stage, result.run_id)


def test_what_a_killed_process_left_is_synced_again(stage: Stage) -> None:
    stage.execute(
        "INSERT INTO external_system_sync_history (sync_id, tenant_id, system_type, sync_type, started_at) "
        "VALUES (new_id(), 'gamma', 'LINE_WORKS', 'USERS', now())"
    )
    result = stage.retry()
    assert syncs_of(stage, result.run_id) == [("gamma", "LINE_WORKS", "USERS", "SUCCESS")]


def test_nothing_failed_is_success(stage: Stage) -> None:
    stage.materialize("alpha")
    assert stage.retry().success


def test_connections_that_failed_alike_go_together() -> None:
    def failed(tenant_id: str, system: System, sync_type: SyncType) -> Line:
        return Line(tenant_id, system, sync_type, Status.FAILED, Counts())

    users, teams = SyncType.USERS, SyncType.TEAMS
    found = grouped(
        [
            failed("a", builders.SLACK, users),
            failed("a", builders.SLACK, teams),
            failed("a", builders.TEAMS, users),
            failed("b", builders.SLACK, users),
        ]
    )
    assert found == {
        (users, teams): [("a", builders.SLACK)],
        (users,): [("a", builders.TEAMS), ("b", builders.SLACK)],
    }
