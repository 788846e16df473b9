"""What a process cost from its start to its end, and what PostgreSQL did meanwhile.

    run(machine, database, command) -> Cost

CPU is that of the whole process tree, as the system says when it has ended, and of all of PostgreSQL's processes. The peak of
memory is what the process says of itself: the system's figure would include what its parent had. SQL statements are
those that PostgreSQL has logged for the database, transactions' beginnings and ends included.
"""

import os
import re
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psutil

from integration_pipeline.settings import PREFIX
from integration_pipeline_tests.bench.machine import Machine

_ENTRY = re.compile(r"^@\d+ ([^@]*)@LOG:  (?:statement|execute|duration)", re.MULTILINE)

_SETTLE_SECONDS = 5.0


@dataclass(slots=True)
class Cost:
    """What one process took: seconds, seconds of CPU, MB."""

    wall: float
    client_cpu: float
    server_cpu: float
    wal_mb: float
    statements: int
    output: str = ""
    exit_code: int = 0
    start_cpu: float = 0.0
    """Of the client's CPU, what went before its work began: the interpreter, imports."""
    peak_mb: float = 0.0
    calls: int = 0
    provider_cpu: float = 0.0
    """The imitated provider's, which is nobody's cost: far below ``wall``, nobody waited for it."""

    @property
    def cpu(self) -> float:
        return self.client_cpu + self.server_cpu

    @property
    def work(self) -> float:
        """The CPU after start-up."""
        return self.cpu - self.start_cpu


class Failed(Exception):
    """A process did not do its work; the message says how it ended."""


def run(
    machine: Machine,
    database: str,
    command: Sequence[str],
    environ: Mapping[str, str] | None = None,
    *,
    may_fail: bool = False,
) -> Cost:
    """Run a process to its end.

    :param environ: the product's variables, in the place of those that this process has.
    :raises Failed: it exited with an error, unless it may.
    """
    _settle(machine)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    postmaster = _postmaster(machine)
    log, wal, server, client = machine.log.stat().st_size, _written(machine), server_cpu(postmaster), _children_cpu()
    began = time.perf_counter()
    done = subprocess.run(command, env={**inherited, **(environ or {})}, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - began
    _settle(machine)
    cost = Cost(
        wall=wall,
        client_cpu=_children_cpu() - client,
        server_cpu=server_cpu(postmaster) - server,
        wal_mb=(_written(machine) - wal) / 1e6,
        statements=_statements(machine, database, log),
        output=done.stdout,
        exit_code=done.returncode,
    )
    if done.returncode and not may_fail:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise Failed(f"{' '.join(command[1:4])} exited with {done.returncode}: {said[-1] if said else 'no word'}")
    return cost


def _postmaster(machine: Machine) -> psutil.Process:
    return psutil.Process(psutil.Process(machine.session.info.backend_pid).ppid())


def _settle(machine: Machine) -> None:
    """Wait until the postmaster has buried every session but ours: whose CPU it has not counted yet is the next one's."""
    until = time.monotonic() + _SETTLE_SECONDS
    while time.monotonic() < until and any(_is_session(each, machine) for each in _postmaster(machine).children()):
        time.sleep(0.01)


def _is_session(process: psutil.Process, machine: Machine) -> bool:
    try:
        title = " ".join(process.cmdline())  # none: it is ending
    except psutil.ZombieProcess:
        return True
    except psutil.NoSuchProcess:
        return False
    return (not title or "[local]" in title) and process.pid != machine.session.info.backend_pid


def _children_cpu() -> float:
    """Of all processes that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def server_cpu(postmaster: psutil.Process) -> float:
    """CPU seconds of the postmaster, its living children, and those it has buried."""
    own = postmaster.cpu_times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in postmaster.children():
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return float(total)


def _written(machine: Machine) -> float:
    row = machine.session.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
    assert row is not None
    return float(row[0])


def _statements(machine: Machine, database: str, start: int) -> int:
    """How many the log has since then. Several in one message count once: what is counted is round trips."""
    with machine.log.open("rb") as log:
        log.seek(start)
        return sum(name == database for name in _ENTRY.findall(log.read().decode(errors="replace")))
