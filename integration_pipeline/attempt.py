"""One sync under way: what it was asked for, and what its outcome will be made of."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from integration_pipeline.errors import Kind
from integration_pipeline.model import Connection, Counts, Estimate, Notice, Outcome, PlannedChange, Status, SyncType
from integration_pipeline.provider import Session
from integration_pipeline.store.engine import Database
from integration_pipeline.store.staging import TARGETS, Cursor, Target

T = TypeVar("T")


def ignore(*_: object) -> None:
    """The listener that does nothing."""


@dataclass(frozen=True, slots=True)
class Run:
    """What all syncs of one invocation share.

    :param batch_size: how many changed records are buffered at a time; None = as the connection says.
    :param run_id: the Dagster run that asks, kept in the history.
    :param estimates: what each sync type is expected to cost, where that is known.
    :param give_way: called before changes are written, which may take the database a while: others may work meanwhile.
    :param on_begin: told the ``sync_id`` of every history row that is open from now on.
    :param on_interrupted: told the outcome of a sync that is cut off, since nobody gets it back.
    :param on_read: told how many rows of the source were read so far.
    """

    database: Database
    now: Callable[[], dt.datetime]
    dry_run: bool = False
    batch_size: int | None = None
    run_id: str | None = None
    estimates: Mapping[SyncType, Estimate] = field(default_factory=dict)
    give_way: Callable[[], None] = ignore
    on_begin: Callable[[Connection, UUID], None] = ignore
    on_interrupted: Callable[[Connection, Outcome], None] = ignore
    on_read: Callable[[Connection, SyncType, int], None] = ignore


@dataclass(slots=True)
class Attempt:
    """One sync under way: what its outcome will be made of."""

    session: Session
    sync_type: SyncType
    run: Run
    started_at: dt.datetime
    sync_id: UUID | None = None
    generation: int = 0
    """The connection's, before anything was read."""
    stored: dict[str, int] | None = None
    """What is stored, where it was read already."""
    has_bookmarks: bool = False
    """Whether any are stored, be they of use or not."""
    has_hold: bool = False
    """Whether one of this type waits."""
    rows_read: int = 0

    @property
    def target(self) -> Target:
        return TARGETS[self.sync_type]

    def transaction(self) -> AbstractContextManager[Cursor]:
        """A short one, of the connection's tenant."""
        return self.run.database.transaction(self.session.connection.tenant_id)

    def ask(self, work: Callable[[Cursor], T]) -> T:
        """One statement that reads, as a transaction of its own (:meth:`Database.ask`)."""
        return self.run.database.ask(self.session.connection.tenant_id, work)

    def outcome(
        self,
        status: Status,
        counts: Counts,
        kind: Kind | None = None,
        message: str | None = None,
        remedy: str | None = None,
        changes: Sequence[PlannedChange] = (),
        told: Sequence[Notice] = (),
    ) -> Outcome:
        cost = self.session.cost_since_accounted
        return Outcome(
            sync_id=str(self.sync_id) if self.sync_id else None,
            tenant_id=self.session.connection.tenant_id,
            system=self.session.connection.system,
            sync_type=self.sync_type,
            started_at=self.started_at,
            completed_at=max(self.run.now(), self.started_at),  # a clock may be set back meanwhile
            status=status,
            counts=counts,
            error_type=kind.value if kind else None,
            error_message=message,
            remedy=remedy,
            warnings=tuple(self.session.warnings),
            api_calls=cost.calls,
            api_calls_minimum=None if status is Status.FAILED else cost.fewest,
            load=cost.load,
            estimate=self.run.estimates.get(self.sync_type),
            dry_run=self.run.dry_run,
            changes=tuple(changes),
            notices=tuple(told),
        )
