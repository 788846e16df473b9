"""Many tenants through Dagster over PostgreSQL: who is red, and how many statements it takes to say so."""

import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy
from dagster._core.events import DagsterEvent
from dagster._core.events.log import EventLogEntry
from sqlalchemy.engine import Engine

from integration_pipeline.commands.ui import shipped
from integration_pipeline.defs import storage
from integration_pipeline.defs.events import AT_ONCE, BATCH_SIZE, EVERY_SECONDS, Batches
from integration_pipeline.defs.lines import SYNC_TYPES
from integration_pipeline.defs.partitions import chunks
from integration_pipeline.sandbox.plan import TenantPlan
from integration_pipeline.sandbox.world import World
from integration_pipeline.settings import DAGSTER_DATABASE_URL
from integration_pipeline.store import urls
from integration_pipeline_tests.defs.conftest import REVOKED, SMALL, Stage, world_of
from integration_pipeline_tests.nights import nights

TENANTS = 30
CHUNK = 10
FAILING = ("tenant-07", "tenant-21")
TOLD = {"ASSET_MATERIALIZATION_PLANNED", "ASSET_MATERIALIZATION", "ASSET_OBSERVATION"}


@pytest.fixture
def world() -> World:
    names = [f"tenant-{number:02d}" for number in range(1, TENANTS + 1)]
    return world_of(
        *(TenantPlan(tenant_id=name, systems={"SLACK": REVOKED if name in FAILING else SMALL}) for name in names)
    )


