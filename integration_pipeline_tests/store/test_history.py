"""The history says what is true at every moment, whatever ends a sync."""

import datetime as dt
from dataclasses import replace
from uuid import UUID

import pytest

from integration_pipeline.crypto import Keyring
from integration_pipeline.errors import Kind, Superseded, UsageError
from integration_pipeline.model import Connection, Counts, Outcome, Status, SyncType
from integration_pipeline.store import history
from integration_pipeline.store.engine import Database
from integration_pipeline.store.locks import Locks
from integration_pipeline_tests import builders
from integration_pipeline_tests.builders import SLACK

SIX = dt.datetime(2026, 11, 21, 6, 0, tzinfo=dt.UTC)
LATER = SIX + dt.timedelta(minutes=2)


@pytest.fixture
def connection(database: Database, keyring: Keyring) -> Connection:
    return builders.add_connection(database, keyring, builders.connection())


def outcome(sync_id: UUID, **changes: object) -> Outcome:
    found = Outcome(
        sync_id=str(sync_id),
        tenant_id="tenant-a",
        system=SLACK,
        sync_type=SyncType.USERS,
        started_at=SIX,
        completed_at=LATER,
        status=Status.SUCCESS,
        counts=Counts(created=5, updated=4, deleted=3, unchanged=2, rejected=1),
        error_type=None,
        error_message=None,
        remedy=None,
        warnings=("no e-mail scope", "second"),
        api_calls=7,
        api_calls_minimum=5,
        dry_run=False,
    )
    return replace(found, **changes)  # type: ignore[arg-type] # whatever the test is about


FAILURE = {
    "status": Status.FAILED,
    "counts": Counts(),
    "error_type": Kind.AUTH_ERROR,
    "error_message": "invalid_auth",
    "remedy": "Import a new token.",
}


def begin(database: Database, connection: Connection, at: dt.datetime = SIX) -> UUID:
    return builders.begin(database, connection, SyncType.USERS, started_at=at, run_id="run-1")


def only(database: Database) -> history.Entry:
    (entry,) = history.recent(database)
    return entry


def errors(database: Database) -> list[tuple[object, ...]]:
    with builders.everything(database) as cursor:
        return cursor.execute(
            "SELECT sync_id, error_type, error_message, provider_code, remedy, stack_trace, occurred_at FROM sync_errors"
        ).fetchall()


def test_a_sync_that_was_killed_says_so(database: Database, connection: Connection) -> None:
    sync_id = begin(database, connection)
    entry = only(database)
    assert (entry.sync_id, entry.status, entry.error_type, entry.completed_at) == (
        sync_id,
        "FAILED",
        "INTERRUPTED",
        None,
    )
    assert (entry.state, entry.run_id, sync_id.version) == ("INTERRUPTED", "run-1", 7)


def test_a_sync_that_runs_says_so(database: Database, connection: Connection, locks: Locks) -> None:
    begin(database, connection)
    with locks.hold("tenant-a", SLACK, wait=False, pause=lambda _: None):
        assert only(database).state == "RUNNING"
    assert only(database).state == "INTERRUPTED"


def test_success_comes_with_the_data_or_not_at_all(database: Database, connection: Connection) -> None:
    sync_id = begin(database, connection)

    def apply_and_crash() -> None:
        with database.transaction("tenant-a") as cursor:
            history.finish(cursor, outcome(sync_id))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        apply_and_crash()
    assert only(database).state == "INTERRUPTED"
    with database.transaction("tenant-a") as cursor:
        history.finish(cursor, outcome(sync_id))
    entry = only(database)
    assert (entry.state, entry.completed_at, entry.error_type, entry.error_message) == ("SUCCESS", LATER, None, None)
    assert entry.records_processed == 15
    assert (entry.records_created, entry.records_updated, entry.records_deleted) == (5, 4, 3)
    assert (entry.records_unchanged, entry.records_rejected, entry.api_calls) == (2, 1, 7)
    assert entry.warnings == ["no e-mail scope", "second"]
    assert errors(database) == []


