"""``connections import``: all of a file or nothing, secrets that are left out stay, and what is wrong is named."""

import datetime as dt
import json
from dataclasses import fields
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from integration_pipeline import guard, registry
from integration_pipeline.crypto import Keyring, generate
from integration_pipeline.errors import UsageError
from integration_pipeline.model import Connection
from integration_pipeline.settings import Settings
from integration_pipeline.store import entries
from integration_pipeline.store.connection_files import import_entries
from integration_pipeline.store.engine import Database
from integration_pipeline.store.people import Imported
from integration_pipeline_tests import builders
from integration_pipeline_tests.builders import SLACK, TEAMS

SIX = "2026-11-21T06:00:00Z"


class Importer:
    """The import, with what it needs."""

    def __init__(self, database: Database, keyring: Keyring, settings: Settings) -> None:
        self._database = database
        self._keyring = keyring
        self._settings = settings

    def __call__(self, *found: Any) -> Imported:
        return import_entries(self._database, self._keyring, self._settings, list(found), registry.providers())

    def stored(self) -> list[Connection]:
        return builders.opened(self._database, self._keyring)

    def problem(self, *found: Any) -> str:
        """What it says of entries of which nothing may be imported."""
        before = self.stored()
        with pytest.raises(UsageError) as caught:
            self(*found)
        assert self.stored() == before
        assert "\n" not in str(caught.value)
        assert "hunter" not in str(caught.value)
        return str(caught.value)


@pytest.fixture
def importer(database: Database, keyring: Keyring, settings: Settings) -> Importer:
    builders.add_tenant(database, "tenant-a")
    builders.add_tenant(database, "tenant-b")
    return Importer(database, keyring, settings)


def slack(**changes: Any) -> dict[str, Any]:
    return {"tenant_id": "tenant-a", "system_type": "SLACK", "access_token": "xoxb-hunter1", **changes}


