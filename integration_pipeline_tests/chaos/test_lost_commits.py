"""A COMMIT that nobody answered: what the database kept is asked, and reported as it is."""

from collections.abc import Iterator, Mapping

import pytest

from integration_pipeline.model import Outcome, Status, SyncType
from integration_pipeline.sandbox.world import build
from integration_pipeline.settings import DATABASE_URL
from integration_pipeline.store import history, holds
from integration_pipeline.store.engine import CommitUnanswered
from integration_pipeline_tests.builders import SLACK
from integration_pipeline_tests.chaos.proxy import Cut, Loss, Proxy
from integration_pipeline_tests.nights import Nights, nights

USERS = (SyncType.USERS,)


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    with Proxy(database_url) as proxy:
        yield proxy


@pytest.fixture
def night(environ: Mapping[str, str], proxy: Proxy) -> Iterator[Nights]:
    world = build(users=12, channels=2, systems=[SLACK], oddities=False, rotation=True)
    with nights({**environ, DATABASE_URL: proxy.url}, world) as found:
        found.pipeline.notifier.close()  # it looks for what is due, and the COMMIT that is lost might be its own
        yield found


def users(night: Nights) -> Outcome:
    (outcome,) = night.run(sync_types=USERS).values()
    return outcome


class AfterApply:
    """The COMMIT that follows the apply, which is a word like any other before it."""

    def __init__(self, proxy: Proxy, loss: Loss) -> None:
        self._proxy, self._commit = proxy, Cut(r"^Q.{4}COMMIT", loss)
        proxy.cuts.append(Cut("INSERT INTO external_users", Loss.NOTHING, meanwhile=self.arm))

    def arm(self) -> None:
        self._proxy.cuts.append(self._commit)

    @property
    def was_lost(self) -> bool:
        return self._commit.met > 0


def stored(night: Nights) -> tuple[int, list[tuple[object, ...]]]:
    ((count,),) = night.rows("SELECT count(*) FROM external_users WHERE is_active")
    history = night.rows(
        "SELECT status, error_type, records_created, completed_at IS NOT NULL FROM external_system_sync_history"
    )
    return count, history


def test_a_commit_whose_answer_was_lost_is_a_success_all_the_same(night: Nights, proxy: Proxy) -> None:
    commit = AfterApply(proxy, Loss.ANSWER)
    outcome = users(night)
    assert commit.was_lost
    assert (outcome.status, outcome.counts.created) == (Status.SUCCESS, 12)
    assert stored(night) == (12, [("SUCCESS", None, 12, True)])


def test_a_commit_that_never_arrived_is_a_failure_and_nothing_is_written(night: Nights, proxy: Proxy) -> None:
    AfterApply(proxy, Loss.STATEMENT)
    outcome = users(night)
    assert (outcome.status, outcome.counts.created) == (Status.FAILED, 0)
    assert stored(night) == (0, [("FAILED", "UNKNOWN_ERROR", 0, True)])
    assert users(night).counts.created == 12


def test_a_database_that_stays_away_after_a_commit_is_said_not_to_tell(night: Nights, proxy: Proxy) -> None:
    AfterApply(proxy, Loss.ANSWER)
    proxy.cuts.append(Cut("FOR UPDATE", Loss.STATEMENT, is_lasting=True))
    proxy.cuts.append(Cut("UPDATE external_system_sync_history", Loss.STATEMENT, nth=3, is_lasting=True))
    outcome = users(night)
    assert outcome.status is Status.FAILED
    assert "does not say whether the changes were kept" in (outcome.error_message or "")
    proxy.cuts.clear()
    assert not history.was_finished(
        night.pipeline.database, outcome
    )  # it waits until the server is done with the COMMIT
    assert stored(night) == (12, [("SUCCESS", None, 12, True)])


def test_a_session_that_was_dropped_while_it_was_idle_costs_nobody_a_sync(night: Nights, proxy: Proxy) -> None:
    night.run()
    ended = (
        "SELECT count(pg_terminate_backend(pid, 60000)) FROM pg_stat_activity "
        "WHERE application_name = 'integration-pipeline'"
    )
    with night.pipeline.database.operator() as cursor:
        cursor.execute("SELECT set_config('role', %s, true)", (cursor.connection.info.user,))
        assert cursor.execute(f"{ended} AND pid <> pg_backend_pid()".encode()).fetchone() != (0,)
    assert {outcome.status for outcome in night.run().values()} == {Status.SUCCESS}


@pytest.mark.parametrize("loss", [Loss.STATEMENT, Loss.ANSWER])
def test_a_new_pair_of_tokens_outlives_the_loss_of_the_database(night: Nights, proxy: Proxy, loss: Loss) -> None:
    lost = [Cut("SET access_token", loss, nth=number) for number in (1, 2)]
    proxy.cuts.extend(lost)
    outcomes = night.run(force_refresh=True)
    assert all(cut.met >= cut.nth for cut in lost)
    assert {outcome.status for outcome in outcomes.values()} == {Status.SUCCESS}
    assert night.sandbox.requests.count(route="oauth.v2.access") == 1
    assert {outcome.status for outcome in night.run(force_refresh=True).values()} == {Status.SUCCESS}


@pytest.mark.parametrize(("loss", "is_kept"), [(Loss.ANSWER, True), (Loss.STATEMENT, False)])
def test_an_approval_whose_commit_went_unanswered_is_what_the_database_kept(
    night: Nights, proxy: Proxy, loss: Loss, *, is_kept: bool
) -> None:
    night.run()
    table = night.world.workspace("tenant-0001", SLACK).users
    for user in [user for user in table if user.kind == "member"]:
        table.remove(user.id)
    night.run(sync_types=USERS)
    ((hold_id,),) = night.rows("SELECT hold_id FROM sync_holds")
    decided = Cut("UPDATE sync_holds SET status", Loss.NOTHING, meanwhile=lambda: proxy.cuts.append(at_commit))
    at_commit = Cut(r"^Q.{4}COMMIT", loss)
    proxy.cuts.append(decided)
    pipeline = night.pipeline

    def approve() -> Outcome:
        return holds.approve(pipeline.database, pipeline.locks, hold_id, now=pipeline.now)

    if is_kept:
        assert approve().counts.deleted == 12
    else:
        with pytest.raises(CommitUnanswered):
            approve()
        assert stored(night)[0] == 12
        assert approve().counts.deleted == 12
    assert stored(night)[0] == 0
