"""No call is made that is not needed, whatever the size, shown for every provider against its sandbox.

What is needed is said here anew, from the vendors' documentation and the world's sizes.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from integration_pipeline import registry
from integration_pipeline.model import Outcome, Status, SyncType
from integration_pipeline.sandbox.world import build
from integration_pipeline_tests.builders import LINE_WORKS, SLACK, TEAMS
from integration_pipeline_tests.nights import Nights, nights

TENANT = "tenant-0001"
USERS, TEAM_TYPE, NOTIFICATIONS = SyncType
LOOKUPS = 2
"""Of Slack, once a night: who we are, and where."""


class Sizes(NamedTuple):
    users: int
    teams: int = 0
    groups: int = 0
    apps: int = 0
    domains: int = 1


def pages(rows: int, largest: int) -> int:
    return max(1, math.ceil(rows / largest))


def slack(of: Sizes, **_: bool) -> dict[SyncType, int]:
    bots = max(1, of.apps) + 1  # Slackbot
    return {
        USERS: LOOKUPS + pages(of.users + bots, 1000),
        TEAM_TYPE: pages(of.teams, 999) + 1,
        NOTIFICATIONS: 1,
    }


def teams(of: Sizes, *, is_first: bool = True) -> dict[SyncType, int]:
    """Listed whole in the first night, with a link taken before; then that link tells what changed."""
    batches = math.ceil(of.teams / 20)
    return {
        USERS: 1 + pages(of.users, 999) if is_first else 1,
        TEAM_TYPE: (1 + pages(of.teams, 999) if is_first else 1) + 2 * batches,
        NOTIFICATIONS: batches + 1,
    }


def line_works(of: Sizes, **_: bool) -> dict[SyncType, int]:
    def by_domain(rows: int) -> int:
        return sum(pages(len(range(first, rows, of.domains)), 100) for first in range(of.domains))

    return {
        USERS: by_domain(of.users),
        TEAM_TYPE: by_domain(of.teams) + by_domain(of.groups),
        NOTIFICATIONS: pages(of.apps, 100) + of.apps,
    }


FEWEST: Mapping[str, Callable[..., dict[SyncType, int]]] = {SLACK: slack, TEAMS: teams, LINE_WORKS: line_works}

# What a page holds beside people: Slack's users are listed with its own bot, ours, and those of the apps.
EDGES: Mapping[str, list[Sizes]] = {
    SLACK: [Sizes(0), Sizes(1, 1, 1), Sizes(998, 999, 1), Sizes(997, 1000, 0, apps=3)],
    TEAMS: [Sizes(0), Sizes(1, 1, 1, 1), Sizes(999, 20, 3, 2), Sizes(1000, 21)],
    LINE_WORKS: [Sizes(0), Sizes(1, 1, 1, 1), Sizes(100, 100, 100, 3), Sizes(101, 101, 101), Sizes(401, 7, 7, 2, 2)],
}
CASES = [(system, sizes) for system in registry.FOLDERS for sizes in EDGES[system]]


def world(system: str, sizes: Sizes, **settings: Any) -> Any:
    return build(systems=[system], oddities=False, channels=sizes.teams, **sizes._asdict(), **settings)


def of_type(night: Nights, **request: Any) -> dict[SyncType, Outcome]:
    return {sync_type: outcome for (_, _, sync_type), outcome in night.run(**request).items()}


def counted(outcomes: Mapping[SyncType, Outcome]) -> dict[SyncType, tuple[int, int | None]]:
    """What was sent, and what was needed."""
    return {sync_type: (outcome.api_calls, outcome.api_calls_minimum) for sync_type, outcome in outcomes.items()}


def exactly(needed: Mapping[SyncType, int]) -> dict[SyncType, tuple[int, int]]:
    return {sync_type: (number, number) for sync_type, number in needed.items()}


def token_requests(night: Nights) -> int:
    routes = {call.route for call in night.sandbox.requests.log if "token" in call.route or "oauth" in call.route}
    return sum(night.sandbox.requests.count(route=route) for route in routes)


@pytest.mark.parametrize(("system", "sizes"), CASES)
def test_both_nights_make_exactly_the_calls_that_the_sizes_need(
    environ: Mapping[str, str], system: str, sizes: Sizes
) -> None:
    with nights(environ, world(system, sizes)) as night:
        for is_first in (True, False):
            tokens = int(is_first and system != SLACK)
            night.sandbox.requests.clear()
            outcomes = of_type(night)
            needed = FEWEST[system](sizes, is_first=is_first)
            needed[USERS] += tokens
            assert token_requests(night) == tokens
            assert {outcome.status for outcome in outcomes.values()} == {Status.SUCCESS}
            assert counted(outcomes) == exactly(needed)
            assert night.sandbox.requests.count() == sum(needed.values())
            stored = night.rows(
                "SELECT DISTINCT ON (sync_type) sync_type, api_calls, api_calls_minimum "
                "FROM external_system_sync_history ORDER BY sync_type, started_at DESC"
            )
            assert {SyncType(row[0]): row[1:] for row in stored} == exactly(needed)


def test_a_thousand_teams_are_a_link_two_pages_and_twice_fifty_batches_and_then_no_pages(
    environ: Mapping[str, str],
) -> None:
    sizes = Sizes(0, 1000)
    # Where calls are what is scarce; a connection that may make twice as many does, to be done sooner.
    with nights(environ, world(TEAMS, sizes, api_rate_limit=60)) as night:
        first, second = (of_type(night, sync_types=(TEAM_TYPE,)) for _ in range(2))
        assert counted(first) == exactly({TEAM_TYPE: 1 + 1 + 2 + 100})
        assert counted(second) == exactly({TEAM_TYPE: 1 + 100})


@pytest.mark.parametrize(
    ("system", "needed"),
    # The token, where one must be had; then what leads to the settings, and they themselves.
    [(SLACK, LOOKUPS + 1 + 1), (TEAMS, 1 + 1 + 1 + 1), (LINE_WORKS, 1 + 1 + 3)],
)
def test_notifications_alone_count_what_they_must_fetch_themselves(
    environ: Mapping[str, str], system: str, needed: int
) -> None:
    with nights(environ, world(system, Sizes(30, 12, 3, 3))) as night:
        assert counted(of_type(night, sync_types=(NOTIFICATIONS,))) == exactly({NOTIFICATIONS: needed})


@pytest.mark.parametrize("system", [SLACK, TEAMS])
def test_empty_pages_are_needed_since_nothing_else_leads_to_the_next(environ: Mapping[str, str], system: str) -> None:
    sizes = Sizes(1500)
    with nights(environ, world(system, sizes, empty_pages=True)) as night:
        found = of_type(night, sync_types=(USERS,))
        assert counted(found) == exactly({USERS: FEWEST[system](sizes)[USERS] + 1 + (system == TEAMS)})


@pytest.mark.parametrize("system", list(registry.FOLDERS))
def test_smaller_pages_than_the_largest_show_what_they_cost(environ: Mapping[str, str], system: str) -> None:
    with nights(environ, world(system, Sizes(90, 3))) as night:
        needed = of_type(night)[USERS].api_calls_minimum
        assert needed is not None
        night.pipeline.adjust = lambda connection: replace(connection, options={**connection.options, "page_size": 10})
        found = of_type(night, force_refresh=True)[USERS]  # with a token anew, and no changes alone
        rows = 92 if system == SLACK else 90
        assert found.api_calls_minimum == needed
        assert found.api_calls == needed + math.ceil(rows / 10) - 1


def test_a_fallback_to_smaller_pages_lies_above_what_was_needed(environ: Mapping[str, str]) -> None:
    with nights(environ, world(SLACK, Sizes(500))) as night:
        night.sandbox.faults.add("error", code="limit_required", system=SLACK, route="users.list")
        found = of_type(night, sync_types=(USERS,))[USERS]
        # The refused page, then three of two hundred in place of one.
        assert (found.status, found.api_calls, found.api_calls_minimum) == (
            Status.SUCCESS,
            LOOKUPS + 1 + 3,
            LOOKUPS + 1,
        )


@pytest.mark.parametrize("system", list(registry.FOLDERS))
def test_a_retry_lies_above_what_was_needed(environ: Mapping[str, str], system: str) -> None:
    with nights(environ, world(system, Sizes(30, 30))) as night:
        of_type(night)
        needed = exactly(FEWEST[system](Sizes(30, 30), is_first=False))
        assert counted(of_type(night)) == needed
        night.sandbox.faults.add("status", status=503, system=system, nth=2, times=2)
        found = counted(of_type(night))
        assert {sync_type: fewest for sync_type, (_, fewest) in found.items()} == {
            sync_type: fewest for sync_type, (_, fewest) in needed.items()
        }
        assert sum(calls for calls, _ in found.values()) == 2 + sum(calls for calls, _ in needed.values())


@pytest.mark.parametrize("system", [TEAMS, LINE_WORKS])
def test_a_token_that_is_taken_back_in_mid_walk_lies_above_what_was_needed(
    environ: Mapping[str, str], system: str
) -> None:
    with nights(environ, world(system, Sizes(30, 30))) as night:
        of_type(night)
        night.sandbox.faults.add("expire_token", system=system)
        outcomes = of_type(night)
        found = outcomes[USERS]
        assert found.status is Status.SUCCESS
        # The refused call, and the token.
        assert (found.api_calls, found.api_calls_minimum) == (1 + 2, 1)


def test_a_redirect_to_another_instance_lies_above_what_was_needed(environ: Mapping[str, str]) -> None:
    with nights(environ, world(LINE_WORKS, Sizes(30, 3), redirects=True)) as night:
        of_type(night)
        assert counted(of_type(night, sync_types=(USERS,))) == {USERS: (2, 1)}


def test_a_sync_that_failed_does_not_say_what_it_would_have_needed(environ: Mapping[str, str]) -> None:
    with nights(environ, world(SLACK, Sizes(30))) as night:
        night.sandbox.faults.add("status", status=500, system=SLACK, route="users.list", times=None)
        found = of_type(night)
        assert (found[USERS].status, found[USERS].api_calls_minimum) == (Status.FAILED, None)
        # Who we are was asked by the sync that failed, and is not told twice.
        assert counted({TEAM_TYPE: found[TEAM_TYPE]}) == exactly({TEAM_TYPE: 2})


def test_a_dry_run_tells_the_same(environ: Mapping[str, str]) -> None:
    with nights(environ, world(SLACK, Sizes(30, 3))) as night:
        assert counted(of_type(night, dry_run=True)) == exactly(slack(Sizes(30, 3)))
