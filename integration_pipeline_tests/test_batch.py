"""The batch: independent connections, refusals, interruptions."""

import datetime as dt
import logging
import math
import signal
import threading
import time
from collections.abc import Iterator, Mapping

import psycopg
import pytest

from integration_pipeline import batch, invocation, registry, selection
from integration_pipeline.crypto import Keyring
from integration_pipeline.errors import UsageError
from integration_pipeline.model import Connection, Estimate, Outcome, Status, SyncType, System
from integration_pipeline.provider import Listing, Session
from integration_pipeline.sandbox.world import build
from integration_pipeline.store import connections
from integration_pipeline.store.engine import Database
from integration_pipeline.store.locks import Locks
from integration_pipeline_tests import builders
from integration_pipeline_tests.nights import Nights, nights


@pytest.fixture
def night(environ: Mapping[str, str]) -> Iterator[Nights]:
    with nights(environ, build(tenants=3, users=12, channels=4, teams=3, systems=["SLACK"])) as found:
        yield found


def statuses(outcomes: dict[tuple[str, str, SyncType], Outcome]) -> dict[str, set[Status]]:
    found: dict[str, set[Status]] = {}
    for (tenant_id, _, _), outcome in outcomes.items():
        found.setdefault(tenant_id, set()).add(outcome.status)
    return found


def test_a_tenant_whose_token_is_dead_fails_every_due_type_with_one_call_and_no_other_tenant(night: Nights) -> None:
    night.sandbox.faults.add("revoke", system="SLACK", tenant_id="tenant-0002", code="account_inactive", times=None)
    outcomes = night.run()
    assert statuses(outcomes) == {
        "tenant-0001": {Status.SUCCESS},
        "tenant-0002": {Status.FAILED},
        "tenant-0003": {Status.SUCCESS},
    }
    broken = {key[2]: outcome for key, outcome in outcomes.items() if key[0] == "tenant-0002"}
    assert {outcome.error_type for outcome in broken.values()} == {"AUTH_ERROR"}
    assert sum(outcome.api_calls for outcome in broken.values()) == 1
    kept = night.rows("SELECT sync_type, error_type, remedy IS NOT NULL FROM sync_errors ORDER BY sync_type")
    assert kept == [(t.value, "AUTH_ERROR", True) for t in sorted(SyncType)]


def test_one_types_failure_leaves_the_other_types_alone(night: Nights) -> None:
    night.sandbox.faults.add("status", status=500, system="SLACK", route="conversations.list", times=None)
    outcomes = night.run(tenant_ids=("tenant-0001",))
    assert {key[2]: outcome.status for key, outcome in outcomes.items()} == {
        SyncType.USERS: Status.SUCCESS,
        SyncType.TEAMS: Status.FAILED,
        SyncType.NOTIFICATIONS: Status.SUCCESS,
    }


