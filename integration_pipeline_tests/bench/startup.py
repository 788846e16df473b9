"""What starting costs: the command line's help, a small tenant's whole sync, Dagster's definitions."""

import sys
from statistics import median

from integration_pipeline_tests.bench.machine import Machine, imported
from integration_pipeline_tests.bench.meter import run
from integration_pipeline_tests.bench.nights import command
from integration_pipeline_tests.bench.pages import SLACK_URL, world_of
from integration_pipeline_tests.bench.results import Results
from integration_pipeline_tests.bench.server import serving
from integration_pipeline_tests.bench.tenants import SYNC

USERS = 10_000
_PYTHON = sys.executable


def measure(machine: Machine, results: Results, *, users: int = USERS, times: int = 3) -> None:
    """Medians of whole processes, in seconds of CPU."""

    def cpu(*command: str, database: str = "", environ: dict[str, str] | None = None) -> float:
        return median(run(machine, database, command, environ).cpu for _ in range(times))

    results.figure("CPU s of --help", cpu(_PYTHON, "-m", "integration_pipeline", "--help"))
    dagster = cpu(_PYTHON, "-c", "import dagster")
    results.figure("CPU s of import dagster", dagster)
    loaded = cpu(_PYTHON, "-c", "import integration_pipeline.definitions")
    results.figure("CPU s of the definitions beyond import dagster", loaded - dagster)
    with serving(users, directories=["first"]) as server:
        url = server.url("first")
        own, floors = imported(machine, world_of(users), {SLACK_URL: url}), machine.database()
        environ = machine.environ(own, **{SLACK_URL: url})
        floor = command(machine, "floor", url, floors, "")
        for database, what in ((own, SYNC), (floors, floor)):
            run(machine, database, what, environ)
            machine.rest(database)
        least = cpu(*floor, database=floors)
        results.figure(f"CPU s of the floor's process, {users:,} unchanged users", least)
        synced = cpu(*SYNC, database=own, environ=environ)
        results.figure(f"CPU s of sync's process, {users:,} unchanged users", synced)
        results.figure("sync's process ÷ the floor's", synced / least)
        machine.drop(own)
        machine.drop(floors)
