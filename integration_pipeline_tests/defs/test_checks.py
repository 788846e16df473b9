import datetime as dt

import dagster as dg

from integration_pipeline.definitions import defs
from integration_pipeline.defs import checks
from integration_pipeline.defs.directory import sync_directory
from integration_pipeline.defs.lines import MAPPINGS, SYNC_TYPES, Coverage, Token
from integration_pipeline.store import holds
from integration_pipeline_tests import builders
from integration_pipeline_tests.defs.conftest import Stage, named

NOW = dt.datetime(2026, 11, 22, 6, tzinfo=dt.UTC)


def test_every_check_is_evaluated_at_the_end_of_a_run(stage: Stage) -> None:
    stage.materialize()
    for asset in SYNC_TYPES:
        assert stage.checks(asset).keys() == {spec.name for spec in checks.specs() if spec.asset_key.path == [asset]}


def test_checks_can_be_executed_by_themselves(stage: Stage) -> None:
    stage.materialize("alpha")
    asked = stage.night.sandbox.requests.count()
    key = dg.AssetCheckKey(dg.AssetKey("external_users"), "fresh")

    result = dg.materialize(
        [sync_directory],
        selection=dg.AssetSelection.checks(key),
        resources=defs.resources,
        instance=stage.instance,
        raise_on_error=False,
    )
    assert result.success
    assert [each.asset_check_key for each in result.get_asset_check_evaluations()] == [key]
    assert stage.night.sandbox.requests.count() == asked


def test_a_failed_tenant_is_named_with_its_reason(stage: Stage) -> None:
    stage.materialize()
    found = stage.checks("external_teams")["no_failed_syncs"]

    assert not found.passed
    assert found.description == "1 of 4 connections are FAILED"
    ((tenant, system, _, reason),) = named(found)
    assert (tenant, system) == ("beta", "SLACK")
    assert reason.startswith("AUTH_ERROR: ")


def test_checks_speak_of_all_tenants_whoever_ran_last(stage: Stage) -> None:
    stage.materialize("beta")
    stage.materialize("gamma")
    assert not stage.checks("external_users")["no_failed_syncs"].passed
    assert "2 of 4" in str(stage.checks("external_users")["fresh"].description)


def test_unmatched_accounts_are_counted_by_connection(stage: Stage) -> None:
    stage.execute("DELETE FROM internal_users WHERE tenant_id = 'alpha'")
    stage.materialize("alpha", "beta", "gamma")
    found = stage.checks(MAPPINGS)["mapping_coverage"]

    assert named(found) == [["alpha", "SLACK", "6", "0", "0", "0%"]]
    assert found.description == "1 of 3 connections have accounts in ERROR or less than 80% matched"
    assert (found.metadata["active"].value, found.metadata["matched"].value) == (18, 12)


def test_accounts_in_error_are_worth_a_look() -> None:
    well = Coverage("a", builders.SLACK, active=100, matched=100, in_error=0)
    assert checks.coverage([well]).passed
    assert not checks.coverage([well._replace(matched=99, in_error=1)]).passed
    assert checks.coverage([well._replace(active=0, matched=0)]).passed


def test_what_the_guard_keeps_back_is_named_until_a_person_has_decided(stage: Stage) -> None:
    stage.materialize("alpha")
    stage.night.sandbox.faults.add("empty", system="SLACK", route="users.list", times=None)
    stage.materialize("alpha")
    found = stage.checks("external_users")["no_holds_waiting"]

    ((tenant, system, _, rows, reason, remedy),) = named(found)
    assert (tenant, system, rows) == ("alpha", "SLACK", "6")
    assert reason
    ((hold_id,),) = stage.night.rows("SELECT hold_id FROM sync_holds")
    assert f"holds show {hold_id}" in remedy
    assert found.severity is dg.AssetCheckSeverity.WARN
    assert stage.checks("external_teams")["no_holds_waiting"].passed

    holds.reject(stage.night.pipeline.database, hold_id, at=NOW)
    evaluated = checks.evaluate(stage.night.pipeline.database, ["external_users"], NOW)
    assert [each.passed for each in evaluated if each.check_name == checks.HELD] == [True]


def test_a_token_that_only_a_person_can_replace_is_named_in_time(stage: Stage) -> None:
    stage.execute(
        "UPDATE external_system_connections SET client_secret = NULL, refresh_token = NULL, "
        "token_expires_at = now() + interval '6 days' WHERE tenant_id = 'alpha'"
    )
    stage.execute(
        "UPDATE external_system_connections SET token_expires_at = now() + interval '1 hour' WHERE system_type = 'TEAMS'"
    )
    stage.materialize("alpha")
    found = stage.checks("external_users")["tokens_last"]

    assert found.description == "1 tokens need a person"
    ((tenant, system, what, _),) = named(found)
    assert (tenant, system, what[:5]) == ("alpha", "SLACK", "ends ")


def test_a_renewal_that_was_cut_off_is_named() -> None:
    found = checks.tokens([Token("alpha", builders.SLACK, None, NOW)])
    assert named(found)[0][2] == "its renewal was cut off"
    assert checks.tokens([]).passed


def test_a_long_list_is_counted_whole_and_named_in_part() -> None:
    found = checks.tokens([Token(f"t{number}", builders.SLACK, NOW, None) for number in range(150)])
    assert len(named(found)) == checks.NAMED
    assert found.description == "150 tokens need a person"
