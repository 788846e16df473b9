"""What LINE WORKS' answers mean when they are no success: the status decides, the code is told to people.

The API says ``{"code": …, "description": …}`` (developers.worksmobile.com/jp/docs/error-codes). The token host says either
OAuth's ``{"error": …}`` or ``{"returnCode": …, "returnMessage": …}``, and nothing of it is ever a matter of the token sent.
"""

from collections.abc import Mapping
from http import HTTPStatus

from integration_pipeline.errors import ConsentMissing, CredentialsError, NotFound, ProviderError, RateLimited
from integration_pipeline.http.status import as_code, as_object, meaning
from integration_pipeline.provider import Answer

RATE_LIMIT_SECONDS = 60.0
"""How long to wait where no ``rateLimit-reset`` says it: every limit is counted per minute."""

_TOKEN_HOST_KEYS = frozenset({"error", "returnCode"})

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
_NOT_ALLOWED = frozenset({"invalid_scope"})

_MEANINGS: Mapping[int, type[ProviderError]] = {HTTPStatus.GONE: NotFound}
_REMEDIES: Mapping[int, str] = {HTTPStatus.UNAUTHORIZED: _KEY, HTTPStatus.FORBIDDEN: _SCOPES}


def classify(answer: Answer) -> ProviderError | None:
    """What an answer's status means; None when it is a success."""
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    error = meaning(answer.status, _MEANINGS)
    code = as_code((as_object(answer.body) or {}).get("code"))
    wait = RATE_LIMIT_SECONDS if error is RateLimited else None
    return error(
        f"LINE WORKS answered {code or f'HTTP {answer.status} without a reason'}",
        status=answer.status,
        code=code,
        retry_after_seconds=wait,
        remedy=_REMEDIES.get(answer.status),
    )


def is_refusal(answer: Answer) -> bool:
    """Whether the token host says no; it may do so with HTTP 200."""
    return bool(_TOKEN_HOST_KEYS & (as_object(answer.body) or {}).keys())


def refusal(answer: Answer) -> CredentialsError:
    """Why the token host gives no token. Its own words stay out: they may repeat what was sent."""
    body = as_object(answer.body) or {}
    code = as_code(body.get("error")) or as_code(str(body.get("returnCode", ""))) or as_code(body.get("code"))
    meaning_of_it = ConsentMissing if code in _NOT_ALLOWED else CredentialsError
    return meaning_of_it(
        f"LINE WORKS refused a token ({code or f'HTTP {answer.status}'})",
        status=answer.status,
        code=code,
        remedy=_GRANTS.get(code or "", f"{_KEY} {_CLIENT}"),
    )
