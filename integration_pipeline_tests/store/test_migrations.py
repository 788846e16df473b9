"""Migrations: forward, whole, one at a time, and for owners who are no superusers."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from uuid import RFC_4122

import psycopg
import pytest
import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from integration_pipeline.errors import UsageError
from integration_pipeline.store import migrations, queries, urls
from integration_pipeline.store.engine import Database
from integration_pipeline_tests import builders

ROLES = ("integration_pipeline_worker", "integration_pipeline_operator")


def run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as session:
        for statement in statements:
            session.execute(statement.encode())


def grants_itself_any_role(url: str) -> bool:
    """Whether whoever has CREATEROLE may grant itself any role, as before PostgreSQL 16."""
    with psycopg.connect(url) as session:
        return session.info.server_version < 160000


@pytest.fixture
def empty_url(server_url: str) -> Iterator[str]:
    """A database that nobody migrated."""
    run(server_url, "CREATE DATABASE empty")
    yield urls.with_database(server_url, "empty")
    run(server_url, "DROP DATABASE empty WITH (FORCE)")


@pytest.fixture
def owner_url(server_url: str, template: str) -> Iterator[str]:
    """A database owned by a login with CREATEROLE, on a server where the pipeline's roles exist already."""
    run(server_url, "CREATE ROLE owner LOGIN CREATEROLE", "CREATE DATABASE owned OWNER owner")
    yield builders.as_login(urls.with_database(server_url, "owned"), "owner")
    run(server_url, "DROP DATABASE owned WITH (FORCE)")
    run(server_url, "DROP OWNED BY owner", "DROP ROLE owner")


@pytest.fixture
def fresh_server(owner_url: str, server_url: str) -> Iterator[None]:
    """As if the pipeline's roles had never been on this server."""
    run(server_url, *(f"ALTER ROLE {role} RENAME TO aside_{role}" for role in ROLES))
    yield
    run(server_url, "DROP DATABASE owned WITH (FORCE)", "CREATE DATABASE owned OWNER owner")
    run(server_url, *(f"DROP ROLE IF EXISTS {role}" for role in ROLES))
    run(server_url, *(f"ALTER ROLE aside_{role} RENAME TO {role}" for role in ROLES))


def test_an_empty_database_comes_to_head_and_stays_there(empty_url: str) -> None:
    assert migrations.upgrade(empty_url) == (None, migrations.head())
    assert migrations.upgrade(empty_url) == (migrations.head(), migrations.head())
    Database.open(empty_url).close()


def test_head_is_what_alembic_takes_for_it() -> None:
    config = Config()
    config.set_main_option("script_location", str(queries.folder() / "migrations"))
    config.set_main_option("path_separator", "newline")
    assert ScriptDirectory.from_config(config).get_current_head() == migrations.head()


