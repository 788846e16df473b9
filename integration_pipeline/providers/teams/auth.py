"""Microsoft Entra: a token for Graph by client credentials, and what its refusals ask of a person.

connection -> token request -> answer -> token

There is no refresh token in this flow: a new token is asked for with the same secret, as often as one is needed
(learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow).
"""

import datetime as dt
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NotRequired
from urllib.parse import quote

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from integration_pipeline.errors import ConsentMissing, CredentialsError, ProviderError, ProviderFault, RateLimited
from integration_pipeline.http.grant import granted, read_grant
from integration_pipeline.http.paging import parse
from integration_pipeline.http.status import as_code
from integration_pipeline.model import Connection, Token
from integration_pipeline.provider import Answer, Option, TokenRequest
from integration_pipeline.providers.teams.answers import classify, consent

SCOPE = "https://graph.microsoft.com/.default"
"""All application permissions that the tenant's administrator has consented to; the only scope this flow knows."""

REFRESH_BEFORE = dt.timedelta(minutes=5)

_SHARED_AUTHORITIES = frozenset({"common", "organizations", "consumers"})
_DIRECTORY = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]*")

_NEW_SECRET = (
    "Create a new client secret in Microsoft Entra (App registrations, Certificates & secrets), copy its value and not "  # noqa: S105
    "its id, and import the connection again with it."
)
_CONSENT = f"{consent()} (the connection's directory_id and client_id)."
_DIRECTORY_ID = (
    "Correct options.directory_id: it is the Directory (tenant) ID on the tenant's overview page in Microsoft Entra."
)
_LOOK_UP = "Look the code up at https://login.microsoftonline.com/error, and check the application's registration."

_REMEDIES: Mapping[int, str] = {
    7000215: f"The client secret is wrong. {_NEW_SECRET}",
    7000222: f"The client secret has expired. {_NEW_SECRET}",
    7000112: "The application is disabled in the tenant: ask its administrator to enable it in Microsoft Entra under "
    "Enterprise applications, Properties.",
    7000229: f"The application has no service principal in the tenant. {_CONSENT}",
    700016: f"The tenant does not know the application. Compare client_id and options.directory_id. {_CONSENT}",
    65001: f"Nobody has consented to the application. {_CONSENT}",
    90002: f"There is no such tenant. {_DIRECTORY_ID}",
    900023: f"That is no tenant. {_DIRECTORY_ID}",
    53003: "A Conditional Access policy of the tenant blocks the application: ask its administrator to except it, or this "
    "machine's address, in Microsoft Entra.",
}
"""AADSTS number → what to do (learn.microsoft.com/entra/identity-platform/reference-error-codes).

Microsoft changes these numbers without notice, so here they choose words only; one that is missing is refused alike.
"""

_NOT_ALLOWED = frozenset({65001, 700016, 7000112, 7000229, 53003})
"""The secret may be good: it is the tenant that does not let the application in."""

_LOOPED = 50196
"""Too many equal token requests within minutes: it ends by itself."""
_UNAVAILABLE = 90033
"""The token service says of itself that it is temporarily unavailable."""


class Refusal(TypedDict):
    error: NotRequired[str | None]
    error_codes: NotRequired[list[int] | None]


_REFUSAL = TypeAdapter(Refusal)


def _check_directory_id(value: Any) -> str | None:
    if not isinstance(value, str) or not _DIRECTORY.fullmatch(value):
        return "must be the Entra tenant's id (a GUID) or one of its domain names"
    if value.lower() in _SHARED_AUTHORITIES:
        return "must name one tenant: client credentials are not accepted for a shared authority"
    return None


OPTIONS = (
    Option(name="directory_id", meaning="the Entra tenant: its Directory (tenant) ID", check=_check_directory_id),
)


def problems(entry: Mapping[str, Any]) -> list[str]:
    """What an import entry lacks, in words; values of options are checked by the options themselves."""
    missing = [f"{name} is missing" for name in ("client_id", "client_secret") if not entry.get(name)]
    if not (entry.get("options") or {}).get("directory_id"):
        missing.append("options.directory_id is missing")
    return missing


def token_request(connection: Connection, _now: dt.datetime) -> TokenRequest:
    """Ask for a token. Stored tokens and refresh tokens play no part.

    :raises CredentialsError: the connection lacks what the request is made of.
    """
    directory_id = connection.options.get("directory_id")
    if not directory_id or not connection.client_id or connection.client_secret is None:
        raise CredentialsError(
            "the connection is incomplete",
            remedy="Import it again with client_id, client_secret and options.directory_id.",
        )
    form = {
        "grant_type": "client_credentials",
        "client_id": connection.client_id,
        "client_secret": connection.client_secret.get_secret_value(),
        "scope": SCOPE,
    }
    return TokenRequest(path=f"{quote(str(directory_id), safe='')}/oauth2/v2.0/token", form=form)


def read_token(answer: Answer, now: dt.datetime) -> Token:
    """The token in the answer; its life is counted from ``now``.

    :raises CredentialsError: refused, with what a person should do.
    :raises ProviderError: of another kind: asking again may help.
    """
    if answer.status != HTTPStatus.OK:
        raise _refusal(answer)
    return granted(read_grant(answer), now)


def _refusal(answer: Answer) -> ProviderError:
    """Why there is no token. The error's own words stay out: they repeat ids and addresses of the tenant."""
    failure = classify(answer)
    if failure is not None and failure.is_retryable:
        return failure
    refusal = parse(_REFUSAL, answer.body)
    numbers = refusal.get("error_codes") or []
    code = f"AADSTS{numbers[0]}" if numbers else as_code(refusal.get("error"))
    text = f"Microsoft Entra refused a token: {code or f'HTTP {answer.status} without a reason'}"
    if _LOOPED in numbers:
        return RateLimited(text, status=answer.status, code=code)
    if _UNAVAILABLE in numbers or code == "temporarily_unavailable":
        return ProviderFault(text, status=answer.status, code=code)
    remedy = next((_REMEDIES[number] for number in numbers if number in _REMEDIES), _LOOK_UP)
    meaning = ConsentMissing if _NOT_ALLOWED.intersection(numbers) else CredentialsError
    return meaning(text, status=answer.status, code=code, remedy=remedy)
