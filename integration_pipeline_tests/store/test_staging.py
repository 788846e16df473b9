"""What a walk found, applied to a real PostgreSQL."""

import datetime as dt
import tracemalloc
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg.rows import dict_row

from integration_pipeline.crypto import Keyring
from integration_pipeline.diff import GONE, Absence, Diff
from integration_pipeline.errors import Superseded
from integration_pipeline.model import Connection, Page, Record, Setting, State, SyncType, Team, User, as_json
from integration_pipeline.store import beginning, staging
from integration_pipeline.store.engine import Database
from integration_pipeline.store.spool import row_of
from integration_pipeline.store.staging import TARGETS, Apply, Cursor, Problem
from integration_pipeline_tests import builders

AT = dt.datetime(2026, 11, 21, 6, 0, tzinfo=dt.UTC)


def user(key: str, *, state: State = State.ACTIVE, name: str | None = "山田 太郎", **match: Any) -> User:
    reason = None if state is State.ACTIVE else "deleted"
    return User(
        key, "USER", state, reason, name, match.get("email"), None, match.get("external_key"),
        match.get("employee_number"), match.get("email"), match.get("email_2"),
    )  # fmt: skip


@pytest.fixture
def connection(database: Database, keyring: Keyring) -> Connection:
    return builders.add_connection(database, keyring, builders.connection())


def task(
    connection: Connection, sync_type: SyncType = SyncType.USERS, *, generation: int, at: dt.datetime = AT
) -> Apply:
    return Apply(
        connection=connection,
        sync_id=uuid4(),
        sync_type=sync_type,
        at=at,
        generation=generation,
        users_are_complete=sync_type is SyncType.USERS,
        workspace=None,
    )


def night(
    database: Database,
    connection: Connection,
    records: Iterable[Record],
    sync_type: SyncType = SyncType.USERS,
    listing: str = "all",
    *,
    is_all: bool = True,
) -> tuple[UUID, list[str]]:
    """One sync's database side over one complete listing; returns its id and the accounts that only rematched.

    :param is_all: whether the listing is the only one, so that nobody else is there.
    """
    target = TARGETS[sync_type]
    with database.transaction(connection.tenant_id) as cursor:
        generation = generation_of(cursor, connection)
        diff = Diff(staging.stored(cursor, target, connection), by_kind=target.by_kind)
    changes = diff.feed(listing, Page(list(records), []))
    with database.transaction(connection.tenant_id) as cursor:
        absent, _ = staging.removals(cursor, target, connection, diff.unseen() if is_all else [])
    apply = task(connection, sync_type, generation=generation)
    with builders.spooled(target, changes, absent) as spool, database.transaction(connection.tenant_id) as cursor:
        return apply.sync_id, staging.apply(cursor, apply, spool.blocks())


def generation_of(cursor: Cursor, connection: Connection) -> int:
    return beginning.begin(cursor, connection, SyncType.USERS, started_at=AT, is_dry_run=True).generation


def rows(database: Database, query: str) -> list[dict[str, Any]]:
    with builders.everything(database) as cursor:
        cursor.row_factory = dict_row  # type: ignore[assignment]
        return cursor.execute(query.encode()).fetchall()  # type: ignore[return-value]


def mappings(database: Database) -> dict[str, tuple[str | None, str]]:
    found = rows(database, "SELECT external_user_id, internal_user_id, sync_status FROM external_user_mappings")
    return {row["external_user_id"]: (row["internal_user_id"], row["sync_status"]) for row in found}


def test_created_updated_and_absent_rows_are_written_and_logged(database: Database, connection: Connection) -> None:
    night(database, connection, [user("stays"), user("renamed"), user("leaves")])
    sync_id, _ = night(database, connection, [user("stays"), user("renamed", name="佐藤 花子"), user("joins")])
    found = {row["external_user_id"]: row for row in rows(database, "SELECT * FROM external_users")}
    assert found["renamed"]["external_username"] == "佐藤 花子"
    assert (found["leaves"]["is_active"], found["leaves"]["inactive_reason"]) == (False, "absent")
    assert found["leaves"]["external_username"] == "山田 太郎"
    assert found["leaves"]["content_hash"] == GONE
    assert found["joins"]["created_sync_id"] == sync_id
    logged = rows(database, "SELECT key, action, before FROM sync_changes ORDER BY key")
    assert [(row["key"], row["action"]) for row in logged] == [("leaves", "DEACTIVATED"), ("renamed", "UPDATED")]
    assert logged[1]["before"]["external_username"] == "山田 太郎"


