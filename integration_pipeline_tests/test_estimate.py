"""What syncs will cost: the calls they made last, in the time that sliding windows leave for them."""

import pytest

from integration_pipeline import registry
from integration_pipeline.estimate import estimated
from integration_pipeline.model import Estimate, Load, SyncType
from integration_pipeline.provider import Limit

USERS, TEAMS, NOTIFICATIONS = SyncType
LIMITS = {"users": (Limit("users", 20, 60.0),), "batch": (Limit("parts", 30, 1.0),), "free": ()}


def of(load: dict[str, Load], requests_per_minute: int = 600) -> Estimate:
    return estimated({USERS: load}, LIMITS, requests_per_minute=requests_per_minute)[USERS]


@pytest.mark.parametrize(("calls", "seconds"), [(0, 0), (1, 0), (20, 0), (21, 60), (40, 60), (41, 120), (100, 240)])
def test_a_window_lets_so_many_through_and_then_makes_wait(calls: int, seconds: float) -> None:
    assert of({"users": Load(calls, calls)}) == Estimate(calls, seconds)


def test_the_connections_own_limit_counts_every_operation() -> None:
    found = of({"users": Load(5, 5), "free": Load(6, 6)}, requests_per_minute=10)
    assert found == Estimate(11, 60)


def test_a_batch_counts_once_here_and_by_its_parts_there() -> None:
    # Twenty parts of thirty a second: one batch a second, since two do not fit.
    assert of({"batch": Load(3, 60)}) == Estimate(3, 2)


def test_answers_take_their_time_and_waits_are_shorter_for_it() -> None:
    assert of({"users": Load(20, 20, seconds=40.0)}).seconds == pytest.approx(40)
    # The first of them came after two seconds, and leaves the window a minute later.
    assert of({"users": Load(21, 21, seconds=42.0)}).seconds == pytest.approx(2 + 60 + 2)


def test_types_that_run_in_turn_share_the_limits() -> None:
    load = {"users": Load(15, 15)}
    found = estimated({USERS: load, NOTIFICATIONS: load}, LIMITS, requests_per_minute=600)
    assert found == {USERS: Estimate(15, 0), NOTIFICATIONS: Estimate(15, 60)}


def test_what_nobody_knows_is_not_made_up() -> None:
    assert estimated({}, LIMITS, requests_per_minute=60) == {}


def test_an_operation_that_is_no_longer_there_is_limited_by_the_connection_alone() -> None:
    assert of({"gone": Load(61, 61)}, requests_per_minute=60) == Estimate(61, 60)


def test_a_hundred_thousand_users_at_slack_take_the_minutes_that_its_tier_leaves() -> None:
    slack = next(provider for provider in registry.providers() if provider.system == "SLACK")
    found = estimated({USERS: {"users.list": Load(100, 100)}}, slack.limits, requests_per_minute=600)
    assert found[USERS].seconds == 4 * 60
