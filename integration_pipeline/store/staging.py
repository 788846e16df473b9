"""What a walk found → the tables: one short transaction of a constant number of statements, whatever the size.

The SQL stands in ``sql/sync``; here it is given its table and fed.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from integration_pipeline.diff import Absence
from integration_pipeline.errors import Superseded
from integration_pipeline.model import Connection, Setting, SyncType, Team, User, as_json
from integration_pipeline.store import matching, queries
from integration_pipeline.store.matching import Lookup
from integration_pipeline.store.spool import COPY_FORMAT

Cursor = psycopg.Cursor[Any]


@dataclass(frozen=True, slots=True)
class Target:
    """The table that one sync type keeps in step.

    :param columns: the record's own columns, in the order of its fields, with their types.
    :param by_kind: whether ids are unique only within their kind.
    """

    table: str
    key: str
    columns: Mapping[str, str]
    name: str
    """The column by which people know a row."""
    by_kind: bool
    found: Sequence[str] = ()
    """Columns that are no part of the record: what matching finds."""

    def sql(self, name: str, **more: str) -> str:
        """``sql/sync/<name>.sql`` for this table. Only names from this module are put into the text."""
        return queries.sql(f"sync/{name}").format(
            table=self.table,
            key=self.key,
            name=self.name,
            identity=f"kind || E'\\x1f' || {self.key}" if self.by_kind else self.key,
            columns=", ".join((*self.columns, *self.found)),
            column_types=", ".join(f"{name} {type_}" for name, type_ in self.columns.items()),
            assignments=_assignments((*self.columns, *self.found)),
            found_assignments=_assignments(self.found),
            **more,
        )

    def typed(self, values: Sequence[str | None]) -> dict[str, str | bool | None]:
        """The record's own columns by name, truth values as such."""
        named = zip(self.columns.items(), values, strict=True)
        return {name: value == "t" if type_ == "boolean" else value for (name, type_), value in named}


def _assignments(names: Sequence[str]) -> str:
    return "".join(f"{name} = staged.{name}, " for name in names)


def _columns(fields: Sequence[str], **types: str) -> dict[str, str]:
    return {name: types.get(name, "text") for name in fields[4:]}


TARGETS: Mapping[SyncType, Target] = {
    SyncType.USERS: Target(
        "external_users",
        "external_user_id",
        _columns(User._fields),
        "external_username",
        by_kind=False,
        found=("match_rule", "match_user_id", "match_status", "match_reason"),
    ),
    SyncType.TEAMS: Target(
        "external_teams", "external_team_id", _columns(Team._fields, is_archived="boolean"), "name", by_kind=True
    ),
    SyncType.NOTIFICATIONS: Target(
        "notification_settings", "external_id", _columns(Setting._fields, settings="jsonb"), "name", by_kind=True
    ),
}


_ROWS_AT_A_TIME = 1000
"""How many stored rows are fetched at a time: row by row costs four times as much, all at once their memory twice."""


def stored(cursor: Cursor, target: Target, connection: Connection) -> dict[str, int]:
    """What is stored of the connection: identity → content hash (:mod:`integration_pipeline.diff`)."""
    return dict(
        cursor.stream(target.sql("stored").encode(), queries.keys(connection), binary=True, size=_ROWS_AT_A_TIME)
    )


def hashes(cursor: Cursor, target: Target, connection: Connection, names: Sequence[str]) -> dict[str, int]:
    """The same of the rows that are named."""
    cursor.execute(target.sql("named"), {**queries.keys(connection), "names": list(names)})
    return dict(cursor)


def count_there(cursor: Cursor, target: Target, connection: Connection, listing: str) -> int:
    """How many rows of a listing are there, active or not: all that would come if it were read whole."""
    cursor.execute(target.sql("there"), {**queries.keys(connection), "listing": listing})
    row = cursor.fetchone()
    return int(row[0]) if row else 0


def active_rows(cursor: Cursor, target: Target, connection: Connection, kind: str) -> dict[str, str]:
    """The active rows of a kind: key → the listing that each stands under."""
    cursor.execute(target.sql("active"), {**queries.keys(connection), "kind": kind})
    return dict(cursor)


def removals(
    cursor: Cursor, target: Target, connection: Connection, names: Sequence[str]
) -> tuple[list[Absence], Counter[str]]:
    """The rows among ``names``, with the listing each stands under; and how many active rows there are of every kind."""
    absences, active = list[Absence](), Counter[str]()
    cursor.execute(target.sql("removals"), {**queries.keys(connection), "names": list(names)})
    for kind, active_count, key, listing, is_active in cursor:
        active[kind] = active_count
        if key is not None:
            absences.append(Absence(key, kind, listing, is_active))
    return absences, active


