"""Dagster's webserver and daemon as children: their environment, their start, and their end with ours."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple, Self

import httpx

from integration_pipeline import settings
from integration_pipeline.commands.output import emit, say
from integration_pipeline.commands.worlds import arrive, demo_environ, demo_home
from integration_pipeline.crypto import HOME_KEYS
from integration_pipeline.errors import UsageError
from integration_pipeline.pipeline import endpoints
from integration_pipeline.sandbox.server import Sandbox
from integration_pipeline.sandbox.world import demo
from integration_pipeline.settings import DAGSTER_DATABASE_URL, DATABASE_URL, HOME, KEYS, Settings
from integration_pipeline.store import migrations, people, sealing, urls
from integration_pipeline.store.embedded import Embedded
from integration_pipeline.store.engine import Database
from integration_pipeline.text import count

HOST = "127.0.0.1"
DAGSTER = (sys.executable, "-m", "dagster", "dev")
START_SECONDS = 180
"""How long the UI may take to answer: half a minute on two idle cores."""

END_SECONDS = 8
"""How long Dagster's processes may take to end by themselves."""

_POLL_SECONDS = 0.2
_STANDARD_ERROR = 2
_PACKAGE = Path(__file__).resolve().parents[1]


class Stage(NamedTuple):
    """On which tenants the UI opens."""

    settings: Settings
    database_url: str
    environ: Mapping[str, str]
    who: str


def serve(environ: Mapping[str, str], *, port: int) -> int:
    """Run the UI until a signal, or until Dagster ends by itself.

    :raises UsageError: the port is taken, or the configuration is wrong.
    """
    configured = settings.load(environ, endpoints())
    _require_free(port)
    with stage(environ, configured) as found:
        variables = dagster_environment(found.environ, settings=found.settings, database_url=found.database_url)
        command = [*DAGSTER, "-w", str(shipped("workspace.yaml")), "-h", HOST, "-p", str(port)]
        with Children(command, variables) as children:
            return _watch(children, f"http://{HOST}:{port}", found.who)


@contextmanager
def stage(environ: Mapping[str, str], configured: Settings) -> Iterator[Stage]:
    """The real tenants, or where the embedded database has none, the demo's companies in the demo's own home."""
    with ExitStack() as stack:
        url = configured.database_url
        if url is None and os.path.exists(configured.home / "postgres" / "PG_VERSION"):  # noqa: PTH110 - not to be read is an answer
            url = stack.enter_context(Embedded(configured.home))
            migrations.upgrade(url)
        tenants = 0 if url is None else _tenants(url)
        if url is not None and (tenants or configured.database_url is not None):
            yield Stage(configured, url, environ, count(tenants, "tenant"))
            return
        home = stack.enter_context(demo_home(configured))
        sandbox = stack.enter_context(Sandbox(demo()))
        url = stack.enter_context(Embedded(home))
        migrations.upgrade(url)
        own = demo_environ(environ, home, sandbox.environment)
        demo_settings = settings.load(own, endpoints())
        with Database.open(url) as database:
            arrive(sandbox.world, database, sealing.ring(demo_settings, database), demo_settings)
        yield Stage(demo_settings, url, own, f"the demo's companies, their providers imitated on {sandbox.url}")


def dagster_environment(environ: Mapping[str, str], *, settings: Settings, database_url: str) -> dict[str, str]:
    """What Dagster's processes need to know: where this database, the keys, and Dagster's own storage and home are.

    The home gets the ``dagster.yaml`` that this program ships; Dagster's database is created where it is missing.

    :raises UsageError: a key, the storage or the home cannot be had.
    """
    with Database.open(database_url) as database:
        sealing.ring(settings, database)
    home = settings.home / "dagster"
    try:
        home.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(shipped("dagster.yaml"), home / "dagster.yaml")
    except OSError as error:
        raise UsageError(f"{home} cannot be written: {error.strerror}") from error
    return {
        **environ,
        "DAGSTER_HOME": str(home),
        HOME: str(settings.home),
        DATABASE_URL: database_url,
        # Its own spelling: with the driver that Dagster's storage installs.
        DAGSTER_DATABASE_URL: urls.dagster_url(settings, database_url),
        KEYS: settings.keys or f"file:{settings.home / HOME_KEYS}",
    }


def shipped(name: str) -> Path:
    """A file that lies beside the package in a checkout and inside it once installed."""
    installed = _PACKAGE / name
    return installed if installed.is_file() else _PACKAGE.parent / name


class Children:
    """A command and all that it starts, in a process group of its own; the block's end ends them all."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        self._command = command
        self._environ = environ
        self._is_asked = False
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        # Before they are started: a signal in between would leave them to themselves.
        self._before = {number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)}
        # A terminal's Ctrl-C must reach us alone: the children are ended in order, and then for sure.
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
            self._command, env=dict(self._environ), start_new_session=True, stdout=_STANDARD_ERROR
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._kill(signal.SIGTERM)
        until = time.monotonic() + END_SECONDS
        while self._is_alive() and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)
        self._kill(signal.SIGKILL)
        if self._process is not None:
            # On a busy machine it was killed just now, and would stay a zombie.
            self._process.wait()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def pid(self) -> int:
        """The command's own, and its group's."""
        if self._process is None:
            raise RuntimeError("it was not started")
        return self._process.pid

    @property
    def is_asked_to_end(self) -> bool:
        return self._is_asked

    def ended(self) -> int | None:
        """The exit code, when the command ended by itself."""
        return self._process.poll() if self._process else None

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        if self._is_asked:
            self._kill(signal.SIGKILL)
        self._is_asked = True

    def _is_alive(self) -> bool:
        """Whether any of them is left."""
        self.ended()
        return self._kill(0)

    def _kill(self, number: int) -> bool:
        if self._process is None:
            return False
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return False
        return True


def _watch(children: Children, url: str, who: str) -> int:
    """Say when the UI answers, and stay until somebody ends it."""
    say(f"starting Dagster on {who}; this takes about half a minute")
    until, is_up = time.monotonic() + START_SECONDS, False
    while not children.is_asked_to_end:
        code = children.ended()
        if code is not None:
            say(f"Dagster ended by itself with code {code}; what it said stands above")
            return 1
        if not is_up and _answers(url):
            is_up = True
            emit(url)
            say(f"the Dagster UI is open on {url} with {who}; Ctrl-C ends it")
        if not is_up and time.monotonic() > until:
            say(f"Dagster did not answer on {url} within {START_SECONDS} s")
            return 1
        time.sleep(_POLL_SECONDS)
    return 0


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/server_info", trust_env=False, timeout=2).is_success
    except httpx.TransportError:
        return False


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UsageError(f"port {port} cannot be used: {error.strerror}; --port names another") from error


def _tenants(url: str) -> int:
    with Database.open(url) as database:
        return len(people.list_tenants(database))
