"""What the guard holds, for every provider in the registry: kept, shown, approved or rejected, superseded."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from integration_pipeline import registry
from integration_pipeline.model import Outcome, Status, SyncType
from integration_pipeline.sandbox.world import build
from integration_pipeline_tests.nights import Nights, nights

TENANT = "tenant-0001"
HOLDS = "SELECT hold_id::text, status, absent_count, flagged_count FROM sync_holds ORDER BY hold_id"


@pytest.fixture(params=list(registry.FOLDERS))
def system(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def night(environ: Mapping[str, str], system: str) -> Iterator[Nights]:
    world = build(users=30, channels=2, teams=2, systems=[system], oddities=True)
    with nights(environ, world) as found:
        found.run(sync_types=(SyncType.USERS,))
        yield found


def users(night: Nights) -> Outcome:
    (outcome,) = night.run(sync_types=(SyncType.USERS,)).values()
    return outcome


def active(night: Nights) -> set[str]:
    return {row[0] for row in night.rows("SELECT external_user_id FROM external_users WHERE is_active")}


def held(night: Nights) -> set[str]:
    return {row[0] for row in night.rows("SELECT key FROM sync_hold_rows")}


def lose(night: Nights, system: str, percent: int = 60) -> list[Any]:
    """Take so many of the world's people away; returns what they were."""
    accounts = night.world.workspace(TENANT, system).users
    members = [user for user in accounts if user.kind == "member" and user.state == "active"]
    lost = members[: len(members) * percent // 100]
    for account in lost:
        accounts.remove(account.id)
    return lost


def test_a_world_that_loses_most_of_its_people_deactivates_nobody_and_keeps_whom_it_would_have(
    night: Nights, system: str
) -> None:
    before = active(night)
    lost = lose(night, system)
    outcome = users(night)
    assert (outcome.status, outcome.error_type, outcome.counts.deleted) == (Status.PARTIAL, "HELD", 0)
    assert active(night) == before
    ((hold_id, *rest),) = night.rows(HOLDS)
    assert rest == ["WAITING", len(lost), 0]
    assert held(night) == {account.id for account in lost}
    assert outcome.remedy is not None
    assert f"integration-pipeline holds show {hold_id}" in outcome.remedy
    assert night.rows("SELECT count(*) FROM sync_hold_rows WHERE name IS NULL OR reason <> 'absent'") == [(0,)]


def test_a_night_that_holds_the_same_writes_no_second_hold(night: Nights, system: str) -> None:
    lose(night, system)
    first = users(night)
    kept = night.rows("SELECT * FROM sync_holds"), night.rows("SELECT *, xmin FROM sync_hold_rows ORDER BY key")
    again = users(night)
    assert (again.error_type, again.remedy) == ("HELD", first.remedy)
    assert (
        night.rows("SELECT * FROM sync_holds"),
        night.rows("SELECT *, xmin FROM sync_hold_rows ORDER BY key"),
    ) == kept


def test_a_night_that_holds_others_supersedes_the_hold_and_keeps_its_own(night: Nights, system: str) -> None:
    lose(night, system)
    users(night)
    more = lose(night, system, percent=20)
    users(night)
    assert [row[1] for row in night.rows(HOLDS)] == ["SUPERSEDED", "WAITING"]
    assert {account.id for account in more} < held(night)
    counted = night.rows("SELECT absent_count FROM sync_holds WHERE status = 'WAITING'")
    assert counted == [(len(held(night)),)]


def test_a_directory_that_is_whole_again_supersedes_the_hold(night: Nights, system: str) -> None:
    lost = lose(night, system)
    users(night)
    for account in lost:
        night.world.workspace(TENANT, system).users.add(**account._asdict())
    clean = users(night)
    assert clean.status is Status.SUCCESS
    decided = night.rows("SELECT status, decided_sync_id::text, decided_at IS NOT NULL FROM sync_holds")
    assert decided == [("SUPERSEDED", clean.sync_id, True)]
    assert held(night) == set()


def test_a_sync_that_fails_leaves_the_hold_waiting(night: Nights, system: str) -> None:
    lose(night, system)
    users(night)
    night.sandbox.faults.add("status", status=500, system=system, times=None)
    assert users(night).status is Status.FAILED
    assert [row[1] for row in night.rows(HOLDS)] == ["WAITING"]


def test_a_dry_run_keeps_nothing(night: Nights, system: str) -> None:
    lose(night, system)
    (planned,) = night.run(sync_types=(SyncType.USERS,), dry_run=True).values()
    assert (planned.error_type, planned.counts.deleted) == ("HELD", 0)
    assert night.rows(HOLDS) == []


def test_a_directory_that_reads_empty_is_held_whole(night: Nights, system: str) -> None:
    before = active(night)
    night.sandbox.faults.add("empty", system=system, times=None)
    assert users(night).error_type == "HELD"
    assert held(night) == before
