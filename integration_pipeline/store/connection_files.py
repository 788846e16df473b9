"""``connections import``: the contract's JSON → checked entries → rows. All of a file is right, or nothing is imported.

An entry describes its connection whole: a setting it leaves out takes its default. Secrets are the exception, since
nobody can read them back: one that is left out or null stays as it is, among the options too. An access token given
anew brings its ``token_expires_at`` along; without one, the stored token keeps its own. An entry that says nothing new
is not written. A secret that is stored under an older key than the ring's first one is, so that importing a file seals
all of it with the first.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg.types.json import Jsonb
from pydantic import SecretStr

from integration_pipeline.crypto import Keyring
from integration_pipeline.errors import UsageError
from integration_pipeline.model import Connection
from integration_pipeline.provider import Provider
from integration_pipeline.settings import Settings
from integration_pipeline.store import connections
from integration_pipeline.store.connections import SEALED, option_column
from integration_pipeline.store.engine import Database, become_tenant
from integration_pipeline.store.entries import COMMON_OPTIONS, Entry, check
from integration_pipeline.store.people import Imported


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A connection as it should be: ``whole`` with every secret it will have, ``given`` the secrets that are new."""

    whole: Connection
    given: Mapping[str, SecretStr]
    given_options: Mapping[str, SecretStr]
    drops_token: bool

    def is_stored(self, stored: Mapping[str, Any] | None, keyring: Keyring) -> bool:
        """Whether the row says all of this already: nobody sees that in the sealed values, so they are opened."""
        if stored is None or self.drops_token:
            return False
        if any(stored[name] != getattr(self.whole, name) for name in (*_SETTINGS, "options")):
            return False
        if "access_token" in self.given and stored["token_expires_at"] != self.whole.token_expires_at:
            return False
        if self.given.keys() & {"access_token", "refresh_token"} and stored["refresh_started_at"] is not None:
            return False
        sealed = [(name, value, stored[name]) for name, value in self.given.items()]
        sealed += [
            (option_column(name), value, stored["secret_options"].get(name))
            for name, value in self.given_options.items()
        ]
        return all(keyring.is_sealed(value, known, **self._place, column=column) for column, value, known in sealed)

    @property
    def _place(self) -> dict[str, str]:
        return {"tenant_id": self.whole.tenant_id, "system": self.whole.system}

    def row(self, keyring: Keyring) -> dict[str, Any]:
        place = self._place
        sealed = {name: keyring.seal(value, **place, column=name) for name, value in self.given.items()}
        options = {
            name: keyring.seal(value, **place, column=option_column(name)) for name, value in self.given_options.items()
        }
        return {
            **place,
            **{name: getattr(self.whole, name) for name in _SETTINGS},
            **{name: sealed.get(name) for name in SEALED},
            "options": Jsonb(dict(self.whole.options)),
            "secret_options": Jsonb(options),
            "token_expires_at": self.whole.token_expires_at,
            "drops_token": self.drops_token,
        }


_SETTINGS = (
    "client_id", "api_endpoint", "sync_enabled", "sync_users", "sync_teams", "sync_notifications", "batch_size",
    "api_rate_limit", "retry_attempts", "timeout_seconds",
)  # fmt: skip

_UPSERT = f"""
INSERT INTO external_system_connections AS stored
    (tenant_id, system_type, {", ".join(_SETTINGS)}, options,
    {", ".join(SEALED)}, secret_options, token_expires_at)
VALUES
    (%(tenant_id)s, %(system)s, {", ".join(f"%({name})s" for name in _SETTINGS)}, %(options)s,
    {", ".join(f"%({name})s" for name in SEALED)}, %(secret_options)s, %(token_expires_at)s)
ON CONFLICT (tenant_id, system_type) DO UPDATE SET
    {", ".join(f"{name} = excluded.{name}" for name in _SETTINGS)},
    options = excluded.options,
    client_secret = coalesce(excluded.client_secret, stored.client_secret),
    access_token = coalesce(excluded.access_token, CASE WHEN NOT %(drops_token)s THEN stored.access_token END),
    refresh_token = coalesce(excluded.refresh_token, stored.refresh_token),
    secret_options = stored.secret_options || excluded.secret_options,
    token_expires_at = CASE
        WHEN excluded.access_token IS NOT NULL OR %(drops_token)s THEN excluded.token_expires_at
        ELSE stored.token_expires_at
    END,
    -- A token given anew heals a connection whose refresh was cut off.
    refresh_started_at = CASE
        WHEN excluded.access_token IS NULL AND excluded.refresh_token IS NULL THEN stored.refresh_started_at
    END
RETURNING xmax = 0
"""


