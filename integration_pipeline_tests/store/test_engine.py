"""Transactions: whose they are, and that a failed one is never taken for a written one."""

import psycopg
import pytest

from integration_pipeline.errors import UsageError
from integration_pipeline.store.engine import Database, become_tenant
from integration_pipeline_tests import builders


def test_a_transaction_is_the_tenants_worker(database: Database) -> None:
    with database.transaction("tenant-a") as cursor:
        cursor.execute("SELECT current_user, current_setting('app.tenant_id')")
        assert cursor.fetchone() == ("integration_pipeline_worker", "tenant-a")


def test_the_operator_is_nobodys_tenant(database: Database) -> None:
    with database.operator() as cursor:
        cursor.execute("SELECT current_user, current_setting('app.tenant_id')")
        assert cursor.fetchone() == ("integration_pipeline_operator", "")


def test_a_transaction_without_a_tenant_is_refused(database: Database) -> None:
    with pytest.raises(UsageError, match="empty"), database.transaction(""):
        pass


def test_a_session_goes_back_without_its_role_and_tenant(database_url: str) -> None:
    with Database.open(database_url, size=1) as database:
        with database.transaction("tenant-a"):
            pass
        with database._pool.connection() as session:
            found = session.execute("SELECT current_user, current_setting('app.tenant_id', true)").fetchone()
    assert found == ("postgres", "")


def test_tenants_see_their_own_rows_only(database: Database) -> None:
    for tenant_id in ("tenant-a", "tenant-b"):
        builders.add_tenant(database, tenant_id)
        builders.add_internal_user(database, "u1", tenant_id)
    with database.transaction("tenant-a") as cursor:
        assert cursor.execute("SELECT tenant_id FROM internal_users").fetchall() == [("tenant-a",)]
        assert cursor.execute("SELECT tenant_id FROM tenants WHERE tenant_id = 'tenant-b'").fetchall() == []


def test_a_worker_cannot_write_into_another_tenant(database: Database) -> None:
    for tenant_id in ("tenant-a", "tenant-b"):
        builders.add_tenant(database, tenant_id)
        builders.add_internal_user(database, "u1", tenant_id)
    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"),
        database.transaction("tenant-a") as cursor,
    ):
        cursor.execute(
            "INSERT INTO user_links (tenant_id, system_type, external_user_id, internal_user_id) "
            "VALUES ('tenant-b', 'SLACK', 'x', 'u1')"
        )


def test_a_tenant_name_is_a_value_and_never_sql(database: Database) -> None:
    name = 'it\'s \\ "quoted"; ROLLBACK; --'
    with database.transaction(name) as cursor:
        cursor.execute("SELECT current_user, current_setting('app.tenant_id')")
        assert cursor.fetchone() == ("integration_pipeline_worker", name)


def test_one_statement_is_asked_as_the_tenants_worker_or_as_the_operator(database: Database) -> None:
    query = "SELECT current_user, current_setting('app.tenant_id'), %s::text[]"
    value = ['it\'s \\ 100 % "quoted"; ROLLBACK; --']
    for tenant_id, role in (("tenant-a", "worker"), (None, "operator")):
        found = database.ask(tenant_id, lambda cursor: cursor.execute(query, (value,)).fetchall())
        assert found == [(f"integration_pipeline_{role}", tenant_id or "", value)]
    with pytest.raises(UsageError, match="empty"):
        database.ask("", lambda cursor: cursor.execute(query, (value,)))


def test_one_statement_that_is_asked_is_committed_or_fails_and_leaves_nothing(database_url: str) -> None:
    insert = "INSERT INTO tenants (tenant_id, name) VALUES (%s, 'A'), (%s, 'B') RETURNING tenant_id"
    with Database.open(database_url, size=1) as database:
        with pytest.raises(psycopg.errors.UniqueViolation):
            database.ask(None, lambda cursor: cursor.execute(insert, ("a", "a")))
        assert database.ask(None, lambda cursor: cursor.execute(insert, ("a", "b")).fetchall()) == [("a",), ("b",)]
    with Database.open(database_url) as database, database.operator() as cursor:
        assert cursor.execute("SELECT count(*) FROM tenants").fetchone() == (2,)


