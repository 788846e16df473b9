"""Nights on which Graph tells changes alone come to what a whole listing would have come to."""

import datetime as dt
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from integration_pipeline.model import Counts, Outcome, Status, SyncType
from integration_pipeline.providers.teams import delta, directory
from integration_pipeline.sandbox.tables import ABSENT
from integration_pipeline.sandbox.world import build
from integration_pipeline.store import holds
from integration_pipeline_tests import builders
from integration_pipeline_tests.builders import TEAMS
from integration_pipeline_tests.nights import Nights, nights

TENANT = "tenant-0001"
USERS, TEAM_TYPE, NOTIFICATIONS = SyncType
LISTED, TOLD = "GET /users", "GET /users/delta"


class Calendar:
    """The days, for the pipeline and for Graph alike; they pass when a test says so."""

    def __init__(self) -> None:
        self.today = dt.datetime(2026, 11, 21, 21, 0, tzinfo=dt.UTC)

    def now(self) -> dt.datetime:
        return self.today

    def __call__(self) -> float:
        return self.today.timestamp()

    def pass_days(self, days: float) -> None:
        self.today += dt.timedelta(days=days)


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture
def night(environ: Mapping[str, str], calendar: Calendar) -> Iterator[Nights]:
    world = build(users=30, teams=12, groups=4, apps=1, systems=[TEAMS], clock=calendar)
    with nights(environ, world) as found:
        found.pipeline.now = calendar.now
        yield found


def sync(night: Nights, *sync_types: SyncType, **request: Any) -> Outcome:
    """One night of one type; the calls it made are the log's, from the first."""
    night.sandbox.requests.clear()
    outcomes = night.run(sync_types=sync_types, **request)
    return outcomes[TENANT, TEAMS, sync_types[-1]]


def calls(night: Nights, route: str) -> int:
    return night.sandbox.requests.count(route=route)


def of_tenant(night: Nights, query: str) -> list[tuple[Any, ...]]:
    """What the tenant's own worker reads: bookmarks are nobody else's."""
    with night.pipeline.database.transaction(TENANT) as cursor:
        return cursor.execute(query.encode()).fetchall()


def bookmarks(night: Nights) -> list[tuple[Any, ...]]:
    return of_tenant(night, "SELECT sync_type, listing, listed_at FROM sync_cursors ORDER BY sync_type")


def change_bookmarks(night: Nights, assignment: str) -> None:
    with night.pipeline.database.transaction(TENANT) as cursor:
        cursor.execute(f"UPDATE sync_cursors SET {assignment}".encode())


def users(night: Nights) -> Any:
    return night.world.workspace(TENANT, TEAMS).users


def teams(night: Nights) -> Any:
    return night.world.workspace(TENANT, TEAMS).teams


def active(night: Nights, table: str = "external_users", key: str = "external_user_id") -> set[str]:
    return {row[0] for row in night.rows(f"SELECT {key} FROM {table} WHERE is_active")}


def plain(night: Nights, count: int) -> list[str]:
    """Members whom nothing is odd about."""
    found = [user.id for user in users(night) if user.kind == "member" and user.state == "active"]
    return found[:count]


def quiet(night: Nights) -> Counts:
    """What a night counts on which nothing happens: all rows that are there, switched off or not."""
    ((there,),) = night.rows("SELECT count(*) FROM external_users WHERE inactive_reason IS DISTINCT FROM 'absent'")
    return Counts(unchanged=there)


def test_a_quiet_night_asks_once_and_counts_what_a_whole_listing_would(night: Nights, calendar: Calendar) -> None:
    sync(night, USERS)
    assert (calls(night, LISTED), calls(night, TOLD)) == (1, 1)
    calendar.pass_days(1)
    second = sync(night, USERS)
    assert (second.status, calls(night, LISTED), calls(night, TOLD)) == (Status.SUCCESS, 0, 1)
    assert second.counts == quiet(night)
    whole = sync(night, USERS, force_refresh=True)
    assert (calls(night, LISTED), whole.counts) == (1, second.counts)


def test_a_quiet_night_says_of_every_account_that_it_was_seen(night: Nights, calendar: Calendar) -> None:
    sync(night, USERS)
    calendar.pass_days(1)
    sync(night, USERS)
    assert night.rows("SELECT DISTINCT last_synced_at FROM external_user_mappings") == [(calendar.today,)]
    assert of_tenant(night, "SELECT listed_at, moved_at FROM sync_cursors") == [
        (calendar.today - dt.timedelta(days=1), calendar.today)
    ]


