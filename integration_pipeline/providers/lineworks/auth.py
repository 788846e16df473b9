"""LINE WORKS: a token for the app's service account, by a JWT signed anew each time.

connection -> signed assertion -> token request -> answer -> token

The refresh token that comes along is not needed while there is a private key. Connections made by a person's login have
none and live by their refresh token, which comes back only when the app's rotation is on
(developers.worksmobile.com/jp/docs/auth-jwt, …/auth-oauth).
"""

import datetime as dt
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from pydantic import SecretStr

from integration_pipeline.errors import CredentialsError
from integration_pipeline.http.grant import granted, read_grant
from integration_pipeline.model import Connection, Token
from integration_pipeline.provider import Answer, Option, TokenRequest
from integration_pipeline.providers.lineworks.answers import classify, is_refusal, refusal

SCOPE = "user.read group.read orgunit.read bot.read"
"""``directory.read`` would cover the first three, but the Free plan does not know it."""

REFRESH_BEFORE = dt.timedelta(minutes=30)
"""Half of the shorter of the two lives that the console offers, an hour and a day."""

ASSERTION_LIFE = dt.timedelta(minutes=30)
"""At most an hour is accepted; half of it forgives a clock that is somewhat fast."""

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LARGEST_DOMAIN_ID = 2**63 - 1


def _check_service_account(value: Any) -> str | None:
    return None if isinstance(value, str) and value.strip() else "must be the service account's id"


def _check_private_key(value: Any) -> str | None:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str):
        return "must be the text of a PEM private key"
    return None if _signing().private_key(text) else "is not an RSA private key in PEM form that can be read"


def _check_domain_ids(value: Any) -> str | None:
    if not isinstance(value, list) or not value:
        return "must be a list of at least one domain id"
    if not all(isinstance(one, int) and not isinstance(one, bool) and 0 < one <= _LARGEST_DOMAIN_ID for one in value):
        return "must hold whole numbers"
    return None if len(set(value)) == len(value) else "names a domain twice"


OPTIONS = (
    Option(name="service_account", meaning="the app's service account", check=_check_service_account),
    Option(name="private_key", meaning="its private key, PEM", check=_check_private_key, is_secret=True),
    Option(name="domain_ids", meaning="the domains to read; the app's own when left out", check=_check_domain_ids),
)


def problems(entry: Mapping[str, Any]) -> list[str]:
    """What an import entry lacks, in words; values of options are checked by the options themselves."""
    missing = [f"{name} is missing" for name in ("client_id", "client_secret") if not entry.get(name)]
    options = entry.get("options") or {}
    pair = ("service_account", "private_key")
    if any(options.get(name) for name in pair):
        missing += [f"options.{name} is missing" for name in pair if not options.get(name)]
    elif not entry.get("refresh_token"):
        missing.append("options.service_account and options.private_key are missing")
    return missing


def token_request(connection: Connection, now: dt.datetime) -> TokenRequest | None:
    """Ask for a token: by the service account where there is one, else by the refresh token.

    :raises CredentialsError: the private key cannot be read.
    """
    if connection.client_id is None or connection.client_secret is None:
        return None
    app = {"client_id": connection.client_id, "client_secret": connection.client_secret.get_secret_value()}
    account, key = connection.options.get("service_account"), connection.secret_options.get("private_key")
    if account and key:
        form = {
            "assertion": _assertion(connection.client_id, account, key, now),
            "grant_type": _JWT_BEARER,
            "scope": SCOPE,
        }
        return TokenRequest(path="token", form={**form, **app})
    if connection.refresh_token is None:
        return None
    form = {"grant_type": "refresh_token", "refresh_token": connection.refresh_token.get_secret_value()}
    return TokenRequest(path="token", form={**form, **app}, uses_refresh_token=True)


def _assertion(client_id: str, service_account: str, private_key: SecretStr, now: dt.datetime) -> str:
    signing = _signing()
    key = signing.private_key(private_key.get_secret_value())
    if key is None:
        raise CredentialsError(
            "the connection's private key cannot be read",
            remedy="Import the connection again with options.private_key, the whole PEM file of the Developer Console.",
        )
    issued_at = int(now.timestamp())
    claims = {
        "iss": client_id,
        "sub": service_account,
        "iat": issued_at,
        "exp": issued_at + int(ASSERTION_LIFE.total_seconds()),
    }
    assertion: str = signing.signed(claims, key)
    return assertion


def _signing() -> ModuleType:
    from integration_pipeline.providers.lineworks import signing  # noqa: PLC0415 - nobody else waits for it

    return signing


def read_token(answer: Answer, now: dt.datetime) -> Token:
    """The token in the answer; its life is counted from ``now``.

    :raises CredentialsError: refused, with what a person should do.
    :raises ProviderError: of another kind: asking again may help.
    """
    failure = classify(answer)
    if failure is not None:
        raise failure if failure.is_retryable else refusal(answer)
    if is_refusal(answer):
        raise refusal(answer)
    return granted(read_grant(answer), now)
