"""The process around a command: how it starts, how it is interrupted, and what its outputs may do to it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest

from integration_pipeline import batch, cli
from integration_pipeline.commands import batches, parsing
from integration_pipeline.publish import publishing
from integration_pipeline.sandbox import world as worlds
from integration_pipeline.sandbox.server import Sandbox
from integration_pipeline.settings import DATABASE_URL, HOME, KEYS
from integration_pipeline.store.engine import Database

HEAVY = (
    "dagster",
    "pandas",
    "sqlalchemy",
    "alembic",
    "rich",
    "httpx",
    "starlette",
    "psycopg",
    "cryptography",
    "gspread",
)
UNUSED = ("dagster", "sqlalchemy", "pandas", "alembic", "gspread", "google", "rich", "click", "pygments", "jwt")
PROGRAM = [sys.executable, "-m", "integration_pipeline"]
SOON = 60
"""A guard against hanging for ever, no expectation."""
_UNHURRIED = f"""
from integration_pipeline import batch, cli
batch.GRACE_SECONDS = batch.CLOSING_SECONDS = cli.ORDERLY_SECONDS = {SOON}
raise SystemExit(cli.main())
"""
UNHURRIED = [sys.executable, "-c", _UNHURRIED]
"""The program on a machine that may be busy: it ends in order however long that takes there."""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(worlds.build(tenants=1, users=5, channels=2, teams=2, groups=1, oddities=False)) as sandbox:
        yield sandbox


def imported(sandbox: Sandbox, environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The environment of the sandbox's world, which was imported."""
    own = {**os.environ, **environ, **sandbox.environment}
    for noun, name, text in (
        ("tenants", "t.csv", sandbox.world.tenants_csv()),
        ("users", "u.csv", sandbox.world.users_csv()),
        ("connections", "c.json", sandbox.world.connections_json()),
    ):
        (folder / name).write_text(text)
        assert cli.run([noun, "import", str(folder / name)], own) == 0
    return own


def commands(parser: parsing.Parser) -> Iterator[list[str]]:
    """Every command there is, groups included."""
    for action in parser._actions:
        if isinstance(action.choices, dict):
            for name, child in action.choices.items():
                yield [name]
                yield from ([name, *rest] for rest in commands(child))


def test_help_of_everything_imports_nothing_heavy() -> None:
    script = f"""
import sys
from integration_pipeline import cli
for argv in {[[], *commands(cli.parser())]}:
    assert cli.run([*argv, "--help"], {{}}) == 0, argv
assert cli.run(["sync", "--batch-size", "0"], {{}}) == 2
print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stderr.splitlines()[-1] == "[]"


def test_a_sync_imports_nothing_that_it_does_not_use() -> None:
    script = f"""
import sys
from integration_pipeline import batch, registry
from integration_pipeline.commands import sync
for provider in registry.providers():
    provider.problems({{}})
