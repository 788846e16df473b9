"""Measuring one stretch of work: time, CPU of this process and of PostgreSQL, memory, and what was written ahead."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil
import psycopg


@dataclass(slots=True)
class Cost:
    """What one stretch of work took: seconds, seconds of CPU, this process's peak of memory so far, MB of WAL."""

    wall: float = 0.0
    client_cpu: float = 0.0
    server_cpu: float = 0.0
    peak_mb: float = 0.0
    wal_mb: float = 0.0
    calls: int = 0


@contextmanager
def measured(database_url: str) -> Iterator[Cost]:
    """Fill a :class:`Cost` from what happens inside. The server should not write full-page images."""
    cost = Cost()
    with psycopg.connect(database_url, autocommit=True) as session:
        master = psutil.Process(psutil.Process(session.info.backend_pid).ppid())
        written, server, client, began = _written(session), _server_cpu(master), _client_cpu(), time.perf_counter()
        yield cost
        cost.wall = time.perf_counter() - began
        cost.client_cpu = _client_cpu() - client
        cost.server_cpu = _server_cpu(master) - server
        cost.wal_mb = (_written(session) - written) / 1e6
        cost.peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _client_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _server_cpu(master: psutil.Process) -> float:
    """The postmaster, its living children, and those it has buried."""
    own = master.cpu_times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in master.children():
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return float(total)


def _written(session: psycopg.Connection) -> float:
    row = session.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn").fetchone()
    assert row is not None
    return float(row[0])
