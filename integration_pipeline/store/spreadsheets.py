"""Spreadsheets: where a tenant's KPIs are published, with whose key, and how the last publishing ended."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from psycopg.types.json import Jsonb
from pydantic import SecretStr

from integration_pipeline.crypto import Keyring
from integration_pipeline.errors import PipelineError, UsageError
from integration_pipeline.model import Notice, System
from integration_pipeline.store import notices
from integration_pipeline.store.engine import Database
from integration_pipeline.store.staging import Cursor

GOOGLE_SHEETS = System("GOOGLE_SHEETS")
"""What locks and sealed keys are bound to, as a connection's are to its system."""
SEALED = "service_account"

_ONE = "SELECT tenant_id, spreadsheet_id, service_account, sheet_titles FROM spreadsheets WHERE tenant_id = %s"


@dataclass(frozen=True, slots=True)
class Spreadsheet:
    """A tenant's spreadsheet and the service account that writes it."""

    tenant_id: str
    spreadsheet_id: str
    client_email: str
    """Whom the spreadsheet must be shared with."""
    key: SecretStr
    """The service account's key file, JSON."""
    titles: Mapping[int, str] = field(default_factory=dict)
    """What its sheets were called when they were last seen, by their ids; empty = never seen."""


def read(database: Database, keyring: Keyring, tenant_id: str) -> Spreadsheet:
    """One tenant's spreadsheet, as it is now.

    :raises UsageError: there is none, or its key does not open.
    """
    with database.transaction(tenant_id) as cursor:
        row = cursor.execute(_ONE, (tenant_id,)).fetchone()
    if row is None:
        raise UsageError(f"{tenant_id} has no spreadsheet")
    return _opened(row, keyring)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a tenant's last publishing ended; the errors are null when all went well."""

    tenant_id: str
    spreadsheet_id: str
    last_published_at: dt.datetime | None
    last_failed_at: dt.datetime | None
    last_error_type: str | None
    last_error: str | None
    last_remedy: str | None


def standing(database: Database) -> list[Standing]:
    """How publishing stands, by tenant, for reports: no key is needed."""
    names = ", ".join(one.name for one in fields(Standing))
    with database.operator() as cursor:
        rows = cursor.execute(f"SELECT {names} FROM spreadsheets ORDER BY tenant_id".encode()).fetchall()
    return [Standing(*row) for row in rows]


def save_titles(database: Database, tenant_id: str, spreadsheet_id: str, titles: Mapping[int, str]) -> None:
    """Keep what the sheets are called, unless the tenant has another spreadsheet by now."""
    with database.transaction(tenant_id) as cursor:
        _update(
            cursor,
            tenant_id,
            "sheet_titles = %(titles)s WHERE spreadsheet_id = %(spreadsheet_id)s AND sheet_titles <> %(titles)s",
            {
                "titles": Jsonb({str(sheet_id): title for sheet_id, title in titles.items()}),
                "spreadsheet_id": spreadsheet_id,
            },
        )


def succeeded(database: Database, tenant_id: str, at: dt.datetime) -> None:
    """All that was asked for is in the spreadsheet."""
    with database.transaction(tenant_id) as cursor:
        _update(
            cursor,
            tenant_id,
            "last_published_at = %(at)s, last_failed_at = NULL, last_error_type = NULL, last_error = NULL, "
            "last_remedy = NULL WHERE true",
            {"at": at},
        )


def failed(
    database: Database, tenant_id: str, at: dt.datetime, error: PipelineError, told: Sequence[Notice] = ()
) -> None:
    """Keep why not, and what a person should do, for whoever reports.

    :param told: what of it only a person can mend.
    """
    with database.transaction(tenant_id) as cursor:
        _update(
            cursor,
            tenant_id,
            "last_failed_at = %(at)s, last_error_type = %(kind)s, last_error = %(message)s, last_remedy = %(remedy)s "
            "WHERE true",
            {"at": at, "kind": error.kind, "message": str(error).replace("\0", ""), "remedy": error.remedy},
        )
        notices.record(cursor, tenant_id, GOOGLE_SHEETS, told, at=at)


def _update(cursor: Cursor, tenant_id: str, assignments: str, values: Mapping[str, Any]) -> None:
    cursor.execute(
        f"UPDATE spreadsheets SET {assignments} AND tenant_id = %(tenant_id)s".encode(),
        {**values, "tenant_id": tenant_id},
    )


def _opened(row: tuple[Any, ...], keyring: Keyring) -> Spreadsheet:
    tenant_id, spreadsheet_id, sealed, titles = row
    key = keyring.open(sealed, tenant_id=tenant_id, system=GOOGLE_SHEETS, column=SEALED)
    email = json.loads(key.get_secret_value())["client_email"]
    return Spreadsheet(
        tenant_id, spreadsheet_id, email, key, {int(sheet_id): title for sheet_id, title in titles.items()}
    )
