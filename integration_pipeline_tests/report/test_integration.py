"""The report's day, read from a real database."""

import datetime as dt
from typing import Any
from uuid import UUID, uuid4

from integration_pipeline.crypto import Keyring
from integration_pipeline.errors import Forbidden
from integration_pipeline.model import System
from integration_pipeline.notices import Told
from integration_pipeline.report import days
from integration_pipeline.report.integration import Coverage, Sync, read
from integration_pipeline.report.plain import as_text
from integration_pipeline.store import notices, spreadsheets
from integration_pipeline.store.engine import Database
from integration_pipeline.store.holds import Hold
from integration_pipeline.store.locks import Locks
from integration_pipeline_tests import builders

DAY = dt.date(2026, 11, 21)
SIX = dt.datetime(2026, 11, 20, 21, 0, tzinfo=dt.UTC)
"""Six in the morning of that day, in Tokyo."""


def sync(sync_type: str = "USERS", *, status: str | None = "SUCCESS", **changes: Any) -> Sync:
    ran = status is not None
    values: dict[str, Any] = {
        "tenant_id": "sakura",
        "tenant_name": "さくら",
        "system": "SLACK",
        "sync_type": sync_type,
        "status": status,
        "started_at": SIX if ran else None,
        "completed_at": SIX + dt.timedelta(seconds=2) if ran else None,
        **dict.fromkeys(("processed", "created", "updated", "deleted", "unchanged", "rejected", "api_calls"), 1000),
        "api_calls_minimum": 900,
        **dict.fromkeys(("error_type", "error_message", "remedy")),
        "warnings": [],
        "attempts": 1,
        **changes,
    }
    return Sync(**values)


FAILED: dict[str, Any] = {
    "status": "FAILED",
    "error_type": "AUTH_ERROR",
    "error_message": "token_revoked",
    "remedy": "Install it again.",
}


HOLD = Hold(
    hold_id=UUID("019aa7c2-5d1e-7c3a-9a55-3f0e6f1b2c4d"),
    tenant_id="sakura",
    system_type="SLACK",
    sync_type="USERS",
    status="WAITING",
    absent_count=1200,
    flagged_count=34,
    reasons=["1234 of 2000 active USER rows would be deactivated", "the listing 'u|x' is empty"],
    sync_id=UUID(int=0),
    created_at=SIX,
    decided_at=None,
    decided_sync_id=None,
)


TOLD = Told(
    notice_id=UUID(int=7),
    tenant_id="sakura",
    system_type="SLACK",
    day=DAY,
    cause="RECONNECT",
    message="Slack answered token_revoked",
    remedy="Install the app again.",
    provider_code="token_revoked",
    commands=[],
    created_at=SIX,
    delivered_at=SIX + dt.timedelta(minutes=1),
    tries=1,
    last_error=None,
)


def add_row(database: Database, sync_type: str, started_at: dt.datetime, **columns: Any) -> None:
    values = {"completed_at": started_at, "status": "SUCCESS", "error_type": None, "records_created": 3, **columns}
    names = ", ".join(values)
    with database.transaction("tenant-a") as cursor:
        cursor.execute(
            f"INSERT INTO external_system_sync_history (sync_id, tenant_id, system_type, sync_type, started_at, {names}) "
            f"VALUES (%s, 'tenant-a', 'SLACK', %s, %s, {', '.join(['%s'] * len(values))})".encode(),
            (uuid4(), sync_type, started_at, *values.values()),
        )


def test_the_day_is_tokyos_and_its_last_sync_counts(database: Database, keyring: Keyring) -> None:
    builders.add_connection(database, keyring, builders.connection(sync_notifications=False))
    midnight = dt.datetime(2026, 11, 20, 15, 0, tzinfo=dt.UTC)
    add_row(database, "USERS", midnight - dt.timedelta(microseconds=1), status="FAILED", error_type="TIMEOUT")
    add_row(database, "USERS", midnight, status="PARTIAL", error_type="HELD")
    add_row(database, "USERS", midnight + dt.timedelta(hours=24, microseconds=-1))
    add_row(database, "USERS", midnight + dt.timedelta(hours=24), status="FAILED", error_type="TIMEOUT")
    found = read(database, day=DAY, now=SIX)
    assert [(row.sync_type, row.state, row.attempts) for row in found.syncs] == [
        ("USERS", "SUCCESS", 2),
        ("TEAMS", "not run", 0),
    ]


