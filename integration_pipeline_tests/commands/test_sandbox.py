"""``sandbox``: serves until a signal, and says how to point the pipeline at it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from integration_pipeline.commands.worlds import write_files
from integration_pipeline.sandbox import world as worlds

SOON = 60
"""A guard against hanging for ever, no expectation."""


def test_the_sandbox_serves_until_a_signal(tmp_path: Path) -> None:
    world = tmp_path / "world.json"
    world.write_text(json.dumps({"tenants": [{"tenant_id": "rehearsal"}]}))
    argv = [sys.executable, "-m", "integration_pipeline", "sandbox"]
    argv += ["--world", str(world), "--write-files", str(tmp_path / "files")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = [process.stdout.readline() for _ in range(5)]
        while "its tenants.csv" not in process.stderr.readline():
            pass
        variables = dict(line.removeprefix("export ").rstrip("\n").split("=", 1) for line in lines)
        url = variables["INTEGRATION_PIPELINE_SLACK_URL"]
        assert httpx.post(f"{url}auth.test", trust_env=False).json()["ok"] is False
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SOON)
    assert process.returncode == 0
    assert all(name.startswith("INTEGRATION_PIPELINE_") for name in variables)
    assert sorted(path.name for path in (tmp_path / "files").iterdir()) == [
        "connections.json", "spreadsheets.json", "tenants.csv", "users.csv",
    ]  # fmt: skip


def test_the_files_are_those_of_the_world(tmp_path: Path) -> None:
    world = worlds.build(tenants=1, users=2)
    write_files(world, tmp_path)
    assert (tmp_path / "tenants.csv").read_text(encoding="utf-8") == world.tenants_csv()
