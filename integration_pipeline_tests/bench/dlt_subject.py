"""dlt's ``rest_api`` source into PostgreSQL with merge, for one night. Runs in dlt's own environment, and imports nothing of ours.

``python dlt_subject.py --url URL --database URL --folder DIR [--lean] [--tenants N]``. By default it carries the whole user, as
dlt's documentation shows it; lean, five columns by way of CSV, the leanest that was found.
"""

import argparse
import json
import os
import re
import resource
from pathlib import Path
from typing import Any

os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}

import dlt
from dlt.sources.rest_api import rest_api_source


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--database", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--tenants", type=int, default=1)
    parser.add_argument("--lean", action="store_true")
    arguments = parser.parse_args()
    # dlt wants a host and a password beside the folder of the socket, which is what counts for libpq.
    database_url = arguments.database.replace("@/", ":none@localhost/", 1)
    used = resource.getrusage(resource.RUSAGE_SELF)
    for tenant in range(arguments.tenants):
        pipeline = dlt.pipeline(
            pipeline_name=f"slack_{tenant}",
            pipelines_dir=arguments.folder,
            destination=dlt.destinations.postgres(database_url),
            dataset_name=f"tenant_{tenant}",
        )
        source = _source(arguments.url, is_lean=arguments.lean)
        load = pipeline.run(source, loader_file_format="csv" if arguments.lean else None)
        load.raise_on_failed_jobs()
    print(json.dumps({"start_cpu": used.ru_utime + used.ru_stime, "peak_mb": _peak_mb()}))


def _source(url: str, *, is_lean: bool) -> Any:
    users: dict[str, Any] = {
        "name": "users",
        "primary_key": "id",
        "write_disposition": "merge",
        "endpoint": {
            "path": "users.list",
            "params": {"limit": 1000},
            "data_selector": "members",
            "paginator": {
                "type": "cursor",
                "cursor_path": "response_metadata.next_cursor",
                "cursor_param": "cursor",
            },
        },
    }
    if is_lean:
        users["processing_steps"] = [{"map": _lean}]
    return rest_api_source(
        {"client": {"base_url": url, "auth": {"type": "bearer", "token": "bench"}}, "resources": [users]}
    )


def _lean(user: dict[str, Any]) -> dict[str, Any]:
    profile = user["profile"]
    return {
        "id": user["id"],
        "name": user["name"],
        "real_name": profile.get("real_name"),
        "email": profile.get("email"),
        "deleted": user["deleted"],
    }


def _peak_mb() -> float:
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text())
    assert found is not None
    return int(found[1]) / 1024


if __name__ == "__main__":
    main()
