"""``sync``: its lines, its exit codes, and a dry run that writes nothing."""

import datetime as dt
from typing import Any

import pytest

from integration_pipeline import invocation, selection
from integration_pipeline.model import System
from integration_pipeline.sandbox.server import Sandbox
from integration_pipeline.store.engine import Database
from integration_pipeline.store.locks import Locks
from integration_pipeline_tests import builders
from integration_pipeline_tests.commands.conftest import Command

KEYS = [
    "sync_id", "tenant_id", "system_type", "sync_type", "started_at", "completed_at", "status", "records_processed",
    "records_created", "records_updated", "records_deleted", "records_unchanged", "records_rejected", "error_type",
    "error_message", "api_calls", "api_calls_minimum", "dry_run",
]  # fmt: skip

TABLES = (
    "tenants", "internal_users", "external_system_connections", "external_users", "external_teams",
    "notification_settings", "user_links", "external_system_sync_history", "sync_changes",
    "sync_errors", "progress_kpis", "daily_kpis",
)  # fmt: skip


def dump(database: Database) -> dict[str, list[Any]]:
    """Every row of every table."""
    with builders.everything(database) as cursor:
        return {
            table: [row for (row,) in cursor.execute(f"SELECT t::text FROM {table} AS t ORDER BY 1".encode())]
            for table in TABLES
        }


def test_a_sync_prints_the_contracts_line_for_every_tenant_system_and_type(online: Command) -> None:
    result = online("sync", "--output", "json")
    assert result.code == 0
    assert len(result.rows) == 2 * 3 * 3
    for row in result.rows:
        assert list(row) == KEYS
        assert row["status"] == "SUCCESS"
        assert row["records_processed"] == row["records_created"]
        assert row["api_calls"] >= 1 or row["sync_type"] != "USERS"
        assert row["dry_run"] is False
        started, completed = (dt.datetime.fromisoformat(row[name]) for name in ("started_at", "completed_at"))
        assert row["started_at"].endswith("Z")
        assert started <= completed
        assert completed.utcoffset() == dt.timedelta(0)


def test_a_connection_that_no_key_opens_fails_and_the_others_are_synced(online: Command, database: Database) -> None:
    with builders.everything(database) as cursor:
        cursor.execute(
            "UPDATE external_system_connections SET access_token = replace(access_token, 'v1:test:', 'v1:lost:') "
            "WHERE tenant_id = 'tenant-0001' AND system_type = 'SLACK'"
        )
    result = online("sync")
    assert result.code == 1
    assert "CONFIGURATION: access_token of tenant-0001 SLACK is sealed with the key lost" in result.out
    assert "what to do: Put that key back" in result.out
    assert "18 syncs: 15 SUCCESS, 3 FAILED" in result.out


def test_the_second_sync_changes_nothing_and_says_so(online: Command) -> None:
    assert online("sync").code == 0
    result = online("sync", "--output", "json")
    assert result.code == 0
    assert not any(row[f"records_{what}"] for row in result.rows for what in ("created", "updated", "deleted"))
    assert all(row["records_unchanged"] == row["records_processed"] for row in result.rows)


def test_text_has_a_line_for_every_sync_and_a_summary(online: Command) -> None:
    lines = online("sync", "--tenant-id", "tenant-0001", "--system-type", "SLACK").out.splitlines()
    assert [line.split()[:4] for line in lines[1:4]] == [
        ["tenant-0001", "SLACK", sync_type, "SUCCESS"] for sync_type in ("USERS", "TEAMS", "NOTIFICATIONS")
    ]
    assert lines[0].split()[:4] == ["TENANT", "SYSTEM", "TYPE", "STATUS"]
    assert lines[-1].startswith("3 syncs: 3 SUCCESS; ")
    assert len(lines) == 5


def test_choices_narrow_the_batch_in_either_case(online: Command) -> None:
    argv = ("--tenant-id", "tenant-0002", "--tenant-id", "tenant-0002", "--system-type", "slack")
    result = online("sync", *argv, "--sync-type", "USERS", "--output", "json")
    assert [(row["tenant_id"], row["system_type"], row["sync_type"]) for row in result.rows] == [
        ("tenant-0002", "SLACK", "USERS")
    ]


def test_a_dry_run_shows_what_would_change_and_writes_nothing(online: Command, database: Database) -> None:
    before = dump(database)
    shown = online("sync", "--dry-run", "--tenant-id", "tenant-0001", "--system-type", "SLACK")
    lines = online("sync", "--dry-run", "--output", "json")
    assert shown.code == lines.code == 0
    assert "+ create user " in shown.out
    assert "a dry run: nothing was written" in shown.out
    assert all(row["sync_id"] is None and row["dry_run"] for row in lines.rows)
    assert sum(row["records_created"] for row in lines.rows) > 0
    assert dump(database) == before


def test_a_failed_sync_is_exit_1_and_stops_no_other(online: Command, sandbox: Sandbox) -> None:
    sandbox.faults.add("error", system="SLACK", tenant_id="tenant-0001", code="token_revoked", times=None, status=200)
    result = online("sync", "--output", "json")
    assert result.code == 1
    failed = [row for row in result.rows if row["status"] != "SUCCESS"]
    assert {(row["tenant_id"], row["system_type"], row["error_type"]) for row in failed} == {
        ("tenant-0001", "SLACK", "AUTH_ERROR")
    }
    assert len(result.rows) == 18


def test_a_connection_in_use_elsewhere_is_refused_in_one_line_and_exit_1(online: Command, locks: Locks) -> None:
    with locks.hold("tenant-0001", System("SLACK"), wait=False, pause=lambda _: None):
        result = online("sync", "--tenant-id", "tenant-0001", "--output", "json")
    assert result.code == 1
    assert result.err == "refused: tenant-0001 SLACK: another invocation is working on it; --wait waits for it\n"
    assert {row["system_type"] for row in result.rows} == {"TEAMS", "LINE_WORKS"}


def test_nothing_to_sync_is_no_error_but_said(command: Command, database: Database) -> None:
    tenant_id = builders.add_tenant(database)
    for argv in (("sync",), ("sync", "--tenant-id", tenant_id)):
        result = command(*argv)
        assert result.code == 0
        assert not result.out
        assert result.err.startswith("nothing to sync")


def test_an_unknown_tenant_is_wrong_usage(online: Command) -> None:
    assert "nobody" in online("sync", "--tenant-id", "nobody").one_line


def test_the_batch_is_asked_for_what_the_options_say(monkeypatch: pytest.MonkeyPatch, online: Command) -> None:
    asked: list[invocation.Request] = []

    def select(_pipeline: object, request: invocation.Request) -> list[Any]:
        asked.append(request)
        return []

    monkeypatch.setattr(selection, "select", select)
    online("sync", "--dry-run", "--force-refresh", "--batch-size", "7", "--wait", "--sync-type", "all")
    assert asked == [invocation.Request(dry_run=True, force_refresh=True, batch_size=7, wait=True)]
