"""What a status and an error code of Microsoft's mean, for whole answers and for the parts of a batch alike.

Graph's codes vary in case and wording between its services, and may be empty: the status decides, the code is only
told to people (learn.microsoft.com/graph/errors).
"""

from http import HTTPStatus
from urllib.parse import quote

from integration_pipeline.errors import ProviderError, ProviderFault, RateLimited
from integration_pipeline.http.status import as_code, as_object, meaning
from integration_pipeline.provider import Answer

_BANDWIDTH_EXCEEDED = 509

_MEANINGS: dict[int, type[ProviderError]] = {
    HTTPStatus.LOCKED: ProviderFault,
    HTTPStatus.FAILED_DEPENDENCY: ProviderFault,  # a part of a batch, where another part was throttled
    _BANDWIDTH_EXCEEDED: RateLimited,
}


_ENTRA = "Microsoft Entra (entra.microsoft.com)"
_ALLOW = (
    f"Compare the application's API permissions in {_ENTRA} with the README of this provider, and have an administrator "
    "of the tenant consent to them."
)
_REMEDIES: dict[int, str] = {HTTPStatus.FORBIDDEN: _ALLOW}


def consent(directory_id: str | None = None, client_id: str | None = None) -> str:
    """Where an administrator of the tenant consents, in words (learn.microsoft.com/entra/identity-platform/v2-admin-consent)."""
    url = "https://login.microsoftonline.com/{}/adminconsent?client_id={}"
    where = url.format(quote(directory_id or "DIRECTORY_ID", safe=""), quote(client_id or "CLIENT_ID", safe=""))
    return f"Ask the tenant's administrator to consent again: {where}"


def classify(answer: Answer) -> ProviderError | None:
    """What the answer's status means; None when it is a success."""
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    error = (as_object(answer.body) or {}).get("error")
    code = as_code(error.get("code")) if isinstance(error, dict) else None
    text = f"Microsoft answered {answer.status}" + (f" ({code})" if code else "")
    return meaning(answer.status, _MEANINGS)(text, status=answer.status, code=code, remedy=_REMEDIES.get(answer.status))
