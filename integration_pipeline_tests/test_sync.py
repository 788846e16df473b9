"""What a walk proves, and what the line makes of it, in whole nights against the sandbox."""

from collections.abc import Mapping
from typing import Any

import pytest

from integration_pipeline import reading
from integration_pipeline.diff import Diff
from integration_pipeline.errors import ProviderFault
from integration_pipeline.model import Outcome, Page, Rejection, Status, SyncType
from integration_pipeline.sandbox.world import build
from integration_pipeline.verdict import Plan, Walk, problems, verdict
from integration_pipeline_tests import builders
from integration_pipeline_tests.builders import LINE_WORKS, SLACK, TEAMS
from integration_pipeline_tests.nights import Nights, nights

TENANT = "tenant-0001"
BROKEN = ProviderFault("down")


def of_type(night: Nights, **request: Any) -> dict[SyncType, Outcome]:
    return {sync_type: outcome for (_, _, sync_type), outcome in night.run(**request).items()}


def active(night: Nights, table: str) -> list[tuple[Any, ...]]:
    return night.rows(f"SELECT kind, count(*) FROM {table} WHERE is_active GROUP BY kind ORDER BY kind")


def test_a_listing_read_to_its_end_proves_what_it_did_not_hold_unless_it_is_in_doubt() -> None:
    walk = Walk(complete={"users"})
    assert walk.may_prove_absent("users", {})
    assert not walk.may_prove_absent("users", {"users": "a record without a readable id"})


def test_a_listing_that_lost_its_parent_is_gone_if_the_parents_are_proven() -> None:
    walk = Walk(main={"teams"}, complete={"teams"}, unread={"channels:b": BROKEN}, silent={"channels:c"})
    assert walk.may_prove_absent("channels:a", {"channels:d": "an id came twice on different pages"})
    assert not walk.may_prove_absent("channels:a", {"teams": "a record without a readable id"})
    assert not walk.may_prove_absent("channels:b", {})
    assert not walk.may_prove_absent("channels:c", {})


def test_where_no_listing_is_the_main_one_every_listing_must_be_proven_before_one_that_is_not_there_is_gone() -> None:
    assert Walk(complete={"users:1", "users:2"}).may_prove_absent("users", {})
    assert not Walk(complete={"users:1"}, unread={"users:2": BROKEN}).may_prove_absent("users", {})
    assert not Walk(complete={"users:1"}, silent={"users:2"}).may_prove_absent("users", {})
    assert not Walk(complete={"users:1"}).may_prove_absent("users", {"users:1": "a record without a readable id"})


def test_naming_the_domains_deactivates_nobody_on_a_night_when_one_cannot_be_read(environ: Mapping[str, str]) -> None:
    with nights(environ, build(users=8, domains=2, systems=[LINE_WORKS], oddities=False)) as night:
        with builders.everything(night.pipeline.database) as cursor:
            cursor.execute("UPDATE external_system_connections SET options = options - 'domain_ids'")
        night.run(sync_types=(SyncType.USERS,))
        before = active(night, "external_users")
        assert before
        night.import_world()
        night.sandbox.faults.add("status", status=503, system=LINE_WORKS, route="GET /users", times=3)
        outcome = of_type(night, sync_types=(SyncType.USERS,))[SyncType.USERS]
        assert (outcome.status, outcome.error_type, outcome.counts.deleted) == (Status.PARTIAL, "INCOMPLETE", 0)
        kept = night.rows("SELECT count(*) FROM external_users WHERE is_active AND listing = 'users'")
        assert [("USER", *row) for row in kept] == before


def test_a_tenant_whose_teams_read_empty_keeps_its_apps(environ: Mapping[str, str]) -> None:
    with nights(environ, build(users=3, teams=3, apps=1, systems=[TEAMS], oddities=False)) as night:
        night.run()
        before = active(night, "notification_settings")
        assert dict(before)["INSTALLED_APP"] <= 10
        night.sandbox.faults.add("empty", system=TEAMS, route="GET /groups", times=None)
        outcomes = of_type(night, force_refresh=True)  # else changes alone are asked for
        assert {outcomes[one].error_type for one in (SyncType.TEAMS, SyncType.NOTIFICATIONS)} == {"HELD"}
        alone = of_type(night, sync_types=(SyncType.NOTIFICATIONS,))[SyncType.NOTIFICATIONS]
        assert (alone.status, alone.error_type, alone.counts.deleted) == (Status.PARTIAL, "HELD", 0)
        assert active(night, "notification_settings") == before


def test_a_team_that_is_gone_takes_its_apps_along_although_anothers_cannot_be_read(environ: Mapping[str, str]) -> None:
    with nights(environ, build(users=3, teams=4, apps=1, systems=[TEAMS], oddities=False)) as night:
        night.run()
        teams = night.world.workspace(TENANT, TEAMS).teams
        teams.remove(teams.rows("TEAM")[0].id)
        route = "GET /teams/{team}/installedApps"
        night.sandbox.faults.add("wrong_types", system=TEAMS, route=route, fields={"id": None})
        outcome = of_type(night)[SyncType.NOTIFICATIONS]
        assert (outcome.status, outcome.counts.deleted) == (Status.PARTIAL, 1)


def test_notifications_of_which_nothing_can_be_read_have_failed(environ: Mapping[str, str]) -> None:
    with nights(environ, build(users=3, teams=2, apps=1, systems=[TEAMS], oddities=False)) as night:
        for route in ("POST /$batch", "GET /subscriptions"):
            night.sandbox.faults.add("status", status=403, system=TEAMS, route=route, times=None)
        outcome = of_type(night, sync_types=(SyncType.NOTIFICATIONS,))[SyncType.NOTIFICATIONS]
        assert (outcome.status, outcome.error_type) == (Status.FAILED, "AUTH_ERROR")


