"""What Slack's answers mean when they are no success: the code in the body first, the status second.

Slack says most things with HTTP 200 and ``{"ok": false, "error": …}`` (docs.slack.dev/apis/web-api, each method's own
table of errors; docs.slack.dev/apis/web-api/rate-limits).
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from integration_pipeline.errors import (
    CredentialsError,
    Forbidden,
    Garbled,
    InvalidResponse,
    NotFound,
    ProviderError,
    ProviderFault,
    RateLimited,
    TimedOut,
    TokenRejected,
)
from integration_pipeline.http.status import as_code, as_object
from integration_pipeline.provider import Answer

RATE_LIMIT_SECONDS = 60.0
"""How long to wait where no Retry-After says it: every limit is counted per minute."""

TOO_MUCH = frozenset({"limit_required", "invalid_limit"})
"""The page asked for is larger than Slack will serve."""

NOT_IN_THE_PLAN = frozenset({"plan_upgrade_required", "paid_teams_only"})
"""Workspaces on the free plan have no user groups. That is an answer and no failure."""

_IS_OK = re.compile(rb'\s*\{\s*"ok"\s*:\s*true\s*[,}]')
_SCOPES = re.compile(r"[a-z0-9_.:, -]{1,200}")

_REINSTALL = (
    "Have somebody who may install apps in the workspace open the app at api.slack.com/apps and install it again "
    "(Install App); then import the connection with the new tokens."
)
_ALLOW = (
    "Ask the workspace's owner to allow the app (Tools & settings, Manage apps), and this machine's address where "
    "the organisation has a list of allowed ones."
)
_OWNER = "Have an owner or administrator of the workspace install the app again (Install App at api.slack.com/apps)."
_PLAN = "The workspace's plan does not include this: ask its owner to upgrade it, or switch that part of the sync off."
_BOT_TOKEN = "Import the app's Bot User OAuth Token (xoxb-…, or xoxe.xoxb-… with rotation)."  # noqa: S105
_APP_PAGE = "Compare client_id and client_secret with Basic Information at api.slack.com/apps, and import them again."
_MOVING = (
    "Slack is moving the workspace into an Enterprise organisation, which takes hours; the next night tries again."
)

_MEANINGS: Mapping[str, tuple[type[ProviderError], str | None]] = {
    "ratelimited": (RateLimited, None),
    "rate_limited": (RateLimited, None),
    "internal_error": (ProviderFault, None),
    "fatal_error": (ProviderFault, None),
    "service_unavailable": (ProviderFault, None),
    "request_timeout": (TimedOut, None),
    # Of these a fresh token may cure the first three: with rotation, an older token answers like a removed one.
    "token_expired": (TokenRejected, _REINSTALL),
    "token_revoked": (TokenRejected, _REINSTALL),
    "invalid_auth": (
        TokenRejected,
        f"{_REINSTALL} If the workspace has a list of allowed addresses, add this machine's.",
    ),
    "account_inactive": (CredentialsError, _REINSTALL),
    "not_authed": (CredentialsError, _BOT_TOKEN),
    "not_allowed_token_type": (CredentialsError, _BOT_TOKEN),
    "invalid_refresh_token": (CredentialsError, _REINSTALL),
    "invalid_grant_type": (CredentialsError, _REINSTALL),
    "invalid_code": (CredentialsError, _REINSTALL),
    "token_already_exchanged": (CredentialsError, _REINSTALL),
    "bad_client_secret": (CredentialsError, _APP_PAGE),
    "invalid_client_id": (CredentialsError, _APP_PAGE),
    "accesslimited": (Forbidden, _ALLOW),
    "access_denied": (Forbidden, _ALLOW),
    "ekm_access_denied": (Forbidden, _ALLOW),
    "enterprise_is_restricted": (Forbidden, _ALLOW),
    "no_permission": (Forbidden, _ALLOW),
    "team_access_not_granted": (Forbidden, _ALLOW),
    "user_is_bot": (Forbidden, _OWNER),
    "user_is_restricted": (Forbidden, _OWNER),
    "plan_upgrade_required": (Forbidden, _PLAN),
    "paid_teams_only": (Forbidden, _PLAN),
    "bot_not_found": (NotFound, None),
    "team_not_found": (NotFound, None),
    "org_login_required": (ProviderError, _MOVING),
    "team_added_to_org": (ProviderError, _MOVING),
}


def classify(answer: Answer) -> ProviderError | None:
    """What an answer means; None when Slack says ok.

    A page of a thousand users is not parsed here: Slack writes ``ok`` first, and only an answer that does not begin so
    is looked into.
    """
    is_success = answer.status == HTTPStatus.OK
    if is_success and _IS_OK.match(answer.body):
        return None
    body = as_object(answer.body)
    code = as_code((body or {}).get("error"))
    if code == "missing_scope":
        return _missing_scope(body or {}, answer)
    if code is not None and code in _MEANINGS:
        meaning, remedy = _MEANINGS[code]
        return _error(meaning, answer, code, remedy=remedy)
    if is_success and body is not None and body.get("ok") is True:
        return None
    return _error(_meaning(answer.status, body, code), answer, code)


def _meaning(status: int, body: Mapping[str, Any] | None, code: str | None) -> type[ProviderError]:
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimited
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ProviderFault
    if status == HTTPStatus.UNAUTHORIZED:
        return TokenRejected
    if code is not None:
        return ProviderError
    return Garbled if body is None and status == HTTPStatus.OK else InvalidResponse


def _error(
    meaning: type[ProviderError],
    answer: Answer,
    code: str | None,
    *,
    text: str | None = None,
    remedy: str | None = None,
) -> ProviderError:
    wait = RATE_LIMIT_SECONDS if meaning is RateLimited else None
    text = text or f"Slack answered {code or f'HTTP {answer.status} without a reason'}"
    return meaning(text, status=answer.status, code=code, retry_after_seconds=wait, remedy=remedy)


def _missing_scope(body: Mapping[str, Any], answer: Answer) -> ProviderError:
    needed = body.get("needed")
    scopes = needed if isinstance(needed, str) and _SCOPES.fullmatch(needed) else "that this method needs"
    text = f"the Slack app lacks the scope {scopes} (missing_scope)"
    return _error(Forbidden, answer, "missing_scope", text=text, remedy=add_scope(scopes))


def add_scope(scopes: str) -> str:
    """Where the app gets a scope, in words."""
    return f"Add the bot scope {scopes} under OAuth & Permissions at api.slack.com/apps, and install the app in the workspace again."
