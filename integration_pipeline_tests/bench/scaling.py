"""What the measured unit costs say of fleets that no bench holds: ten million users of ten and a hundred thousand tenants.

    units(results) -> Units; night(units, fleet, lanes) -> Night

A fleet's night is cut into runs as the schedule cuts it, and the runs are laid side by side on so many lanes. A run is one
process of Python and keeps one core busy at most; it cannot end before its slowest tenant, nor before its calls are made.
"""

import heapq
from collections.abc import Iterator, Sequence
from math import ceil
from typing import NamedTuple

from integration_pipeline.batch import CONCURRENCY
from integration_pipeline.defs.partitions import CHUNK
from integration_pipeline_tests.bench import dagster_runs, nights
from integration_pipeline_tests.bench.pages import Night as Kind
from integration_pipeline_tests.bench.results import Results, table

SMALL, LARGE = 10_000, 100_000
LATENCY_SECONDS = 0.15
SLACK_PAGE, SLACK_PER_MINUTE = 1000, 20
LANES = (4, 40)
"""Runs at a time: one machine as it is delivered, and ten of them."""


class Units(NamedTuple):
    """What was measured: seconds of CPU, KB, calls."""

    run: float
    """A run's start and end, whatever it does."""
    tenant_client: float
    tenant_server: float
    """A tenant's three syncs, its users aside."""
    user_client: float
    user_server: float
    tenant_calls: float
    """Beside the pages of users."""
    tenant_stored_kb: float
    """In Dagster's database, each night."""


class Fleet(NamedTuple):
    name: str
    tenants: Sequence[int]
    """Each tenant's users."""


class Night(NamedTuple):
    """What a fleet's night comes to."""

    runs: int
    cpu_hours: float
    calls: int
    stored_mb: float
    slowest_minutes: float
    """What the largest tenant takes at Slack's rate: no machine makes that shorter."""
    server_hours: float
    hours: Sequence[float]
    """From the first run's start to the last one's end, for each number of lanes."""


def fleets() -> Iterator[Fleet]:
    yield Fleet("1,000 tenants × 100", [100] * 1000)
    yield Fleet("10,000 tenants × 1,000", [1000] * 10_000)
    yield Fleet("100,000 tenants × 100", [100] * 100_000)
    yield Fleet("100,000 tenants, the n-th 1/n as large as the first", uneven(100_000, 10_000_000))


def uneven(tenants: int, users: int) -> list[int]:
    """So many users over so many tenants, as companies' sizes are spread (Zipf), the largest anywhere among them."""
    whole = sum(1 / number for number in range(1, tenants + 1))
    sizes = [max(1, round(users / whole / number)) for number in range(1, tenants + 1)]
    # A step that is prime to their number visits all of them, out of order and the same on every machine.
    return [sizes[number * 7919 % tenants] for number in range(tenants)]


def units(results: Results, kind: str = Kind.UNCHANGED) -> Units | None:
    """The costs of one night's parts, or None where this run did not measure them."""
    small, large = (results.cost(nights.CASE, "product", kind, users=users) for users in (SMALL, LARGE))
    morning = next((line for line in results.lines if line.case == dagster_runs.CASE and line.night == kind), None)
    alone = results.figures.get("Dagster, CPU s of a run of one tenant")
    stored = results.figures.get(f"Dagster, KB stored per tenant, {kind} night")
    if not (small and large and morning and morning.cost and alone and stored is not None):
        return None
    user_client = (large.client_cpu - small.client_cpu) / (LARGE - SMALL)
    user_server = (large.server_cpu - small.server_cpu) / (LARGE - SMALL)
    runs = ceil(morning.tenants / CHUNK)
    server_share = morning.cost.server_cpu / morning.cost.cpu
    tenant = (morning.cost.cpu - runs * alone) / morning.tenants - morning.users * (user_client + user_server)
    return Units(
        run=alone,
        tenant_client=tenant * (1 - server_share),
        tenant_server=tenant * server_share,
        user_client=user_client,
        user_server=user_server,
        tenant_calls=morning.cost.calls / morning.tenants - 1,
        tenant_stored_kb=stored,
    )


def night(units: Units, fleet: Fleet, lanes: Sequence[int] = LANES) -> Night:
    """One night of a fleet in which everybody has Slack, the slowest of the three for large directories."""
    chunks = [fleet.tenants[start : start + CHUNK] for start in range(0, len(fleet.tenants), CHUNK)]
    users, tenants = sum(fleet.tenants), len(fleet.tenants)
    client = len(chunks) * units.run + tenants * units.tenant_client + users * units.user_client
    server = tenants * units.tenant_server + users * units.user_server
    durations = [_seconds(units, chunk) for chunk in chunks]
    return Night(
        runs=len(chunks),
        cpu_hours=(client + server) / 3600,
        calls=round(sum(units.tenant_calls + ceil(each / SLACK_PAGE) for each in fleet.tenants)),
        stored_mb=tenants * units.tenant_stored_kb / 1e3,
        slowest_minutes=_limited_seconds(max(fleet.tenants)) / 60,
        server_hours=server / 3600,
        hours=[makespan(durations, each) / 3600 for each in lanes],
    )


def makespan(durations: Sequence[float], lanes: int) -> float:
    """When the last one ends, each begun as soon as a lane is free."""
    free = [0.0] * lanes
    for duration in durations:
        heapq.heapreplace(free, free[0] + duration)
    return max(free)


def _seconds(units: Units, chunk: Sequence[int]) -> float:
    """How long one run takes."""
    computing = len(chunk) * units.tenant_client + sum(chunk) * units.user_client
    calls = sum(units.tenant_calls + ceil(each / SLACK_PAGE) for each in chunk)
    return units.run + max(computing, calls * LATENCY_SECONDS / CONCURRENCY, _limited_seconds(max(chunk)))


def _limited_seconds(users: int) -> float:
    """How long Slack's limit makes a directory take: the first minute's calls go at once."""
    return (ceil(ceil(users / SLACK_PAGE) / SLACK_PER_MINUTE) - 1) * 60.0


def shown(results: Results) -> Iterator[str]:
    """The fleets' table; nothing where the unit costs were not measured."""
    found = {kind: units(results, kind) for kind in (Kind.FIRST, Kind.UNCHANGED)}
    columns = "fleet", "night", "runs", "CPU h", "of it PostgreSQL", "calls", "slowest tenant, min"
    header = [*columns, *(f"h at {lanes} runs" for lanes in LANES), "Dagster stores MB"]
    rows = [
        (
            fleet.name,
            kind,
            f"{one.runs:,}",
            f"{one.cpu_hours:.2f}",
            f"{one.server_hours:.2f}",
            f"{one.calls:,}",
            f"{one.slowest_minutes:.0f}",
            *(f"{hours:.2f}" for hours in one.hours),
            f"{one.stored_mb:,.0f}",
        )
        for fleet in fleets()
        for kind, costs in found.items()
        if costs is not None
        for one in [night(costs, fleet)]
    ]
    if rows:
        yield from table(header, rows)
        for kind, costs in found.items():
            if costs is not None:
                yield f"\n{kind} night: " + ", ".join(f"{name} {value:.3g}" for name, value in costs._asdict().items())