def test_without_a_day_it_is_today_or_the_newest_with_a_sync(database: Database, keyring: Keyring) -> None:
    assert read(database, day=None, now=SIX).day == DAY
    builders.add_connection(database, keyring, builders.connection())
    add_row(database, "USERS", SIX - dt.timedelta(days=3))
    assert read(database, day=None, now=SIX).day == DAY - dt.timedelta(days=3)
    add_row(database, "USERS", SIX)
    assert read(database, day=None, now=SIX + dt.timedelta(hours=1)).day == DAY


def test_an_open_row_is_running_while_its_lock_is_held(database: Database, keyring: Keyring, locks: Locks) -> None:
    builders.add_connection(database, keyring, builders.connection(sync_teams=False, sync_notifications=False))
    add_row(database, "USERS", SIX, completed_at=None, status="FAILED", error_type="INTERRUPTED")
    with locks.hold("tenant-a", System("SLACK"), wait=False, pause=lambda _: None):
        assert [row.state for row in read(database, day=DAY, now=SIX).syncs] == ["running"]
    assert [row.state for row in read(database, day=DAY, now=SIX).syncs] == ["FAILED"]


def test_accounts_are_counted_by_what_is_known_of_them(database: Database, keyring: Keyring) -> None:
    builders.add_connection(database, keyring, builders.connection())
    accounts = {
        "mapped": (True, "ACTIVE", "u1"),
        "unmatched": (True, None, None),
        "ambiguous": (True, "ERROR", None),
        "leaver": (True, "INACTIVE", "u2"),
        "gone": (False, "ACTIVE", "u3"),
    }
    with database.transaction("tenant-a") as cursor:
        for name, (is_active, status, user) in accounts.items():
            cursor.execute(
                "INSERT INTO external_users (tenant_id, system_type, external_user_id, kind, listing, is_active, "
                "content_hash, created_sync_id, changed_sync_id, changed_at) "
                "VALUES ('tenant-a', 'SLACK', %s, 'USER', 'users', %s, 0, new_id(), new_id(), now())",
                (name, is_active),
            )
            if status:
                cursor.execute(
                    "UPDATE external_users SET match_rule = 'EMAIL', match_user_id = %s, match_status = %s "
                    "WHERE external_user_id = %s",
                    (user, status, name),
                )
    assert read(database, day=DAY, now=SIX).coverage == [Coverage("tenant-a", "SLACK", 4, 1, 1, 1, 1)]


def test_figures_that_could_not_be_published_are_named_with_what_to_do(database: Database) -> None:
    builders.add_tenant(database)
    with builders.everything(database) as cursor:
        cursor.execute(
            "INSERT INTO spreadsheets (tenant_id, spreadsheet_id, service_account) VALUES (%s, 'S', 'sealed')",
            ("tenant-a",),
        )
    error = Forbidden("Google answered 403", remedy="Share the spreadsheet with the service account.")
    spreadsheets.failed(database, "tenant-a", SIX, error)

    def text() -> str:
        return "\n".join(as_text(days.read(database, read(database, day=None, now=SIX), now=SIX)))

    assert (
        "- GOOGLE_SHEETS tenant-a (Publishing): Failed, AUTH_ERROR: The spreadsheet cannot be opened or edited"
        in text()
    )
    assert "What to do: Share the spreadsheet with the service account." in text()
    assert "Details: Google answered 403" in text()
    spreadsheets.succeeded(database, "tenant-a", SIX)
    assert "GOOGLE_SHEETS" not in text()


def test_the_days_critical_notices_are_those_of_tokyos_day(database: Database) -> None:
    builders.add_tenant(database)
    midnight = dt.datetime(2026, 11, 20, 15, 0, tzinfo=dt.UTC)
    moments = {"TEAMS": -dt.timedelta(seconds=1), "SLACK": dt.timedelta(), "LINE_WORKS": dt.timedelta(days=1)}
    with database.transaction("tenant-a") as cursor:
        for system, later in moments.items():
            notices.record(cursor, "tenant-a", System(system), [builders.notice()], at=midnight + later)
    assert [told.system_type for told in read(database, day=DAY, now=SIX).notices] == ["SLACK"]
