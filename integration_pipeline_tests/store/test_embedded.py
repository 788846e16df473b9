"""The embedded server: shared, stopped by its last user, and up again after anything."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from integration_pipeline.errors import UsageError
from integration_pipeline.store.embedded import Embedded

KILLED = """
import os, sys
from pathlib import Path
from integration_pipeline.store.embedded import Embedded
with Embedded(Path(sys.argv[1])) as url:
    import psycopg
    with psycopg.connect(url) as session:
        session.execute("CREATE TABLE survives ()")
    os.kill(os.getpid(), 9)
"""


def is_running(home: Path) -> bool:
    return (home / "postgres" / "postmaster.pid").exists()


def tables(url: str) -> list[str]:
    with psycopg.connect(url) as session:
        return [name for (name,) in session.execute("SELECT relname FROM pg_class WHERE relname ~ '^survives'")]


def test_it_comes_up_again_after_its_user_was_killed_and_the_last_user_stops_it(home: Path) -> None:
    killed = subprocess.run([sys.executable, "-W", "error", "-c", KILLED, str(home)], capture_output=True, check=False)
    assert (killed.returncode, killed.stdout, killed.stderr) == (-signal.SIGKILL, b"", b"")
    assert is_running(home)
    with Embedded(home) as first:
        with Embedded(home) as second:
            assert first == second
            assert tables(second) == ["survives"]
        assert is_running(home)
        assert tables(first) == ["survives"]
    assert not is_running(home)


def test_a_crash_of_everything_is_recovered_from(home: Path) -> None:
    with Embedded(home) as url:
        with psycopg.connect(url, autocommit=True) as session:
            session.execute("CREATE TABLE survives ()")
        pid_file = home / "postgres" / "postmaster.pid"
        postmaster = int(pid_file.read_text().splitlines()[0])
        content = pid_file.read_text()
    # The machine went down: the file stayed, and its number is another program's today.
    pid_file.write_text(content.replace(str(postmaster), str(os.getpid()), 1))
    with Embedded(home) as url:
        assert tables(url) == ["survives"]
    pid_file.write_text("")
    with Embedded(home) as url:
        assert tables(url) == ["survives"]


def test_a_cluster_that_was_cut_off_while_it_was_made_is_made_anew(home: Path) -> None:
    draft = home / "postgres.new"
    draft.mkdir()
    (draft / "PG_VERSION").write_text("18\n")
    with Embedded(home) as url:
        assert tables(url) == []
    assert not draft.exists()


def test_the_home_may_be_missing_relative_deep_and_have_spaces(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    with Embedded(Path("a home") / ("deep" * 30)) as url:
        assert tables(url) == []
        with psycopg.connect(url) as session:
            assert session.info.dbname == "integration_pipeline"


def test_nobody_else_on_the_machine_gets_in(home: Path) -> None:
    with Embedded(home) as url, psycopg.connect(url) as session:
        assert session.execute("SHOW unix_socket_permissions").fetchone() == ("0700",)
        assert session.execute("SHOW listen_addresses").fetchone() == ("",)


def test_a_home_that_cannot_be_made_is_named(home: Path) -> None:
    (home / "file").write_text("")
    with pytest.raises(UsageError, match=r"file/home cannot be made: Not a directory$") as caught:
        Embedded(home / "file" / "home").__enter__()
    assert caught.value.remedy == "let this user write it, or name another one with INTEGRATION_PIPELINE_HOME"


def test_a_home_that_cannot_be_written_is_named() -> None:
    with pytest.raises(UsageError, match="/proc/self"), Embedded(Path("/proc/self")):
        pass


def test_a_home_that_postgresql_cannot_quote_is_named(home: Path) -> None:
    with pytest.raises(UsageError, match="cannot quote"), Embedded(home / "$HOME"):
        pass


def test_another_versions_cluster_is_named(home: Path) -> None:
    (home / "postgres").mkdir()
    (home / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(UsageError, match="16"), Embedded(home):
        pass


def test_a_server_that_does_not_start_says_where_its_log_is(home: Path) -> None:
    with Embedded(home):
        pass
    with (home / "postgres" / "postgresql.conf").open("a") as configuration:
        configuration.write("shared_buffers = nonsense\n")
    with pytest.raises(UsageError, match="postgres/log says why") as caught, Embedded(home):
        pass
    assert "\n" not in str(caught.value)
