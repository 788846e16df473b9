"""Holds in a real PostgreSQL: what is kept of every kind of record, and that approving writes just that."""

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

import psycopg
import pytest

from integration_pipeline.crypto import Keyring
from integration_pipeline.diff import Diff
from integration_pipeline.errors import Busy, UsageError
from integration_pipeline.model import Connection, Page, Record, Setting, State, SyncType, Team, User
from integration_pipeline.store import beginning, holds, staging
from integration_pipeline.store.engine import Database
from integration_pipeline.store.holds import HeldRow
from integration_pipeline.store.locks import Locks
from integration_pipeline.store.staging import TARGETS, Apply
from integration_pipeline_tests import builders

AT = dt.datetime(2026, 11, 21, 6, 0, tzinfo=dt.UTC)
WHY = ["too many"]


def now() -> dt.datetime:
    return AT


def user(key: str, **changes: Any) -> User:
    values = {"state": State.ACTIVE, "reason": None, "external_username": "山田 太郎", **changes}
    return User(**{**dict.fromkeys(User._fields), "key": key, "kind": "USER", **values})


@pytest.fixture
def connection(database: Database, keyring: Keyring) -> Connection:
    return builders.add_connection(database, keyring, builders.connection())


Sync = Callable[..., UUID | None]


@pytest.fixture
def sync(database: Database, connection: Connection) -> Sync:
    """One sync's database side over one complete listing; with reasons, all its deactivations are held."""

    def syncs(
        records: Iterable[Record],
        sync_type: SyncType = SyncType.USERS,
        reasons: Iterable[str] = (),
        connection: Connection = connection,
    ) -> Any:
        target, reasons = TARGETS[sync_type], list(reasons)
        with database.transaction(connection.tenant_id) as cursor:
            begun = beginning.begin(cursor, connection, sync_type, started_at=AT)
            assert begun.sync_id is not None
            diff = Diff(staging.stored(cursor, target, connection), by_kind=target.by_kind)
            changes = diff.feed("all", Page(list(records), []))
            absent, _ = staging.removals(cursor, target, connection, diff.unseen())
            stood = AT, begun.generation
            task = Apply(connection, begun.sync_id, sync_type, *stood, users_are_complete=False, workspace=None)
            with builders.spooled(target, changes, absent) as spool:
                staging.apply(cursor, task, spool.blocks(is_held=bool(reasons)))
                return holds.settle(cursor, task, reasons, spool.deactivations())

    return syncs


def held(database: Database, hold_id: UUID | None) -> list[HeldRow]:
    assert hold_id is not None
    return holds.rows(database, holds.read(database, hold_id))


def query(database: Database, text: str) -> list[tuple[Any, ...]]:
    with builders.everything(database) as cursor:
        return cursor.execute(text.encode()).fetchall()


def test_absent_deleted_and_disabled_people_are_held_as_what_they_are(
    database: Database, locks: Locks, sync: Sync
) -> None:
    sync([user(key) for key in ("absent", "deleted", "disabled", "stays")])
    disabled = user("disabled", state=State.INACTIVE, reason="disabled", external_username="改 姓")
    coming = [user("deleted", state=State.GONE, reason="deleted"), disabled, user("stays")]
    hold_id = sync(coming, reasons=WHY)
    found = held(database, hold_id)
    assert {row.key: (row.reason, row.name) for row in found} == {
        key: (key, "山田 太郎") for key in ("absent", "deleted", "disabled")
    }
    kept = {row.key: row.content for row in found}
    assert (kept["absent"], kept["deleted"]) == (None, None)
    assert (kept["disabled"] or {})["external_username"] == "改 姓"
    assert hold_id is not None
    assert holds.read(database, hold_id)[5:8] == (1, 2, WHY)
    outcome = holds.approve(database, locks, hold_id, now=now)
    assert outcome.counts.deleted == 3
    rows = query(database, "SELECT external_user_id, inactive_reason, external_username FROM external_users ORDER BY 1")
    assert rows == [
        ("absent", "absent", "山田 太郎"),
        ("deleted", "deleted", "山田 太郎"),
        ("disabled", "disabled", "改 姓"),
        ("stays", None, "山田 太郎"),
    ]
    changes = query(database, "SELECT count(*) FROM sync_changes")
    assert sync(coming) is None
    assert query(database, "SELECT count(*) FROM sync_changes") == changes