def test_of_many_listings_in_doubt_the_message_names_a_few(environ: Mapping[str, str]) -> None:
    with nights(environ, build(users=3, teams=12, apps=1, systems=[TEAMS], oddities=False)) as night:
        night.run()
        route = "GET /teams/{team}/channels"
        night.sandbox.faults.add("wrong_types", system=TEAMS, route=route, fields={"id": None}, times=None)
        message = of_type(night, sync_types=(SyncType.TEAMS,))[SyncType.TEAMS].error_message
        assert message is not None
        assert message.count("channels:") == 3
        assert "; and 9 more" in message


def test_what_a_walk_in_doubt_remembered_is_asked_anew(environ: Mapping[str, str]) -> None:
    with nights(environ, build(users=30, channels=3, apps=2, systems=[SLACK], oddities=False)) as night:
        with builders.everything(night.pipeline.database) as cursor:
            cursor.execute("UPDATE external_system_connections SET options = '{\"page_size\": 20}'")
        night.run()
        before = active(night, "notification_settings")
        night.sandbox.faults.add("duplicate_page", system=SLACK, route="users.list", nth=2)
        outcomes = of_type(night)
        assert outcomes[SyncType.USERS].error_type == "INCOMPLETE"
        assert outcomes[SyncType.NOTIFICATIONS].status is Status.SUCCESS
        assert active(night, "notification_settings") == before


def test_bots_are_not_gone_because_the_pages_of_users_shifted(environ: Mapping[str, str]) -> None:
    with nights(environ, build(users=30, channels=3, apps=2, systems=[SLACK], oddities=False)) as night:
        with builders.everything(night.pipeline.database) as cursor:
            cursor.execute("UPDATE external_system_connections SET options = '{\"page_size\": 20}'")
        night.run()
        before = active(night, "notification_settings")
        night.sandbox.faults.add("duplicate_page", system=SLACK, route="users.list", nth=2, times=None)
        outcome = of_type(night, sync_types=(SyncType.NOTIFICATIONS,))[SyncType.NOTIFICATIONS]
        assert (outcome.status, outcome.error_type, outcome.counts.deleted) == (Status.PARTIAL, "INCOMPLETE", 0)
        assert active(night, "notification_settings") == before


def test_a_rejected_account_whose_mapping_changes_is_counted_once(environ: Mapping[str, str]) -> None:
    with nights(environ, build(users=1, channels=1, systems=[SLACK], oddities=False)) as night:
        night.run(sync_types=(SyncType.USERS,))
        with builders.everything(night.pipeline.database) as cursor:
            cursor.execute("UPDATE internal_users SET email = 'somebody.else@example.com'")
        night.sandbox.faults.add("wrong_types", system=SLACK, route="users.list", fields={"name": [1]}, row=0)
        counts = of_type(night, sync_types=(SyncType.USERS,))[SyncType.USERS].counts
        assert counts.unchanged >= 0
        assert counts.processed == counts.updated + counts.unchanged + counts.rejected == 1


def test_what_could_not_be_read_is_kept_as_far_as_a_person_can_look_into_it() -> None:
    diff, unread = Diff({}, by_kind=False), {f"channels:{number}": BROKEN for number in range(1005)}
    bad = [Rejection(f"u{number}", "USER", "name: is no string") for number in range(103)]
    assert list(diff.feed("users", Page([], bad))) == []
    kept = problems(Plan(1, diff, Walk(unread=dict(unread)), []))
    assert len(kept) == 1000 + 1 + 100 + 1
    assert kept[1000].message == "5 more listings could not be read"
    assert kept[-1].message == "3 more records could not be read and are not named here (users: 3)"
    _, counts, kind, message, _ = verdict(Plan(1, diff, Walk(complete={"users"}), []))
    assert (counts.rejected, kind, message) == (103, "REJECTED_RECORDS", "103 records could not be read")


def test_a_listing_without_end_is_given_up(environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST_LISTING", 11)
    with nights(environ, build(users=12, channels=1, systems=[SLACK], oddities=False)) as night:
        outcome = of_type(night, sync_types=(SyncType.USERS,))[SyncType.USERS]
        assert (outcome.status, outcome.error_type) == (Status.FAILED, "INVALID_RESPONSE")
        assert outcome.error_message == "the listing does not end: it has more than 11 rows"
        assert active(night, "external_users") == []


def test_an_error_is_kept_with_its_code_its_remedy_and_frames_without_values(environ: Mapping[str, str]) -> None:
    with nights(environ, build(users=3, channels=1, teams=1, systems=[TEAMS, SLACK], oddities=False)) as night:
        night.world.workspace(TENANT, TEAMS).access.problem = "7000222"
        night.sandbox.faults.add("error", code="missing_scope", system=SLACK, route="usergroups.list", times=None)
        night.run()
        columns = "error_type, provider_code, error_message, remedy, stack_trace"
        found = night.rows(f"SELECT system_type, sync_type, {columns} FROM sync_errors ORDER BY system_type, sync_type")
        directory_id = night.rows("SELECT options ->> 'directory_id' FROM external_system_connections")
    slack, *teams = found
    assert slack[:4] == (SLACK, "TEAMS", "AUTH_ERROR", "missing_scope")
    assert "OAuth & Permissions at api.slack.com/apps" in slack[5]
    assert [row[1] for row in teams] == ["NOTIFICATIONS", "TEAMS", "USERS"]
    for _, _, kind, code, message, remedy, trace in teams:
        assert (kind, code) == ("AUTH_ERROR", "AADSTS7000222")
        assert "Create a new client secret in Microsoft Entra" in remedy
        assert all(line.startswith("  ") for line in trace.splitlines())
        assert not any(str(each) in trace + message for (each,) in directory_id if each)
