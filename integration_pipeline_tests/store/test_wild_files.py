"""Whatever stands in a file: it is imported whole, or what is wrong with it is said, and nothing of it is."""

import datetime as dt
import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from integration_pipeline import kpi, registry
from integration_pipeline.crypto import Keyring
from integration_pipeline.errors import UsageError
from integration_pipeline.settings import Settings
from integration_pipeline.store import (
    connection_files,
    entries,
    kpi_files,
    kpis,
    people,
    people_files,
    spreadsheet_files,
)
from integration_pipeline.store.engine import Database
from integration_pipeline_tests import builders
from integration_pipeline_tests.store.test_spreadsheets import pem

MARK = "hunter2"
"""Stands in every secret."""

Import = Callable[[bytes], object]

TABLES = ("tenants", "internal_users", "external_system_connections", "progress_kpis", "spreadsheets")

one_database = hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture
def imports(database: Database, keyring: Keyring, settings: Settings) -> Mapping[str, Import]:
    """What reads each kind of file, into a database with two tenants."""
    for tenant_id in ("tenant-a", "tenant-b"):
        builders.add_tenant(database, tenant_id)

    def of_connections(text: bytes) -> object:
        found = entries.parse_entries(text)
        return connection_files.import_entries(database, keyring, settings, found, registry.providers())

    return {
        "tenants": lambda text: people.import_tenants(database, people_files.parse_tenants(io.BytesIO(text))),
        "users": lambda text: people.import_users(database, people_files.parse_users(io.BytesIO(text))),
        "kpis": lambda text: kpis.import_progress(
            database,
            kpi_files.parse_progress(io.BytesIO(text), kpi.TOPS, kpi.WHOLE),
            now=dt.datetime(2026, 11, 21, tzinfo=dt.UTC),
        ),
        "connections": of_connections,
        "spreadsheets": lambda text: spreadsheet_files.import_entries(database, keyring, entries.parse_entries(text)),
    }


def stored(database: Database) -> list[tuple[Any, ...]]:
    query = " UNION ALL ".join(f"SELECT '{table}', t::text FROM {table} AS t" for table in TABLES)
    with builders.everything(database) as cursor:
        return cursor.execute(f"{query} ORDER BY 1, 2".encode()).fetchall()


def check(database: Database, keyring: Keyring, run: Import, text: bytes) -> None:
    before = stored(database)
    refusal = None
    try:
        run(text)
    except UsageError as error:
        refusal = str(error)
    if refusal is not None:
        assert stored(database) == before
        assert MARK not in refusal
        refusal.encode()
    # What was stored can be read, by whoever lists all tenants.
    builders.opened(database, keyring)
    builders.opened_spreadsheets(database, keyring)


# tables

COLUMNS = {
    "tenants": ["tenant_id", "name", "time_zone", "locale"],
    "users": ["tenant_id", "internal_user_id", "email", "employee_number", "display_name", "is_active"],
    "kpis": ["tenant_id", "day", *kpis.PROGRESS],
}
CELLS = st.sampled_from(
    [
        "", " ", "tenant-a", "tenant-b", "u1", "a@example.jp", "Asia/Tokyo", "Asia", "../../etc/passwd", "ja", "true",
        "0", "2026-11-20", "2026-02-30", "0001-01-01", "9999-12-31", "1e400", "5", "99.5", "-1", "٣", "x" * 600,
        "氏名", "a,b", 'a"b', "a\nb", "a\x00b", "\ufeff", "\u2028", "=1+1",
    ]
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)  # fmt: skip


def table(columns: list[str]) -> st.SearchStrategy[bytes]:
    rows = st.lists(
        st.lists(CELLS, min_size=len(columns), max_size=len(columns)) | st.lists(CELLS, max_size=3), max_size=4
    )
    header = st.permutations(columns) | st.lists(st.sampled_from([*columns, "x", ""]), max_size=8)
    quoted = st.booleans()
    return st.tuples(header, rows, quoted).map(lambda parts: _written(parts[0], parts[1], is_quoted=parts[2]))


def _written(header: list[str], rows: list[list[str]], *, is_quoted: bool) -> bytes:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if is_quoted else text

    return "\r\n".join([",".join(header), *(",".join(map(cell, row)) for row in rows)]).encode()


@pytest.mark.parametrize("kind", COLUMNS)
@one_database
@given(data=st.data())
def test_any_table_is_imported_whole_or_not_at_all(
    imports: Mapping[str, Import], database: Database, keyring: Keyring, kind: str, data: st.DataObject
) -> None:
    text = data.draw(table(COLUMNS[kind]) | st.binary(max_size=60))
    check(database, keyring, imports[kind], text)


# JSON

