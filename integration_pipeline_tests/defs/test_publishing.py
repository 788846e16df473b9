import datetime as dt
import json
from collections.abc import Sequence
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.storage.partition_status_cache import build_failed_and_in_progress_partition_subset

from integration_pipeline import pipeline
from integration_pipeline.definitions import defs
from integration_pipeline.defs import day_standing
from integration_pipeline.defs.mornings import TOKYO
from integration_pipeline.defs.partitions import DAYS, range_tags
from integration_pipeline.defs.publishing import publish_days
from integration_pipeline.publish.sandbox.routes import Shared
from integration_pipeline.sandbox.requests import Request
from integration_pipeline.store import kpis, spreadsheet_files
from integration_pipeline_tests import builders
from integration_pipeline_tests.defs.conftest import BAD, GOOD, Stage, failure, named

ASSETS = ("sync_history", "daily_kpis", "google_sheets_kpis")
GOOGLE = "GOOGLE_SHEETS"


@pytest.fixture
def stage(stage: Stage) -> Stage:
    """The tenants' spreadsheets imported too."""
    pipeline = stage.night.pipeline
    entries = json.loads(stage.night.world.spreadsheets_json())
    spreadsheet_files.import_entries(pipeline.database, pipeline.keyring, entries)
    return stage


def today() -> dt.date:
    return pipeline.utc_now().astimezone(TOKYO).date()


def ago(days: int) -> dt.date:
    return today() - dt.timedelta(days=days)


def publish(
    stage: Stage,
    *tenant_ids: str,
    first: dt.date | None = None,
    last: dt.date | None = None,
    assets: Sequence[str] | None = None,
) -> dg.ExecuteInProcessResult:
    """Publish days, without any given yesterday and today, as a morning does."""
    return defs.resolve_job_def("publish_kpis").execute_in_process(
        instance=stage.instance,
        asset_selection=[dg.AssetKey(asset) for asset in assets] if assets else None,
        run_config={"ops": {"publish_days": {"config": {"tenant_ids": list(tenant_ids)}}}},
        tags=range_tags([(first or ago(1)).isoformat(), (last or today()).isoformat()]),
        raise_on_error=False,
    )


def shared(stage: Stage, tenant_id: str) -> Shared:
    found = stage.night.world.workspace(tenant_id, GOOGLE)
    assert isinstance(found, Shared)
    return found


def days_in(stage: Stage, tenant_id: str) -> list[str]:
    return [row[0] for row in shared(stage, tenant_id).book.table("Integration KPIs")[1:]]


def colour(stage: Stage, asset: str, day: dt.date) -> str:
    """What the UI shows of a day."""
    key = dg.AssetKey(asset)
    failed, _, _ = build_failed_and_in_progress_partition_subset(stage.instance, key, DAYS, 1)
    if day.isoformat() in failed.get_partition_keys():
        return "red"
    return "green" if day.isoformat() in stage.instance.get_materialized_partitions(key) else "none"


