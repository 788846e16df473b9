"""What holds for every provider in the registry, shown against its sandbox. A new provider is tested by existing."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from integration_pipeline import batch, invocation, registry, selection
from integration_pipeline.model import Outcome, Status, SyncType
from integration_pipeline.sandbox.world import build
from integration_pipeline.store.locks import Locks
from integration_pipeline_tests import builders
from integration_pipeline_tests.nights import Nights, nights

TENANT = "tenant-0001"


@pytest.fixture(params=list(registry.FOLDERS))
def system(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def night(environ: Mapping[str, str], system: str) -> Iterator[Nights]:
    world = build(users=30, channels=12, teams=12, groups=3, apps=3, systems=[system], oddities=True)
    with nights(environ, world) as found:
        yield found


def of_type(outcomes: dict[tuple[str, str, SyncType], Outcome]) -> dict[SyncType, Outcome]:
    return {sync_type: outcome for (_, _, sync_type), outcome in outcomes.items()}


def ids(night: Nights, table: str = "external_users", key: str = "external_user_id") -> set[str]:
    return {row[0] for row in night.rows(f"SELECT {key} FROM {table} WHERE is_active")}


def listed_whole(night: Nights) -> dict[tuple[str, str, SyncType], Outcome]:
    """The users, also where a quiet night would ask for changes alone."""
    return night.run(sync_types=(SyncType.USERS,), force_refresh=True)


def a_member(night: Nights, system: str) -> str:
    users = night.world.workspace(TENANT, system).users
    return next(user.id for user in users if user.kind == "member" and user.state == "active")


def test_a_provider_says_it_is_the_system_it_is_registered_as(system: str) -> None:
    found = next(provider for provider in registry.providers() if provider.system == system)
    assert set(found.listings) == set(SyncType)
    assert found.title


def test_the_first_night_creates_everything_and_the_second_one_changes_nothing(night: Nights) -> None:
    first = of_type(night.run())
    assert {outcome.status for outcome in first.values()} == {Status.SUCCESS}, first
    assert all(outcome.counts.created > 0 for outcome in first.values())
    second = of_type(night.run())
    for sync_type, outcome in second.items():
        counts = outcome.counts
        assert outcome.status is Status.SUCCESS
        assert (counts.created, counts.updated, counts.deleted, counts.rejected) == (0, 0, 0, 0)
        assert counts.unchanged == first[sync_type].counts.created


def test_a_dry_run_says_what_the_night_then_does_and_writes_nothing(night: Nights) -> None:
    planned = of_type(night.run(dry_run=True))
    assert night.rows("SELECT count(*) FROM external_users") == [(0,)]
    assert night.rows("SELECT count(*) FROM external_system_sync_history") == [(0,)]
    done = of_type(night.run())
    assert {t: outcome.counts for t, outcome in planned.items()} == {t: outcome.counts for t, outcome in done.items()}
    assert all(outcome.sync_id is None and outcome.changes for outcome in planned.values())


def test_whoever_left_the_listing_is_deactivated_and_comes_back_with_it(night: Nights, system: str) -> None:
    night.run()
    key = a_member(night, system)
    users = night.world.workspace(TENANT, system).users
    account = users[key]
    users.remove(key)
    gone = of_type(night.run(sync_types=(SyncType.USERS,)))[SyncType.USERS]
    assert (gone.status, gone.counts.deleted) == (Status.SUCCESS, 1)
    assert key not in ids(night)
    users.add(**account._asdict())
    back = of_type(night.run(sync_types=(SyncType.USERS,)))[SyncType.USERS]
    assert (back.counts.updated, back.counts.created) == (1, 0)
    assert key in ids(night)


def test_a_changed_row_is_updated_alone(night: Nights, system: str) -> None:
    night.run()
    night.world.workspace(TENANT, system).users.change(a_member(night, system), last_name="改姓")
    counts = of_type(night.run(sync_types=(SyncType.USERS,)))[SyncType.USERS].counts
    assert (counts.created, counts.updated, counts.deleted) == (0, 1, 0)


def test_a_directory_that_lost_most_of_its_people_overnight_deactivates_nobody(night: Nights, system: str) -> None:
    night.run()
    before = ids(night)
    users = night.world.workspace(TENANT, system).users
    members = [user.id for user in users if user.kind == "member" and user.state == "active"]
    for key in members[: len(members) * 6 // 10]:
        users.remove(key)
    outcome = of_type(night.run(sync_types=(SyncType.USERS,)))[SyncType.USERS]
    assert (outcome.status, outcome.error_type, outcome.counts.deleted) == (Status.PARTIAL, "HELD", 0)
    assert ids(night) == before


def test_a_directory_that_reads_empty_deactivates_nobody(night: Nights, system: str) -> None:
    night.run()
    before = ids(night)
    night.sandbox.faults.add("empty", system=system, times=None)
    outcome = of_type(listed_whole(night))[SyncType.USERS]
    assert (outcome.status, outcome.error_type) == (Status.PARTIAL, "HELD")
    assert ids(night) == before


@pytest.mark.parametrize("action", ["status", "html", "truncate", "reset", "reset_in_body"])
def test_a_fault_that_passes_is_tried_again_and_leaves_no_trace(night: Nights, system: str, action: str) -> None:
    night.run()
    night.sandbox.faults.add(action, system=system, **({"status": 503} if action == "status" else {}))
    outcome = of_type(night.run(sync_types=(SyncType.USERS,)))[SyncType.USERS]
    assert (outcome.status, outcome.counts.deleted) == (Status.SUCCESS, 0)
    assert night.time.waited


@pytest.mark.parametrize(
    ("action", "error_type"),
    [
        ("status", "UNKNOWN_ERROR"),
        ("html", "INVALID_RESPONSE"),
        ("truncate", "INVALID_RESPONSE"),
        ("reset", "NETWORK_ERROR"),
    ],
)
def test_a_fault_that_stays_fails_every_type_and_writes_nothing(
    night: Nights, system: str, action: str, error_type: str
) -> None:
    night.run()
    before = night.rows("SELECT external_user_id, is_active, content_hash FROM external_users ORDER BY 1")
    night.sandbox.faults.add(action, system=system, times=None, **({"status": 500} if action == "status" else {}))
    outcomes = of_type(night.run())
    assert {(outcome.status, outcome.error_type) for outcome in outcomes.values()} == {(Status.FAILED, error_type)}
    assert all(outcome.counts.processed == 0 for outcome in outcomes.values())
    assert night.rows("SELECT external_user_id, is_active, content_hash FROM external_users ORDER BY 1") == before


def test_a_provider_that_limits_us_is_waited_for_as_it_asks(night: Nights, system: str) -> None:
    night.run()
    night.sandbox.faults.add("limit", system=system, retry_after="17")
    outcome = of_type(night.run(sync_types=(SyncType.USERS,)))[SyncType.USERS]
    assert outcome.status is Status.SUCCESS
    assert any(seconds >= 16 for seconds in night.time.waited)


def test_a_provider_that_limits_us_for_ever_fails_as_rate_limited(night: Nights, system: str) -> None:
    night.sandbox.faults.add("limit", system=system, times=None, retry_after="5")
    outcomes = of_type(night.run())
    assert {outcome.error_type for outcome in outcomes.values()} == {"RATE_LIMIT"}


def paged(environ: Mapping[str, str], system: str) -> Any:
    """A directory of several pages."""
    return nights(environ, build(users=45, channels=5, teams=5, systems=[system], page_size=20, oddities=False))


def users_route(night: Nights) -> str:
    """Where this provider lists its users, in the sandbox's words."""
    return next(call.route for call in night.sandbox.requests.log if call.route in {"users.list", "GET /users"})


