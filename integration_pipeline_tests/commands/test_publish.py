"""``spreadsheets import`` and ``publish``, from the outside."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from integration_pipeline.publish.sandbox.routes import Shared
from integration_pipeline.sandbox import world as worlds
from integration_pipeline.sandbox.server import Sandbox
from integration_pipeline_tests.commands.conftest import Command
from integration_pipeline_tests.publish import google

KEYS = ["tenant_id", "spreadsheet_id", "from", "to", "rows_written", "google_calls", "status", "error_message"]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Three tenants with spreadsheets."""
    with Sandbox(worlds.build(tenants=3, users=1, channels=0, teams=0, oddities=False)) as sandbox:
        yield sandbox


@pytest.fixture
def published(online: Command, sandbox: Sandbox, tmp_path: Path) -> Command:
    """``command``, with the sandbox's spreadsheets imported too."""
    result = online("spreadsheets", "import", str(tmp_path / "world" / "spreadsheets.json"))
    assert (result.code, result.out) == (0, "3 spreadsheets created, 0 updated, 0 unchanged\n")
    assert "PRIVATE" not in result.out + result.err
    return online


def test_a_file_that_is_wrong_imports_nothing(online: Command, sandbox: Sandbox, tmp_path: Path) -> None:
    entries = json.loads(sandbox.world.spreadsheets_json())
    entries[2]["tenant_id"] = "nobody"
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps(entries))
    assert f"{file}: entry 3 (nobody): there is no such tenant" in online("spreadsheets", "import", str(file)).one_line
    file.write_text("[{")
    assert "line 1, column 3: not JSON" in online("spreadsheets", "import", str(file)).one_line
    assert "nothing to publish" in online("publish").err


def test_nothing_to_publish_is_no_error(command: Command) -> None:
    result = command("publish")
    assert (result.code, result.out) == (0, "")
    assert "spreadsheets import --help" in result.err


def test_a_backfill_is_a_line_for_each_tenant(published: Command, sandbox: Sandbox) -> None:
    result = published("publish", "--from", "2026-10-01", "--to", "2026-10-30", "--output", "json")
    assert result.code == 0, result
    assert [list(row) for row in result.rows] == [KEYS] * 3
    by_tenant = {row["tenant_id"]: row for row in result.rows}
    assert by_tenant["tenant-0001"] == {
        "tenant_id": "tenant-0001",
        "spreadsheet_id": google.entry(sandbox, "tenant-0001")["spreadsheet_id"],
        "from": "2026-10-01",
        "to": "2026-10-30",
        "rows_written": 30,
        "google_calls": 2,
        "status": "SUCCESS",
        "error_message": None,
    }
    assert len(google.book(sandbox).table("KPI Tracking")) == 31
    again = published("publish", "--day", "2026-10-01", "--tenant-id", "tenant-0002", "--output", "json")
    assert [(row["tenant_id"], row["rows_written"]) for row in again.rows] == [("tenant-0002", 1)]


def test_one_tenants_trouble_is_told_with_what_to_do_and_the_exit_code(published: Command, sandbox: Sandbox) -> None:
    shared = sandbox.world.workspace("tenant-0002", "GOOGLE_SHEETS")
    assert isinstance(shared, Shared)
    shared.book.problem = "not_shared"
    result = published("publish")
    assert result.code == 1
    assert "tenant-0002  FAILED" in result.out
    assert f"what to do: Share the spreadsheet with {shared.book.owner} as an editor" in result.out
    assert result.out.splitlines()[-1].startswith("3 spreadsheets: 2 well, 1 not; 2 rows, ")
    result = published("publish", "--output", "json")
    assert result.code == 1
    assert sorted(row["status"] for row in result.rows) == ["FAILED", "SUCCESS", "SUCCESS"]
    assert f"tenant-0002: what to do: Share the spreadsheet with {shared.book.owner}" in result.err
    # A read and no more for the one, a read and a write for the others.
    assert sorted(row["google_calls"] for row in result.rows) == [1, 2, 2]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--tenant-id", "nobody"), "there is no tenant nobody"),
        (("--day", "2026-02-30"), "'2026-02-30' is no day"),
        (("--day", "2026-01-01", "--from", "2026-01-01"), "--day is one day"),
        (("--from", "2026-01-01"), "--from and --to belong together"),
        (("--from", "2026-01-02", "--to", "2026-01-01"), "the first must not be after the last"),
        (("--day", "2999-01-01"), "2999-01-01 is still to come"),
        (("--from", "1990-01-01", "--to", "2026-01-01"), "more than 3660 days"),
        (("--output", "xml"), "'xml' is none of text, json"),
    ],
)
def test_wrong_usage_is_one_line(published: Command, argv: tuple[str, ...], said: str) -> None:
    assert said in published("publish", *argv).one_line


def test_a_tenant_without_a_spreadsheet_is_named(online: Command) -> None:
    line = online("publish", "--tenant-id", "tenant-0001").one_line
    assert "tenant-0001 has no spreadsheet: see 'integration-pipeline spreadsheets import --help'" in line


def test_a_lost_key_is_one_line(published: Command) -> None:
    other = "other:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    line = published("publish", INTEGRATION_PIPELINE_KEYS=other).one_line
    assert "service_account of tenant-0001 GOOGLE_SHEETS is sealed with the key test" in line


def test_ctrl_c_ends_a_hanging_call_at_once(published: Command, sandbox: Sandbox, environ: Mapping[str, str]) -> None:
    sandbox.faults.add("hang", system="GOOGLE_SHEETS", route="POST :batchUpdate", times=None)
    with subprocess.Popen(
        [sys.executable, "-m", "integration_pipeline", "publish"],
        env={**os.environ, **environ, **sandbox.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert sandbox.wait_until_a_call_hangs(60)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "stopped by SIGINT" in err
    assert "Traceback" not in err
    sandbox.faults.clear()
    sandbox.release()
    assert published("publish").code == 0
