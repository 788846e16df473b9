"""A thousand tenants through Dagster, in the schedule's chunks, a few of them failing: who is red, and what each costs.

``python -m integration_pipeline_tests.defs.thousand``. Every chunk is a run in a process of its own, as Dagster starts
them, over PostgreSQL as Dagster's storage. The cost is all CPU that was used, for the processes' starts and by PostgreSQL
too; the providers' imitation is left out.
"""

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import dagster as dg
import psutil
import psycopg
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.storage.partition_status_cache import build_failed_and_in_progress_partition_subset

from integration_pipeline import registry
from integration_pipeline.commands.ui import dagster_environment
from integration_pipeline.crypto import Keyring
from integration_pipeline.defs.lines import SYNC_TYPES
from integration_pipeline.defs.partitions import CHUNK, TENANTS, chunks, range_tags
from integration_pipeline.pipeline import endpoints
from integration_pipeline.sandbox.plan import SystemPlan, TenantPlan, WorldPlan
from integration_pipeline.sandbox.world import World
from integration_pipeline.settings import HOME, load
from integration_pipeline.store import connection_files, migrations, people, people_files
from integration_pipeline.store.embedded import Embedded
from integration_pipeline.store.engine import Database
from integration_pipeline_tests.bench.meter import server_cpu

JOB = (
    sys.executable,
    "-m",
    "dagster",
    "job",
    "execute",
    "-m",
    "integration_pipeline.definitions",
    "-j",
    "sync_tenants",
)


@dataclass(slots=True)
class Night:
    """What one night came to.

    :param cpu_seconds: of the runs' processes.
    :param server_cpu_seconds: of PostgreSQL.
    :param peak_mb: the largest run's memory.
    """

    tenants: int
    runs: int
    cpu_seconds: float = 0.0
    server_cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    peak_mb: float = 0.0
    events: int = 0
    red: dict[str, list[str]] = field(default_factory=dict)

    @property
    def per_tenant(self) -> float:
        """CPU seconds, everything included."""
        return (self.cpu_seconds + self.server_cpu_seconds) / self.tenants


@dataclass(slots=True)
class Stage:
    """A database with the tenants in it, a provider that answers, and Dagster's instance."""

    instance: dg.DagsterInstance
    environ: Mapping[str, str]
    master: psutil.Process

    def night(self, keys: Sequence[str], *, size: int) -> Night:
        """Sync these tenants in runs of ``size``, one after the other."""
        found = Night(len(keys), 0)
        before, server, began = _children(), server_cpu(self.master), time.perf_counter()
        events = self._events()
        for chunk in chunks(keys, size):
            found.runs += 1
            command = [*JOB, "--tags", json.dumps(range_tags(chunk))]
            done = subprocess.run(command, env=dict(self.environ), capture_output=True, text=True, check=False)
            assert "RUN_SUCCESS" in done.stderr or "RUN_FAILURE" in done.stderr, done.stderr[-4000:]
        after = _children()
        found.wall_seconds = time.perf_counter() - began
        found.cpu_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        found.peak_mb = after.ru_maxrss / 1024
        found.server_cpu_seconds = server_cpu(self.master) - server
        found.events = self._events() - events
        found.red = {asset: self._red(asset) for asset in SYNC_TYPES}
        return found

    def _red(self, asset: str) -> list[str]:
        """The partitions that the UI shows as failed."""
        with partition_loading_context(dynamic_partitions_store=self.instance):
            key = dg.AssetKey(asset)
            failed, _, _ = build_failed_and_in_progress_partition_subset(self.instance, key, TENANTS, 1)
        return sorted(failed.get_partition_keys())

    def _events(self) -> int:
        runs = self.instance.get_runs()
        return sum(len(self.instance.all_logs(run.run_id)) for run in runs)


