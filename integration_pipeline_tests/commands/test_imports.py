"""Imports and lists: what comes in, what is shown of it, and what never is."""

import csv
import io
import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from integration_pipeline.commands import probing
from integration_pipeline.commands.output import say_waiting
from integration_pipeline.commands.worlds import write_files
from integration_pipeline.sandbox import world as worlds
from integration_pipeline.sandbox.server import Sandbox
from integration_pipeline.store.engine import Database
from integration_pipeline_tests import builders
from integration_pipeline_tests.commands.conftest import Command, Result
from integration_pipeline_tests.nights import nights


def test_tenants_are_imported_once_and_listed(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "tenants.csv"
    file.write_text("\ufefftenant_id,name\nb,株式会社さくら\na,A\n", encoding="utf-8")
    assert command("tenants", "import", str(file)).out == "2 tenants created, 0 updated, 0 unchanged\n"
    assert command("tenants", "import", str(file)).out == "0 tenants created, 0 updated, 2 unchanged\n"
    assert command("tenants", "list", "--output", "json").rows == [
        {"tenant_id": "a", "name": "A", "time_zone": "Asia/Tokyo", "locale": "ja"},
        {"tenant_id": "b", "name": "株式会社さくら", "time_zone": "Asia/Tokyo", "locale": "ja"},
    ]
    assert command("tenants", "list").out.splitlines()[0].split() == ["TENANT_ID", "NAME", "TIME_ZONE", "LOCALE"]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("tenants",), "no tenants yet: 'integration-pipeline tenants import --help'"),
        (("connections",), "no connections yet: 'integration-pipeline connections import --help'"),
        (("history",), "nothing was synced yet: 'integration-pipeline sync'"),
        (("holds",), "no holds: "),
        (("notices",), "no notices: "),
        (("mappings", "--tenant-id", "tenant-a"), "tenant-a has no mappings: its first sync of users makes them"),
        (("mappings", "--tenant-id", "tenant-a", "--status", "ERROR"), "no mapping matches; without --system-type"),
    ],
)
def test_a_list_of_nothing_says_so_and_what_to_do(
    command: Command, database: Database, argv: tuple[str, ...], said: str
) -> None:
    noun, *options = argv
    if noun == "mappings":
        builders.add_tenant(database)
    shown = command(noun, "list", *options)
    assert (shown.code, shown.out, shown.err.count("\n")) == (0, "", 1)
    assert shown.err.startswith(said)
    assert command(noun, "list", *options, "--output", "json")[:2] == (0, "")


def test_a_test_that_waits_for_its_provider_says_so(
    environ: Mapping[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with nights(environ, worlds.build(tenants=1, users=1, channels=1, systems=["SLACK"])) as night:
        night.sandbox.faults.add("limit", system="SLACK", retry_after="30", times=1)
        capsys.readouterr()
        probing.probe(night.pipeline, "tenant-0001", builders.SLACK, on_wait=partial(say_waiting, "tenant-0001 SLACK"))
    assert re.fullmatch(r"tenant-0001 SLACK: waiting 3\d s for .+\n", capsys.readouterr().err)


def test_absence_from_a_users_file_changes_nothing(command: Command, database: Database, tmp_path: Path) -> None:
    builders.add_tenant(database)
    builders.add_internal_user(database, "kept")
    file = tmp_path / "users.csv"
    header = "tenant_id,internal_user_id,email,employee_number,display_name,is_active\n"
    file.write_text(f"{header}tenant-a,new,new@example.com,7,New,true\n")
    assert command("users", "import", str(file)).out == "1 user created, 0 updated, 0 unchanged\n"
    file.write_text(f"{header}tenant-a,new,new@example.com,7,New,false\n")
    assert command("users", "import", str(file)).out == "0 users created, 1 updated, 0 unchanged\n"
    with database.operator() as cursor:
        rows = cursor.execute("SELECT internal_user_id, is_active FROM internal_users ORDER BY 1").fetchall()
    assert rows == [("kept", True), ("new", False)]


def test_connections_come_from_standard_input_and_are_listed_without_secrets(
    command: Command, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    builders.add_tenant(database)
    entry = {"tenant_id": "tenant-a", "system_type": "SLACK", "access_token": "xoxb-very-secret"}
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps([entry]).encode())))
    assert command("connections", "import", "-").out.startswith("1 connection created")
    text, lines = command("connections", "list"), command("connections", "list", "--output", "json")
    assert "very-secret" not in text.out + lines.out
    assert "access_token" in text.out
    (row,) = lines.rows
    assert (row["access_token_set"], row["client_secret_set"]) == (True, False)


