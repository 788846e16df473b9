"""Rotation: everything under the first key, nothing lost on the way, nothing opened where it does not belong."""

import itertools
import json
import threading
from pathlib import Path

import psycopg
import pytest
from psycopg.types.json import Jsonb
from pydantic import SecretStr

from integration_pipeline.crypto import Keyring
from integration_pipeline.errors import UsageError
from integration_pipeline.model import Connection, System, Token
from integration_pipeline.settings import Settings
from integration_pipeline.store import connections, sealing, spreadsheets
from integration_pipeline.store.connections import ConnectionTokens
from integration_pipeline.store.engine import Database
from integration_pipeline.store.locks import Locks
from integration_pipeline_tests import builders
from integration_pipeline_tests.builders import LINE_WORKS, SLACK, TEAMS

OLD = {"old": bytes(range(32))}
NEW = {"new": bytes([7] * 32)}
BEFORE, BOTH, AFTER = Keyring(OLD), Keyring({**NEW, **OLD}), Keyring(NEW)


def whole(tenant_id: str, system: str) -> Connection:
    return builders.connection(
        tenant_id,
        System(system),
        client_secret=SecretStr(f"client secret of {tenant_id} {system}"),
        access_token=SecretStr(f"access token of {tenant_id} {system}"),
        refresh_token=SecretStr(f"refresh token of {tenant_id} {system}"),
        secret_options={"private_key": SecretStr(f"private key of {tenant_id} {system}")},
    )


def add_spreadsheet(database: Database, keyring: Keyring, tenant_id: str) -> None:
    key = SecretStr(json.dumps({"client_email": "a@b", "of": tenant_id}))
    sealed = keyring.seal(key, tenant_id=tenant_id, system=spreadsheets.GOOGLE_SHEETS, column=spreadsheets.SEALED)
    with database.transaction(tenant_id) as cursor:
        cursor.execute(
            "INSERT INTO spreadsheets (tenant_id, spreadsheet_id, service_account) VALUES (%s, %s, %s)",
            (tenant_id, f"sheet-of-{tenant_id}", sealed),
        )


@pytest.fixture
def stored(database: Database) -> list[Connection]:
    """Two tenants with every kind of secret, sealed with the old key."""
    found = [whole(tenant_id, system) for tenant_id in ("tenant-a", "tenant-b") for system in (LINE_WORKS, SLACK)]
    for connection in found:
        builders.add_connection(database, BEFORE, connection)
    for tenant_id in ("tenant-a", "tenant-b"):
        add_spreadsheet(database, BEFORE, tenant_id)
    return found


def sealed_values(database: Database) -> str:
    with builders.everything(database) as cursor:
        rows = cursor.execute(
            "SELECT c::text FROM external_system_connections AS c UNION ALL SELECT s::text FROM spreadsheets AS s"
        ).fetchall()
    return " ".join(text for (text,) in rows)


def versions(database: Database) -> list[tuple[object, ...]]:
    with builders.everything(database) as cursor:
        return cursor.execute(
            "SELECT xmin::text, ctid::text FROM external_system_connections "
            "UNION ALL SELECT xmin::text, ctid::text FROM spreadsheets ORDER BY 1, 2"
        ).fetchall()


def test_everything_is_under_the_first_key_and_reads_as_before(database: Database, stored: list[Connection]) -> None:
    found = sealing.reseal(database, BOTH)
    assert (found.by_key, found.tenants, found.problems) == ({"old": 18}, {"tenant-a", "tenant-b"}, [])
    assert found.in_use == {"new": 18}
    assert "v1:old:" not in sealed_values(database)
    assert builders.opened(database, AFTER) == stored
    keys = [json.loads(one.key.get_secret_value())["of"] for one in builders.opened_spreadsheets(database, AFTER)]
    assert keys == ["tenant-a", "tenant-b"]


