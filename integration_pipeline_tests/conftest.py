"""One embedded PostgreSQL for all tests of a run; a migrated database of its own for every test that asks for one."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import hypothesis
import psycopg
import pytest
from psycopg import sql

from integration_pipeline.crypto import Keyring
from integration_pipeline.settings import DATABASE_URL, HOME, KEYS, Settings, load
from integration_pipeline.store import migrations, urls
from integration_pipeline.store.embedded import Embedded
from integration_pipeline.store.engine import Database
from integration_pipeline.store.locks import Locks
from integration_pipeline_tests import builders

# The same examples on every machine, however busy: a property that fails, fails for everybody.
hypothesis.settings.register_profile(
    "repeatable", derandomize=True, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("repeatable")

_numbers = count(1)


@pytest.fixture
def home() -> Iterator[Path]:
    """A home for an embedded server of the test's own, gone after the test."""
    with _folder() as home:
        yield home


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The server, by an empty database of it."""
    with _folder() as home, Embedded(home) as url:
        with psycopg.connect(url, autocommit=True) as session:
            # Nothing here outlives the run, so nothing need reach the disk.
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                session.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
            session.execute("SELECT pg_reload_conf()")
        yield url


@pytest.fixture(scope="session")
def template(server_url: str) -> str:
    """The name of a migrated database to copy."""
    urls.create_database(server_url, "template")
    migrations.upgrade(urls.with_database(server_url, "template"))
    return "template"


@pytest.fixture
def database_url(server_url: str, template: str) -> Iterator[str]:
    """A migrated database without a row in it, gone after the test."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server_url, autocommit=True) as session:
        session.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        yield urls.with_database(server_url, name)
        session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with Database.open(database_url) as database:
        yield database


@pytest.fixture
def locks(database_url: str) -> Iterator[Locks]:
    locks = Locks(database_url)
    yield locks
    locks.close()


@pytest.fixture
def keyring() -> Keyring:
    return Keyring.parse(builders.KEYS)


@pytest.fixture
def environ(database_url: str, tmp_path: Path) -> Mapping[str, str]:
    """The environment of a command that works on this test's database."""
    return {HOME: str(tmp_path / "home"), DATABASE_URL: database_url, KEYS: builders.KEYS}


@pytest.fixture
def settings(environ: Mapping[str, str]) -> Settings:
    return load(environ, ())


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder that is not pytest's.

    Under root the server runs as another user, and the next pytest to start closes pytest's folders to all but its own.
    """
    with tempfile.TemporaryDirectory(prefix="integration-pipeline-") as folder:
        yield Path(folder)
