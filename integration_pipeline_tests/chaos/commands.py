"""The command line as processes of its own, to be killed and to meet one another."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import psycopg

from integration_pipeline_tests.chaos.snapshot import Snapshot

_LONGEST_SECONDS = 300


class Ended(NamedTuple):
    """How a process ended.

    :param rows: its JSON lines, as far as they were printed whole.
    """

    code: int
    rows: list[dict[str, Any]]
    err: str


class Process:
    """``integration-pipeline sync …``, running."""

    def __init__(self, environ: Mapping[str, str], *argv: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "integration_pipeline", *argv],
            env={**os.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)

    def end(self) -> Ended:
        """Wait for its end."""
        try:
            out, err = self._process.communicate(timeout=_LONGEST_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            out, err = self._process.communicate()
            err += "\nit did not end"
        lines = out.splitlines(keepends=True)
        rows = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]
        return Ended(self._process.returncode, rows, err)


def printed_otherwise(ended: Ended, after: Snapshot) -> list[str]:
    """Printed lines that the history does not confirm."""
    names = ("status", "records_processed", "records_created", "records_updated", "records_deleted", "error_type")
    return [
        f"printed {row}, and the history has {after.history.get(row['sync_id'])}"
        for row in ended.rows
        if any(row[name] != after.history.get(row["sync_id"], {}).get(name) for name in names)
    ]


def is_at_work(url: str) -> bool:
    """Whether anybody works on a database: a killed process's sessions, and its locks, end when their statements have."""
    query = """
        SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
        AND (state <> 'idle' OR pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory'))
    """
    with psycopg.connect(url) as session:
        return session.execute(query.encode()).fetchone() is not None


def wait_until(is_so: Callable[[], bool], seconds: float = _LONGEST_SECONDS) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, "what was waited for did not come"
        time.sleep(0.002)


def stopped(command: Sequence[str], helper: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """SIGTERM for a command of the tests' own that has a PostgreSQL and a helper at work; and what it left behind.

    :param helper: a word of the helper's command line. It is at work when it has begun processes itself.
    :returns: how the command ended, and the processes and files that outlived it.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)  # under root the server runs as another user
        environ = {**os.environ, "TMPDIR": folder}
        process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            own = psutil.Process(process.pid)
            wait_until(lambda: any(helper in _words(child) and child.children() for child in own.children()))
            (pid_file,) = home.glob("*/postgres/postmaster.pid")
            begun = [psutil.Process(int(pid_file.read_text().split()[0])), *own.children(recursive=True)]
            process.terminate()
            out, err = process.communicate(timeout=_LONGEST_SECONDS)
            _, alive = psutil.wait_procs(begun, timeout=_LONGEST_SECONDS)
        finally:
            process.kill()
        left = [*map(_words, alive), *map(str, home.iterdir())]
        return subprocess.CompletedProcess(command, process.returncode, out, err), left


def _words(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""
