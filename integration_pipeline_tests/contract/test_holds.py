"""What the guard holds, for every provider in the registry: kept, shown, approved or rejected, superseded."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from integration_pipeline import registry
from integration_pipeline.errors import UsageError
from integration_pipeline.model import Outcome, Status, SyncType
from integration_pipeline.report import integration
from integration_pipeline.sandbox.world import build
from integration_pipeline.store import holds
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


def users(night: Nights, **request: bool) -> Outcome:
    (outcome,) = night.run(sync_types=(SyncType.USERS,), **request).values()
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


def bring_back(night: Nights, system: str, lost: list[Any]) -> None:
    for account in lost:
        night.world.workspace(TENANT, system).users.add(**account._asdict())


def now() -> datetime:
    return datetime.now(UTC)


def approve(night: Nights) -> Outcome:
    """Approve the one hold there is."""
    ((hold_id, *_),) = night.rows(HOLDS)
    return holds.approve(night.pipeline.database, night.pipeline.locks, UUID(hold_id), now=now)


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


def test_whoever_is_held_was_not_seen_that_night(night: Nights, system: str) -> None:
    seen = "SELECT external_user_id, last_synced_at FROM external_user_mappings ORDER BY 1"
    before = dict(night.rows(seen))
    lost = lose(night, system)
    users(night)
    after = dict(night.rows(seen))
    assert {account.id: after[account.id] for account in lost} == {account.id: before[account.id] for account in lost}
    bring_back(night, system, lost)
    users(night)
    assert all(at > before[account] for account, at in night.rows(seen) if account in {each.id for each in lost})


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
    bring_back(night, system, lost)
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
    assert users(night, force_refresh=True).error_type == "HELD"
    assert held(night) == before


def test_approving_takes_exactly_those_away_at_once_with_a_history_row_of_its_own(night: Nights, system: str) -> None:
    before = active(night)
    lost = {account.id for account in lose(night, system)}
    users(night)
    done = approve(night)
    assert active(night) == before - lost
    assert (done.status, done.counts.deleted, done.api_calls) == (Status.SUCCESS, len(lost), 0)
    history = night.rows(
        "SELECT sync_id::text, sync_type, records_deleted, records_updated, records_processed, error_type "
        "FROM external_system_sync_history ORDER BY sync_id DESC LIMIT 1"
    )
    counts = done.counts
    assert history == [(done.sync_id, "USERS", len(lost), counts.updated, counts.processed, None)]
    changed = night.rows(f"SELECT key, action FROM sync_changes WHERE sync_id = '{done.sync_id}'")
    assert sorted(changed) == sorted((key, "DEACTIVATED") for key in lost)
    assert night.rows("SELECT status, decided_sync_id::text FROM sync_holds") == [("APPROVED", done.sync_id)]


def test_the_night_after_an_approval_changes_nothing(night: Nights, system: str) -> None:
    lose(night, system)
    users(night)
    approve(night)
    after = users(night)
    assert after.status is Status.SUCCESS
    assert (after.counts.created, after.counts.updated, after.counts.deleted) == (0, 0, 0)
    assert [row[1] for row in night.rows(HOLDS)] == ["APPROVED"]


def test_whoever_the_provider_brings_back_after_an_approval_is_active_again(night: Nights, system: str) -> None:
    before, lost = active(night), lose(night, system)
    users(night)
    approve(night)
    bring_back(night, system, lost)
    back = users(night)
    assert (back.status, back.counts.created) == (Status.SUCCESS, 0)
    assert back.counts.updated >= len(lost)
    assert active(night) == before


def test_an_empty_directory_can_be_approved_too(night: Nights, system: str) -> None:
    night.sandbox.faults.add("empty", system=system, times=None)
    users(night, force_refresh=True)
    assert approve(night).counts.deleted == len(held(night)) > 0
    assert active(night) == set()


def test_what_is_not_active_any_more_is_passed_over(night: Nights, system: str) -> None:
    lost = lose(night, system)
    users(night)
    with night.pipeline.database.transaction(TENANT) as cursor:
        cursor.execute("UPDATE external_users SET is_active = false WHERE external_user_id = %s", (lost[0].id,))
    assert approve(night).counts.deleted == len(lost) - 1


def test_a_superseded_hold_is_refused_and_takes_nobody_away(night: Nights, system: str) -> None:
    before, lost = active(night), lose(night, system)
    users(night)
    bring_back(night, system, lost)
    users(night)
    with pytest.raises(UsageError, match="superseded, a later sync has seen the directory anew"):
        approve(night)
    assert active(night) == before


def test_a_rejected_hold_is_decided_and_the_next_sync_holds_anew(night: Nights, system: str) -> None:
    before = active(night)
    lose(night, system)
    users(night)
    ((hold_id, *_),) = night.rows(HOLDS)
    assert holds.reject(night.pipeline.database, UUID(hold_id), at=now()).status == "REJECTED"
    with pytest.raises(UsageError, match="rejected"):
        approve(night)
    assert users(night).error_type == "HELD"
    assert [row[1] for row in night.rows(HOLDS)] == ["REJECTED", "WAITING"]
    assert active(night) == before


def test_what_waits_stands_in_the_report_until_it_is_decided(night: Nights, system: str) -> None:
    lost = lose(night, system)
    users(night)
    (waiting,) = integration.read(night.pipeline.database, day=None, now=now()).holds
    assert (waiting.held, waiting.system_type, waiting.status) == (len(lost), system, "WAITING")
    assert "would be deactivated" in waiting.reasons[0]
    approve(night)
    assert integration.read(night.pipeline.database, day=None, now=now()).holds == []
