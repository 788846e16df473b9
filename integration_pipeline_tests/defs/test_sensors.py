import datetime as dt
from collections.abc import Sequence

import dagster as dg

from integration_pipeline.defs.partitions import range_tags
from integration_pipeline.defs.resources import DatabaseResource
from integration_pipeline.defs.sensors import Cursor, Event, news, staleness, tenants_in_step
from integration_pipeline.model import SyncType
from integration_pipeline_tests import builders
from integration_pipeline_tests.defs.conftest import Stage

LATER = dt.timedelta(minutes=5)


def look(stage: Stage, cursor: str | None = None) -> dg.SensorResult:
    context = dg.build_sensor_context(stage.instance, cursor=cursor)
    result = tenants_in_step(context, database=DatabaseResource())
    assert isinstance(result, dg.SensorResult)
    return result


def told(events: Sequence[Event]) -> list[tuple[str, str | None]]:
    found = [event for event in events if isinstance(event, dg.AssetMaterialization)]
    return [(event.asset_key.to_user_string(), event.partition) for event in found]


def now(stage: Stage) -> dt.datetime:
    return stage.night.pipeline.now() + LATER


def test_partitions_follow_the_tenants_with_a_connection(stage: Stage) -> None:
    builders.add_tenant(stage.night.pipeline.database, "without")
    builders.add_connection(
        stage.night.pipeline.database, stage.night.pipeline.keyring, builders.connection("delta", sync_enabled=False)
    )
    stage.instance.add_dynamic_partitions("tenants", ["gone"])

    requests = look(stage).dynamic_partitions_requests
    assert requests is not None
    assert [(type(each), each.partition_keys) for each in requests] == [
        (dg.AddDynamicPartitionsRequest, ["delta"]),
        (dg.DeleteDynamicPartitionsRequest, ["gone"]),
    ]


def test_a_partition_stays_while_a_run_may_count_from_it(stage: Stage) -> None:
    stage.instance.add_dynamic_partitions("tenants", ["gone"])
    run = dg.DagsterRun(
        job_name="sync_tenants", status=dg.DagsterRunStatus.NOT_STARTED, tags=range_tags(["alpha", "gone"])
    )
    stage.instance.run_storage.add_run(run)

    assert not look(stage).dynamic_partitions_requests
    stage.instance.report_run_canceled(run)
    requests = look(stage).dynamic_partitions_requests
    assert requests is not None
    assert [each.partition_keys for each in requests] == [["gone"]]


def test_partitions_in_step_are_left_alone(stage: Stage) -> None:
    assert not look(stage).dynamic_partitions_requests


def test_what_the_command_line_synced_is_materialized(stage: Stage) -> None:
    stage.night.run(tenant_ids=("alpha",))

    events, _ = news(stage.night.pipeline.database, Cursor(), now(stage))
    assert sorted(told(events)) == [
        ("external_teams", "alpha"),
        ("external_users", "alpha"),
        ("notification_settings", "alpha"),
        ("user_mappings", "alpha"),
    ]
    (users,) = (
        each
        for each in events
        if isinstance(each, dg.AssetMaterialization) and each.asset_key.path == ["external_users"]
    )
    assert "| SLACK | SUCCESS | 6 |" in str(users.metadata["systems"].value)
    assert users.metadata["synced_by"].value == "command line"


def test_news_are_told_once(stage: Stage) -> None:
    database = stage.night.pipeline.database
    stage.night.run(tenant_ids=("alpha",))
    _, cursor = news(database, Cursor(), now(stage))

    assert news(database, Cursor.read(cursor.write()), now(stage)) == ([], cursor)
    stage.night.run(tenant_ids=("alpha",), sync_types=(SyncType.TEAMS,))
    events, _ = news(database, cursor, now(stage))
    assert told(events) == [("external_teams", "alpha")]


def test_what_has_just_ended_waits_for_the_next_look(stage: Stage) -> None:
    stage.night.run(tenant_ids=("alpha",))
    assert news(stage.night.pipeline.database, Cursor(), stage.night.pipeline.now()) == ([], Cursor())


def test_a_tenant_of_which_one_system_failed_is_no_good_news(stage: Stage) -> None:
    stage.night.run()

    events, _ = news(stage.night.pipeline.database, Cursor(), now(stage))
    assert {partition for _, partition in told(events)} == {"alpha", "gamma"}
    failed = {
        event.asset_key.to_user_string(): event.passed
        for event in events
        if isinstance(event, dg.AssetCheckEvaluation) and event.check_name == "no_failed_syncs"
    }
    assert failed == {"external_users": False, "external_teams": False, "notification_settings": False}


def test_what_dagster_synced_is_no_news(stage: Stage) -> None:
    stage.materialize("alpha")
    assert news(stage.night.pipeline.database, Cursor(), now(stage)) == ([], Cursor())


def test_many_rows_are_told_over_several_looks(stage: Stage) -> None:
    database = stage.night.pipeline.database
    stage.night.run(tenant_ids=("alpha", "gamma"))
    cursor, partitions = Cursor(), []
    for _ in range(3):
        events, cursor = news(database, cursor, now(stage), limit=2)
        partitions += told(events)
    assert len(partitions) == len(set(partitions)) == 8


def test_connections_grow_stale_when_nothing_runs(stage: Stage) -> None:
    database = stage.night.pipeline.database
    stage.night.run()
    today = stage.night.pipeline.now()
    events, cursor = staleness(database, Cursor(), today)
    assert [(each.check_name, each.passed) for each in events if isinstance(each, dg.AssetCheckEvaluation)] == [
        ("fresh", False)  # the broken connection has never had a success
    ] * 3

    assert staleness(database, cursor, today + dt.timedelta(minutes=59)) == ([], cursor)
    events, cursor = staleness(database, cursor, today + dt.timedelta(hours=2))
    assert events == []
    events, _ = staleness(database, cursor, today + dt.timedelta(days=2))
    assert len(events) == 3
    (users, *_) = events
    assert isinstance(users, dg.AssetCheckEvaluation)
    assert users.severity is dg.AssetCheckSeverity.WARN
    assert "4 of 4 connections" in str(users.description)


def test_a_look_ends_in_a_cursor_that_reads_back(stage: Stage) -> None:
    stage.night.run(tenant_ids=("alpha",))
    cursor = look(stage).cursor
    assert cursor is not None
    assert look(stage, cursor).asset_events == []
