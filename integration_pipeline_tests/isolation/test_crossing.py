"""Nobody crosses: every statement that is sent for one tenant, sent again as another, finds nothing and changes nothing."""

import ast
import datetime as dt
import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

import integration_pipeline.store
from integration_pipeline import kpi, registry
from integration_pipeline.commands import links
from integration_pipeline.crypto import Keyring
from integration_pipeline.defs import daily, standing
from integration_pipeline.errors import Forbidden
from integration_pipeline.model import Connection, Status, SyncType
from integration_pipeline.publish import publishing
from integration_pipeline.report import days, weekly
from integration_pipeline.report import integration as integration_report
from integration_pipeline.sandbox.world import build
from integration_pipeline.store import (
    connection_files,
    connections,
    history,
    holds,
    kpi_files,
    kpis,
    mappings,
    matching,
    notices,
    people,
    queries,
    sealing,
    spreadsheet_files,
    spreadsheets,
    staging,
)
from integration_pipeline.store.engine import Database
from integration_pipeline.store.staging import TARGETS
from integration_pipeline_tests import builders
from integration_pipeline_tests.builders import LINE_WORKS, SLACK, TEAMS
from integration_pipeline_tests.isolation.recording import Recording, Statement, recorded, sent_again, texts_of
from integration_pipeline_tests.nights import Nights, nights

A, B = "tenant-0001", "tenant-0002"
STRANGER = "stranger"
"""A tenant who has nothing: whatever it gets to see is somebody else's."""

TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version' ORDER BY relname
"""


@pytest.fixture
def night(environ: Mapping[str, str]) -> Iterator[Nights]:
    world = build(tenants=2, users=40, channels=3, teams=3, groups=2, apps=1, oddities=True)
    with nights(environ, world) as found:
        builders.add_tenant(found.pipeline.database, STRANGER)
        yield found


def test_no_statement_crosses_from_one_tenant_to_another(night: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    # Also on a server that would not be asked to look up by the index: what newer ones are sent crosses neither.
    monkeypatch.setattr(matching, "_KEEPS_ARRAYS_FOR_THE_INDEX", 0)
    with recorded(monkeypatch) as recording:
        everything(night)
        night.pipeline.notifier.close()  # from here on, nobody else writes
    assert missing_files(recording) == [], "send it too: call what sends it in everything()"
    assert missing_texts(recording) == [], "send it too: call what sends it in everything()"
    database = night.pipeline.database
    for tenant_id in (STRANGER, A):
        check_crossing(database, recording, tenant_id)
    # And where a table is not guarded, it is found out.
    with builders.everything(database) as cursor:
        cursor.execute("ALTER TABLE external_users DISABLE ROW LEVEL SECURITY")
    with pytest.raises(AssertionError, match="external_users"):
        check_crossing(database, recording, STRANGER)


def check_crossing(database: Database, recording: Recording, tenant_id: str) -> None:
    """Send what was sent for B again, with B's own values, as this tenant."""
    stretches = recording.of_worker(B)
    assert len(stretches) > 30
    before, sent = rows_of(database, B), 0
    for stretch in stretches:
        with database.transaction(tenant_id) as cursor:
            for statement in stretch.statements:
                found = sent_again(cursor, statement)
                sent += 1
                if isinstance(found, psycopg.Error):
                    check_refusal(found, statement)
                elif tenant_id == STRANGER:
                    assert is_nothing(found, statement), f"{statement.text} shows {found[:1]}"
    assert sent > 100
    assert rows_of(database, B) == before


def check_refusal(error: psycopg.Error, statement: Statement) -> None:
    """Refused by row-level security, or because another tenant's row stands where this one would."""
    refused = (psycopg.errors.InsufficientPrivilege, psycopg.errors.UniqueViolation, psycopg.errors.ForeignKeyViolation)
    assert isinstance(error, refused), (statement, error)
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        assert "row-level security" in str(error), (statement, error)


def is_nothing(rows: list[tuple[Any, ...]], statement: Statement) -> bool:
    """No row, or one that says that there is nothing; a statement's own values may come back."""
    own = [value for value in texts_of(statement.values) if value is not None]
    return all(not value or value in own or value == [] for row in rows for value in row)


def rows_of(database: Database, tenant_id: str) -> dict[str, list[str]]:
    with builders.everything(database) as cursor:
        tables = [name for (name,) in cursor.execute(TABLES).fetchall()]
        return {
            table: [
                row
                for (row,) in cursor.execute(
                    f"SELECT t::text FROM {table} AS t WHERE tenant_id = %s ORDER BY 1".encode(), (tenant_id,)
                )
            ]
            for table in tables
        }


