"""Microsoft's login, imitated for client credentials (learn.microsoft.com, "OAuth 2.0 client credentials flow")."""

import datetime as dt
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from integration_pipeline.providers.teams.sandbox.data import directory_id
from integration_pipeline.sandbox.access import Access, Issued, from_hex, to_hex, unseal
from integration_pipeline.sandbox.names import guid, mix
from integration_pipeline.sandbox.plan import SystemPlan, TenantPlan
from integration_pipeline.sandbox.vendor import Call, Reply, Workspace, json_reply, seed_of

PERMISSIONS = frozenset(
    {
        "Channel.ReadBasic.All",
        "GroupMember.Read.All",
        "Organization.Read.All",
        "Team.ReadBasic.All",
        "TeamSettings.Read.All",
        "TeamsAppInstallation.ReadForTeam.All",
        "User.Read.All",
    }
)
TRACE = "5f3c1f7e-0000-4000-a000-00000000c0de"
_PREFIX = "eyJ0eXAiOiJKV1Qi."
# The AADSTS codes, with what stands before them and the HTTP status.
_REFUSALS = {
    7000215: ("invalid_client", 401, "Invalid client secret provided."),
    7000222: ("invalid_client", 401, "The provided client secret keys are expired."),
    700016: ("unauthorized_client", 400, "Application was not found in the directory."),
    65001: ("invalid_grant", 400, "The user or administrator has not consented to use the application."),
    90002: ("invalid_request", 400, "Tenant not found."),
    70011: ("invalid_scope", 400, "The provided value for the input parameter 'scope' is not valid."),
    70003: ("unsupported_grant_type", 400, "The app requested an unsupported grant type."),
    900144: ("invalid_request", 400, "The request body must contain the required parameters."),
    90033: ("temporarily_unavailable", 503, "The service is temporarily unavailable."),
}


def client_id(tenant: TenantPlan) -> str:
    return guid(seed_of(tenant), 1_000_000_009)


def access(tenant: TenantPlan, plan: SystemPlan) -> Access:
    return Access(
        tenant_id=tenant.tenant_id,
        client_id=client_id(tenant),
        client_secret=f"gr~aph.secret-{mix(seed_of(tenant), 21):016x}",
        scopes=PERMISSIONS - set(plan.missing_scopes),
        rotates=False,
        life_seconds=plan.token_life_seconds or 3599,
        armour=to_hex,
        problem=plan.problem,
    )


def connection(workspace: Workspace, _now: float) -> Mapping[str, Any]:
    return {
        "client_id": workspace.access.client_id,
        "client_secret": workspace.access.client_secret,
        "options": {"directory_id": directory_id(workspace.tenant)},
    }


def understood(token: str | None) -> Issued | None:
    return unseal(from_hex(token.removeprefix(_PREFIX))) if token and token.startswith(_PREFIX) else None


def refused(code: int, now: float) -> Reply:
    error, status, text = _REFUSALS.get(code, ("invalid_grant", 400, "The request was refused."))
    stamp = dt.datetime.fromtimestamp(now, dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    body = {
        "error": error,
        "error_description": f"AADSTS{code}: {text}\r\nTrace ID: {TRACE}\r\nCorrelation ID: {TRACE}\r\nTimestamp: {stamp}",
        "error_codes": [code],
        "timestamp": stamp,
        "trace_id": TRACE,
        "correlation_id": TRACE,
        "error_uri": f"https://login.microsoftonline.com/error?code={code}",
    }
    return json_reply(body, status)


def _problem(workspace: Workspace, form: Mapping[str, str]) -> int | None:
    """The AADSTS code of what is wrong with a request for a token."""
    access = workspace.access
    if not {"client_id", "client_secret", "scope", "grant_type"} <= form.keys():
        return 900144
    wrong = {
        70003: form["grant_type"] != "client_credentials",
        700016: form["client_id"] != access.client_id,
        7000215: form["client_secret"] != access.client_secret,
        70011: not form["scope"].endswith("/.default"),
    }
    found = next((code for code, is_wrong in wrong.items() if is_wrong), None)
    if found is None and access.problem:
        return int(access.problem) if access.problem.isdecimal() else 65001
    return found


def token(call: Call) -> Reply:
    """A token for the app itself. There is no refresh token: whoever needs another asks again."""
    form = dict(parse_qsl(call.body.decode(), keep_blank_values=True))
    workspace = call.workspace
    if workspace is None or call.params["directory"] != directory_id(workspace.tenant):
        return refused(90002, call.now)
    problem = _problem(workspace, form)
    if problem:
        return refused(problem, call.now)
    access_token, _ = workspace.access.issue(call.now)
    life = workspace.access.life_seconds
    body = {
        "token_type": "Bearer",
        "expires_in": life,
        "ext_expires_in": life,
        "access_token": _PREFIX + access_token,
    }
    return json_reply(body, headers={"cache-control": "no-store, no-cache"})
