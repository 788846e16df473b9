"""What is asked of Graph, how often, and which listing ends up complete, unreadable or silent."""

from typing import Any

import pytest

from integration_pipeline.errors import Forbidden, InvalidResponse, NotFound, ProviderFault
from integration_pipeline.model import Page, SyncType
from integration_pipeline.provider import Session
from integration_pipeline.providers.teams.pages import HEADERS
from integration_pipeline_tests.providers.teams.graph import (
    ATTEMPTS,
    FakeApi,
    Graph,
    Known,
    listings,
    ok,
    refused,
    rows,
    session,
    stored_apps,
    stored_teams,
    walk,
)

LINK = "https://graph.microsoft.com/v1.0/{}?$skiptoken=RFNwdAIAAQ"
FORBIDDEN = refused(403, "Forbidden")
GONE = refused(404, "NotFound")
BROKEN = refused(503, "ServiceUnavailable")


def person(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": name,
        "displayName": f"{name} さん",
        "mail": f"{name}@contoso.co.jp",
        "accountEnabled": True,
        **changes,
    }


def group(name: str) -> dict[str, Any]:
    return {"id": name}


def team(name: str, **changes: Any) -> dict[str, Any]:
    return {"id": name, "displayName": f"{name} チーム", "visibility": "private", "isArchived": False, **changes}


def channel(name: str, **changes: Any) -> dict[str, Any]:
    return {"id": f"19:{name}@thread.tacv2", "displayName": "一般", "membershipType": "standard", **changes}


def app(name: str) -> dict[str, Any]:
    return {"id": f"installation-{name}", "teamsApp": {"id": name}, "teamsAppDefinition": {"displayName": "勤怠ボット"}}


def keys(pages: list[Page]) -> list[str]:
    return [record.key for page in pages for record in page.records]


def of_teams(*names: str, **answers: Any) -> Graph:
    """A tenant of teams with a channel and an app each; ``answers`` replace paths of one team (a__channels)."""
    found = {"groups": rows(*map(group, names)), "subscriptions": rows()}
    for name in names:
        found |= {
            f"teams/{name}": ok(team(name)),
            f"teams/{name}/channels": rows(channel(name)),
            f"teams/{name}/installedApps": rows(app(name)),
        }
    return Graph(found | {f"teams/{name.replace('__', '/')}": answer for name, answer in answers.items()})


def api_of(current: Session) -> FakeApi:
    assert isinstance(current.api, FakeApi)
    return current.api


def test_users_are_walked_to_the_last_link_with_the_headers_sent_again() -> None:
    graph = Graph({"users": [rows(person("taro"), next_link=LINK.format("users")), rows(), rows(person("hanako"))]})
    graph._answers["users"][1][2]["@odata.nextLink"] = LINK.format("users") + "2"
    read, unread = walk(session(graph), SyncType.USERS)
    assert unread == {}
    assert keys(read["users"]) == ["taro", "hanako"]
    latest, first, second, third = graph.asked
    assert (latest[0], latest[1]["$deltatoken"]) == ("users/delta", "latest")
    assert first[1]["$top"] == "999"
    assert first[1]["$select"].startswith("id,displayName,mail,userPrincipalName")
    assert [query for _, query, _ in (second, third)] == [{"$skiptoken": "RFNwdAIAAQ"}, {"$skiptoken": "RFNwdAIAAQ2"}]
    assert [headers for _, _, headers in graph.asked] == [HEADERS] * 4


@pytest.mark.parametrize(("wanted", "sent"), [(50, "50"), (5000, "999"), (None, "999")])
def test_a_page_is_as_large_as_the_connection_wants_and_graph_serves(wanted: int | None, sent: str) -> None:
    graph = Graph({"users": rows()})
    walk(session(graph, page_size=wanted), SyncType.USERS)
    assert graph.asked[1][1]["$top"] == sent


def test_a_refused_listing_of_users_names_the_permission() -> None:
    with pytest.raises(Forbidden) as caught:
        walk(session(Graph({"users": FORBIDDEN})), SyncType.USERS)
    assert caught.value.remedy
    assert "User.Read.All" in caught.value.remedy
    assert "https://login.microsoftonline.com/contoso.example/adminconsent?client_id=CLIENT_ID" in caught.value.remedy