SECRETS = st.sampled_from([MARK, MARK * 20, "xoxb-" + MARK, "xoxe.xoxb-" + MARK, "-----BEGIN " + MARK])
WORDS = st.sampled_from(
    ["tenant-a", "tenant-b", "SLACK", "TEAMS", "LINE_WORKS", "client", "sheet-1", "a@example.jp", ""]
)
MOMENTS = st.sampled_from(
    [
        "2026-11-21T06:00:00Z", "2026-11-21T06:00:00", "0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z", "2026-11-21", 0, -1, 253402300799, 10**13, 10**30,
    ]
)  # fmt: skip
LEAVES: st.SearchStrategy[Any] = st.one_of(
    WORDS,
    SECRETS,
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([1.5, float("nan"), float("inf"), 2**31, 2**63, 10**50, "\x00", "\ud800", "a\nb", [], {}]),
    st.text(max_size=3),
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3))


def mostly(good: st.SearchStrategy[Any], odd: st.SearchStrategy[Any] = VALUES) -> st.SearchStrategy[Any]:
    return st.integers(0, 11).flatmap(lambda turn: odd if turn == 0 else good)


NEEDED: Mapping[str, Mapping[str, st.SearchStrategy[Any]]] = {
    "SLACK": {"access_token": mostly(SECRETS)},
    "TEAMS": {"options": mostly(st.just({"directory_id": "contoso.example"}))},
    "LINE_WORKS": {
        "options": mostly(
            st.fixed_dictionaries(
                {"service_account": mostly(st.just("a@example")), "private_key": mostly(st.just(pem()) | SECRETS)},
                optional={"domain_ids": mostly(st.lists(st.integers(1, 9), max_size=2)), "page_size": LEAVES},
            )
        )
    },
}


def connection(system: str) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {
            "tenant_id": st.sampled_from(["tenant-a", "tenant-b"]),
            "system_type": st.just(system),
            "client_id": mostly(st.just("client")),
            "client_secret": mostly(SECRETS),
            **NEEDED[system],
        },
        optional={
            **({} if system == "SLACK" else {"access_token": mostly(SECRETS)}),
            "refresh_token": mostly(SECRETS),
            "token_expires_at": mostly(MOMENTS),
            "api_endpoint": mostly(st.none(), st.sampled_from(["http://x/", "https://u:hunter2@slack.com/", "//["])),
            "sync_enabled": mostly(st.booleans()),
            "batch_size": mostly(st.integers(0, 100_001)),
            "timeout_seconds": mostly(st.integers(0, 3601)),
            **({"options": mostly(st.just({}))} if system == "SLACK" else {}),
        },
    )


CONNECTIONS = st.sampled_from(list(registry.FOLDERS)).flatmap(connection)
ACCOUNTS = st.fixed_dictionaries(
    {"client_email": mostly(st.just("a@example.jp")), "private_key": st.just(pem()) | SECRETS | LEAVES},
    optional={"type": mostly(st.just("service_account")), "token_uri": VALUES},
)
SPREADSHEETS = st.fixed_dictionaries(
    {"tenant_id": st.sampled_from(["tenant-a", "tenant-b"]), "spreadsheet_id": mostly(st.sampled_from(["s1", "s2"]))},
    optional={"service_account": mostly(ACCOUNTS)},
)
ENTRIES = {"connections": CONNECTIONS, "spreadsheets": SPREADSHEETS}


def nested(depth: int) -> bytes:
    return b'[{"tenant_id": "tenant-a", "x": ' + b"[" * depth + b"]" * depth + b"}]"


def document(kind: str) -> st.SearchStrategy[bytes]:
    listed = mostly(st.lists(mostly(ENTRIES[kind]), max_size=3))
    written = st.tuples(listed, st.booleans()).map(lambda each: json.dumps(each[0], ensure_ascii=each[1]))
    whole = written.map(lambda text: text.encode(errors="surrogatepass"))
    return st.one_of(whole, whole, whole, st.binary(max_size=30), st.integers(0, 3000).map(nested))


@pytest.mark.parametrize("kind", ENTRIES)
@one_database
@given(data=st.data())
def test_any_json_is_imported_whole_or_not_at_all(
    imports: Mapping[str, Import], database: Database, keyring: Keyring, kind: str, data: st.DataObject
) -> None:
    check(database, keyring, imports[kind], data.draw(document(kind)))


@pytest.mark.parametrize("kind", ENTRIES)
@pytest.mark.parametrize("depth", [20, 300, 990, 2000, 20_000, 100_000])
def test_json_that_is_nested_too_deep_is_refused(imports: Mapping[str, Import], kind: str, depth: int) -> None:
    with pytest.raises(UsageError, match="nested too deep"):
        imports[kind](nested(depth))


@pytest.mark.parametrize("kind", ENTRIES)
def test_a_number_that_python_does_not_read_is_refused(imports: Mapping[str, Import], kind: str) -> None:
    with pytest.raises(UsageError, match="a number that is too long"):
        imports[kind](b'[{"tenant_id": ' + b"1" * 5000 + b"}]")
