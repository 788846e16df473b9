"""``spreadsheets import``: the contract's JSON → checked entries → rows. All of a file is right, or nothing is imported.

A key that is left out stays, since nobody can read it back. An entry that says nothing new is not written. What is wrong is named with its entry, and never quoted.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, NamedTuple, Self

import psycopg
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from integration_pipeline.crypto import Keyring
from integration_pipeline.errors import UsageError
from integration_pipeline.store.engine import Database, become_tenant
from integration_pipeline.store.locks import lock_key
from integration_pipeline.store.people import Imported
from integration_pipeline.store.spreadsheets import GOOGLE_SHEETS, SEALED

_SPREADSHEET_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_IMPORT = lock_key("", GOOGLE_SHEETS)
"""The lock that imports hold; no tenant's id is empty."""
_EMAIL = re.compile(r"[!-?A-~]+@[A-Za-z0-9.-]+")

_UPSERT = """
INSERT INTO spreadsheets AS stored (tenant_id, spreadsheet_id, service_account)
SELECT
    %(tenant_id)s, %(spreadsheet_id)s,
    -- NOT NULL is asked before the conflict is: a key that stays must be said.
    coalesce(%(key)s, (SELECT service_account FROM spreadsheets WHERE tenant_id = %(tenant_id)s))
ON CONFLICT (tenant_id) DO UPDATE SET
    spreadsheet_id = excluded.spreadsheet_id,
    service_account = excluded.service_account,
    sheet_titles = CASE WHEN stored.spreadsheet_id = excluded.spreadsheet_id THEN stored.sheet_titles ELSE '{}' END
"""


class Entry(BaseModel):
    """The contract's entry."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    tenant_id: str
    spreadsheet_id: str
    service_account: Annotated[dict[str, Any] | None, Field(repr=False)] = None


def import_entries(database: Database, keyring: Keyring, entries: Any) -> Imported:
    """Store the spreadsheets of a file.

    :param entries: the file's JSON.
    :raises UsageError: the first thing that is missing or wrong, with its entry's number from 1; nothing is stored.
    """
    if not isinstance(entries, list):
        raise UsageError("not a list of spreadsheets")
    found: dict[str, Entry] = {}
    # Before the transaction: a thousand private keys take longer to read than one may sit idle.
    for number, raw in enumerate(entries, start=1):
        with _named(number, raw):
            entry = _checked(raw)
            if entry.tenant_id in found:
                raise UsageError("the same tenant stands in an earlier entry too")
        found[entry.tenant_id] = entry
    with database.operator() as cursor:
        # Of two imports at once the second must see what the first one stored: a spreadsheet has one tenant.
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_IMPORT,))
        stored = _Stored.read(cursor)
        for number, entry in enumerate(found.values(), start=1):
            with _named(number, {"tenant_id": entry.tenant_id}):
                _check_stored(entry, stored)
        _check_owners(found, stored)
        written = sum(_write(cursor, entry, keyring) for entry in found.values())
        created = len(found.keys() - stored.spreadsheets.keys())
        return Imported(created, written - created, len(found) - written)


def _write(cursor: psycopg.Cursor[Any], entry: Entry, keyring: Keyring) -> bool:
    """Store an entry, unless it says nothing new; whether it did."""
    place = {"tenant_id": entry.tenant_id, "system": GOOGLE_SHEETS, "column": SEALED}
    given = None if entry.service_account is None else SecretStr(json.dumps(entry.service_account))
    become_tenant(cursor, entry.tenant_id)
    cursor.execute("SELECT spreadsheet_id, service_account FROM spreadsheets WHERE tenant_id = %s", (entry.tenant_id,))
    spreadsheet_id, sealed = cursor.fetchone() or (None, None)
    if spreadsheet_id == entry.spreadsheet_id and (given is None or keyring.is_sealed(given, sealed, **place)):
        return False
    key = None if given is None else keyring.seal(given, **place)
    cursor.execute(_UPSERT, {"tenant_id": entry.tenant_id, "spreadsheet_id": entry.spreadsheet_id, "key": key})
    return True


class _Stored(NamedTuple):
    """What is there before the import."""

    tenants: frozenset[str]
    spreadsheets: Mapping[str, str]
    """By tenant."""

    @classmethod
    def read(cls, cursor: psycopg.Cursor[Any]) -> Self:
        tenants = frozenset(tenant_id for (tenant_id,) in cursor.execute("SELECT tenant_id FROM tenants"))
        return cls(tenants, dict(cursor.execute("SELECT tenant_id, spreadsheet_id FROM spreadsheets").fetchall()))


@contextmanager
def _named(number: int, raw: Any) -> Iterator[None]:
    """What is wrong in here is wrong with this entry."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"entry {number}{_name(raw)}: {error}") from None


