"""Connections as they are stored: sealed, opened where they belong, and their tokens never lost."""

import datetime as dt
from functools import partial

import psycopg
import pytest
from pydantic import SecretStr

from integration_pipeline.crypto import Keyring
from integration_pipeline.errors import UsageError
from integration_pipeline.model import Connection, Token
from integration_pipeline.store import connections
from integration_pipeline.store.connections import ConnectionTokens
from integration_pipeline.store.engine import Database
from integration_pipeline.store.locks import Locks
from integration_pipeline_tests import builders
from integration_pipeline_tests.builders import LINE_WORKS, SLACK, TEAMS

SIX = dt.datetime(2026, 11, 21, 6, 0, tzinfo=dt.UTC)

WHOLE = builders.connection(
    system=LINE_WORKS,
    client_id="client",
    client_secret=SecretStr("hunter2"),
    access_token=SecretStr("hunter3"),
    refresh_token=SecretStr("hunter4"),
    token_expires_at=SIX,
    refresh_started_at=SIX,
    api_endpoint="https://www.worksapis.com/v1.0/",
    sync_teams=False,
    batch_size=7,
    options={"service_account": "a@b", "domain_ids": [1, 2]},
    secret_options={"private_key": SecretStr("hunter5")},
    workspace={"name": "山田"},
    last_sync_at=SIX,
    sync_generation=3,
)


@pytest.fixture
def tokens(database: Database, keyring: Keyring, locks: Locks) -> ConnectionTokens:
    builders.add_connection(database, keyring, WHOLE)
    return ConnectionTokens(
        database=database, keyring=keyring, locks=locks, tenant_id="tenant-a", system=LINE_WORKS, pause=lambda _: None
    )


def names(found: list[Connection]) -> list[str]:
    return [str(connection) for connection in found]


def test_a_connection_is_read_as_it_was_stored(database: Database, keyring: Keyring) -> None:
    builders.add_connection(database, keyring, WHOLE)
    assert connections.read(database, keyring, "tenant-a", LINE_WORKS) == WHOLE
    assert builders.opened(database, keyring) == [WHOLE]


def test_no_secret_stands_in_the_database_as_it_is(database: Database, keyring: Keyring, database_url: str) -> None:
    builders.add_connection(database, keyring, WHOLE)
    with psycopg.connect(database_url) as session:
        row = session.execute("SELECT row_to_json(c)::text FROM external_system_connections AS c").fetchone()
    assert row is not None
    assert "hunter" not in row[0]
    assert row[0].count("v1:test:") == 4


def test_a_list_for_people_needs_no_key_and_has_no_secret(database: Database, keyring: Keyring) -> None:
    builders.add_connection(database, keyring, WHOLE)
    (found,) = connections.describe(database)
    assert (found.client_secret, found.access_token, found.refresh_token) == (None, None, None)
    assert found.secret_options == {}
    assert (found.client_id, found.options, found.workspace) == ("client", WHOLE.options, WHOLE.workspace)


def test_connections_are_chosen_by_tenant_system_and_whether_they_are_on(database: Database, keyring: Keyring) -> None:
    for tenant_id in ("tenant-b", "tenant-a"):
        for system in (TEAMS, SLACK):
            builders.add_connection(database, keyring, builders.connection(tenant_id, system))
    builders.add_connection(database, keyring, builders.connection("tenant-c", sync_enabled=False))
    enabled = partial(connections.describe, database, enabled_only=True)
    assert names(enabled()) == ["tenant-a SLACK", "tenant-a TEAMS", "tenant-b SLACK", "tenant-b TEAMS"]
    assert names(enabled(systems=[TEAMS])) == ["tenant-a TEAMS", "tenant-b TEAMS"]
    assert names(enabled(tenant_ids=["tenant-b"], systems=[SLACK])) == ["tenant-b SLACK"]
    assert names(enabled(tenant_ids=["tenant-c"])) == []
    assert names(connections.describe(database, tenant_ids=["tenant-c"])) == ["tenant-c SLACK"]
    assert enabled(systems=[]) == []
    assert enabled(tenant_ids=["nobody"]) == []