def test_a_quiet_night_writes_its_history_the_connection_and_the_bookmark(night: Nights, calendar: Calendar) -> None:
    tables = ("external_users", "sync_changes", "sync_errors", "sync_holds")
    sync(night, USERS)
    before = [night.rows(f"SELECT xmin::text, t.* FROM {table} AS t ORDER BY 2, 3, 4") for table in tables]
    calendar.pass_days(1)
    sync(night, USERS)
    assert [night.rows(f"SELECT xmin::text, t.* FROM {table} AS t ORDER BY 2, 3, 4") for table in tables] == before


def test_what_changed_came_and_went_is_told_and_counted(night: Nights, calendar: Calendar) -> None:
    first = sync(night, USERS)
    renamed, disabled, gone, soft = plain(night, 4)
    users(night).change(renamed, last_name="改姓")
    users(night).change(disabled, state="disabled")
    users(night).remove(gone)
    account = users(night).remove(soft, "changed")
    came = users(night).add(email="new@tenant-0001.example")
    calendar.pass_days(1)
    second = sync(night, USERS)
    assert calls(night, LISTED) == 0
    assert second.counts == Counts(created=1, updated=1, deleted=3, unchanged=first.counts.created - 4)
    assert active(night) >= {renamed, came.id}
    assert active(night).isdisjoint({disabled, gone, soft})
    reasons = night.rows(f"SELECT inactive_reason FROM external_users WHERE external_user_id IN ('{gone}', '{soft}')")
    assert reasons == [("absent",)] * 2
    users(night).restore(account)
    third = sync(night, USERS)
    assert (calls(night, LISTED), third.counts.updated, third.counts.created) == (0, 1, 0)
    assert soft in active(night)
    whole = sync(night, USERS, force_refresh=True)
    assert whole.counts == quiet(night)


def test_whoever_is_told_gone_again_is_not_counted_twice(night: Nights) -> None:
    sync(night, USERS)
    (key,) = plain(night, 1)
    account = users(night).remove(key, "changed")
    sync(night, USERS)
    users(night).restore(account)
    users(night).remove(key, "deleted")
    two = sync(night, USERS)
    assert two.counts == quiet(night)
    assert sync(night, USERS, force_refresh=True).counts == two.counts


def test_whoever_was_disabled_before_being_deleted_is_counted_as_in_a_whole_listing(night: Nights) -> None:
    sync(night, USERS)
    told, listed = plain(night, 2)
    for key in (told, listed):
        users(night).change(key, state="disabled")
    sync(night, USERS)
    for key, is_whole in ((told, False), (listed, True)):
        users(night).remove(key)
        outcome = sync(night, USERS, force_refresh=is_whole)
        assert (outcome.counts.deleted, outcome.counts.updated) == (0, 1)
        reason = f"SELECT inactive_reason FROM external_users WHERE external_user_id = '{key}'"
        assert night.rows(reason) == [("absent",)]
        quiet_night = sync(night, USERS)
        assert calls(night, LISTED) == 0
        assert quiet_night.counts == sync(night, USERS, force_refresh=True).counts


def test_people_who_moved_are_matched_on_a_quiet_night(night: Nights) -> None:
    sync(night, USERS)
    before = sync(night, USERS)
    (key,) = plain(night, 1)
    found = night.rows(
        f"SELECT internal_user_id FROM external_user_mappings WHERE external_user_id = '{key}' AND rule IS NOT NULL"
    )
    with night.pipeline.database.operator() as cursor:
        cursor.execute("UPDATE internal_users SET is_active = false WHERE internal_user_id = %s", found[0])
    planned = sync(night, USERS, dry_run=True)
    after = sync(night, USERS)
    assert calls(night, LISTED) == 0
    assert after.counts == planned.counts
    assert after.counts == Counts(updated=1, unchanged=before.counts.unchanged - 1)