def _check_stored(entry: Entry, stored: _Stored) -> None:
    if entry.tenant_id not in stored.tenants:
        raise UsageError("there is no such tenant; `tenants import` adds one")
    if entry.service_account is None and entry.tenant_id not in stored.spreadsheets:
        raise UsageError("service_account is missing")


def _checked(raw: Any) -> Entry:
    """The entry, its private key with real line ends."""
    if not isinstance(raw, dict):
        raise UsageError("not an object")
    try:
        entry = Entry.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        said = "there is no such setting" if first["type"] == "extra_forbidden" else first["msg"]
        raise UsageError(f"{place}: {said}") from None
    if not _SPREADSHEET_ID.fullmatch(entry.spreadsheet_id):
        raise UsageError("spreadsheet_id: must be what stands between /d/ and /edit in the spreadsheet's address")
    if entry.service_account is None:
        return entry
    return entry.model_copy(update={"service_account": _checked_key(entry.service_account)})


def _checked_key(account: Mapping[str, Any]) -> dict[str, Any]:
    """The key file as Google's console gives it; what this program does not use of it is kept unread."""
    kind = account.get("type", "service_account")
    if kind != "service_account":
        raise UsageError("service_account.type: must be service_account: the key file of a service account, JSON")
    for name in ("client_email", "private_key"):
        if not account.get(name):
            raise UsageError(f"service_account.{name} is missing")
        if not isinstance(account[name], str):
            raise UsageError(f"service_account.{name}: must be text")
    if not _EMAIL.fullmatch(account["client_email"]):
        raise UsageError("service_account.client_email: is no e-mail address")
    # A key that went through an environment variable often has its line ends spelt out.
    pem = account["private_key"].replace("\\n", "\n")
    if not _is_rsa_key(pem):
        raise UsageError("service_account.private_key: is not an RSA private key in PEM form that can be read")
    return {**account, "private_key": pem}


def _is_rsa_key(pem: str) -> bool:
    try:
        return isinstance(load_pem_private_key(pem.encode(), password=None), RSAPrivateKey)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # no PEM; under a passphrase; of a kind nobody knows
        return False


def _check_owners(found: Mapping[str, Entry], stored: _Stored) -> None:
    """Of two tenants in one spreadsheet, each would overwrite the other's days."""
    owners = {
        spreadsheet_id: tenant_id for tenant_id, spreadsheet_id in stored.spreadsheets.items() if tenant_id not in found
    }
    for number, entry in enumerate(found.values(), start=1):
        owner = owners.setdefault(entry.spreadsheet_id, entry.tenant_id)
        if owner != entry.tenant_id:
            raise UsageError(
                f"entry {number} ({entry.tenant_id}): spreadsheet_id: is the spreadsheet of {owner} already"
            )


def _name(raw: Any) -> str:
    tenant_id = raw.get("tenant_id") if isinstance(raw, dict) else None
    return f" ({tenant_id})" if isinstance(tenant_id, str) and tenant_id and tenant_id.isprintable() else ""
