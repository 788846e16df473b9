"""What the operator's role may do across tenants: see what lists show, and no secret."""

import psycopg
import pytest
from pydantic import SecretStr

from integration_pipeline.crypto import Keyring
from integration_pipeline.store.engine import Database
from integration_pipeline_tests import builders

SEALED = [
    *(("external_system_connections", name) for name in ("client_secret", "access_token", "refresh_token")),
    ("external_system_connections", "secret_options"),
    ("spreadsheets", "service_account"),
]

UNSHOWN = [
    "external_teams", "notification_settings", "user_links", "sync_changes", "sync_hold_rows", "sync_cursors",
]  # fmt: skip
"""Tables that no list across tenants shows anything of."""

OWN_TABLES = """
    SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
"""


def is_refused(database: Database, statement: str) -> bool:
    try:
        with database.operator() as cursor:
            cursor.execute(statement.encode())
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False


@pytest.mark.parametrize(("table", "column"), SEALED)
def test_an_operator_reads_and_writes_no_secret(database: Database, table: str, column: str) -> None:
    assert is_refused(database, f"SELECT {column} FROM {table}")
    assert is_refused(database, f"SELECT count(*) FROM {table} WHERE {column} IS NOT NULL")
    assert is_refused(database, f"SELECT t::text FROM {table} AS t")
    assert is_refused(database, f"UPDATE {table} SET {column} = NULL")
    assert is_refused(database, f"INSERT INTO {table} (tenant_id) VALUES ('a')")
    assert is_refused(database, f"DELETE FROM {table}")


@pytest.mark.parametrize("table", UNSHOWN)
def test_an_operator_reads_nothing_that_no_list_shows(database: Database, table: str) -> None:
    assert is_refused(database, f"SELECT tenant_id FROM {table}")


def test_an_operator_sees_of_a_secret_whether_there_is_one(database: Database, keyring: Keyring) -> None:
    stored = builders.connection(
        system=builders.LINE_WORKS, refresh_token=SecretStr("y"), secret_options={"private_key": SecretStr("x")}
    )
    builders.add_connection(database, keyring, stored)
    with database.operator() as cursor:
        found = cursor.execute(
            "SELECT client_secret_set, access_token_set, refresh_token_set, secret_options_set "
            "FROM external_system_connections"
        ).fetchall()
    assert found == [(False, True, True, ["private_key"])]


def test_every_table_is_under_row_level_security_its_owner_included(database: Database) -> None:
    with database.operator() as cursor:
        tables = cursor.execute(OWN_TABLES).fetchall()
    assert len(tables) > 15
    assert [name for name, is_on, binds_the_owner in tables if not (is_on and binds_the_owner)] == []


@pytest.mark.parametrize("role", ["integration_pipeline_worker", "integration_pipeline_operator"])
def test_neither_role_can_switch_row_level_security_off(database: Database, role: str) -> None:
    with database.operator() as cursor:
        powers = cursor.execute(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolcanlogin FROM pg_roles WHERE rolname = %s",
            (role,),
        ).fetchone()
        groups = cursor.execute("SELECT count(*) FROM pg_auth_members WHERE member = %s::regrole", (role,)).fetchone()
        owned = cursor.execute("SELECT count(*) FROM pg_class WHERE relowner = %s::regrole", (role,)).fetchone()
    assert powers == (False,) * 5
    assert (groups, owned) == ((0,), (0,))
