"""``spreadsheets import`` and the store of spreadsheets: all of a file or nothing, sealed keys, one tenant each."""

import datetime as dt
import json
from dataclasses import astuple
from functools import cache
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from integration_pipeline.crypto import Keyring
from integration_pipeline.errors import Forbidden, Misplaced, UsageError
from integration_pipeline.notices import of_publishing
from integration_pipeline.store import notices, spreadsheets
from integration_pipeline.store.engine import Database
from integration_pipeline.store.people import Imported
from integration_pipeline.store.spreadsheet_files import import_entries
from integration_pipeline_tests import builders

NOW = dt.datetime(2026, 11, 21, 6, tzinfo=dt.UTC)


@cache
def pem() -> str:
    return _pem(rsa.generate_private_key(65537, 2048))


def _pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def account(**changes: Any) -> dict[str, Any]:
    return {
        "type": "service_account",
        "project_id": "hunter-project",
        "private_key_id": "hunter-id",
        "private_key": pem(),
        "client_email": "kpi@project.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
        **changes,
    }


def entry(tenant_id: str = "tenant-a", spreadsheet_id: str = "sheet-a", **changes: Any) -> dict[str, Any]:
    return {"tenant_id": tenant_id, "spreadsheet_id": spreadsheet_id, "service_account": account(), **changes}


class Importer:
    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring

    def __call__(self, *entries: Any) -> Imported:
        return import_entries(self._database, self._keyring, list(entries))

    def stored(self) -> list[spreadsheets.Spreadsheet]:
        return builders.opened_spreadsheets(self._database, self._keyring)

    def problem(self, *entries: Any) -> str:
        before = self.stored()
        with pytest.raises(UsageError) as caught:
            self(*entries)
        assert self.stored() == before
        assert "\n" not in str(caught.value)
        assert "hunter" not in str(caught.value)
        return str(caught.value)


@pytest.fixture
def importer(database: Database, keyring: Keyring) -> Importer:
    for tenant_id in ("tenant-a", "tenant-b"):
        builders.add_tenant(database, tenant_id)
    return Importer(database, keyring)


def test_an_entry_becomes_a_spreadsheet_with_its_key_sealed(importer: Importer, database: Database) -> None:
    assert importer(entry()) == Imported(1, 0, 0)
    (found,) = importer.stored()
    assert (found.tenant_id, found.spreadsheet_id) == ("tenant-a", "sheet-a")
    assert found.client_email == "kpi@project.iam.gserviceaccount.com"
    assert json.loads(found.key.get_secret_value()) == account()
    assert "PRIVATE" not in repr(found)
    with builders.everything(database) as cursor:
        (row,) = cursor.execute("SELECT spreadsheets::text FROM spreadsheets").fetchall()
    assert "PRIVATE" not in row[0]
    assert "project" not in row[0]


def test_an_entry_that_says_nothing_new_is_not_written(importer: Importer, database: Database) -> None:
    importer(entry(), entry("tenant-b", "sheet-b"))
    before = _rows(database)
    assert importer(entry(), entry("tenant-b", "sheet-b", service_account=None)) == Imported(0, 0, 2)
    assert _rows(database) == before
    assert importer(entry(service_account=account(private_key_id="hunter-2")), entry("tenant-b", "sheet-c")) == (
        0,
        2,
        0,
    )


def _rows(database: Database) -> list[tuple[Any, ...]]:
    with builders.everything(database) as cursor:
        return cursor.execute("SELECT xmin, * FROM spreadsheets ORDER BY tenant_id").fetchall()


def test_a_key_left_out_stays_and_a_new_one_replaces_it(importer: Importer) -> None:
    importer(entry())
    assert importer(entry(spreadsheet_id="sheet-2", service_account=None)) == Imported(0, 1, 0)
    (found,) = importer.stored()
    assert found.spreadsheet_id == "sheet-2"
    assert json.loads(found.key.get_secret_value()) == account()
    importer(entry(service_account=account(client_email="other@project.iam.gserviceaccount.com")))
    assert importer.stored()[0].client_email == "other@project.iam.gserviceaccount.com"


def test_line_ends_that_were_spelt_out_are_line_ends_again(importer: Importer) -> None:
    importer(entry(service_account=account(private_key=pem().replace("\n", "\\n"))))
    assert json.loads(importer.stored()[0].key.get_secret_value())["private_key"] == pem()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tenant_id": "nobody"}, "there is no such tenant"),
        ({"spreadsheet_id": ""}, "spreadsheet_id: must be what stands between /d/ and /edit"),
        ({"spreadsheet_id": "https://docs.google.com/spreadsheets/d/hunter/edit"}, "between /d/ and /edit"),
        ({"spreadsheet_id": "../values"}, "between /d/ and /edit"),
        ({"spreadsheet_id": 7}, "spreadsheet_id: Input should be a valid string"),
        ({"sheet": "hunter"}, "sheet: there is no such setting"),
        ({"service_account": None}, "service_account is missing"),
        ({"service_account": "hunter"}, "service_account: Input should be a valid dictionary"),
        ({"service_account": account(type="authorized_user")}, "service_account.type: must be service_account"),
        ({"service_account": account(client_email=None)}, "service_account.client_email is missing"),
        ({"service_account": account(client_email="hunter")}, "service_account.client_email: is no e-mail address"),
        ({"service_account": account(private_key="")}, "service_account.private_key is missing"),
        ({"service_account": account(private_key=["hunter"])}, "service_account.private_key: must be text"),
        ({"service_account": account(private_key="-----BEGIN hunter")}, "is not an RSA private key in PEM form"),
    ],
)
def test_what_is_wrong_is_named_with_its_entry_and_nothing_is_imported(
    importer: Importer, changes: dict[str, Any], said: str
) -> None:
    wrong = {**entry(), **changes}
    problem = importer.problem(entry("tenant-b", "sheet-b"), wrong)
    assert problem.startswith(f"entry 2 ({wrong['tenant_id']}): ")
    assert said in problem


