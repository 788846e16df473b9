"""``dev`` without Dagster: on which tenants it opens, what its children are told, and that none of them is left."""

import os
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import psycopg
import pytest

from integration_pipeline import settings
from integration_pipeline.commands import ui
from integration_pipeline.crypto import Keyring
from integration_pipeline.pipeline import endpoints, open_database
from integration_pipeline.settings import DAGSTER_DATABASE_URL, DATABASE_URL, HOME, KEYS, Settings
from integration_pipeline.store.engine import Database
from integration_pipeline_tests import builders, ports
from integration_pipeline_tests.chaos.commands import wait_until
from integration_pipeline_tests.commands.conftest import Command

ENDLESS = "import time\nprint(flush=True)\nwhile True: time.sleep(1)"


def loaded(environ: Mapping[str, str]) -> Settings:
    return settings.load(environ, endpoints())


def test_a_home_without_tenants_opens_on_the_demo_in_a_home_of_its_own(home: Path) -> None:
    environ = {HOME: str(home), "PATH": os.environ["PATH"]}
    for _ in range(2):
        with ui.stage(environ, loaded(environ)) as found:
            assert found.settings.home == home / "demo"
            assert found.environ["INTEGRATION_PIPELINE_SLACK_URL"].startswith("http://127.0.0.1:")
            with Database.open(found.database_url) as database, database.operator() as cursor:
                assert cursor.execute("SELECT count(*) FROM tenants").fetchone() == (4,)
    assert not (home / "postgres").exists()


def test_a_home_with_tenants_opens_on_them(home: Path) -> None:
    environ = {HOME: str(home)}
    with open_database(loaded(environ)) as database:
        builders.add_tenant(database)
    with ui.stage(environ, loaded(environ)) as found:
        assert found.environ is environ
        assert found.who == "1 tenant"
    assert not (home / "demo").exists()


def test_a_database_that_is_named_is_taken_as_it_is(environ: Mapping[str, str], database_url: str) -> None:
    with ui.stage(environ, loaded(environ)) as found:
        assert found.database_url == database_url
        assert found.who == "0 tenants"


def test_the_children_are_told_where_everything_is(
    environ: Mapping[str, str], tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setattr(ui, "shipped", lambda name: tmp_path / name)
    configured = loaded(environ)
    found = ui.dagster_environment({**environ, "PATH": "/bin"}, settings=configured, database_url=database_url)
    own_home = Path(found["DAGSTER_HOME"])
    assert own_home == configured.home / "dagster"
    assert (own_home / "dagster.yaml").read_text() == "telemetry: {enabled: false}\n"
    assert found[DATABASE_URL] == database_url
    assert found[KEYS] == builders.KEYS
    assert found["PATH"] == "/bin"
    assert found[DAGSTER_DATABASE_URL].startswith("postgresql+psycopg2://")
    with psycopg.connect(found[DAGSTER_DATABASE_URL].replace("+psycopg2", "")) as session:
        assert session.info.dbname == "dagster"


def test_generated_keys_are_handed_on_as_a_file(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dagster.yaml").touch()
    monkeypatch.setattr(ui, "shipped", lambda name: tmp_path / name)
    configured = Settings(home=tmp_path / "home")
    found = ui.dagster_environment({}, settings=configured, database_url=database_url)
    with_url = loaded({HOME: str(configured.home), DATABASE_URL: database_url, KEYS: found[KEYS]})
    assert repr(Keyring.load(with_url)) == repr(Keyring.load(configured))


def test_a_taken_port_is_one_line(command: Command) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port} cannot be used" in command("dev", "--port", str(port)).one_line


def test_a_home_that_cannot_be_looked_into_is_one_line(run: Command, tmp_path: Path) -> None:
    home = tmp_path / ("x" * 256)
    told = f"integration-pipeline: {home}/demo cannot be written: File name too long\n"
    assert run(["dev", "--port", str(ports.unused())], {**os.environ, HOME: str(home)}).one_line == told


def test_the_end_of_the_block_ends_children_and_grandchildren(capfd: pytest.CaptureFixture[str]) -> None:
    script = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {ENDLESS!r}], check=False)"
    with ui.Children([sys.executable, "-c", script], os.environ) as children:
        assert children.ended() is None
        while not capfd.readouterr().err:
            assert children.ended() is None
        group = os.getpgid(children.pid)
        assert group != os.getpgid(0)
    wait_until(lambda: is_gone(group))  # who was killed is, once the system gets round to it


def is_gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_signal_asks_for_the_end_and_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with ui.Children([sys.executable, "-c", ENDLESS], os.environ) as children:
        assert not children.is_asked_to_end
        os.kill(os.getpid(), signal.SIGTERM)
        assert children.is_asked_to_end
    assert signal.getsignal(signal.SIGTERM) is before


def test_dagster_ending_by_itself_is_said(
    run: Command, environ: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dagster.yaml").write_text("")
    monkeypatch.setattr(ui, "shipped", lambda name: tmp_path / name)
    monkeypatch.setattr(ui, "DAGSTER", [sys.executable, "-c", "raise SystemExit(7)"])
    result = run(["dev", "--port", str(ports.unused())], {**os.environ, **environ})
    assert result.code == 1
    assert "ended by itself with code 7" in result.err
