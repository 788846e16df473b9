"""Slack's tokens, imitated: token rotation, scopes and refusals (docs.slack.dev, "Using token rotation")."""

import base64
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote

from integration_pipeline.providers.slack.sandbox.data import own_bot, team_id
from integration_pipeline.sandbox.access import Access, Issued, from_hex, to_hex, unseal
from integration_pipeline.sandbox.names import mix
from integration_pipeline.sandbox.plan import SystemPlan, TenantPlan
from integration_pipeline.sandbox.vendor import Call, Reply, Route, Workspace, json_reply, seed_of

SCOPES = frozenset(
    {
        "channels:read",
        "chat:write",
        "groups:read",
        "team:read",
        "usergroups:read",
        "users:read",
        "users:read.email",
    }
)
_REFRESH_PROBLEMS = ("invalid_refresh_token", "bad_client_secret", "invalid_client_id", "invalid_grant_type")


def ok(content: Mapping[str, Any]) -> Reply:
    return json_reply({"ok": True, **content}, is_ascii=True)


def refused(error: str, **more: Any) -> Reply:
    return json_reply({"ok": False, "error": error, **more}, is_ascii=True)


def arguments(call: Call) -> dict[str, str]:
    """Query and form. A JSON body's arguments are ignored by methods that read, as Slack does."""
    found = dict(call.query)
    if "x-www-form-urlencoded" in call.headers.get("content-type", ""):
        found |= dict(parse_qsl(call.body.decode(), keep_blank_values=True))
    return found


def access(tenant: TenantPlan, plan: SystemPlan) -> Access:
    life = plan.token_life_seconds or (43_200 if plan.rotation else 0)
    made = Access(
        tenant_id=tenant.tenant_id,
        client_id=client_id(tenant),
        client_secret=f"slack-secret-{mix(seed_of(tenant), 11):016x}",
        scopes=SCOPES - set(plan.missing_scopes),
        rotates=plan.rotation,
        life_seconds=life,
        armour=to_hex,
        problem=plan.problem,
    )
    if plan.token_expired:
        made.expire()
    return made


def client_id(tenant: TenantPlan) -> str:
    return f"{mix(seed_of(tenant), 12) % 10**12}.{mix(seed_of(tenant), 13) % 10**12}"


def _tokens(access: Access, pair: tuple[str, str]) -> tuple[str, str | None]:
    """The pair as Slack writes it; without rotation there is no refresh token."""
    return (f"xoxe.xoxb-1-{pair[0]}", f"xoxe-1-{pair[1]}") if access.rotates else (f"xoxb-{pair[0]}", None)


def _understood(token: str | None) -> Issued | None:
    return unseal(from_hex(token.rpartition("-")[2])) if token else None


def connection(workspace: Workspace, now: float) -> Mapping[str, Any]:
    access = workspace.access
    token, refresh_token = _tokens(access, access.current(now))
    expires_at = now + access.life_seconds if access.rotates else None
    if access.rotates and access.serial <= access.expired_serial:
        expires_at = now - 3600
    return {
        "client_id": access.client_id,
        "client_secret": access.client_secret,
        "access_token": token,
        "refresh_token": refresh_token,
        "token_expires_at": dt.datetime.fromtimestamp(expires_at, dt.UTC).isoformat() if expires_at else None,
        "options": {},
    }


def _token_of(call: Call) -> str | None:
    return call.bearer or arguments(call).get("token")


def _basic(call: Call) -> tuple[str, str]:
    """Client id and secret, from the Basic header or, as Slack also allows, from the form."""
    scheme, _, value = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            client_id, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
        except ValueError:
            return "", ""
        return unquote(client_id), unquote(secret)
    args = arguments(call)
    return args.get("client_id", ""), args.get("client_secret", "")


def identify(call: Call, route: Route) -> Workspace | None:
    if route.is_open:
        return call.find(_basic(call)[0])
    issued = _understood(_token_of(call))
    return call.find(issued.tenant_id) if issued else None


def admit(call: Call, route: Route) -> Reply | None:
    if route.is_open:
        return None
    if _token_of(call) is None:
        return refused("not_authed")
    issued = _understood(_token_of(call))
    if call.workspace is None or issued is None or issued.purpose != "access":
        return refused("invalid_auth")
    access = call.workspace.access
    access.notice(issued)
    if access.problem and access.problem not in _REFRESH_PROBLEMS:
        return refused(access.problem)
    # At most two access tokens of an installation are alive.
    if access.has_expired(issued, call.now) or issued.serial < access.serial - 1:
        return refused("token_expired")
    return missing(call, route.needs)


def missing(call: Call, needed: Sequence[str]) -> Reply | None:
    """Slack's refusal where none of the scopes needed was granted."""
    granted = call.at.access.scopes
    if not needed or granted.intersection(needed):
        return None
    return refused("missing_scope", needed=needed[0], provided=",".join(sorted(granted)))


def _problem_of_client(call: Call) -> str | None:
    client_id, secret = _basic(call)
    if call.workspace is None or client_id != call.workspace.access.client_id:
        return "invalid_client_id"
    return None if secret == call.workspace.access.client_secret else "bad_client_secret"


def _problem_of_refresh(workspace: Workspace, args: Mapping[str, str]) -> str | None:
    """What is wrong with a refresh; when nothing is, the refresh token is spent."""
    access = workspace.access
    if args.get("grant_type") != "refresh_token":
        return "invalid_code" if args.get("code") else "invalid_grant_type"
    if access.problem:
        return access.problem if access.problem in _REFRESH_PROBLEMS else "invalid_refresh_token"
    issued = _understood(args.get("refresh_token"))
    if issued is None or issued.purpose != "refresh" or issued.tenant_id != workspace.tenant_id:
        return "invalid_refresh_token"
    access.notice(issued)
    return None if access.rotates and access.spend(issued) else "invalid_refresh_token"


def oauth_v2_access(call: Call) -> Reply:
    problem = _problem_of_client(call) or _problem_of_refresh(call.at, arguments(call))
    if problem:
        return refused(problem)
    access = call.at.access
    token, refresh_token = _tokens(access, access.issue(call.now))
    tenant = call.at.tenant
    return ok(
        {
            "app_id": f"A{own_bot(tenant).id[1:]}",
            "access_token": token,
            "expires_in": access.life_seconds,
            "refresh_token": refresh_token,
            "token_type": "bot",
            "scope": ",".join(sorted(access.scopes)),
            "bot_user_id": own_bot(tenant).user_id,
            "team": {"name": tenant.name, "id": team_id(tenant)},
            "enterprise": None,
            "is_enterprise_install": False,
        }
    )
