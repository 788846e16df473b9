"""What a database holds at a moment, read from outside: past the pipeline's own code, roles and policies.

The rows of one connection and sync type are a part: it changes as a whole or not at all.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

import psycopg

from integration_pipeline.model import SyncType

Row = Mapping[str, Any]
Rows = Mapping[str, Row]

ACCOUNTS, TEAMS, SETTINGS = "external_users", "external_teams", "notification_settings"
MATCHES = "matches"
"""What matching found, which stands in the account's row and may be another although the account is the same."""

_KEYS = {
    ACCOUNTS: ("external_user_id",),
    MATCHES: ("external_user_id",),
    TEAMS: ("kind", "external_team_id"),
    SETTINGS: ("kind", "external_id"),
}
TABLES: Mapping[str, tuple[str, ...]] = {
    SyncType.USERS: (ACCOUNTS, MATCHES),
    SyncType.TEAMS: (TEAMS,),
    SyncType.NOTIFICATIONS: (SETTINGS,),
}
_FOUND = ("match_rule", "match_user_id", "match_status", "match_reason")
_QUERIES = {
    ACCOUNTS: f"SELECT to_jsonb(t) - '{{{', '.join(_FOUND)}}}'::text[] FROM external_users AS t",
    MATCHES: "SELECT to_jsonb(t) FROM (SELECT tenant_id, system_type, external_user_id, "
    f"{', '.join(_FOUND)} FROM external_users WHERE match_rule IS NOT NULL) AS t",
}
_TRACES = frozenset({"mapping_id", "created_sync_id", "changed_sync_id", "changed_at"})
"""Columns that tell how a row came about, and differ between two databases that hold the same."""


class Part(NamedTuple):
    """What one history row speaks of."""

    tenant_id: str
    system: str
    sync_type: str

    def __str__(self) -> str:
        return " ".join(self)


class Snapshot(NamedTuple):
    tables: Mapping[tuple[Part, str], Rows]
    """By part and table: the rows by their key."""
    history: Mapping[str, Row]
    """By ``sync_id``."""
    logged: Mapping[str, int]
    """``sync_id`` → how many rows its change log has."""

    @property
    def parts(self) -> set[Part]:
        return {part for part, _ in self.tables} | {part_of(row) for row in self.history.values()}

    def rows(self, part: Part, table: str) -> Rows:
        return self.tables.get((part, table), {})

    def visible(self, part: Part, table: str) -> dict[str, Row]:
        """The rows that are not gone, without the traces of how they came about."""
        accounts = self.rows(part, ACCOUNTS)
        hashes = {
            key: (accounts.get(key, row) if table == MATCHES else row) for key, row in self.rows(part, table).items()
        }
        return {key: content(row) for key, row in self.rows(part, table).items() if hashes[key].get("content_hash")}

    def unlike(self, truth: "Snapshot", part: Part, table: str) -> list[str]:
        """The rows that are not as a fresh database would have them.

        What was switched off when it left the world stays as it was, switched off; a fresh database never saw it.
        """
        found, true = self.visible(part, table), truth.visible(part, table)
        accounts = truth.visible(part, ACCOUNTS)
        return [
            key
            for key in found.keys() | true.keys()
            if found.get(key) != true.get(key)
            and (key in true or (key in accounts if table == MATCHES else found[key]["is_active"]))
        ]


def part_of(row: Row) -> Part:
    return Part(row["tenant_id"], row["system_type"], row["sync_type"])


def content(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in _TRACES}


def take(url: str) -> Snapshot:
    """The database as it is now."""
    tables: dict[tuple[Part, str], dict[str, Row]] = defaultdict(dict)
    with psycopg.connect(url) as session:
        session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        for sync_type, names in TABLES.items():
            for table in names:
                for (row,) in session.execute(_QUERIES.get(table, f"SELECT to_jsonb(t) FROM {table} AS t").encode()):
                    part = Part(row["tenant_id"], row["system_type"], str(sync_type))
                    tables[part, table]["/".join(row[name] for name in _KEYS[table])] = row
        history = {
            row["sync_id"]: row
            for (row,) in session.execute("SELECT to_jsonb(t) FROM external_system_sync_history AS t")
        }
        logged: dict[str, int] = dict(
            session.execute("SELECT sync_id::text, count(*) FROM sync_changes GROUP BY sync_id").fetchall()
        )
    return Snapshot(tables, history, logged)