def test_a_row_that_comes_back_is_active_again(database: Database, connection: Connection) -> None:
    night(database, connection, [user("a")])
    night(database, connection, [])
    assert mappings(database) == {"a": (None, "INACTIVE")}
    night(database, connection, [user("a")])
    assert mappings(database) == {"a": (None, "ACTIVE")}
    assert {row["action"] for row in rows(database, "SELECT action FROM sync_changes")} == {
        "DEACTIVATED",
        "REACTIVATED",
    }


def test_a_quiet_night_writes_no_row_but_moves_last_synced_at(database: Database, connection: Connection) -> None:
    night(database, connection, [user("a")])
    before = rows(database, "SELECT xmin::text, ctid::text FROM external_users")
    moved = dt.datetime(2026, 11, 22, 6, 0, tzinfo=dt.UTC)
    with database.transaction(connection.tenant_id) as cursor:
        generation = generation_of(cursor, connection)
        staging.apply(cursor, task(connection, generation=generation, at=moved), [])
    assert rows(database, "SELECT xmin::text, ctid::text FROM external_users") == before
    assert rows(database, "SELECT last_synced_at FROM external_user_mappings")[0]["last_synced_at"] == moved


def test_a_listing_that_was_not_complete_moves_no_last_synced_at(database: Database, connection: Connection) -> None:
    night(database, connection, [user("a")])
    with database.transaction(connection.tenant_id) as cursor:
        later = task(connection, generation=generation_of(cursor, connection), at=AT + dt.timedelta(days=1))
        staging.apply(cursor, replace(later, users_are_complete=False), [])
    assert rows(database, "SELECT last_synced_at FROM external_user_mappings") == [{"last_synced_at": AT}]


def test_an_absent_account_keeps_the_last_time_it_was_seen(database: Database, connection: Connection) -> None:
    night(database, connection, [user("a"), user("b")])
    night(database, connection, [user("a")])
    with database.transaction(connection.tenant_id) as cursor:
        later = task(connection, generation=2, at=AT + dt.timedelta(days=3))
        staging.apply(cursor, later, [])
    found = rows(database, "SELECT external_user_id, last_synced_at FROM external_user_mappings ORDER BY 1")
    assert [row["last_synced_at"] for row in found] == [AT + dt.timedelta(days=3), AT]


def test_an_apply_that_came_second_is_refused_and_writes_nothing(database: Database, connection: Connection) -> None:
    night(database, connection, [user("a")])
    stale = task(connection, generation=0)
    (change,) = Diff({}, by_kind=False).feed("all", Page([user("b")], []))
    with pytest.raises(Superseded), database.transaction(connection.tenant_id) as cursor:
        staging.apply(cursor, stale, [row_of(change).encode() + b"\n"])
    assert set(mappings(database)) == {"a"}


def test_teams_of_different_kinds_may_share_an_id(database: Database, connection: Connection) -> None:
    group = Team("1", "GROUP", State.ACTIVE, None, None, "営業部", None, "public", is_archived=False)
    night(database, connection, [group, group._replace(kind="ORG_UNIT", parent_id="0")], SyncType.TEAMS)
    night(database, connection, [group], SyncType.TEAMS)
    found = rows(database, "SELECT kind, is_active FROM external_teams ORDER BY kind")
    assert [(row["kind"], row["is_active"]) for row in found] == [("GROUP", True), ("ORG_UNIT", False)]
    assert rows(database, "SELECT kind FROM sync_changes") == [{"kind": "ORG_UNIT"}]


def test_a_row_stands_under_the_listing_it_came_from_last(database: Database, connection: Connection) -> None:
    for listing in ("users:1", "users:2"):
        night(database, connection, [user("a")], listing=listing)
        assert rows(database, "SELECT listing FROM external_users") == [{"listing": listing}]