def test_a_defect_in_one_tenants_sync_is_its_own_and_says_so_without_quoting_data(
    night: Nights, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "xoxb-" + "1234"
    provider = registry.provider(System("SLACK"))
    listings = provider.listings[SyncType.TEAMS]

    def defect(session: Session) -> Iterator[Listing]:
        if session.connection.tenant_id == "tenant-0001":
            raise ZeroDivisionError(secret)
        return listings(session)

    monkeypatch.setitem(provider.listings, SyncType.TEAMS, defect)
    outcomes = night.run(sync_types=(SyncType.TEAMS,))
    assert statuses(outcomes)["tenant-0001"] == {Status.FAILED}
    assert statuses(outcomes)["tenant-0002"] == {Status.SUCCESS}
    ((message, trace),) = night.rows("SELECT error_message, stack_trace FROM sync_errors")
    assert message == "a defect in the pipeline: ZeroDivisionError"
    assert "in defect" in trace
    assert secret not in trace + caplog.text
    assert "ZeroDivisionError" in caplog.text


LOST_KEY = "UPDATE external_system_connections SET access_token = replace(access_token, 'v1:test:', 'v1:lost:')"
ELSEWHERE = "UPDATE external_system_connections SET api_endpoint = 'https://elsewhere.example/'"


def store_wrongly(night: Nights, statement: str, *tenant_ids: str) -> None:
    with builders.everything(night.pipeline.database) as cursor:
        cursor.execute(f"{statement} WHERE tenant_id = ANY(%s)".encode(), (list(tenant_ids),))


@pytest.mark.parametrize(("statement", "named"), [(LOST_KEY, "the key lost"), (ELSEWHERE, "elsewhere.example")])
def test_a_connection_that_is_stored_wrongly_fails_alone_and_says_what_to_do(
    night: Nights, statement: str, named: str
) -> None:
    store_wrongly(night, statement, "tenant-0002")
    outcomes = night.run()
    assert statuses(outcomes) == {
        "tenant-0001": {Status.SUCCESS},
        "tenant-0002": {Status.FAILED},
        "tenant-0003": {Status.SUCCESS},
    }
    kept = night.rows(
        "SELECT sync_type, h.status, e.error_type, e.error_message, e.remedy FROM sync_errors AS e "
        "JOIN external_system_sync_history AS h USING (tenant_id, sync_id, sync_type) ORDER BY sync_type"
    )
    assert [row[:3] for row in kept] == [(each.value, "FAILED", "CONFIGURATION") for each in sorted(SyncType)]
    assert all(named in message and "import" in remedy for *_, message, remedy in kept)
    ((cause, message, remedy, commands),) = night.rows("SELECT cause, message, remedy, commands FROM critical_notices")
    assert (cause, message, remedy) == ("CONFIGURATION", *kept[0][3:])
    assert any("connections import" in command for command in commands)
    assert night.sandbox.requests.count(tenant_id="tenant-0002") == 0


def test_a_dry_run_says_of_a_connection_that_is_stored_wrongly_that_it_fails(night: Nights) -> None:
    store_wrongly(night, LOST_KEY, "tenant-0002")
    outcomes = night.run(dry_run=True)
    assert statuses(outcomes)["tenant-0002"] == {Status.FAILED}
    assert statuses(outcomes)["tenant-0003"] == {Status.SUCCESS}
    assert night.rows("SELECT count(*) FROM external_system_sync_history") == [(0,)]


def test_a_configuration_with_which_no_connection_works_is_wrong_before_anything_begins(night: Nights) -> None:
    request = invocation.Request()
    connections = selection.select(night.pipeline, request)
    store_wrongly(night, LOST_KEY, "tenant-0001", "tenant-0002")
    selection.check(night.pipeline, request, connections)
    store_wrongly(night, ELSEWHERE, "tenant-0003")
    with pytest.raises(UsageError, match="tenant-0001 SLACK is sealed with the key lost"):
        selection.check(night.pipeline, request, connections)


def test_an_unknown_tenant_is_wrong_usage(night: Nights) -> None:
    with pytest.raises(UsageError, match="there is no tenant nobody"):
        selection.check(night.pipeline, invocation.Request(tenant_ids=("nobody",)), [])


def test_a_batch_interrupted_in_the_middle_of_a_read_ends_and_leaves_a_true_history(
    night: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "GRACE_SECONDS", 60.0)  # as long as a busy machine needs
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    night.sandbox.faults.add("hang", system="SLACK", route="users.list", times=None)
    main = threading.main_thread().ident
    assert main is not None

    def press_ctrl_c() -> None:
        while night.sandbox.requests.count(route="users.list") < len(night.world.tenants):
            time.sleep(0.001)
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=press_ctrl_c, daemon=True).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            night.run()
    finally:
        signal.signal(signal.SIGINT, before)
    found = night.rows("SELECT status, error_type, completed_at IS NOT NULL FROM external_system_sync_history")
    assert set(found) == {("FAILED", "INTERRUPTED", True)}
    assert night.rows("SELECT count(*) FROM external_users") == [(0,)]


