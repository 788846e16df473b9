"""Wrong usage and configuration: exit code 2, exactly one line that says what, nothing on standard output, nothing changed."""

import base64
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from integration_pipeline.settings import ALLOWED_HOSTS, DATABASE_URL, HOME, KEYS
from integration_pipeline.store.engine import Database
from integration_pipeline_tests import builders
from integration_pipeline_tests.commands.conftest import Command
from integration_pipeline_tests.commands.test_sync import dump

OTHER_KEY = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ((), "COMMAND"),
        (("holiday",), "holiday"),
        (("tenants",), "COMMAND"),
        (("sync", "--tenant"), "--tenant"),
        (("sync", "--frobnicate"), "--frobnicate; see 'integration-pipeline sync --help'"),
        (("sync", "--system-type", "DISCORD"), "'DISCORD' is none of TEAMS, SLACK, LINE_WORKS, all"),
        (("sync", "--sync-type", "everything"), "'everything' is none of users, teams, notifications, all"),
        (("sync", "--batch-size", "0"), "'0' is no whole number from 1"),
        (("sync", "--batch-size", "1_000"), "'1_000' is no whole number from 1"),
        (("sync", "--tenant-id", ""), "--tenant-id: it is empty"),
        (("sync", "--output", "xml"), "'xml' is none of text, json"),
        (("mappings", "link", "--tenant-id", "tenant-a"), "--system-type"),
        (("report", "--day", "2026-02-30"), "'2026-02-30' is no day"),
        (("report", "--format", "pdf"), "'pdf' is none of text, markdown"),
        (("report", "--out", "/nowhere/report.txt"), "/nowhere"),
        (("tenants", "import", "/nowhere/tenants.csv"), ": /nowhere/tenants.csv: cannot be read: No such file"),
        (("tenants", "import", "/"), "/: cannot be read: Is a directory"),
        (("sandbox", "--world", "/nowhere/world.json"), "/nowhere/world.json"),
        (("sandbox", "--port", "65536"), "'65536' is no whole number from 0 to 65535"),
        (("sync", "--tenant-id", "two\nlines", "--no-such"), "--no-such"),
    ],
)
def test_wrong_arguments_are_one_line(command: Command, argv: tuple[str, ...], said: str) -> None:
    assert said in command(*argv).one_line


def test_an_unknown_tenant_is_named(command: Command) -> None:
    for argv in (
        ("sync", "--tenant-id", "nobody"),
        ("history", "list", "--tenant-id", "nobody"),
        ("mappings", "list", "--tenant-id", "nobody"),
        ("connections", "test", "--tenant-id", "nobody", "--system-type", "SLACK"),
    ):
        assert "nobody" in command(*argv).one_line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"tenant_id,name\na,A\nb\n", "line 3"),
        (b"tenant_id,name\na,A\na,B\n", "line 3"),
        (b"tenant_id,name\na,\xff\n", "line 2"),
        (b'tenant_id,name\na,"A\n', "line 2"),
        (b"tenant_id,name,time_zone\na,A,Atlantis/Capital\n", "line 2"),
        (b"tenant,name\na,A\n", "line 1"),
        (b"", "line 1"),
    ],
)
def test_a_malformed_csv_is_named_with_its_line_and_imports_nothing(
    command: Command, database: Database, tmp_path: Path, text: bytes, said: str
) -> None:
    file = tmp_path / "tenants.csv"
    file.write_bytes(text)
    before = dump(database)
    line = command("tenants", "import", str(file)).one_line
    assert said in line
    assert str(file) in line
    assert dump(database) == before


def test_users_of_an_unknown_tenant_are_named_with_their_line(
    command: Command, database: Database, tmp_path: Path
) -> None:
    builders.add_tenant(database)
    file = tmp_path / "users.csv"
    file.write_text(
        "tenant_id,internal_user_id,email,employee_number,display_name,is_active\ntenant-a,u1,,,,\nnobody,u1,,,,\n"
    )
    before = dump(database)
    line = command("users", "import", str(file)).one_line
    assert "line 3" in line
    assert "nobody" in line
    assert dump(database) == before