def test_what_does_not_exist_is_named(database: Database, keyring: Keyring) -> None:
    builders.add_tenant(database)
    with pytest.raises(UsageError, match="tenant-a has no SLACK connection"):
        connections.read(database, keyring, "tenant-a", SLACK)


def test_a_wrong_key_is_named_with_its_place(database: Database, keyring: Keyring) -> None:
    builders.add_connection(database, keyring, WHOLE)
    other = Keyring({"other": bytes(32)})
    with pytest.raises(UsageError, match="client_secret of tenant-a LINE_WORKS is sealed with the key test"):
        connections.read(database, other, "tenant-a", LINE_WORKS)


FROM_ANOTHER_COLUMN = "UPDATE external_system_connections SET client_secret = access_token"
FROM_AN_OPTION = "UPDATE external_system_connections SET client_secret = secret_options->>'private_key'"
FROM_ANOTHER_TENANT = """
    UPDATE external_system_connections AS c SET client_secret = o.client_secret FROM external_system_connections AS o
    WHERE c.tenant_id = 'tenant-a' AND o.tenant_id = 'tenant-b'
"""


@pytest.mark.parametrize("statement", [FROM_ANOTHER_COLUMN, FROM_AN_OPTION, FROM_ANOTHER_TENANT])
def test_a_ciphertext_put_elsewhere_does_not_open(
    database: Database, keyring: Keyring, database_url: str, statement: str
) -> None:
    builders.add_connection(database, keyring, WHOLE)
    secrets = {"client_secret": SecretStr("x"), "secret_options": {"private_key": SecretStr("y")}}
    builders.add_connection(database, keyring, builders.connection("tenant-b", LINE_WORKS, **secrets))
    with psycopg.connect(database_url) as session:
        session.execute(statement.encode())
    with pytest.raises(UsageError, match="client_secret of tenant-a LINE_WORKS does not open"):
        connections.read(database, keyring, "tenant-a", LINE_WORKS)


def test_a_new_token_is_committed_and_ends_the_refresh(tokens: ConnectionTokens) -> None:
    tokens.begin_refresh(SIX)
    assert tokens.read().refresh_started_at == SIX
    token = Token(SecretStr("new"), SecretStr("newer"), SIX + dt.timedelta(days=1))
    tokens.save(token)
    found = tokens.read()
    assert (found.access_token, found.refresh_token, found.token_expires_at) == (
        token.access_token, token.refresh_token, token.expires_at,
    )  # fmt: skip
    assert found.refresh_started_at is None


def test_a_refresh_token_that_does_not_come_anew_stays(tokens: ConnectionTokens) -> None:
    tokens.save(Token(SecretStr("new"), None, None))
    found = tokens.read()
    assert (found.refresh_token, found.token_expires_at) == (WHOLE.refresh_token, None)


def test_a_refused_refresh_is_no_refresh_cut_off(tokens: ConnectionTokens) -> None:
    tokens.begin_refresh(SIX)
    tokens.end_refresh()
    assert tokens.read().refresh_started_at is None
    assert tokens.read().access_token == WHOLE.access_token


def test_a_token_is_refreshed_by_one_at_a_time(database: Database, keyring: Keyring, tokens: ConnectionTokens) -> None:
    class GivenUpError(Exception):
        pass

    def give_up(_: float) -> None:
        raise GivenUpError

    locks = Locks(database.url)
    other = ConnectionTokens(
        database=database, keyring=keyring, locks=locks, tenant_id="tenant-a", system=LINE_WORKS, pause=give_up
    )
    with tokens.exclusive(), pytest.raises(GivenUpError), other.exclusive():
        pass
    with other.exclusive():
        pass
    locks.close()
