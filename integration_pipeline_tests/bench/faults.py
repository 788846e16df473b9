"""What others take for a good night: the product must not exit with 0 on it, nor lose anybody.

The command, against the sandbox: an error in a success's clothes from the third page on, a page that claims to be the last,
a night on which most are missing, and sixteen tenants by four processes at once.
"""

import subprocess
import sys

import psycopg

from integration_pipeline.sandbox.server import Sandbox
from integration_pipeline.sandbox.world import World, build
from integration_pipeline_tests.bench.machine import Machine, imported
from integration_pipeline_tests.bench.meter import run
from integration_pipeline_tests.bench.results import Results

_SYNC = (sys.executable, "-m", "integration_pipeline", "sync", "--sync-type", "users", "--output", "json")
_TENANTS, _PROCESSES = 16, 4
HOW_MANY = 5
"""As many as a run that went to its end has told of."""


def measure(machine: Machine, results: Results, *, users: int = 5000, tenant_users: int = 200) -> None:
    """Each as a word: survived or not, and how it ended."""
    page_size = users // 5
    world = build(users=users, channels=5, systems=["SLACK"], oddities=False, api_rate_limit=6000, page_size=page_size)
    with Sandbox(world) as sandbox:
        fresh = imported(machine, world, sandbox.environment)
        database = machine.database(fresh)
        environ = machine.environ(database, **sandbox.environment)

        def night(name: str, wanted: int, *, on: str = database) -> None:
            cost = run(machine, on, _SYNC, {**environ, **machine.environ(on)}, may_fail=True)
            _tell(results, name, cost.exit_code, _active(machine, on), wanted)

        run(machine, database, _SYNC, environ)
        page = {"system": "SLACK", "route": "users.list", "nth": 3, "times": None}
        sandbox.faults.add("error", code="fatal_error", **page)
        night("ok:false from page 3 on, first night", 0, on=fresh)
        night("ok:false from page 3 on", users)
        sandbox.faults.clear()
        sandbox.faults.add("last", **page)
        night("page 3 claims to be the last", users)
        sandbox.faults.clear()
        _lose_most(world)
        night("60 % missing the next night", users)
        machine.drop(database)
        machine.drop(fresh)
    _at_once(machine, results, tenant_users)


def _tell(results: Results, name: str, exit_code: int, found: int, wanted: int) -> None:
    is_survived = exit_code != 0 and found == wanted
    verdict = "survived" if is_survived else "NOT SURVIVED"
    results.word(f"fault: {name}", f"{verdict}: exit code {exit_code}, {found:,} of {wanted:,} users active")


def _active(machine: Machine, database: str) -> int:
    with psycopg.connect(machine.url_of(database)) as session:
        row = session.execute("SELECT count(*) FROM external_users WHERE is_active").fetchone()
    assert row is not None
    return int(row[0])


def _lose_most(world: World) -> None:
    (tenant_id,) = world.tenants
    people = world.workspace(tenant_id, "SLACK").users
    for person in people.rows("member"):
        if person.number % 5 < 3:
            people.remove(person.id)


def _at_once(machine: Machine, results: Results, users: int) -> None:
    """Four processes, four tenants each."""
    world = build(tenants=_TENANTS, users=users, channels=5, systems=["SLACK"], oddities=False, api_rate_limit=6000)
    with Sandbox(world) as sandbox:
        database = imported(machine, world, sandbox.environment)
        environ = machine.environ(database, **sandbox.environment)
        tenant_ids = list(world.tenants)
        share = _TENANTS // _PROCESSES
        processes = [
            subprocess.Popen(
                [*_SYNC, *(word for each in tenant_ids[start : start + share] for word in ("--tenant-id", each))],
                env=environ,
                stdout=subprocess.DEVNULL,
            )
            for start in range(0, _TENANTS, share)
        ]
        codes = [process.wait() for process in processes]
        with psycopg.connect(machine.url_of(database)) as session:
            query = "SELECT count(*) FROM external_users WHERE is_active GROUP BY tenant_id"
            whole = sum(count == users for (count,) in session.execute(query))
        is_survived = not any(codes) and whole == _TENANTS
        verdict = "survived" if is_survived else "NOT SURVIVED"
        results.word(
            f"fault: {_PROCESSES} processes at once",
            f"{verdict}: exit codes {codes}, {whole} of {_TENANTS} tenants whole",
        )
        machine.drop(database)