def slack(**changes: Any) -> dict[str, Any]:
    return {"tenant_id": "tenant-a", "system_type": "SLACK", "access_token": "xoxb-secret", **changes}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[{]", "line 1, column 3"),
        ('[\n{"tenant_id": "tenant-a"\n"name"}]', "line 3"),
        ("{}", "not a list"),
        (json.dumps([slack(), slack(tenant_id="nobody")]), "entry 2 (nobody SLACK)"),
        (json.dumps([slack(system_type="DISCORD")]), "entry 1 (tenant-a): system_type"),
        (json.dumps([slack(), slack()]), "entry 2"),
        (json.dumps([slack(acess_token="xoxb-secret")]), "acess_token"),
        (json.dumps([slack(batch_size=0)]), "batch_size"),
        (json.dumps([slack(access_token=None)]), "entry 1"),
        (json.dumps([slack(api_endpoint="http://slack.com/api/")]), "https"),
        (json.dumps([slack(api_endpoint="https://evil.example/api/")]), "evil.example"),
    ],
)
def test_a_malformed_json_is_named_with_its_entry_and_imports_nothing(
    command: Command, database: Database, tmp_path: Path, content: str, said: str
) -> None:
    builders.add_tenant(database)
    file = tmp_path / "connections.json"
    file.write_text(content)
    before = dump(database)
    line = command("connections", "import", str(file)).one_line
    assert said in line
    assert str(file) in line
    assert "secret" not in line
    assert dump(database) == before


def test_missing_keys_are_one_line(online: Command) -> None:
    assert KEYS in online("sync", **{KEYS: ""}).one_line


def test_a_wrong_key_is_named_and_no_secret(online: Command, database: Database) -> None:
    before = dump(database)
    same_name = online("sync", **{KEYS: f"test:{OTHER_KEY}"}).one_line
    other_name = online("sync", **{KEYS: f"other:{OTHER_KEY}"}).one_line
    assert "key test" in same_name
    assert "key test" in other_name
    assert OTHER_KEY not in same_name + other_name
    assert dump(database) == before


def test_keys_that_are_none_are_one_line(command: Command, tmp_path: Path) -> None:
    for keys in ("secret", "file:/nowhere/keys", f"file:{tmp_path}", "id:c2VjcmV0"):
        line = command("sync", **{KEYS: keys}).one_line
        assert "secret" not in line
        assert "c2VjcmV0" not in line


def test_an_unreachable_database_is_one_line_without_its_password(command: Command) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        url = f"postgresql://login:pass-word@127.0.0.1:{port}/nothing"
        for argv in (("sync",), ("tenants", "list"), ("migrate",), ("report",)):
            line = command(*argv, **{DATABASE_URL: url}).one_line
            assert str(port) in line
            assert "pass-word" not in line


def test_a_database_of_another_kind_is_one_line(command: Command) -> None:
    assert DATABASE_URL in command("sync", **{DATABASE_URL: "sqlite:///there.db"}).one_line
    assert DATABASE_URL in command("sync", **{DATABASE_URL: "postgresql://[broken"}).one_line


def test_a_database_that_was_not_migrated_says_so(command: Command, server_url: str) -> None:
    assert "integration-pipeline migrate" in command("sync", **{DATABASE_URL: server_url}).one_line


def test_plain_http_beyond_loopback_is_refused(command: Command) -> None:
    name = "INTEGRATION_PIPELINE_SLACK_URL"
    line = command("sync", **{name: "http://slack.example/api/"}).one_line
    assert name in line
    assert "https" in line


def test_an_endpoint_that_is_allowed_no_more_stops_a_batch_that_has_no_other(
    command: Command, database: Database, tmp_path: Path
) -> None:
    builders.add_tenant(database)
    file = tmp_path / "connections.json"
    file.write_text(json.dumps([slack(api_endpoint="https://proxy.example/api/")]))
    assert command("connections", "import", str(file), **{ALLOWED_HOSTS: "proxy.example"}).code == 0
    before = dump(database)
    line = command("sync").one_line
    assert "proxy.example" in line
    assert "tenant-a SLACK" in line
    assert dump(database) == before


def test_a_home_that_cannot_be_made_is_one_line(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert str(file) in command("tenants", "list", **{DATABASE_URL: "", HOME: str(file / "home")}).one_line


def test_a_link_to_nobody_is_one_line(command: Command, database: Database) -> None:
    builders.add_tenant(database)
    account = ("--tenant-id", "tenant-a", "--system-type", "SLACK", "--external-user-id", "U1")
    assert "nobody" in command("mappings", "link", *account, "--internal-user-id", "nobody").one_line
    assert "U1" in command("mappings", "unlink", *account).one_line
