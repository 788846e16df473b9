"""What LINE WORKS' answers mean when they are no success: the status decides, the code is told to people.

The API says ``{"code": …, "description": …}`` (developers.worksmobile.com/jp/docs/error-codes). The token host says either
OAuth's ``{"error": …}`` or ``{"returnCode": …, "returnMessage": …}``, and nothing of it is ever a matter of the token sent.
"""

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from integration_pipeline.errors import (
    CredentialsError,
    Forbidden,
    InvalidResponse,
    NotFound,
    ProviderError,
    ProviderFault,
    RateLimited,
    TimedOut,
    TokenRejected,
)
from integration_pipeline.provider import Answer

RATE_LIMIT_SECONDS = 60.0
"""How long to wait where no ``rateLimit-reset`` says it: every limit is counted per minute."""

_TOKEN_HOST_KEYS = frozenset({"error", "returnCode"})
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,80}")

_CONSOLE = "the Developer Console (developers.worksmobile.com)"
_SCOPES = (
    f"In {_CONSOLE}, tick the app's OAuth scopes user.read, group.read, orgunit.read and bot.read, and see that the "
    "connection's domain_ids are domains of this tenant and that the plan allows the API."
)
_KEY = (
    f"Compare service_account with {_CONSOLE}; if the private key was issued again there, import the new one. "
    "This machine's clock must be right."
)
_CLIENT = f"Compare client_id and client_secret with the app's page in {_CONSOLE}, and import the connection again."
_GRANTS: Mapping[str, str] = {
    "invalid_grant": _KEY,
    "invalid_client": _CLIENT,
    "unauthorized_client": _CLIENT,
    "invalid_scope": _SCOPES,
}

_MEANINGS: Mapping[int, type[ProviderError]] = {
    HTTPStatus.UNAUTHORIZED: TokenRejected,
    HTTPStatus.FORBIDDEN: Forbidden,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.GONE: NotFound,
    HTTPStatus.REQUEST_TIMEOUT: TimedOut,
    HTTPStatus.TOO_MANY_REQUESTS: RateLimited,
}
_REMEDIES: Mapping[int, str] = {HTTPStatus.UNAUTHORIZED: _KEY, HTTPStatus.FORBIDDEN: _SCOPES}


def classify(answer: Answer) -> ProviderError | None:
    """What an answer's status means; None when it is a success."""
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    meaning = _meaning(answer.status)
    code = _as_code(_object(answer.body).get("code"))
    wait = RATE_LIMIT_SECONDS if meaning is RateLimited else None
    return meaning(
        f"LINE WORKS answered {code or f'HTTP {answer.status} without a reason'}",
        status=answer.status,
        code=code,
        retry_after_seconds=wait,
        remedy=_REMEDIES.get(answer.status),
    )


def is_refusal(answer: Answer) -> bool:
    """Whether the token host says no; it may do so with HTTP 200."""
    return bool(_TOKEN_HOST_KEYS & _object(answer.body).keys())


def refusal(answer: Answer) -> CredentialsError:
    """Why the token host gives no token. Its own words stay out: they may repeat what was sent."""
    body = _object(answer.body)
    code = _as_code(body.get("error")) or _as_code(body.get("returnCode")) or _as_code(body.get("code"))
    return CredentialsError(
        f"LINE WORKS refused a token ({code or f'HTTP {answer.status}'})",
        status=answer.status,
        code=code,
        remedy=_GRANTS.get(code or "", f"{_KEY} {_CLIENT}"),
    )


def _meaning(status: int) -> type[ProviderError]:
    if status in _MEANINGS:
        return _MEANINGS[status]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ProviderFault
    return ProviderError if status >= HTTPStatus.BAD_REQUEST else InvalidResponse


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _as_code(value: object) -> str | None:
    """A code if it looks like one: anything else might hold anything, and messages are stored."""
    text = str(value) if isinstance(value, int) else value
    return text if isinstance(text, str) and _CODE.fullmatch(text) else None
