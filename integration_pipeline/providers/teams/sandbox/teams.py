"""Teams, their channels and apps in an imitated Graph (learn.microsoft.com/graph, "Use the Microsoft Graph API to work with Teams")."""

import re
from typing import Any

from integration_pipeline.providers.teams.sandbox.data import channel_row, installed_row, team_row
from integration_pipeline.providers.teams.sandbox.odata import collection, error, keep, selected
from integration_pipeline.sandbox.tables import Team
from integration_pipeline.sandbox.vendor import Call, Reply, json_reply


def teams(call: Call) -> Reply:
    """Id, name and description are all that this list has."""
    names = ("id", "displayName", "description")
    rows = call.at.teams.rows("TEAM")
    return collection(call, rows, lambda row: keep(team_row(row, tenant=call.at.tenant), names))


def _team(call: Call) -> Team | Reply:
    found = call.at.teams.get(call.params["team"])
    if found is None or found.kind != "TEAM":
        return error(404, "NotFound", f"No team found with Group Id {call.params['team']}")
    return found


def team(call: Call) -> Reply:
    found = _team(call)
    if isinstance(found, Reply):
        return found
    row = team_row(found, tenant=call.at.tenant)
    names = selected(call, row, row)
    return names if isinstance(names, Reply) else json_reply(keep(row, names))


def _children(call: Call) -> dict[str | None, list[Team]]:
    def make() -> dict[str | None, list[Team]]:
        found: dict[str | None, list[Team]] = {}
        for row in call.at.teams.rows("CHANNEL"):
            found.setdefault(row.parent_id, []).append(row)
        return found

    children: dict[str | None, list[Team]] = call.at.teams.derived("channels by team", make)
    return children


def channels(call: Call) -> Reply:
    """All channels that a team hosts, in one piece. Of an archived team, the private ones are left out."""
    found = _team(call)
    if isinstance(found, Reply):
        return found
    rows = _children(call).get(found.id, [])
    if found.is_archived:
        rows = [row for row in rows if row.visibility == "standard"]
    return _channels(call, rows)


def _shared_in(call: Call, host: Team) -> list[Team]:
    before = [row for row in call.at.teams.rows("TEAM") if row.number == host.number - 1]
    return [row for team in before for row in _children(call).get(team.id, []) if row.visibility == "shared"]


def all_channels(call: Call) -> Reply:
    found = _team(call)
    if isinstance(found, Reply):
        return found
    return _channels(call, [*_children(call).get(found.id, []), *_shared_in(call, found)])


def incoming_channels(call: Call) -> Reply:
    found = _team(call)
    return found if isinstance(found, Reply) else _channels(call, _shared_in(call, found))


def _channels(call: Call, rows: list[Team]) -> Reply:
    knows_shared = "include-unknown-enum-members" in call.headers.get("prefer", "")
    written = [channel_row(row, tenant=call.at.tenant, knows_shared=knows_shared) for row in rows]
    names = selected(
        call, written[0] if written else [*(call.asks("$select") or "").split(",")], written[0] if written else ()
    )
    if isinstance(names, Reply):
        return names
    host = f"{call.mount_url}/teams/{{}}/channels/{{}}"
    value = [
        keep(row, names)
        | ({"@odata.id": host.format(source.parent_id, source.id)} if source.parent_id != call.params["team"] else {})
        for row, source in zip(written, rows, strict=True)
    ]
    context = f"{call.mount_url}/$metadata#teams('{call.params['team']}')/channels"
    return json_reply({"@odata.context": context, "@odata.count": len(value), "value": value})


def installed_apps(call: Call) -> Reply:
    found = _team(call)
    if isinstance(found, Reply):
        return found
    # Options of an expansion, $expand=teamsApp($select=id), are accepted and change nothing.
    expand = frozenset(re.sub(r"\([^)]*\)", "", call.asks("$expand") or "").replace(" ", "").split(","))

    def by_team() -> dict[str | None, list[Any]]:
        apps: dict[str | None, list[Any]] = {}
        for app in call.at.apps.rows("INSTALLED_APP"):
            apps.setdefault(app.team_id, []).append(app)
        return apps

    rows = call.at.apps.derived("apps by team", by_team).get(found.id, [])
    value = [installed_row(app, expand) for app in rows]
    context = f"{call.mount_url}/$metadata#teams('{found.id}')/installedApps"
    return json_reply({"@odata.context": context, "@odata.count": len(value), "value": value})