@pytest.mark.usefixtures("stored")
def test_twice_writes_nothing(database: Database) -> None:
    sealing.reseal(database, BOTH)
    before = versions(database)
    found = sealing.reseal(database, BOTH)
    assert (found.by_key, found.in_use) == ({}, {"new": 18})
    assert versions(database) == before


def test_a_rotation_that_was_cut_off_goes_on_where_it_was(database: Database, stored: list[Connection]) -> None:
    with database.transaction("tenant-b") as cursor:
        cursor.execute("UPDATE external_system_connections SET client_secret = 'v1:old:broken'")
    assert len(sealing.reseal(database, BOTH).problems) == 2
    mended = BEFORE.seal(
        SecretStr("client secret of tenant-b SLACK"), tenant_id="tenant-b", system=SLACK, column="client_secret"
    )
    with database.transaction("tenant-b") as cursor:
        cursor.execute(
            "UPDATE external_system_connections SET client_secret = CASE system_type WHEN 'SLACK' THEN %s END",
            (mended,),
        )
    found = sealing.reseal(database, BOTH)
    assert (found.by_key, found.problems) == ({"old": 1}, [])
    assert connections.read(database, AFTER, "tenant-b", SLACK) == stored[3]


def test_a_token_refreshed_at_the_same_moment_is_the_one_that_stays(
    database: Database, locks: Locks, stored: list[Connection]
) -> None:
    fresh = BEFORE.seal(SecretStr("fresh"), tenant_id="tenant-a", system=SLACK, column="access_token")
    rotation = threading.Thread(target=sealing.reseal, args=(database, BOTH))
    with database.transaction("tenant-a") as cursor:
        cursor.execute("UPDATE external_system_connections SET access_token = %s WHERE system_type = 'SLACK'", (fresh,))
        rotation.start()
        while not is_waited_for(database, cursor.connection.info.backend_pid):
            rotation.join(0.01)
            assert rotation.is_alive()
    rotation.join()
    found = connections.read(database, AFTER, "tenant-a", SLACK)
    assert found.access_token == SecretStr("fresh")
    assert found.refresh_token == stored[1].refresh_token


def is_waited_for(database: Database, pid: int) -> bool:
    with psycopg.connect(database.url) as session:
        waiting = session.execute("SELECT count(*) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))", (pid,))
        return waiting.fetchone() != (0,)


@pytest.mark.usefixtures("stored")
def test_a_connection_that_comes_meanwhile_under_an_older_key_is_counted(database: Database) -> None:
    found: list[sealing.Resealed] = []
    rotation = threading.Thread(target=lambda: found.append(sealing.reseal(database, BOTH)))
    with database.transaction("tenant-a") as cursor:
        cursor.execute("UPDATE external_system_connections SET sync_enabled = true WHERE system_type = 'SLACK'")
        rotation.start()
        while not is_waited_for(database, cursor.connection.info.backend_pid):
            rotation.join(0.01)
            assert rotation.is_alive()
        builders.add_connection(database, BEFORE, whole("tenant-c", SLACK))
    rotation.join()
    assert found[0].in_use == {"new": 18, "old": 4}


@pytest.mark.usefixtures("stored")
def test_a_run_that_still_writes_with_the_old_key_is_said(database: Database, locks: Locks) -> None:
    sealing.reseal(database, BOTH)
    tokens = ConnectionTokens(
        database=database,
        keyring=Keyring({**OLD, **NEW}),
        locks=locks,
        tenant_id="tenant-a",
        system=SLACK,
        pause=lambda _: None,
    )
    tokens.save(Token(SecretStr("newer"), None, None))
    found = sealing.reseal(database, BOTH)
    assert found.by_key == {"old": 1}
    assert connections.read(database, AFTER, "tenant-a", SLACK).access_token == SecretStr("newer")


