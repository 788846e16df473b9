"""``keys``: a new one, and everything sealed anew with it."""

import base64
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from integration_pipeline.crypto import Keyring
from integration_pipeline.settings import HOME, KEYS
from integration_pipeline.store import connections
from integration_pipeline.store.engine import Database
from integration_pipeline_tests import builders
from integration_pipeline_tests.builders import SLACK
from integration_pipeline_tests.commands.conftest import Command, Result

NEW = f"new:{base64.b64encode(bytes([7] * 32)).decode()}"
WRONG = f"test:{base64.b64encode(bytes([8] * 32)).decode()}"


@pytest.fixture
def stored(database: Database, keyring: Keyring) -> None:
    builders.add_connection(database, keyring, builders.connection(refresh_token=SecretStr("hunter2")))
    builders.add_connection(database, keyring, builders.connection("tenant-b"))


@pytest.mark.usefixtures("stored")
def test_rotating_says_what_was_done_and_which_key_may_go(command: Command, database: Database) -> None:
    result = command("keys", "rotate", **{KEYS: f"{NEW},{builders.KEYS}"})
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "3 secrets of 2 tenants sealed anew with the key new",
        "  test had sealed 3",
        "no longer used, may be dropped from the ring: test",
    ]
    assert connections.read(database, Keyring.parse(NEW), "tenant-a", SLACK).refresh_token == SecretStr("hunter2")


@pytest.mark.usefixtures("stored")
def test_rotating_again_has_nothing_to_do(command: Command) -> None:
    command("keys", "rotate", **{KEYS: f"{NEW},{builders.KEYS}"})
    result = command("keys", "rotate", **{KEYS: f"{NEW},{builders.KEYS}"})
    assert result.out.splitlines()[0] == "nothing to do: all 3 secrets are sealed with the key new"
    assert command("keys", "rotate", **{KEYS: NEW}).out.count("\n") == 1


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("ring", "said"),
    [
        (
            NEW,
            "3 secrets cannot be opened, the first: access_token of tenant-a SLACK is sealed with the key test, which",
        ),
        (f"{NEW},{WRONG}", "does not open with the key test: another key of that name sealed it"),
        (WRONG, "does not open with the key test: another key of that name sealed it"),
        ("", "is not set: `integration-pipeline keys generate`"),
        ("file:/nowhere/keys", "the keys in /nowhere/keys cannot be read"),
    ],
)
@pytest.mark.parametrize("argv", [("keys", "rotate"), ("sync",), ("sync", "--dry-run")])
def test_a_wrong_or_missing_key_is_one_line(command: Command, argv: tuple[str, ...], ring: str, said: str) -> None:
    if argv[0] == "sync":
        said = said.removeprefix("3 secrets cannot be opened, the first: ")
    assert said in command(*argv, **{KEYS: ring}).one_line


def test_the_help_s_way_to_a_new_key_in_the_generated_ring_works(run: Callable[..., Result], home: Path) -> None:
    folder = home / ".integration-pipeline"
    embedded = {HOME: str(folder)}
    assert run(["connections", "list"], embedded).code == 0
    assert run(["keys", "rotate"], embedded).out.startswith("nothing to do: all 0 secrets")
    (before,) = (folder / "keys").read_text().splitlines()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    (line,) = [line for line in run(["keys", "rotate", "--help"], {}).out.splitlines() if "umask" in line]
    subprocess.run(["bash", "-c", line], cwd=home, env={"PATH": path}, check=True)
    first, second = (folder / "keys").read_text().splitlines()
    assert (first == before, second) == (False, before)
    assert stat.S_IMODE((folder / "keys").stat().st_mode) == 0o600
    assert "may be dropped from the ring: " + before.partition(":")[0] in run(["keys", "rotate"], embedded).out
