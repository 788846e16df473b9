"""Every provider's three sync types on two nights, as the command runs them: the calls made beside the fewest that would do."""

import json
import sys

from integration_pipeline.sandbox.server import Sandbox
from integration_pipeline.sandbox.world import build
from integration_pipeline_tests.bench.machine import Machine, imported
from integration_pipeline_tests.bench.meter import run
from integration_pipeline_tests.bench.results import Results

_SYNC = (sys.executable, "-m", "integration_pipeline", "sync", "--output", "json")


def measure(machine: Machine, results: Results, *, users: int = 2000, channels: int = 1200, teams: int = 45) -> None:
    """One tenant that has all systems, large enough that every listing has pages."""
    world = build(users=users, channels=channels, teams=teams, domains=2, api_rate_limit=6000)
    with Sandbox(world) as sandbox:
        database = imported(machine, world, sandbox.environment)
        environ = machine.environ(database, **sandbox.environment)
        for night in ("first", "unchanged"):
            before = sandbox.requests.count()
            # Odd rows are rejected, and the exit code says so.
            said = run(machine, database, _SYNC, environ, may_fail=True).output
            least = sum(json.loads(line)["api_calls_minimum"] for line in said.splitlines())
            results.figure(f"calls, {night} night", sandbox.requests.count() - before)
            results.figure(f"calls, {night} night, fewest", least)
        machine.drop(database)
