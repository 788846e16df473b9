"""Only what a change touches is matched anew; what is stored is always what matching everybody anew would find."""

import random
from typing import Any
from uuid import uuid4

import pytest

from integration_pipeline.crypto import Keyring
from integration_pipeline.model import Connection, State, SyncType, User
from integration_pipeline.store import matching, staging
from integration_pipeline.store.engine import Database
from integration_pipeline.store.staging import TARGETS
from integration_pipeline_tests import builders
from integration_pipeline_tests.store.test_staging import AT, mappings, night, rows, user

ADDRESSES = ("a@example.jp", "B@example.jp ", "c@example.jp", None)
NUMBERS = ("1", "2 ", None, None)
PEOPLE = ("P1", "P2", "P3")
ACCOUNTS = ("U1", "U2", "U3", "U4", "U5")


def anybody(rng: random.Random) -> dict[str, Any]:
    """An internal user but for the id."""
    return {
        "email": rng.choice(ADDRESSES),
        "employee_number": rng.choice(NUMBERS),
        "is_active": rng.random() < 0.6,
    }


def any_account(rng: random.Random) -> dict[str, Any]:
    """What is listed of an account beside its id."""
    return {
        "email": rng.choice(ADDRESSES),
        "email_2": rng.choice(ADDRESSES),
        "employee_number": rng.choice(NUMBERS),
        "external_key": rng.choice(("P1", "P2", None, None, None, None)),
        "state": rng.choice((State.ACTIVE, State.ACTIVE, State.ACTIVE, State.INACTIVE, State.GONE)),
    }


def move_people(database: Database, rng: random.Random) -> None:
    """Let the company have other people, and other links to them."""
    with builders.everything(database) as cursor:
        cursor.execute("DELETE FROM user_links")
        cursor.execute("DELETE FROM internal_users")
    for person in PEOPLE:
        builders.add_internal_user(database, person, **anybody(rng))
    with builders.everything(database) as cursor:
        for account in rng.sample(ACCOUNTS, rng.choice((0, 0, 1, 2))):
            cursor.execute("INSERT INTO user_links VALUES ('tenant-a', 'SLACK', %s, %s)", (account, rng.choice(PEOPLE)))


@pytest.mark.parametrize("seed", range(5))
def test_after_every_night_matching_everybody_anew_would_change_nothing(
    database: Database, keyring: Keyring, seed: int
) -> None:
    rng = random.Random(seed)  # noqa: S311 - nights that can be repeated
    connection = builders.add_connection(database, keyring, builders.connection())
    directory: dict[str, dict[str, Any]] = {}
    for number in range(20):
        if number == 0 or rng.random() < 0.2:
            move_people(database, rng)
        for account in rng.sample(ACCOUNTS, rng.choice((1, 1, 2))):
            directory[account] = any_account(rng)
        if rng.random() < 0.2:
            directory.pop(rng.choice(list(directory)))
        night(database, connection, [user(key, **columns) for key, columns in directory.items()])
        stored = rows(database, "SELECT * FROM external_users ORDER BY external_user_id")
        with database.transaction(connection.tenant_id) as cursor:
            assert matching.rematch_now(cursor, connection) == []
        assert rows(database, "SELECT * FROM external_users ORDER BY external_user_id") == stored


@pytest.fixture
def connection(database: Database, keyring: Keyring) -> Connection:
    connection = builders.add_connection(database, keyring, builders.connection())
    builders.add_internal_user(database, "P1", email="p1@example.jp")
    builders.add_internal_user(database, "P2", email="p2@example.jp")
    return connection


def test_an_account_that_comes_makes_the_one_it_competes_with_an_error(
    database: Database, connection: Connection
) -> None:
    first, other = user("first", email="p1@example.jp"), user("other", email="p2@example.jp")
    night(database, connection, [first, other])
    _, rematched = night(database, connection, [first, other, user("second", email="p1@example.jp")])
    assert rematched == ["first"]
    assert mappings(database) == {"first": (None, "ERROR"), "second": (None, "ERROR"), "other": ("P2", "ACTIVE")}


