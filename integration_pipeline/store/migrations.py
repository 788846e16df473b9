"""Is the database at head, and how it gets there.

What head is follows from the file names, so that a sync on an up-to-date database never pays for importing Alembic.
"""

import re
from functools import cache

import psycopg

from integration_pipeline.errors import UsageError
from integration_pipeline.store import queries, urls

_REVISION = re.compile(r"(\d{4})_\w+\.sql")
_COMMAND = "integration-pipeline migrate"


@cache
def head() -> str:
    """The newest revision this program knows."""
    names = (_REVISION.fullmatch(path.name) for path in (queries.folder() / "migrations" / "versions").iterdir())
    return max(name[1] for name in names if name)


def problem(found: str | None) -> str | None:
    """What is wrong with a database at this revision, in words; None when it is at head."""
    if found == head():
        return None
    if found is None:
        return f"the database is empty: run `{_COMMAND}`"
    if found > head():
        return f"the database is at revision {found}, newer than this program's {head()}: update the program"
    return f"the database is at revision {found}, older than this program's {head()}: run `{_COMMAND}`"


def revision(session: psycopg.Connection) -> str | None:
    """The revision the database is at; None when it was never migrated."""
    if session.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,):
        return None
    found = session.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if found is None else str(found[0])


def upgrade(url: str) -> tuple[str | None, str]:
    """Bring the database to head: all of it in one transaction, while any other migrating process waits.

    :returns: the revisions before and after; equal when there was nothing to do.
    :raises UsageError: it cannot be reached, is newer than this program, or the login may not do it.
    """
    with urls.connect(url, name="integration-pipeline migrate") as session:
        before = revision(session)
        if before == head():
            return before, before
        if before is not None and before > head():
            raise UsageError(str(problem(before)))
    try:
        _run(url)
    except psycopg.errors.InsufficientPrivilege as error:
        raise UsageError(
            f"this login may not migrate the database: {error.diag.message_primary} (it must own the database, and "
            "either have CREATEROLE or be a member of integration_pipeline_worker and integration_pipeline_operator)"
        ) from error
    except psycopg.Error as error:
        raise UsageError(f"the migration failed, nothing was changed: {error.diag.message_primary or error}") from error
    return before, head()


def _run(url: str) -> None:
    import sqlalchemy  # noqa: PLC0415 - both are slow to import and needed for a migration only
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://",
        creator=lambda: urls.connect(url, autocommit=False, name="integration-pipeline migrate"),
        poolclass=sqlalchemy.NullPool,
    )
    config = Config()
    config.set_main_option("script_location", str(queries.folder() / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except sqlalchemy.exc.DBAPIError as error:
        # One way or the other, a migration's error is psycopg's.
        raise error.orig or error from error