def test_a_connection_is_listed_without_any_key(command: Command, online: Command) -> None:
    assert command("connections", "list", INTEGRATION_PIPELINE_KEYS="").code == 0


def test_a_connection_is_tested(online: Command, sandbox: Sandbox) -> None:
    for system in ("TEAMS", "SLACK", "LINE_WORKS"):
        result = online("connections", "test", "--tenant-id", "tenant-0001", "--system-type", system)
        assert result.code == 0, result
        assert result.out.startswith(f"tenant-0001 {system}: reaches ")
    sandbox.faults.add("error", system="SLACK", code="account_inactive", times=None, status=200)
    broken = online("connections", "test", "--tenant-id", "tenant-0001", "--system-type", "SLACK")
    assert broken.code == 1
    assert "AUTH_ERROR" in broken.out
    assert "what to do" in broken.err


def test_a_wrong_secret_is_told_while_an_older_token_lives(online: Command, tmp_path: Path) -> None:
    assert online("sync", "--system-type", "LINE_WORKS", "--sync-type", "users").code == 0
    assert online("sync", "--system-type", "TEAMS", "--sync-type", "users").code == 0
    entries = json.loads((tmp_path / "world" / "connections.json").read_text())
    file = tmp_path / "renewed.json"
    for system in ("TEAMS", "LINE_WORKS"):
        (entry,) = (entry for entry in entries if (entry["tenant_id"], entry["system_type"]) == ("tenant-0001", system))
        file.write_text(json.dumps([{**entry, "client_secret": "mistyped"}]))
        assert online("connections", "import", str(file)).code == 0
        result = online("connections", "test", "--tenant-id", "tenant-0001", "--system-type", system)
        assert result.code == 1, result
        assert "AUTH_ERROR" in result.out


@pytest.mark.parametrize(
    ("system", "scope", "where"),
    [
        ("SLACK", "users:read.email", "under OAuth & Permissions"),
        ("TEAMS", "User.Read.All", "under API permissions in Microsoft Entra"),
        ("LINE_WORKS", "group.read", "In the Developer Console"),
    ],
)
def test_a_missing_permission_is_named_with_where_to_grant_it(
    run: Command, environ: Mapping[str, str], tmp_path: Path, system: str, scope: str, where: str
) -> None:
    world = worlds.build(users=3, systems=[system], missing_scopes=(scope,))
    write_files(world, tmp_path)
    with Sandbox(world) as sandbox:
        own = {**environ, **sandbox.environment}
        run(["tenants", "import", str(tmp_path / "tenants.csv")], own)
        run(["connections", "import", str(tmp_path / "connections.json")], own)
        result = run(["connections", "test", "--tenant-id", "tenant-0001", "--system-type", system], own)
    assert result.code == 1
    _, missing, todo = result.out.splitlines()
    assert missing.startswith("  missing: ")
    assert todo.startswith("  what to do: ")
    assert scope in todo
    assert where in todo


def mapped(result: Result) -> dict[str, str]:
    return {row["external_user_id"]: row["internal_user_id"] for row in result.rows}


