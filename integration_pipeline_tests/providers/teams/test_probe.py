"""``connections test``: the organisation's name, and the permissions that are missing."""

from typing import Any

import pytest

from integration_pipeline.errors import ProviderFault
from integration_pipeline.providers.teams import PROVIDER
from integration_pipeline_tests.providers.teams.graph import Graph, ok, refused, rows, session

FORBIDDEN = refused(403, "Authorization_RequestDenied")
ORGANIZATION = {
    "id": "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
    "displayName": "株式会社コントソ",
    "verifiedDomains": [{"name": "contoso.onmicrosoft.com"}, {"name": "contoso.co.jp", "isDefault": True}],
}


def graph(**changes: Any) -> Graph:
    return Graph(
        {
            "organization": rows(ORGANIZATION),
            "users": rows({"id": "taro"}),
            "groups": rows({"id": "bare"}, {"id": "a"}),
            "teams/a": ok({"id": "a", "displayName": "営業部", "isArchived": False}),
            "teams/a/channels": rows({"id": "19:a"}),
            "teams/a/installedApps": rows(),
            **{name.replace("__", "/"): answer for name, answer in changes.items()},
        }
    )


def test_all_is_well() -> None:
    current = session(graph())
    probe = PROVIDER.probe(current)
    assert probe.workspace == "株式会社コントソ"
    assert list(probe.missing) == []
    assert current.workspace == {
        "id": ORGANIZATION["id"],
        "name": "株式会社コントソ",
        "domains": ["contoso.co.jp", "contoso.onmicrosoft.com"],
    }


def test_the_organisations_name_is_nice_to_have() -> None:
    probe = PROVIDER.probe(session(graph(organization=FORBIDDEN)))
    assert probe.workspace == "contoso.example"
    assert list(probe.missing) == []


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"users": FORBIDDEN}, ["User.Read.All: users"]),
        ({"groups": FORBIDDEN, "users": FORBIDDEN}, ["User.Read.All: users", "GroupMember.Read.All: groups"]),
        ({"teams__a": FORBIDDEN}, ["TeamSettings.Read.All: teams"]),
        ({"teams__a": ok({"id": "a", "displayName": "営業部"})}, ["TeamSettings.Read.All: teams"]),
        ({"teams__a__channels": FORBIDDEN}, ["Channel.ReadBasic.All: channels"]),
        ({"teams__a__installedApps": FORBIDDEN}, ["TeamsAppInstallation.ReadForTeam.All: apps"]),
    ],
)
def test_what_graph_refuses_is_named_by_its_permission(changes: dict[str, Any], missing: list[str]) -> None:
    assert list(PROVIDER.probe(session(graph(**changes))).missing) == missing


def test_what_is_missing_comes_with_where_to_grant_it_and_who_has_to_agree() -> None:
    assert PROVIDER.probe(session(graph())).remedies == []
    (remedy,) = PROVIDER.probe(session(graph(groups=FORBIDDEN, users=FORBIDDEN))).remedies
    assert "permissions User.Read.All, GroupMember.Read.All under API permissions in Microsoft Entra" in remedy
    assert "https://login.microsoftonline.com/contoso.example/adminconsent?client_id=" in remedy


def test_a_tenant_without_teams_cannot_be_tried_further_and_says_so() -> None:
    current = session(graph(groups=rows()))
    found = PROVIDER.probe(current)
    assert list(found.missing) == []
    (note,) = found.notes
    assert "could not be tried" in note


def test_a_broken_graph_is_no_missing_permission() -> None:
    with pytest.raises(ProviderFault):
        PROVIDER.probe(session(graph(users=refused(503))))
