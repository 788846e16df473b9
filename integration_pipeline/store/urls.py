"""Database URLs: taken apart, put together, and never shown with their password."""

from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from integration_pipeline.errors import UsageError, reason
from integration_pipeline.settings import DAGSTER_DATABASE_URL, DATABASE_URL, Settings

CONNECT_TIMEOUT_SECONDS = 5


def connect(url: str, *, autocommit: bool = True, name: str = "integration-pipeline") -> psycopg.Connection:
    """A session of its own.

    :raises UsageError: the database cannot be reached; one line, no password.
    """
    try:
        return psycopg.connect(url, autocommit=autocommit, **parameters(name))
    except psycopg.Error as error:
        raise unreachable(url, error) from None


def parameters(name: str) -> dict[str, Any]:
    """What every session is opened with. Keepalives let a night's idle sessions outlive a firewall's patience."""
    return {
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "keepalives_idle": 30,
        "application_name": name,
        "client_encoding": "utf8",
    }


def unreachable(url: str, error: Exception) -> UsageError:
    """The one line for a database that does not answer or refuses.

    libpq quotes an URL it cannot parse, password and all, so its words are used for an URL that parses only.
    """
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return UsageError(f"{DATABASE_URL} is not a PostgreSQL URL")
    said = reason(error)
    password = parts.get("password")
    if password:
        said = said.replace(str(password), "***")
    where = f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"
    return UsageError(f"the database at {where} cannot be used: {said}")


def with_database(url: str, database: str, *, driver: str = "") -> str:
    """The same server's other database, in SQLAlchemy's spelling when a driver is named.

    :raises UsageError: the URL cannot be parsed.
    """
    try:
        parts = {**conninfo_to_dict(url), "dbname": database}
    except psycopg.ProgrammingError as error:
        raise unreachable(url, error) from None
    user, password, dbname = (_quoted(parts.pop(name, None)) for name in ("user", "password", "dbname"))
    login = f"{user}:{password}@" if password else f"{user}@" if user else ""
    # Host and port too: only there do sockets' folders, IPv6 and lists of hosts read the same to libpq and SQLAlchemy.
    query = "&".join(f"{name}={_quoted(value)}" for name, value in sorted(parts.items()) if value is not None)
    return f"postgresql{driver}://{login}/{dbname}" + (f"?{query}" if query else "")


def create_database(url: str, database: str) -> None:
    """Create another database on the URL's server unless it exists, safe for two processes at once.

    :raises UsageError: it is missing and this login may not create it.
    """
    with connect(url) as session:
        if session.execute("SELECT FROM pg_database WHERE datname = %s", (database,)).fetchone() is not None:
            return
        try:
            session.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            return
        except psycopg.errors.InsufficientPrivilege:
            raise UsageError(f"the database {database!r} does not exist and this login may not create it") from None


def dagster_url(settings: Settings, url: str) -> str:
    """Dagster's storage, with the driver that dagster-postgres installs; its database is created on demand.

    :param url: the application's own database, for the server that holds ``dagster`` too unless the settings say else.
    """
    if settings.dagster_database_url is None:
        create_database(url, "dagster")
        return with_database(url, "dagster", driver="+psycopg2")
    try:
        database = conninfo_to_dict(settings.dagster_database_url).get("dbname") or "dagster"
    except psycopg.ProgrammingError:
        raise UsageError(f"{DAGSTER_DATABASE_URL} is not a PostgreSQL URL") from None
    return with_database(settings.dagster_database_url, str(database), driver="+psycopg2")


def _quoted(value: object) -> str:
    return "" if value is None else quote(str(value), safe="")
