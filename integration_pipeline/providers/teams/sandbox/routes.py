"""Microsoft Graph v1.0 and its login, imitated from their documentation (learn.microsoft.com/graph)."""

import base64
import json
import re
from collections.abc import Callable
from typing import Any

from integration_pipeline.providers.teams.sandbox import auth, teams
from integration_pipeline.providers.teams.sandbox.data import (
    USER_DEFAULTS,
    directory_id,
    group_row,
    populate,
    subscription_row,
    user_row,
)
from integration_pipeline.providers.teams.sandbox.odata import bad_request, collection, delta, error, keep, selected
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
    json_reply,
)

_IS_TEAM = re.compile(r"\s*resourceProvisioningOptions/any\(\s*(\w+)\s*:\s*\1\s+eq\s+'Team'\s*\)\s*", re.IGNORECASE)
_GROUPS = ("TEAM", "FLAGGED_GROUP", "PLAIN_GROUP")
_MOST_PARTS = 20


def users(call: Call) -> Reply:
    hidden = set(call.at.plan.hidden_fields)
    sample = user_row(Account("", 0, None, None), domain=call.at.domain)
    names = selected(call, sample, USER_DEFAULTS)
    if isinstance(names, Reply):
        return names
    if call.asks("$filter") is not None:
        return error(400, "Request_UnsupportedQuery", "The sandbox filters no users.")
    shown = [name for name in names if name not in hidden]
    return collection(call, call.at.users.rows(), lambda user: keep(user_row(user, domain=call.at.domain), shown))


def users_delta(call: Call) -> Reply:
    names = selected(call, user_row(Account("", 0, None, None), domain=call.at.domain), USER_DEFAULTS)
    if isinstance(names, Reply):
        return names
    return delta(call, call.at.users, (), lambda user: keep(user_row(user, domain=call.at.domain), names))


def user(call: Call) -> Reply:
    wanted = call.params["user"]
    found = call.at.users.get(wanted) or next((row for row in call.at.users if row.login == wanted), None)
    if found is None:
        return error(404, "Request_ResourceNotFound", f"Resource '{wanted}' does not exist.")
    names = selected(call, user_row(Account("", 0, None, None), domain=call.at.domain), USER_DEFAULTS)
    return names if isinstance(names, Reply) else json_reply(keep(user_row(found, domain=call.at.domain), names))


def groups(call: Call) -> Reply:
    rows = call.at.teams.rows(*_GROUPS)
    condition = call.asks("$filter")
    if condition is not None:
        if not _IS_TEAM.fullmatch(condition):
            return error(400, "Request_UnsupportedQuery", "Unsupported or invalid query filter clause.")
        rows = call.at.teams.rows("TEAM", "FLAGGED_GROUP")
    sample = group_row(Team("", 0, "TEAM", ""))
    names = selected(call, sample, sample)
    return names if isinstance(names, Reply) else collection(call, rows, lambda group: keep(group_row(group), names))


def groups_delta(call: Call) -> Reply:
    """All groups, teams or not; a change of a team's channels is no change of its group."""
    sample = group_row(Team("", 0, "TEAM", ""))
    names = selected(call, sample, sample)
    if isinstance(names, Reply):
        return names
    return delta(call, call.at.teams, _GROUPS, lambda group: keep(group_row(group), names))


def organization(call: Call) -> Reply:
    domains = [
        {"name": call.at.domain, "isDefault": True, "isInitial": False, "type": "Managed", "capabilities": "Email"}
    ]
    row = {"id": directory_id(call.at.tenant), "displayName": call.at.tenant.name, "verifiedDomains": domains}
    names = selected(call, row, row)
    if isinstance(names, Reply):
        return names
    return json_reply({"@odata.context": f"{call.mount_url}/$metadata#organization", "value": [keep(row, names)]})


def subscriptions(call: Call) -> Reply:
    application_id = call.at.access.client_id
    rows = call.at.apps.rows("SUBSCRIPTION")
    return collection(call, rows, lambda app: dict(subscription_row(app, application_id=application_id)))


def _requests(call: Call) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(call.body)["requests"]
    return found


