"""Database URLs keep their meaning on the way to another database or driver."""

from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import make_url

from integration_pipeline.errors import UsageError
from integration_pipeline.settings import Settings
from integration_pipeline.store import urls

URLS = [
    "postgresql://user:p%40ss%2Fword@db.example.com:5433/pipeline?sslmode=require",
    "postgresql:///pipeline?host=/tmp/a%20folder",
    "postgresql://[::1]:5433/pipeline",
    "postgresql://one:1,two:2/pipeline?target_session_attrs=read-write",
    "postgres://user@localhost/pipeline",
]


@pytest.mark.parametrize("url", URLS)
def test_another_database_of_the_same_server_differs_in_nothing_else(url: str) -> None:
    assert conninfo_to_dict(urls.with_database(url, "other db")) == {**conninfo_to_dict(url), "dbname": "other db"}


@pytest.mark.parametrize("url", URLS)
def test_sqlalchemy_reads_it_the_same_way(url: str) -> None:
    made = make_url(urls.with_database(url, "dagster", driver="+psycopg2"))
    arguments = made.get_dialect()().create_connect_args(made)[1]
    assert made.drivername == "postgresql+psycopg2"
    assert {**arguments, "dbname": "dagster"} == {**conninfo_to_dict(url), "dbname": "dagster"}


def test_a_url_that_does_not_parse_is_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        urls.with_database("postgresql://u:hunter2@h/d?nonsense=1", "x")
    assert "hunter2" not in str(caught.value)


def test_a_database_that_is_not_found_is_named_without_the_operating_systems_number() -> None:
    error = psycopg.OperationalError("failed to resolve host 'db.example.com':\n [Errno -2] Name or service not known")
    assert str(urls.unreachable("postgresql://u@db.example.com/x", error)) == (
        "the database at db.example.com:5432/x cannot be used: "
        "failed to resolve host 'db.example.com': Name or service not known"
    )


def test_a_database_is_created_once(server_url: str) -> None:
    urls.create_database(server_url, 'odd "name"')
    urls.create_database(server_url, 'odd "name"')
    with psycopg.connect(urls.with_database(server_url, 'odd "name"')) as session:
        assert session.info.dbname == 'odd "name"'


def test_dagsters_storage_stands_beside_ours_by_default(server_url: str, tmp_path: Path) -> None:
    url = make_url(urls.dagster_url(Settings(home=tmp_path), server_url))
    assert (url.drivername, url.database) == ("postgresql+psycopg2", "dagster")
    with psycopg.connect(urls.with_database(server_url, "dagster")) as session:
        assert session.info.dbname == "dagster"


def test_dagsters_storage_may_be_anywhere_else(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, dagster_database_url="postgresql://user:word@elsewhere/storage")
    url = make_url(urls.dagster_url(settings, "postgresql://unused/x"))
    assert (url.drivername, url.database, url.query["host"]) == ("postgresql+psycopg2", "storage", "elsewhere")


def test_dagsters_url_is_named_when_it_is_none(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, dagster_database_url="postgresql://u:hunter2@h/d?nonsense=1")
    with pytest.raises(UsageError, match="INTEGRATION_PIPELINE_DAGSTER_DATABASE_URL"):
        urls.dagster_url(settings, "postgresql://unused/x")


def test_a_login_that_may_not_create_is_told_which_database_is_missing(server_url: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as session:
        session.execute("CREATE ROLE poor LOGIN")
        try:
            with pytest.raises(UsageError, match="'nowhere' does not exist"):
                urls.create_database(
                    urls.with_database(server_url, "postgres").replace("postgres@", "poor@"), "nowhere"
                )
        finally:
            session.execute("DROP ROLE poor")
