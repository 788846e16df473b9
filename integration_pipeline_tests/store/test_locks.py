"""Exclusive work, within a process and across processes, and what happens when the lock's session is lost."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_pipeline.errors import Busy, Interrupted
from integration_pipeline.model import System
from integration_pipeline.store import locks as locks_module
from integration_pipeline.store.engine import Database
from integration_pipeline.store.locks import Locks, Purpose, lock_key
from integration_pipeline_tests.builders import LINE_WORKS, SLACK


def never(seconds: float) -> None:
    raise AssertionError(f"nobody should wait, least of all {seconds} seconds")


@contextmanager
def other_process(url: str) -> Iterator[Locks]:
    """Another process's locks: another session."""
    locks = Locks(url)
    try:
        yield locks
    finally:
        locks.close()


def lose_session(database: Database) -> None:
    with psycopg.connect(database.url) as session:
        session.execute(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity "
            "WHERE application_name = 'integration-pipeline locks' AND datname = current_database()"
        )


def test_a_connection_is_held_by_one_process_at_a_time(database: Database, locks: Locks) -> None:
    with other_process(database.url) as others, locks.hold("a", SLACK, wait=False, pause=never):
        with pytest.raises(Busy, match="a SLACK"), others.hold("a", SLACK, wait=False, pause=never):
            pass
        with others.hold("a", LINE_WORKS, wait=False, pause=never), others.hold("b", SLACK, wait=False, pause=never):
            pass
    with other_process(database.url) as others, others.hold("a", SLACK, wait=False, pause=never):
        pass


def test_a_connection_is_held_by_one_thread_at_a_time(locks: Locks) -> None:
    with (
        locks.hold("a", SLACK, wait=False, pause=never),
        pytest.raises(Busy),
        locks.hold("a", SLACK, wait=False, pause=never),
    ):
        pass


def test_a_refused_hold_takes_nothing_from_the_holder(database: Database, locks: Locks) -> None:
    with locks.hold("a", SLACK, wait=False, pause=never):
        for _ in range(2):
            with pytest.raises(Busy), locks.hold("a", SLACK, wait=False, pause=never):
                pass
        with (
            other_process(database.url) as others,
            pytest.raises(Busy),
            others.hold("a", SLACK, wait=False, pause=never),
        ):
            pass


def test_whoever_waits_gets_it_when_it_is_free(database: Database, locks: Locks) -> None:
    with other_process(database.url) as others:
        holding = others.hold("a", SLACK, wait=False, pause=never)
        holding.__enter__()
        pauses: list[float] = []

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 3:
                holding.__exit__(None, None, None)

        told: list[int] = []
        with locks.hold("a", SLACK, wait=True, pause=pause, on_wait=lambda: told.append(len(pauses))):
            assert pauses == [1.0, 1.0, 1.0]
            assert told == [0]
        with locks.hold("a", SLACK, wait=True, pause=never, on_wait=lambda: told.append(len(pauses))):
            assert told == [0]


def test_waiting_ends_when_the_process_is_told_to_stop(database: Database, locks: Locks) -> None:
    def stop(_: float) -> None:
        raise Interrupted("stop")

    with (
        other_process(database.url) as others,
        others.hold("a", SLACK, wait=False, pause=never),
        pytest.raises(Interrupted),
        locks.hold("a", SLACK, wait=True, pause=stop),
    ):
        pass


def test_a_block_that_raises_gives_back(locks: Locks) -> None:
    with pytest.raises(KeyboardInterrupt), locks.hold("a", SLACK, wait=False, pause=never):
        raise KeyboardInterrupt
    with locks.hold("a", SLACK, wait=False, pause=never):
        pass


def test_a_token_lock_does_not_meet_the_sync_that_holds_the_connection(locks: Locks) -> None:
    with (
        locks.hold("a", SLACK, wait=False, pause=never),
        locks.hold("a", SLACK, wait=False, pause=never, purpose=Purpose.TOKEN),
    ):
        pass


def running(database: Database) -> set[int]:
    with database.operator() as cursor:
        return locks_module.running(cursor)


def test_readers_see_what_is_running(database: Database, locks: Locks) -> None:
    with locks.hold("a", SLACK, wait=False, pause=never):
        assert running(database) == {lock_key("a", SLACK)}
    assert running(database) == set()


def test_another_databases_locks_are_none_of_ours(server_url: str, database: Database) -> None:
    with other_process(server_url) as others, others.hold("a", SLACK, wait=False, pause=never):
        assert running(database) == set()


def test_whoever_loses_the_session_has_lost_its_locks(database: Database, locks: Locks) -> None:
    with locks.hold("a", SLACK, wait=False, pause=never):
        lose_session(database)
        assert running(database) == set()
        with other_process(database.url) as others, others.hold("a", SLACK, wait=False, pause=never):
            assert running(database) == {lock_key("a", SLACK)}


def test_a_lost_session_is_said_at_the_end_and_the_next_lock_gets_a_new_one(
    database: Database, locks: Locks, caplog: pytest.LogCaptureFixture
) -> None:
    with locks.hold("a", SLACK, wait=False, pause=never):
        lose_session(database)
        with locks.hold("b", SLACK, wait=False, pause=never):
            assert running(database) == {lock_key("b", SLACK)}
    assert caplog.messages == ["a SLACK: the lock's session was lost while it was held"]
    with locks.hold("a", SLACK, wait=False, pause=never):
        assert running(database) == {lock_key("a", SLACK)}


def test_a_process_that_ends_while_it_holds_a_lock_complains_of_nothing(
    database: Database, locks: Locks, caplog: pytest.LogCaptureFixture
) -> None:
    with locks.hold("a", SLACK, wait=False, pause=never):
        locks.close()
    assert caplog.messages == []
    # The server hears of it in its own time.
    with other_process(database.url) as others, others.hold("a", SLACK, wait=True, pause=lambda _: None):
        pass


@given(st.lists(st.tuples(st.text(), st.text(), st.sampled_from(Purpose)), unique=True, min_size=2))
def test_keys_differ_and_fit_postgresqls_bigint(names: list[tuple[str, str, Purpose]]) -> None:
    keys = [lock_key(tenant_id, System(system), purpose) for tenant_id, system, purpose in names]
    assert len(set(keys)) == len(keys)
    assert all(-(2**63) <= key < 2**63 for key in keys)
