"""A thousand tenants through Dagster: the morning's runs, each a process as the daemon starts it, with all that it stores.

Beside them a run of a single tenant: what each of them would cost without the chunks.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from integration_pipeline import settings
from integration_pipeline.commands.ui import dagster_environment
from integration_pipeline.defs.partitions import CHUNK, chunks, range_tags
from integration_pipeline.pipeline import endpoints
from integration_pipeline_tests.bench.machine import Machine, multiplied
from integration_pipeline_tests.bench.meter import Cost, run
from integration_pipeline_tests.bench.pages import SLACK_URL, world_of
from integration_pipeline_tests.bench.results import Line, Results
from integration_pipeline_tests.bench.server import serving

CASE = "dagster"
USERS = 100
_DAGSTER = str(Path(sys.executable).with_name("dagster"))
_ADD = "import sys, dagster as dg; dg.DagsterInstance.get().add_dynamic_partitions('tenants', sys.argv[1:])"


def measure(machine: Machine, results: Results, tenants: int, *, users: int = USERS) -> None:
    """The first night's and the unchanged night's runs, every sync type, one after the other."""
    with serving(users, directories=["first"]) as server:
        results.say(f"importing {tenants:,} tenants for Dagster …")
        variables = {SLACK_URL: server.url("first")}
        database = multiplied(machine, world_of(users), tenants, variables)
        ids = [f"tenant-{number:04d}" for number in range(1, tenants + 1)]
        environ = environment(machine, database, variables, ids)
        for night in ("first", "unchanged"):
            calls, stored = server.tally().calls, _stored(machine)
            cost = morning(machine, database, environ, ids)
            cost.calls = server.tally().calls - calls
            machine.rest(database)
            results.add(Line(CASE, "product", night, users, tenants, cost))
            results.figure(f"Dagster, CPU s per tenant, {night} night", cost.cpu / tenants)
            results.figure(f"Dagster, KB stored per tenant, {night} night", (_stored(machine) - stored) / 1e3 / tenants)
        alone = morning(machine, database, environ, ids[:1])
        results.figure("Dagster, CPU s of a run of one tenant", alone.cpu)
        machine.drop(database)


def environment(
    machine: Machine, database: str, variables: Mapping[str, str], tenant_ids: Sequence[str]
) -> Mapping[str, str]:
    """The environment of Dagster's processes, with an instance in which the tenants are partitions.

    :param variables: where the providers are.
    """
    environ = machine.environ(database, **variables)
    configured = settings.load(environ, endpoints())
    environ = dagster_environment(environ, settings=configured, database_url=machine.url_of(database))
    run(machine, database, [sys.executable, "-c", _ADD, *tenant_ids], environ)
    return environ


def morning(
    machine: Machine,
    database: str,
    environ: Mapping[str, str],
    tenant_ids: Sequence[str],
    *,
    size: int = CHUNK,
    may_fail: bool = False,
) -> Cost:
    """What the runs of these tenants cost, as the schedule cuts them, one after the other.

    :param may_fail: whether tenants may fail, and with them their runs.
    """
    command = [_DAGSTER, "job", "execute", "-m", "integration_pipeline.definitions", "-j", "sync_tenants"]
    return _sum(
        [
            run(machine, database, [*command, "--tags", json.dumps(range_tags(chunk))], environ, may_fail=may_fail)
            for chunk in chunks(tenant_ids, size)
        ]
    )


def _stored(machine: Machine) -> int:
    """Bytes of Dagster's own database."""
    row = machine.session.execute("SELECT pg_database_size('dagster')").fetchone()
    assert row is not None
    return int(row[0])


def _sum(costs: Sequence[Cost]) -> Cost:
    return Cost(
        wall=sum(cost.wall for cost in costs),
        client_cpu=sum(cost.client_cpu for cost in costs),
        server_cpu=sum(cost.server_cpu for cost in costs),
        wal_mb=sum(cost.wal_mb for cost in costs),
        statements=sum(cost.statements for cost in costs),
    )