def test_a_directory_that_tells_most_of_its_people_gone_deactivates_nobody_and_is_listed_next_night(
    night: Nights,
) -> None:
    sync(night, USERS)
    before = active(night)
    for key in plain(night, 17):
        users(night).remove(key)
    held = sync(night, USERS)
    assert (held.status, held.error_type, held.counts.deleted, calls(night, LISTED)) == (Status.PARTIAL, "HELD", 0, 0)
    assert (active(night), bookmarks(night)) == (before, [])
    again = sync(night, USERS)
    assert (again.error_type, calls(night, LISTED)) == ("HELD", 1)
    assert again.counts == held.counts
    assert night.rows("SELECT status, absent_count FROM sync_holds") == [("WAITING", 17)]


def test_a_small_directory_of_which_all_is_told_gone_deactivates_nobody(environ: Mapping[str, str]) -> None:
    with nights(environ, build(users=3, teams=0, systems=[TEAMS], oddities=False)) as night:
        sync(night, USERS)
        for key in plain(night, 3):
            users(night).remove(key)
        assert sync(night, USERS).error_type == "HELD"
        assert len(active(night)) == 3


@pytest.mark.parametrize("route", [TOLD, LISTED])
def test_a_rejected_record_leaves_no_bookmark(night: Nights, route: str) -> None:
    sync(night, USERS)
    users(night).change(plain(night, 1)[0], last_name="改姓")
    night.sandbox.faults.add("wrong_types", system=TEAMS, route=route, fields={"displayName": [1]})
    outcome = sync(night, USERS, force_refresh=route == LISTED)
    assert (outcome.status, outcome.counts.rejected, bookmarks(night)) == (Status.PARTIAL, 1, [])
    assert outcome.counts.processed == 30
    healed = sync(night, USERS)
    assert (healed.status, healed.counts.updated, calls(night, LISTED)) == (Status.SUCCESS, 1, 1)
    sync(night, USERS)
    assert calls(night, LISTED) == 0


def test_a_night_that_fails_among_the_changes_keeps_the_link_and_the_next_one_has_them_all(
    environ: Mapping[str, str],
) -> None:
    with nights(environ, build(users=30, teams=0, systems=[TEAMS], oddities=False, page_size=4)) as night:
        sync(night, USERS)
        for key in plain(night, 10):
            users(night).change(key, last_name="改姓")
        night.sandbox.faults.add("status", status=503, system=TEAMS, route=TOLD, nth=2, times=3)
        failed = sync(night, USERS)
        assert (failed.status, calls(night, TOLD), calls(night, LISTED)) == (Status.FAILED, 4, 0)
        users(night).change(plain(night, 12)[11], last_name="改姓")
        users(night).remove(plain(night, 13)[12])
        healed = sync(night, USERS)
        assert (healed.counts, calls(night, LISTED)) == (Counts(updated=11, deleted=1, unchanged=18), 0)


def test_rows_told_again_on_a_later_page_count_once(environ: Mapping[str, str]) -> None:
    with nights(environ, build(users=30, teams=0, systems=[TEAMS], oddities=False, page_size=4)) as night:
        sync(night, USERS)
        for key in plain(night, 10):
            users(night).change(key, last_name="改姓")
        night.sandbox.faults.add("duplicate_page", system=TEAMS, route=TOLD, nth=3)
        outcome = sync(night, USERS)
        # Two of the ten were lost to the repetition; nothing casts doubt on the others.
        assert (outcome.status, outcome.counts) == (Status.SUCCESS, Counts(updated=8, unchanged=22))


EXPIRED = '{"error": {"code": "syncStateNotFound", "message": "expired", "innerError": {}}}'


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize(
    "answer",
    [
        {"status": 400, "body": EXPIRED},
        {"status": 404, "body": EXPIRED},
        {"status": 410, "headers": {"Location": "https://graph.microsoft.com/v1.0/users/delta?$deltatoken="}},
        {"status": 403},
    ],
    ids=lambda answer: str(answer["status"]),
)
def test_a_link_that_is_no_good_any_more_costs_one_whole_listing(
    environ: Mapping[str, str], nth: int, answer: Mapping[str, Any]
) -> None:
    with nights(environ, build(users=30, teams=0, systems=[TEAMS], oddities=False, page_size=4)) as night:
        sync(night, USERS)
        keys = plain(night, 10)
        for key in keys[:8]:
            users(night).change(key, last_name="改姓")
        users(night).remove(keys[9])
        night.sandbox.faults.add("status", system=TEAMS, route=TOLD, nth=nth, **answer)
        outcome = sync(night, USERS)
        assert (outcome.status, outcome.counts) == (Status.SUCCESS, Counts(updated=8, deleted=1, unchanged=21))
        assert (calls(night, TOLD), calls(night, LISTED)) == (nth + 1, 8)
        assert sync(night, USERS).counts == Counts(unchanged=29)
        assert calls(night, LISTED) == 0


