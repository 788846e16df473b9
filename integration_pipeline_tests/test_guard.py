"""How much may go at once."""

import pytest

from integration_pipeline.guard import Limits, objections


def held(removed: int, active: int, *, limits: Limits | None = None) -> bool:
    return bool(objections(removals={"USER": removed}, active={"USER": active}, emptied=[], limits=limits or Limits()))


@pytest.mark.parametrize(
    ("removed", "active", "is_held"),
    [
        (10, 10, False),  # not more than 10
        (11, 55, False),  # exactly 20 %
        (11, 54, True),
        (20, 100, False),
        (21, 100, True),
        (60, 100, True),
        (0, 0, False),
    ],
)
def test_more_than_ten_and_more_than_a_fifth_must_wait(removed: int, active: int, *, is_held: bool) -> None:
    assert held(removed, active) is is_held


def test_limits_can_be_raised() -> None:
    assert not held(60, 100, limits=Limits(max_removed=100))
    assert not held(60, 100, limits=Limits(max_removed_percent=60))


def test_raised_as_far_as_they_go_they_still_let_nobody_take_all_of_a_kind() -> None:
    off = Limits(max_removed=10**9, max_removed_percent=100)
    assert not held(99, 100, limits=off)
    assert held(100, 100, limits=off)
    assert held(11, 11, limits=off)
    assert not held(10, 10, limits=off)


def test_an_empty_listing_over_active_rows_must_wait_however_few_they_are() -> None:
    assert objections(removals={"USER": 1}, active={"USER": 1}, emptied=["users"], limits=Limits())


def test_kinds_are_weighed_apart() -> None:
    found = objections(
        removals={"TEAM": 11, "CHANNEL": 11}, active={"TEAM": 20, "CHANNEL": 1000}, emptied=[], limits=Limits()
    )
    assert len(found) == 1
    assert "11 of 20 active TEAM rows" in found[0]


def test_of_many_empty_listings_one_is_named() -> None:
    found = objections(removals={}, active={}, emptied=[f"apps:{number}" for number in range(500)], limits=Limits())
    assert "; ".join(found) == "the listing 'apps:0' is empty although it had active rows; so are 499 more"