def test_other_keys_than_rsa_and_cut_ones_are_refused(importer: Importer) -> None:
    for private_key in (_pem(ec.generate_private_key(ec.SECP256R1())), pem()[:-200]):
        assert "private_key" in importer.problem(entry(service_account=account(private_key=private_key)))


def test_a_file_that_is_no_list_of_entries_is_refused(importer: Importer, database: Database, keyring: Keyring) -> None:
    with pytest.raises(UsageError, match="not a list"):
        import_entries(database, keyring, {"tenant_id": "tenant-a"})
    assert importer.problem(["tenant-a"]) == "entry 1: not an object"
    assert "earlier entry" in importer.problem(entry(), entry())
    assert "tenant_id: Field required" in importer.problem({"spreadsheet_id": "sheet-a"})


def test_keys_are_read_before_the_transaction_that_keeps_them(keyring: Keyring) -> None:
    class Unopened(Database):
        def __init__(self) -> None:
            """No database is there: whoever asks for a transaction fails."""

    with pytest.raises(UsageError, match=r"entry 2 .*private_key"):
        import_entries(Unopened(), keyring, [entry(), entry("tenant-b", "b", service_account=account(private_key="?"))])


def test_a_spreadsheet_belongs_to_one_tenant(importer: Importer) -> None:
    assert "the spreadsheet of tenant-a already" in importer.problem(entry(), entry("tenant-b"))
    importer(entry(), entry("tenant-b", "sheet-b"))
    assert "the spreadsheet of tenant-a already" in importer.problem(entry("tenant-b", "sheet-a"))
    importer(entry(spreadsheet_id="sheet-b"), entry("tenant-b", "sheet-a"))
    assert [found.spreadsheet_id for found in importer.stored()] == ["sheet-b", "sheet-a"]


def test_titles_are_kept_until_the_tenant_has_another_spreadsheet(importer: Importer, database: Database) -> None:
    importer(entry())
    spreadsheets.save_titles(database, "tenant-a", "sheet-a", {5: "進捗"})
    importer(entry())
    assert importer.stored()[0].titles == {5: "進捗"}
    importer(entry(spreadsheet_id="sheet-2"))
    spreadsheets.save_titles(database, "tenant-a", "sheet-a", {6: "late"})
    assert importer.stored()[0].titles == {}


def test_a_failure_is_kept_until_a_success(importer: Importer, database: Database) -> None:
    importer(entry(), entry("tenant-b", "sheet-b"))

    def how() -> list[tuple[Any, ...]]:
        return [astuple(one)[2:] for one in spreadsheets.standing(database)]

    spreadsheets.failed(database, "tenant-a", NOW, Forbidden("not shared", remedy="Share it."))
    assert how() == [(None, NOW, "AUTH_ERROR", "not shared", "Share it."), (None,) * 5]
    spreadsheets.succeeded(database, "tenant-a", NOW)
    assert how() == [(NOW, None, None, None, None), (None,) * 5]


def test_a_failure_whose_words_postgresql_cannot_hold_is_kept_and_told(importer: Importer, database: Database) -> None:
    importer(entry())
    error = Misplaced('the sheet "A\0B" has no header')
    spreadsheets.failed(database, "tenant-a", NOW, error, of_publishing("tenant-a", error))
    (standing,) = spreadsheets.standing(database)
    (told,) = notices.recent(database, limit=2)
    assert standing.last_error == told.message == 'the sheet "AB" has no header'


def test_a_tenants_spreadsheet_is_read_and_one_that_is_not_there_named(
    importer: Importer, database: Database, keyring: Keyring
) -> None:
    importer(entry(), entry("tenant-b", "sheet-b"))
    assert spreadsheets.read(database, keyring, "tenant-a").spreadsheet_id == "sheet-a"
    builders.add_tenant(database, "tenant-c")
    with pytest.raises(UsageError, match="tenant-c has no spreadsheet"):
        spreadsheets.read(database, keyring, "tenant-c")


def test_a_worker_sees_and_moves_its_own_tenants_spreadsheet_alone(importer: Importer, database: Database) -> None:
    importer(entry(), entry("tenant-b", "sheet-b"))
    with database.transaction("tenant-a") as cursor:
        assert cursor.execute("SELECT tenant_id FROM spreadsheets").fetchall() == [("tenant-a",)]
        assert cursor.execute("UPDATE spreadsheets SET last_error = 'x' WHERE tenant_id = 'tenant-b'").rowcount == 0
    with pytest.raises(psycopg.errors.UniqueViolation), database.transaction("tenant-a") as cursor:
        cursor.execute("UPDATE spreadsheets SET spreadsheet_id = 'sheet-b'")
    with pytest.raises(psycopg.errors.InsufficientPrivilege), database.transaction("tenant-a") as cursor:
        cursor.execute("DELETE FROM spreadsheets")
