"""The database: short transactions, each of them as one tenant's worker or as the operator, never as the login.

The login may own the tables or be a superuser (the embedded database's is), and row-level security would not bind it:
so every transaction takes a role that it does bind, in the same round trip that begins it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self, TypeVar

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool

from integration_pipeline.errors import UsageError
from integration_pipeline.store import migrations, urls

T = TypeVar("T")

OLDEST_SERVER = 150000
_WORKER = "integration_pipeline_worker"
_OPERATOR = "integration_pipeline_operator"
_AS = "set_config('role', {role}, true), set_config('app.tenant_id', {tenant_id}, true)"
_BECOME = sql.SQL("SELECT " + _AS)
_BEGIN = sql.SQL(
    f"BEGIN; SELECT {_AS}, "
    # Of a machine that is gone without a word, the server would keep the transaction, and its locks, for two hours.
    "set_config('idle_in_transaction_session_timeout', '60s', true)"
)
_RESULTS_OF_BEGIN = 2
_CHECK = b"""
SELECT
    current_setting('server_version_num')::integer,
    (SELECT count(*) FROM pg_roles WHERE rolname IN ('integration_pipeline_worker', 'integration_pipeline_operator')),
    (
        -- From 16 on a member may be one that inherits only: SET is what counts, and 15 does not know the word.
        SELECT count(*) FROM pg_roles
        WHERE rolname IN ('integration_pipeline_worker', 'integration_pipeline_operator')
        AND pg_has_role(
            oid, CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END
        )
    ),
    (
        SELECT min(rolname) FROM pg_roles
        WHERE rolname IN ('integration_pipeline_worker', 'integration_pipeline_operator')
        AND (rolsuper OR rolbypassrls)
    ),
    to_regclass('alembic_version') IS NOT NULL
"""
_ROLES = 2


class CommitUnanswered(psycopg.OperationalError):
    """The session was lost while it committed: the transaction may be in the database as a whole, or not at all."""


class Asking(psycopg.ClientCursor[TupleRow]):
    """A cursor whose one statement is a transaction of its own, its values in its text: all of it is one round trip."""

    def __init__(self, session: psycopg.Connection, begin: sql.Composed) -> None:
        super().__init__(session)
        self._begin = begin.as_string(session).encode()

    def execute(self, query: Any, params: Any = None, **_: Any) -> Self:
        super().execute(b"%b; %b; COMMIT" % (self._begin, self.mogrify(query, params).encode()))
        for _of_begin in range(_RESULTS_OF_BEGIN):
            self.nextset()
        return self


class Database:
    """A pool of sessions. Sessions are opened as they are needed and closed when they were idle for a minute."""

    def __init__(self, url: str, pool: ConnectionPool[psycopg.Connection]) -> None:
        self.url = url
        self._pool = pool

    @classmethod
    def open(cls, url: str, *, size: int = 8) -> Self:
        """Check that the database can be used, and prepare to.

        :param size: how many transactions may run at once; more of them wait for one another.
        :raises UsageError: it cannot be reached or used, is older than PostgreSQL 15, or is not migrated to head.
        """
        with urls.connect(url) as session:
            _check(session)
        pool = ConnectionPool(
            url,
            min_size=0,
            max_size=size,
            max_idle=60.0,
            open=True,
            kwargs={"autocommit": True, **urls.parameters("integration-pipeline")},
        )
        return cls(url, pool)

    @contextmanager
    def transaction(self, tenant_id: str) -> Iterator[psycopg.Cursor[TupleRow]]:
        """A transaction that sees and writes one tenant's rows only; it commits unless the block raises.

        :raises UsageError: the tenant's id is empty.
        """
        with self._begun(_WORKER, tenant_id) as session, _transaction(session) as cursor:
            yield cursor

    @contextmanager
    def operator(self) -> Iterator[psycopg.Cursor[TupleRow]]:
        """A transaction across tenants, with what lists and imports need; it commits unless the block raises.

        It reads no secret; :func:`become_tenant` is for the rows that are a tenant's own affair.
        """
        with self._begun(_OPERATOR, "") as session, _transaction(session) as cursor:
            yield cursor

    def ask(self, tenant_id: str | None, work: Callable[[psycopg.Cursor[TupleRow]], T]) -> T:
        """What one statement says, as a transaction of its own, in one round trip instead of three.

        :param tenant_id: whose worker asks; None = the operator.
        :param work: sends one statement and reads its rows; called again where the server had dropped the session. So it
            must be a statement that may be sent twice.
        """
        begin = _begin(_OPERATOR, "") if tenant_id is None else _begin(_WORKER, tenant_id)

        def asked(session: psycopg.Connection) -> T:
            with Asking(session, begin) as cursor:
                return work(cursor)

        with self._session(asked) as (_, found):
            return found

    @contextmanager
    def _begun(self, role: str, tenant_id: str) -> Iterator[psycopg.Connection]:
        """A session with the transaction begun."""
        # psycopg would spend a round trip each on BEGIN and on what follows it.
        begin = _begin(role, tenant_id)
        with self._session(lambda session: session.execute(begin)) as (session, _):
            yield session

    @contextmanager
    def _session(self, first: Callable[[psycopg.Connection], T]) -> Iterator[tuple[psycopg.Connection, T]]:
        """A session and what it was asked first; those that the server dropped while they were idle are replaced."""
        for dropped in range(self._pool.max_size + 1):
            with self._pool.connection() as session:
                try:
                    answer = first(session)
                except psycopg.OperationalError:
                    if not session.closed or dropped == self._pool.max_size:
                        raise
                    continue
                yield session, answer
                return

    def close(self) -> None:
        # Told to stop, a process has three seconds; a thread in the middle of connecting would use up five.
        self._pool.close(timeout=1.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _begin(role: str, tenant_id: str) -> sql.Composed:
    if role == _WORKER and not tenant_id:
        raise UsageError("a tenant's id cannot be empty")
    return _BEGIN.format(role=sql.Literal(role), tenant_id=sql.Literal(tenant_id))


def become_tenant(cursor: psycopg.Cursor[Any], tenant_id: str) -> None:
    """Go on in this transaction as one tenant's worker, where what several tenants get must be all or nothing."""
    cursor.execute(_BECOME.format(role=sql.Literal(_WORKER), tenant_id=sql.Literal(tenant_id)))