@dataclass(frozen=True, slots=True)
class Apply:
    """What one apply needs to know."""

    connection: Connection
    sync_id: UUID
    sync_type: SyncType
    at: dt.datetime
    generation: int
    users_are_complete: bool
    workspace: Mapping[str, Any] | None


def apply(cursor: Cursor, task: Apply, blocks: Iterable[bytes]) -> list[str]:
    """Write everything, in the caller's transaction; returns the accounts whose mapping alone changed.

    :param blocks: the rows, as :meth:`Spool.blocks` gives them.
    :raises Superseded: another apply came first; nothing was written.
    """
    target = TARGETS[task.sync_type]
    matches = task.sync_type is SyncType.USERS
    parameters = {
        **queries.keys(task.connection),
        "sync_id": task.sync_id,
        "sync_type": task.sync_type.value,
        "at": task.at,
    }
    people_moved = _move(cursor, task, parameters, matches=matches)
    rest = iter(blocks)
    first = next(rest, None)
    if first is not None:
        _stage(cursor, target, chain([first], rest))
        query = _applied(target, Lookup.of(cursor), is_whole=people_moved)
        cursor.execute(query, {**parameters, "is_whole": people_moved})
        return [str(row[0]) for row in cursor]
    if matches and people_moved:
        return matching.rematch_all(cursor, task.connection)
    return []


def _stage(cursor: Cursor, target: Target, blocks: Iterable[bytes]) -> None:
    cursor.execute(f"{matching.SET_WISE}; {target.sql('stage')}")
    with cursor.copy(f"COPY stage FROM STDIN {COPY_FORMAT}".encode()) as copy:
        for block in blocks:
            copy.write(block)


def _move(cursor: Cursor, task: Apply, parameters: Mapping[str, Any], *, matches: bool) -> bool:
    workspace = None if task.workspace is None else as_json(task.workspace)
    cursor.execute(
        queries.sql("sync/move"),
        {
            **parameters,
            "generation": task.generation,
            "users_are_complete": task.users_are_complete,
            "matches": matches,
            "workspace": None if workspace == as_json(task.connection.workspace) else workspace,
        },
    )
    row = cursor.fetchone()
    if row is None:
        message = f"another apply moved {task.connection} while this one was reading"
        raise Superseded(message)
    return bool(row[0])


def _applied(target: Target, lookup: Lookup, *, is_whole: bool) -> str:
    """The statement that writes what is staged; for accounts, with what matching finds."""
    if not target.found:
        nobody = "SELECT key FROM stage LIMIT 0"
        # Where ids are unique within their kind only, they are no index condition.
        return target.sql("apply", matching="", matched="", among_staged="", rematched=nobody)
    wanted, rematch = matching.wanted_of_changes(lookup, is_whole=is_whole), lookup.rematch()
    return target.sql(
        "apply",
        matching=f"{wanted}, rematched AS ({rematch}), ",
        matched="LEFT JOIN wanted ON stage.key = wanted.external_user_id",
        among_staged=lookup.among_staged(f"target.{target.key}"),
        rematched="SELECT external_user_id FROM rematched",
    )


def planned_matches(
    cursor: Cursor, connection: Connection, blocks: Iterable[bytes], *, people_moved: bool
) -> list[str]:
    """What :func:`apply` would return after these rows; nothing of theirs outlives the transaction."""
    _stage(cursor, TARGETS[SyncType.USERS], blocks)
    wanted = matching.wanted_of_changes(Lookup.of(cursor), is_whole=people_moved)
    query = f"WITH {wanted} {queries.sql('sync/planned')}"
    cursor.execute(query.encode(), {**queries.keys(connection), "is_whole": people_moved})
    return [str(row[0]) for row in cursor]


class Problem(NamedTuple):
    """Something that could not be read in a sync that was committed all the same: one row of ``sync_errors``."""

    error_type: str
    message: str
    provider_code: str | None
    remedy: str | None
    kind: str | None
    key: str | None


def record_problems(cursor: Cursor, task: Apply, problems: Sequence[Problem]) -> None:
    """Keep what could not be read, one row each."""
    if not problems:
        return
    columns = {f"{name}s": [getattr(problem, name) for problem in problems] for name in Problem._fields}
    parameters = {"sync_id": task.sync_id, "sync_type": task.sync_type.value, "at": task.at}
    cursor.execute(queries.sql("sync/problems"), {**queries.keys(task.connection), **parameters, **columns})