def test_teams_and_their_channels_are_read_in_batches_of_twenty() -> None:
    names = [f"team-{number}" for number in range(45)]
    graph = of_teams(*names)
    current = session(graph)
    read, unread = walk(current, SyncType.TEAMS)
    assert unread == {}
    assert keys(read["teams"]) == names
    assert [keys(read[f"channels:{name}"]) for name in names] == [[f"19:{name}@thread.tacv2"] for name in names]
    assert [len(batch) for batch in graph.batches] == [20, 20, 5] * 2
    assert api_of(current).calls == 1 + 1 + 2 * 3
    assert current.warnings == []


def test_batches_are_filled_across_pages_of_groups() -> None:
    graph = of_teams("a", "b", "c")
    graph._answers["groups"] = [rows(group("a"), next_link=LINK.format("groups")), rows(group("b"), group("c"))]
    walk(session(graph), SyncType.TEAMS)
    assert graph.batches == [["teams/a", "teams/b", "teams/c"], [f"teams/{name}/channels" for name in "abc"]]


def test_shared_channels_are_asked_for_by_their_name() -> None:
    graph = of_teams("a", a__channels=rows(channel("x", membershipType="shared")))
    read, _ = walk(session(graph), SyncType.TEAMS)
    asked = [headers for path, _, headers in graph.asked if path == "teams/a/channels"]
    assert asked == [{"Prefer": "include-unknown-enum-members"}]
    assert read["channels:a"][0].records[0].visibility == "shared"


def test_a_flagged_group_without_a_team_is_no_team_and_no_failure() -> None:
    graph = of_teams("a", "bare", bare=GONE)
    current = session(graph)
    read, unread = walk(current, SyncType.TEAMS)
    assert unread == {}
    assert set(read) == {"teams", "channels:a"}
    assert keys(read["teams"]) == ["a"]
    assert [page.rejected for page in read["teams"] if page.rejected] == []
    assert current.memo["teams"] == ["a"]


def test_a_stored_team_that_graph_does_not_find_while_its_group_is_flagged_is_not_taken_for_gone() -> None:
    graph = of_teams("a", "stored", "bare", stored=GONE, bare=GONE, stored__installedApps=GONE)
    current = session(graph)
    current.known = stored_teams("a", "stored")
    read, unread = walk(current, SyncType.TEAMS)
    assert {name: type(error) for name, error in unread.items()} == {"channels:stored": NotFound}
    (rejected,) = [one for page in read["teams"] for one in page.rejected]
    assert (rejected.key, rejected.kind) == ("stored", "TEAM")
    assert "Its group is still flagged as a team" in rejected.message
    graph._answers["subscriptions"] = [rows()]
    _, unread = walk(current, SyncType.NOTIFICATIONS)
    assert {name: type(error) for name, error in unread.items()} == {"apps:stored": NotFound}


def test_an_archived_team_proves_no_channel_absent() -> None:
    graph = of_teams("a", "old", old=ok(team("old", isArchived=True)))
    current = session(graph)
    found = listings(current, SyncType.TEAMS)
    assert found["teams"].is_main
    assert found["channels:a"].proves_absence
    assert not found["channels:old"].proves_absence
    assert current.warnings == []


def test_a_team_that_may_be_archived_proves_no_channel_absent_and_is_said_once() -> None:
    unknown = {"id": "a", "displayName": "基本だけ"}
    graph = of_teams("a", "b", a=ok(unknown), b=ok({**unknown, "id": "b", "isArchived": None}))
    current = session(graph)
    found = listings(current, SyncType.TEAMS)
    assert not found["channels:a"].proves_absence
    assert not found["channels:b"].proves_absence
    (warning,) = current.warnings
    assert "TeamSettings.Read.All" in warning