def teams(options: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    found = {"directory_id": "11111111-1111-1111-1111-111111111111", **(options or {})}
    entry = {"tenant_id": "tenant-a", "system_type": "TEAMS", "client_id": "22222222-2222-2222-2222-222222222222"}
    return {**entry, "client_secret": "hunter2", "options": found, **changes}


def shown(value: Any) -> Any:
    return value and value.get_secret_value()


def test_a_whole_entry_becomes_a_connection(importer: Importer) -> None:
    settings = {
        "token_expires_at": SIX, "sync_enabled": False, "sync_users": False, "batch_size": 7, "api_rate_limit": 600,
        "retry_attempts": 5, "timeout_seconds": 9, "api_endpoint": "https://graph.microsoft.com/v1.0",
    }  # fmt: skip
    entry = teams({"page_size": 50, "guard_max_removed": 100, "guard_max_removed_percent": None}, **settings)
    assert importer({**entry, "access_token": "hunter3"}) == Imported(1, 0, 0)
    (found,) = importer.stored()
    assert found.system == TEAMS
    assert (shown(found.client_secret), shown(found.access_token), shown(found.refresh_token)) == (
        "hunter2", "hunter3", None,
    )  # fmt: skip
    assert found.token_expires_at == dt.datetime.fromisoformat(SIX)
    assert (found.sync_enabled, found.sync_users, found.sync_teams) == (False, False, True)
    assert (found.batch_size, found.api_rate_limit, found.retry_attempts, found.timeout_seconds) == (7, 600, 5, 9)
    assert found.api_endpoint == "https://graph.microsoft.com/v1.0/"
    assert dict(found.options) == {
        "directory_id": "11111111-1111-1111-1111-111111111111", "page_size": 50, "guard_max_removed": 100,
    }  # fmt: skip


def test_a_short_entry_gets_the_documented_defaults(importer: Importer) -> None:
    importer(slack())
    (found,) = importer.stored()
    blank = Connection("tenant-a", SLACK)
    for field in fields(Connection):
        if field.name != "access_token":
            assert getattr(found, field.name) == getattr(blank, field.name), field.name


def test_importing_again_updates_and_a_secret_left_out_or_null_stays(importer: Importer) -> None:
    importer(teams(access_token="hunter3", token_expires_at=SIX, api_rate_limit=600))
    again = teams()
    del again["client_secret"]
    assert importer(again) == Imported(0, 1, 0)
    assert importer(teams(client_secret=None, access_token=None)) == Imported(0, 0, 1)
    (found,) = importer.stored()
    assert (shown(found.client_secret), shown(found.access_token)) == ("hunter2", "hunter3")
    assert found.token_expires_at == dt.datetime.fromisoformat(SIX)
    assert found.api_rate_limit == 60


def test_an_entry_that_says_nothing_new_is_not_written(
    importer: Importer, database: Database, line_works: dict[str, Any]
) -> None:
    file = [slack(token_expires_at=SIX), {**line_works, "tenant_id": "tenant-b"}, teams()]
    assert importer(*file) == Imported(3, 0, 0)
    before = _rows(database)
    assert importer(*file) == Imported(0, 0, 3)
    assert _rows(database) == before


def _rows(database: Database) -> list[tuple[Any, ...]]:
    with builders.everything(database) as cursor:
        return cursor.execute(
            "SELECT xmin, * FROM external_system_connections ORDER BY tenant_id, system_type"
        ).fetchall()


@pytest.mark.parametrize(
    "changes",
    [
        {"access_token": "xoxb-hunter2"},
        {"token_expires_at": "2026-11-21T07:00:00Z"},
        {"refresh_token": "xoxe-hunter4", "client_id": "1.2", "client_secret": "hunter3"},
        {"sync_teams": False},
        {"options": {"page_size": 9}},
    ],
)
def test_whatever_an_entry_says_anew_is_an_update(importer: Importer, changes: dict[str, Any]) -> None:
    importer(slack(token_expires_at=SIX))
    assert importer(slack(**{"token_expires_at": SIX, **changes})) == Imported(0, 1, 0)


def test_another_secret_among_the_options_is_an_update(importer: Importer, line_works: dict[str, Any]) -> None:
    importer(line_works)
    other = {**line_works["options"], "private_key": _pem()}
    assert importer({**line_works, "options": other}) == Imported(0, 1, 0)


def test_a_token_given_anew_heals_even_where_it_is_the_stored_one(importer: Importer, database: Database) -> None:
    importer(slack())
    with database.transaction("tenant-a") as cursor:
        cursor.execute("UPDATE external_system_connections SET refresh_started_at = %s", (SIX,))
    assert importer(slack()) == Imported(0, 1, 0)
    assert importer.stored()[0].refresh_started_at is None


def test_what_an_older_key_seals_is_sealed_anew_with_the_first(
    importer: Importer, database: Database, settings: Settings
) -> None:
    importer(slack())
    other = Importer(database, Keyring.parse(f"{generate()},{builders.KEYS}"), settings)
    assert other(slack()) == Imported(0, 1, 0)
    assert other(slack()) == Imported(0, 0, 1)


def test_a_token_given_anew_brings_its_own_end(importer: Importer) -> None:
    importer(teams(access_token="hunter3", token_expires_at=SIX))
    importer(teams(access_token="hunter4"))
    (found,) = importer.stored()
    assert (shown(found.access_token), found.token_expires_at) == ("hunter4", None)


def test_a_token_given_anew_heals_a_refresh_that_was_cut_off(
    importer: Importer, database: Database, keyring: Keyring
) -> None:
    at = dt.datetime.fromisoformat(SIX)
    builders.add_connection(database, keyring, builders.connection("tenant-a", refresh_started_at=at))
    importer(slack(access_token=None))
    assert importer.stored()[0].refresh_started_at == at
    importer(slack())
    assert importer.stored()[0].refresh_started_at is None


def test_a_token_of_replaced_credentials_is_dropped_where_new_ones_can_get_their_own(importer: Importer) -> None:
    importer(teams(access_token="hunter3", token_expires_at=SIX), slack())
    importer(teams({"page_size": 5}))
    assert shown(importer.stored()[1].access_token) == "hunter3"
    importer(teams({"directory_id": "33333333-3333-3333-3333-333333333333"}), slack(client_id="1.2", access_token=None))
    kept, dropped = importer.stored()
    assert (dropped.access_token, dropped.token_expires_at) == (None, None)
    assert shown(kept.access_token) == "xoxb-hunter1"


def test_secret_options_are_sealed_and_stay_too(importer: Importer, line_works: dict[str, Any]) -> None:
    importer(line_works)
    without = {**line_works, "options": {**line_works["options"], "private_key": None}}
    importer(without)
    del without["options"]["private_key"]
    importer(without)
    (found,) = importer.stored()
    assert shown(found.secret_options["private_key"]) == line_works["options"]["private_key"]
    assert "private_key" not in found.options


def test_a_lost_key_hinders_nobody_from_giving_the_secret_anew(
    importer: Importer, database: Database, settings: Settings
) -> None:
    importer(slack())
    other = Importer(database, Keyring({"other": bytes(32)}), settings)
    with pytest.raises(UsageError, match=r"entry 1 \(tenant-a SLACK\): access_token .* sealed with the key test"):
        other(slack(access_token=None))
    other(slack())
    assert shown(other.stored()[0].access_token) == "xoxb-hunter1"


def test_nothing_is_imported_unless_all_of_the_file_is_right(importer: Importer) -> None:
    assert importer.problem(slack(), teams(), slack(tenant_id="nobody")) == (
        "entry 3 (nobody SLACK): there is no such tenant; `tenants import` adds one"
    )


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("hunter", "entry 1: not an object"),
        ({}, "entry 1: tenant_id: Field required"),
        (slack(system_type="FAX"), "entry 1 (tenant-a): system_type must be one of TEAMS, SLACK, LINE_WORKS"),
        (slack(system_type="hunter\n"), "entry 1 (tenant-a): system_type must be"),
        (slack(colour="hunter"), "entry 1 (tenant-a SLACK): colour: there is no such setting"),
        (slack(sync_users="hunter"), "entry 1 (tenant-a SLACK): sync_users: Input should be a valid boolean"),
        (slack(batch_size="100"), "entry 1 (tenant-a SLACK): batch_size: Input should be a valid integer"),
        (slack(batch_size=True), "entry 1 (tenant-a SLACK): batch_size: Input should be a valid integer"),
        (slack(batch_size=0), "entry 1 (tenant-a SLACK): batch_size: Input should be greater than or equal to 1"),
        (slack(api_rate_limit=2**31), "entry 1 (tenant-a SLACK): api_rate_limit: Input should be less than"),
        (slack(timeout_seconds=1.5), "entry 1 (tenant-a SLACK): timeout_seconds"),
        (slack(access_token=""), "entry 1 (tenant-a SLACK): access_token"),
        (slack(access_token=7), "entry 1 (tenant-a SLACK): access_token"),
        (slack(access_token="hunter\0"), "entry 1 (tenant-a SLACK): access_token: holds a character"),
        (slack(access_token="hunter\ud800"), "entry 1 (tenant-a SLACK): access_token: holds a character"),
        (slack(client_id="\0hunter"), "entry 1 (tenant-a SLACK): client_id: holds a character"),
        (slack(token_expires_at="hunter"), "entry 1 (tenant-a SLACK): token_expires_at"),
        (slack(token_expires_at="2026-11-21T06:00:00"), "entry 1 (tenant-a SLACK): token_expires_at"),
        (
            slack(token_expires_at="0001-01-01T00:00:00+14:00"),
            "entry 1 (tenant-a SLACK): token_expires_at: Input should be g",
        ),
        (
            slack(token_expires_at="9999-12-31T23:59:59-14:00"),
            "entry 1 (tenant-a SLACK): token_expires_at: Input should be l",
        ),
        (
            teams(token_expires_at="2026-11-21T06:00:00Z"),
            "entry 1 (tenant-a TEAMS): token_expires_at: tells of an access_token, and there is none here",
        ),
        (slack(api_endpoint="https://hunter2:hunter3@slack.com/"), "entry 1 (tenant-a SLACK): api_endpoint must not"),
        (slack(api_endpoint="https://example.com/"), "entry 1 (tenant-a SLACK): api_endpoint names the host"),
        (slack(api_endpoint="http://slack.com/"), "entry 1 (tenant-a SLACK): api_endpoint must be https"),
        (slack(options=[]), "entry 1 (tenant-a SLACK): options"),
        (slack(options={"colour": 1}), "entry 1 (tenant-a SLACK): options.colour: there is no such option"),
        (slack(options={"page_size": 0}), "entry 1 (tenant-a SLACK): options.page_size: must be a whole number"),
        (slack(options={"page_size": True}), "entry 1 (tenant-a SLACK): options.page_size: must be a whole number"),
        (slack(options={"page_size": 1.0}), "entry 1 (tenant-a SLACK): options.page_size: no setting is a fraction"),
        (slack(options={"guard_max_removed": 9}), "entry 1 (tenant-a SLACK): options.guard_max_removed: must be"),
        (slack(options={"guard_max_removed_percent": 101}), "entry 1 (tenant-a SLACK): options.guard_max_removed_p"),
        (slack(access_token=None), "entry 1 (tenant-a SLACK): access_token is missing"),
        (teams(client_id=None), "entry 1 (tenant-a TEAMS): client_id is missing"),
        (teams({"directory_id": None}), "entry 1 (tenant-a TEAMS): options.directory_id is missing"),
        (slack(tenant_id=""), "entry 1 (SLACK): there is no such tenant"),
    ],
)
def test_what_is_missing_or_wrong_is_named_and_never_repeated(importer: Importer, entry: Any, problem: str) -> None:
    assert importer.problem(entry).startswith(problem)