@pytest.mark.parametrize("action", ["last", "html", "cursor_loop"])
def test_changes_that_do_not_end_as_they_should_are_not_believed(environ: Mapping[str, str], action: str) -> None:
    with nights(environ, build(users=30, teams=0, systems=[TEAMS], oddities=False, page_size=4)) as night:
        sync(night, USERS)
        for key in plain(night, 10):
            users(night).change(key, last_name="改姓")
        times = 3 if action == "html" else None
        night.sandbox.faults.add(action, system=TEAMS, route=TOLD, nth=2, times=times)
        outcome = sync(night, USERS)
        if action == "html":  # may pass, and so is asked again next night
            assert (outcome.status, len(bookmarks(night))) == (Status.FAILED, 1)
        else:
            assert (outcome.status, outcome.counts) == (Status.SUCCESS, Counts(updated=10, unchanged=20))
            assert calls(night, LISTED) == 8


def test_links_that_graph_has_forgotten_are_replaced(night: Nights, calendar: Calendar) -> None:
    sync(night, USERS)
    users(night).forget()
    calendar.pass_days(1)
    assert sync(night, USERS).status is Status.SUCCESS
    assert calls(night, LISTED) == 1
    calendar.pass_days(1)
    sync(night, USERS)
    assert calls(night, LISTED) == 0


def test_where_delta_is_refused_every_night_is_a_whole_listing(night: Nights) -> None:
    night.sandbox.faults.add("status", status=403, system=TEAMS, route=TOLD, times=None)
    for _ in range(2):
        assert sync(night, USERS).status is Status.SUCCESS
        assert (calls(night, LISTED), bookmarks(night)) == (1, [])


def test_the_whole_listing_is_read_at_least_once_a_week(night: Nights, calendar: Calendar) -> None:
    listed = []
    for _ in range(15):
        sync(night, USERS)
        listed.append(calls(night, LISTED))
        calendar.pass_days(1)
    assert listed == [1, 0, 0, 0, 0, 0, 0] * 2 + [1]


def test_a_forced_night_reads_everything_whole_and_the_week_begins_anew(night: Nights, calendar: Calendar) -> None:
    sync(night, USERS, TEAM_TYPE)
    calendar.pass_days(4)
    sync(night, USERS, TEAM_TYPE, force_refresh=True)
    assert (calls(night, LISTED), calls(night, "GET /groups")) == (1, 1)
    assert bookmarks(night) == [("TEAMS", "teams", calendar.today), ("USERS", "users", calendar.today)]


