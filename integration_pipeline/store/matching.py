"""Matching: who is who, for the accounts that a sync changes or for all of a connection.

The rules stand in ``sql/sync/match.sql``; here its statement is put together, and run where nothing else is written.
"""

from typing import Any, NamedTuple, Self

import psycopg

from integration_pipeline.model import Connection
from integration_pipeline.store import queries

Cursor = psycopg.Cursor[Any]

SET_WISE = (
    "SET LOCAL enable_nestloop = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_sort = off; "
    "SET LOCAL jit = off; SET LOCAL work_mem = '32MB'"
)
"""Join and group by hashing, whatever the statistics say: a temporary table has none, nor has any after a first night
(an embedded server that ends with its command may never make them). Taken for small ones, 10,000 accounts were matched
row by row in 20 s, and 20,000 changed rows were applied in 60 s; and sorting ids as text costs twice their hashing."""


class Lookup(NamedTuple):
    """Whether few keys are put into an array besides, which the index looks up; a join by hashing reads the directory.

    PostgreSQL before 17 may search the array from its start for every account of the connection, wherever it has no
    statistics or old ones: 10,000 changes of 100,000 accounts took it more than a minute.
    """

    is_by_index: bool

    @classmethod
    def of(cls, cursor: Cursor) -> Self:
        return cls.of_version(cursor.connection.info.server_version)

    @classmethod
    def of_version(cls, version: int) -> Self:
        return cls(is_by_index=version >= _KEEPS_ARRAYS_FOR_THE_INDEX)

    def among_staged(self, column: str) -> str:
        return self._among(column, "SELECT changing.key FROM stage AS changing WHERE changing.action <> 'C'")

    def rematch(self) -> str:
        keys = "SELECT wanted.external_user_id FROM wanted WHERE NOT wanted.is_staged"
        return queries.sql("sync/rematch").format(among_wanted=self._among("account.external_user_id", keys))

    def _among(self, column: str, keys: str) -> str:
        return f"AND {column} = ANY(ARRAY({keys}))" if self.is_by_index else ""


_KEEPS_ARRAYS_FOR_THE_INDEX = 170000


def wanted_of_changes(lookup: Lookup, *, is_whole: bool) -> str:
    """The CTE ``wanted``: what should be found of the accounts that are staged; of all, staged or not, where people moved."""
    among_staged, stored = lookup.among_staged("known.external_user_id"), queries.sql("sync/stored_accounts")
    staged = queries.sql("sync/staged_accounts").format(among_staged=among_staged)
    if not is_whole:
        return _wanted(staged)
    others = f"{stored} AND NOT EXISTS (SELECT FROM stage WHERE stage.key = external_users.external_user_id)"
    return _wanted(f"{staged} UNION ALL {others}")


def _wanted(accounts: str) -> str:
    return f"wanted AS ({queries.sql('sync/match').format(accounts=accounts)})"


def rematch_all(cursor: Cursor, connection: Connection) -> list[str]:
    """Match all accounts of the connection anew and write the differences; returns those that changed by it."""
    wanted, rematch = _wanted(queries.sql("sync/stored_accounts")), Lookup.of(cursor).rematch()
    cursor.execute(SET_WISE)
    cursor.execute(f"WITH {wanted} {rematch}".encode(), {**queries.keys(connection), "is_whole": True})
    return [str(row[0]) for row in cursor]


def rematch_now(cursor: Cursor, connection: Connection) -> list[str]:
    """The same outside a sync: after a link was made by hand, or when somebody asks for it."""
    cursor.execute(queries.sql("sync/matched"), queries.keys(connection))
    return rematch_all(cursor, connection)


def people_moved(cursor: Cursor, connection: Connection) -> bool:
    """Whether internal users or links changed since the connection was last matched."""
    cursor.execute(
        "SELECT matched_version <> matching_version FROM external_system_connections "
        "INNER JOIN tenants USING (tenant_id) WHERE tenant_id = %(tenant_id)s AND system_type = %(system_type)s",
        queries.keys(connection),
    )
    row = cursor.fetchone()
    return bool(row and row[0])
