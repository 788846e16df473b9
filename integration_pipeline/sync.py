"""The line, once for every provider: pages → records → diff → stage → apply → mappings → history.

:func:`sync` keeps one connection's users, teams or notification settings in step. It reads first, with no transaction
open, and writes last, in one short transaction that also turns the history row, born FAILED, into what it became.
"""

import datetime as dt
import logging
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from uuid import UUID

import psycopg

from integration_pipeline import guard, notices
from integration_pipeline.diff import GONE, Absence, Diff
from integration_pipeline.errors import Interrupted, InvalidResponse, Kind, PipelineError, ProviderError
from integration_pipeline.model import (
    Connection,
    Counts,
    Estimate,
    Notice,
    Outcome,
    Page,
    PlannedChange,
    Status,
    SyncType,
)
from integration_pipeline.provider import Listing, Provider, Session
from integration_pipeline.store import cursors, history, holds, staging
from integration_pipeline.store.engine import CommitUnanswered, Database
from integration_pipeline.store.spool import Row, Spool, row_of, row_of_absence
from integration_pipeline.store.staging import TARGETS, Apply, Cursor, Target
from integration_pipeline.verdict import Plan, Walk, problems, verdict

logger = logging.getLogger(__name__)

LARGEST_LISTING = 10_000_000
"""Rows. Ten times the largest directory there is; a provider that goes on has lost its way, and would take our memory."""

LARGEST_PLAN = 1000
"""How many changes of a dry run are named one by one; the counts are always whole."""


def ignore(*_: object) -> None:
    """The listener that does nothing."""


@dataclass(frozen=True, slots=True)
class Run:
    """What all syncs of one invocation share.

    :param batch_size: how many changed records are buffered at a time; None = as the connection says.
    :param run_id: the Dagster run that asks, kept in the history.
    :param estimates: what each sync type is expected to cost, where that is known.
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
    rows_read: int = 0

    @property
    def target(self) -> Target:
        return TARGETS[self.sync_type]

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


def sync(session: Session, provider: Provider, sync_type: SyncType, run: Run) -> Outcome:
    """Bring one connection's rows of one type in step with the provider, and say how it went.

    Provider and database errors become a FAILED outcome; only an interruption is raised.

    :raises Interrupted: after the history row says so.
    """
    session.warnings.clear()
    attempt = Attempt(session, sync_type, run, run.now())
    spool = Spool(run.batch_size or session.connection.batch_size)
    try:
        _begin(attempt)
        if session.failure:
            raise session.failure.with_traceback(None)
        plan = _read(attempt, provider, spool)
        return _preview(attempt, plan, spool) if run.dry_run else _commit(attempt, plan, spool)
    except Interrupted as error:
        run.on_interrupted(session.connection, _fail(attempt, error, error.kind, str(error)))
        raise
    except PipelineError as error:
        if isinstance(error, ProviderError) and error.is_fatal:
            session.failure = error
        return _fail(attempt, error, error.kind, str(error), error.remedy)
    except psycopg.Error as error:
        message = f"the database refused or was lost: {type(error).__name__} {error.sqlstate or ''}".strip()
        return _fail(attempt, error, Kind.UNKNOWN_ERROR, message, "Look at PostgreSQL's own log.")
    except Exception as error:  # noqa: BLE001 - the edge of one connection: a defect must not end the others' night
        # Without the exception's own text, here and in the history: it may quote what it stumbled over.
        logger.error("defect connection=%s error=%s", session.connection, type(error).__name__)  # noqa: TRY400
        message = f"a defect in the pipeline: {type(error).__name__}"
        return _fail(attempt, error, Kind.UNKNOWN_ERROR, message, "Report it with its stack trace.")
    finally:
        spool.close()
        session.accounted = session.cost


def rematch(database: Database, connection: Connection, *, at: dt.datetime) -> int:
    """Match a connection's accounts anew without asking its provider; returns how many mappings changed."""
    with database.transaction(connection.tenant_id) as cursor:
        return len(staging.rematch_now(cursor, connection, at))


def _begin(attempt: Attempt) -> None:
    """Commit the history row, and read where the connection stands: its generation, and where its listings go on.

    Where none goes on, all of them will be read whole: what is stored is read along.
    """
    session, run = attempt.session, attempt.run
    sync_id: UUID | None = None
    with _transaction(attempt) as cursor:
        if not run.dry_run:
            sync_id = history.open_row(
                cursor,
                session.connection,
                attempt.sync_type,
                started_at=attempt.started_at,
                run_id=run.run_id,
                estimate=run.estimates.get(attempt.sync_type),
            )
        attempt.generation = staging.generation(cursor, session.connection)
        bookmarks = cursors.load(cursor, session.connection, attempt.sync_type)
        if not bookmarks and not session.failure:
            attempt.stored = staging.stored(cursor, attempt.target, session.connection)
    if sync_id is not None:
        attempt.sync_id = sync_id
        run.on_begin(session.connection, sync_id)
    attempt.has_bookmarks = bool(bookmarks)
    session.bookmarks = {} if session.reads_all else cursors.trusted(bookmarks, at=attempt.started_at)
    session.next_bookmarks = {}