def test_one_statement_that_is_asked_survives_a_session_that_was_dropped_meanwhile(database_url: str) -> None:
    with Database.open(database_url, size=1) as database, Database.open(database_url) as other:
        ((dropped,),) = database.ask(None, lambda cursor: cursor.execute("SELECT pg_backend_pid()").fetchall())
        with other._pool.connection() as session:
            session.execute("SELECT pg_terminate_backend(%s, 60000)", (dropped,))
        ((pid,),) = database.ask("tenant-a", lambda cursor: cursor.execute("SELECT pg_backend_pid()").fetchall())
    assert pid != dropped


def test_a_block_that_raises_writes_nothing(database: Database) -> None:
    def work() -> None:
        with database.operator() as cursor:
            cursor.execute("INSERT INTO tenants (tenant_id, name) VALUES ('a', 'A')")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    with database.operator() as cursor:
        assert cursor.execute("SELECT count(*) FROM tenants").fetchone() == (0,)


def test_a_swallowed_sql_error_does_not_pass_for_a_commit(database: Database) -> None:
    def work() -> None:
        with database.operator() as cursor:
            cursor.execute("INSERT INTO tenants (tenant_id, name) VALUES ('a', 'A')")
            with pytest.raises(psycopg.errors.DivisionByZero):
                cursor.execute("SELECT 1/0")

    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        work()


def test_an_unreachable_database_is_one_line_without_its_password() -> None:
    with pytest.raises(UsageError) as caught:
        Database.open("postgresql://somebody:p%40ssw0rd@127.0.0.1:1/pipeline")
    message = str(caught.value)
    assert "127.0.0.1:1/pipeline" in message
    assert "\n" not in message
    assert "ssw0rd" not in message


@pytest.mark.parametrize(
    "url",
    ["postgresql://u:hunter2@host:port/x", "postgresql://u:hunter2@h/x?nonsense=1", "postgresql://u:hunter2%zz@h/x"],
)
def test_a_url_that_does_not_parse_is_not_repeated(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        Database.open(url)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_database_asks_for_its_migration(server_url: str) -> None:
    with pytest.raises(UsageError, match="integration-pipeline migrate"):
        Database.open(server_url)


@pytest.mark.parametrize(("found", "word"), [("0000", "older"), ("9999", "newer")])
def test_another_programs_schema_is_refused(database_url: str, found: str, word: str) -> None:
    with psycopg.connect(database_url) as session:
        session.execute("UPDATE alembic_version SET version_num = %s", (found,))
    with pytest.raises(UsageError, match=word):
        Database.open(database_url)


def test_a_login_that_may_not_become_the_worker_is_told_what_to_grant(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as session:
        session.execute("CREATE ROLE stranger LOGIN")
    try:
        with pytest.raises(UsageError, match="GRANT integration_pipeline_worker, integration_pipeline_operator TO"):
            Database.open(builders.as_login(database_url, "stranger"))
    finally:
        with psycopg.connect(database_url, autocommit=True) as session:
            session.execute("DROP ROLE stranger")


def test_a_login_that_owns_nothing_may_be_the_pipelines(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as session:
        session.execute("CREATE ROLE app LOGIN NOINHERIT")
        session.execute("GRANT integration_pipeline_worker, integration_pipeline_operator TO app")
    try:
        with Database.open(builders.as_login(database_url, "app")) as database, database.transaction("t") as cursor:
            assert cursor.execute("SELECT current_user").fetchone() == ("integration_pipeline_worker",)
    finally:
        with psycopg.connect(database_url, autocommit=True) as session:
            session.execute("DROP ROLE app")


@pytest.mark.parametrize("role", ["integration_pipeline_worker", "integration_pipeline_operator"])
@pytest.mark.parametrize("power", ["SUPERUSER", "BYPASSRLS"])
def test_a_role_that_row_level_security_does_not_bind_is_refused(database_url: str, role: str, power: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as session:
        session.execute(f"ALTER ROLE {role} {power}".encode())
        try:
            with pytest.raises(UsageError, match=f"ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS"):
                Database.open(database_url)
        finally:
            session.execute(f"ALTER ROLE {role} NO{power}".encode())


def test_a_transaction_may_go_on_as_one_tenant_after_another(database: Database) -> None:
    for tenant_id in ("tenant-a", "tenant-b"):
        builders.add_tenant(database, tenant_id)
    with database.operator() as cursor:
        for tenant_id in ("tenant-a", "tenant-b"):
            become_tenant(cursor, tenant_id)
            found = cursor.execute("SELECT current_user, tenant_id FROM tenants").fetchall()
            assert found == [("integration_pipeline_worker", tenant_id)]