def test_teams_and_settings_are_held_by_their_kind_and_written_as_they_came(
    database: Database, locks: Locks, sync: Sync
) -> None:
    group = Team("1", "GROUP", State.ACTIVE, None, None, "営業部", None, "public", is_archived=False)
    archived = group._replace(state=State.INACTIVE, reason="archived", is_archived=True)
    sync([group, group._replace(kind="ORG_UNIT")], SyncType.TEAMS)
    teams = sync([archived, group._replace(kind="ORG_UNIT")], SyncType.TEAMS, WHY)
    bot = Setting("B1", "BOT", State.ACTIVE, None, None, "通知ボット", '{"is_own":true}')
    off = bot._replace(state=State.INACTIVE, reason="disabled", settings='{"is_own":false,"note":"\\\\u0000"}')
    sync([bot], SyncType.NOTIFICATIONS)
    settings = sync([off], SyncType.NOTIFICATIONS, WHY)
    assert [(row.kind, row.key, row.name) for row in held(database, teams)] == [("GROUP", "1", "営業部")]
    for hold_id in (teams, settings):
        assert hold_id is not None
        assert holds.approve(database, locks, hold_id, now=now).counts.deleted == 1
    stored = query(database, "SELECT kind, is_active, is_archived FROM external_teams ORDER BY 1")
    assert stored == [("GROUP", False, True), ("ORG_UNIT", True, False)]
    stored = query(database, "SELECT is_active, settings FROM notification_settings")
    assert stored == [(False, {"is_own": False, "note": "\\u0000"})]


def test_a_hold_of_one_type_is_superseded_by_its_own_type_alone(database: Database, sync: Sync) -> None:
    sync([user("a")])
    hold_id = sync([], reasons=WHY)
    sync([], SyncType.TEAMS)
    assert [hold.status for hold in holds.listing(database)] == ["WAITING"]
    assert sync([user("b")], reasons=WHY) == hold_id
    sync([user("a"), user("b")])
    assert [(hold.hold_id, hold.status) for hold in holds.listing(database)] == [(hold_id, "SUPERSEDED")]


def test_the_same_people_with_something_else_to_write_are_another_hold(database: Database, sync: Sync) -> None:
    sync([user("a")])
    off = user("a", state=State.INACTIVE, reason="disabled")
    first = sync([off], reasons=WHY)
    assert sync([off], reasons=["too many, still"]) == first
    second = sync([off._replace(external_username="改 姓")], reasons=WHY)
    assert [(hold.hold_id, hold.status) for hold in holds.listing(database)] == [
        (second, "WAITING"),
        (first, "SUPERSEDED"),
    ]
    assert held(database, first) == []


def test_more_people_or_others_are_another_hold_and_so_is_what_was_rejected(database: Database, sync: Sync) -> None:
    group = Team("1", "GROUP", State.ACTIVE, None, None, "営業部", None, "public", is_archived=False)
    both = [group, group._replace(kind="ORG_UNIT")]
    sync(both, SyncType.TEAMS)
    kept = [
        sync(both[1:], SyncType.TEAMS, WHY),
        sync(both[:1], SyncType.TEAMS, WHY),
        sync([], SyncType.TEAMS, WHY),
        sync(both[1:], SyncType.TEAMS, WHY),
    ]
    assert kept[-1] is not None
    holds.reject(database, kept[-1], at=AT)
    kept.append(sync(both[1:], SyncType.TEAMS, WHY))
    assert len(set(kept)) == len(kept)
    statuses = {hold.hold_id: hold.status for hold in holds.listing(database)}
    assert [statuses[hold_id] for hold_id in kept if hold_id] == [*["SUPERSEDED"] * 3, "REJECTED", "WAITING"]


def test_holds_of_the_same_ids_in_another_system_are_left_alone(
    database: Database, keyring: Keyring, locks: Locks, sync: Sync
) -> None:
    other = builders.add_connection(database, keyring, builders.connection(system=builders.TEAMS))
    here, there = [user("a")], [user("a", external_username="Taro")]
    sync(here)
    sync(there, connection=other)
    first, second = sync([], reasons=WHY), sync([], reasons=WHY, connection=other)
    assert [row.name for row in (*held(database, first), *held(database, second))] == ["山田 太郎", "Taro"]
    assert (sync([], reasons=WHY), sync([], reasons=WHY, connection=other)) == (first, second)
    sync(here)
    assert [row.key for row in (*held(database, first), *held(database, second))] == ["a"]
    third = sync([], reasons=WHY)
    assert third is not None
    assert holds.approve(database, locks, third, now=now).counts.deleted == 1
    active = "SELECT system_type, is_active FROM external_users ORDER BY 1"
    assert query(database, active) == [(builders.SLACK, False), (builders.TEAMS, True)]
    sync(here)
    statuses = {hold.hold_id: hold.status for hold in holds.listing(database)}
    assert statuses == {first: "SUPERSEDED", second: "WAITING", third: "APPROVED"}