print([name for name in {UNUSED} if name in sys.modules], file=sys.stderr)
"""
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stderr.splitlines()[-1] == "[]"


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in commands(cli.parser()):
        assert cli.run([*argv, "--help"], {}) == 0
        shown = capsys.readouterr()
        assert f"usage: integration-pipeline {' '.join(argv)}" in shown.out
        assert "exit codes:" in shown.out
        assert "examples:" in shown.out or "COMMAND ..." in shown.out, argv
        told = [line for line in shown.out.splitlines() if not line.startswith("  integration-pipeline ")]
        assert max(map(len, told)) <= 120, argv
        assert not shown.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_a_read_ends_the_process_and_leaves_a_true_history(
    sandbox: Sandbox, environ: Mapping[str, str], database: Database, tmp_path: Path, number: signal.Signals
) -> None:
    own = imported(sandbox, environ, tmp_path)
    sandbox.faults.add("hang", system="SLACK", route="users.list", times=None)
    argv = [*UNHURRIED, "sync", "--system-type", "SLACK"]
    with subprocess.Popen(argv, env=own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert sandbox.wait_until_a_call_hangs()
        process.send_signal(number)
        told, said = process.communicate(timeout=SOON)
    assert process.returncode == 1
    _, line, why, last = told.splitlines()
    assert line.split()[:4] == ["tenant-0001", "SLACK", "USERS", "FAILED"]
    assert why.strip().startswith("INTERRUPTED: ")
    assert last == ("cut short: 0 syncs ended, 1 interrupted, 2 not begun; the next run goes on from here")
    expected = [
        "expected: 1 connection: not known before a first good night",
        "  tenant-0001 SLACK: not known before a first good night",
    ]
    assert said.splitlines() == [*expected, f"integration-pipeline: stopped by {number.name}"]
    with database.operator() as cursor:
        rows = cursor.execute(
            "SELECT sync_type, status, error_type, completed_at IS NOT NULL FROM external_system_sync_history"
        ).fetchall()
    assert rows == [("USERS", "FAILED", "INTERRUPTED", True)]


def test_a_sync_that_a_signal_cuts_off_has_its_line_of_json(
    sandbox: Sandbox, environ: Mapping[str, str], tmp_path: Path
) -> None:
    own = imported(sandbox, environ, tmp_path)
    sandbox.faults.add("hang", system="SLACK", route="conversations.list", times=None)
    argv = [*UNHURRIED, "sync", "--system-type", "SLACK", "--output", "json"]
    with subprocess.Popen(argv, env=own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert sandbox.wait_until_a_call_hangs()
        process.send_signal(signal.SIGTERM)
        told, _ = process.communicate(timeout=SOON)
    rows = [json.loads(line) for line in told.splitlines()]
    assert [(row["sync_type"], row["status"], row["error_type"], row["api_calls_minimum"] is None) for row in rows] == [
        ("USERS", "SUCCESS", None, False),
        ("TEAMS", "FAILED", "INTERRUPTED", True),
    ]


def test_a_signal_stops_the_embedded_database_too(sandbox: Sandbox, home: Path, tmp_path: Path) -> None:
    own = imported(sandbox, {HOME: str(home), DATABASE_URL: "", KEYS: ""}, tmp_path)
    sandbox.faults.add("hang", system="SLACK", route="users.list", times=None)
    with subprocess.Popen([*UNHURRIED, "sync"], env=own, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert sandbox.wait_until_a_call_hangs()
        assert (home / "postgres" / "postmaster.pid").exists()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SOON)
    assert process.returncode == 1
    assert not (home / "postgres" / "postmaster.pid").exists()


def test_an_ordered_end_fits_into_the_three_seconds_that_are_promised() -> None:
    assert max(batch.GRACE_SECONDS + batch.CLOSING_SECONDS, publishing.GRACE_SECONDS) < cli.ORDERLY_SECONDS < 3


def test_a_second_signal_ends_the_process_at_once() -> None:
    script = """
import time
from integration_pipeline import cli
cli.ORDERLY_SECONDS = 3600
with cli._signals():
    try:
        print("works", flush=True)
        time.sleep(3600)
    finally:
        print("cleans up", flush=True)
        time.sleep(3600)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(2):
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
        process.wait(timeout=SOON)
    assert process.returncode == 1


def test_an_end_that_takes_too_long_is_cut_short() -> None:
    script = """
import time
from integration_pipeline import cli
cli.ORDERLY_SECONDS = 0.1
with cli._signals():
    try:
        print("works", flush=True)
        time.sleep(3600)
    finally:
        time.sleep(3600)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=SOON)
    assert process.returncode == 1


def test_closed_outputs_are_no_error() -> None:
    argv = f"exec {sys.executable} -m integration_pipeline keys generate >&- 2>&-"
    assert subprocess.run(["/bin/sh", "-c", argv], check=False).returncode == 0


def test_a_reader_that_goes_away_ends_the_output_and_not_the_work(
    sandbox: Sandbox, environ: Mapping[str, str], database: Database, tmp_path: Path
) -> None:
    own = imported(sandbox, environ, tmp_path)
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*PROGRAM, "sync", "--output", "json"], env=own, stdout=writing, stderr=subprocess.PIPE, check=False, text=True
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")
    with database.operator() as cursor:
        assert cursor.execute("SELECT count(*) FROM external_system_sync_history").fetchone() == (9,)


def test_an_output_that_cannot_be_written_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*PROGRAM, "keys", "generate"], stdout=full, stderr=subprocess.PIPE, check=False, text=True
        )
    assert done.returncode == 2
    assert done.stderr == "integration-pipeline: standard output cannot be written: No space left on device\n"


def test_a_database_that_goes_away_is_one_line(
    environ: Mapping[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object) -> None:
        raise psycopg.OperationalError("server closed the connection unexpectedly\n\tThis probably means …")

    monkeypatch.setattr(batches, "work", lost)
    assert cli.run(["sync"], environ) == 2
    shown = capsys.readouterr()
    assert not shown.out
    assert shown.err == (
        "integration-pipeline: the database was lost: server closed the connection unexpectedly This probably means …\n"
    )


def test_a_defect_is_no_usage_error(environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(batches, "work", broken)
    with pytest.raises(ZeroDivisionError):
        cli.run(["sync"], environ)
