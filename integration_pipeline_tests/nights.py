"""Whole nights for tests: a sandbox world, a real database, and time that passes only when somebody waits for it."""

import io
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from integration_pipeline import batch, registry, selection
from integration_pipeline.invocation import Event, Request
from integration_pipeline.model import Outcome, SyncType
from integration_pipeline.pipeline import Pipeline, open_pipeline
from integration_pipeline.sandbox.server import Sandbox
from integration_pipeline.sandbox.world import World
from integration_pipeline.store import connection_files, people, people_files
from integration_pipeline_tests import builders


@dataclass
class Time:
    """A clock that a wait moves on."""

    seconds: float = 1000.0
    waited: list[float] = field(default_factory=list)
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> float:
        return self.seconds

    def wait_for(self, event: threading.Event, seconds: float) -> bool:
        if seconds:
            with self._mutex:
                self.waited.append(seconds)
                self.seconds += seconds
            return event.wait(0.001)  # whoever waits lets the others go on
        return event.is_set()


@dataclass
class Nights:
    """A pipeline whose providers are a sandbox."""

    pipeline: Pipeline
    sandbox: Sandbox
    time: Time
    events: list[Event] = field(default_factory=list)

    @property
    def world(self) -> World:
        return self.sandbox.world

    def run(self, **request: Any) -> dict[tuple[str, str, SyncType], Outcome]:
        """One batch; outcomes by tenant, system and sync type."""
        asked = Request(**request)
        connections = selection.select(self.pipeline, asked)
        results = list(batch.run(self.pipeline, asked, connections, on_event=self.events.append))
        outcomes = [result for result in results if isinstance(result, Outcome)]
        assert len(outcomes) == len(results), results
        return {(outcome.tenant_id, outcome.system, outcome.sync_type): outcome for outcome in outcomes}

    def import_world(self) -> None:
        """Give the pipeline the world's tenants, people and connections, as its files say."""
        database = self.pipeline.database
        people.import_tenants(database, people_files.parse_tenants(io.BytesIO(self.world.tenants_csv().encode())))
        people.import_users(database, people_files.parse_users(io.BytesIO(self.world.users_csv().encode())))
        connection_files.import_entries(
            database,
            self.pipeline.keyring,
            self.pipeline.settings,
            json.loads(self.world.connections_json()),
            registry.providers(),
        )

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with builders.everything(self.pipeline.database) as cursor:
            return cursor.execute(query.encode()).fetchall()


@contextmanager
def nights(environ: Mapping[str, str], world: World, *, is_known: bool = False) -> Iterator[Nights]:
    """Everything a batch needs, with the world imported.

    :param is_known: whether the database has the world's tenants, people and connections already.
    """
    time = Time()
    with Sandbox(world) as sandbox, open_pipeline({**environ, **sandbox.environment}) as pipeline:
        pipeline.clock, pipeline.wait_for = time, time.wait_for
        found = Nights(pipeline, sandbox, time)
        if not is_known:
            found.import_world()
        yield found
