"""Slack: the bot token of one installation, renewed where the app has token rotation on.

connection -> token request -> answer -> token

Without rotation a bot token never expires and there is nothing to ask for. With it, access tokens live twelve hours and
every refresh token works once (docs.slack.dev/authentication/using-token-rotation).
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from integration_pipeline.errors import CredentialsError
from integration_pipeline.http.grant import granted, read_grant
from integration_pipeline.model import Connection, Token
from integration_pipeline.provider import Answer, Option, TokenRequest
from integration_pipeline.providers.slack.answers import classify

OPTIONS: tuple[Option, ...] = ()

REFRESH_BEFORE = dt.timedelta(minutes=120)
"""As early as Slack's own client renews: a token of the evening before would not last through the night's work."""

_USER_TOKENS = ("xoxp-", "xoxe.xoxp-")
_ROTATED_TOKEN = "xoxe.xoxb-"  # noqa: S105

_INSTALL = (
    "Have somebody who may install apps in the workspace open the app at api.slack.com/apps and install it again, with bot "
    "scopes; then import the connection with the tokens of the bot."
)


def problems(entry: Mapping[str, Any]) -> list[str]:
    """What an import entry lacks, in words."""
    access, refresh = _text(entry, "access_token"), _text(entry, "refresh_token")
    found = []
    if not access and not refresh:
        found.append("access_token is missing: the app's Bot User OAuth Token")
    if access.startswith(_USER_TOKENS):
        found.append("access_token is a user's token: the app's Bot User OAuth Token is needed")
    if access.startswith(_ROTATED_TOKEN) and not refresh:
        found.append(
            "refresh_token is missing: the app has token rotation on, and this access_token lives twelve hours"
        )
    if refresh:
        needed = (name for name in ("client_id", "client_secret") if not _text(entry, name))
        found += [f"{name} is missing: it is needed to renew the tokens" for name in needed]
    return found


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    return value.get_secret_value() if isinstance(value, SecretStr) else value if isinstance(value, str) else ""


def token_request(connection: Connection, _now: dt.datetime) -> TokenRequest | None:
    """Ask for the next pair of tokens; None where there is no rotation."""
    if connection.refresh_token is None or connection.client_id is None or connection.client_secret is None:
        return None
    return TokenRequest(
        path="oauth.v2.access",
        form={"grant_type": "refresh_token", "refresh_token": connection.refresh_token.get_secret_value()},
        basic_auth=(connection.client_id, connection.client_secret.get_secret_value()),
        uses_refresh_token=True,
    )


def read_token(answer: Answer, now: dt.datetime) -> Token:
    """The new pair; its life is counted from ``now``.

    :raises CredentialsError: refused, with what a person should do.
    :raises ProviderError: of another kind: Slack did not get to it.
    """
    refusal = classify(answer)
    if refusal is not None and not refusal.is_retryable:
        raise CredentialsError(
            f"{refusal} when asked for a token",
            status=refusal.status,
            code=refusal.code,
            remedy=refusal.remedy or _INSTALL,
        )
    if refusal is not None:
        raise refusal
    grant = read_grant(answer)
    if grant.get("token_type") not in {None, "bot"}:
        raise CredentialsError("the refresh token belongs to a user's token, not to the bot's", remedy=_INSTALL)
    return granted(grant, now)