@contextmanager
def stage(tenants: int, users: int, failing: Sequence[int]) -> Iterator[Stage]:
    """Tenants with a Slack of so many users each; those ``failing`` (by number, from 1) have lost their app there."""
    imitated = plan_of(tenants, users, failing)
    world = World(imitated)
    with tempfile.TemporaryDirectory(prefix="integration-pipeline-thousand-") as home, Embedded(Path(home)) as url:
        migrations.upgrade(url)
        plan = Path(home) / "world.json"
        plan.write_text(imitated.model_dump_json(exclude_unset=True))
        command = [sys.executable, "-m", "integration_pipeline", "sandbox", "--world", str(plan)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sandbox:
            try:
                environ = {**os.environ, HOME: home, **_variables(sandbox)}
                configured = load(environ, endpoints())
                with Database.open(url) as database:
                    tenants_csv, users_csv = (
                        io.BytesIO(csv.encode()) for csv in (world.tenants_csv(), world.users_csv())
                    )
                    people.import_tenants(database, people_files.parse_tenants(tenants_csv))
                    people.import_users(database, people_files.parse_users(users_csv))
                    entries = json.loads(world.connections_json())
                    keyring = Keyring.load(configured)
                    connection_files.import_entries(database, keyring, configured, entries, registry.providers())
                variables = dagster_environment(environ, settings=configured, database_url=url)
                with mock.patch.dict(os.environ, variables), dg.DagsterInstance.get() as instance:
                    instance.add_dynamic_partitions("tenants", list(world.tenants))
                    with psycopg.connect(url) as session:
                        master = psutil.Process(psutil.Process(session.info.backend_pid).ppid())
                    yield Stage(instance, variables, master)
            finally:
                sandbox.terminate()


def plan_of(tenants: int, users: int, failing: Sequence[int]) -> WorldPlan:
    """What the sandbox imitates."""
    well = SystemPlan(users=users, teams=5)
    lost = well.model_copy(update={"problem": "token_revoked"})
    made = [
        TenantPlan(
            tenant_id=f"tenant-{number:04d}",
            api_rate_limit=6000,
            systems={"SLACK": lost if number in failing else well},
        )
        for number in range(1, tenants + 1)
    ]
    return WorldPlan(limits=False, tenants=tuple(made))


def _variables(sandbox: "subprocess.Popen[str]") -> dict[str, str]:
    """The variables that the sandbox prints when it is ready."""
    wanted, found = {endpoint.variable for endpoint in endpoints()}, dict[str, str]()
    assert sandbox.stdout is not None
    while wanted - found.keys():
        line = sandbox.stdout.readline()
        assert line, "the sandbox did not start"
        name, _, value = line.removeprefix("export ").strip().partition("=")
        found[name] = value
    return {name: found[name] for name in wanted}


def _children() -> resource.struct_rusage:
    return resource.getrusage(resource.RUSAGE_CHILDREN)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenants", type=int, default=1000)
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--chunk", type=int, default=CHUNK)
    parser.add_argument("--failing", type=int, nargs="*", default=[3, 77, 250, 251, 999], help="numbers, from 1")
    parser.add_argument("--alone", type=int, default=3, help="how many tenants to sync in a run each, to compare")
    arguments = parser.parse_args()
    failing = [number for number in arguments.failing if number <= arguments.tenants]
    with stage(arguments.tenants, arguments.users, failing) as found:
        keys = found.instance.get_dynamic_partitions("tenants")
        _print("first", found.night(keys, size=arguments.chunk))
        _print("unchanged", found.night(keys, size=arguments.chunk))
        if arguments.alone:
            _print("a run per tenant", found.night(keys[-arguments.alone :], size=1))


def _print(name: str, night: Night) -> None:
    """As soon as it is known: a thousand tenants take their time."""
    line = {"night": name, "cpu_per_tenant": round(night.per_tenant, 4), **_rounded(asdict(night))}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(value, 2) if isinstance(value, float) else value for name, value in values.items()}


if __name__ == "__main__":
    main()