@pytest.mark.usefixtures("stored")
def test_what_does_not_open_stays_and_the_rest_is_sealed_anew(database: Database) -> None:
    with builders.everything(database) as cursor:
        cursor.execute(
            "UPDATE external_system_connections SET client_secret = refresh_token "
            "WHERE tenant_id = 'tenant-a' AND system_type = 'SLACK'"
        )
    found = sealing.reseal(database, BOTH)
    assert found.by_key == {"old": 17}
    assert found.in_use == {"new": 17, "old": 1}
    (problem,) = found.problems
    assert "client_secret of tenant-a SLACK does not open with the key old" in problem


@pytest.mark.usefixtures("stored")
def test_a_first_key_that_only_has_the_right_name_is_found_out(database: Database) -> None:
    found = sealing.reseal(database, Keyring({"old": bytes(32)}))
    assert len(found.problems) == 18
    assert found.by_key == {}


# every pair of places

PLACES = [
    *itertools.product(
        ("tenant-a", "tenant-b"),
        (TEAMS, SLACK, LINE_WORKS),
        ("client_secret", "access_token", "refresh_token", "secret_options.private_key"),
    ),
    *itertools.product(("tenant-a", "tenant-b"), (spreadsheets.GOOGLE_SHEETS,), (spreadsheets.SEALED,)),
]


def test_a_ciphertext_opens_in_the_place_it_was_sealed_for_and_in_no_other() -> None:
    sealed = {place: at(place, "seal", SecretStr("x")) for place in PLACES}
    opened = {
        (source, target) for source, target in itertools.product(PLACES, PLACES) if is_opened(sealed[source], target)
    }
    assert opened == {(place, place) for place in PLACES}


def at(place: tuple[str, str, str], method: str, value: object) -> str:
    tenant_id, system, column = place
    done = getattr(BOTH, method)(value, tenant_id=tenant_id, system=system, column=column)
    assert isinstance(done, str | SecretStr)
    return str(done)


def is_opened(sealed: str, place: tuple[str, str, str]) -> bool:
    try:
        at(place, "open", sealed)
    except UsageError:
        return False
    return True


@pytest.mark.parametrize(("table", "column"), [("connections", "client_secret"), ("spreadsheets", "service_account")])
def test_secrets_that_changed_places_in_the_database_open_for_nobody(
    database: Database, stored: list[Connection], table: str, column: str
) -> None:
    name = {"connections": "external_system_connections"}.get(table, table)
    with builders.everything(database) as cursor:
        rows = cursor.execute(f"SELECT ctid::text, {column} FROM {name} ORDER BY ctid".encode()).fetchall()
        for (place, _), (_, sealed) in zip(rows, [*rows[1:], rows[0]], strict=True):
            cursor.execute(f"UPDATE {name} SET {column} = %s WHERE ctid = %s".encode(), (sealed, place))
    assert len(sealing.reseal(database, BOTH).problems) == len(rows)


def test_a_row_with_no_secret_at_all_is_left_alone(database: Database) -> None:
    builders.add_connection(database, BEFORE, builders.connection(access_token=None))
    with database.transaction("tenant-a") as cursor:
        cursor.execute("UPDATE external_system_connections SET secret_options = %s", (Jsonb({}),))
    assert sealing.reseal(database, BOTH).in_use == {}


@pytest.mark.usefixtures("stored")
def test_no_new_ring_is_made_while_something_is_sealed(database: Database, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"keys is gone, .* restore the file from its backup"):
        sealing.ring(Settings(home=tmp_path), database)
    assert list(tmp_path.iterdir()) == []


def test_a_spreadsheet_s_key_alone_is_something_sealed(database: Database, tmp_path: Path) -> None:
    builders.add_tenant(database)
    add_spreadsheet(database, BEFORE, "tenant-a")
    with pytest.raises(UsageError, match="keys is gone"):
        sealing.ring(Settings(home=tmp_path), database)


def test_a_home_gets_its_ring_while_nothing_is_sealed(database: Database, tmp_path: Path) -> None:
    builders.add_tenant(database)
    settings = Settings(home=tmp_path)
    made = sealing.ring(settings, database)
    add_spreadsheet(database, made, "tenant-a")
    assert sealing.ring(settings, database).ids == made.ids