def test_a_team_that_cannot_be_read_is_rejected_and_its_channels_are_unread() -> None:
    graph = of_teams("a", "b", "c", b=FORBIDDEN, c=BROKEN)
    current = session(graph)
    read, unread = walk(current, SyncType.TEAMS)
    rejected = [one for page in read["teams"] for one in page.rejected]
    assert [(one.key, one.kind) for one in rejected] == [("b", "TEAM"), ("c", "TEAM")]
    assert "TeamSettings.Read.All" in rejected[0].message
    assert keys(read["teams"]) == ["a"]
    assert {name: type(error) for name, error in unread.items()} == {
        "channels:b": Forbidden,
        "channels:c": ProviderFault,
    }
    assert graph.count("teams/b/channels") == 0
    assert current.memo["teams"] == ["a", "b", "c"]


def test_a_tenant_in_which_no_team_can_be_read_is_unread_and_not_empty() -> None:
    graph = of_teams("a", "b", a=FORBIDDEN, b=FORBIDDEN)
    with pytest.raises(Forbidden) as caught:
        walk(session(graph), SyncType.TEAMS)
    assert caught.value.remedy
    assert "TeamSettings.Read.All" in caught.value.remedy


def test_a_malformed_team_is_rejected_under_the_id_it_was_asked_by() -> None:
    graph = of_teams("a", "b", b=ok({"displayName": "無名"}))
    current = session(graph)
    read, unread = walk(current, SyncType.TEAMS)
    assert unread == {}
    assert [one.key for page in read["teams"] for one in page.rejected] == ["b"]
    assert keys(read["channels:b"]) == ["19:b@thread.tacv2"]


def test_a_team_whose_channels_cannot_be_read_leaves_the_others_alone() -> None:
    graph = of_teams("a", "b", "c", b__channels=FORBIDDEN, c__channels=ok({"error": "no list"}))
    read, unread = walk(session(graph), SyncType.TEAMS)
    assert keys(read["channels:a"]) == ["19:a@thread.tacv2"]
    assert {name: type(error) for name, error in unread.items()} == {
        "channels:b": Forbidden,
        "channels:c": InvalidResponse,
    }
    assert unread["channels:b"].remedy
    assert "Channel.ReadBasic.All" in unread["channels:b"].remedy


def test_a_batch_of_channels_that_fails_fails_its_own_teams_only() -> None:
    names = [f"team-{number}" for number in range(25)]
    graph = of_teams(*names)
    graph.batch_answers = [None, None, *[BROKEN] * ATTEMPTS]
    read, unread = walk(session(graph), SyncType.TEAMS)
    assert set(unread) == {f"channels:{name}" for name in names[:20]}
    assert set(read) == {"teams", *(f"channels:{name}" for name in names[20:])}


def test_a_link_inside_a_batch_is_followed() -> None:
    graph = of_teams("a")
    graph._answers["teams/a/channels"] = [
        rows(channel("one"), next_link=LINK.format("teams/a/channels")),
        rows(channel("two")),
    ]
    read, _ = walk(session(graph), SyncType.TEAMS)
    assert keys(read["channels:a"]) == ["19:one@thread.tacv2", "19:two@thread.tacv2"]
    assert graph.asked[-1][2] == {**HEADERS, "Prefer": "include-unknown-enum-members"}


def test_a_group_without_an_id_may_be_any_team() -> None:
    graph = of_teams("a")
    graph._answers["groups"] = [rows(group("a"), {"displayName": "無名"}, {"id": 7})]
    current = session(graph)
    read, _ = walk(current, SyncType.TEAMS)
    assert [one.key for page in read["teams"] for one in page.rejected] == [None, None]
    assert "teams" not in current.memo


def test_a_team_that_comes_twice_on_different_pages_is_told_twice() -> None:
    graph = of_teams("a", "b")
    graph._answers["groups"] = [rows(group("a"), next_link=LINK.format("groups")), rows(group("a"), group("b"))]
    current = session(graph)
    read, _ = walk(current, SyncType.TEAMS)
    assert keys(read["teams"]) == ["a", "b", "a"]
    assert "teams" not in current.memo


