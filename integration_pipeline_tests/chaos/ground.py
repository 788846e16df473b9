"""Where a chaos night takes place: a world, a database that knows it, and the truth to compare with.

plan ─► peaceful first night ─► template ─┬─► copies, one for each case
                                          └─► overnight changes ─► truth: a fresh database that read them in peace
"""

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import psycopg
from psycopg import sql

from integration_pipeline import batch, invocation, selection
from integration_pipeline.commands import worlds
from integration_pipeline.crypto import Keyring
from integration_pipeline.model import Status, SyncType
from integration_pipeline.sandbox.plan import SystemPlan, TenantPlan, WorldPlan
from integration_pipeline.sandbox.tables import Table
from integration_pipeline.sandbox.vendor import Workspace
from integration_pipeline.sandbox.world import World
from integration_pipeline.settings import DATABASE_URL, HOME, KEYS
from integration_pipeline.store import urls
from integration_pipeline_tests import builders
from integration_pipeline_tests.chaos import snapshot
from integration_pipeline_tests.chaos.snapshot import ACCOUNTS, Part, Snapshot
from integration_pipeline_tests.nights import Nights, nights

TENANT = "tenant-0001"
USERS, PAGE = 45, 12

_numbers = count(1)

T = TypeVar("T")


class Call(NamedTuple):
    """One call of a night: the ``nth`` of its route."""

    route: str
    nth: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """One provider's nights."""

    known: str
    """A database that has the tenant, and has seen nothing yet."""
    settled: str
    """The same after its first night."""
    forgetful: str
    """The same without its links to what changed: the next night reads every listing whole."""
    moments: Mapping[str, Mapping[str, Call]]
    """By database: name → the call."""


@dataclass
class Ground:
    """A database server, and what was made ready on it.

    :param template: a migrated database without a row.
    :param home: a folder for whatever needs one.
    """

    server_url: str
    template: str
    home: Path
    seed: int
    _made: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def database(self, template: str | None = None) -> Iterator[str]:
        """A copy of a database, gone afterwards."""
        name = self.copy(template)
        try:
            yield urls.with_database(self.server_url, name)
        finally:
            self._admin("DROP DATABASE {} WITH (FORCE)", name)

    @property
    def keyring(self) -> Keyring:
        return Keyring.parse(builders.KEYS)

    @contextmanager
    def night(self, template: str, world: World) -> Iterator[tuple[Nights, str]]:
        """A world and a copy of a database that knows it; the night, and the database's URL."""
        with self.database(template) as url, nights(self.environ(url), world, is_known=True) as night:
            self.move_links(url, night)
            yield night, url

    @staticmethod
    def move_links(url: str, night: Nights) -> None:
        """Let the links to what changed lead to this sandbox: each has a port of its own."""
        with psycopg.connect(url) as session:
            query = "UPDATE sync_cursors SET cursor = regexp_replace(cursor, 'http://127.0.0.1:[0-9]+', %s, 'g')"
            session.execute(query, (night.sandbox.url,))

    def environ(self, database_url: str) -> dict[str, str]:
        """The environment of a pipeline that works on it."""
        return {HOME: str(self.home), DATABASE_URL: database_url, KEYS: builders.KEYS}

    def world(self, system: str) -> World:
        """A provider's tenant, as it was on the first night; the same whenever it is asked for."""
        plan = SystemPlan(users=USERS, teams=7, groups=3, apps=3, domains=2, page_size=PAGE, rotation=True)
        tenant = TenantPlan(
            tenant_id=TENANT, seed=self.seed, api_rate_limit=6000, systems={system: plan}, spreadsheet=None
        )
        return World(WorldPlan(limits=False, tenants=(tenant,)))

    def second_world(self, system: str) -> World:
        """The same a day later."""
        world = self.world(system)
        overnight(world.workspace(TENANT, system), random.Random(f"{self.seed} {system}"))
        return world

    def prepared(self, system: str) -> Prepared:
        return self.once(f"prepared {system}", lambda: self._prepare(system))

    def truth(self, system: str) -> Snapshot:
        """What the second night must come to."""
        return self.once(f"truth {system}", lambda: self._truth(system))

    def _truth(self, system: str) -> Snapshot:
        world = self.second_world(system)
        with self.database() as url, nights(self.environ(url), world) as night:
            peaceful(night)
            found = snapshot.take(url)
        assert_true(found, world.workspace(TENANT, system))
        return found

    def _prepare(self, system: str) -> Prepared:
        known = self.copy()
        url = urls.with_database(self.server_url, known)
        with nights(self.environ(url), self.world(system)):
            pass
        settled = self.copy(known)
        url = urls.with_database(self.server_url, settled)
        with nights(self.environ(url), self.world(system), is_known=True) as night:
            peaceful(night)
        forgetful = self.copy(settled)
        with psycopg.connect(urls.with_database(self.server_url, forgetful)) as session:
            session.execute("DELETE FROM sync_cursors")
        moments = {name: self._moments(name, system) for name in (known, settled, forgetful)}
        return Prepared(known, settled, forgetful, moments)

    def _moments(self, template: str, system: str) -> Mapping[str, Call]:
        with self.night(template, self.second_world(system)) as (night, _):
            return _moments(night)

    def copy(self, template: str | None = None) -> str:
        """The name of a copy that stays."""
        name = f"chaos_{os.getpid()}_{next(_numbers)}"
        self._admin("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", name, template or self.template)
        return name

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What is made once for all cases."""
        if name not in self._made:
            self._made[name] = make()
        found: T = self._made[name]
        return found

    def _admin(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.server_url, autocommit=True) as session:
            session.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def peaceful(night: Nights) -> None:
    """A night in which nothing goes wrong."""
    outcomes = night.run(force_refresh=True)
    assert {outcome.status for outcome in outcomes.values()} == {Status.SUCCESS}, outcomes


def overnight(workspace: Workspace, rng: random.Random) -> None:
    """A day's changes: some come, some go, some change. Few enough that the guard lets them go."""
    for table in workspace.tables:
        _change_some(table, rng)


