"""What is shown of connections: a sync's result (just ended, or as the history tells), a token's end, a coverage."""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from integration_pipeline.errors import Kind
from integration_pipeline.model import Counts, Outcome, Status, SyncType, System
from integration_pipeline.registry import FOLDERS

RUNNING = "RUNNING"
BUSY = "BUSY"
NEVER = "NEVER"

SYNCED = {
    "external_users": SyncType.USERS,
    "external_teams": SyncType.TEAMS,
    "notification_settings": SyncType.NOTIFICATIONS,
}
"""The assets that come from a provider, and the sync type each of them is."""

MAPPINGS = "user_mappings"
"""The asset that a sync of users brings in step too, since it matches."""

SYNC_TYPES = {**SYNCED, MAPPINGS: SyncType.USERS}
"""Every asset, and the sync type whose lines it shows."""


class Line(NamedTuple):
    """A row of a tenant's table."""

    tenant_id: str
    system: System
    sync_type: SyncType
    status: str
    """A :class:`Status`, or why there is none: ``RUNNING``, ``BUSY`` (another invocation has it), ``NEVER``."""
    counts: Counts
    started_at: dt.datetime | None = None
    completed_at: dt.datetime | None = None
    error_type: str | None = None
    error_message: str | None = None
    remedy: str | None = None
    warnings: Sequence[str] = ()
    api_calls: int = 0
    api_calls_minimum: int | None = None
    """The fewest that would have done; null where nothing was read to its end, or nobody counted yet."""
    run_id: str | None = None
    good_at: dt.datetime | None = None
    """When a sync of this last succeeded, by the history."""
    changes: Sequence[str] = ()
    """What a dry run would do, in words."""

    @property
    def is_good(self) -> bool:
        """Whether the stored rows are the provider's, as far as they could be read."""
        return self.status in {Status.SUCCESS, Status.PARTIAL}

    @property
    def is_failed(self) -> bool:
        return self.status in {Status.FAILED, BUSY}

    @property
    def seconds(self) -> float:
        if self.started_at is None or self.completed_at is None:
            return 0.0
        return (self.completed_at - self.started_at).total_seconds()


class Token(NamedTuple):
    """An access token that nothing but a person can renew, or whose renewal was cut off."""

    tenant_id: str
    system: System
    expires_at: dt.datetime | None
    refresh_started_at: dt.datetime | None


class Held(NamedTuple):
    """Deactivations that wait for a person."""

    tenant_id: str
    system: System
    sync_type: SyncType
    hold_id: UUID
    created_at: dt.datetime
    rows: int
    reasons: Sequence[str]


class Coverage(NamedTuple):
    """How many of a connection's active accounts are known to be whose."""

    tenant_id: str
    system: System
    active: int
    matched: int
    in_error: int

    @property
    def unmatched(self) -> int:
        return self.active - self.matched - self.in_error

    @property
    def share(self) -> float:
        """1 for a connection without active accounts: nobody is left unmatched."""
        return self.matched / self.active if self.active else 1.0


def in_order(lines: Iterable[Line]) -> list[Line]:
    """By system, in the order in which people are used to see them; syncs end in any."""
    order = {system: number for number, system in enumerate(FOLDERS)}
    return sorted(lines, key=lambda line: order.get(line.system, -1))


def of_outcome(outcome: Outcome) -> Line:
    return Line(
        tenant_id=outcome.tenant_id,
        system=outcome.system,
        sync_type=outcome.sync_type,
        status=outcome.status,
        counts=outcome.counts,
        started_at=outcome.started_at,
        completed_at=outcome.completed_at,
        error_type=outcome.error_type,
        error_message=outcome.error_message,
        remedy=outcome.remedy,
        warnings=outcome.warnings,
        api_calls=outcome.api_calls,
        api_calls_minimum=outcome.api_calls_minimum,
        changes=[
            f"{change.action} {change.kind} {change.key} {change.name or ''}".rstrip() for change in outcome.changes
        ],
    )


def of_refusal(tenant_id: str, system: System, sync_type: SyncType, message: str) -> Line:
    """The line of a sync that did not begin, because another invocation works on the connection."""
    return Line(
        tenant_id=tenant_id,
        system=system,
        sync_type=sync_type,
        status=BUSY,
        counts=Counts(),
        error_type=BUSY,
        error_message=message,
        remedy="Its own result shows when it ends; materialize again if that is not enough.",
    )


def of_rematch(tenant_id: str, system: System, changed: int) -> Line:
    """The line of a connection whose accounts were matched anew, without asking its provider."""
    return Line(
        tenant_id=tenant_id,
        system=system,
        sync_type=SyncType.USERS,
        status=Status.SUCCESS,
        counts=Counts(updated=changed),
        api_calls_minimum=0,
    )


def of_rematch_failed(tenant_id: str, system: System, error: str) -> Line:
    """The line of a connection whose accounts the database did not match anew: they are as they were."""
    return Line(
        tenant_id=tenant_id,
        system=system,
        sync_type=SyncType.USERS,
        status=Status.FAILED,
        counts=Counts(),
        error_type=Kind.UNKNOWN_ERROR.value,
        error_message=f"the database refused or was lost: {error}",
        remedy="Look at PostgreSQL's own log.",
    )