def _read(attempt: Attempt, provider: Provider, spool: Spool) -> Plan:
    """Walk the provider and compare; nothing is written."""
    target = attempt.target
    attempt.session.known = partial(_known, attempt)
    diff = Diff({}, by_kind=target.by_kind)
    if attempt.stored is not None:
        diff.load(attempt.stored)
        attempt.stored = None
    walk = _walk(attempt, provider, diff, spool)
    if diff.unproven:
        attempt.session.memo.clear()  # nor does what it fetched for other types count as whole
    absent, objections = _removals(attempt, diff, walk)
    for absence in absent:
        if absence.is_active or not objections:  # where the guard doubts the listing, nothing is believed of it
            spool.add(row_of_absence(absence, len(target.columns)), deactivates=absence.is_active)
    if objections:
        diff.hold()
    else:
        diff.absent(absent)
    return Plan(attempt.generation, diff, walk, objections)


def _walk(attempt: Attempt, provider: Provider, diff: Diff, spool: Spool) -> Walk:
    walk = Walk()
    for listing in provider.listings[attempt.sync_type](attempt.session):
        if listing.is_main:
            walk.main.add(listing.name)
        try:
            _compare(attempt, listing, diff, spool)
        except ProviderError as error:
            if listing.is_main or error.is_fatal:
                raise
            walk.unread[listing.name] = error
        else:
            (walk.complete if listing.proves_absence else walk.silent).add(listing.name)
            if listing.is_often_empty:
                walk.often_empty.add(listing.name)
    if walk.unread and not walk.complete:
        raise next(iter(walk.unread.values()))
    return walk


def _compare(attempt: Attempt, listing: Listing, diff: Diff, spool: Spool) -> None:
    """Read one listing to its end, against all that is stored or, where it tells changes, against what it names."""
    connection, target = attempt.session.connection, attempt.target
    if not listing.tells_changes and not diff.is_loaded:
        with _transaction(attempt) as cursor:
            diff.load(staging.stored(cursor, target, connection))
    for page in listing.pages:
        if listing.tells_changes:
            _learn(attempt, listing, diff, page)
        for change in diff.feed(listing.name, page):
            spool.add(row_of(change), deactivates=change.deactivates)
        if diff.rows[listing.name] > LARGEST_LISTING:
            raise InvalidResponse(f"the listing does not end: it has more than {LARGEST_LISTING} rows")
        attempt.rows_read += len(page.records) + len(page.rejected) + len(page.removed)
        attempt.run.on_read(connection, attempt.sync_type, attempt.rows_read)
    if listing.tells_changes:
        with _transaction(attempt) as cursor:
            diff.keep_others(listing.name, staging.count_there(cursor, target, connection, listing.name))


def _learn(attempt: Attempt, listing: Listing, diff: Diff, page: Page) -> None:
    names = diff.names(page)
    if names:
        with _transaction(attempt) as cursor:
            diff.learn(listing.name, staging.hashes(cursor, attempt.target, attempt.session.connection, names))


def _known(attempt: Attempt, kind: str) -> list[str]:
    with _transaction(attempt) as cursor:
        return staging.active_keys(cursor, attempt.target, attempt.session.connection, kind)


def _transaction(attempt: Attempt) -> AbstractContextManager[Cursor]:
    return attempt.run.database.transaction(attempt.session.connection.tenant_id)


def _removals(attempt: Attempt, diff: Diff, walk: Walk) -> tuple[list[Absence], list[str]]:
    """The rows proven absent, and why they must stay as they are for now if they must."""
    names = diff.unseen()
    if not names and not diff.deactivated:
        return [], []
    connection, target = attempt.session.connection, attempt.target
    with attempt.run.database.transaction(connection.tenant_id) as cursor:
        unseen = staging.absences(cursor, target, connection, names) if names else []
        census = staging.census(cursor, target, connection)
    absent = [absence for absence in unseen if walk.may_prove_absent(absence.listing, diff.unproven)]
    leaving = [absence for absence in absent if absence.is_active]
    lost, active = Counter(absence.kind for absence in leaving), Counter[str]()
    for _, kind, count in census:
        active[kind] += count
    # No listing at all is as good as an empty one that is often empty: suspect when nothing of the kind is left.
    always_filled = walk.complete - walk.often_empty
    emptied = {
        absence.listing
        for absence in leaving
        if not diff.rows.get(absence.listing)
        and (absence.listing in always_filled or lost[absence.kind] == active[absence.kind])
    }
    return absent, guard.objections(
        removals=lost + Counter(diff.deactivated), active=active, emptied=sorted(emptied), limits=_limits(connection)
    )


def _limits(connection: Connection) -> guard.Limits:
    return guard.Limits(
        max_removed=connection.options.get("guard_max_removed", guard.MAX_REMOVED),
        max_removed_percent=connection.options.get("guard_max_removed_percent", guard.MAX_REMOVED_PERCENT),
    )


