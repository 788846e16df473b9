"""One tenant's nights: the product, the least it can cost, and what people would otherwise use, side by side."""

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from integration_pipeline_tests.bench import dlt_environment
from integration_pipeline_tests.bench.machine import Machine, imported
from integration_pipeline_tests.bench.meter import Cost, Failed, run
from integration_pipeline_tests.bench.pages import SLACK_URL, Night, world_of
from integration_pipeline_tests.bench.results import Line, Results, middle, table
from integration_pipeline_tests.bench.server import Server, serving

CASE = "nights"
TWO_NIGHTS = (Night.FIRST, Night.UNCHANGED)
UNLOGGED = ("log_statement = 'none'",)
UNQUOTED = (*UNLOGGED, "log_duration = on")
LARGE_FROM = 1_000_000
"""From how many users on a directory is a case of its own, which is not repeated."""
_LEFT_OUT = "it failed, or would take from minutes to hours"


@dataclass(frozen=True, slots=True)
class Subject:
    """One of those compared."""

    name: str
    title: str
    nights: tuple[Night, ...] = tuple(Night)
    is_slow: bool = False
    """Whether it writes every row every night. Its other nights are as its unchanged one."""
    most_users: int = 1_000_000
    """The largest directory that it is given: beyond, it would take from minutes to hours."""
    logs: tuple[str, ...] = ()
    """How PostgreSQL is to log its statements, where not with their text. Text costs: of those that send megabytes of it
    only the fact is logged; the loop counts for itself."""

    def nights_with(self, users: int) -> tuple[Night, ...]:
        return self.nights if users <= self.most_users else ()


SUBJECTS = (
    Subject("download", "download only (httpx)", nights=(Night.FIRST,)),
    Subject("copied", "+ parse, + COPY into a plain table", nights=(Night.FIRST,)),
    Subject("floor", "floor: + diff, changes only"),
    Subject("product", "integration_pipeline"),
    Subject("dlt-lean", "dlt lean (csv, 5 columns)", nights=TWO_NIGHTS, is_slow=True, logs=UNQUOTED),
    Subject("dlt", "dlt rest_api → merge, default", TWO_NIGHTS, is_slow=True, most_users=100_000, logs=UNQUOTED),
    Subject("rowwise", "row by row (batch definition)", TWO_NIGHTS, is_slow=True, most_users=100_000, logs=UNLOGGED),
)
TITLES = {subject.name: subject.title for subject in SUBJECTS}


def measure(
    machine: Machine, results: Results, users: int, *, subjects: Sequence[Subject] = SUBJECTS, repeat: int = 1
) -> None:
    """All nights of all subjects, with one tenant of so many users.

    :param repeat: how often the quick ones go through their nights, in turns; the median counts.
    """
    results.say(f"{users:,} users: recording the provider's answers …")
    with serving(users) as server:
        template = imported(machine, world_of(users), {SLACK_URL: server.url("first")})
        runs: dict[str, list[dict[Night, Cost]]] = {subject.name: [] for subject in subjects}
        # In turns: whatever else the machine does meanwhile meets all of them.
        for round_number in range(repeat):
            for subject in subjects:
                if subject.nights_with(users) and not (subject.is_slow and round_number):
                    results.say(f"{users:,} users, round {round_number + 1}: {subject.name} …")
                    try:
                        runs[subject.name].append(dict(_nights(machine, server, subject, users, template)))
                    except (dlt_environment.Missing, Failed) as error:
                        results.fail(f"{subject.name}, {users:,} users", str(error))
        for subject in subjects:
            for night in subject.nights:
                costs = [each[night] for each in runs[subject.name]]
                cost = middle(costs) if costs else None
                results.add(Line(CASE, subject.name, night, users, cost=cost, note="" if cost else _LEFT_OUT))
        machine.drop(template)


def _nights(
    machine: Machine, server: Server, subject: Subject, users: int, template: str
) -> Iterator[tuple[Night, Cost]]:
    """A subject's nights one after the other, on a database of its own."""
    is_product = subject.name == "product"
    database = machine.database(template if is_product else None)
    machine.configure(database, subject.logs)
    with tempfile.TemporaryDirectory(prefix="integration-pipeline-bench-") as folder:
        for night in subject.nights_with(users):
            url = server.url(night.directory)
            environ = machine.environ(database, **{SLACK_URL: url}) if is_product else {"DLT_DATA_DIR": folder}
            cost = measured(machine, server, database, command(machine, subject.name, url, database, folder), environ)
            machine.rest(database)
            yield night, cost
    machine.drop(database)


def command(machine: Machine, name: str, url: str, database: str, folder: str, tenants: int = 1) -> list[str]:
    """What runs one of those compared.

    :param folder: where it may keep what it has to remember beside the database.
    :raises dlt_environment.Missing: it is dlt, which cannot be had.
    """
    what = ["--url", url, "--database", machine.url_of(database), "--tenants", str(tenants)]
    if name.startswith("dlt"):
        lean = ["--lean"] if name == "dlt-lean" else []
        return [
            str(dlt_environment.interpreter()),
            "-P",
            str(dlt_environment.SUBJECT),
            *what,
            "--folder",
            folder,
            *lean,
        ]
    return [sys.executable, "-m", "integration_pipeline_tests.bench.subject", name, *what]


def measured(machine: Machine, server: Server, database: str, command: Sequence[str], environ: dict[str, str]) -> Cost:
    """The cost of a subject's process, with what itself and the provider say of it."""
    before = server.tally()
    cost = run(machine, database, command, environ)
    after = server.tally()
    cost.calls, cost.provider_cpu = after.calls - before.calls, after.cpu - before.cpu
    said = json.loads(cost.output.splitlines()[-1])
    cost.start_cpu, cost.peak_mb = said["start_cpu"], said["peak_mb"]
    cost.statements += said.get("statements", 0)
    return cost


def shown(results: Results) -> Iterator[str]:
    """The table of all sizes and nights."""
    columns = "users", "night", "what", "wall s", "CPU s: client", "PostgreSQL", "CPU ÷ floor", "work ÷ floor"
    header = [*columns, "peak MB", "HTTP", "SQL", "WAL MB", "provider busy"]
    yield from table(header, [_cells(results, line) for line in results.lines if line.case == CASE])


def _cells(results: Results, line: Line) -> Sequence[str]:
    cost = line.cost
    start = (f"{line.users:,}", line.night, TITLES[line.subject])
    if cost is None:
        return (*start, *["–"] * 10)
    least = results.cost(CASE, "floor", line.night, users=line.users)
    return (
        *start,
        f"{cost.wall:.2f}",
        f"{cost.client_cpu:.2f}",
        f"{cost.server_cpu:.2f}",
        f"{cost.cpu / least.cpu:.2f}" if least else "–",
        f"{cost.work / least.work:.2f}" if least else "–",
        f"{cost.peak_mb:.0f}",
        f"{cost.calls:,}",
        f"{cost.statements:,}",
        f"{cost.wal_mb:.2f}",
        f"{100 * cost.provider_cpu / cost.wall:.0f} %",
    )
