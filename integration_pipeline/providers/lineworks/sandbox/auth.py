"""LINE WORKS' token host, imitated for service accounts (developers.worksmobile.com, "Service Account authentication (JWT)")."""

import datetime as dt
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

import jwt
from jwt.types import Options

from integration_pipeline.providers.lineworks.sandbox.data import domain_ids
from integration_pipeline.sandbox.access import (
    Access,
    Issued,
    from_base64,
    private_key,
    private_key_pem,
    to_base64,
    unseal,
)
from integration_pipeline.sandbox.names import mix
from integration_pipeline.sandbox.plan import SystemPlan, TenantPlan
from integration_pipeline.sandbox.vendor import Call, Reply, Workspace, email_domain, json_reply, seed_of

SCOPES = frozenset({"bot.read", "directory.read", "group.read", "orgunit.read", "user.read"})
_PREFIX = "jp1"
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LONGEST_ASSERTION_SECONDS = 3600


def client_id(tenant: TenantPlan) -> str:
    return f"lw{mix(seed_of(tenant), 41):016x}"


def service_account(tenant: TenantPlan) -> str:
    return f"{mix(seed_of(tenant), 43) % 10**8:08d}.serviceaccount@{email_domain(tenant)}"


def access(tenant: TenantPlan, plan: SystemPlan) -> Access:
    return Access(
        tenant_id=tenant.tenant_id,
        client_id=client_id(tenant),
        client_secret=f"lw-secret+{mix(seed_of(tenant), 42):016x}/=",
        scopes=SCOPES - set(plan.missing_scopes),
        rotates=plan.rotation,
        life_seconds=plan.token_life_seconds or 86_400,
        armour=to_base64,
        problem=plan.problem,
    )


def connection(workspace: Workspace, now: float) -> Mapping[str, Any]:
    entry: dict[str, Any] = {
        "client_id": workspace.access.client_id,
        "client_secret": workspace.access.client_secret,
        "options": {
            "service_account": service_account(workspace.tenant),
            "private_key": private_key_pem(),
            "domain_ids": list(domain_ids(workspace.tenant, workspace.plan.domains)),
        },
    }
    if workspace.plan.token_expired:
        token, refresh_token = workspace.access.current(now - workspace.access.life_seconds - 3600)
        entry["access_token"] = _PREFIX + token
        entry["refresh_token"] = _PREFIX + refresh_token
        entry["token_expires_at"] = dt.datetime.fromtimestamp(now - 3600, dt.UTC).isoformat()
    return entry


def understood(token: str | None) -> Issued | None:
    return unseal(from_base64(token.removeprefix(_PREFIX))) if token and token.startswith(_PREFIX) else None


def refused(error: str, description: str) -> Reply:
    if error == "99":
        # The host's other form, for bodies it could not even parse.
        return json_reply({"returnCode": "99", "returnMessage": "UnexpectedError"}, 400)
    status = 401 if error == "invalid_client" else 400
    return json_reply({"error": error, "error_description": description}, status)


def token(call: Call) -> Reply:
    form = dict(parse_qsl(call.body.decode(), keep_blank_values=True))
    # The vendor's own sample encodes the grant type twice, and is served.
    grant_type = unquote(form.get("grant_type", ""))
    workspace = call.workspace
    if workspace is None:
        return refused("invalid_client", "There is no such client.")
    if form.get("client_secret") != workspace.access.client_secret:
        # A secret whose plus signs arrived as spaces was sent without encoding it.
        is_broken = form.get("client_secret", "").replace(" ", "+") == workspace.access.client_secret
        return refused("99" if is_broken else "invalid_client", "The client secret is wrong.")
    if workspace.access.problem:
        return refused(workspace.access.problem, "The request was refused.")
    if grant_type == _JWT_BEARER:
        return _by_assertion(workspace, form, call.now)
    if grant_type == "refresh_token":
        return _by_refresh_token(workspace, form, call.now)
    return refused("unsupported_grant_type", "The grant type is not supported.")


def _by_assertion(workspace: Workspace, form: Mapping[str, str], now: float) -> Reply:
    problem = _problem_of_assertion(workspace, form.get("assertion", ""), now)
    if problem:
        return refused("invalid_grant", problem)
    scopes = frozenset(form.get("scope", "").split())
    if not scopes:
        return refused("invalid_request", "The scope is missing.")
    return _issued(workspace, scopes, now, with_refresh_token=True)


def _problem_of_assertion(workspace: Workspace, assertion: str, now: float) -> str | None:
    """What is wrong with a JWT. Times may be fractions of a second; there is no audience."""
    unchecked: Options = {
        "verify_exp": False,
        "verify_iat": False,
        "verify_aud": False,
        "verify_sub": False,
        "verify_iss": False,
    }
    try:
        claims = jwt.decode(assertion, private_key().public_key(), algorithms=["RS256"], options=unchecked)
    except jwt.PyJWTError:
        return "The assertion's signature is wrong."
    issued_at, expires_at = claims.get("iat"), claims.get("exp")
    if not isinstance(issued_at, int | float) or not isinstance(expires_at, int | float):
        return "iat and exp must be numbers."
    if claims.get("iss") != workspace.access.client_id or claims.get("sub") != service_account(workspace.tenant):
        return "iss or sub is not this app's."
    if expires_at - issued_at > _LONGEST_ASSERTION_SECONDS or expires_at <= now:
        return "exp is more than an hour after iat, or past."
    return None


def _by_refresh_token(workspace: Workspace, form: Mapping[str, str], now: float) -> Reply:
    issued = understood(form.get("refresh_token"))
    access = workspace.access
    if issued is None or issued.purpose != "refresh" or issued.tenant_id != workspace.tenant_id:
        return refused("invalid_grant", "The refresh token is not valid.")
    access.notice(issued)
    if access.rotates and not access.spend(issued):
        return refused("invalid_grant", "The refresh token was used before.")
    return _issued(workspace, access.scopes, now, with_refresh_token=access.rotates)


def _issued(workspace: Workspace, scopes: frozenset[str], now: float, *, with_refresh_token: bool) -> Reply:
    """The pair; a refresh without rotation brings no refresh token. ``expires_in`` is a string."""
    access_token, refresh_token = workspace.access.issue(now, scopes=scopes)
    body = {
        "access_token": _PREFIX + access_token,
        "token_type": "Bearer",
        "expires_in": str(workspace.access.life_seconds),
        "scope": " ".join(sorted(scopes & workspace.access.scopes)),
    }
    if with_refresh_token:
        body["refresh_token"] = _PREFIX + refresh_token
    return json_reply(body)
