"""The command line in this process: arguments in, exit code and both outputs out."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from integration_pipeline import cli
from integration_pipeline.commands.worlds import write_files
from integration_pipeline.sandbox import world as worlds
from integration_pipeline.sandbox.server import Sandbox
from integration_pipeline.sandbox.world import World


class Result(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Its JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def one_line(self) -> str:
        """Its one line on standard error, where nothing else may be."""
        assert self.code == 2, self
        assert not self.out
        assert self.err.count("\n") == 1, self.err
        assert self.err.endswith("\n")
        assert "Traceback" not in self.err
        return self.err


Command = Callable[..., Result]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[[Sequence[str], Mapping[str, str]], Result]:
    """``run(["sync"], environ)``."""

    def runs(argv: Sequence[str], environ: Mapping[str, str]) -> Result:
        capsys.readouterr()
        code = cli.run(argv, environ)
        return Result(code, *capsys.readouterr())

    return runs


@pytest.fixture
def command(run: Command, environ: Mapping[str, str]) -> Command:
    """``command("sync", "--dry-run")``, on this test's database."""

    def runs(*argv: str, **more: str) -> Result:
        return run(argv, {**environ, **more})

    return runs


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Two small tenants, without anything odd."""
    world = worlds.build(tenants=2, users=12, channels=4, teams=3, groups=1, oddities=False)
    with Sandbox(world) as sandbox:
        yield sandbox


@pytest.fixture
def world(sandbox: Sandbox) -> World:
    return sandbox.world


@pytest.fixture
def online(run: Command, environ: Mapping[str, str], sandbox: Sandbox, tmp_path: Path) -> Command:
    """``command``, with the sandbox's tenants, users and connections imported, and the providers imitated."""
    own = {**environ, **sandbox.environment}
    folder = tmp_path / "world"
    write_files(sandbox.world, folder)
    for noun, name in (("tenants", "tenants.csv"), ("users", "users.csv"), ("connections", "connections.json")):
        assert run([noun, "import", str(folder / name)], own).code == 0

    def runs(*argv: str, **more: str) -> Result:
        return run(argv, {**own, **more})

    return runs
