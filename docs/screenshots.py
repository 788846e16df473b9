"""The README's pictures of the Dagster UI and the report: ``make screenshots``, with a Chromium on the PATH.

A fresh home → ``integration-pipeline dev`` on the demo's companies → one run over all of them → pictures in docs/images.
"""  # noqa: INP001 - a script, no package

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import report_screenshots

IMAGES = Path(__file__).parent / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_SECONDS = 300

PAGES = {
    "asset-graph.png": ("/locations/__repository__@integration_pipeline/asset-groups/directory/lineage", "1400,1150"),
    "partitions.png": ("/assets/external_users?view=partitions&partition=aozora", "1400,700"),
    # Wide enough for the whole table of systems.
    "materialization.png": ("/assets/external_users?view=partitions&partition=sakura", "1600,960"),
}

BROKEN = ["aozora"]
"""The demo's company whose Slack app was removed."""

PARTITIONS = """
{ assetNodeOrError(assetKey: {path: ["external_users"]}) { ... on AssetNode {
    partitionKeys
    assetPartitionStatuses { ... on DefaultPartitionStatuses { failedPartitions } }
} } }
"""
LAUNCH = """
mutation ($params: ExecutionParams!) {
    launchPipelineExecution(executionParams: $params) { __typename ... on LaunchRunSuccess { run { runId } } }
}
"""
STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"

T = TypeVar("T")


def main() -> int:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print(f"none of {', '.join(BROWSERS)} is on the PATH", file=sys.stderr)  # noqa: T201
        return 2
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as url:
        morning(url)
        for name, (page, size) in PAGES.items():
            photograph(browser, Path(folder) / "profile", url + page, size, IMAGES / name)
            print(IMAGES / name)  # noqa: T201
    for picture in report_screenshots.take(browser, IMAGES):
        print(picture)  # noqa: T201
    return 0


@contextmanager
def opened(folder: Path) -> Iterator[str]:
    """The UI's address, while it is open."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "integration_pipeline", "dev", "--port", str(port)]
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "INTEGRATION_PIPELINE_HOME": str(folder / "home"),
        "TZ": "Asia/Tokyo",
    }
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ourselves
    try:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        url = process.stdout.readline().strip()
        if not url:
            raise SystemExit("the UI did not open")
        yield url
    finally:
        process.terminate()
        process.wait()


def morning(url: str) -> None:
    """One run over all of the demo's companies, of which one fails."""
    keys = awaited(lambda: ask(url, PARTITIONS)["assetNodeOrError"].get("partitionKeys") or None)
    tags = {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}
    params = {
        "selector": {
            "repositoryLocationName": "integration_pipeline",
            "repositoryName": "__repository__",
            "jobName": "sync_tenants",
        },
        "runConfigData": {},
        "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
    }
    run_id = ask(url, LAUNCH, params=params)["launchPipelineExecution"]["run"]["runId"]
    awaited(lambda: ask(url, STATUS, id=run_id)["runOrError"]["status"] in {"SUCCESS", "FAILURE"} or None)
    failed = ask(url, PARTITIONS)["assetNodeOrError"]["assetPartitionStatuses"]["failedPartitions"]
    if failed != BROKEN:
        raise SystemExit(f"not a morning to be shown: failed are {failed}")


def ask(url: str, query: str, **variables: Any) -> Any:
    asked = {"query": query, "variables": variables}
    return httpx.post(f"{url}/graphql", json=asked, timeout=60, trust_env=False).raise_for_status().json()["data"]


def awaited(look: Callable[[], T | None]) -> T:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        found = look()
        if found is not None:
            return found
        time.sleep(0.5)
    raise SystemExit("nothing came of it")


def photograph(browser: str, profile: Path, url: str, size: str, target: Path) -> None:
    """A page as it is when it has nothing more to load."""
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--hide-scrollbars",
        f"--user-data-dir={profile}",
        f"--window-size={size}",
        "--virtual-time-budget=30000",
        f"--screenshot={target}",
    ]
    subprocess.run([browser, *options, url], check=True, capture_output=True, timeout=PATIENCE_SECONDS)  # noqa: S603 - ours


if __name__ == "__main__":
    sys.exit(main())
