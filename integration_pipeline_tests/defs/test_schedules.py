import datetime as dt
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.definitions.schedule_definition import ScheduleExecutionData

from integration_pipeline.definitions import defs
from integration_pipeline.defs.partitions import RANGE_END, RANGE_START
from integration_pipeline.defs.schedules import MORNING, every_morning

SIX = dt.datetime(2026, 11, 22, 6, tzinfo=ZoneInfo("Asia/Tokyo"))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


def tick(instance: dg.DagsterInstance, at: dt.datetime = SIX) -> ScheduleExecutionData:
    context = dg.build_schedule_context(instance, scheduled_execution_time=at, repository_def=defs.get_repository_def())
    return every_morning.evaluate_tick(context)


def test_it_is_six_in_tokyo() -> None:
    assert (every_morning.cron_schedule, every_morning.execution_timezone) == ("0 6 * * *", "Asia/Tokyo")
    assert every_morning.default_status is dg.DefaultScheduleStatus.RUNNING


def test_every_tenant_is_in_exactly_one_chunk(instance: dg.DagsterInstance) -> None:
    tenants = [f"tenant-{number:04}" for number in range(601)]
    instance.add_dynamic_partitions("tenants", tenants)

    requests = tick(instance).run_requests or []
    covered = []
    for request in requests:
        start, end = request.tags[RANGE_START], request.tags[RANGE_END]
        covered.append(tenants[tenants.index(start) : tenants.index(end) + 1])
    assert [len(chunk) for chunk in covered] == [250, 250, 101]
    assert [tenant for chunk in covered for tenant in chunk] == tenants


def test_a_morning_is_asked_for_once(instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("tenants", ["alpha"])
    days = [tick(instance, SIX + dt.timedelta(days=number)).run_requests or [] for number in (0, 0, 1)]

    keys = [request.run_key for (request,) in days]
    assert keys == ["2026-11-22:0", "2026-11-22:0", "2026-11-23:0"]
    assert {request.tags[MORNING] for (request,) in days} == {"2026-11-22", "2026-11-23"}


def test_without_tenants_it_says_so(instance: dg.DagsterInstance) -> None:
    found = tick(instance)
    assert not found.run_requests
    assert found.skip_message == "no tenant has a connection yet"
