"""SIGKILL at random moments of a real process that syncs five tenants at three providers.

A moment is either a request at the sandbox, and a little later, or a statement on its way to PostgreSQL, exactly.
"""

import random
import time
from collections.abc import Iterator
from typing import NamedTuple

from integration_pipeline import registry
from integration_pipeline.sandbox.plan import SystemPlan, TenantPlan, WorldPlan
from integration_pipeline.sandbox.world import World
from integration_pipeline.settings import DATABASE_URL
from integration_pipeline.store import urls
from integration_pipeline_tests.chaos import invariants, snapshot
from integration_pipeline_tests.chaos.case import Case, Verdict
from integration_pipeline_tests.chaos.commands import Process, is_at_work, printed_otherwise, wait_until
from integration_pipeline_tests.chaos.ground import Ground, assert_true, overnight, peaceful
from integration_pipeline_tests.chaos.proxy import Cut, Loss, Proxy
from integration_pipeline_tests.chaos.snapshot import Snapshot
from integration_pipeline_tests.nights import nights

TENANTS = 5
ANY = r"\w"


class Prepared(NamedTuple):
    """Five tenants after their first night; how much a second one asks of provider and database; and its truth."""

    settled: str
    requests: int
    statements: int
    truth: Snapshot


def cases(rng: random.Random, count: int) -> Iterator[Case]:
    for number in range(count):
        yield _case(number, rng.choice(["request", "statement"]), rng.random(), rng.random() * 0.02)


def _case(number: int, what: str, part: float, delay_seconds: float) -> Case:
    def play(ground: Ground) -> Verdict:
        return _play(ground, what, part, delay_seconds)

    return Case("kill", f"SIGKILL at a {what}", f"no. {number}, {part:.0%} through", "all", play)


def _play(ground: Ground, what: str, part: float, delay_seconds: float) -> Verdict:
    known = prepared(ground)
    world = second_world(ground)
    with (
        ground.database(known.settled) as url,
        Proxy(url) as proxy,
        nights(ground.environ(url), world, is_known=True) as night,
    ):
        ground.move_links(url, night)
        before = snapshot.take(url)
        environ = {**ground.environ(url), **night.sandbox.environment, DATABASE_URL: proxy.url}
        processes: list[Process] = []

        def kill() -> None:
            processes[0].kill()

        if what == "statement":
            nth = 1 + int(part * known.statements)
            proxy.cuts.append(Cut(ANY, Loss.STATEMENT, nth=nth, meanwhile=kill))
        processes.append(Process(environ, "sync", "--output", "json"))
        if what == "request":
            nth = 1 + int(part * known.requests)
            wait_until(lambda: night.sandbox.requests.count() >= nth or not processes[0].is_running)
            time.sleep(delay_seconds)
            kill()
        ended = processes[0].end()
        wait_until(lambda: not is_at_work(url))
        after = snapshot.take(url)
        broken = invariants.broken(before, after, known.truth) + printed_otherwise(ended, after)
        came_to = invariants.statuses(night.run())
        if came_to != "unharmed":
            broken.append(f"the next run was not well: {came_to}")
        broken += invariants.unlike(snapshot.take(url), known.truth)
    was_killed = ended.code < 0
    return Verdict("failed" if was_killed else "unharmed", broken)


def world(ground: Ground) -> World:
    """Five tenants at every provider, small enough that a night of theirs is over in a second."""
    plan = SystemPlan(users=30, teams=5, groups=2, apps=4, page_size=12)
    systems = dict.fromkeys(map(str, registry.FOLDERS), plan)
    tenants = (
        TenantPlan(
            tenant_id=f"tenant-{number:04d}",
            seed=ground.seed,
            api_rate_limit=6000,
            systems=systems,
            spreadsheet=None,
        )
        for number in range(1, TENANTS + 1)
    )
    return World(WorldPlan(limits=False, tenants=tuple(tenants)))


def second_world(ground: Ground) -> World:
    found = world(ground)
    for workspace in found.workspaces():
        overnight(workspace, random.Random(f"{ground.seed} {workspace.tenant_id} {workspace.vendor.system}"))
    return found


def prepared(ground: Ground) -> Prepared:
    found: Prepared = ground.once("kills", lambda: _prepare(ground))
    return found


def _prepare(ground: Ground) -> Prepared:
    settled = ground.copy()
    with nights(ground.environ(urls.with_database(ground.server_url, settled)), world(ground)) as night:
        peaceful(night)
    with (
        ground.database(settled) as url,
        Proxy(url) as proxy,
        nights(ground.environ(url), second_world(ground), is_known=True) as night,
    ):
        ground.move_links(url, night)
        counter = Cut(ANY, Loss.NOTHING)
        proxy.cuts.append(counter)
        environ = {**ground.environ(url), **night.sandbox.environment, DATABASE_URL: proxy.url}
        ended = Process(environ, "sync", "--output", "json").end()
        assert ended.code == 0, ended
        requests, statements = night.sandbox.requests.count(), counter.met
    true_world = second_world(ground)
    with ground.database() as url, nights(ground.environ(url), true_world) as night:
        peaceful(night)
        truth = snapshot.take(url)
    for workspace in true_world.workspaces():
        assert_true(truth, workspace)
    return Prepared(settled, requests, statements, truth)
