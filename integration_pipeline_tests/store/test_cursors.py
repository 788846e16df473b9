"""Where incremental listings go on."""

import datetime as dt

import pytest

from integration_pipeline.crypto import Keyring
from integration_pipeline.model import Bookmark, Connection, SyncType, System
from integration_pipeline.store import beginning, cursors
from integration_pipeline.store.engine import Database
from integration_pipeline_tests import builders

NIGHT = dt.datetime(2026, 11, 21, 21, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


@pytest.fixture
def connection(database: Database, keyring: Keyring) -> Connection:
    return builders.add_connection(database, keyring, builders.connection(system=builders.TEAMS))


def load(database: Database, connection: Connection, sync_type: SyncType = SyncType.USERS) -> dict[str, Bookmark]:
    with database.transaction(connection.tenant_id) as cursor:
        return beginning.begin(cursor, connection, sync_type, started_at=NIGHT, is_dry_run=True).bookmarks


def settle(
    database: Database, connection: Connection, sync_type: SyncType = SyncType.USERS, **cursor: Bookmark
) -> None:
    with database.transaction(connection.tenant_id) as transaction:
        cursors.settle(transaction, connection, sync_type, cursor, at=NIGHT)


def test_a_listing_read_whole_is_marked_with_this_night_and_one_of_changes_keeps_its_own(
    database: Database, connection: Connection
) -> None:
    settle(database, connection, users=Bookmark("link 1", "id", None))
    assert load(database, connection) == {"users": Bookmark("link 1", "id", NIGHT)}
    settle(database, connection, users=Bookmark("link 2", "more", NIGHT - DAY))
    assert load(database, connection) == {"users": Bookmark("link 2", "more", NIGHT - DAY)}


@pytest.mark.parametrize("whose", [("tenant-b", builders.TEAMS), ("tenant-a", builders.SLACK)])
def test_what_is_not_proposed_is_forgotten_of_this_type_and_connection_alone(
    database: Database, keyring: Keyring, connection: Connection, whose: tuple[str, System]
) -> None:
    other = builders.add_connection(database, keyring, builders.connection(*whose))
    mark = Bookmark("link", "id", NIGHT)
    settle(database, connection, users=mark, guests=mark)
    settle(database, connection, SyncType.TEAMS, users=mark)
    settle(database, other, users=mark)
    settle(database, connection, guests=mark)
    assert set(load(database, connection)) == {"guests"}
    settle(database, connection)
    assert load(database, connection) == {}
    assert set(load(database, connection, SyncType.TEAMS)) == set(load(database, other)) == {"users"}


def test_nightly_changes_are_trusted_until_a_week_would_pass() -> None:
    mark = Bookmark("link", "id", NIGHT)
    seconds = dt.timedelta(seconds=20)
    assert cursors.trusted({"users": mark}, at=NIGHT + 6 * DAY + seconds) == {"users": mark}
    assert cursors.trusted({"users": mark}, at=NIGHT + 7 * DAY - seconds) == {}