def test_a_database_at_head_costs_no_import_of_alembic(database_url: str) -> None:
    program = (
        "import sys; from integration_pipeline.store import engine, migrations; url = sys.argv[1]; "
        "migrations.upgrade(url); engine.Database.open(url).close(); "
        "sys.exit(' '.join({'alembic', 'sqlalchemy', 'pandas', 'dagster'} & sys.modules.keys()) or None)"
    )
    result = subprocess.run([sys.executable, "-c", program, database_url], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_of_processes_that_migrate_at_once_one_works_and_the_others_wait(empty_url: str) -> None:
    program = "import sys; from integration_pipeline.store import migrations; migrations.upgrade(sys.argv[1])"
    with contextlib.ExitStack() as stack:
        command = [sys.executable, "-c", program, empty_url]
        processes = [stack.enter_context(subprocess.Popen(command, stderr=subprocess.PIPE)) for _ in range(3)]
        assert [(process.communicate()[1], process.returncode) for process in processes] == [(b"", 0)] * 3
    Database.open(empty_url).close()


def test_a_migration_that_fails_leaves_nothing(empty_url: str) -> None:
    run(empty_url, "CREATE TABLE daily_kpis (somebody_elses integer)")
    with pytest.raises(UsageError, match='nothing was changed: relation "daily_kpis" already exists'):
        migrations.upgrade(empty_url)
    with psycopg.connect(empty_url) as session:
        tables = session.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace").fetchall()
    assert tables == [("daily_kpis",)]


BEFORE_CURSORS = "0003"
"""The last revision under which nothing but whole listings was read; what it stored must outlive every later one."""

STORED_THEN = """
INSERT INTO tenants (tenant_id, name) VALUES ('a', '甲');
INSERT INTO internal_users (tenant_id, internal_user_id, email) VALUES ('a', 'u1', 'u1@example.jp');
INSERT INTO external_system_connections (tenant_id, system_type, client_secret, secret_options, sync_generation)
VALUES ('a', 'SLACK', 'sealed', '{"private_key": "sealed too"}', 7);
INSERT INTO external_users (
    tenant_id, system_type, external_user_id, kind, listing, is_active, external_username, match_email, content_hash,
    created_sync_id, changed_sync_id, changed_at
)
SELECT
    'a', 'SLACK', 'U' || n, 'USER', 'users', n < 9, '山田', 'u' || n || '@example.jp', n * 2 + 1,
    new_id(), new_id(), now()
FROM generate_series(1, 9) AS n;
INSERT INTO external_teams (
    tenant_id, system_type, kind, external_team_id, listing, is_active, content_hash, created_sync_id, changed_sync_id,
    changed_at
)
VALUES ('a', 'SLACK', 'CHANNEL', 'C1', 'channels', true, 1, new_id(), new_id(), now());
INSERT INTO notification_settings (
    tenant_id, system_type, kind, external_id, listing, is_active, settings, content_hash, created_sync_id,
    changed_sync_id, changed_at
)
VALUES ('a', 'SLACK', 'BOT', 'B1', 'bots', true, '{"is_own": true}', 1, new_id(), new_id(), now());
INSERT INTO user_links VALUES ('a', 'SLACK', 'U1', 'u1');
INSERT INTO user_matches VALUES
('a', 'SLACK', 'U1', 'u1', 'LINK', 'ACTIVE', NULL, now()),
('a', 'SLACK', 'U2', NULL, 'EMAIL', 'ERROR', 'several accounts reach internal user u 2', now()),
('a', 'SLACK', 'U3', NULL, 'EMAIL', 'ERROR', 'several internal users have this e-mail address', now()),
('a', 'SLACK', 'U4', 'u4', 'EMAIL', 'INACTIVE', 'the internal user is not active', now());
INSERT INTO external_system_sync_history (
    sync_id, tenant_id, system_type, sync_type, started_at, completed_at, status, records_created, api_calls
)
VALUES (new_id(), 'a', 'SLACK', 'USERS', now(), now(), 'PARTIAL', 9, 3);
INSERT INTO sync_changes
SELECT sync_id, 'a', 'SLACK', 'USERS', 'USER', 'U9', 'DEACTIVATED', '{"listing": "users"}'
FROM external_system_sync_history;
INSERT INTO sync_errors (sync_id, tenant_id, system_type, sync_type, error_type, error_message, occurred_at)
SELECT sync_id, 'a', 'SLACK', 'USERS', 'HELD', 'held', now() FROM external_system_sync_history;
INSERT INTO sync_holds (
    tenant_id, system_type, sync_type, sync_id, reasons, absent_count, flagged_count, created_at
)
VALUES ('a', 'SLACK', 'USERS', new_id(), '{many}', 1, 0, now());
INSERT INTO sync_hold_rows (tenant_id, hold_id, kind, key, listing, reason, content_hash)
SELECT 'a', hold_id, 'USER', 'U8', 'users', 'absent', 0 FROM sync_holds;
INSERT INTO progress_kpis (tenant_id, day, overall_progress) VALUES ('a', '2026-11-01', 0.5);
INSERT INTO daily_kpis VALUES ('a', '2026-11-01', 'accounts', 9);
INSERT INTO spreadsheets (tenant_id, spreadsheet_id, service_account) VALUES ('a', 'sheet', 'sealed');
"""

REPLACED = {"external_users": ["mapping_id", "employee_key", "email_key", "email_key_2"]}
"""Columns that are gone since, on purpose."""
MOVED = {"user_matches"}
"""Tables whose rows stand elsewhere now."""


def everything_stored(url: str) -> dict[str, list[dict[str, Any]]]:
    with psycopg.connect(url) as session:
        tables = session.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' "
            "AND relname <> 'alembic_version'"
        ).fetchall()
        found = {
            table: [
                row for (row,) in session.execute(f"SELECT to_jsonb(t) FROM {table} AS t ORDER BY t::text".encode())
            ]
            for (table,) in tables
        }
    return {
        table: [{name: value for name, value in row.items() if name not in REPLACED.get(table, [])} for row in rows]
        for table, rows in found.items()
    }


