"""Only what a change touches is matched anew; what is stored is always what matching everybody anew would find."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration_pipeline.crypto import Keyring
from integration_pipeline.model import Connection, State, User
from integration_pipeline.store import staging
from integration_pipeline.store.engine import Database
from integration_pipeline_tests import builders
from integration_pipeline_tests.store.test_staging import mappings, night, rows, user

ADDRESSES = ("a@example.jp", "B@example.jp ", "c@example.jp")
NUMBERS = ("1", "2")
KEYS = ("P1", "P2")


class Person(NamedTuple):
    """An internal user but for the id."""

    email: str | None
    employee_number: str | None
    is_active: bool


maybe = st.one_of
people = st.dictionaries(
    st.sampled_from(("P1", "P2", "P3")),
    st.builds(
        Person,
        email=maybe(st.none(), st.sampled_from(ADDRESSES)),
        employee_number=maybe(st.none(), st.sampled_from(NUMBERS)),
        is_active=st.booleans(),
    ),
)
accounts = st.dictionaries(
    st.sampled_from(("U1", "U2", "U3", "U4")),
    st.builds(
        lambda **columns: columns,
        email=maybe(st.none(), st.sampled_from(ADDRESSES)),
        email_2=maybe(st.none(), st.sampled_from(ADDRESSES)),
        employee_number=maybe(st.none(), st.sampled_from(NUMBERS)),
        external_key=maybe(st.none(), st.sampled_from(KEYS)),
        state=st.sampled_from((State.ACTIVE, State.ACTIVE, State.INACTIVE, State.GONE)),
    ),
)
links = st.dictionaries(st.sampled_from(("U1", "U2", "U9")), st.sampled_from(("P1", "P2")), max_size=2)
nights = st.lists(st.tuples(maybe(st.none(), people), accounts), min_size=2, max_size=4)


def has(database: Database, everybody: Mapping[str, Person], linked: Mapping[str, str]) -> None:
    """Let the company have these people, and these links to those who are there."""
    with builders.everything(database) as cursor:
        cursor.execute("DELETE FROM user_links")
        cursor.execute("DELETE FROM internal_users")
    for key, person in everybody.items():
        builders.add_internal_user(database, key, **person._asdict())
    with builders.everything(database) as cursor:
        cursor.executemany(
            "INSERT INTO user_links VALUES ('tenant-a', 'SLACK', %s, %s)",
            [(account, person) for account, person in linked.items() if person in everybody],
        )


def listed(found: Mapping[str, Mapping[str, Any]]) -> list[User]:
    return [user(key, **columns) for key, columns in found.items()]


@given(nights=nights, linked=links)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60)
def test_after_every_night_matching_everybody_anew_would_change_nothing(
    database: Database,
    keyring: Keyring,
    nights: list[tuple[dict[str, Person] | None, dict[str, Any]]],
    linked: dict[str, str],
) -> None:
    with builders.everything(database) as cursor:
        cursor.execute("TRUNCATE tenants CASCADE")
        cursor.execute("TRUNCATE external_users")
    connection = builders.add_connection(database, keyring, builders.connection())
    for everybody, directory in nights:
        if everybody is not None:
            has(database, everybody, linked)
        night(database, connection, listed(directory))
        stored = rows(database, "SELECT * FROM external_users ORDER BY external_user_id")
        with database.transaction(connection.tenant_id) as cursor:
            assert staging.rematch_now(cursor, connection) == []
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
