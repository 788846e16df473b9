"""What an HTTP status means where the provider has nothing to say of its own.

(status) -> error | None
"""

import httpx

from integration_pipeline.errors import (
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

_KNOWN: dict[int, type[ProviderError]] = {
    401: TokenRejected,
    403: Forbidden,
    404: NotFound,
    408: TimedOut,
    429: RateLimited,
    501: ProviderError,  # the one 5xx that says that trying again is in vain
    504: TimedOut,
}


def classify(answer: Answer, place: str) -> ProviderError | None:
    """Give the error of an answer's status, None for a 2xx (RFC 9110 §15). The body does not matter.

    :param place: what was asked, for the message.
    """
    if httpx.codes.is_success(answer.status):
        return None
    if httpx.codes.is_redirect(answer.status):
        return InvalidResponse(f"{place}: an unexpected redirect, status {answer.status}", status=answer.status)
    others = ProviderFault if httpx.codes.is_server_error(answer.status) else ProviderError
    return _KNOWN.get(answer.status, others)(f"{place}: status {answer.status}", status=answer.status)