def test_what_is_not_active_any_more_is_not_deactivated_by_an_approval(
    database: Database, locks: Locks, sync: Sync
) -> None:
    sync([user("a"), user("b")])
    hold_id = sync([], reasons=WHY)
    with builders.everything(database) as cursor:
        cursor.execute("UPDATE external_users SET is_active = false WHERE external_user_id = 'a'")
    assert hold_id is not None
    assert holds.approve(database, locks, hold_id, now=now).counts.deleted == 1
    assert query(database, "SELECT key FROM sync_changes") == [("b",)]


def test_whom_a_removal_leaves_alone_with_a_person_is_matched_by_the_approval(
    database: Database, locks: Locks, sync: Sync
) -> None:
    builders.add_internal_user(database, "U", email="u@example.co.jp")
    two = [user(key, match_email="u@example.co.jp") for key in ("new", "old")]
    sync(two)
    hold_id = sync(two[:1], reasons=WHY)
    mapped = "SELECT external_user_id, internal_user_id, sync_status FROM external_user_mappings ORDER BY 1"
    assert query(database, mapped) == [("new", None, "ERROR"), ("old", None, "ERROR")]
    assert hold_id is not None
    counts = holds.approve(database, locks, hold_id, now=now).counts
    assert (counts.deleted, counts.updated, counts.processed) == (1, 1, 2)
    assert query(database, mapped) == [("new", "U", "ACTIVE"), ("old", "U", "INACTIVE")]


def test_an_approval_moves_the_generation_so_that_a_walk_under_way_is_refused(
    database: Database, locks: Locks, sync: Sync
) -> None:
    sync([user("a")])
    hold_id = sync([], reasons=WHY)
    before = query(database, "SELECT sync_generation FROM external_system_connections")[0][0]
    assert hold_id is not None
    holds.approve(database, locks, hold_id, now=now)
    assert query(database, "SELECT sync_generation FROM external_system_connections") == [(before + 1,)]


def test_while_a_sync_is_under_way_nothing_is_approved_and_no_history_is_written(
    database: Database, locks: Locks, sync: Sync
) -> None:
    sync([user("a")])
    hold_id = sync([], reasons=WHY)
    rows = query(database, "SELECT count(*) FROM external_system_sync_history")
    assert hold_id is not None
    with (
        locks.hold("tenant-a", builders.SLACK, wait=False, pause=lambda _: None),
        pytest.raises(Busy, match="another invocation"),
    ):
        holds.approve(database, locks, hold_id, now=now)
    assert query(database, "SELECT count(*) FROM external_system_sync_history") == rows


def test_a_hold_is_decided_once(database: Database, locks: Locks, sync: Sync) -> None:
    sync([user("a")])
    hold_id = sync([], reasons=WHY)
    assert hold_id is not None
    decided = holds.reject(database, hold_id, at=AT)
    assert (decided.status, decided.decided_at, decided.decided_sync_id) == ("REJECTED", AT, None)
    for again in (
        lambda: holds.reject(database, hold_id, at=AT),
        lambda: holds.approve(database, locks, hold_id, now=now),
    ):
        with pytest.raises(UsageError, match="it was rejected"):
            again()
    with pytest.raises(UsageError, match="there is no hold"):
        holds.read(database, UUID(int=7))


def test_other_tenants_see_nothing_of_it_and_operators_decide_nothing(database: Database, sync: Sync) -> None:
    builders.add_tenant(database, "tenant-b")
    sync([user("a")])
    sync([], reasons=WHY)
    with database.transaction("tenant-b") as cursor:
        assert cursor.execute("SELECT FROM sync_holds").fetchall() == []
        assert cursor.execute("SELECT FROM sync_hold_rows").fetchall() == []
        assert cursor.execute("UPDATE sync_holds SET status = 'APPROVED'").rowcount == 0
        assert cursor.execute("DELETE FROM sync_hold_rows").rowcount == 0
    for statement in ("UPDATE sync_holds SET status = 'REJECTED'", "DELETE FROM sync_hold_rows"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), database.operator() as cursor:
            cursor.execute(statement)
    assert [hold.status for hold in holds.listing(database)] == ["WAITING"]
