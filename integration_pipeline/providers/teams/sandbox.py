"""Microsoft Graph v1.0 and its login, imitated from their documentation (learn.microsoft.com/graph).

Independent of this folder's client, so that each can prove the other wrong.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from integration_pipeline.providers.teams import sandbox_auth
from integration_pipeline.providers.teams.sandbox_data import (
    USER_DEFAULTS,
    channel_row,
    directory_id,
    group_row,
    installed_row,
    populate,
    subscription_row,
    team_row,
    user_row,
)
from integration_pipeline.sandbox.plan import TenantPlan
from integration_pipeline.sandbox.tables import Account, Team
from integration_pipeline.sandbox.vendor import (
    Call,
    Limit,
    Mount,
    Over,
    Reply,
    Route,
    Vendor,
    Workspace,
    cut,
    json_reply,
)

_IS_TEAM = re.compile(r"\s*resourceProvisioningOptions/any\(\s*(\w+)\s*:\s*\1\s+eq\s+'Team'\s*\)\s*", re.IGNORECASE)
_NOT_FOR_COLLECTIONS = frozenset(
    {"aboutMe", "birthday", "hireDate", "interests", "mailboxSettings", "mySite", "skills"}
)
_MOST_PARTS = 20


def error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Reply:
    stamp = "2026-11-21T00:00:00"
    inner = {"date": stamp, "request-id": sandbox_auth.TRACE, "client-request-id": sandbox_auth.TRACE}
    return json_reply({"error": {"code": code, "message": message, "innerError": inner}}, status, headers)


def _bad_request(message: str) -> Reply:
    return error(400, "BadRequest", message)


# Paging


def _token(position: str) -> str:
    return base64.urlsafe_b64encode(b"RFNwdAIAAQ" + position.encode()).decode().rstrip("=")


def _position(token: str | None) -> str:
    if token is None:
        return "0"
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return text.removeprefix("RFNwdAIAAQ")


def _link(call: Call, position: str, name: str = "$skiptoken") -> str:
    """The next page's absolute address: the arguments of this one, and where to go on."""
    kept = "&".join(
        part for part in call.raw_query.split("&") if part and not part.startswith(("$skiptoken=", "%24skiptoken="))
    )
    return f"{call.mount_url}{call.path}?{kept}{'&' if kept else ''}{name}={_token(position)}"


def _selected(call: Call, known: Iterable[str], defaults: Iterable[str]) -> tuple[str, ...] | Reply:
    """The properties to return. An unselected one is absent, which is not the same as null."""
    select = call.asks("$select")
    if not select:
        return tuple(defaults)
    names = tuple(name.strip() for name in select.split(","))
    if _NOT_FOR_COLLECTIONS.intersection(names):
        return error(501, "NotImplemented", "The requested property cannot be returned within a user collection.")
    unknown = [name for name in names if name not in known and name != "members"]
    if unknown:
        return _bad_request(f"Parsing OData Select and Expand failed: Could not find a property named '{unknown[0]}'.")
    return names if "id" in names else ("id", *names)


def _collection(call: Call, rows: list[Any], write: Callable[[Any], dict[str, Any]], largest: int = 999) -> Reply:
    """A page of a collection, each row with the properties selected."""
    top = call.asks("$top")
    if top is not None and not (top.isdecimal() and 1 <= int(top) <= largest):
        return _bad_request(f"Invalid page size specified: '{top}'. Must be between 1 and {largest} inclusive.")
    page = cut(len(rows), _position(call.asks("$skiptoken")), int(top or 100), call.at.plan)
    if page is None:
        return error(400, "Request_BadRequest", "The skip token is not valid.")

    def make() -> Reply:
        body: dict[str, Any] = {"@odata.context": f"{call.mount_url}/$metadata#{call.path.strip('/')}"}
        if call.asks("$count") == "true" and page.start == 0:
            body["@odata.count"] = len(rows)
        if page.next_position is not None:
            body["@odata.nextLink"] = _link(call, page.next_position)
        body["value"] = [write(row) for row in rows[page.start : page.stop]]
        return json_reply(body)

    return call.at.page((call.path, call.raw_query, call.mount_url), make)


def _keep(row: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: row[name] for name in names if name in row}


# Directory


def users(call: Call) -> Reply:
    hidden = set(call.at.plan.hidden_fields)
    sample = user_row(Account("", 0, None, None), domain=call.at.domain)
    names = _selected(call, sample, USER_DEFAULTS)
    if isinstance(names, Reply):
        return names
    if call.asks("$filter") is not None:
        return error(400, "Request_UnsupportedQuery", "The sandbox filters no users.")
    shown = [name for name in names if name not in hidden]
    return _collection(call, call.at.users.rows(), lambda user: _keep(user_row(user, domain=call.at.domain), shown))