def test_what_an_older_database_holds_is_there_after_its_upgrade(server_url: str, owner_url: str) -> None:
    # By an owner whom row-level security binds, and who sees no row by being a member of the roles.
    unseeing = "" if grants_itself_any_role(server_url) else "WITH INHERIT FALSE"
    run(server_url, f"GRANT integration_pipeline_worker, integration_pipeline_operator TO owner {unseeing}")
    login_url = urls.with_database(server_url, "owned")
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://",
        creator=lambda: urls.connect(owner_url, autocommit=False),
        poolclass=sqlalchemy.NullPool,
    )
    config = Config()
    config.set_main_option("script_location", str(queries.folder() / "migrations"))
    config.set_main_option("path_separator", "newline")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, BEFORE_CURSORS)
    run(login_url, STORED_THEN)
    before = everything_stored(login_url)
    assert all(before.values())
    with pytest.raises(UsageError, match="older than this program's"):
        Database.open(owner_url)

    assert migrations.upgrade(owner_url) == (BEFORE_CURSORS, migrations.head())

    after = everything_stored(login_url)
    for table, rows in before.items():
        if table in MOVED:
            continue
        kept = [{name: row[name] for name in rows[0]} for row in after[table]]
        assert sorted(kept, key=str) == sorted(rows, key=str), table
    with Database.open(owner_url) as database, database.operator() as cursor:
        columns = "external_user_id, mapping_id, internal_user_id, sync_status, reason, rule"
        mappings = cursor.execute(f"SELECT {columns} FROM external_user_mappings ORDER BY 1".encode()).fetchall()
        shown = "client_secret_set, access_token_set, secret_options_set, sync_generation"
        connections = cursor.execute(f"SELECT {shown} FROM external_system_connections".encode()).fetchall()
        reached = dict(cursor.execute("SELECT external_user_id, match_user_id FROM external_users").fetchall())
    with psycopg.connect(login_url) as session:
        unguarded = session.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' "
            "AND NOT (relrowsecurity AND relforcerowsecurity)"
        ).fetchall()
    assert unguarded == [("alembic_version",)]
    several = "several accounts reach internal user u 2", "several internal users have this e-mail address"
    assert [(account, *found) for account, _, *found in mappings] == [
        ("U1", "u1", "ACTIVE", None, "LINK"),
        ("U2", None, "ERROR", several[0], "EMAIL"),
        ("U3", None, "ERROR", several[1], "EMAIL"),
        ("U4", "u4", "INACTIVE", "the internal user is not active", "EMAIL"),
        *((f"U{n}", None, "ACTIVE", None, None) for n in range(5, 9)),
        ("U9", None, "INACTIVE", None, None),
    ]
    assert (reached["U2"], reached["U3"], reached["U4"]) == ("u 2", None, "u4")
    assert len({mapping_id for _, mapping_id, *_ in mappings}) == len(mappings)
    assert connections == [(True, False, ["private_key"], 7)]


