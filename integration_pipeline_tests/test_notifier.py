"""What only a person can mend is told once, at once, and never at the run's expense: whole nights and a real receiver."""

import datetime as dt
import logging
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from integration_pipeline.errors import ProviderFault
from integration_pipeline.model import Status, SyncType
from integration_pipeline.notices import Told
from integration_pipeline.notifier import Notifier
from integration_pipeline.pipeline import open_pipeline
from integration_pipeline.sandbox.world import World, build
from integration_pipeline.store import notices
from integration_pipeline.store.engine import Database
from integration_pipeline_tests import builders
from integration_pipeline_tests.builders import LINE_WORKS, SLACK, TEAMS, everything
from integration_pipeline_tests.nights import Nights, nights
from integration_pipeline_tests.receivers import Receiver, receiver

TENANT = "tenant-0001"
SOON = 60.0
"""A guard against hanging for ever, no expectation."""
LEDGER = (
    "SELECT cause, delivered_at IS NOT NULL, tries, claimed_until, last_error FROM critical_notices ORDER BY day, cause"
)


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for the notifier's end waits for all of it, however long a busy machine takes."""
    monkeypatch.setattr("integration_pipeline.notifier.GRACE_SECONDS", SOON)
    monkeypatch.setattr("integration_pipeline.notifier.HANG_UP_SECONDS", SOON)


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


def small(*systems: str, **changes: Any) -> World:
    return build(**{"users": 3, "channels": 1, "teams": 1, "oddities": False, "systems": systems, **changes})


def ledger(database: Database) -> list[tuple[Any, ...]]:
    with database.operator() as cursor:
        return cursor.execute(LEDGER.encode()).fetchall()


def revoke(night: Nights) -> None:
    night.world.workspace(TENANT, SLACK).access.problem = "token_revoked"


def criticals(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.getMessage().startswith("critical ")]


# What is told


def test_a_revoked_token_is_told_once_although_three_syncs_meet_it(
    environ: Mapping[str, str], database: Database, there: Receiver
) -> None:
    with nights({**environ, **there.environment}, small(SLACK)) as night:
        revoke(night)
        assert {outcome.status for outcome in night.run().values()} == {Status.FAILED}
        night.run()
    (post,) = there.posts
    notice = post.notice
    assert (notice["tenant_id"], notice["system"], notice["cause"]) == (TENANT, SLACK, "RECONNECT")
    assert notice["provider_code"] == "token_revoked"
    assert "install it again (Install App)" in notice["remedy"]
    assert notice["commands"][-1] == f"integration-pipeline connections test --tenant-id {TENANT} --system-type SLACK"
    assert ledger(database) == [("RECONNECT", True, 1, None, None)]


def test_a_missing_permission_is_told_whether_it_stops_a_sync_or_only_a_listing(
    environ: Mapping[str, str], there: Receiver
) -> None:
    world = small(SLACK, TEAMS)
    with nights({**environ, **there.environment}, world) as night:
        night.sandbox.faults.add("error", code="missing_scope", system=SLACK, route="usergroups.list", times=None)
        night.sandbox.faults.add("status", status=403, system=TEAMS, route="GET /users", times=None)
        outcomes = night.run()
    assert outcomes[TENANT, SLACK, SyncType.TEAMS].status is Status.PARTIAL
    assert outcomes[TENANT, TEAMS, SyncType.USERS].status is Status.FAILED
    assert sorted(there.causes) == [(TENANT, SLACK, "PERMISSION"), (TENANT, TEAMS, "PERMISSION")]


