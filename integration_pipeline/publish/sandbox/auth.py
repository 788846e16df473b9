"""Google's token endpoint, imitated for service accounts ("Using OAuth 2.0 for server to server applications")."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import jwt
from jwt.types import Options

from integration_pipeline.sandbox.access import Access, Issued, from_hex, private_key, private_key_pem, to_hex, unseal
from integration_pipeline.sandbox.plan import SystemPlan, TenantPlan
from integration_pipeline.sandbox.vendor import Call, Reply, json_reply, seed_of

SCOPE = "https://www.googleapis.com/auth/spreadsheets"
AUDIENCE = "https://oauth2.googleapis.com/token"
"""Whatever address the request came to."""
_PREFIX = "ya29."
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LONGEST_ASSERTION_SECONDS = 3600
_UNCHECKED: Options = {
    "verify_exp": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_sub": False,
    "verify_iss": False,
}
_REFUSALS = {
    "invalid_grant": (400, "Invalid JWT Signature."),
    "invalid_scope": (400, "Invalid OAuth scope or ID token audience provided."),
    "unsupported_grant_type": (400, "Invalid grant_type"),
    "unauthorized_client": (401, "Client is unauthorized to retrieve access tokens using this method."),
}


def client_email(tenant: TenantPlan) -> str:
    return f"kpi-{_name(tenant)[:12]}@sandbox-project.iam.gserviceaccount.com"


def spreadsheet_id(tenant: TenantPlan) -> str:
    digest = hashlib.sha256(f"spreadsheet {seed_of(tenant)}".encode()).digest()
    return "1" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def service_account(tenant: TenantPlan) -> Mapping[str, Any]:
    """The key file."""
    return {
        "type": "service_account",
        "project_id": "sandbox-project",
        "private_key_id": _name(tenant),
        "private_key": private_key_pem(),
        "client_email": client_email(tenant),
        "client_id": str(seed_of(tenant)),
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": AUDIENCE,
        "universe_domain": "googleapis.com",
    }


def _name(tenant: TenantPlan) -> str:
    return hashlib.sha256(f"service account {seed_of(tenant)}".encode()).hexdigest()[:40]


def access(tenant: TenantPlan, plan: SystemPlan) -> Access:
    return Access(
        tenant_id=tenant.tenant_id,
        client_id=client_email(tenant),
        client_secret="",
        scopes=frozenset({SCOPE}),
        rotates=False,
        life_seconds=plan.token_life_seconds or 3600,
        armour=lambda token: _PREFIX + to_hex(token),
        problem=plan.problem if plan.problem in _REFUSALS else None,
    )


def understood(token: str | None) -> Issued | None:
    return unseal(from_hex(token.removeprefix(_PREFIX))) if token and token.startswith(_PREFIX) else None


def issuer(call: Call) -> str:
    """Who says to have signed the assertion."""
    try:
        claims = jwt.decode(_form(call).get("assertion", ""), options={"verify_signature": False})
    except jwt.PyJWTError:
        return ""
    return str(claims.get("iss", ""))


def refused(error: str, description: str | None = None) -> Reply:
    status, usual = _REFUSALS.get(error, (400, "Bad Request"))
    return json_reply({"error": error, "error_description": description or usual}, status)


def token(call: Call) -> Reply:
    form = _form(call)
    if form.get("grant_type") != _JWT_BEARER:
        return refused("unsupported_grant_type")
    if call.workspace is None:
        return refused("invalid_grant", "Invalid grant: account not found")
    found = call.workspace.access
    if found.problem:
        return refused(found.problem)
    try:
        key = private_key().public_key()
        claims = jwt.decode(form.get("assertion", ""), key, algorithms=["RS256"], options=_UNCHECKED)
    except jwt.PyJWTError:
        return refused("invalid_grant")
    scopes = frozenset(str(claims.get("scope", "")).split())
    problem = _problem(claims, call.now)
    if problem or not scopes:
        return refused("invalid_grant" if problem else "invalid_scope", problem)
    access_token, _ = found.issue(call.now, scopes=scopes)
    return json_reply({"access_token": access_token, "expires_in": found.life_seconds - 1, "token_type": "Bearer"})


def _problem(claims: Mapping[str, Any], now: float) -> str | None:
    """What is wrong with an assertion that is rightly signed."""
    if claims.get("aud") != AUDIENCE:
        return "Invalid JWT: Failed audience check."
    if _is_timely(claims, now):
        return None
    return (
        "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
        "Check your iat and exp values in the JWT claim."
    )


def _is_timely(claims: Mapping[str, Any], now: float) -> bool:
    issued_at, expires_at = claims.get("iat"), claims.get("exp")
    if not isinstance(issued_at, int | float) or not isinstance(expires_at, int | float):
        return False
    # Five minutes are forgiven to a clock.
    return 0 < expires_at - issued_at <= _LONGEST_ASSERTION_SECONDS and issued_at - 300 <= now <= expires_at + 300


def _form(call: Call) -> dict[str, str]:
    return dict(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True))