def fill(cursor: psycopg.Cursor[Any], table: str, rows: Iterable[Sequence[Any]]) -> None:
    """Fill a temporary table of this transaction, for statements that join it."""
    with cursor.copy(f"COPY {table} FROM STDIN".encode()) as copy:
        for row in rows:
            copy.write_row(row)
    # A temp table without statistics is taken for a small one, and a million users would be joined row by row.
    cursor.execute(f"ANALYZE {table}".encode())


@contextmanager
def _transaction(session: psycopg.Connection) -> Iterator[psycopg.Cursor[TupleRow]]:
    """What the block does, as one transaction that has begun.

    :raises CommitUnanswered: it may have been committed.
    """
    with session.cursor() as cursor:
        try:
            yield cursor
        except BaseException:
            # Whatever ended the block, Ctrl-C included, ends the transaction; a broken session has ended it already.
            if not session.closed:
                session.rollback()
            raise
        if session.info.transaction_status is TransactionStatus.INERROR:
            # COMMIT would quietly roll back: whoever caught the statement's error must not take it for written.
            session.rollback()
            raise psycopg.errors.InFailedSqlTransaction("a statement of this transaction failed: nothing was written")
        try:
            session.commit()
        except psycopg.OperationalError as error:
            if not session.closed:
                raise
            raise CommitUnanswered("the session was lost while it committed") from error


def _check(session: psycopg.Connection) -> None:
    row = session.execute(_CHECK).fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    version, roles, usable_roles, unbound, is_migrated = row
    if version < OLDEST_SERVER:
        raise UsageError(
            f"PostgreSQL 15 or newer is needed, this server is {session.info.parameter_status('server_version')}"
        )
    if roles == _ROLES and usable_roles < _ROLES:
        login = session.info.user
        raise UsageError(f"the login {login!r} may not work as the pipeline: GRANT {_WORKER}, {_OPERATOR} TO {login}")
    if unbound is not None:
        raise UsageError(
            f"the role {unbound} is not bound by row-level security, so that tenants would see one another: "
            f"ALTER ROLE {unbound} NOSUPERUSER NOBYPASSRLS"
        )
    if usable_roles:
        session.execute(b"SET ROLE integration_pipeline_operator")
    problem = migrations.problem(migrations.revision(session) if is_migrated else None)
    if problem is not None:
        raise UsageError(problem)