# all that the pipeline does


def everything(night: Nights) -> None:
    """Everything that anybody can ask of the pipeline, for both tenants."""
    files(night)
    syncs(night)
    people_s_work(night)
    figures(night)
    lists(night)


def files(night: Nights) -> None:
    pipeline, world = night.pipeline, night.world
    with builders.everything(pipeline.database) as cursor:  # what is stored already would not be written again
        cursor.execute("UPDATE external_system_connections SET batch_size = batch_size + 1")
    night.import_world()
    moved = [{**entry, "batch_size": 50} for entry in json.loads(world.connections_json())]
    connection_files.import_entries(pipeline.database, pipeline.keyring, pipeline.settings, moved, registry.providers())
    spreadsheet_files.import_entries(pipeline.database, pipeline.keyring, json.loads(world.spreadsheets_json()))
    text = "tenant_id,day," + ",".join(kpis.PROGRESS)
    lines = [text, *(f"{tenant_id},2024-11-20,50,60,3,4,2,5,99" for tenant_id in (A, B))]
    rows = kpi_files.parse_progress(io.BytesIO("\n".join(lines).encode()), kpi.TOPS, kpi.WHOLE)
    for _ in range(2):
        kpis.import_progress(pipeline.database, rows, now=pipeline.now())


def syncs(night: Nights) -> None:
    night.run(dry_run=True)
    night.run()
    night.run()
    night.run(dry_run=True)
    for system, route in ((SLACK, "users.list"), (LINE_WORKS, "GET /users"), (TEAMS, "GET /users/delta")):
        night.sandbox.faults.add("wrong_types", system=system, route=route, fields={"name": [1], "userName": 1}, row=0)
    for tenant_id in (A, B):
        for system in registry.FOLDERS:
            lose(night, tenant_id, system, 25)
    night.run()
    for tenant_id in (A, B):
        lose(night, tenant_id, SLACK, 1)
    night.run()
    night.sandbox.faults.add("status", status=403, system=SLACK, route="users.list", times=None)
    night.run(systems=(SLACK,))
    night.sandbox.faults.clear()


def changes_alone(database: Database, connection: Connection) -> None:
    """What a listing that tells changes asks for besides."""
    target = TARGETS[SyncType.USERS]
    with database.transaction(connection.tenant_id) as cursor:
        staging.hashes(cursor, target, connection, ["x"])
        staging.active_rows(cursor, target, connection, "USER")
        staging.count_there(cursor, target, connection, "users")


def lose(night: Nights, tenant_id: str, system: str, number: int) -> None:
    accounts = night.world.workspace(tenant_id, system).users
    for user in [user for user in accounts if user.kind == "member" and user.state == "active"][:number]:
        accounts.remove(user.id)


def people_s_work(night: Nights) -> None:
    """Links, holds, keys, and what is kept of tokens and of what went wrong."""
    pipeline = night.pipeline
    database, keyring = pipeline.database, pipeline.keyring
    for tenant_id in (A, B):
        account, user = one_of(database, tenant_id, "external_users"), one_of(database, tenant_id, "internal_users")
        links.link(database, tenant_id, SLACK, account, internal_user_id=user)
        links.unlink(database, tenant_id, SLACK, account)
        mappings.listing(database, tenant_id)
        decide_holds(night, tenant_id)
        connection = connections.read(database, keyring, tenant_id, LINE_WORKS)
        changes_alone(database, connection)
        at = pipeline.now()
        builders.begin(database, connection, SyncType.USERS, started_at=at)
        history.close_interrupted(database, connection, at=at)
        history.interrupt(
            database, connection, builders.begin(database, connection, SyncType.USERS, started_at=at), at=at
        )
        spreadsheets.failed(database, tenant_id, at, Forbidden("no", remedy="Share it."))
    sealing.reseal(database, Keyring({"new": bytes(32), "test": bytes(range(32))}))
    pipeline.keyring = Keyring({"new": bytes(32)})
    for outcome in night.run(force_refresh=True).values():
        assert history.was_finished(database, outcome) == (outcome.status is not Status.FAILED)


def one_of(database: Database, tenant_id: str, table: str) -> str:
    column = table.removesuffix("s").removeprefix("external_").removeprefix("internal_")
    key = f"{table.partition('_')[0]}_{column}_id"
    with builders.everything(database) as cursor:
        where = "AND system_type = 'SLACK'" if table == "external_users" else ""
        row = cursor.execute(
            f"SELECT {key} FROM {table} WHERE tenant_id = %s {where} ORDER BY 1 LIMIT 1".encode(), (tenant_id,)
        ).fetchone()
    assert row is not None
    return str(row[0])


