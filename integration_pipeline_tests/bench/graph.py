"""Microsoft Teams, whose directory can be asked for what has changed: the first night, and one on which nothing has."""

import json
import sys

from integration_pipeline.sandbox.server import Sandbox
from integration_pipeline.sandbox.world import build
from integration_pipeline_tests.bench.machine import Machine, imported
from integration_pipeline_tests.bench.meter import Cost, run
from integration_pipeline_tests.bench.pages import Night
from integration_pipeline_tests.bench.results import Line, Results, middle

CASE = "graph"
QUIET_NIGHTS = 7
"""How many quiet nights the median is of: one costs little more than a process's start, which varies by more than it."""
_SUBJECT = (
    sys.executable,
    "-m",
    "integration_pipeline_tests.bench.subject",
    "product",
    "--sync-types",
    "USERS",
    "TEAMS",
)


def measure(machine: Machine, results: Results, users: int, *, teams: int = 20) -> None:
    """Users and teams of one tenant, and what the same process costs where there is one user: its start-up.

    The provider is the sandbox, in this process: slow, but nobody's cost.
    """
    for size, count in ((1, 0), (users, teams)):
        world = build(users=size, teams=count, systems=["TEAMS"], api_rate_limit=6000)
        with Sandbox(world) as sandbox:
            _nights(machine, results, sandbox, size)


def _nights(machine: Machine, results: Results, sandbox: Sandbox, users: int) -> None:
    database = imported(machine, sandbox.world, sandbox.environment)
    for night, times in ((Night.FIRST, 1), (Night.UNCHANGED, QUIET_NIGHTS)):
        costs = [_night(machine, sandbox, database) for _ in range(times)]
        results.add(Line(CASE, "product", night, users, cost=middle(costs)))
    machine.drop(database)


def _night(machine: Machine, sandbox: Sandbox, database: str) -> Cost:
    before = sandbox.requests.count()
    cost = run(machine, database, _SUBJECT, machine.environ(database, **sandbox.environment))
    cost.calls = sandbox.requests.count() - before
    said = json.loads(cost.output.splitlines()[-1])
    cost.start_cpu, cost.peak_mb = said["start_cpu"], said["peak_mb"]
    machine.rest(database)
    return cost
