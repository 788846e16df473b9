"""``make bench``: one tenant's Slack users, first night and unchanged night, against the least the job can cost."""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg

from integration_pipeline import registry
from integration_pipeline.pipeline import endpoints, open_pipeline
from integration_pipeline.sandbox.world import build
from integration_pipeline.store import connection_files, migrations, people, people_files
from integration_pipeline.store.embedded import Embedded

COLUMNS = ("wall", "client_cpu", "server_cpu", "peak_mb", "wal_mb", "calls")


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--users", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--json", action="store_true", help="print a JSON line for each case as well")
    arguments = parser.parse_args()
    print(
        f"{'users':>8}  {'night':<10} {'case':<8}" + "".join(f"{name:>12}" for name in COLUMNS) + f"{'CPU ratio':>12}"
    )
    for users in arguments.users:
        for night, costs in cases(users).items():
            least = costs["floor"]["client_cpu"] + costs["floor"]["server_cpu"]
            for case, cost in costs.items():
                ratio = (cost["client_cpu"] + cost["server_cpu"]) / least
                figures = "".join(f"{cost[name]:>12.2f}" for name in COLUMNS)
                print(f"{users:>8}  {night:<10} {case:<8}{figures}{ratio:>12.2f}", flush=True)
                if arguments.json:
                    print(json.dumps({"users": users, "night": night, "case": case, "cpu_ratio": ratio, **cost}))


def cases(users: int) -> dict[str, dict[str, dict[str, Any]]]:
    """night → case → its cost, on a database and a provider of their own."""
    with tempfile.TemporaryDirectory(prefix="integration-pipeline-bench-") as home, Embedded(Path(home)) as url:
        with psycopg.connect(url, autocommit=True) as session:
            # Their amount depends on when the last checkpoint was, and not on the work.
            session.execute("ALTER SYSTEM SET full_page_writes = off")
            session.execute("SELECT pg_reload_conf()")
        migrations.upgrade(url)
        world = Path(home) / "world.json"
        world.write_text(json.dumps(_world(users)))
        command = [sys.executable, "-m", "integration_pipeline", "sandbox", "--world", str(world)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sandbox:
            try:
                environ = {**os.environ, "INTEGRATION_PIPELINE_HOME": home, **_variables(sandbox)}
                _import(environ, users)
                # The sandbox makes its pages when they are first asked for: that is nobody's cost.
                _cost("warm-up", environ)
                nights = ("first", "unchanged")
                return {night: {case: _cost(case, environ) for case in ("floor", "product")} for night in nights}
            finally:
                sandbox.terminate()


def _world(users: int) -> dict[str, Any]:
    slack = {"users": users, "teams": 5}
    tenant = {"tenant_id": "tenant-0001", "name": "ベンチ株式会社", "api_rate_limit": 6000, "systems": {"SLACK": slack}}
    return {"limits": False, "tenants": [tenant]}


def _variables(sandbox: subprocess.Popen[str]) -> Mapping[str, str]:
    """The variables that the sandbox prints when it is ready."""
    wanted, found = {endpoint.variable for endpoint in endpoints()}, dict[str, str]()
    assert sandbox.stdout is not None
    while wanted - found.keys():
        line = sandbox.stdout.readline()
        assert line, "the sandbox did not start"
        name, _, value = line.removeprefix("export ").strip().partition("=")
        found[name] = value
    return {name: found[name] for name in wanted}


def _import(environ: Mapping[str, str], users: int) -> None:
    world = build(users=users, channels=5, systems=["SLACK"], api_rate_limit=6000)
    with open_pipeline(environ) as pipeline:
        people.import_tenants(pipeline.database, people_files.parse_tenants(io.BytesIO(world.tenants_csv().encode())))
        people.import_users(pipeline.database, people_files.parse_users(io.BytesIO(world.users_csv().encode())))
        entries = json.loads(world.connections_json())
        connection_files.import_entries(
            pipeline.database, pipeline.keyring, pipeline.settings, entries, registry.providers()
        )


def _cost(case: str, environ: Mapping[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "integration_pipeline_tests.bench.case", case]
    done = subprocess.run(command, env=dict(environ), check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