def decide_holds(night: Nights, tenant_id: str) -> None:
    pipeline = night.pipeline
    waiting = [
        hold for hold in holds.listing(pipeline.database) if hold.tenant_id == tenant_id and hold.status == "WAITING"
    ]
    first, second = waiting[:2]
    assert holds.rows(pipeline.database, first)
    outcome = holds.approve(pipeline.database, pipeline.locks, first.hold_id, now=pipeline.now)
    assert holds.was_approved(pipeline.database, first, by=outcome)
    holds.reject(pipeline.database, second.hold_id, at=pipeline.now())


def figures(night: Nights) -> None:
    pipeline = night.pipeline
    request = publishing.Request()
    for _ in range(2):
        assert list(publishing.run(pipeline, request, publishing.select(pipeline, request)))
    today = pipeline.now().date()
    for tenant in people.list_tenants(pipeline.database):
        kpi.values(pipeline.database, tenant.tenant_id, today - dt.timedelta(days=7), today)
        weekly.read(pipeline.database, tenant, today)


def lists(night: Nights) -> None:
    """What is read across tenants."""
    pipeline = night.pipeline
    database, now = pipeline.database, pipeline.now()
    report = integration_report.read(database, day=None, now=now)
    days.read(database, report, now=now)
    connections.describe(database)
    history.recent(database)
    spreadsheets.standing(database)
    todays = {A: now.date(), B: now.date()}
    daily.left_open(database, None)
    daily.kpis(database, None, now.date(), now.date())
    daily.ahead(database, todays)
    daily.fallen(database, todays, 10)
    daily.with_spreadsheet(database)
    standing.lines(database)
    standing.tokens(database, ends_before=now, cut_off_before=now)
    standing.coverage(database)
    standing.tenants(database)
    standing.existing(database, [A])
    standing.unseen(database, ended=now.isoformat(), sync_id=str(UUID(int=0)), before=now, limit=10)
    with database.operator() as cursor:
        cursor.execute(queries.sql("report/connections"))
        notices.between(cursor, now - dt.timedelta(days=1), now + dt.timedelta(days=1))
    notices.recent(database, limit=10)
    while (told := notices.claim(database, at=now)) is not None:
        notices.failed(database, told, "no answer") if told.tenant_id == A else notices.delivered(
            database, told, at=now
        )
        if told.tries > 1:
            break


# nothing is left out


def missing_files(recording: Recording) -> list[str]:
    """The named SQL files that were not sent."""
    sent = [plain(text) for text in recording.texts]
    folder = queries.folder()
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.glob("*/*.sql"))
        if not any(filled(path.read_text(encoding="utf-8")).search(text) for text in sent)
    ]


def filled(text: str) -> re.Pattern[str]:
    """A file's text with anything where names are put into it."""
    parts = re.split(r"\{[a-z_]+\}", plain(text))
    return re.compile(".*".join(re.escape(part.strip()) for part in parts), re.DOTALL)


def plain(text: str) -> str:
    return " ".join(text.split())


_SQL = re.compile(r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|COPY|WITH|CREATE TEMP|SET LOCAL) ")


def missing_texts(recording: Recording) -> list[str]:
    """The statements in the store's own modules that were not sent."""
    sent = "\n".join(plain(text) for text in recording.texts)
    folder = Path(integration_pipeline.store.__path__[0])
    return [
        f"{path.name}: {text}"
        for path in sorted(folder.glob("*.py"))
        for text in statements(ast.parse(path.read_text(encoding="utf-8")))
        if text not in sent and path.name not in ("engine.py", "migrations.py", "embedded.py", "urls.py", "locks.py")
    ]


def statements(module: ast.Module) -> Iterator[str]:
    """The longest plain piece of every string that begins as a statement does."""
    documentation = {id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)}
    inner = {id(part) for node in ast.walk(module) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(module):
        if id(node) in documentation or id(node) in inner:
            continue
        pieces = [node] if isinstance(node, ast.Constant) else node.values if isinstance(node, ast.JoinedStr) else []
        texts = [
            piece.value.decode() if isinstance(piece.value, bytes) else piece.value
            for piece in pieces
            if isinstance(piece, ast.Constant) and isinstance(piece.value, str | bytes)
        ]
        if texts and _SQL.match(texts[0]):
            yield max((plain(text) for text in texts), key=len)