def _change_some(table: Table, rng: random.Random) -> None:  # type: ignore[type-arg] # whatever its rows are
    living = [row for row in table if row.kind in {"member", "CHANNEL", "TEAM", "GROUP", "BOT", "INSTALLED_APP"}]
    gone, *changed = rng.sample(living, 3)
    table.remove(gone.id)
    for row in changed:
        name = "last_name" if hasattr(row, "last_name") else "name"
        table.change(row.id, **{name: f"{getattr(row, name)}・改{rng.randrange(100)}"})
    table.add()


def assert_true(found: Snapshot, workspace: Workspace) -> None:
    """The truth itself is judged by the sandbox's own tables: nobody is missing, nobody is made up."""
    part = Part(workspace.tenant_id, workspace.vendor.system, SyncType.USERS.value)
    active = {key for key, row in found.rows(part, ACCOUNTS).items() if row["is_active"]}
    people = {user.id for user in workspace.users if user.kind == "member" and user.state == "active"}
    assert people <= active <= {user.id for user in workspace.users}


def _moments(night: Nights) -> Mapping[str, Call]:
    """The moments of a night, found by living through a peaceful one: when a type begins, what is asked how often."""
    begun: list[int] = []

    def on_event(event: invocation.Event) -> None:
        if isinstance(event, invocation.Started):
            begun.append(len(night.sandbox.requests.log))

    request = invocation.Request(force_refresh=True)
    list(batch.run(night.pipeline, request, selection.select(night.pipeline, request), on_event=on_event))
    routes = [request.route for request in night.sandbox.requests.log]
    is_part = [request.is_part for request in night.sandbox.requests.log]
    token, (users, teams, settings) = routes[0], begun

    def call(at: int) -> Call:
        return Call(routes[at], routes[: at + 1].count(routes[at]))

    def of_its_own(start: int, stop: int) -> list[int]:
        return [at for at in range(start, stop) if not is_part[at]]

    ((page, _),) = Counter(routes[users:teams]).most_common(1)
    pages = [at for at in range(users, teams) if routes[at] == page]
    return {
        "token": Call(token, 1),
        "first page": call(pages[0]),
        "middle page": call(pages[len(pages) // 2]),
        "last page": call(pages[-1]),
        "last of the teams": call(of_its_own(teams, settings)[-1]),
        "last of the settings": call(of_its_own(settings, len(routes))[-1]),
    }


def reconnect(night: Nights) -> None:
    """What a person does where credentials are gone: import the connection anew."""
    for workspace in night.world.workspaces():
        workspace.access.problem = None
    pipeline = night.pipeline
    worlds.arrive(night.world, pipeline.database, pipeline.keyring, pipeline.settings)