def test_what_a_walk_is_told_and_the_guard_weighs_is_of_its_own_connection_and_what_is_active_or_there(
    database: Database, keyring: Keyring, connection: Connection
) -> None:
    other = builders.add_connection(database, keyring, builders.connection(system=builders.TEAMS))
    night(database, other, [user(key, name="Taro") for key in ("a", "x", "y", "z")])
    night(database, connection, [user("a"), user("off"), user("gone")])
    night(database, connection, [user("a"), user("off", state=State.INACTIVE)])
    night(database, connection, [user("b")], listing="others", is_all=False)
    target = TARGETS[SyncType.USERS]
    with database.transaction(connection.tenant_id) as cursor:
        told = staging.stored(cursor, target, connection)
        assert sorted(told) == ["a", "b", "gone", "off"]
        assert told["gone"] == GONE
        assert staging.hashes(cursor, target, connection, ["a", "x", "gone"]) == {"a": told["a"], "gone": GONE}
        assert staging.count_there(cursor, target, connection, "all") == 2
        assert staging.active_rows(cursor, target, connection, "USER") == {"a": "all", "b": "others"}
        assert staging.active_rows(cursor, target, connection, "BOT") == {}
        found = staging.removals(cursor, target, connection, ["a", "off", "x"])
        assert sorted(found[0]) == [("a", "USER", "all", True), ("off", "USER", "all", False)]
        assert found[1] == {"USER": 2}
    night(database, connection, [])
    with database.transaction(connection.tenant_id) as cursor:
        absent, active = staging.removals(cursor, target, connection, ["off"])
    assert (absent, active["USER"]) == ([("off", "USER", "all", False)], 0)


def test_settings_are_stored_as_json(database: Database, connection: Connection) -> None:
    bot = Setting("B1", "BOT", State.ACTIVE, None, None, "通知ボット", '{"is_own":true}')
    night(database, connection, [bot], SyncType.NOTIFICATIONS)
    assert rows(database, "SELECT settings FROM notification_settings")[0]["settings"] == {"is_own": True}


def test_u0000_in_settings_and_in_what_a_workspace_says_of_itself_is_dropped(
    database: Database, connection: Connection
) -> None:
    said = {"name": "山\x00田", "of": ["a\x00", {"b": "\\u0000"}]}
    bot = Setting("B1", "BOT", State.ACTIVE, None, None, "通知ボット", as_json(said))
    night(database, connection, [bot], SyncType.NOTIFICATIONS)
    kept = {"name": "山田", "of": ["a", {"b": "\\u0000"}]}
    assert rows(database, "SELECT settings FROM notification_settings")[0]["settings"] == kept
    with database.transaction(connection.tenant_id) as cursor:
        generation = generation_of(cursor, connection)
        staging.apply(cursor, replace(task(connection, generation=generation), workspace=said), [])
    assert rows(database, "SELECT workspace FROM external_system_connections")[0]["workspace"] == kept


def test_problems_are_kept_one_row_each(database: Database, connection: Connection) -> None:
    with database.transaction(connection.tenant_id) as cursor:
        staging.record_problems(
            cursor,
            task(connection, generation=0),
            [
                Problem("REJECTED_RECORDS", "email: is no string", None, None, "USER", "a"),
                Problem("AUTH_ERROR", "usergroups: a scope is missing", "missing_scope", "Add it.", None, None),
            ],
        )
    found = rows(database, "SELECT error_type, record_key, provider_code FROM sync_errors ORDER BY error_type")
    assert [tuple(row.values()) for row in found] == [
        ("AUTH_ERROR", None, "missing_scope"),
        ("REJECTED_RECORDS", "a", None),
    ]


# Who is who (requirement A6).


def test_an_account_matches_by_its_external_key_before_its_employee_number_before_its_address(
    database: Database, connection: Connection
) -> None:
    builders.add_internal_user(database, "U-key")
    builders.add_internal_user(database, "U-number", employee_number="100")
    builders.add_internal_user(database, "U-mail", email="Taro@Example.co.jp")
    night(
        database,
        connection,
        [
            user("by-key", external_key="U-key", employee_number="100", email="taro@example.co.jp"),
            user("by-number", external_key="unknown", employee_number=" 100 ", email="taro@example.co.jp"),
            user("by-mail", employee_number="999", email=" TARO@example.co.JP"),
        ],
    )
    assert mappings(database) == {
        "by-key": ("U-key", "ACTIVE"),
        "by-number": ("U-number", "ACTIVE"),
        "by-mail": ("U-mail", "ACTIVE"),
    }