def user(call: Call) -> Reply:
    wanted = call.params["user"]
    found = call.at.users.get(wanted) or next((row for row in call.at.users if row.login == wanted), None)
    if found is None:
        return error(404, "Request_ResourceNotFound", f"Resource '{wanted}' does not exist.")
    row = user_row(found, domain=call.at.domain)
    names = _selected(call, row, USER_DEFAULTS)
    return names if isinstance(names, Reply) else json_reply(_keep(row, names))


def groups(call: Call) -> Reply:
    rows = call.at.teams.rows("TEAM", "FLAGGED_GROUP", "PLAIN_GROUP")
    condition = call.asks("$filter")
    if condition is not None:
        if not _IS_TEAM.fullmatch(condition):
            return error(400, "Request_UnsupportedQuery", "Unsupported or invalid query filter clause.")
        rows = call.at.teams.rows("TEAM", "FLAGGED_GROUP")
    sample = group_row(Team("", 0, "TEAM", ""))
    names = _selected(call, sample, sample)
    return names if isinstance(names, Reply) else _collection(call, rows, lambda group: _keep(group_row(group), names))


def organization(call: Call) -> Reply:
    domains = [
        {"name": call.at.domain, "isDefault": True, "isInitial": False, "type": "Managed", "capabilities": "Email"}
    ]
    row = {"id": directory_id(call.at.tenant), "displayName": call.at.tenant.name, "verifiedDomains": domains}
    names = _selected(call, row, row)
    if isinstance(names, Reply):
        return names
    return json_reply({"@odata.context": f"{call.mount_url}/$metadata#organization", "value": [_keep(row, names)]})


# Teams


