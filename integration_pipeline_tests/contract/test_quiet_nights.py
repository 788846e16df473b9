"""What a night on which nothing changed costs the database, counted for every provider: few statements, and no row of its data.

The calls it makes are counted in ``test_fewest_calls.py``.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from integration_pipeline import batch, invocation, registry, selection
from integration_pipeline.model import Outcome, SyncType
from integration_pipeline.sandbox.world import build
from integration_pipeline_tests.builders import TEAMS
from integration_pipeline_tests.nights import Nights, nights

MOST_STATEMENTS, MOST_WITH_CHANGES = 12, 19
"""Round trips of one sync, with its connection's lock and row, and the beginnings and ends of its transactions; where
something is to be written, and where somebody left."""

PIECEMEAL = 4
"""Where changes alone are listed, what is stored is not read whole but asked, and a link moves; the types that are listed
whole all the same (teams) read it besides."""

FEW, MANY = 40, 2000


@contextmanager
def statements(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every round trip, where psycopg takes it from us."""
    found: list[str] = []

    def listened(original: Any) -> Any:
        def listening(self: Any, *arguments: Any, **more: Any) -> Any:
            if arguments or self.info.transaction_status is not TransactionStatus.IDLE:  # else there is nothing to end
                found.append(str(arguments[0]) if arguments else original.__name__)
            return original(self, *arguments, **more)

        return listening

    with monkeypatch.context() as patched:
        for name in ("execute", "stream", "copy"):
            patched.setattr(psycopg.Cursor, name, listened(getattr(psycopg.Cursor, name)))
        for name in ("commit", "rollback"):
            patched.setattr(psycopg.Connection, name, listened(getattr(psycopg.Connection, name)))
        yield found


def tables(session: psycopg.Connection) -> list[str]:
    return [name for (name,) in session.execute("SELECT relname FROM pg_stat_user_tables").fetchall()]


def sizes(session: psycopg.Connection) -> dict[str, int]:
    count = {name: session.execute(f"SELECT count(*) FROM {name}".encode()).fetchone() for name in tables(session)}
    return {name: row[0] for name, row in count.items() if row}


def written_since(session: psycopg.Connection, transaction: int) -> dict[str, int]:
    """table → rows that are as no earlier transaction left them."""
    query = "SELECT count(*) FROM {} WHERE xmin::text::bigint >= {}"
    found = {name: session.execute(query.format(name, transaction).encode()).fetchone() for name in tables(session)}
    return {name: row[0] for name, row in found.items() if row and row[0]}


def world(system: str, users: int) -> Any:
    return build(systems=[system], users=users, channels=users // 10, teams=users // 20, groups=2, oddities=False)


def somebody_leaves(night: Nights, system: str) -> None:
    (tenant_id,) = night.world.tenants
    accounts = night.world.workspace(tenant_id, system).users
    accounts.remove(next(account.id for account in accounts.rows("member") if account.state == "active"))


@pytest.mark.parametrize("system", list(registry.FOLDERS))
def test_a_sync_takes_few_statements_and_as_many_whatever_its_size(
    environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    changes, quiet, leaving = list[dict[SyncType, int]](), list[dict[SyncType, int]](), list[dict[SyncType, int]]()
    for users in (FEW, MANY):
        with nights(environ, world(system, users)) as night:
            night.pipeline.notifier.close()  # what it asks is no sync's
            night.run(sync_types=(SyncType.NOTIFICATIONS,), force_refresh=True)  # a token costs what it costs
            with psycopg.connect(night.pipeline.database.url) as session:
                session.execute("TRUNCATE sync_cursors")  # the links of another world lead nowhere
            for counted, sync_types in ((changes, SyncType), (quiet, SyncType), (leaving, [SyncType.USERS])):
                counted.append({})
                if counted is leaving:
                    somebody_leaves(night, system)
                for sync_type in sync_types:
                    request = invocation.Request(sync_types=(sync_type,))
                    connections = selection.select(night.pipeline, request)
                    with statements(monkeypatch) as sent:
                        (outcome,) = batch.run(night.pipeline, request, connections)
                    counted[-1][sync_type] = len(sent)
    assert isinstance(outcome, Outcome)
    assert outcome.counts.deleted == 1
    assert (changes[0], quiet[0], leaving[0]) == (changes[1], quiet[1], leaving[1])
    assert max(quiet[0].values()) <= MOST_STATEMENTS + (PIECEMEAL if system == TEAMS else 0), quiet
    assert max(changes[0].values()) <= MOST_WITH_CHANGES, changes
    assert max(leaving[0].values()) <= MOST_WITH_CHANGES, leaving


@pytest.mark.parametrize("system", list(registry.FOLDERS))
def test_a_quiet_night_writes_its_history_and_its_connection_and_nothing_else(
    environ: Mapping[str, str], system: str
) -> None:
    with nights(environ, world(system, 100)) as night, psycopg.connect(night.pipeline.database.url) as session:
        night.run()
        before = sizes(session)
        ((transaction,),) = session.execute("SELECT pg_current_xact_id()::text::bigint").fetchall()
        session.commit()
        outcomes = night.run().values()
        assert all(outcome.counts.processed == outcome.counts.unchanged > 0 for outcome in outcomes)
        # Graph's links lead on from where they were.
        links = {"sync_cursors": before["sync_cursors"]} if system == TEAMS else {}
        history = "external_system_sync_history"
        assert written_since(session, transaction) == {history: 3, "external_system_connections": 1, **links}
        assert sizes(session) == {**before, history: before[history] + 3}