def test_the_second_address_is_tried_when_the_first_one_finds_nobody(
    database: Database, connection: Connection
) -> None:
    builders.add_internal_user(database, "U", email="upn@example.co.jp")
    night(database, connection, [user("a", email="other@example.co.jp", email_2="UPN@example.co.jp")])
    assert mappings(database) == {"a": ("U", "ACTIVE")}


@pytest.mark.parametrize("is_active", [True, False])
def test_two_internal_users_with_one_address_are_an_error_and_nobody_is_linked(
    database: Database, connection: Connection, *, is_active: bool
) -> None:
    builders.add_internal_user(database, "U1", email="shared@example.co.jp", is_active=is_active)
    builders.add_internal_user(database, "U2", email="SHARED@example.co.jp", is_active=is_active)
    night(database, connection, [user("a", email="shared@example.co.jp")])
    assert mappings(database) == {"a": (None, "ERROR")}
    reason = rows(database, "SELECT reason FROM external_user_mappings")[0]["reason"]
    assert reason == "several internal users have this e-mail address"


def test_two_accounts_that_reach_one_internal_user_are_both_an_error(
    database: Database, connection: Connection
) -> None:
    builders.add_internal_user(database, "U", email="u@example.co.jp", employee_number="7")
    night(database, connection, [user("a", email="u@example.co.jp"), user("b", employee_number="7")])
    assert mappings(database) == {"a": (None, "ERROR"), "b": (None, "ERROR")}


def test_a_link_made_by_hand_beats_the_rules_and_the_accounts_that_found_their_way_there(
    database: Database, connection: Connection
) -> None:
    builders.add_internal_user(database, "U", email="u@example.co.jp")
    builders.add_internal_user(database, "V", email="v@example.co.jp")
    link(database, "a", "U")
    night(database, connection, [user("a", email="v@example.co.jp"), user("b", email="u@example.co.jp")])
    assert mappings(database) == {"a": ("U", "ACTIVE"), "b": (None, "ERROR")}


def test_two_accounts_linked_by_hand_to_one_internal_user_are_both_an_error(
    database: Database, connection: Connection
) -> None:
    builders.add_internal_user(database, "U")
    link(database, "a", "U")
    link(database, "b", "U")
    night(database, connection, [user("a"), user("b")])
    assert mappings(database) == {"a": (None, "ERROR"), "b": (None, "ERROR")}


def test_an_internal_user_who_is_not_active_keeps_the_link_with_the_reason(
    database: Database, connection: Connection
) -> None:
    builders.add_internal_user(database, "U", email="u@example.co.jp")
    night(database, connection, [user("a", email="u@example.co.jp")])
    with builders.everything(database) as cursor:
        cursor.execute("UPDATE internal_users SET is_active = false")
    _, rematched = night(database, connection, [user("a", email="u@example.co.jp")])
    assert rematched == ["a"]
    assert mappings(database) == {"a": ("U", "INACTIVE")}
    assert rows(database, "SELECT reason FROM external_user_mappings")[0]["reason"] == (
        "the internal user is not active"
    )


def test_a_successor_with_the_same_address_is_found_before_the_one_who_left(
    database: Database, connection: Connection
) -> None:
    builders.add_internal_user(database, "left", email="u@example.co.jp", is_active=False)
    builders.add_internal_user(database, "came", email="u@example.co.jp")
    night(database, connection, [user("a", email="u@example.co.jp")])
    assert mappings(database) == {"a": ("came", "ACTIVE")}


def test_an_account_that_left_does_not_compete_with_its_successor(database: Database, connection: Connection) -> None:
    builders.add_internal_user(database, "U", email="u@example.co.jp")
    night(database, connection, [user("old", email="u@example.co.jp")])
    night(database, connection, [user("new", email="u@example.co.jp")])
    assert mappings(database) == {"old": ("U", "INACTIVE"), "new": ("U", "ACTIVE")}


def test_a_new_internal_user_is_found_on_a_night_on_which_the_directory_did_not_change(
    database: Database, connection: Connection
) -> None:
    night(database, connection, [user("a", email="u@example.co.jp")])
    assert mappings(database) == {"a": (None, "ACTIVE")}
    builders.add_internal_user(database, "U", email="u@example.co.jp")
    _, rematched = night(database, connection, [user("a", email="u@example.co.jp")])
    assert rematched == ["a"]
    assert mappings(database) == {"a": ("U", "ACTIVE")}
    _, rematched = night(database, connection, [user("a", email="u@example.co.jp")])
    assert rematched == []


