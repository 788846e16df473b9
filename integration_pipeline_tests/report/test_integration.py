"""The report: what it says of a day, and that nothing in it is taken for markup or orders."""

import datetime as dt
import re
from typing import Any
from uuid import UUID, uuid4

import pytest

from integration_pipeline.crypto import Keyring
from integration_pipeline.errors import Forbidden
from integration_pipeline.model import System
from integration_pipeline.report.integration import Coverage, Report, Sync, as_markdown, as_text, attention, read
from integration_pipeline.store import spreadsheets
from integration_pipeline.store.engine import Database
from integration_pipeline.store.holds import Hold
from integration_pipeline.store.locks import Locks
from integration_pipeline.text import width
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


def test_what_the_guard_holds_is_named_with_its_number_its_reasons_and_what_to_type() -> None:
    report = Report(DAY, [sync()], [], [HOLD])
    lines = as_text(report)
    place = lines.index("Holds waiting, as it stands now")
    assert re.split(r" {2,}", lines[place + 2]) == [
        *("sakura", "SLACK", "USERS", "1,234", "2026-11-21 06:00", "; ".join(HOLD.reasons), str(HOLD.hold_id))
    ]
    assert "integration-pipeline holds show" in lines[place + 3]
    marked = "\n".join(as_markdown(report))
    assert "## Holds waiting" in marked
    assert f"1,234 | 2026-11-21 06:00 | {HOLD.reasons[0]}; the listing 'u\\|x' is empty" in marked
    assert "Holds" not in "".join(as_text(Report(DAY, [sync()], [])) + as_markdown(Report(DAY, [sync()], [])))


def test_a_day_is_a_row_for_each_connection_and_one_for_all() -> None:
    report = Report(DAY, [sync(), sync("TEAMS"), sync(system="TEAMS")], [])
    lines = as_text(report)
    assert lines[0] == "Integration report for 2026-11-21 (Asia/Tokyo)"
    assert "1 tenant, 2 connections" in lines[1]
    assert "3 SUCCESS" in lines[1]
    rows = [line.split() for line in lines[3:7]]
    assert rows[1] == ["sakura", "SLACK", "SUCCESS", "SUCCESS", "off", *["2,000"] * 6, "4.0"]
    assert rows[2] == ["sakura", "TEAMS", "SUCCESS", "off", "off", *["1,000"] * 6, "2.0"]
    assert rows[3] == ["all", *["3,000"] * 6, "6.0"]
    assert len({width(line) for line in lines[3:7]}) == 1


def test_who_is_who_is_counted_with_its_share() -> None:
    lines = as_text(
        Report(DAY, [sync()], [Coverage("sakura", "SLACK", 200, 150, 30, 15, 5), Coverage("x", "T", *[0] * 5)])
    )
    (row,) = [line.split() for line in lines if line.startswith("sakura  さくら")]
    assert row == ["sakura", "さくら", "SLACK", "200", "150", "75.0", "30", "15", "5"]
    assert ["x", "T", "0", "0", "0", "0", "0"] in [line.split() for line in lines]


def test_one_trouble_of_all_types_is_said_once_with_what_to_do() -> None:
    report = Report(DAY, [sync(name, **FAILED) for name in ("USERS", "TEAMS")], [])
    assert len(attention(report)) == 1
    assert as_text(report)[-3:] == [
        "What needs attention",
        "- sakura SLACK (USERS, TEAMS): FAILED, AUTH_ERROR: token_revoked",
        "  what to do: Install it again.",
    ]


def test_failures_come_first_and_a_sync_that_did_not_run_is_missed() -> None:
    partial = {"status": "PARTIAL", "error_type": "INCOMPLETE", "error_message": "channels"}
    found = attention(
        Report(
            DAY,
            [
                sync(warnings=["no e-mail scope"]),
                sync("TEAMS", **partial),
                sync(system="TEAMS", status=None),
                sync("NOTIFICATIONS", **FAILED),
                sync(system="LINE_WORKS", is_running=True, **FAILED),
            ],
            [],
        )
    )
    assert [item.what for item in found] == [
        "FAILED, AUTH_ERROR: token_revoked",
        "PARTIAL, INCOMPLETE: channels",
        "was due and did not run",
        "no e-mail scope",
    ]


def test_a_quiet_day_needs_nobody() -> None:
    assert as_text(Report(DAY, [sync()], []))[-1] == "Nothing needs attention."
    assert as_markdown(Report(DAY, [sync()], []))[-1] == "Nothing."
    assert as_text(Report(DAY, [], []))[1] == "No connection is enabled, and nothing was synced."


@pytest.mark.parametrize("text", ["<script>|`*_[x](http://e.example)", "a|b\n# heading"])
def test_markdown_shows_names_as_they_are(text: str) -> None:
    report = Report(
        DAY, [sync(tenant_name=text, **{**FAILED, "error_message": text})], [Coverage("sakura", "SLACK", *[1] * 5)]
    )
    lines = as_markdown(report)
    tables = [line for line in lines if line.startswith("|")]
    assert all(line.replace("\\|", "").count("|") in (13, 10) for line in tables)
    assert not any("<script>" in line or line.startswith("# heading") for line in lines)
    assert all("\n" not in line for line in lines)


def test_a_name_cannot_give_the_terminal_orders() -> None:
    report = Report(DAY, [sync(tenant_id="a\x1b[2J", **FAILED)], [])
    assert not any("\x1b" in line for line in as_text(report) + as_markdown(report))


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
                    "INSERT INTO user_matches (tenant_id, system_type, external_user_id, internal_user_id, rule, "
                    "sync_status, changed_at) VALUES ('tenant-a', 'SLACK', %s, %s, 'EMAIL', %s, now())",
                    (name, user, status),
                )
    assert read(database, day=DAY, now=SIX).coverage == [Coverage("tenant-a", "SLACK", 4, 1, 1, 1, 1)]


def test_what_comes_after_a_sync_that_runs_is_not_missed() -> None:
    running = sync("USERS", status="FAILED", is_running=True)
    assert attention(Report(DAY, [running, sync("TEAMS", status=None)], [])) == []
    assert attention(Report(DAY, [sync("USERS"), sync("TEAMS", status=None)], []))


def test_figures_that_could_not_be_published_are_named_with_what_to_do(database: Database) -> None:
    builders.add_tenant(database)
    with builders.everything(database) as cursor:
        cursor.execute(
            "INSERT INTO spreadsheets (tenant_id, spreadsheet_id, service_account) VALUES (%s, 'S', 'sealed')",
            ("tenant-a",),
        )
    error = Forbidden("Google answered 403", remedy="Share the spreadsheet with the service account.")
    spreadsheets.failed(database, "tenant-a", SIX, error)
    text = "\n".join(as_text(read(database, day=None, now=SIX)))
    assert "- tenant-a GOOGLE_SHEETS (PUBLISHING): FAILED, AUTH_ERROR: Google answered 403" in text
    assert "what to do: Share the spreadsheet with the service account." in text
    spreadsheets.succeeded(database, "tenant-a", SIX)
    assert "GOOGLE_SHEETS" not in "\n".join(as_text(read(database, day=None, now=SIX)))
