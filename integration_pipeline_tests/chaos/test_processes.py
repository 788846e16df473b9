"""Processes that meet at one connection, and one that is killed where a token could be lost."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg
import pytest

from integration_pipeline.sandbox.plan import SystemPlan, TenantPlan, WorldPlan
from integration_pipeline.sandbox.world import World, build
from integration_pipeline.settings import DATABASE_URL
from integration_pipeline_tests.builders import SLACK
from integration_pipeline_tests.chaos.commands import Process, is_at_work, wait_until
from integration_pipeline_tests.chaos.proxy import Cut, Loss, Proxy
from integration_pipeline_tests.nights import Nights, nights

REFRESH = "oauth.v2.access"
USERS = ("sync", "--sync-type", "users", "--output", "json")


def rotating(*, token_expired: bool = True) -> World:
    slack = SystemPlan(users=12, teams=2, rotation=True, token_expired=token_expired, oddities=False)
    tenant = TenantPlan(tenant_id="tenant-0001", systems={SLACK: slack}, spreadsheet=None)
    return World(WorldPlan(limits=False, tenants=(tenant,)))


@contextmanager
def opened(environ: Mapping[str, str], world: World) -> Iterator[tuple[Nights, Mapping[str, str]]]:
    """A world, and the environment of the processes that sync it."""
    with nights(environ, world) as night:
        yield night, {**environ, **night.sandbox.environment}


def test_a_busy_connection_is_refused_in_one_line_or_waited_for(environ: Mapping[str, str]) -> None:
    with opened(environ, build(users=5, channels=2, systems=[SLACK], oddities=False)) as (night, own):
        night.sandbox.faults.add("hang", system=SLACK, route="users.list")
        first = Process(own, *USERS)
        assert night.sandbox.wait_until_a_call_hangs(60)
        refused = Process(own, *USERS).end()
        assert (refused.code, refused.rows) == (1, [])
        assert refused.err == "refused: tenant-0001 SLACK: another invocation is working on it; --wait waits for it\n"
        assert night.rows("SELECT count(*) FROM external_system_sync_history") == [(1,)]
        waiting = Process(own, *USERS, "--wait")
        night.sandbox.release()
        ends = [first.end(), waiting.end()]
        assert [(end.code, [row["status"] for row in end.rows]) for end in ends] == [(0, ["SUCCESS"])] * 2
        assert sorted(row["records_created"] for end in ends for row in end.rows) == [0, 5]


def test_an_apply_that_was_overtaken_is_refused_and_says_so(environ: Mapping[str, str], database_url: str) -> None:
    with opened(environ, build(users=5, channels=2, systems=[SLACK], oddities=False)) as (night, own):
        night.sandbox.faults.add("hang", system=SLACK, route="users.list")
        process = Process(own, *USERS)
        assert night.sandbox.wait_until_a_call_hangs(60)
        with psycopg.connect(database_url) as session:
            session.execute("UPDATE external_system_connections SET sync_generation = sync_generation + 1")
        night.sandbox.release()
        ended = process.end()
        assert (ended.code, ended.rows[0]["status"]) == (1, "FAILED")
        assert "another apply moved tenant-0001 SLACK" in ended.rows[0]["error_message"]
        assert night.rows("SELECT count(*) FROM external_users") == [(0,)]


def test_three_processes_that_need_one_new_token_ask_for_it_once(environ: Mapping[str, str]) -> None:
    with opened(environ, rotating()) as (night, own):
        night.sandbox.faults.add("drip", system=SLACK, route=REFRESH)
        probe = ("connections", "test", "--tenant-id", "tenant-0001", "--system-type", SLACK)
        processes = [Process(own, *argv) for argv in (USERS, (*USERS, "--dry-run"), probe)]
        wait_until(lambda: night.sandbox.requests.count(route=REFRESH) > 0)
        night.sandbox.release()
        ends = [process.end() for process in processes]
        assert [end.code for end in ends] == [0, 0, 0], ends
        assert night.sandbox.requests.count(route=REFRESH) == 1


@pytest.mark.parametrize("loss", [Loss.STATEMENT, Loss.ANSWER])
def test_a_process_killed_while_it_keeps_a_new_token(environ: Mapping[str, str], database_url: str, loss: Loss) -> None:
    with Proxy(database_url) as proxy, opened(environ, rotating()) as (night, own):
        processes: list[Process] = []

        def kill() -> None:
            processes[0].kill()

        proxy.cuts.append(Cut("SET access_token", Loss.NOTHING, meanwhile=lambda: proxy.cuts.append(at_commit)))
        at_commit = Cut(r"^Q.{4}COMMIT", loss, meanwhile=kill)
        processes.append(Process({**own, DATABASE_URL: proxy.url}, *USERS))
        assert processes[0].end().code < 0
        proxy.cuts.clear()
        wait_until(lambda: not is_at_work(database_url))
        following = Process(own, *USERS).end()
        if loss is Loss.ANSWER:  # kept: the next one needs nobody
            assert (following.code, night.sandbox.requests.count(route=REFRESH)) == (0, 1)
            return
        (row,) = following.rows
        assert (following.code, row["error_type"]) == (1, "AUTH_ERROR")
        assert "a refresh was interrupted at" in row["error_message"]
        (remedy,) = night.rows("SELECT DISTINCT remedy FROM sync_errors WHERE error_type = 'AUTH_ERROR'")
        assert "Connect the tenant again" in remedy[0]
        night.import_world()
        assert Process(own, *USERS).end().code == 0


def test_sessions_do_not_grow_with_the_tenants_that_wait(environ: Mapping[str, str], database_url: str) -> None:
    with opened(environ, build(tenants=40, users=3, channels=1, systems=[SLACK], oddities=False)) as (night, own):
        night.sandbox.faults.add("limit", system=SLACK, route="users.list", times=40, retry_after="5")
        process = Process(own, "sync", "--sync-type", "users", "--output", "json")
        wait_until(lambda: night.sandbox.requests.count(route="users.list") >= 40)
        with psycopg.connect(database_url) as session:
            query = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'integration-pipeline%' "
            (sessions,) = session.execute(f"{query} AND datname = current_database()".encode()).fetchone() or (None,)
        ended = process.end()
        assert (ended.code, len(ended.rows)) == (0, 40)
        assert sessions <= 2 * 9, "8 for the work and 1 for the locks: this process's idle ones and that one's"