def _commit(attempt: Attempt, plan: Plan, spool: Spool) -> Outcome:
    """The short transaction at the end: all of it with the history row, or nothing."""
    session = attempt.session
    if attempt.sync_id is None:
        message = "a dry run has nothing to commit"
        raise ValueError(message)
    task = Apply(
        connection=session.connection,
        sync_id=attempt.sync_id,
        sync_type=attempt.sync_type,
        at=attempt.run.now(),
        generation=plan.generation,
        users_are_complete=attempt.sync_type is SyncType.USERS and plan.is_complete,
        workspace=session.workspace,
    )
    database = attempt.run.database
    outcome: Outcome | None = None
    try:
        with database.transaction(session.connection.tenant_id) as cursor:
            rematched = staging.apply(cursor, task, spool.blocks(is_held=plan.is_held))
            _count_rematched(cursor, attempt, plan, rematched)
            staging.record_problems(cursor, task, problems(plan))
            hold_id = holds.settle(cursor, task, plan.objections, spool.deactivations())
            told = notices.of_commit(session.connection, plan.walk.unread.values(), plan.objections, hold_id)
            outcome = attempt.outcome(*verdict(plan, hold_id), told=told)
            _move_bookmarks(cursor, attempt, outcome)
            history.finish(cursor, outcome)
    except CommitUnanswered:
        if outcome is None or not _was_committed(database, outcome):
            raise
    if session.workspace is not None:
        session.connection = replace(session.connection, workspace=session.workspace)
    return outcome


def _was_committed(database: Database, outcome: Outcome) -> bool:
    """What became of a COMMIT that nobody answered.

    :raises PipelineError: nobody can tell now; the history row will.
    """
    try:
        return history.was_finished(database, outcome)
    except psycopg.Error as error:
        raise PipelineError(
            "the database was lost while it committed, and does not say whether the changes were kept",
            remedy="Look at `history list` once it is back; the next run is right either way.",
        ) from error


def _move_bookmarks(cursor: Cursor, attempt: Attempt, outcome: Outcome) -> None:
    """Anything less than a SUCCESS leaves none: the next night reads the listings whole."""
    session = attempt.session
    kept = session.next_bookmarks if outcome.status is Status.SUCCESS else {}
    if kept or attempt.has_bookmarks:
        cursors.settle(cursor, session.connection, attempt.sync_type, kept, at=attempt.started_at)


def _count_rematched(cursor: Cursor, attempt: Attempt, plan: Plan, accounts: Sequence[str]) -> None:
    """Count the mappings that changed alone; a listing of changes stands for accounts that it did not name, too."""
    unnamed = plan.diff.unnamed(accounts)
    hashes = staging.hashes(cursor, attempt.target, attempt.session.connection, unnamed) if unnamed else {}
    for account in accounts:
        plan.diff.rematched(account, is_there=hashes.get(account, GONE) != GONE)


def _preview(attempt: Attempt, plan: Plan, spool: Spool) -> Outcome:
    """What a dry run would do, mappings included, by reads alone."""
    rows = islice(spool.rows(is_held=plan.is_held), LARGEST_PLAN)
    changes = [_planned_change(row, attempt.target) for row in rows]
    if attempt.sync_type is SyncType.USERS:
        connection = attempt.session.connection
        with attempt.run.database.transaction(connection.tenant_id) as cursor:
            rematched = []
            if changes or staging.people_moved(cursor, connection):
                rematched = staging.planned_matches(cursor, connection, spool.rows(is_held=plan.is_held))
            _count_rematched(cursor, attempt, plan, rematched)
        changes += [PlannedChange("MATCH", "USER", account, None) for account in rematched]
    return attempt.outcome(*verdict(plan), changes=changes[:LARGEST_PLAN])


def _planned_change(row: Row, target: Target) -> PlannedChange:
    action = "CREATE" if row.action == "C" else "DEACTIVATE" if row.deactivates else "UPDATE"
    return PlannedChange(action, kind=row.kind, key=row.key, name=row.values[list(target.columns).index(target.name)])


def _fail(attempt: Attempt, error: BaseException, kind: Kind, message: str, remedy: str | None = None) -> Outcome:
    """The outcome of a sync that wrote nothing, and its history row, where the database can still take it."""
    told = notices.of_errors(attempt.session.connection, [error])
    outcome = attempt.outcome(Status.FAILED, Counts(), kind, message, remedy, told=told)
    if attempt.sync_id is None:
        return outcome
    # Only the frames: an exception's own text may quote what the provider sent.
    stack_trace = "".join(traceback.format_tb(error.__traceback__))
    code = error.code if isinstance(error, ProviderError) else None
    try:
        history.fail(attempt.run.database, outcome, provider_code=code, stack_trace=stack_trace)
    except psycopg.Error as lost:
        logger.error("history row left open sync_id=%s error=%s", attempt.sync_id, type(lost).__name__)  # noqa: TRY400
    return outcome
