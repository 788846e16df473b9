"""What the cases run on: one embedded PostgreSQL for all of them, and databases that are ready to be synced.

PostgreSQL is as it comes, but for what would make a figure depend on when it was taken: full-page images (their amount
depends on the last checkpoint), checkpoints and autovacuum, which are run between the nights instead. Statements are logged,
to be counted.
"""

import io
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from integration_pipeline import registry
from integration_pipeline.pipeline import Pipeline, open_pipeline
from integration_pipeline.sandbox.world import World
from integration_pipeline.settings import DATABASE_URL, HOME, KEYS
from integration_pipeline.store import connection_files, migrations, people, people_files, urls
from integration_pipeline.store.embedded import Embedded
from integration_pipeline_tests import builders

_SETTINGS = {
    "full_page_writes": "off",
    "autovacuum": "off",
    "checkpoint_timeout": "1h",
    "max_wal_size": "8GB",
    "log_line_prefix": "@%p %d@",
    "log_statement": "all",
}
_BATCH = 250
"""How many tenants are imported at a time: their users are in memory then."""


@dataclass
class Machine:
    """PostgreSQL's server, and where it writes its log."""

    url: str
    log: Path
    home: Path
    session: psycopg.Connection
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _migrated: str = ""

    def database(self, template: str | None = None) -> str:
        """The name of a new database, empty or a copy."""
        name = f"bench_{next(self._numbers)}"
        source = sql.SQL(" TEMPLATE {}").format(sql.Identifier(template)) if template else sql.SQL("")
        self.session.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)) + source)
        return name

    def configure(self, database: str, settings: Iterable[str]) -> None:
        """Settings of one database: ``log_duration = on``."""
        for setting in settings:
            self.session.execute(f"ALTER DATABASE {database} SET {setting}".encode())

    def migrated(self) -> str:
        """The name of a new database with the product's tables and nobody in them."""
        if not self._migrated:
            self._migrated = self.database()
            migrations.upgrade(self.url_of(self._migrated))
        return self.database(self._migrated)

    def drop(self, database: str) -> None:
        self.session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))

    def url_of(self, database: str) -> str:
        return urls.with_database(self.url, database)

    def environ(self, database: str, **variables: str) -> dict[str, str]:
        """The environment of the product on this database, and of nothing else of this machine's."""
        return {
            HOME: str(self.home / "home"),
            DATABASE_URL: self.url_of(database),
            KEYS: builders.KEYS,
            **variables,
        }

    def rest(self, database: str) -> None:
        """What PostgreSQL does by itself between two nights."""
        with psycopg.connect(self.url_of(database), autocommit=True) as session:
            session.execute("VACUUM (ANALYZE)")
            session.execute("CHECKPOINT")


@contextmanager
def started() -> Iterator[Machine]:
    """A server in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="integration-pipeline-bench-") as folder:
        home = Path(folder)
        with Embedded(home) as url, psycopg.connect(url, autocommit=True) as session:
            for name, value in _SETTINGS.items():
                session.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
            session.execute("SELECT pg_reload_conf()")
            yield Machine(url, home / "postgres" / "log", home, session)


def imported(machine: Machine, world: World, variables: Mapping[str, str]) -> str:
    """A database with a world's tenants, people and connections.

    :param variables: where the providers are.
    """
    name = machine.migrated()
    entries = json.loads(world.connections_json())
    with open_pipeline(machine.environ(name, **variables)) as pipeline:
        people.import_tenants(pipeline.database, people_files.parse_tenants(io.BytesIO(world.tenants_csv().encode())))
        people.import_users(pipeline.database, people_files.parse_users(io.BytesIO(world.users_csv().encode())))
        _connect(pipeline, entries)
    machine.rest(name)
    return name


def multiplied(machine: Machine, world: World, tenants: int, variables: Mapping[str, str]) -> str:
    """A database with so many tenants, each like the only one of ``world``."""
    name = machine.migrated()
    (tenant,) = people_files.parse_tenants(io.BytesIO(world.tenants_csv().encode()))
    users = people_files.parse_users(io.BytesIO(world.users_csv().encode()))
    (entry,) = json.loads(world.connections_json())
    ids = [f"tenant-{number:04d}" for number in range(1, tenants + 1)]
    with open_pipeline(machine.environ(name, **variables)) as pipeline:
        people.import_tenants(pipeline.database, [tenant._replace(tenant_id=each) for each in ids])
        for start in range(0, tenants, _BATCH):
            batch = ids[start : start + _BATCH]
            people.import_users(pipeline.database, [user._replace(tenant_id=each) for each in batch for user in users])
        _connect(pipeline, [{**entry, "tenant_id": each} for each in ids])
    machine.rest(name)
    return name


def _connect(pipeline: Pipeline, entries: list[dict[str, Any]]) -> None:
    connection_files.import_entries(
        pipeline.database, pipeline.keyring, pipeline.settings, entries, registry.providers()
    )
