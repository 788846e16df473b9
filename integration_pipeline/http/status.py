"""What an answer means by its status, and what may be told of its body, where the provider has nothing to say of its own.

(status) -> kind of error        body -> object        value -> code | None
"""

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

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
_NOTHING: Mapping[int, type[ProviderError]] = MappingProxyType({})
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,80}")


def classify(answer: Answer, place: str) -> ProviderError | None:
    """Give the error of an answer's status, None for a 2xx. The body does not matter.

    :param place: what was asked, for the message.
    """
    if httpx.codes.is_success(answer.status):
        return None
    what = "an unexpected redirect, status" if httpx.codes.is_redirect(answer.status) else "status"
    return meaning(answer.status)(f"{place}: {what} {answer.status}", status=answer.status)


def meaning(status: int, own: Mapping[int, type[ProviderError]] = _NOTHING) -> type[ProviderError]:
    """The kind of error that a status other than 2xx is (RFC 9110 §15).

    :param own: what the provider says of some of them itself.
    """
    if status in own or status in _KNOWN:
        return own.get(status) or _KNOWN[status]
    if httpx.codes.is_server_error(status):
        return ProviderFault
    return ProviderError if httpx.codes.is_client_error(status) else InvalidResponse


def as_object(body: bytes) -> Mapping[str, Any] | None:
    """The JSON object that an error's body is; None where it is none."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def as_code(value: object) -> str | None:
    """A provider's error code if it looks like one: anything else might hold anything, and messages are stored."""
    return value if isinstance(value, str) and _CODE.fullmatch(value) else None