def test_a_page_served_twice_is_noticed_and_proves_nobody_absent(environ: Mapping[str, str], system: str) -> None:
    with paged(environ, system) as night:
        night.run()
        night.sandbox.faults.add("duplicate_page", system=system, route=users_route(night), nth=2)
        outcome = of_type(listed_whole(night))[SyncType.USERS]
        assert (outcome.status, outcome.error_type, outcome.counts.deleted) == (Status.PARTIAL, "INCOMPLETE", 0)
        assert night.rows("SELECT count(*) FROM external_users WHERE NOT is_active") == [(0,)]


def test_pages_that_run_in_a_circle_fail_the_sync(environ: Mapping[str, str], system: str) -> None:
    with paged(environ, system) as night:
        night.run(dry_run=True)
        night.sandbox.faults.add("cursor_loop", system=system, route=users_route(night), nth=2, times=None)
        outcome = of_type(night.run(sync_types=(SyncType.USERS,)))[SyncType.USERS]
        assert (outcome.status, outcome.error_type) == (Status.FAILED, "INVALID_RESPONSE")
        assert night.rows("SELECT count(*) FROM external_users") == [(0,)]


def test_a_walk_that_fails_on_its_last_page_writes_nothing(environ: Mapping[str, str], system: str) -> None:
    with paged(environ, system) as night:
        night.run(dry_run=True)
        night.sandbox.faults.add("status", status=500, system=system, route=users_route(night), nth=3, times=None)
        outcome = of_type(night.run(sync_types=(SyncType.USERS,)))[SyncType.USERS]
        assert outcome.status is Status.FAILED
        assert night.rows("SELECT count(*) FROM external_users") == [(0,)]


