"""The words of the domain: what a connection is, what a record is, what a sync came to.

Nothing here reads, writes or decides; every other module speaks in these terms.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, NewType

from pydantic import SecretStr

from integration_pipeline.errors import Cause

System = NewType("System", str)
"""A provider's name as the contract spells it (``SLACK``). The registry says which exist; nothing else lists them."""


class SyncType(StrEnum):
    """What one sync keeps in step. The order is the order of a night."""

    USERS = "USERS"
    TEAMS = "TEAMS"
    NOTIFICATIONS = "NOTIFICATIONS"


class Status(StrEnum):
    """What a sync came to (requirement A5)."""

    SUCCESS = "SUCCESS"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"


class State(StrEnum):
    """What the source says of a record.

    ``GONE`` means deleted at the source though still listed there; ``INACTIVE`` means there, but switched off.
    """

    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    GONE = "GONE"


class User(NamedTuple):
    """A person's account at a provider, as the source gives it now (requirement A6)."""

    key: str
    kind: str
    state: State
    reason: str | None
    """Why it is not active, in one word: ``deleted``, ``disabled``, ``suspended``."""
    external_username: str | None
    external_email: str | None
    flags: str | None
    """Comma-separated, sorted: ``guest``, ``pending``, ``leave``."""
    external_key: str | None
    """The customer's own key for its user, where the provider carries one (LINE WORKS ``userExternalKey``)."""
    employee_number: str | None
    match_email: str | None
    """An address that may identify the person: confirmed, and not editable by its owner."""
    match_email_2: str | None
    """The address to try when the first one matches nobody (Graph's UPN)."""


class Team(NamedTuple):
    """A team, channel, group, user group or organisational unit."""

    key: str
    kind: str
    state: State
    reason: str | None
    parent_id: str | None
    name: str | None
    description: str | None
    visibility: str | None
    """The provider's own word: ``public``, ``private``, ``shared``, ``standard`` …"""
    is_archived: bool


class Setting(NamedTuple):
    """A bot, an installed app or a subscription: who may notify whom."""

    key: str
    kind: str
    state: State
    reason: str | None
    external_team_id: str | None
    name: str | None
    settings: str
    """A JSON object, as :func:`as_json` writes it."""


def as_json(facts: Mapping[str, Any]) -> str:
    """A JSON object as it is stored: equal objects are equal text, and U+0000, which PostgreSQL cannot hold, is dropped."""
    return json.dumps(_without_nul(facts), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, Mapping):
        return {name: _without_nul(part) for name, part in value.items()}
    return [_without_nul(part) for part in value] if isinstance(value, list) else value


Record = User | Team | Setting


class Rejection(NamedTuple):
    """A record that could not be read. ``key`` is null where not even its id was readable."""

    key: str | None
    kind: str
    message: str


class Removal(NamedTuple):
    """What a listing that tells changes names as gone: the same as not being in a whole listing."""

    key: str
    kind: str


class Page(NamedTuple):
    """One page of a listing, as records. Rows that are no records of ours (bots among users) are left out."""

    records: list[Any]
    rejected: list[Rejection]
    removed: Sequence[Removal] = ()
    """Only of a listing that tells changes."""


class Bookmark(NamedTuple):
    """Where a listing's changes go on from."""

    cursor: str
    """The provider's own text."""
    question: str
    """What was asked (fields, whose directory). The cursor of another question is of no use."""
    listed_at: dt.datetime | None
    """When the listing was last read whole; None = by the sync that proposes this."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and what came with it. ``expires_at`` is null for tokens that never expire."""

    access_token: SecretStr
    refresh_token: SecretStr | None
    expires_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Connection:
    """One tenant's access to one provider: requirement A3's settings and A4's sync settings.

    Secrets are opened only where they are used: here they are :class:`~pydantic.SecretStr`, which no repr shows.
    """

    tenant_id: str
    system: System
    client_id: str | None = None
    client_secret: SecretStr | None = None
    access_token: SecretStr | None = None
    refresh_token: SecretStr | None = None
    token_expires_at: dt.datetime | None = None
    refresh_started_at: dt.datetime | None = None
    """Set while a refresh is under way; still set at the next start = that refresh was cut off."""
    api_endpoint: str | None = None
    sync_enabled: bool = True
    sync_users: bool = True
    sync_teams: bool = True
    sync_notifications: bool = True
    batch_size: int = 100
    api_rate_limit: int = 60
    retry_attempts: int = 3
    timeout_seconds: int = 30
    options: Mapping[str, Any] = field(default_factory=dict)
    secret_options: Mapping[str, SecretStr] = field(default_factory=dict)
    workspace: Mapping[str, Any] = field(default_factory=dict)
    last_sync_at: dt.datetime | None = None
    sync_generation: int = 0

    @property
    def due(self) -> tuple[SyncType, ...]:
        """The sync types this connection asks for, in the order of a night."""
        wanted = {
            SyncType.USERS: self.sync_users,
            SyncType.TEAMS: self.sync_teams,
            SyncType.NOTIFICATIONS: self.sync_notifications,
        }
        return tuple(sync_type for sync_type, is_due in wanted.items() if is_due)

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.system}"


class Load(NamedTuple):
    """What one operation of a provider was asked: so often, in so many parts (a batch has several), answered in that time."""

    questions: int = 0
    parts: int = 0
    seconds: float = 0.0

    def plus(self, other: "Load") -> "Load":
        return Load(self.questions + other.questions, self.parts + other.parts, self.seconds + other.seconds)

    def minus(self, other: "Load") -> "Load":
        return Load(self.questions - other.questions, self.parts - other.parts, self.seconds - other.seconds)


class Estimate(NamedTuple):
    """What a sync is expected to cost: HTTP requests, and seconds on the clock."""

    calls: int
    seconds: float


@dataclass(slots=True)
class Counts:
    """How many records a sync touched, and how (requirement A5)."""

    created: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    rejected: int = 0

    @property
    def processed(self) -> int:
        return self.created + self.updated + self.deleted + self.unchanged + self.rejected


class PlannedChange(NamedTuple):
    """One thing a dry run would do: ``CREATE``, ``UPDATE``, ``DEACTIVATE`` or, for a mapping alone, ``MATCH``."""

    action: str
    kind: str
    key: str
    name: str | None


class Notice(NamedTuple):
    """Something only a person can mend, as a sync or a publishing met it (requirement A13)."""

    cause: Cause
    message: str
    remedy: str | None
    provider_code: str | None = None
    commands: tuple[str, ...] = ()
    """What to type, to look or to act."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one sync of one connection and type ended: a history row, whether written or, in a dry run, not."""

    sync_id: str | None
    tenant_id: str
    system: System
    sync_type: SyncType
    started_at: dt.datetime
    completed_at: dt.datetime
    status: Status
    counts: Counts
    error_type: str | None
    error_message: str | None
    remedy: str | None
    warnings: tuple[str, ...]
    api_calls: int
    api_calls_minimum: int | None
    """The fewest HTTP requests with which its listings could have been read; null where they were not (FAILED)."""
    dry_run: bool
    load: Mapping[str, Load] = field(default_factory=dict)
    """By operation, what was asked; with it the next one is estimated."""
    estimate: Estimate | None = None
    """What it was expected to cost; null where there was nothing to tell by: no earlier sync that ended well."""
    changes: tuple[PlannedChange, ...] = ()
    notices: tuple[Notice, ...] = ()
    """What of it only a person can mend."""
