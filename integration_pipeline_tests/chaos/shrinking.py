"""Worlds that shrink overnight, and pages that are empty and go on: nobody is deactivated without a person, or without proof."""

import random
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from integration_pipeline import registry
from integration_pipeline.model import SyncType
from integration_pipeline.sandbox.plan import SystemPlan, TenantPlan, WorldPlan
from integration_pipeline.sandbox.vendor import Workspace
from integration_pipeline.sandbox.world import World
from integration_pipeline_tests.chaos import invariants, snapshot
from integration_pipeline_tests.chaos.case import Case, Verdict
from integration_pipeline_tests.chaos.ground import PAGE, TENANT, USERS, Ground
from integration_pipeline_tests.nights import nights


def _half_gone(workspace: Workspace) -> None:
    for user in _people(workspace)[::2]:
        workspace.users.remove(user)


def _all_gone(workspace: Workspace) -> None:
    for user in _people(workspace):
        workspace.users.remove(user)


def _half_switched_off(workspace: Workspace) -> None:
    states = {"SLACK": "deleted", "TEAMS": "disabled"}
    for user in _people(workspace)[::2]:
        workspace.users.change(user, state=states.get(workspace.vendor.system, "suspended"))


LOSSES: Mapping[str, Callable[[Workspace], None]] = {
    "half the users gone": _half_gone,
    "all the users gone": _all_gone,
    "half the users switched off": _half_switched_off,
}


def cases(_rng: random.Random) -> Iterator[Case]:
    for system in map(str, registry.FOLDERS):
        for name, lose in LOSSES.items():
            yield Case("world", name, "overnight", system, partial(_lost, lose, system))
        yield Case("world", "empty pages that have a cursor", "all night", system, partial(_empty_pages, system))


def _lost(lose: Callable[[Workspace], None], system: str, ground: Ground) -> Verdict:
    """The day's honest changes, and a loss. It is held; when it is undone, the night after holds nothing any more."""
    prepared, truth, world = ground.prepared(system), ground.truth(system), ground.second_world(system)
    workspace = world.workspace(TENANT, system)
    as_it_was = list(workspace.users)
    lose(workspace)
    with ground.night(prepared.settled, world) as (night, url):
        before = snapshot.take(url)
        outcomes = night.run()
        after = snapshot.take(url)
        broken = invariants.broken(before, after, truth)
        users = outcomes[TENANT, system, SyncType.USERS]
        if (users.status, users.error_type, users.counts.deleted) != ("PARTIAL", "HELD", 0):
            broken.append(f"it was not held: {users.status} {users.error_type} {users.counts}")
        for user in as_it_was:
            workspace.users.restore(user)
        came_to = invariants.statuses(night.run())
        if came_to != "unharmed":
            broken.append(f"the next night was not well: {came_to}")
        if night.rows("SELECT count(*) FROM sync_holds WHERE status = 'WAITING'") != [(0,)]:
            broken.append("a hold waits for what has come back")
        broken += invariants.unlike(snapshot.take(url), truth)
    return Verdict(invariants.statuses(outcomes), broken)


def _empty_pages(system: str, ground: Ground) -> Verdict:
    """An empty page is not the end: what is behind it is read."""
    found = []
    for empty_pages in (False, True):
        plan = SystemPlan(users=USERS, teams=7, page_size=PAGE, empty_pages=empty_pages)
        tenant = TenantPlan(tenant_id=TENANT, seed=ground.seed, systems={system: plan}, spreadsheet=None)
        world = World(WorldPlan(limits=False, tenants=(tenant,)))
        with ground.database() as url, nights(ground.environ(url), world) as night:
            outcomes = night.run()
            found.append(snapshot.take(url))
    return Verdict(invariants.statuses(outcomes), invariants.unlike(found[1], found[0]))


def _people(workspace: Workspace) -> list[str]:
    return [user.id for user in workspace.users if user.kind == "member" and user.state == "active"]
