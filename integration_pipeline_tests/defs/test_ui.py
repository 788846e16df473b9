"""The real thing, once: webserver, daemon and run worker as processes, over PostgreSQL, asked through GraphQL."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
import psycopg
import pytest

from integration_pipeline.commands.ui import DAGSTER, HOST, Children, dagster_environment, shipped
from integration_pipeline.pipeline import endpoints
from integration_pipeline.sandbox.world import World
from integration_pipeline.settings import DAGSTER_DATABASE_URL, load
from integration_pipeline.store import urls
from integration_pipeline_tests import ports
from integration_pipeline_tests.nights import nights

PATIENCE_SECONDS = 300
"""A guard against hanging for ever, no expectation: on an idle machine the whole test takes half a minute."""

T = TypeVar("T")

PARTITIONS = """
{ assetNodeOrError(assetKey: {path: ["external_users"]}) { ... on AssetNode {
    partitionKeys
    assetPartitionStatuses { ... on DefaultPartitionStatuses { materializedPartitions failedPartitions } }
} } }
"""

LAUNCH = """
mutation ($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
} }
"""

RUN = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


@dataclass
class Server:
    """Dagster's webserver."""

    url: str
    children: Children

    def ask(self, query: str, **variables: Any) -> Any:
        answer = httpx.post(
            f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60, trust_env=False
        )
        found = answer.raise_for_status().json()
        assert "errors" not in found, found["errors"]
        return found["data"]

    def wait(self, look: Callable[[], T | None]) -> T:
        """What a look finds in the end."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            assert self.children.ended() is None, "Dagster has ended by itself"
            found = look()
            if found is not None:
                return found
            time.sleep(0.3)
        pytest.fail("nothing came of it")

    def is_up(self) -> bool | None:
        try:
            return httpx.get(f"{self.url}/server_info", timeout=60, trust_env=False).is_success or None
        except httpx.TransportError:
            return None

    def partitions(self) -> dict[str, Any]:
        node = self.ask(PARTITIONS)["assetNodeOrError"]
        return {"keys": node.get("partitionKeys") or [], **(node.get("assetPartitionStatuses") or {})}

    def launch(self, tenant_id: str) -> str:
        params = {
            "selector": {
                "repositoryLocationName": "integration_pipeline",
                "repositoryName": "__repository__",
                "jobName": "sync_tenants",
            },
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": tenant_id}]},
        }
        launched = self.ask(LAUNCH, params=params)["launchPipelineExecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        run_id: str = launched["run"]["runId"]
        return run_id

    def ended(self, run_id: str) -> str | None:
        status: str = self.ask(RUN, id=run_id)["runOrError"]["status"]
        return status if status in {"SUCCESS", "FAILURE", "CANCELED"} else None


@pytest.fixture
def server(environ: Mapping[str, str], world: World, server_url: str) -> Iterator[Server]:
    name = "dagster_behind_the_ui"
    urls.create_database(server_url, name)
    with nights(environ, world) as night:
        variables = {
            **environ,
            **night.sandbox.environment,
            DAGSTER_DATABASE_URL: urls.with_database(server_url, name),
        }
        settings = load(variables, endpoints())
        own = dagster_environment(variables, settings=settings, database_url=night.pipeline.database.url)
        port = ports.unused()
        command = [*DAGSTER, "-w", str(shipped("workspace.yaml")), "-h", HOST, "-p", str(port)]
        with Children(command, {"PATH": os.environ["PATH"], **own}) as children:
            yield Server(f"http://{HOST}:{port}", children)
    with psycopg.connect(server_url, autocommit=True) as session:
        session.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_a_partition_is_materialized_through_the_running_webserver(server: Server) -> None:
    server.wait(server.is_up)
    # The daemon's sensor brings them.
    server.wait(lambda: server.partitions()["keys"] == ["alpha", "beta", "gamma"] or None)

    run_id = server.launch("alpha")

    assert server.wait(lambda: server.ended(run_id)) == "SUCCESS"
    assert server.partitions() == {
        "keys": ["alpha", "beta", "gamma"],
        "materializedPartitions": ["alpha"],
        "failedPartitions": [],
    }