@pytest.fixture
def stage(
    environ: Mapping[str, str], server_url: str, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    """Dagster as it is shipped: its storage is a database of its own."""
    urls.create_database(server_url, "dagster_events")
    own = urls.with_database(server_url, "dagster_events", driver="+psycopg2")
    shutil.copyfile(shipped("dagster.yaml"), tmp_path / "dagster.yaml")
    with nights(environ, world) as night:
        for name, value in {**environ, **night.sandbox.environment, DAGSTER_DATABASE_URL: own}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv(BATCH_SIZE, raising=False)
        with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
            for run in instance.get_runs():
                instance.delete_run(run.run_id)
            instance.wipe_assets(instance.get_asset_keys())
            instance.add_dynamic_partitions("tenants", list(world.tenants))
            yield Stage(instance, night)
    monkeypatch.delenv(BATCH_SIZE, raising=False)  # set by the storage


@contextmanager
def inserts() -> Iterator[list[int]]:
    """How many rows each statement put into Dagster's event log."""
    found: list[int] = []

    def look(_session: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO event_logs"):
            found.append(len(re.findall(r"\(%\(run_id", statement)))

    sqlalchemy.event.listen(Engine, "before_cursor_execute", look)
    try:
        yield found
    finally:
        sqlalchemy.event.remove(Engine, "before_cursor_execute", look)


def told(entry: EventLogEntry) -> tuple[Any, ...]:
    """What an event says, but for when."""
    event = entry.get_dagster_event()
    data: Any = event.event_specific_data
    said = getattr(data, "materialization", None) or getattr(data, "asset_observation", None)
    shown = {name: value for name, value in said.metadata.items() if name not in {"systems", "seconds"}} if said else {}
    return (
        event.event_type_value, event.job_name, event.step_key, event.asset_key, event.partition, event.message,
        entry.level, entry.user_message, str(shown),
    )  # fmt: skip


def log_of(stage: Stage, run_id: str) -> list[tuple[Any, ...]]:
    """A run's events about partitions, as Dagster keeps them."""
    entries = stage.instance.all_logs(run_id)
    return [told(entry) for entry in entries if entry.dagster_event and entry.dagster_event.event_type_value in TOLD]


def test_in_chunks_exactly_the_failing_tenants_are_red(stage: Stage) -> None:
    runs = [stage.materialize(*chunk) for chunk in chunks(stage.partitions, CHUNK)]

    assert [run.success for run in runs] == [False, True, False]
    for asset in SYNC_TYPES:
        colours = stage.colours(asset)
        assert {tenant for tenant, colour in colours.items() if colour == "red"} == set(FAILING)
        assert {tenant for tenant, colour in colours.items() if colour == "green"} == {*colours} - {*FAILING}


def test_events_are_written_together_and_say_what_they_said_alone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However long a busy machine takes for them, they are due together.
    monkeypatch.setattr("integration_pipeline.defs.events.EVERY_SECONDS", 3600.0)
    chunk = stage.partitions[:CHUNK]
    stage.materialize(*chunk)  # so that the next two find the same: nothing to change
    with inserts() as together:
        batched = stage.materialize(*chunk).run_id
    with monkeypatch.context() as patched:
        patched.delattr(dg.OpExecutionContext, "get_step_execution_context")
        patched.setattr(storage, "STANDS_ON", ("what a later Dagster does not have",))
        with inserts() as alone:
            single = stage.materialize(*chunk).run_id

    assert Counter(log_of(stage, batched)) == Counter(log_of(stage, single))
    # Planned, and then materialized or observed.
    told_of = 2 * len(SYNC_TYPES) * CHUNK
    assert len(log_of(stage, batched)) == told_of
    assert max(alone) == 1
    # Planned events are a statement for each asset; the others for each asset and kind, as often as they are due.
    assert together.count(CHUNK) >= len(SYNC_TYPES)
    assert len(alone) - len(together) >= told_of / 2


def test_the_last_materialization_is_each_assets_own(stage: Stage) -> None:
    run_id = stage.materialize(*stage.partitions[:CHUNK]).run_id
    for asset in SYNC_TYPES:
        (record,) = stage.instance.get_asset_records([dg.AssetKey(asset)])
        assert record.asset_entry.last_run_id == run_id
        last = record.asset_entry.last_materialization
        assert last is not None
        assert last.get_dagster_event().partition in stage.partitions


def test_what_a_batch_holds_is_written_when_the_work_is_cut_off(stage: Stage) -> None:
    batches: list[Batches] = []

    @dg.op
    def cut_off(context: dg.OpExecutionContext) -> None:
        found = Batches(context, clock=lambda: 0.0)
        batches.append(found)
        for name in ("one", "two"):
            found.add(dg.AssetMaterialization("some_asset", partition=name))
        found.write_when_due()  # nothing was written yet
        for name in ("three", "four"):
            found.add(dg.AssetMaterialization("some_asset", partition=name))
        found.write_when_due()  # only just now
        assert stage.instance.get_materialized_partitions(dg.AssetKey("some_asset")) == {"one", "two"}
        found.write()

    @dg.job
    def cut_off_job() -> None:
        cut_off()

    assert cut_off_job.execute_in_process(instance=stage.instance).success
    written = stage.instance.get_materialized_partitions(dg.AssetKey("some_asset"))
    assert written == {"one", "two", "three", "four"}


def test_what_could_not_be_written_is_written_the_next_time(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    @dg.op
    def stumbling(context: dg.OpExecutionContext) -> None:
        found = Batches(context)
        for asset in ("one_asset", "another_asset"):
            for name in ("one", "two"):
                found.add(dg.AssetMaterialization(asset, partition=name))
        with monkeypatch.context() as lost:
            lost.setattr(storage.EventLog, "prepare_insert_event_batch", _lost)
            lost.setattr(storage.EventLog, "prepare_insert_event", _lost)
            with pytest.raises(ConnectionError):
                found.write()
        found.write()

    @dg.job
    def stumbling_job() -> None:
        stumbling()

    assert stumbling_job.execute_in_process(instance=stage.instance).success
    for asset in ("one_asset", "another_asset"):
        assert stage.instance.get_materialized_partitions(dg.AssetKey(asset)) == {"one", "two"}


def test_what_cannot_be_written_waits_and_keeps_nobody_from_working(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seconds = [0.0]

    @dg.op
    def stumbling(context: dg.OpExecutionContext) -> None:
        found = Batches(context, clock=lambda: seconds[0])
        with monkeypatch.context() as lost:
            lost.setattr(storage.EventLog, "prepare_insert_event_batch", _lost)
            lost.setattr(storage.EventLog, "prepare_insert_event", _lost)
            for number in range(AT_ONCE + 2):
                found.add(dg.AssetMaterialization("some_asset", partition=str(number)))
                found.write_when_due()
            assert caplog.text.count("events wait") == 1  # and is not tried again with each tenant
            seconds[0] += EVERY_SECONDS
            found.write_when_due()
            assert caplog.text.count(f"events wait count={AT_ONCE + 2} error=ConnectionError") == 1
        found.write()

    @dg.job
    def stumbling_job() -> None:
        stumbling()

    assert stumbling_job.execute_in_process(instance=stage.instance).success
    assert len(stage.instance.get_materialized_partitions(dg.AssetKey("some_asset"))) == AT_ONCE + 2


def test_one_kind_that_cannot_be_written_keeps_no_other_back(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    @dg.op
    def stumbling(context: dg.OpExecutionContext) -> None:
        found = Batches(context)
        found.add(dg.AssetMaterialization("one_asset", partition="one"))
        found.add(dg.AssetObservation("one_asset", partition="one"))
        with monkeypatch.context() as lost:
            lost.setattr(DagsterEvent, "asset_materialization", _lost)
            with pytest.raises(ConnectionError):
                found.write()
        assert stage.observed("one_asset")
        found.write()

    @dg.job
    def stumbling_job() -> None:
        stumbling()

    assert stumbling_job.execute_in_process(instance=stage.instance).success
    assert stage.materialized("one_asset")
    assert len(stage.observed("one_asset")) == 1


def test_a_run_whose_events_cannot_be_written_syncs_all_of_its_tenants_and_fails(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunk = stage.partitions[:CHUNK]
    with monkeypatch.context() as lost:
        lost.setattr(DagsterEvent, "asset_materialization", _lost)
        lost.setattr(DagsterEvent, "asset_observation", _lost)
        result = stage.materialize(*chunk)
    assert not result.success
    ended = stage.night.rows(
        "SELECT count(DISTINCT tenant_id) FROM external_system_sync_history "
        "WHERE sync_type = 'NOTIFICATIONS' AND error_type IS DISTINCT FROM 'INTERRUPTED'"
    )
    assert ended == [(len(chunk),)]
    assert {stage.colours("external_users")[tenant_id] for tenant_id in chunk} == {"red"}


def _lost(*_: object) -> None:
    raise ConnectionError
