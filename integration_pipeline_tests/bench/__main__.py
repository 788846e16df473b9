"""``make bench``: what a night costs, beside the least it can cost and beside what people would otherwise use.

Progress goes to standard error; tables and targets, when all is measured, to standard output.
"""

import argparse
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil

from integration_pipeline_tests.bench import (
    calls,
    dagster_runs,
    faults,
    graph,
    limits,
    machine,
    nights,
    plot,
    scaling,
    startup,
    targets,
    tenants,
)
from integration_pipeline_tests.bench.machine import Machine
from integration_pipeline_tests.bench.meter import Failed
from integration_pipeline_tests.bench.results import Results

Case = Callable[[Machine, Results, argparse.Namespace], None]


def main() -> int:
    arguments = _arguments()
    began = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:6.0f} s] {text}", file=sys.stderr, flush=True)

    results = Results(say, as_json=arguments.json)
    with machine.started() as ready:
        for name in arguments.cases:
            try:
                _CASES[name](ready, results, arguments)
            except Failed as error:
                results.fail(name, str(error))
            except KeyboardInterrupt:
                results.fail(name, "it was stopped; what was measured until then follows")
                break
    print("\n".join(_told(results)))
    if arguments.plot:
        sizes = [line.users for line in results.lines if line.case == nights.CASE]
        size = max((users for users in sizes if users < nights.LARGE_FROM), default=0)
        arguments.plot.write_text(plot.drawn(results, size), encoding="utf-8")
    return int(not results.is_whole)


def _nights(ready: Machine, results: Results, arguments: argparse.Namespace) -> None:
    for users in arguments.users:
        if users < nights.LARGE_FROM:
            nights.measure(ready, results, users, subjects=_chosen(arguments), repeat=arguments.repeat)


def _large(ready: Machine, results: Results, arguments: argparse.Namespace) -> None:
    for users in arguments.users:
        if users >= nights.LARGE_FROM:
            nights.measure(ready, results, users, subjects=_chosen(arguments))


def _chosen(arguments: argparse.Namespace) -> list[nights.Subject]:
    return [subject for subject in nights.SUBJECTS if subject.name in arguments.subjects]


def _tenants(ready: Machine, results: Results, arguments: argparse.Namespace) -> None:
    late = min(100, max(arguments.tenants))
    # A loop that commits row by row waits for the disk, and a quick run has no time for that twice.
    left_out = {"rowwise"} if arguments.quick else set()
    chosen = [name for name in tenants.COMPARED if name in arguments.subjects and name not in left_out]
    tenants.measure(ready, results, arguments.tenants, subjects=chosen, latency_tenants=late)


def _dagster(ready: Machine, results: Results, arguments: argparse.Namespace) -> None:
    dagster_runs.measure(ready, results, max(arguments.tenants))


def _graph(ready: Machine, results: Results, arguments: argparse.Namespace) -> None:
    graph.measure(ready, results, min(max(arguments.users), targets.LARGE))


def _startup(ready: Machine, results: Results, _: argparse.Namespace) -> None:
    startup.measure(ready, results)


def _calls(ready: Machine, results: Results, _: argparse.Namespace) -> None:
    calls.measure(ready, results)


def _faults(ready: Machine, results: Results, _: argparse.Namespace) -> None:
    faults.measure(ready, results)


def _limits(_: Machine, results: Results, __: argparse.Namespace) -> None:
    limits.measure(results)


_CASES: Mapping[str, Case] = {
    "startup": _startup,
    "calls": _calls,
    "limits": _limits,
    "graph": _graph,
    "nights": _nights,
    "dagster": _dagster,
    "tenants": _tenants,
    "faults": _faults,
    "large": _large,
}
"""In their order; what takes longest comes last."""


def _told(results: Results) -> Iterator[str]:
    memory = psutil.virtual_memory().total / 2**30
    yield f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.platform()}, Python {platform.python_version()}"
    yield from ("", "## One tenant", "", *nights.shown(results))
    yield from ("", "## Many tenants", "", *tenants.shown(results))
    yield from ("", "## Figures", "", *(f"* {name}: {value:.3g}" for name, value in results.figures.items()))
    yield from (f"* {name}: {text}" for name, text in results.words.items())
    yield from ("", "## Taken further", "", *scaling.shown(results))
    yield from ("", "## Targets", "", *targets.shown(results))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    names = [subject.name for subject in nights.SUBJECTS]
    parser.add_argument("--cases", nargs="+", choices=_CASES, metavar="CASE", help=", ".join(_CASES))
    parser.add_argument("--subjects", nargs="+", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--users", type=int, nargs="+", metavar="N", help="of the one tenant (10000 100000 1000000)")
    parser.add_argument("--tenants", type=int, nargs="+", metavar="N", help="of 1,000 users each (1 100 1000)")
    parser.add_argument(
        "--repeat", type=int, default=1, metavar="N", help="of the quick ones, the median of so many runs"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, without dlt and without Dagster's runs")
    parser.add_argument("--json", action="store_true", help="print a JSON line for each figure as well")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the nights as an SVG")
    arguments = parser.parse_args()
    is_quick = arguments.quick
    arguments.cases = arguments.cases or [name for name in _CASES if not (is_quick and name == "dagster")]
    arguments.subjects = arguments.subjects or [name for name in names if not (is_quick and name.startswith("dlt"))]
    arguments.users = arguments.users or ([10_000] if is_quick else [10_000, 100_000, 1_000_000])
    arguments.tenants = arguments.tenants or ([1, 20] if is_quick else [1, 100, 1000])
    return arguments


if __name__ == "__main__":
    sys.exit(main())