def test_a_link_is_not_used_for_another_selection_or_directory(night: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    sync(night, USERS)
    feed = directory.USERS_FEED
    monkeypatch.setattr(directory, "USERS_FEED", replace(feed, fields=f"{feed.fields},department"))
    sync(night, USERS)
    assert calls(night, LISTED) == 1
    sync(night, USERS)
    assert calls(night, LISTED) == 0
    change_bookmarks(night, "question = 'another-directory ' || split_part(question, ' ', 2)")
    sync(night, USERS)
    assert calls(night, LISTED) == 1


def test_a_dry_run_reads_the_changes_and_keeps_the_link(night: Nights) -> None:
    sync(night, USERS)
    before = of_tenant(night, "SELECT * FROM sync_cursors")
    users(night).change(plain(night, 1)[0], last_name="改姓")
    planned = sync(night, USERS, dry_run=True)
    assert (calls(night, LISTED), calls(night, TOLD)) == (0, 1)
    assert [change.action for change in planned.changes] == ["UPDATE"]
    assert of_tenant(night, "SELECT * FROM sync_cursors") == before
    assert sync(night, USERS).counts == planned.counts


def test_an_approved_hold_leaves_no_bookmark(night: Nights) -> None:
    sync(night, USERS)
    for key in plain(night, 17):
        users(night).remove(key)
    sync(night, USERS)
    ((hold_id,),) = night.rows("SELECT hold_id FROM sync_holds")
    holds.approve(night.pipeline.database, night.pipeline.locks, hold_id, now=night.pipeline.now)
    assert bookmarks(night) == []
    outcome = sync(night, USERS)
    assert (outcome.status, outcome.counts.deleted, calls(night, LISTED)) == (Status.SUCCESS, 0, 1)


def test_an_account_whose_row_does_not_say_all_is_asked_for_by_its_id(night: Nights) -> None:
    sync(night, USERS)
    key, gone = plain(night, 2)
    users(night).change(key, first_name="改名", extra={"userPrincipalName": ABSENT})
    users(night).change(gone, extra={"userPrincipalName": ABSENT})
    night.sandbox.faults.add("status", status=404, system=TEAMS, route="GET /users/{user}", nth=2)
    outcome = sync(night, USERS)
    assert (calls(night, TOLD), calls(night, "POST /$batch"), calls(night, LISTED)) == (1, 1, 0)
    assert (outcome.error_type, outcome.counts) == ("REJECTED_RECORDS", Counts(updated=1, rejected=1, unchanged=28))
    assert {key, gone} <= active(night)
    assert bookmarks(night) == []


def test_too_many_rows_that_do_not_say_all_cost_one_whole_listing(environ: Mapping[str, str]) -> None:
    with nights(environ, build(users=150, teams=0, systems=[TEAMS], oddities=False)) as night:
        sync(night, USERS)
        for key in plain(night, 101):
            users(night).change(key, first_name="改名", extra={"userPrincipalName": ABSENT})
        outcome = sync(night, USERS)
        assert (outcome.counts, calls(night, LISTED)) == (Counts(updated=101, unchanged=49), 1)
        assert calls(night, "POST /$batch") == 0


def test_more_changes_than_are_worth_it_cost_one_whole_listing(
    environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delta, "MOST_ROWS", 5)
    with nights(environ, build(users=30, teams=0, systems=[TEAMS], oddities=False, page_size=4)) as night:
        sync(night, USERS)
        for key in plain(night, 10):
            users(night).change(key, last_name="改姓")
        assert sync(night, USERS).counts == Counts(updated=10, unchanged=20)
        assert (calls(night, TOLD), calls(night, LISTED)) == (3, 8)


def test_a_link_to_a_host_that_is_not_allowed_is_not_followed(night: Nights) -> None:
    sync(night, USERS)
    change_bookmarks(night, "cursor = 'https://elsewhere.example/v1.0/users/delta?$deltatoken=x'")
    assert sync(night, USERS).status is Status.SUCCESS
    assert (calls(night, TOLD), calls(night, LISTED)) == (1, 1)


def test_bookmarks_are_their_tenants_own(night: Nights) -> None:
    sync(night, USERS)
    with night.pipeline.database.transaction(builders.add_tenant(night.pipeline.database, "tenant-b")) as cursor:
        assert cursor.execute("SELECT count(*) FROM sync_cursors").fetchone() == (0,)


def whole(night: Nights) -> dict[SyncType, Outcome]:
    """What a night that reads everything would find; it writes nothing."""
    return {sync_type: outcome for (_, _, sync_type), outcome in night.run(dry_run=True, force_refresh=True).items()}


class Lives:
    """Things happen to a directory, at random and a few at a time, so that the guard has no reason to object."""

    def __init__(self, night: Nights, seed: int) -> None:
        self.users, self.teams = users(night), teams(night)
        self.random = random.Random(seed)  # noqa: S311 - the same things happen for the same seed
        self.gone: list[tuple[Any, Any]] = []

    def pass_a_day(self) -> None:
        for happening in self.random.choices(
            [self.move, self.leave, self.come, self.come_back, self.group_comes, self.group_moves, self.channel_moves],
            k=9,
        ):
            happening()

    def move(self) -> None:
        user = self.random.choice(self.users.rows())
        changes: list[dict[str, Any]] = [
            {"last_name": "改姓"},
            {"state": "disabled"},
            {"state": "active"},
            {"email": None},
        ]
        self.users.change(user.id, **self.random.choice(changes))

    def leave(self) -> None:
        table = self.random.choice([self.users, self.teams])
        rows = table.rows() if table is self.users else table.rows("TEAM", "FLAGGED_GROUP", "PLAIN_GROUP")
        row = self.random.choice(rows)
        self.gone.append((table, table.remove(row.id, self.random.choice(["changed", "deleted"]))))

    def come(self) -> None:
        self.users.add(email=f"new{self.random.random()}@tenant-0001.example")

    def come_back(self) -> None:
        if self.gone:
            table, row = self.gone.pop(self.random.randrange(len(self.gone)))
            table.restore(row)

    def group_moves(self) -> None:
        """A group becomes a team, or loses the flag of one. That a team goes and leaves its flag behind does not happen."""
        group = self.random.choice(self.teams.rows("TEAM", "FLAGGED_GROUP", "PLAIN_GROUP"))
        changes: list[dict[str, Any]] = [{"kind": "TEAM"}, {"kind": "PLAIN_GROUP"}]
        changes += [{"name": "改名"}, {"is_archived": True}] * 3
        self.teams.change(group.id, **self.random.choice(changes))

    def group_comes(self) -> None:
        self.teams.add(kind=self.random.choice(["TEAM", "TEAM", "FLAGGED_GROUP"]))

    def channel_moves(self) -> None:
        self.teams.change(self.random.choice(self.teams.rows("CHANNEL")).id, name="改名")


@pytest.mark.parametrize("seed", range(4))
def test_after_any_nights_everything_is_stored_as_a_whole_listing_would_have_it(
    environ: Mapping[str, str], calendar: Calendar, seed: int
) -> None:
    world = build(users=60, teams=15, groups=6, apps=1, systems=[TEAMS], clock=calendar, page_size=5)
    with nights(environ, world) as night:
        night.pipeline.now = calendar.now
        night.run()
        lives = Lives(night, seed)
        told = 0
        for number in range(9):
            lives.pass_a_day()
            calendar.pass_days(1)
            if number % 4 == 2:
                route = lives.random.choice([TOLD, "GET /groups/delta", "POST /$batch"])
                night.sandbox.faults.add("status", status=503, system=TEAMS, route=route, nth=2, times=3)
                night.run()
                night.sandbox.faults.clear()
                continue
            if number % 4 == 3:
                lives.random.choice([lives.users, lives.teams]).forget()
            night.sandbox.requests.clear()
            assert {outcome.status for outcome in night.run().values()} == {Status.SUCCESS}
            told += calls(night, LISTED) == 0
            for sync_type, outcome in whole(night).items():
                assert outcome.changes == (), sync_type
                assert outcome.counts == Counts(unchanged=outcome.counts.unchanged)
                assert sync_type is not USERS or outcome.counts == quiet(night)
        assert told >= 3


def groups(night: Nights) -> tuple[int, int]:
    """How often groups were listed, and how often changes of groups were asked for."""
    return calls(night, "GET /groups"), calls(night, "GET /groups/delta")


def team_keys(night: Nights, kind: str = "TEAM") -> set[str]:
    return {
        row[0] for row in night.rows(f"SELECT external_team_id FROM external_teams WHERE is_active AND kind = '{kind}'")
    }


def test_a_quiet_night_lists_no_groups_and_counts_teams_and_apps_as_ever(night: Nights, calendar: Calendar) -> None:
    first = night.run()
    calendar.pass_days(1)
    night.sandbox.requests.clear()
    second = night.run()
    assert groups(night) == (0, 1)
    for key, outcome in second.items():
        assert outcome.counts == Counts(unchanged=first[key].counts.created)


def test_a_team_that_comes_goes_and_returns_takes_its_channels_and_apps_along(night: Nights) -> None:
    night.run()
    here = teams(night).rows("TEAM")
    leaving = next(team for team in here if not team.is_archived)
    before, channels = team_keys(night), team_keys(night, "CHANNEL")
    table = teams(night)
    removed = table.remove(leaving.id, "changed")
    came = table.add(kind="TEAM")
    renamed = next(team for team in here if team.id != leaving.id)
    table.change(renamed.id, name="改名")
    night.sandbox.requests.clear()
    assert {outcome.status for outcome in night.run().values()} == {Status.SUCCESS}
    assert groups(night) == (0, 1)
    assert team_keys(night) == before - {leaving.id} | {came.id}
    assert team_keys(night, "CHANNEL") < channels
    assert night.rows(
        f"SELECT count(*) FROM notification_settings WHERE is_active AND external_team_id = '{leaving.id}'"
    ) == [(0,)]
    assert night.rows(f"SELECT name FROM external_teams WHERE external_team_id = '{renamed.id}'") == [("改名",)]
    table.restore(removed)
    night.run()
    assert (team_keys(night), team_keys(night, "CHANNEL")) == (before | {came.id}, channels)


def test_apps_alone_ask_for_the_teams_themselves(night: Nights) -> None:
    night.run()
    alone = sync(night, NOTIFICATIONS)
    assert groups(night) == (1, 0)
    assert alone.counts == Counts(unchanged=alone.counts.unchanged)


def test_apps_ask_for_the_teams_themselves_when_those_could_not_be_read(night: Nights) -> None:
    night.run()
    night.sandbox.faults.add("status", status=503, system=TEAMS, route="GET /groups/delta", times=3)
    outcomes = night.run()
    assert outcomes[TENANT, TEAMS, TEAM_TYPE].status is Status.FAILED
    apps = outcomes[TENANT, TEAMS, NOTIFICATIONS]
    assert (apps.status, apps.counts) == (Status.SUCCESS, Counts(unchanged=apps.counts.unchanged))
    assert [row[:2] for row in bookmarks(night)] == [("TEAMS", "teams"), ("USERS", "users")]


def test_most_teams_told_gone_are_held_and_listed_next_night(environ: Mapping[str, str]) -> None:
    with nights(environ, build(users=0, teams=20, systems=[TEAMS], oddities=False)) as night:
        night.run()
        for team in teams(night).rows("TEAM")[:12]:
            teams(night).remove(team.id)
        outcome = sync(night, TEAM_TYPE)
        assert (outcome.error_type, len(team_keys(night)), groups(night)) == ("HELD", 20, (0, 1))
        sync(night, TEAM_TYPE)
        assert groups(night) == (1, 1)


def test_a_team_whose_channels_cannot_be_read_leaves_no_bookmark(night: Nights) -> None:
    night.run()
    night.sandbox.faults.add("status", status=403, system=TEAMS, route="GET /teams/{team}/channels")
    assert sync(night, TEAM_TYPE).status is Status.PARTIAL
    assert [row[0] for row in bookmarks(night)] == ["USERS"]


@pytest.mark.parametrize("reads_all", [False, True])
def test_a_team_that_is_not_found_for_a_night_is_there_the_night_after_with_all_that_is_its_own(
    night: Nights, calendar: Calendar, *, reads_all: bool
) -> None:
    night.run()
    stored = night.rows("SELECT * FROM external_teams ORDER BY kind, external_team_id")
    apps = night.rows("SELECT * FROM notification_settings ORDER BY kind, external_id")
    calendar.pass_days(1)
    for route in ("GET /teams/{team}", "GET /teams/{team}/installedApps"):
        night.sandbox.faults.add("status", status=404, system=TEAMS, route=route, times=4)
    outcomes = night.run(force_refresh=reads_all)
    found = {sync_type: (outcome.status, outcome.counts.deleted) for (*_, sync_type), outcome in outcomes.items()}
    assert found == {
        USERS: (Status.SUCCESS, 0),
        TEAM_TYPE: (Status.PARTIAL, 0),
        NOTIFICATIONS: (Status.PARTIAL, 0),
    }
    assert "Its group is still flagged as a team" in str(night.rows("SELECT * FROM sync_errors"))
    assert night.rows("SELECT * FROM external_teams ORDER BY kind, external_team_id") == stored
    assert night.rows("SELECT * FROM notification_settings ORDER BY kind, external_id") == apps
    calendar.pass_days(1)
    assert {outcome.status for outcome in night.run().values()} == {Status.SUCCESS}
    assert night.rows("SELECT * FROM external_teams ORDER BY kind, external_team_id") == stored


def test_apps_read_alone_of_a_team_that_is_not_found_for_a_night_stay_as_they_are(night: Nights) -> None:
    night.run()
    apps = night.rows("SELECT * FROM notification_settings ORDER BY kind, external_id")
    night.sandbox.faults.add("status", status=404, system=TEAMS, route="GET /teams/{team}/installedApps", times=4)
    outcome = sync(night, NOTIFICATIONS)
    assert (outcome.status, outcome.counts.deleted) == (Status.PARTIAL, 0)
    assert "Its group is still flagged as a team" in str(outcome.remedy)
    assert night.rows("SELECT * FROM notification_settings ORDER BY kind, external_id") == apps
    assert sync(night, NOTIFICATIONS).status is Status.SUCCESS