def test_a_hold_is_told_with_the_commands_that_decide_it(
    environ: Mapping[str, str], there: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    with nights({**environ, **there.environment}, small(LINE_WORKS, users=30)) as night:
        night.run(sync_types=(SyncType.USERS,))
        accounts = night.world.workspace(TENANT, LINE_WORKS).users
        for account in accounts.rows()[:20]:
            accounts.remove(account.id)
        night.run(sync_types=(SyncType.USERS,))
        night.run(sync_types=(SyncType.USERS,))
        ((hold_id,),) = night.rows("SELECT hold_id FROM sync_holds")
    (post,) = there.posts
    assert post.notice["cause"] == "HELD"
    assert post.notice["commands"] == [
        f"integration-pipeline holds {verb} {hold_id}" for verb in ("show", "approve", "reject")
    ]
    (line,) = criticals(caplog)
    assert "cause=HELD code=– message=" in line


def test_what_may_mend_itself_is_nobodys_business(
    environ: Mapping[str, str], database: Database, there: Receiver
) -> None:
    with nights({**environ, **there.environment}, small(SLACK)) as night:
        night.sandbox.faults.add("status", status=503, system=SLACK, times=None)
        assert {outcome.status for outcome in night.run().values()} == {Status.FAILED}
    assert (there.posts, ledger(database)) == ([], [])


def test_a_dry_run_tells_nobody(environ: Mapping[str, str], database: Database, there: Receiver) -> None:
    with nights({**environ, **there.environment}, small(SLACK)) as night:
        revoke(night)
        night.run(dry_run=True)
    assert (there.posts, ledger(database)) == ([], [])


def test_each_connection_has_its_own_notice_and_each_day_another(environ: Mapping[str, str], there: Receiver) -> None:
    with nights({**environ, **there.environment}, small(SLACK, tenants=2)) as night:
        for tenant_id in (TENANT, "tenant-0002"):
            night.world.workspace(tenant_id, SLACK).access.problem = "token_revoked"
        night.run()
        night.pipeline.now = lambda: dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
        night.run(tenant_ids=(TENANT,))
    found = [(post.notice["tenant_id"], post.notice["day"]) for post in there.posts]
    assert len(found) == len(set(found)) == 3


# How it is told


def test_the_log_has_it_once_whether_there_is_a_receiver_or_not(
    environ: Mapping[str, str], database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with nights(environ, small(SLACK)) as night:
        revoke(night)
        night.run()
        night.run()
    (line,) = criticals(caplog)
    assert f"tenant={TENANT} system=SLACK cause=RECONNECT code=token_revoked" in line
    assert ledger(database) == [("RECONNECT", True, 1, None, None)]


def test_what_a_process_that_was_killed_left_unsaid_is_in_the_next_ones_log(
    environ: Mapping[str, str], due: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with open_pipeline(environ):
        pass
    assert len(criticals(caplog)) == 1
    assert [row[1] for row in ledger(due)] == [True]


def test_a_receiver_that_is_down_costs_the_run_nothing_and_the_next_process_delivers(
    environ: Mapping[str, str], database: Database, there: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    there.answers = [(410, {})]  # refused for good, so that no try waits
    world = small(SLACK)
    with nights({**environ, **there.environment}, world) as night:
        revoke(night)
        assert {outcome.error_type for outcome in night.run().values()} == {"AUTH_ERROR"}
    ((_, is_delivered, tries, _, why),) = ledger(database)
    assert (is_delivered, tries) == (False, 1)
    assert "the receiver of notices at 127.0.0.1" in why
    assert "s3cr3t" not in why
    with nights({**environ, **there.environment}, world):
        pass
    assert [post.notice["notice_id"] for post in there.posts] == 2 * [there.posts[0].notice["notice_id"]]
    assert ledger(database) == [("RECONNECT", True, 2, None, None)]
    assert len(criticals(caplog)) == 1


class Slow:
    """A receiver that takes a notice when it is let, and can be down."""

    def __init__(self) -> None:
        self.got: list[Told] = []
        self.came = threading.Semaphore(0)
        self.let = threading.Event()
        self.is_down = False

    def __call__(self, told: Told) -> None:
        self.got.append(told)
        self.came.release()
        assert self.let.wait(SOON)
        if self.is_down:
            raise ProviderFault("down")

    def close(self) -> None:
        self.let.set()


def test_while_the_receiver_is_down_the_log_still_has_what_is_new(
    due: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with due.transaction("tenant-a") as cursor:
        for system in (TEAMS, LINE_WORKS):
            notices.record(cursor, "tenant-a", system, [builders.notice()], at=dt.datetime.now(dt.UTC))
    down = Slow()
    down.is_down = True
    down.let.set()
    with notifier(due, down) as one:
        one.wake()
    assert (len(criticals(caplog)), len(down.got)) == (3, 1)
    found = [row[1:] for row in ledger(due)]
    assert sorted(found, key=lambda row: row[1]) == [
        *2 * [(False, 0, None, notices.UNSENT)],
        (False, 1, None, "down"),
    ]


def test_a_receiver_that_takes_its_time_keeps_no_notice_from_the_log(due: Database) -> None:
    lines = threading.Semaphore(0)

    class Listening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage().startswith("critical "):
                lines.release()

    slow, listening = Slow(), Listening()
    logger = logging.getLogger("integration_pipeline.notifier")
    logger.addHandler(listening)
    try:
        with notifier(due, slow) as one:
            one.wake()
            assert slow.came.acquire(timeout=SOON)  # it has the first one, and thinks about it
            with due.transaction("tenant-a") as cursor:
                notices.record(cursor, "tenant-a", TEAMS, [builders.notice()], at=dt.datetime.now(dt.UTC))
            one.wake()
            assert [lines.acquire(timeout=SOON) for _ in range(2)] == [True, True]
            assert len(slow.got) == 1
            slow.let.set()
    finally:
        logger.removeHandler(listening)
    assert len(slow.got) == 2


def test_a_notice_that_its_receiver_fails_at_every_time_keeps_no_other_from_being_sent(due: Database) -> None:
    with due.transaction("tenant-a") as cursor:
        notices.record(cursor, "tenant-a", TEAMS, [builders.notice()], at=dt.datetime.now(dt.UTC))

    class Picky(Slow):
        def __call__(self, told: Told) -> None:
            if told.system_type == SLACK:
                raise ProviderFault("it stumbles")
            self.got.append(told)

    taker = Picky()
    for _ in range(3):  # processes
        with notifier(due, taker) as one:
            one.wake()
    assert [told.system_type for told in taker.got] == [TEAMS]


@pytest.fixture
def due(database: Database) -> Database:
    """A database with one notice that is due."""
    builders.add_tenant(database)
    now = dt.datetime.now(dt.UTC)
    with database.transaction("tenant-a") as cursor:
        notices.record(cursor, "tenant-a", SLACK, [builders.notice()], at=now)
        notices.record(cursor, "tenant-a", SLACK, [builders.notice()], at=now)
    return database


def notifier(database: Database, receiver: Slow, *, later: dt.timedelta = dt.timedelta()) -> Notifier:
    return Notifier(database, now=lambda: dt.datetime.now(dt.UTC) + later, receiver=receiver)


def test_two_processes_do_not_both_send_it(due: Database) -> None:
    first, second = Slow(), Slow()
    second.let.set()
    with notifier(due, first) as one:
        one.wake()
        assert first.came.acquire(timeout=SOON)
        with notifier(due, second) as other:
            other.wake()
        first.let.set()
    assert (len(first.got), len(second.got)) == (1, 0)


def test_a_process_that_died_while_it_sent_leaves_it_to_the_next_one_after_its_claim(due: Database) -> None:
    assert notices.claim(due, at=dt.datetime.now(dt.UTC)) is not None
    soon, late = Slow(), Slow()
    for taker, later in ((soon, dt.timedelta(minutes=4)), (late, dt.timedelta(minutes=6))):
        taker.let.set()
        with notifier(due, taker, later=later) as one:
            one.wake()
    assert (len(soon.got), len(late.got)) == (0, 1)


def test_what_a_process_that_died_may_not_have_said_is_said_by_the_next_one(
    due: Database, caplog: pytest.LogCaptureFixture
) -> None:
    assert notices.claim(due, at=dt.datetime.now(dt.UTC)) is not None
    with Notifier(due, now=lambda: dt.datetime.now(dt.UTC) + dt.timedelta(minutes=6)) as alone:
        alone.wake()
    assert len(criticals(caplog)) == 1
    assert [row[1] for row in ledger(due)] == [True]


def test_a_claim_takes_one_notice_however_few_the_planner_expects(due: Database) -> None:
    with everything(due) as cursor:
        cursor.execute("ANALYZE critical_notices")  # of one row: a join may then look at the choice once for every row
    with due.transaction("tenant-a") as cursor:
        for system in (TEAMS, LINE_WORKS):
            notices.record(cursor, "tenant-a", system, [builders.notice()], at=dt.datetime.now(dt.UTC))
    assert notices.claim(due, at=dt.datetime.now(dt.UTC)) is not None
    assert sorted(row[2] for row in ledger(due)) == [0, 0, 1]


def test_closing_does_not_wait_for_a_receiver_that_hangs_and_what_it_did_not_take_is_due_again(due: Database) -> None:
    hanging = Slow()
    hanging.is_down = True
    one = notifier(due, hanging)
    one.wake()
    assert hanging.came.acquire(timeout=SOON)
    one.close(grace_seconds=0.01)
    ((_, is_delivered, tries, claimed_until, why),) = ledger(due)
    assert (is_delivered, tries, claimed_until, why) == (False, 1, None, "down")


def test_what_nobody_took_for_days_is_not_sent_any_more(due: Database) -> None:
    taker = Slow()
    taker.let.set()
    with notifier(due, taker, later=dt.timedelta(days=notices.DUE_DAYS, minutes=1)) as one:
        one.wake()
    assert taker.got == []


def test_a_database_that_is_lost_ends_no_run(due: Database, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with notifier(due, Slow()) as one:
        due.close()
        one.wake()
    assert "notices stay due" in caplog.text


def test_a_defect_with_one_notice_does_not_silence_the_others(
    due: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("integration_pipeline.notifier.AGAIN_SECONDS", 0.01)
    with due.transaction("tenant-a") as cursor:
        notices.record(cursor, "tenant-a", TEAMS, [builders.notice()], at=dt.datetime.now(dt.UTC))
    secret = "hunter2"

    class Stumbling(Slow):
        def __call__(self, told: Told) -> None:
            if told.system_type == SLACK:
                raise ZeroDivisionError(secret)
            self.got.append(told)
            self.came.release()

    taker = Stumbling()
    with notifier(due, taker) as one:
        one.wake()
        assert taker.came.acquire(timeout=10)
    assert "error=ZeroDivisionError" in caplog.text
    assert secret not in caplog.text


def test_who_is_told_to_stop_leaves_what_is_due_to_the_next_process_without_a_word(
    due: Database, caplog: pytest.LogCaptureFixture
) -> None:
    taker = Slow()
    one = notifier(due, taker)
    one.wake()
    assert taker.came.acquire(timeout=SOON)
    due.close()
    one.close(grace_seconds=0.0)  # it hangs up on the receiver, and the thread finds the database closed
    assert "notices stay due" not in caplog.text
    assert not one._sender._thread.is_alive()


def test_a_database_that_was_away_is_asked_again_while_the_process_lives(
    due: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integration_pipeline.notifier.AGAIN_SECONDS", 0.01)

    class Back(logging.Handler):
        """What was away comes back as soon as it was missed."""

        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage().startswith("notices stay due"):
                rename("away", "critical_notices")

    def rename(name: str, other: str) -> None:
        with everything(due) as cursor:
            cursor.execute(f"ALTER TABLE {name} RENAME TO {other}".encode())

    taker, back = Slow(), Back()
    taker.let.set()
    rename("critical_notices", "away")
    logger = logging.getLogger("integration_pipeline.notifier")
    logger.addHandler(back)
    try:
        with notifier(due, taker) as one:
            one.wake()
            assert taker.came.acquire(timeout=SOON)
    finally:
        logger.removeHandler(back)


def test_a_machine_without_a_thread_left_fails_no_run_and_the_next_wake_delivers(
    due: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    taker = Slow()
    taker.let.set()
    with notifier(due, taker) as one:
        with monkeypatch.context() as scarce:
            scarce.setattr(threading.Thread, "start", refused)
            one.wake()
        assert taker.got == []
        one.wake()
    assert len(taker.got) == 1
