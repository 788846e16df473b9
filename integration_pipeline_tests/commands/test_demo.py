"""The demo: it succeeds twice in the same home, notices what is not as it should be, and touches nothing real."""

import subprocess
import sys
from pathlib import Path

import pytest

from integration_pipeline.commands import morning, worlds
from integration_pipeline.sandbox.world import World, demo
from integration_pipeline.settings import DATABASE_URL, HOME
from integration_pipeline_tests.commands.conftest import Command


def test_the_demo_shows_the_morning_twice_in_the_same_home(run: Command, home: Path) -> None:
    for _ in range(2):
        result = run(["demo"], {HOME: str(home), DATABASE_URL: "postgresql://real.example/tenants"})
        assert result.code == 0, result
        assert "As it should be" in result.out
        assert "AUTH_ERROR" in result.out
        assert result.out.count("33 SUCCESS, 3 FAILED") == 2
        assert "the last sync of each type: 33 succeeded, 3 failed" in result.out
        assert "4 spreadsheets: 4 well, 0 not; 28 rows, 8 calls to Google" in result.out
        assert "株式会社さくら製作所, sheet 'KPI Tracking':" in result.out
        assert "Integration report for " in result.out
        assert (home / "demo" / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert [path.name for path in home.iterdir()] == ["demo"]


def test_anything_unexpected_makes_the_demo_fail(run: Command, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> World:
        world = demo()
        world.workspace("sakura", "TEAMS").access.problem = "7000222"
        return world

    monkeypatch.setattr(morning, "demo", broken)
    result = run(["demo"], {HOME: str(home)})
    assert result.code == 1
    assert "not as it should be: sakura TEAMS USERS is FAILED: AUTH_ERROR" in result.out


def test_two_demos_do_not_meet(run: Command, home: Path) -> None:
    script = (
        "import sys\n"
        "from integration_pipeline import settings\n"
        "from integration_pipeline.commands import worlds\n"
        "with worlds.demo_home(settings.load({settings.HOME: sys.argv[1]}, ())):\n"
        "    print(flush=True)\n"
        "    sys.stdin.read()\n"
    )
    argv = [sys.executable, "-c", script, str(home)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        line = run(["demo"], {HOME: str(home)}).one_line
        other.communicate()
    assert "end it first" in line


def test_the_demos_environment_has_nothing_of_the_operators() -> None:
    environ = {"PATH": "/bin", "INTEGRATION_PIPELINE_KEYS": "real", DATABASE_URL: "postgresql://real"}
    found = worlds.demo_environ(environ, Path("/home"), {"INTEGRATION_PIPELINE_SLACK_URL": "http://127.0.0.1:1/"})
    assert found == {"PATH": "/bin", HOME: "/home", "INTEGRATION_PIPELINE_SLACK_URL": "http://127.0.0.1:1/"}