def test_a_newer_database_is_left_alone(database_url: str) -> None:
    run(database_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(UsageError, match="newer than this program"):
        migrations.upgrade(database_url)


def test_an_unreachable_database_is_one_line() -> None:
    with pytest.raises(UsageError, match=r"127\.0\.0\.1:1/x cannot be used"):
        migrations.upgrade("postgresql://u:hunter2@127.0.0.1:1/x")


@pytest.mark.usefixtures("fresh_server")
def test_an_owner_who_may_make_roles_needs_no_superuser(owner_url: str) -> None:
    migrations.upgrade(owner_url)
    with Database.open(owner_url) as database:
        builders.add_tenant(database)
        builders.add_internal_user(database, "u1")
        with database.transaction("tenant-a") as cursor:
            assert cursor.execute("SELECT matching_version FROM tenants").fetchone() == (1,)
        with database.transaction("tenant-b") as cursor:
            assert cursor.execute("SELECT count(*) FROM internal_users").fetchone() == (0,)


@pytest.mark.usefixtures("fresh_server")
def test_a_second_database_of_the_same_owner_finds_the_roles_there(server_url: str, owner_url: str) -> None:
    migrations.upgrade(owner_url)
    run(server_url, "CREATE DATABASE second OWNER owner")
    try:
        second = urls.with_database(owner_url, "second")
        assert migrations.upgrade(second) == (None, migrations.head())
        Database.open(second).close()
    finally:
        run(server_url, "DROP DATABASE second WITH (FORCE)")


def test_roles_of_somebody_else_are_asked_for_and_then_used(server_url: str, owner_url: str) -> None:
    if grants_itself_any_role(server_url):
        run(server_url, "ALTER ROLE owner NOCREATEROLE")
    with pytest.raises(UsageError, match="member of integration_pipeline_worker"):
        migrations.upgrade(owner_url)
    run(server_url, "GRANT integration_pipeline_worker, integration_pipeline_operator TO owner")
    assert migrations.upgrade(owner_url) == (None, migrations.head())
    Database.open(owner_url).close()


def test_a_login_that_owns_nothing_may_not_migrate(server_url: str, empty_url: str) -> None:
    run(server_url, "CREATE ROLE guest LOGIN")
    try:
        with pytest.raises(UsageError, match="this login may not migrate"):
            migrations.upgrade(builders.as_login(empty_url, "guest"))
    finally:
        run(server_url, "DROP ROLE guest")


def test_there_is_no_way_back() -> None:
    config = Config()
    config.set_main_option("script_location", str(queries.folder() / "migrations"))
    config.set_main_option("path_separator", "newline")
    for revision in ScriptDirectory.from_config(config).walk_revisions():
        with pytest.raises(NotImplementedError, match="forward only"):
            revision.module.downgrade()


def test_ids_are_version_7_and_in_the_order_of_time(database_url: str) -> None:
    with psycopg.connect(database_url) as session:
        rows = session.execute("SELECT new_id(), clock_timestamp() FROM generate_series(1, 1000)").fetchall()
    assert {(found.version, found.variant) for found, _ in rows} == {(7, RFC_4122)}
    milliseconds = [found.int >> 80 for found, _ in rows]
    assert milliseconds == sorted(milliseconds)
    assert all(abs(at.timestamp() * 1000 - found) < 1000 for found, (_, at) in zip(milliseconds, rows, strict=True))


def test_a_mappings_id_is_made_of_its_name_and_nothing_else(database_url: str) -> None:
    names = (
        "('a', 'SLACK', 'U1'), ('a', 'SLACK', 'U1'), ('b', 'SLACK', 'U1'), ('a', 'TEAMS', 'U1'), ('a', 'SLACK', 'U2')"
    )
    with psycopg.connect(database_url) as session:
        rows = session.execute(f"SELECT id_of(t, s, u) FROM (VALUES {names}) AS name (t, s, u)".encode()).fetchall()
    ids = [found for (found,) in rows]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4
    assert {(found.version, found.variant) for found in ids} == {(8, RFC_4122)}