def test_mappings_are_listed_in_every_form(online: Command) -> None:
    online("sync", "--sync-type", "users")
    argv = ("mappings", "list", "--tenant-id", "tenant-0001", "--system-type", "SLACK")
    lines = online(*argv, "--output", "json").rows
    rows = list(csv.DictReader(io.StringIO(online(*argv, "--output", "csv").out)))
    assert len(lines) == len(rows) == 12
    assert [row["external_user_id"] for row in rows] == [line["external_user_id"] for line in lines]
    assert rows[0]["last_synced_at"] == lines[0]["last_synced_at"]
    assert len(online(*argv).out.splitlines()) == 13
    assert not online(*argv, "--status", "error", "--output", "json").rows


def test_a_link_by_hand_takes_effect_at_once_and_so_does_its_end(online: Command) -> None:
    online("sync", "--sync-type", "users", "--system-type", "SLACK", "--tenant-id", "tenant-0001")
    listing = ("mappings", "list", "--tenant-id", "tenant-0001", "--system-type", "SLACK", "--output", "json")
    before = mapped(online(*listing))
    account, other = sorted(before)[:2]
    names = ("--tenant-id", "tenant-0001", "--system-type", "SLACK", "--external-user-id", account)
    assert online("mappings", "link", *names, "--internal-user-id", before[other]).code == 0
    assert mapped(online(*listing))[account] == before[other]
    assert online("mappings", "unlink", *names).code == 0
    assert mapped(online(*listing)) == before


def test_history_is_listed_newest_first(online: Command) -> None:
    online("sync", "--tenant-id", "tenant-0001")
    rows = online("history", "list", "--limit", "4", "--output", "json").rows
    assert len(rows) == 4
    assert rows == sorted(rows, key=lambda row: row["started_at"], reverse=True)
    assert {row["state"] for row in rows} == {"SUCCESS"}
    assert len(online("history", "list", "--tenant-id", "tenant-0001").out.splitlines()) == 1 + 9
    assert not online("history", "list", "--tenant-id", "tenant-0002", "--output", "json").rows


def test_what_nobody_knows_of_a_sync_is_a_dash_in_the_list_as_when_it_ended(
    online: Command, database: Database
) -> None:
    online("sync", "--tenant-id", "tenant-0001", "--system-type", "SLACK", "--sync-type", "users")
    with database.transaction("tenant-0001") as cursor:
        cursor.execute("UPDATE external_system_sync_history SET status = 'FAILED', api_calls_minimum = NULL")
    header, row = online("history", "list").out.splitlines()
    assert row[header.index("LEAST") : header.index("LEAST") + len("LEAST")].strip() == "–"


def test_an_estimate_is_printed_with_text_and_recorded_with_json_too(online: Command) -> None:
    sync = ("sync", "--tenant-id", "tenant-0001", "--system-type", "SLACK")
    online(*sync)
    assert "expected: 1 connection" in online(*sync).err
    quiet = online(*sync, "--output", "json")
    assert "expected" not in quiet.out + quiet.err
    rows = online("history", "list", "--limit", "3", "--output", "json").rows
    assert all(row["api_calls_estimate"] > 0 for row in rows)
    assert "with text output" in online("sync", "--help").out


def test_what_a_sync_was_expected_to_take_is_listed_in_tenths_of_a_second(online: Command, database: Database) -> None:
    online("sync", "--tenant-id", "tenant-0001", "--output", "json")
    with database.transaction("tenant-0001") as cursor:
        cursor.execute("UPDATE external_system_sync_history SET seconds_estimate = 1.23456 WHERE sync_type = 'USERS'")
    rows = online("history", "list", "--output", "json").rows
    assert {(row["sync_type"] == "USERS", row["seconds_estimate"]) for row in rows} == {(True, 1.2), (False, None)}


def test_a_generated_key_is_a_key(run: Command) -> None:
    first, second = (run(["keys", "generate"], {}).out for _ in range(2))
    assert first != second
    assert len(first.strip().split(":")) == 2


def test_migrating_again_changes_nothing(command: Command) -> None:
    assert "is up to date" in command("migrate").out