def test_an_entry_that_stands_twice_is_named(importer: Importer) -> None:
    assert importer.problem(slack(), teams(), slack()).startswith(
        "entry 3 (tenant-a SLACK): the same tenant and system"
    )


@pytest.mark.parametrize("found", [{}, "x", None, 7])
def test_a_file_that_is_no_list_is_refused(
    database: Database, keyring: Keyring, settings: Settings, found: Any
) -> None:
    with pytest.raises(UsageError, match="not a list of connections"):
        import_entries(database, keyring, settings, found, registry.providers())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "line 1, column 1: not JSON"),
        (b'[\n  {"access_token": "hunter2",}\n]', "line 2, column"),
        (b'[\n"\xff"]', "line 2: not UTF-8"),
        (b"[" * 100_000, "nested too deep"),
    ],
)
def test_a_file_that_is_no_json_is_named_by_its_line(text: bytes, problem: str) -> None:
    with pytest.raises(UsageError, match=problem) as caught:
        entries.parse_entries(text)
    assert "hunter2" not in str(caught.value)


def test_a_byte_order_mark_is_no_part_of_the_json() -> None:
    assert entries.parse_entries(b"\xef\xbb\xbf" + json.dumps([slack()]).encode()) == [slack()]


def test_the_guards_options_start_where_the_guard_does() -> None:
    check = {option.name: option.check for option in entries.COMMON_OPTIONS}
    assert check["guard_max_removed"](guard.MAX_REMOVED) is None
    assert check["guard_max_removed"](guard.MAX_REMOVED - 1) is not None
    assert check["guard_max_removed_percent"](guard.MAX_REMOVED_PERCENT) is None
    assert check["guard_max_removed_percent"](guard.MAX_REMOVED_PERCENT - 1) is not None


def _pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


@pytest.fixture(scope="module")
def line_works() -> dict[str, Any]:
    """An entry with a private key that is one."""
    return {
        "tenant_id": "tenant-a",
        "system_type": "LINE_WORKS",
        "client_id": "client",
        "client_secret": "hunter2",
        "options": {
            "service_account": "abc.serviceaccount@example",
            "private_key": _pem(),
            "domain_ids": [10000001],
        },
    }
