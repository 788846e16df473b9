"""Importing people: upserts that write differences only."""

import threading
from typing import Any

import psycopg
import pytest

from integration_pipeline.errors import UsageError
from integration_pipeline.store import people
from integration_pipeline.store.engine import Database
from integration_pipeline.store.people import Imported, InternalUser, Tenant
from integration_pipeline_tests import builders

A = Tenant("a", "A", "Asia/Tokyo", "ja", 2)
B = Tenant("b", "B", "Europe/Berlin", "en", 3)


def user(internal_user_id: str, tenant_id: str = "a", line: int = 2, **values: Any) -> InternalUser:
    blank = InternalUser(tenant_id, internal_user_id, None, None, None, is_active=True, line=line)
    return blank._replace(**values)


def versions(database: Database) -> dict[str, int]:
    with database.operator() as cursor:
        return dict(cursor.execute("SELECT tenant_id, matching_version FROM tenants").fetchall())


def stored(database: Database) -> list[tuple[object, ...]]:
    with database.operator() as cursor:
        return cursor.execute(
            "SELECT tenant_id, internal_user_id, email, is_active FROM internal_users ORDER BY 1, 2"
        ).fetchall()


def test_tenants_are_created_changed_and_left_alone(database: Database) -> None:
    assert people.import_tenants(database, [A, B]) == Imported(2, 0, 0)
    assert people.import_tenants(database, [A._replace(name="AA"), B]) == Imported(0, 1, 1)
    assert people.import_tenants(database, []) == Imported(0, 0, 0)
    assert [tenant[:2] for tenant in people.list_tenants(database)] == [("a", "AA"), ("b", "B")]


def test_users_are_created_changed_and_left_alone(database: Database) -> None:
    people.import_tenants(database, [A, B])
    assert people.import_users(database, [user("u1"), user("u2", email="x@example.com")]) == Imported(2, 0, 0)
    assert people.import_users(database, [user("u1", email="y@example.com"), user("u3", "b")]) == Imported(1, 1, 0)
    assert people.import_users(database, [user("u2", email="x@example.com"), user("u1", is_active=False)]) == Imported(
        0, 1, 1
    )
    assert stored(database) == [
        ("a", "u1", None, False),
        ("a", "u2", "x@example.com", True),
        ("b", "u3", None, True),
    ]


def test_an_import_that_says_nothing_new_asks_for_no_matching(database: Database) -> None:
    people.import_tenants(database, [A, B])
    people.import_users(database, [user("u1"), user("u1", "b")])
    before = versions(database)
    people.import_users(database, [user("u1"), user("u1", "b")])
    assert versions(database) == before
    people.import_users(database, [user("u1", email="x@example.com"), user("u1", "b")])
    assert versions(database) == {"a": before["a"] + 1, "b": before["b"]}


def test_a_user_of_an_unknown_tenant_is_named_with_its_line_and_nobody_is_imported(database: Database) -> None:
    people.import_tenants(database, [A])
    with pytest.raises(UsageError, match="line 3: there is no tenant nobody"):
        people.import_users(database, [user("u1"), user("u2", "nobody", line=3), user("u3", "none", line=4)])
    assert stored(database) == []


def test_of_two_imports_that_bring_the_same_user_at_once_the_second_updates_what_the_first_has_added(
    database: Database,
) -> None:
    people.import_tenants(database, [A])
    found: list[Imported] = []
    coming = [user("u1", email="second@example.com")]
    second = threading.Thread(target=lambda: found.append(people.import_users(database, coming)))
    with builders.everything(database) as cursor:
        cursor.execute("INSERT INTO internal_users (tenant_id, internal_user_id, email) VALUES ('a', 'u1', 'first')")
        second.start()
        wait_until_waiting(database, 1, second)
    second.join()
    assert found == [Imported(0, 1, 0)]
    assert stored(database) == [("a", "u1", "second@example.com", True)]


def test_two_imports_of_the_same_tenants_at_once_do_not_wait_for_each_other_for_ever(database: Database) -> None:
    people.import_tenants(database, [A, B])
    people.import_users(database, [user("u1"), user("u1", "b")])
    files = [
        [user("u1", email="x@example.com"), user("u2", "b")],
        [user("u1", "b", email="x@example.com"), user("u2")],
    ]
    found: list[Imported] = []
    imports = [
        threading.Thread(target=lambda file=file: found.append(people.import_users(database, file))) for file in files
    ]
    with builders.everything(database) as cursor:
        # Both have begun before either goes on: an update waits until the gate is open.
        cursor.execute("""
            CREATE FUNCTION pass_gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                PERFORM pg_advisory_xact_lock_shared(1);
                RETURN NULL;
            END $$;
            CREATE TRIGGER z AFTER UPDATE ON internal_users FOR EACH STATEMENT EXECUTE FUNCTION pass_gate();
        """)
    with builders.everything(database) as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(1)")
        for each in imports:
            each.start()
        wait_until_waiting(database, 2, *imports)
    for each in imports:
        each.join()
    assert found == [Imported(1, 1, 0), Imported(1, 1, 0)]


def wait_until_waiting(database: Database, number: int, *threads: threading.Thread) -> None:
    """Until so many sessions wait for a lock."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with psycopg.connect(database.url, autocommit=True) as session:
        while session.execute(query).fetchone() != (number,):
            threads[0].join(0.01)
            assert all(thread.is_alive() for thread in threads)


def test_text_is_kept_to_the_letter(database: Database) -> None:
    text = "tab\t back\\slash \\N new\nline \r 山田 🎌 "
    people.import_tenants(database, [A._replace(name=text)])
    assert people.list_tenants(database)[0].name == text


def test_the_first_unknown_tenant_is_named(database: Database) -> None:
    builders.add_tenant(database, "a")
    with database.operator() as cursor:
        people.require_tenants(cursor, ["a"])
        with pytest.raises(UsageError, match="there is no tenant c"):
            people.require_tenants(cursor, ["a", "c", "b"])