def test_rows_a_killed_process_left_open_are_closed_by_the_next_run(night: Nights) -> None:
    with night.pipeline.database.transaction("tenant-0001") as cursor:
        cursor.execute(
            "INSERT INTO external_system_sync_history (sync_id, tenant_id, system_type, sync_type, started_at) "
            "VALUES (new_id(), 'tenant-0001', 'SLACK', 'USERS', now() - interval '1 day')"
        )
    night.run(tenant_ids=("tenant-0001",))
    open_rows = night.rows("SELECT count(*) FROM external_system_sync_history WHERE completed_at IS NULL")
    assert open_rows == [(0,)]
    closed = night.rows(
        "SELECT status, error_type FROM external_system_sync_history WHERE started_at < now() - interval '1 hour'"
    )
    assert closed == [("FAILED", "INTERRUPTED")]


def test_a_sync_that_another_apply_overtook_writes_nothing(night: Nights) -> None:
    def overtake(event: invocation.Event) -> None:
        if isinstance(event, invocation.Read) and event.sync_type is SyncType.USERS:
            with night.pipeline.database.transaction(event.connection.tenant_id) as cursor:
                cursor.execute("UPDATE external_system_connections SET sync_generation = sync_generation + 1")

    request = invocation.Request(tenant_ids=("tenant-0001",), sync_types=(SyncType.USERS,))
    connections = selection.select(night.pipeline, request)
    (outcome,) = batch.run(night.pipeline, request, connections, on_event=overtake)
    assert isinstance(outcome, Outcome)
    assert outcome.status is Status.FAILED
    assert night.rows("SELECT count(*) FROM external_users") == [(0,)]