def teams(call: Call) -> Reply:
    """Id, name and description are all that this list has."""
    names = ("id", "displayName", "description")
    rows = call.at.teams.rows("TEAM")
    return _collection(call, rows, lambda row: _keep(team_row(row, tenant=call.at.tenant), names))


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
    names = _selected(call, row, row)
    return names if isinstance(names, Reply) else json_reply(_keep(row, names))


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
    names = _selected(
        call, written[0] if written else [*(call.asks("$select") or "").split(",")], written[0] if written else ()
    )
    if isinstance(names, Reply):
        return names
    host = f"{call.mount_url}/teams/{{}}/channels/{{}}"
    value = [
        _keep(row, names)
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


def subscriptions(call: Call) -> Reply:
    application_id = call.at.access.client_id
    rows = call.at.apps.rows("SUBSCRIPTION")
    return _collection(call, rows, lambda app: dict(subscription_row(app, application_id=application_id)))


def batch(call: Call) -> Reply:
    """Up to twenty requests in one, each admitted, limited and answered alone; the answers come in another order."""
    try:
        parts = json.loads(call.body)["requests"]
    except (ValueError, KeyError, TypeError):
        return _bad_request("Invalid batch payload format.")
    if len(parts) > _MOST_PARTS:
        return _bad_request(f"Number of batch request steps exceeds the maximum value of {_MOST_PARTS}.")
    if len({part["id"] for part in parts}) != len(parts):
        return _bad_request("Request Id values must be unique within a batch.")
    answers = []
    for part in reversed(parts):
        headers = {name.lower(): value for name, value in part.get("headers", {}).items()}
        reply = call.again(call, part["method"], part["url"], headers)
        try:
            body = json.loads(reply.plain())
        except ValueError:
            body = base64.b64encode(reply.plain()).decode()
        answers.append({"id": part["id"], "status": reply.status, "headers": dict(reply.headers), "body": body})
    return json_reply({"responses": answers})


# The frame


def _identify(call: Call, route: Route) -> Workspace | None:
    if route.is_open:
        return call.find(call.params["directory"])
    issued = sandbox_auth.understood(call.bearer)
    return call.find(issued.tenant_id) if issued else None


def _admit(call: Call, route: Route) -> Reply | None:
    if route.is_open:
        return None
    issued = sandbox_auth.understood(call.bearer)
    if issued is None or call.workspace is None:
        message = "Access token is empty." if call.bearer is None else "IDX14100: JWT is not well formed."
        return error(401, "InvalidAuthenticationToken", message)
    access = call.workspace.access
    access.notice(issued)
    if access.has_expired(issued, call.now):
        return error(401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")
    if not route.needs or issued.scopes.intersection(route.needs):
        return None
    if route.path.startswith("teams"):
        wanted = ",".join(route.needs)
        roles = ", ".join(sorted(issued.scopes))
        message = (
            f"Missing role permissions on the request. API requires one of '{wanted}'. Roles on the request '{roles}'."
        )
        return error(403, "Forbidden", message)
    return error(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")


def _too_many(retry_after: str | None) -> Reply:
    inner = {
        "code": "429",
        "date": "2026-11-21T00:00:00",
        "message": "Please retry after",
        "request-id": sandbox_auth.TRACE,
        "status": "429",
    }
    body = {"error": {"code": "TooManyRequests", "innerError": inner, "message": "Please retry again later."}}
    return json_reply(body, 429, {} if retry_after is None else {"Retry-After": retry_after})


def _over(over: Over) -> Reply:
    """Graph's Retry-After may have decimals."""
    return _too_many(f"{max(0.001, over.seconds_left):.3f}")


def _error(code: str, status: int | None) -> Reply:
    return error(status or 400, code, "The request failed.")


def _names(tenant: TenantPlan) -> tuple[str, str]:
    return sandbox_auth.client_id(tenant), directory_id(tenant)


# Limits: learn.microsoft.com/graph/throttling-limits, identity and Teams, per app and tenant.
_IDENTITY = Limit("identity", 5000, 10)
_TEAM = Limit("teams", 30, 1)
_CHANNELS = Limit("channels", 60, 1)
_ONE_TEAM = Limit("one team", 4, 1, per="team")
_OTHER = Limit("other", 30, 1)
_READ_USERS = ("User.Read.All", "Directory.Read.All")
_READ_GROUPS = ("GroupMember.Read.All", "Group.Read.All", "Directory.Read.All")
_READ_TEAMS = ("Team.ReadBasic.All", "TeamSettings.Read.All", "Directory.Read.All")
_READ_CHANNELS = ("Channel.ReadBasic.All", "ChannelSettings.Read.All")
_READ_APPS = ("TeamsAppInstallation.ReadForTeam.All", "TeamsAppInstallation.ReadSelectedForTeam.All")
_READ_TENANT = ("Organization.Read.All", "Directory.Read.All")


def _get(path: str, imitates: str, handle: Callable[[Call], Reply], needs: tuple[str, ...], *limits: Limit) -> Route:
    return Route(("GET",), path, f"GET /{path}", imitates, handle, needs, limits)


_GRAPH = (
    _get("users", "users with the properties selected, in pages of up to 999", users, _READ_USERS, _IDENTITY),
    _get("users/{user}", "one user by id or UPN", user, _READ_USERS, _IDENTITY),
    _get("groups", "groups, all or those flagged as teams", groups, _READ_GROUPS, _IDENTITY),
    _get("organization", "the tenant", organization, _READ_TENANT, _IDENTITY),
    _get("teams", "teams: id, name and description", teams, _READ_TEAMS, _TEAM),
    _get("teams/{team}", "one team, or 404 for a group that is none", team, _READ_TEAMS, _TEAM, _ONE_TEAM),
    _get("teams/{team}/channels", "the channels a team hosts", channels, _READ_CHANNELS, _CHANNELS, _ONE_TEAM),
    _get(
        "teams/{team}/allChannels",
        "the same and those shared with it",
        all_channels,
        _READ_CHANNELS,
        _CHANNELS,
        _ONE_TEAM,
    ),
    _get(
        "teams/{team}/incomingChannels",
        "the channels shared with a team",
        incoming_channels,
        _READ_CHANNELS,
        _CHANNELS,
        _ONE_TEAM,
    ),
    _get("teams/{team}/installedApps", "the apps installed in a team", installed_apps, _READ_APPS, _TEAM, _ONE_TEAM),
    _get("subscriptions", "the app's own subscriptions", subscriptions, (), _OTHER),
    Route(("POST",), "$batch", "POST /$batch", "up to twenty requests in one", batch),
)
_LOGIN = (
    Route(
        ("POST",),
        "{directory}/oauth2/v2.0/token",
        "POST /token",
        "client credentials; no refresh token",
        sandbox_auth.token,
        is_open=True,
    ),
)

SANDBOX = Vendor(
    system="TEAMS",
    mounts=(
        Mount("/graph/v1.0/", _GRAPH, "INTEGRATION_PIPELINE_GRAPH_URL"),
        Mount("/microsoft-login/", _LOGIN, "INTEGRATION_PIPELINE_MICROSOFT_LOGIN_URL"),
    ),
    populate=populate,
    access=sandbox_auth.access,
    names=_names,
    connection=sandbox_auth.connection,
    identify=_identify,
    admit=_admit,
    over=_over,
    error=_error,
    too_many=_too_many,
    unknown=lambda call: _bad_request(f"Resource not found for the segment '{call.path.strip('/')}'."),
)
