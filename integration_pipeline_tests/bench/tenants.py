"""Many tenants in one batch: what each further one costs, and how long the night is when every call takes its time.

The product runs as people run it, as the command ``sync``. Those that take a second or more for a tenant are shown with ten.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence

from integration_pipeline.batch import CONCURRENCY
from integration_pipeline_tests.bench import dlt_environment
from integration_pipeline_tests.bench.machine import Machine, multiplied
from integration_pipeline_tests.bench.meter import Cost, Failed, run
from integration_pipeline_tests.bench.nights import SUBJECTS, TITLES, command, measured
from integration_pipeline_tests.bench.pages import SLACK_URL, Night, world_of
from integration_pipeline_tests.bench.results import Line, Results, table
from integration_pipeline_tests.bench.server import Server, serving

CASE, LATENCY_CASE = "tenants", "latency"
USERS = 1000
LATENCY_MS = 150
NIGHTS = (Night.FIRST, Night.UNCHANGED)
_FEW = 10
COMPARED = ("floor", "product", "dlt-lean", "dlt", "rowwise")

SYNC = (sys.executable, "-m", "integration_pipeline", "sync", "--sync-type", "users", "--output", "json")


def measure(
    machine: Machine,
    results: Results,
    counts: Sequence[int],
    *,
    users: int = USERS,
    subjects: Sequence[str] = COMPARED,
    latency_tenants: int = 100,
) -> None:
    """Tenants alike but for their ids, so many at a time."""
    with serving(users, directories=["first"]) as server:
        for name in subjects:
            for tenants in counts if name in {"floor", "product"} else sorted({1, min(_FEW, max(counts))}):
                try:
                    _nights(machine, results, server, name, tenants, users)
                except (dlt_environment.Missing, Failed) as error:
                    results.fail(name, str(error))
                    break
    with serving(users, directories=["first"], latency_ms=LATENCY_MS) as server:
        _late(machine, results, server, latency_tenants, users)


def _nights(machine: Machine, results: Results, server: Server, name: str, tenants: int, users: int) -> None:
    url = server.url("first")
    if name == "product":
        results.say(f"importing {tenants:,} tenants …")
        database = multiplied(machine, world_of(users), tenants, {SLACK_URL: url})
    else:
        database = machine.database()
    (subject,) = (subject for subject in SUBJECTS if subject.name == name)
    machine.configure(database, subject.logs)
    with tempfile.TemporaryDirectory(prefix="integration-pipeline-bench-") as folder:
        for night in NIGHTS:
            if name == "product":
                cost = _synced(machine, server, database)
            else:
                what = command(machine, name, url, database, folder, tenants)
                cost = measured(machine, server, database, what, {"DLT_DATA_DIR": folder})
            machine.rest(database)
            results.add(Line(CASE, name, night, users, tenants, cost))
    machine.drop(database)


def _synced(machine: Machine, server: Server, database: str) -> Cost:
    before = server.tally()
    cost = run(machine, database, SYNC, machine.environ(database, **{SLACK_URL: server.url("first")}))
    after = server.tally()
    cost.calls, cost.provider_cpu = after.calls - before.calls, after.cpu - before.cpu
    return cost


def _late(machine: Machine, results: Results, server: Server, tenants: int, users: int) -> None:
    """A night in which every answer takes its time: its length is a matter of doing other things meanwhile."""
    database = multiplied(machine, world_of(users), tenants, {SLACK_URL: server.url("first")})
    for night in NIGHTS:
        cost = _synced(machine, server, database)
        results.add(Line(LATENCY_CASE, "product", night, users, tenants, cost))
        bound = cost.calls * LATENCY_MS / 1000 / CONCURRENCY
        results.figure(f"latency, {night}: wall ÷ bound", cost.wall / bound)
    machine.drop(database)


def further(results: Results, name: str, night: str, tenants: int, users: int = USERS) -> float | None:
    """CPU seconds for each tenant beyond the first."""
    one = results.cost(CASE, name, night, users=users)
    many = results.cost(CASE, name, night, users=users, tenants=tenants)
    return (many.cpu - one.cpu) / (tenants - 1) if one and many and tenants > 1 else None


def shown(results: Results) -> Iterator[str]:
    columns = "tenants", "users each", "night", "what", "wall s", "CPU s", "ms CPU per further tenant"
    header = [*columns, "HTTP", "SQL", "WAL MB"]
    yield from table(
        header,
        [_cells(results, line, line.cost) for line in results.lines if line.cost and line.case in {CASE, LATENCY_CASE}],
    )


def _cells(results: Results, line: Line, cost: Cost) -> Sequence[str]:
    each = further(results, line.subject, line.night, line.tenants, line.users) if line.case == CASE else None
    late = f", {LATENCY_MS} ms a call" if line.case == LATENCY_CASE else ""
    return (
        f"{line.tenants:,}",
        f"{line.users:,}",
        line.night,
        TITLES[line.subject] + late,
        f"{cost.wall:.2f}",
        f"{cost.cpu:.2f}",
        "–" if each is None else f"{1000 * each:.1f}",
        f"{cost.calls:,}",
        f"{cost.statements:,}",
        f"{cost.wal_mb:.2f}",
    )