def checked(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {each.check_name: each for each in result.get_asset_check_evaluations()}


def calls(stage: Stage) -> dict[str, int]:
    routes = ("GET /spreadsheets", "POST :batchUpdate")
    read, written = (stage.night.sandbox.requests.count(system=GOOGLE, route=route) for route in routes)
    return {"read": read, "written": written}


def store(stage: Stage, tenant_id: str, day: dt.date, kpi: str, value: float) -> None:
    with stage.night.pipeline.database.transaction(tenant_id) as cursor:
        kpis.write(cursor, tenant_id, [kpis.Value(day, kpi, value)])


def test_after_a_morning_yesterday_and_today_are_in_every_spreadsheet(stage: Stage) -> None:
    stage.materialize()
    result = publish(stage)

    assert result.success
    for asset in ASSETS:
        assert [colour(stage, asset, day) for day in (ago(2), ago(1), today())] == ["none", "green", "green"]
    for tenant_id in (*GOOD, BAD):
        assert days_in(stage, tenant_id) == [ago(1).isoformat(), today().isoformat()]
    assert {name: each.passed for name, each in checked(result).items()} == {
        "ran_as_due": True,
        "no_future_day": True,
        "coverage_has_not_fallen": True,
        "sheet_equals_database": True,
    }


def test_a_day_carries_its_report_its_kpis_and_how_it_was_published(stage: Stage) -> None:
    stage.materialize()
    publish(stage)
    history, daily, sheets = (stage.materialized(asset)[today().isoformat()].metadata for asset in ASSETS)

    assert str(history["report"].value).startswith(f"# Integration report for {today()}")
    assert "import the connection with the new tokens" in str(history["report"].value)
    assert (history["success"].value, history["failed"].value, history["not_run"].value) == (9, 3, 0)
    table = daily["kpis"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [record.data["tenant"] for record in table.records] == ["alpha", "beta", "gamma"]
    assert {record.data["coverage %"] for record in table.records} == {"100"}
    assert "](data:image/svg+xml;base64," in str(daily["coverage"].value)
    assert (sheets["tenants"].value, sheets["rows_written"].value, sheets["google_calls"].value) == (3, 6, 6)


def test_publishing_again_changes_no_byte_of_a_sheet(stage: Stage) -> None:
    stage.materialize()
    publish(stage)
    # The hours since the last sync go on by themselves: the day before is over, and nothing of it moves.
    first = ago(1)
    publish(stage, first=first, last=first)
    before = {tenant_id: shared(stage, tenant_id).book.dump() for tenant_id in GOOD}
    result = publish(stage, first=first, last=first)

    assert result.success
    assert {tenant_id: shared(stage, tenant_id).book.dump() for tenant_id in GOOD} == before
    assert calls(stage)["written"] == 9


def test_a_broken_spreadsheet_is_named_and_the_others_are_published(stage: Stage) -> None:
    stage.materialize()
    shared(stage, BAD).book.problem = "not_shared"
    result = publish(stage)

    told = failure(result)
    assert told.description is not None
    assert told.description.startswith("1 of 3 tenants failed:\nbeta google_sheets_kpis: AUTH_ERROR: ")
    assert colour(stage, "google_sheets_kpis", today()) == "red"
    assert colour(stage, "daily_kpis", today()) == "green"
    for tenant_id in GOOD:
        assert days_in(stage, tenant_id) == [ago(1).isoformat(), today().isoformat()]
    assert checked(result)["sheet_equals_database"].passed
    rows = stage.observed("google_sheets_kpis")[today().isoformat()].metadata["spreadsheets"]
    assert isinstance(rows, dg.TableMetadataValue)
    assert [record.data["tenant"] for record in rows.records] == ["beta", "alpha", "gamma"]

    shared(stage, BAD).book.problem = None
    assert publish(stage).success
    assert colour(stage, "google_sheets_kpis", today()) == "green"


def test_a_tenant_deleted_meanwhile_is_compared_with_nothing(stage: Stage) -> None:
    assert publish(stage).success
    assert day_standing.unequal(stage.night.pipeline, ["alpha", "nobody"], []) == []


def test_comparing_ends_in_time_however_slow_the_spreadsheets_are(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert publish(stage).success
    requests, time = stage.night.sandbox.requests, stage.night.time
    add = requests.add

    def slow(request: Request) -> None:
        add(request)
        if request.method == "GET":
            time.seconds += 400

    monkeypatch.setattr(requests, "add", slow)
    found = day_standing.unequal(stage.night.pipeline, [*GOOD, BAD], [])
    assert found == [("gamma", "it was not compared: the others took too long")]


def test_a_key_that_does_not_open_stops_nobody_else(stage: Stage) -> None:
    stage.execute("UPDATE spreadsheets SET service_account = 'lost:AAAA' WHERE tenant_id = 'beta'")
    told = failure(publish(stage, assets=["google_sheets_kpis"]))
    assert told.description is not None
    assert "beta google_sheets_kpis: CONFIGURATION: " in told.description
    assert days_in(stage, "alpha") == [ago(1).isoformat(), today().isoformat()]
    assert colour(stage, "google_sheets_kpis", today()) == "red"
    rows = stage.observed("google_sheets_kpis")[today().isoformat()].metadata["spreadsheets"]
    assert isinstance(rows, dg.TableMetadataValue)
    (named, *_) = rows.records
    assert (named.data["tenant"], named.data["status"]) == ("beta", "FAILED")
    assert "Import the connection or spreadsheet again" in str(named.data["message"])
    assert stage.night.rows("SELECT tenant_id, cause FROM critical_notices") == [("beta", "SPREADSHEET")]


def test_a_tenant_named_that_has_no_spreadsheet_stops_nobody_else(stage: Stage) -> None:
    stage.execute("DELETE FROM spreadsheets WHERE tenant_id = 'beta'")
    told = failure(publish(stage, "alpha", "beta", assets=["google_sheets_kpis"]))
    assert told.description is not None
    assert "beta google_sheets_kpis: CONFIGURATION: beta has no spreadsheet" in told.description
    assert days_in(stage, "alpha") == [ago(1).isoformat(), today().isoformat()]


def test_a_backfill_of_thirty_days_for_one_tenant_is_one_read_and_one_write(stage: Stage) -> None:
    result = publish(stage, "alpha", first=ago(29), last=today())

    assert result.success
    assert days_in(stage, "alpha") == [ago(number).isoformat() for number in reversed(range(30))]
    sheets = stage.materialized("google_sheets_kpis")
    assert len(sheets) == 30
    assert {each.metadata["google_calls"].value for each in sheets.values()} == {2}
    assert calls(stage) == {"read": 2, "written": 1}  # the second read is the check's
    assert shared(stage, "gamma").book.revision == 0


def test_a_tenant_that_does_not_exist_is_refused(stage: Stage) -> None:
    assert failure(publish(stage, "nobody")).description == "tenant_ids: there is no tenant nobody"


def test_a_day_is_written_where_it_has_begun(stage: Stage) -> None:
    stage.execute("UPDATE tenants SET time_zone = 'Pacific/Pago_Pago' WHERE tenant_id = 'alpha'")
    assert publish(stage, "alpha").success
    there = pipeline.utc_now().astimezone(ZoneInfo("Pacific/Pago_Pago")).date()
    assert days_in(stage, "alpha") == [day.isoformat() for day in (ago(1), today()) if day <= there]


def test_a_tenant_whose_days_nobody_knows_stops_no_other(stage: Stage) -> None:
    stage.execute("UPDATE tenants SET time_zone = 'Mars/Olympus' WHERE tenant_id = 'beta'")
    told = failure(publish(stage))
    assert told.description is not None
    assert told.description.startswith("1 of 3 tenants failed:\nbeta daily_kpis: CONFIGURATION: there is no time zone")
    assert [colour(stage, asset, today()) for asset in ASSETS] == ["green", "red", "red"]
    assert days_in(stage, "alpha") == [ago(1).isoformat(), today().isoformat()]


def test_a_tenant_whose_kpis_the_database_refuses_stops_no_other(stage: Stage) -> None:
    stage.execute("""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'a secret'; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON daily_kpis FOR EACH ROW WHEN (NEW.tenant_id = 'beta')
        EXECUTE FUNCTION refuse()
    """)
    stage.materialize()
    told = failure(publish(stage))
    assert told.description == (
        "1 of 3 tenants failed:\nbeta daily_kpis: UNKNOWN_ERROR: the database refused with RaiseException (P0001)"
    )
    assert [colour(stage, asset, today()) for asset in ASSETS] == ["green", "red", "red"]
    assert days_in(stage, "gamma") == [ago(1).isoformat(), today().isoformat()]
    assert shared(stage, BAD).book.revision == 0


def test_rows_left_open_are_closed_where_nobody_works(stage: Stage) -> None:
    for tenant_id, system in (("alpha", builders.SLACK), ("gamma", builders.LINE_WORKS)):
        stage.execute(
            "INSERT INTO external_system_sync_history (sync_id, tenant_id, system_type, sync_type, started_at) "
            f"VALUES (new_id(), '{tenant_id}', '{system}', 'USERS', '{pipeline.utc_now()}')"
        )
    with stage.night.pipeline.locks.hold("gamma", builders.LINE_WORKS, wait=False, pause=lambda _: None):
        publish(stage, assets=["sync_history"])

    ended = "SELECT tenant_id, completed_at IS NOT NULL FROM external_system_sync_history ORDER BY tenant_id"
    assert stage.night.rows(ended) == [("alpha", True), ("gamma", False)]
    shown = stage.materialized("sync_history")[today().isoformat()].metadata
    assert (shown["interrupted_closed"].value, shown["running"].value) == (1, 1)


def test_what_was_due_and_did_not_run_is_named(stage: Stage) -> None:
    stage.night.run(tenant_ids=("alpha", "gamma"))
    found = checked(publish(stage, assets=["sync_history"]))["ran_as_due"]
    assert not found.passed
    assert {row[0] for row in named(found)} == {"beta"}
    assert found.description == "6 to name, of beta"


def test_a_day_to_come_is_named(stage: Stage) -> None:
    store(stage, "alpha", today() + dt.timedelta(days=2), "mapping_coverage", 90.0)
    found = checked(publish(stage, assets=["daily_kpis"]))["no_future_day"]
    assert not found.passed
    assert found.severity is dg.AssetCheckSeverity.ERROR
    assert named(found) == [["alpha", today().isoformat(), (today() + dt.timedelta(days=2)).isoformat()]]


@pytest.mark.parametrize(("before", "passed"), [(100.0, True), (110.0, True), (110.5, False)])
def test_a_coverage_that_fell_by_more_than_ten_points_is_named(stage: Stage, before: float, *, passed: bool) -> None:
    stage.night.run(tenant_ids=("alpha",))
    store(stage, "alpha", ago(1), "mapping_coverage.SLACK", before)
    found = checked(publish(stage, assets=["daily_kpis"]))["coverage_has_not_fallen"]
    assert found.passed is passed
    if not passed:
        assert named(found) == [["alpha", "SLACK", today().isoformat(), "100.0", "110.5"]]


def test_every_spreadsheet_is_compared_in_turn_and_no_more_a_day_than_may_be_read_in_a_minute() -> None:
    tenants = [f"t{number:04d}" for number in range(1000)]
    days = [today() + dt.timedelta(days=number) for number in range(17)]
    turns = [day_standing.in_turn(tenants, day) for day in days]
    assert max(map(len, turns)) <= day_standing.COMPARED
    assert sorted(tenant for turn in turns for tenant in turn) == tenants
    assert day_standing.in_turn(tenants[:60], today()) == tenants[:60]
    assert day_standing.in_turn([], today()) == []


def test_a_cell_that_somebody_changed_is_named(stage: Stage) -> None:
    stage.night.run(tenant_ids=("alpha",))
    publish(stage, "alpha")
    store(stage, "alpha", today(), "active_users.SLACK", 7.0)
    key = dg.AssetCheckKey(dg.AssetKey("google_sheets_kpis"), "sheet_equals_database")

    result = dg.materialize(
        [publish_days],
        selection=dg.AssetSelection.checks(key),
        resources=defs.resources,
        instance=stage.instance,
        raise_on_error=False,
    )
    assert result.success
    found = checked(result)[key.name]
    assert not found.passed
    ((tenant, difference),) = named(found)
    assert (tenant, difference) == (
        "alpha",
        f'"Integration KPIs": {today()} has 6 for Active users (Slack), not 7',
    )
