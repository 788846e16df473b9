import datetime as dt

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from integration_pipeline.defs.mornings import TOKYO, look, morning_has_ended
from integration_pipeline.defs.partitions import RANGE_END, RANGE_START
from integration_pipeline.defs.schedules import CHUNK_OF, MORNING
from integration_pipeline_tests.defs.test_schedules import SIX, instance, tick

__all__ = ["instance"]

DAY = "2026-11-22"
SEVEN = dt.datetime(2026, 11, 22, 7, tzinfo=TOKYO)
SUCCESS, FAILURE, STARTED = dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED


def begin(instance: dg.DagsterInstance, *statuses: dg.DagsterRunStatus, of: int, day: str = DAY) -> None:
    """The morning's runs, as far as they were started."""
    for number, status in enumerate(statuses, start=1):
        create_run_for_test(
            instance, job_name="sync_tenants", status=status, tags={MORNING: day, CHUNK_OF: f"{number}/{of}"}
        )


def published(found: dg.SensorResult) -> list[tuple[str | None, str, str]]:
    return [(each.run_key, each.tags[RANGE_START], each.tags[RANGE_END]) for each in found.run_requests or []]


@pytest.mark.parametrize("statuses", [(SUCCESS, SUCCESS), (SUCCESS, FAILURE), (FAILURE, dg.DagsterRunStatus.CANCELED)])
def test_when_all_chunks_have_ended_however_the_day_and_the_one_before_are_published(
    instance: dg.DagsterInstance, statuses: tuple[dg.DagsterRunStatus, ...]
) -> None:
    begin(instance, *statuses, of=2)
    assert published(look(instance, None, SEVEN)) == [(DAY, "2026-11-21", DAY)]


def test_a_morning_is_published_once(instance: dg.DagsterInstance) -> None:
    begin(instance, SUCCESS, of=1)
    cursor = look(instance, None, SEVEN).cursor
    assert published(look(instance, cursor, SEVEN + dt.timedelta(minutes=1))) == []
    begin(instance, SUCCESS, of=1, day="2026-11-23")
    assert published(look(instance, cursor, SEVEN + dt.timedelta(days=1))) == [("2026-11-23", DAY, "2026-11-23")]


def test_a_run_under_way_is_waited_for(instance: dg.DagsterInstance) -> None:
    begin(instance, SUCCESS, STARTED, of=2)
    found = look(instance, None, SEVEN)
    assert not found.run_requests
    assert found.skip_reason is not None
    assert found.skip_reason.skip_message == f"the morning of {DAY}: 1 of 2 runs have not ended"


def test_a_chunk_without_a_run_is_waited_for_and_not_for_ever(instance: dg.DagsterInstance) -> None:
    begin(instance, SUCCESS, of=3)
    found = look(instance, None, SEVEN)
    assert found.skip_reason is not None
    assert found.skip_reason.skip_message == f"the morning of {DAY}: 2 of 3 chunks have no run yet"
    assert published(look(instance, None, SEVEN.replace(hour=18))) == [(DAY, "2026-11-21", DAY)]


def test_a_morning_that_ends_after_midnight_is_published(instance: dg.DagsterInstance) -> None:
    begin(instance, SUCCESS, of=1)
    assert published(look(instance, "2026-11-21", SEVEN.replace(day=23, hour=0))) == [(DAY, "2026-11-21", DAY)]


def test_without_a_morning_nothing_is_published(instance: dg.DagsterInstance) -> None:
    create_run_for_test(instance, job_name="sync_tenants", status=SUCCESS)
    assert published(look(instance, None, SEVEN)) == []


def test_the_schedule_says_which_chunks_there_are(instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("tenants", [f"tenant-{number:04}" for number in range(251)])
    requests = tick(instance, SIX).run_requests or []
    assert [(each.tags[MORNING], each.tags[CHUNK_OF]) for each in requests] == [(DAY, "1/2"), (DAY, "2/2")]


def test_the_sensor_looks_at_the_present(instance: dg.DagsterInstance) -> None:
    today = dt.datetime.now(TOKYO).date().isoformat()
    begin(instance, SUCCESS, of=1, day=today)
    found = morning_has_ended(dg.build_sensor_context(instance))
    assert isinstance(found, dg.SensorResult)
    assert [key for key, _, _ in published(found)] == [today]
    assert morning_has_ended.default_status is dg.DefaultSensorStatus.RUNNING
