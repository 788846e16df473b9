"""Microsoft Teams, whose directory can be asked for what has changed: the first night, and one on which nothing has."""

import json
import sys

from integration_pipeline.sandbox.server import Sandbox
from integration_pipeline.sandbox.world import build
from integration_pipeline_tests.bench.machine import Machine, imported
from integration_pipeline_tests.bench.meter import run
from integration_pipeline_tests.bench.pages import Night
from integration_pipeline_tests.bench.results import Line, Results

CASE = "graph"
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
    environ = machine.environ(database, **sandbox.environment)
    for night in (Night.FIRST, Night.UNCHANGED):
        before = sandbox.requests.count()
        cost = run(machine, database, _SUBJECT, environ)
        cost.calls = sandbox.requests.count() - before
        said = json.loads(cost.output.splitlines()[-1])
        cost.start_cpu, cost.peak_mb = said["start_cpu"], said["peak_mb"]
        machine.rest(database)
        results.add(Line(CASE, "product", night, users, cost=cost))
    machine.drop(database)
