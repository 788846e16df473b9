"""One of those compared, for one night, in a process of its own; prints what only it can know, as a line of JSON.

``python -m integration_pipeline_tests.bench.subject NAME --url URL --database URL [--tenants N]``, NAME one of ``download``,
``copied``, ``floor``, ``rowwise``, ``product``; the product has the rest from its environment.
"""

# ruff: noqa: PLC0415 - what one of them imports is its own cost, and none of the others'

import argparse
import json
import os
import re
import resource
import threading
from collections.abc import Callable
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=sorted(_WORK))
    parser.add_argument("--url", default="")
    parser.add_argument("--database", default="")
    parser.add_argument("--tenants", type=int, default=1)
    parser.add_argument("--sync-types", nargs="+", default=["USERS"])
    arguments = parser.parse_args()
    start_cpu, found = _WORK[arguments.name](arguments)
    print(json.dumps({"start_cpu": start_cpu, "peak_mb": peak_mb(), **found}))


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_mb() -> float:
    """The most memory this program has had; ``getrusage`` would count what it was forked from."""
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text())
        assert found is not None
        return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # macOS counts bytes


class _Passing:
    """Time that passes when somebody waits."""

    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def wait_for(self, event: threading.Event, seconds: float) -> bool:
        self.seconds += seconds
        return event.wait(0.001) if seconds else event.is_set()


def _download(arguments: argparse.Namespace) -> tuple[float, dict[str, int]]:
    from integration_pipeline_tests.bench import floor

    start_cpu = cpu()
    floor.download(arguments.url)
    return start_cpu, {}


def _copied(arguments: argparse.Namespace) -> tuple[float, dict[str, int]]:
    from integration_pipeline_tests.bench import floor

    start_cpu = cpu()
    floor.copied(arguments.url, arguments.database)
    return start_cpu, {}


def _floor(arguments: argparse.Namespace) -> tuple[float, dict[str, int]]:
    import psycopg

    from integration_pipeline_tests.bench import floor

    start_cpu = cpu()
    with psycopg.connect(arguments.database, autocommit=True) as session:
        for tenant in range(arguments.tenants):
            floor.night(arguments.url, session, f"floor_{tenant}")
    return start_cpu, {}


def _rowwise(arguments: argparse.Namespace) -> tuple[float, dict[str, int]]:
    from integration_pipeline_tests.bench import rowwise

    start_cpu = cpu()
    tenants = range(arguments.tenants)
    return start_cpu, {
        "statements": sum(rowwise.night(arguments.url, arguments.database, f"tenant-{each}") for each in tenants)
    }


def _product(arguments: argparse.Namespace) -> tuple[float, dict[str, int]]:
    """What every connection has of these types, as the command line syncs them.

    The provider's limits are kept, in a time that passes when somebody waits: what is measured is the work.
    """
    from integration_pipeline import batch, registry, selection
    from integration_pipeline.invocation import Request
    from integration_pipeline.model import Outcome, Status, SyncType
    from integration_pipeline.pipeline import open_pipeline

    registry.providers()  # imports them
    start_cpu = cpu()
    request = Request(sync_types=tuple(map(SyncType, arguments.sync_types)))
    with open_pipeline(os.environ) as pipeline:
        passing = _Passing()
        pipeline.clock, pipeline.wait_for = passing, passing.wait_for
        outcomes = list(batch.run(pipeline, request, selection.select(pipeline, request)))
    assert all(isinstance(one, Outcome) and one.status is Status.SUCCESS for one in outcomes), outcomes[:3]
    return start_cpu, {}


_WORK: dict[str, Callable[[argparse.Namespace], tuple[float, dict[str, int]]]] = {
    "download": _download,
    "copied": _copied,
    "floor": _floor,
    "rowwise": _rowwise,
    "product": _product,
}

if __name__ == "__main__":
    main()
