"""The line, once for every provider: pages → records → diff → stage → apply → mappings → history.

:func:`sync` keeps one connection's users, teams or notification settings in step. It reads first, with no transaction
open, and writes last, in one short transaction that also turns the history row, born FAILED, into what it became.
"""

import logging
import traceback
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import psycopg

from integration_pipeline import notices
from integration_pipeline.attempt import Attempt, Run
from integration_pipeline.diff import GONE
from integration_pipeline.errors import Interrupted, Kind, PipelineError, ProviderError
from integration_pipeline.model import Connection, Counts, Outcome, PlannedChange, Status, SyncType
from integration_pipeline.provider import Provider, Session
from integration_pipeline.reading import read
from integration_pipeline.store import beginning, cursors, history, holds, matching, staging
from integration_pipeline.store.engine import CommitUnanswered, Database
from integration_pipeline.store.spool import Row, Spool
from integration_pipeline.store.staging import Apply, Cursor, Target
from integration_pipeline.verdict import Plan, problems, verdict

logger = logging.getLogger(__name__)

LARGEST_PLAN = 1000
"""How many changes of a dry run are named one by one; the counts are always whole."""


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
        plan = read(attempt, provider, spool)
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


def rematch(database: Database, connection: Connection) -> int:
    """Match a connection's accounts anew without asking its provider; returns how many mappings changed."""
    with database.transaction(connection.tenant_id) as cursor:
        return len(matching.rematch_now(cursor, connection))


def _begin(attempt: Attempt) -> None:
    """Commit the history row, and read where the connection stands: its generation, and where its listings go on.

    Where none goes on, all of them will be read whole: what is stored is read along.
    """
    session, run = attempt.session, attempt.run
    with attempt.transaction() as cursor:
        begun = beginning.begin(
            cursor,
            session.connection,
            attempt.sync_type,
            started_at=attempt.started_at,
            run_id=run.run_id,
            estimate=run.estimates.get(attempt.sync_type),
            is_dry_run=run.dry_run,
        )
        bookmarks = {} if session.reads_all else cursors.trusted(begun.bookmarks, at=attempt.started_at)
        if not bookmarks and not session.failure:
            attempt.stored = staging.stored(cursor, attempt.target, session.connection)
    if begun.sync_id is not None:
        attempt.sync_id = begun.sync_id
        run.on_begin(session.connection, begun.sync_id)
    attempt.generation, attempt.has_hold = begun.generation, begun.has_hold
    attempt.has_bookmarks = bool(begun.bookmarks)
    session.bookmarks = bookmarks
    session.next_bookmarks = {}


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
    counts = plan.diff.counts
    if counts.created or counts.updated or counts.deleted:
        attempt.run.give_way()
    outcome: Outcome | None = None
    try:
        with database.transaction(session.connection.tenant_id) as cursor:
            rematched = staging.apply(cursor, task, spool.blocks(is_held=plan.is_held))
            _count_rematched(cursor, attempt, plan, rematched)
            staging.record_problems(cursor, task, problems(plan))
            hold_id = None
            if plan.objections or attempt.has_hold:
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
    """What a dry run would do, mappings included; what it stages for that ends with its transaction."""
    rows = islice(spool.rows(is_held=plan.is_held), LARGEST_PLAN)
    changes = [_planned_change(row, attempt.target) for row in rows]
    if attempt.sync_type is SyncType.USERS:
        connection = attempt.session.connection
        with attempt.transaction() as cursor:
            people_moved, rematched = matching.people_moved(cursor, connection), list[str]()
            if changes or people_moved:
                blocks = spool.blocks(is_held=plan.is_held)
                rematched = staging.planned_matches(cursor, connection, blocks, people_moved=people_moved)
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