def test_rows_of_the_wrong_type_are_rejected_kept_as_errors_and_deactivate_nobody(night: Nights, system: str) -> None:
    night.run()
    before = ids(night)
    wrong = {key: [1] for key in ("name", "displayName", "email", "profile", "userName")}
    night.sandbox.faults.add("wrong_types", system=system, route=users_route(night), fields=wrong)
    outcome = of_type(listed_whole(night))[SyncType.USERS]
    assert (outcome.status, outcome.error_type) == (Status.PARTIAL, "REJECTED_RECORDS")
    assert outcome.counts.rejected == 1
    assert ids(night) == before
    kept = night.rows("SELECT count(*) FROM sync_errors WHERE error_type = 'REJECTED_RECORDS'")
    assert kept == [(outcome.counts.rejected,)]


def test_every_outcome_stands_in_the_history_as_it_was_reported(night: Nights) -> None:
    outcomes = of_type(night.run())
    rows = night.rows(
        "SELECT sync_id::text, sync_type, status, records_processed, records_created, api_calls, "
        "completed_at IS NOT NULL FROM external_system_sync_history"
    )
    assert {row[0]: row[1:] for row in rows} == {
        outcome.sync_id: (
            outcome.sync_type.value,
            outcome.status.value,
            outcome.counts.processed,
            outcome.counts.created,
            outcome.api_calls,
            True,
        )
        for outcome in outcomes.values()
    }


def test_api_calls_are_the_requests_that_were_sent(night: Nights) -> None:
    outcomes = of_type(night.run())
    assert sum(outcome.api_calls for outcome in outcomes.values()) == night.sandbox.requests.count()


def test_a_token_that_expires_in_mid_walk_is_renewed_and_the_walk_goes_on(night: Nights, system: str) -> None:
    night.sandbox.faults.add("expire_token", system=system, nth=3)
    outcomes = of_type(night.run())
    expected = {Status.SUCCESS} if system != "SLACK" else {Status.FAILED}
    assert {outcome.status for outcome in outcomes.values()} == expected


def test_types_that_are_switched_off_are_not_due(night: Nights) -> None:
    with builders.everything(night.pipeline.database) as cursor:
        cursor.execute("UPDATE external_system_connections SET sync_teams = false, sync_notifications = false")
    assert set(of_type(night.run())) == {SyncType.USERS}


def test_notifications_alone_fetch_what_they_need_themselves(night: Nights) -> None:
    together = of_type(night.run())[SyncType.NOTIFICATIONS]
    alone = of_type(night.run(sync_types=(SyncType.NOTIFICATIONS,)))[SyncType.NOTIFICATIONS]
    assert alone.counts.unchanged == together.counts.created


def test_work_that_another_invocation_holds_is_refused_and_leaves_no_history(night: Nights, system: str) -> None:
    connection = selection.select(night.pipeline, invocation.Request())[0]
    with (
        contextlib.closing(Locks(night.pipeline.database.url)) as others,
        others.hold(connection.tenant_id, connection.system, wait=False, pause=lambda _: None),
    ):
        (refused,) = batch.run(night.pipeline, invocation.Request(), [connection])
    assert isinstance(refused, invocation.Refused)
    assert night.rows("SELECT count(*) FROM external_system_sync_history") == [(0,)]
