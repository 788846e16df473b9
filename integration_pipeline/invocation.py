"""One invocation in words: what it asks for, and what it is told while its work goes on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from integration_pipeline.model import Connection, Estimate, Outcome, SyncType, System


@dataclass(frozen=True, slots=True)
class Request:
    """What one invocation asks for; None = all."""

    tenant_ids: tuple[str, ...] | None = None
    systems: tuple[System, ...] | None = None
    sync_types: tuple[SyncType, ...] | None = None
    dry_run: bool = False
    force_refresh: bool = False
    batch_size: int | None = None
    wait: bool = False
    run_id: str | None = None


class Refused(NamedTuple):
    """A connection that another invocation is working on: nothing was done and no history row written."""

    tenant_id: str
    system: System
    message: str


class Started(NamedTuple):
    """A sync began to read."""

    connection: Connection
    sync_type: SyncType


class Read(NamedTuple):
    """So many rows of the source were read so far."""

    connection: Connection
    sync_type: SyncType
    rows: int


class Waiting(NamedTuple):
    """A connection waits for its provider, or for another invocation to let it go."""

    connection: Connection
    seconds: float
    """Infinite where nobody knows."""
    reason: str
    """As after "waiting for"."""


class CutOff(NamedTuple):
    """A sync was cut off with the whole batch, which yields no outcomes any more."""

    connection: Connection
    outcome: Outcome


Estimates = Mapping[tuple[str, System], Mapping[SyncType, Estimate]]
"""By tenant and system, what each sync type will cost."""

Event = Started | Read | Waiting | CutOff
Listener = Callable[[Event], None]
