"""Before a night, what it will cost; afterwards, the same in the history beside what it did cost."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from integration_pipeline import invocation, registry, selection
from integration_pipeline.model import Estimate, SyncType
from integration_pipeline.sandbox.world import build
from integration_pipeline_tests.nights import Nights, nights

TENANT = "tenant-0001"
HISTORY = "SELECT sync_type, api_calls, api_calls_estimate, seconds_estimate FROM external_system_sync_history"


@pytest.fixture(params=list(registry.FOLDERS))
def night(environ: Mapping[str, str], request: pytest.FixtureRequest) -> Iterator[Nights]:
    world = build(users=250, channels=30, teams=30, systems=[str(request.param)], oddities=False)
    with nights(environ, world) as found:
        yield found


def expected(night: Nights) -> Mapping[SyncType, Estimate]:
    asked = invocation.Request()
    (found,) = selection.estimates(night.pipeline, asked, selection.select(night.pipeline, asked)).values()
    return found


def test_a_first_night_is_unknown(night: Nights) -> None:
    assert expected(night) == {}
    assert all(outcome.estimate is None for outcome in night.run().values())
    assert {row[2:] for row in night.rows(HISTORY)} == {(None, None)}


def test_a_night_like_the_one_before_costs_what_was_expected(night: Nights) -> None:
    night.run()
    night.run()  # whose token lives already
    before = expected(night)
    assert set(before) == set(SyncType)
    outcomes = night.run()
    for (_, _, sync_type), outcome in outcomes.items():
        assert outcome.estimate == before[sync_type]
        assert outcome.estimate.calls == outcome.api_calls == outcome.api_calls_minimum
    rows = {row[:3] for row in night.rows(f"{HISTORY} ORDER BY started_at DESC LIMIT 3")}
    assert rows == {(sync_type, one.calls, one.calls) for sync_type, one in before.items()}


def test_a_lower_limit_makes_a_longer_night_of_as_many_calls(night: Nights) -> None:
    night.run()
    night.run()
    before = expected(night)
    night.pipeline.adjust = lambda connection: replace(connection, api_rate_limit=1)
    after = expected(night)
    calls = sum(one.calls for one in before.values())
    assert sum(one.calls for one in after.values()) == calls
    assert sum(one.seconds for one in after.values()) == pytest.approx(60 * (calls - 1))


def test_retries_are_not_expected_again_and_a_night_that_failed_tells_nothing(night: Nights) -> None:
    night.run()
    night.run()
    before = expected(night)
    night.sandbox.faults.add("status", status=503, nth=2, times=2)
    night.run()
    assert {sync_type: one.calls for sync_type, one in expected(night).items()} == {
        sync_type: one.calls for sync_type, one in before.items()
    }
    night.sandbox.faults.add("status", status=500, times=None)
    night.run()
    assert {sync_type: one.calls for sync_type, one in expected(night).items()} == {
        sync_type: one.calls for sync_type, one in before.items()
    }


def test_a_dry_run_is_expected_to_cost_the_same_and_leaves_no_trace(night: Nights) -> None:
    night.run()
    night.run()
    before = expected(night)
    outcomes = night.run(dry_run=True)
    assert {sync_type: outcome.estimate for (_, _, sync_type), outcome in outcomes.items()} == before
    assert len(night.rows(HISTORY)) == 6