def test_a_night_of_another_type_leaves_new_internal_users_to_the_users_next_one(
    database: Database, connection: Connection
) -> None:
    night(database, connection, [user("a", email="u@example.co.jp")])
    builders.add_internal_user(database, "U", email="u@example.co.jp")
    night(database, connection, [], SyncType.TEAMS)
    _, rematched = night(database, connection, [user("a", email="u@example.co.jp")])
    assert rematched == ["a"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE internal_users SET email = 'new@example.co.jp'",
        "UPDATE internal_users SET tenant_id = 'tenant-b'",
        "DELETE FROM internal_users",
        "TRUNCATE internal_users CASCADE",
    ],
)
def test_an_internal_user_who_goes_in_whatever_way_leaves_the_account_unmatched(
    database: Database, connection: Connection, statement: str
) -> None:
    builders.add_tenant(database, "tenant-b")
    builders.add_internal_user(database, "U", email="u@example.co.jp")
    night(database, connection, [user("a", email="u@example.co.jp")])
    assert mappings(database) == {"a": ("U", "ACTIVE")}
    with builders.everything(database) as cursor:
        cursor.execute(statement.encode())
    night(database, connection, [user("a", email="u@example.co.jp")])
    assert mappings(database) == {"a": (None, "ACTIVE")}
    assert rows(database, "SELECT 1 FROM external_users WHERE match_rule IS NOT NULL") == []


def test_other_tenants_people_are_never_candidates(database: Database, connection: Connection) -> None:
    builders.add_tenant(database, "tenant-b")
    builders.add_internal_user(database, "U", "tenant-b", email="u@example.co.jp")
    night(database, connection, [user("a", email="u@example.co.jp")])
    assert mappings(database) == {"a": (None, "ACTIVE")}


def test_the_matches_a_dry_run_plans_are_those_that_are_then_made(database: Database, connection: Connection) -> None:
    builders.add_internal_user(database, "U", email="u@example.co.jp")
    builders.add_internal_user(database, "V", email="v@example.co.jp")
    night(database, connection, [user("a", email="u@example.co.jp"), user("b", email="none@example.co.jp")])
    coming = [user("a", email="u@example.co.jp"), user("c", email="u@example.co.jp")]
    target = TARGETS[SyncType.USERS]
    with database.transaction(connection.tenant_id) as cursor:
        diff = Diff(staging.stored(cursor, target, connection), by_kind=False)
        changes = diff.feed("all", Page(list(coming), []))
        with builders.spooled(target, changes, [Absence("b", "USER", "all", is_active=True)]) as spool:
            expected = staging.planned_matches(cursor, connection, spool.blocks(), people_moved=False)
    _, rematched = night(database, connection, coming)
    assert expected == rematched == ["a"]


def test_what_a_dry_run_plans_with_is_held_by_the_database_however_much_it_is(
    database: Database, connection: Connection
) -> None:
    builders.add_internal_user(database, "U", email="u0@example.co.jp")
    night(database, connection, [user("a", email="u0@example.co.jp")])

    def blocks() -> Iterator[bytes]:
        for number in range(5000):
            (change,) = Diff({}, by_kind=False).feed(
                "all", Page([user(f"n{number}", email=f"u{number}@example.co.jp")], [])
            )
            yield f"{row_of(change)}\n".encode()

    with database.transaction(connection.tenant_id) as cursor:
        list(blocks())
        tracemalloc.start()
        try:
            assert staging.planned_matches(cursor, connection, blocks(), people_moved=False) == ["a"]
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert cursor.execute("SELECT count(*) FROM stage").fetchone() == (5000,)
    assert peak < 500_000
    with database.transaction(connection.tenant_id) as cursor:
        assert cursor.execute("SELECT count(*) FROM external_users").fetchone() == (1,)


def link(database: Database, external_user_id: str, internal_user_id: str) -> None:
    with database.transaction("tenant-a") as cursor:
        cursor.execute(
            "INSERT INTO user_links (tenant_id, system_type, external_user_id, internal_user_id) "
            "VALUES ('tenant-a', 'SLACK', %s, %s)",
            (external_user_id, internal_user_id),
        )