def test_a_tenant_without_teams_has_an_empty_listing() -> None:
    current = session(of_teams())
    read, unread = walk(current, SyncType.TEAMS)
    assert keys(read["teams"]) == []
    assert unread == {}
    assert [path for path, _, _ in api_of(current).graph.asked] == ["groups/delta", "groups"]
    assert current.memo["teams"] == []


def test_apps_are_asked_of_the_teams_read_before() -> None:
    graph = of_teams("a", "bare", bare=GONE)
    graph._answers["subscriptions"] = [
        rows({"id": "s1", "resource": "users"}, next_link=LINK.format("subscriptions")),
        rows({"id": "s2"}),
    ]
    current = session(graph)
    walk(current, SyncType.TEAMS)
    calls_before = api_of(current).calls
    read, unread = walk(current, SyncType.NOTIFICATIONS)
    assert unread == {}
    assert {name: keys(pages) for name, pages in read.items()} == {
        "teams": [],
        "apps:a": ["installation-a"],
        "subscriptions": ["s1", "s2"],
    }
    assert graph.count("groups") == 1
    assert graph.count("teams/bare/installedApps") == 0
    assert api_of(current).calls - calls_before == 1 + 2


def test_without_teams_read_before_the_groups_are_listed_and_bare_ones_have_no_listing() -> None:
    graph = of_teams("a", "bare", bare__installedApps=GONE)
    current = session(graph)
    read, unread = walk(current, SyncType.NOTIFICATIONS)
    assert unread == {}
    assert set(read) == {"teams", "apps:a", "subscriptions"}
    assert read["teams"][0].records == []
    assert graph.asked[0][1]["$filter"] == "resourceProvisioningOptions/Any(x:x eq 'Team')"
    expanded = [query for path, query, _ in graph.asked if path == "teams/a/installedApps"]
    assert expanded == [{"$expand": "teamsApp,teamsAppDefinition"}]


@pytest.mark.parametrize("are_teams_read_before", [True, False])
@pytest.mark.parametrize("stored", [stored_teams("b"), stored_apps(x="b")], ids=["team", "app"])
def test_a_team_of_which_something_is_stored_is_not_taken_for_gone_when_graph_does_not_find_its_apps(
    stored: Known, *, are_teams_read_before: bool
) -> None:
    graph = of_teams("a", "b", "bare", bare=GONE, bare__installedApps=GONE, b__installedApps=GONE)
    current = session(graph)
    current.known = stored
    if are_teams_read_before:
        walk(current, SyncType.TEAMS)
    read, unread = walk(current, SyncType.NOTIFICATIONS)
    assert set(read) == {"teams", "apps:a", "subscriptions"}
    assert {name: type(error) for name, error in unread.items()} == {"apps:b": NotFound}
    assert "Its group is still flagged as a team" in str(unread["apps:b"].remedy)


def test_unreadable_groups_fail_the_notifications_for_nobodys_apps_are_known() -> None:
    with pytest.raises(Forbidden):
        walk(session(Graph({"groups": FORBIDDEN, "subscriptions": rows()})), SyncType.NOTIFICATIONS)


def test_overlapping_pages_of_groups_fail_the_notifications() -> None:
    graph = of_teams("a")
    graph._answers["groups"] = [rows(group("a"), next_link=LINK.format("groups")), rows(group("a"))]
    with pytest.raises(InvalidResponse):
        walk(session(graph), SyncType.NOTIFICATIONS)


def test_refused_subscriptions_and_apps_are_unread() -> None:
    graph = of_teams("a", "b", b__installedApps=FORBIDDEN)
    graph._answers["subscriptions"] = [FORBIDDEN]
    _, unread = walk(session(graph), SyncType.NOTIFICATIONS)
    assert set(unread) == {"apps:b", "subscriptions"}
    assert unread["apps:b"].remedy
    assert "TeamsAppInstallation.ReadForTeam.All" in unread["apps:b"].remedy


def test_a_team_id_cannot_lead_to_another_path() -> None:
    graph = of_teams("a")
    graph._answers["groups"] = [rows(group("a"), group("../users?x="))]
    walk(session(graph), SyncType.TEAMS)
    assert graph.batches[0] == ["teams/a", "teams/..%2Fusers%3Fx%3D"]