@pytest.mark.parametrize("second", [None, user("second"), user("second", email="p2@example.jp")])
def test_an_account_that_leaves_or_reaches_another_mends_the_one_it_competed_with(
    database: Database, connection: Connection, second: User | None
) -> None:
    first = user("first", email="p1@example.jp")
    night(database, connection, [first, user("second", email="p1@example.jp")])
    _, rematched = night(database, connection, [first, *([second] if second else [])])
    assert rematched == ["first"]
    assert mappings(database)["first"] == ("P1", "ACTIVE")


def test_a_rival_of_somebody_who_left_the_company_is_inactive_again(database: Database, connection: Connection) -> None:
    with builders.everything(database) as cursor:
        cursor.execute("UPDATE internal_users SET is_active = false WHERE internal_user_id = 'P1'")
    first = user("first", email="p1@example.jp")
    night(database, connection, [first, user("second", email="p1@example.jp")])
    assert mappings(database)["first"] == (None, "ERROR")
    night(database, connection, [first])
    assert mappings(database)["first"] == ("P1", "INACTIVE")


def test_what_no_change_touches_is_not_even_rewritten(database: Database, connection: Connection) -> None:
    first, other = user("first", email="p1@example.jp"), user("other", email="p2@example.jp")
    night(database, connection, [first, other])
    place = "SELECT ctid::text, xmin::text FROM external_users WHERE external_user_id = 'other'"
    before = rows(database, place)
    night(database, connection, [user("first", email="p1@example.jp", name="改姓 太郎"), other])
    builders.add_internal_user(database, "P3", email="p3@example.jp")
    night(database, connection, [user("first", email="p3@example.jp"), other])
    assert rows(database, place) == before
    assert mappings(database) == {"first": ("P3", "ACTIVE"), "other": ("P2", "ACTIVE")}


def test_whoever_was_matched_is_not_matched_anew_before_people_move_again(
    database: Database, connection: Connection
) -> None:
    def has_moved() -> bool:
        with database.transaction(connection.tenant_id) as cursor:
            return matching.people_moved(cursor, connection)

    assert has_moved()
    night(database, connection, [])
    assert not has_moved()
    builders.add_internal_user(database, "P3")
    assert has_moved()
    with database.transaction(connection.tenant_id) as cursor:
        matching.rematch_now(cursor, connection)
    assert not has_moved()


@pytest.mark.parametrize("is_whole", [False, True])
@pytest.mark.parametrize("is_by_index", [False, True])
def test_no_account_is_looked_for_in_a_list_where_the_database_knows_no_statistics(
    database: Database, connection: Connection, *, is_whole: bool, is_by_index: bool
) -> None:
    night(database, connection, [user(f"U{number}", email=f"p{number}@example.jp") for number in range(2000)])
    target = TARGETS[SyncType.USERS]
    task = {"sync_id": uuid4(), "sync_type": "USERS", "at": AT, "is_whole": is_whole}
    keys = {"tenant_id": connection.tenant_id, "system_type": connection.system}
    with database.transaction(connection.tenant_id) as cursor, builders.spooled(target, [], []) as spool:
        # An older server is never asked to look up by the index.
        lookup = matching.Lookup(is_by_index and matching.Lookup.of(cursor).is_by_index)
        query = staging._applied(target, lookup, is_whole=is_whole)
        staging.planned_matches(cursor, connection, spool.blocks(), people_moved=is_whole)
        plan = [str(line) for (line,) in cursor.execute(f"EXPLAIN {query}".encode(), {**keys, **task})]
    lookups = [line.strip() for line in plan if "= ANY (" in line]
    assert bool(lookups) == lookup.is_by_index
    assert all(line.startswith("Index Cond") for line in lookups)
    assert not [line for line in plan if "Nested Loop" in line]


@pytest.mark.parametrize(("version", "is_by_index"), [(150018, False), (160014, False), (170000, True), (180004, True)])
def test_few_keys_are_looked_up_by_the_index_only_by_a_postgresql_that_keeps_to_it(
    version: int, *, is_by_index: bool
) -> None:
    assert matching.Lookup.of_version(version).is_by_index == is_by_index