def import_entries(
    database: Database, keyring: Keyring, settings: Settings, entries: Any, providers: Sequence[Provider]
) -> Imported:
    """Store the connections of a file.

    :param entries: the file's JSON.
    :param providers: all that exist.
    :raises UsageError: the first thing that is missing or wrong, with its entry's number from 1; nothing is stored.
    """
    if not isinstance(entries, list):
        raise UsageError("not a list of connections")
    known = {provider.system: provider for provider in providers}
    named: set[tuple[str, str]] = set()
    changed: list[_Wanted] = []
    with database.operator() as cursor:
        tenants = {tenant_id for (tenant_id,) in cursor.execute("SELECT tenant_id FROM tenants")}
        for number, raw in enumerate(entries, start=1):
            try:
                entry, provider = check(raw, known, tenants, settings)
                if (entry.tenant_id, entry.system_type) in named:
                    raise UsageError("the same tenant and system stand in an earlier entry too")
                become_tenant(cursor, entry.tenant_id)
                stored = connections.row(cursor, entry.tenant_id, provider.system)
                connection = _wanted(entry, provider, stored, keyring)
            except UsageError as error:
                raise UsageError(f"entry {number}{_name(raw, known)}: {error}") from None
            named.add((entry.tenant_id, entry.system_type))
            if not connection.is_stored(stored, keyring):
                changed.append(connection)
        created = sum(_is_created(cursor, connection.row(keyring)) for connection in changed)
        return Imported(created, len(changed) - created, len(named) - len(changed))


def _is_created(cursor: psycopg.Cursor[Any], row: Mapping[str, Any]) -> bool:
    become_tenant(cursor, row["tenant_id"])
    return cursor.execute(_UPSERT, row).fetchone() == (True,)


def _name(raw: Any, known: Collection[str]) -> str:
    """Whose entry it is, as far as that can be read. What is no system's name might be anything, a secret too."""
    fields = raw if isinstance(raw, dict) else {}
    system = fields.get("system_type")
    names = [fields.get("tenant_id"), system if isinstance(system, str) and system in known else None]
    said = [name for name in names if isinstance(name, str) and name and name.isprintable()]
    return f" ({' '.join(said)})" if said else ""


def _wanted(entry: Entry, provider: Provider, stored: Mapping[str, Any] | None, keyring: Keyring) -> _Wanted:
    """What the entry asks for, completed by the secrets that are stored and that it leaves alone."""
    is_secret = {option.name: option.is_secret for option in (*provider.options, *COMMON_OPTIONS)}
    given = {name: value for name in SEALED if (value := getattr(entry, name)) is not None}
    given_options = {name: SecretStr(value) for name, value in entry.options.items() if is_secret[name]}
    before = None if stored is None else _before(stored, keyring, given, given_options)
    plain: dict[str, Any] = {name: getattr(entry, name) for name in _SETTINGS}
    secrets: dict[str, Any] = {name: given.get(name, getattr(before, name, None)) for name in SEALED}
    whole = Connection(
        tenant_id=entry.tenant_id,
        system=provider.system,
        token_expires_at=entry.token_expires_at,
        options={name: value for name, value in entry.options.items() if not is_secret[name]},
        secret_options={**(before.secret_options if before else {}), **given_options},
        **plain,
        **secrets,
    )
    problems = provider.problems(_as_entry(whole))
    if problems:
        raise UsageError(problems[0])
    drops_token = "access_token" not in given and before is not None and _is_outdated(before, whole, provider)
    return _Wanted(whole, given, given_options, drops_token=drops_token)


def _before(
    stored: Mapping[str, Any], keyring: Keyring, given: Mapping[str, Any], given_options: Mapping[str, Any]
) -> Connection:
    """The stored connection without the secrets that are replaced: a lost key is no hindrance to giving them anew."""
    kept = {name: None if name in given else stored[name] for name in SEALED}
    options = {name: sealed for name, sealed in stored["secret_options"].items() if name not in given_options}
    return connections.opened({**stored, **kept, "secret_options": options}, keyring)


def _as_entry(connection: Connection) -> dict[str, Any]:
    """The contract's form of a connection, secrets opened: what a provider's ``problems`` looks at."""
    secrets = {name: value and value.get_secret_value() for name in SEALED if (value := getattr(connection, name))}
    options = {name: value.get_secret_value() for name, value in connection.secret_options.items()}
    return {
        "tenant_id": connection.tenant_id,
        "system_type": connection.system,
        "token_expires_at": connection.token_expires_at,
        **{name: getattr(connection, name) for name in _SETTINGS},
        **{name: secrets.get(name) for name in SEALED},
        "options": {**connection.options, **options},
    }


def _is_outdated(before: Connection, after: Connection, provider: Provider) -> bool:
    """Whether the stored token belongs to credentials that are replaced, and the new ones can get their own.

    Until it expired it would go on reading the directory that the connection no longer means.
    """
    common = {option.name for option in COMMON_OPTIONS}

    def credentials(connection: Connection) -> tuple[str | None, dict[str, Any]]:
        return connection.client_id, {name: value for name, value in connection.options.items() if name not in common}

    if credentials(before) == credentials(after):
        return False
    return provider.token_request(replace(after, access_token=None), dt.datetime.now(dt.UTC)) is not None