def test_a_sync_that_was_taken_for_dead_cannot_finish(database: Database, connection: Connection) -> None:
    sync_id = begin(database, connection)
    assert history.close_interrupted(database, connection, at=LATER) == 1
    with pytest.raises(Superseded), database.transaction("tenant-a") as cursor:
        history.finish(cursor, outcome(sync_id))
    entry = only(database)
    assert (entry.status, entry.error_type, entry.completed_at) == ("FAILED", "INTERRUPTED", LATER)


def test_a_failure_is_kept_with_its_error(database: Database, connection: Connection) -> None:
    sync_id = begin(database, connection)
    history.fail(database, outcome(sync_id, **FAILURE), provider_code="invalid_auth", stack_trace="in sync")
    entry = only(database)
    assert (entry.state, entry.error_type, entry.error_message) == ("FAILED", "AUTH_ERROR", "invalid_auth")
    assert entry.remedy == "Import a new token."
    assert errors(database) == [
        (sync_id, "AUTH_ERROR", "invalid_auth", "invalid_auth", "Import a new token.", "in sync", LATER)
    ]


def test_a_failure_never_overwrites_what_was_committed(database: Database, connection: Connection) -> None:
    sync_id = begin(database, connection)
    with database.transaction("tenant-a") as cursor:
        history.finish(cursor, outcome(sync_id))
    history.fail(database, outcome(sync_id, **FAILURE))
    history.interrupt(database, connection, sync_id, at=LATER + dt.timedelta(hours=1))
    assert (only(database).state, only(database).completed_at) == ("SUCCESS", LATER)
    assert errors(database) == []


def test_an_interrupted_sync_gets_its_end(database: Database, connection: Connection) -> None:
    sync_id = begin(database, connection)
    history.interrupt(database, connection, sync_id, at=LATER)
    entry = only(database)
    assert (entry.status, entry.error_type, entry.completed_at) == ("FAILED", "INTERRUPTED", LATER)


def test_only_the_connections_own_open_rows_are_closed(
    database: Database, keyring: Keyring, connection: Connection
) -> None:
    other = builders.add_connection(database, keyring, builders.connection("tenant-b"))
    teams = builders.add_connection(database, keyring, builders.connection(system=builders.TEAMS))
    for one in (connection, other, teams):
        begin(database, one)
    assert history.close_interrupted(database, connection, at=LATER) == 1
    open_rows = [(entry.tenant_id, entry.system_type) for entry in history.recent(database) if not entry.completed_at]
    assert sorted(open_rows) == [("tenant-a", "TEAMS"), ("tenant-b", "SLACK")]


def test_the_newest_come_first_as_many_as_asked_of_the_tenants_asked(
    database: Database, keyring: Keyring, connection: Connection
) -> None:
    other = builders.add_connection(database, keyring, builders.connection("tenant-b"))
    first = begin(database, connection, SIX)
    second = begin(database, other, SIX + dt.timedelta(seconds=1))
    third = begin(database, connection, SIX + dt.timedelta(seconds=2))
    assert [entry.sync_id for entry in history.recent(database)] == [third, second, first]
    assert [entry.sync_id for entry in history.recent(database, limit=1)] == [third]
    assert [entry.sync_id for entry in history.recent(database, tenant_ids=["tenant-a"])] == [third, first]
    with pytest.raises(UsageError, match="there is no tenant nobody"):
        history.recent(database, tenant_ids=["nobody"])


def test_an_interrupted_sync_ends_no_earlier_than_it_began_whatever_the_clock_says(
    database: Database, connection: Connection
) -> None:
    history.interrupt(database, connection, begin(database, connection), at=SIX - dt.timedelta(minutes=10))
    begin(database, connection)
    history.close_interrupted(database, connection, at=SIX - dt.timedelta(minutes=10))
    assert [entry.completed_at for entry in history.recent(database)] == [SIX, SIX]
