"""The ring a database is sealed with, and every stored secret under its first key (``keys rotate``), while runs go on.

    tenant -> rows that an older key seals -> lock one, open, seal anew, commit -> look at all of them: what seals it?

A row is locked before it is read, so that a token refreshed at that moment is what is sealed anew and never what it
replaced; and committed by itself, so that a rotation cut off goes on where it was, and holds nobody up.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import psycopg
from psycopg.types.json import Jsonb

from integration_pipeline.crypto import HOME_KEYS, Keyring, key_of
from integration_pipeline.errors import UsageError
from integration_pipeline.model import System
from integration_pipeline.settings import Settings
from integration_pipeline.store import connections, spreadsheets
from integration_pipeline.store.connections import option_column
from integration_pipeline.store.engine import Database

_TENANTS = b"SELECT tenant_id FROM external_system_connections UNION SELECT tenant_id FROM spreadsheets ORDER BY 1"

_CONNECTIONS = (
    f"SELECT system_type, {', '.join(connections.SEALED)}, secret_options FROM external_system_connections "
    "WHERE tenant_id = %(tenant_id)s AND (%(system)s::text IS NULL OR system_type = %(system)s) ORDER BY system_type"
).encode()
_UPDATE_CONNECTION = (
    f"UPDATE external_system_connections SET {', '.join(f'{name} = %({name})s' for name in connections.SEALED)}, "
    "secret_options = %(secret_options)s WHERE tenant_id = %(tenant_id)s AND system_type = %(system)s"
).encode()
_SPREADSHEET = f"SELECT {spreadsheets.SEALED} FROM spreadsheets WHERE tenant_id = %(tenant_id)s".encode()
_UPDATE_SPREADSHEET = (
    f"UPDATE spreadsheets SET {spreadsheets.SEALED} = %({spreadsheets.SEALED})s WHERE tenant_id = %(tenant_id)s"
).encode()
_LOCKED = b" FOR NO KEY UPDATE"


@dataclass(slots=True)
class Resealed:
    """What a rotation came to."""

    by_key: Counter[str] = field(default_factory=Counter)
    """Old key → how many secrets it sealed that are sealed anew."""
    tenants: set[str] = field(default_factory=set)
    """Whose they are."""
    problems: list[str] = field(default_factory=list)
    """Secrets that do not open, each with its place; they stay as they are."""
    in_use: Counter[str] = field(default_factory=Counter)
    """Key → how many secrets it seals afterwards."""


class _Row(NamedTuple):
    """The sealed values of one stored row, by what each is bound to."""

    system: System
    values: Mapping[str, str]


def ring(settings: Settings, database: Database) -> Keyring:
    """The ring that this database is sealed with. A home gets its own only while nothing is sealed yet.

    :raises UsageError: it cannot be read, or the home's is gone: a new one would open nothing that is there.
    """
    own = settings.home / HOME_KEYS
    if settings.keys is None and settings.database_url is None and not own.exists() and _is_anything_sealed(database):
        raise UsageError(
            f"{own} is gone, and the database holds secrets that were sealed with it: restore the file from its backup; "
            'without one, see "A key is lost" in docs/operations.md'
        )
    return Keyring.load(settings)


def _is_anything_sealed(database: Database) -> bool:
    for tenant_id in _tenants(database):
        with database.transaction(tenant_id) as cursor:
            if any(row.values for row in _rows(cursor, tenant_id)):
                return True
    return False


def reseal(database: Database, keyring: Keyring) -> Resealed:
    """Seal everything with the first key. What it seals already is left alone: doing it twice writes nothing."""
    found = Resealed()
    for tenant_id in _tenants(database):
        with database.transaction(tenant_id) as cursor:
            rows = list(_rows(cursor, tenant_id))
        for row in rows:
            if any(key_of(sealed) != keyring.first for sealed in row.values.values()):
                with database.transaction(tenant_id) as cursor:
                    _reseal_row(cursor, keyring, tenant_id, row.system, found)
    for tenant_id in _tenants(database):  # anew: one that came meanwhile may need an older key
        with database.transaction(tenant_id) as cursor:
            rows = list(_rows(cursor, tenant_id))
        for row in rows:
            _check(row, keyring, tenant_id, found)
    return found


def _tenants(database: Database) -> list[str]:
    with database.operator() as cursor:
        return [tenant_id for (tenant_id,) in cursor.execute(_TENANTS)]


def _check(row: _Row, keyring: Keyring, tenant_id: str, found: Resealed) -> None:
    """Look at what is stored afterwards: whether it opens, and by which key."""
    for column, sealed in row.values.items():
        found.in_use[key_of(sealed) or ""] += 1
        try:
            keyring.open(sealed, tenant_id=tenant_id, system=row.system, column=column)
        except UsageError as error:
            found.problems.append(str(error))


def _rows(
    cursor: psycopg.Cursor[Any], tenant_id: str, system: System | None = None, *, lock: bytes = b""
) -> Iterator[_Row]:
    of = {"tenant_id": tenant_id, "system": system}
    if system != spreadsheets.GOOGLE_SHEETS:
        for name, *sealed, options in cursor.execute(_CONNECTIONS + lock, of).fetchall():
            values = dict(zip(connections.SEALED, sealed, strict=True))
            values |= {option_column(option): value for option, value in options.items()}
            yield _Row(System(name), {column: value for column, value in values.items() if value is not None})
    if system in (None, spreadsheets.GOOGLE_SHEETS):
        for (sealed,) in cursor.execute(_SPREADSHEET + lock, of).fetchall():
            yield _Row(spreadsheets.GOOGLE_SHEETS, {spreadsheets.SEALED: sealed})


def _reseal_row(cursor: psycopg.Cursor[Any], keyring: Keyring, tenant_id: str, system: System, found: Resealed) -> None:
    row = next(_rows(cursor, tenant_id, system, lock=_LOCKED), None)
    if row is None:  # removed meanwhile
        return
    fresh = dict(row.values)
    for column, sealed in row.values.items():
        old = key_of(sealed)
        if old == keyring.first:
            continue
        place = {"tenant_id": tenant_id, "system": system, "column": column}
        try:
            fresh[column] = keyring.seal(keyring.open(sealed, **place), **place)
        except UsageError:
            continue  # what does not open stays as it is, and is named when everything is looked at
        found.by_key[old or ""] += 1
        found.tenants.add(tenant_id)
    if fresh != row.values:
        _write(cursor, tenant_id, system, fresh)


def _write(cursor: psycopg.Cursor[Any], tenant_id: str, system: System, values: Mapping[str, str]) -> None:
    of = {"tenant_id": tenant_id, "system": system}
    if system == spreadsheets.GOOGLE_SHEETS:
        cursor.execute(_UPDATE_SPREADSHEET, {**of, **values})
        return
    columns = {name: values.get(name) for name in connections.SEALED}
    prefix = option_column("")
    options = {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}
    cursor.execute(_UPDATE_CONNECTION, {**of, **columns, "secret_options": Jsonb(options)})
