"""A thousand tenants through Dagster, in the schedule's chunks, a few of them failing: who is red, and what each costs.

``python -m integration_pipeline_tests.defs.thousand``. The runs are the bench's (``bench/dagster_runs.py``), over a sandbox that can
refuse a tenant.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from unittest import mock

import dagster as dg
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.storage.partition_status_cache import build_failed_and_in_progress_partition_subset

from integration_pipeline.defs.lines import SYNC_TYPES
from integration_pipeline.defs.partitions import CHUNK, TENANTS
from integration_pipeline.sandbox.plan import SystemPlan, TenantPlan, WorldPlan
from integration_pipeline.sandbox.server import Sandbox
from integration_pipeline.sandbox.world import World
from integration_pipeline_tests.bench import dagster_runs, machine
from integration_pipeline_tests.bench.meter import Cost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenants", type=int, default=1000)
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--chunk", type=int, default=CHUNK)
    parser.add_argument("--failing", type=int, nargs="*", default=[3, 77, 250, 251, 999], help="numbers, from 1")
    parser.add_argument("--alone", type=int, default=3, help="how many tenants to sync in a run each, to compare")
    arguments = parser.parse_args()
    world = World(plan_of(arguments.tenants, arguments.users, arguments.failing))
    with machine.started() as ready, Sandbox(world) as sandbox:
        database = machine.imported(ready, world, sandbox.environment)
        tenant_ids = list(world.tenants)
        environ = dagster_runs.environment(ready, database, sandbox.environment, tenant_ids)

        def play(night: str, chosen: Sequence[str], size: int) -> None:
            cost = dagster_runs.morning(ready, database, environ, chosen, size=size, may_fail=True)
            _print(night, cost, len(chosen), red(environ))

        play("first", tenant_ids, arguments.chunk)
        play("unchanged", tenant_ids, arguments.chunk)
        if arguments.alone:
            play("a run per tenant", tenant_ids[-arguments.alone :], 1)


def plan_of(tenants: int, users: int, failing: Sequence[int]) -> WorldPlan:
    """Tenants with a Slack of so many users each; those ``failing`` (by number, from 1) have lost their app there."""
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


def red(environ: Mapping[str, str]) -> dict[str, list[str]]:
    """The partitions of each asset that the UI shows as failed."""
    found = {}
    with mock.patch.dict(os.environ, environ), dg.DagsterInstance.get() as instance:
        for asset in SYNC_TYPES:
            with partition_loading_context(dynamic_partitions_store=instance):
                failed, _, _ = build_failed_and_in_progress_partition_subset(instance, dg.AssetKey(asset), TENANTS, 1)
            found[asset] = sorted(failed.get_partition_keys())
    return found


def _print(night: str, cost: Cost, tenants: int, failed: Mapping[str, Sequence[str]]) -> None:
    """As soon as it is known: a thousand tenants take their time."""
    line = {
        "night": night,
        "cpu_per_tenant": round(cost.cpu / tenants, 4),
        "cpu_seconds": round(cost.client_cpu, 2),
        "server_cpu_seconds": round(cost.server_cpu, 2),
        "wall_seconds": round(cost.wall, 2),
        "red": failed,
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