def test_what_one_connection_meets_before_it_begins_is_its_own(night: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    take_over = connections.take_over

    def lost(database: Database, keyring: Keyring, tenant_id: str, system: System, *, at: dt.datetime) -> Connection:
        if tenant_id == "tenant-0001":
            raise psycopg.OperationalError("the server closed the connection")
        if tenant_id == "tenant-0002":
            raise UsageError("access_token of tenant-0002 SLACK does not open")
        return take_over(database, keyring, tenant_id, system, at=at)

    monkeypatch.setattr(connections, "take_over", lost)
    outcomes = night.run()
    assert statuses(outcomes) == {
        "tenant-0001": {Status.FAILED},
        "tenant-0002": {Status.FAILED},
        "tenant-0003": {Status.SUCCESS},
    }
    assert {outcome.error_message for key, outcome in outcomes.items() if key[0] == "tenant-0002"} == {
        "access_token of tenant-0002 SLACK does not open"
    }
    written = night.rows("SELECT tenant_id, count(*) FROM external_system_sync_history GROUP BY 1 ORDER BY 1")
    assert written == [("tenant-0001", 3), ("tenant-0002", 3), ("tenant-0003", 3)]


def test_a_connection_that_begins_as_the_batch_is_stopped_asks_nothing(night: Nights) -> None:
    here, let = threading.Event(), threading.Event()

    def adjust(connection: Connection) -> Connection:
        if threading.current_thread().name == "crew":
            here.set()
            let.wait(60)
        return connection

    night.pipeline.adjust = adjust
    request = invocation.Request(tenant_ids=("tenant-0001",))
    running = batch.run(night.pipeline, request, selection.select(night.pipeline, request))

    def press_ctrl_c() -> None:
        assert here.wait(60)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=press_ctrl_c, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        list(running)
    let.set()
    for thread in threading.enumerate():
        if thread.name == "crew":
            thread.join(60)
    assert night.sandbox.requests.count() == 0
    assert night.rows("SELECT count(*) FROM external_system_sync_history") == [(0,)]


def test_a_database_that_takes_no_more_sessions_is_nobodys_configuration(night: Nights) -> None:
    night.pipeline.locks = Locks("postgresql://127.0.0.1:1/nowhere")
    outcomes = night.run()
    assert {(outcome.status, outcome.error_type) for outcome in outcomes.values()} == {(Status.FAILED, "UNKNOWN_ERROR")}
    assert night.rows("SELECT count(*) FROM critical_notices") == [(0,)]


def test_waiting_for_another_invocation_holds_no_slot(
    night: Nights, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "integration_pipeline")
    let_go = threading.Event()

    def wait_for(event: threading.Event, seconds: float) -> bool:
        # A clock that every look at the lock moves on would be over before a slow machine has done the others.
        return let_go.wait(60) and night.time.wait_for(event, seconds) if seconds else event.is_set()

    monkeypatch.setattr(night.pipeline, "wait_for", wait_for)
    others = Locks(night.pipeline.database.url)
    events: list[invocation.Event] = []
    request = invocation.Request(wait=True)
    with others.hold("tenant-0001", System("SLACK"), wait=False, pause=lambda _: None):
        connections = selection.select(night.pipeline, request)
        running = batch.run(night.pipeline, request, connections, concurrency=1, on_event=events.append)
        done = [next(running) for _ in range(6)]
    let_go.set()
    done += list(running)
    others.close()
    waits = [event for event in events if isinstance(event, invocation.Waiting) and event.seconds == math.inf]
    assert [(wait.connection.tenant_id, wait.reason) for wait in waits] == [
        ("tenant-0001", "another invocation that is working on it")
    ]
    assert sum("waiting" in record.getMessage() for record in caplog.records) == 1
    assert {outcome.tenant_id for outcome in done[:6]} == {"tenant-0002", "tenant-0003"}
    assert {outcome.tenant_id for outcome in done[6:]} == {"tenant-0001"}


def test_those_that_take_longest_begin_first_and_those_that_nobody_knows_before_them(night: Nights) -> None:
    request = invocation.Request(sync_types=(SyncType.USERS, SyncType.TEAMS))
    expected = {
        ("tenant-0001", System("SLACK")): {SyncType.USERS: Estimate(2, 20.0), SyncType.TEAMS: Estimate(1, 5.0)},
        ("tenant-0002", System("SLACK")): {SyncType.USERS: Estimate(9, 600.0), SyncType.TEAMS: Estimate(1, 5.0)},
        ("tenant-0003", System("SLACK")): {SyncType.TEAMS: Estimate(1, 1.0)},
    }
    ordered = selection.longest_first(request, selection.select(night.pipeline, request), expected)
    assert [each.tenant_id for each in ordered] == ["tenant-0003", "tenant-0002", "tenant-0001"]


def test_tenants_that_wait_hold_neither_a_slot_nor_a_session_of_the_database(
    environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but one are told to wait; while they do, the one gets everything done."""
    with nights(environ, build(tenants=17, users=3, channels=2, systems=["SLACK"])) as night:
        waiting, let_go = threading.Semaphore(0), threading.Event()

        def wait_for(event: threading.Event, seconds: float) -> bool:
            if seconds:
                waiting.release()
                let_go.wait(60)
            return night.time.wait_for(event, seconds)

        monkeypatch.setattr(night.pipeline, "wait_for", wait_for)
        night.pipeline.notifier.close()  # it has a session of its own while it looks for what is due
        for number in range(1, 17):
            name = f"tenant-{number:04d}"
            night.sandbox.faults.add("limit", system="SLACK", tenant_id=name, retry_after="30", times=1)
        request = invocation.Request()
        running = batch.run(night.pipeline, request, selection.select(night.pipeline, request), concurrency=2)
        done = [next(running) for _ in range(3)]
        for _ in range(16):
            assert waiting.acquire(timeout=60)
        (sessions,) = night.rows(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
        )
        (opened,) = night.rows(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND backend_type = 'client backend'"  # no vacuum
        )
        let_go.set()
        done += list(running)

    assert {result.tenant_id for result in done[:3]} == {"tenant-0017"}
    assert len(done) == 17 * 3
    ended = {(result.status, result.error_message) for result in done if isinstance(result, Outcome)}
    assert ended == {(Status.SUCCESS, None)}
    assert sessions == (0,)
    assert opened[0] <= 10  # the pool's eight, the locks' one, and the one that looks