def batch(call: Call) -> Reply:
    """Up to twenty requests in one, each admitted, limited and answered alone; the answers come in another order."""
    try:
        parts = [(part["id"], part["method"], part["url"], part.get("headers", {})) for part in _requests(call)]
    except (ValueError, KeyError, TypeError):
        return bad_request("Invalid batch payload format.")
    if len(parts) > _MOST_PARTS:
        return bad_request(f"Number of batch request steps exceeds the maximum value of {_MOST_PARTS}.")
    if len({key for key, *_ in parts}) != len(parts):
        return bad_request("Request Id values must be unique within a batch.")
    answers = []
    for key, method, url, headers in reversed(parts):
        reply = call.again(call, method, url, {name.lower(): value for name, value in headers.items()})
        try:
            body = json.loads(reply.plain())
        except ValueError:
            body = base64.b64encode(reply.plain()).decode()
        answers.append({"id": key, "status": reply.status, "headers": dict(reply.headers), "body": body})
    return json_reply({"responses": answers})


# The frame


def _identify(call: Call, route: Route) -> Workspace | None:
    if route.is_open:
        return call.find(call.params["directory"])
    issued = auth.understood(call.bearer)
    return call.find(issued.tenant_id) if issued else None


def _admit(call: Call, route: Route) -> Reply | None:
    if route.is_open:
        return None
    issued = auth.understood(call.bearer)
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
        "request-id": auth.TRACE,
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
    return auth.client_id(tenant), directory_id(tenant)


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


def _delta(path: str, imitates: str, handle: Callable[[Call], Reply], needs: tuple[str, ...]) -> list[Route]:
    """The function as the documentation spells it, and as the vendor's own clients do."""
    spellings = ("delta", "delta()", "microsoft.graph.delta", "microsoft.graph.delta()")
    name = f"GET /{path}/delta"
    return [Route(("GET",), f"{path}/{word}", name, imitates, handle, needs, (_IDENTITY,)) for word in spellings]


_GRAPH = (
    _get("users", "users with the properties selected, in pages of up to 999", users, _READ_USERS, _IDENTITY),
    *_delta("users", "users that changed since a link", users_delta, _READ_USERS),
    _get("users/{user}", "one user by id or UPN", user, _READ_USERS, _IDENTITY),
    _get("groups", "groups, all or those flagged as teams", groups, _READ_GROUPS, _IDENTITY),
    *_delta("groups", "groups that changed since a link", groups_delta, _READ_GROUPS),
    _get("organization", "the tenant", organization, _READ_TENANT, _IDENTITY),
    _get("teams", "teams: id, name and description", teams.teams, _READ_TEAMS, _TEAM),
    _get("teams/{team}", "one team, or 404 for a group that is none", teams.team, _READ_TEAMS, _TEAM, _ONE_TEAM),
    _get(
        "teams/{team}/channels",
        "the channels a team hosts",
        teams.channels,
        _READ_CHANNELS,
        _CHANNELS,
        _ONE_TEAM,
    ),
    _get(
        "teams/{team}/allChannels",
        "the same and those shared with it",
        teams.all_channels,
        _READ_CHANNELS,
        _CHANNELS,
        _ONE_TEAM,
    ),
    _get(
        "teams/{team}/incomingChannels",
        "the channels shared with a team",
        teams.incoming_channels,
        _READ_CHANNELS,
        _CHANNELS,
        _ONE_TEAM,
    ),
    _get(
        "teams/{team}/installedApps",
        "the apps installed in a team",
        teams.installed_apps,
        _READ_APPS,
        _TEAM,
        _ONE_TEAM,
    ),
    _get("subscriptions", "the app's own subscriptions", subscriptions, (), _OTHER),
    Route(("POST",), "$batch", "POST /$batch", "up to twenty requests in one", batch),
)
_LOGIN = (
    Route(
        ("POST",),
        "{directory}/oauth2/v2.0/token",
        "POST /token",
        "client credentials; no refresh token",
        auth.token,
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
    access=auth.access,
    names=_names,
    connection=auth.connection,
    identify=_identify,
    admit=_admit,
    over=_over,
    error=_error,
    too_many=_too_many,
    unknown=lambda call: bad_request(f"Resource not found for the segment '{call.path.strip('/')}'."),
)
