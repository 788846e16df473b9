"""One PostgreSQL for all tests of a worker; a migrated database of its own for every test that asks for one."""

import datetime as dt
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

import hypothesis
import psycopg
import pytest
from psycopg import sql

from integration_pipeline import pipeline
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

SERVERS = "INTEGRATION_PIPELINE_TEST_SERVERS"
"""The variable with the URLs of servers to test on instead of the embedded one, a space between two.

One for every worker of a run, because roles belong to a whole server and tests rename them.
"""


@pytest.fixture(autouse=True)
def one_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """No day of Tokyo's, where reports and most tenants have theirs, ends while a test runs: the clock stops before."""
    now = pipeline.utc_now
    tomorrow = now().astimezone(ZoneInfo("Asia/Tokyo")).date() + dt.timedelta(days=1)
    last = dt.datetime.combine(tomorrow, dt.time(), ZoneInfo("Asia/Tokyo")) - dt.timedelta(seconds=1)
    monkeypatch.setattr(pipeline, "utc_now", lambda: min(now(), last.astimezone(dt.UTC)))


@pytest.fixture
def home() -> Iterator[Path]:
    """A home for an embedded server of the test's own, gone after the test."""
    with _folder() as home:
        yield home


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The server, by an empty database of it."""
    with _server() as url:
        with psycopg.connect(url, autocommit=True) as session:
            # Nothing here outlives the run, so nothing need reach the disk.
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                session.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
            session.execute("SELECT pg_reload_conf()")
        yield url


@pytest.fixture(scope="session")
def template(server_url: str) -> Iterator[str]:
    """The name of a migrated database to copy."""
    urls.create_database(server_url, "template")
    migrations.upgrade(urls.with_database(server_url, "template"))
    yield "template"
    with psycopg.connect(server_url, autocommit=True) as session:
        session.execute("DROP DATABASE template WITH (FORCE)")


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
def _server() -> Iterator[str]:
    """The worker's own server: of those that are named, or an embedded one."""
    if servers := os.environ.get(SERVERS, "").split():
        worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
        if worker >= len(servers):
            pytest.exit(f"{SERVERS} names {len(servers)} server(s): one per worker, so run with -n {len(servers)}.", 2)
        yield servers[worker]
    else:
        with _folder() as home, Embedded(home) as url:
            yield url


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder that is not pytest's.

    Under root the server runs as another user, and the next pytest to start closes pytest's folders to all but its own.
    """
    with tempfile.TemporaryDirectory(prefix="integration-pipeline-") as folder:
        yield Path(folder)
