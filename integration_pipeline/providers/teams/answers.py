"""What a status and an error code of Microsoft's mean, for whole answers and for the parts of a batch alike.

Graph's codes vary in case and wording between its services, and may be empty: the status decides, the code is only
told to people (learn.microsoft.com/graph/errors).
"""

import json
import re
from http import HTTPStatus

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

_BANDWIDTH_EXCEEDED = 509

_MEANINGS: dict[int, type[ProviderError]] = {
    HTTPStatus.UNAUTHORIZED: TokenRejected,
    HTTPStatus.FORBIDDEN: Forbidden,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.REQUEST_TIMEOUT: TimedOut,
    HTTPStatus.LOCKED: ProviderFault,
    HTTPStatus.FAILED_DEPENDENCY: ProviderFault,  # a part of a batch, where another part was throttled
    HTTPStatus.TOO_MANY_REQUESTS: RateLimited,
    HTTPStatus.NOT_IMPLEMENTED: ProviderError,  # a selected field that a listing cannot serve: it never will
    _BANDWIDTH_EXCEEDED: RateLimited,
}

_CODE = re.compile(r"[A-Za-z0-9_.-]{1,80}")


def classify(answer: Answer) -> ProviderError | None:
    """What the answer's status means; None when it is a success."""
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    code = _code(answer.body)
    text = f"Microsoft answered {answer.status}" + (f" ({code})" if code else "")
    return _meaning(answer.status)(text, status=answer.status, code=code)


def as_code(value: object) -> str | None:
    """A provider's error code if it looks like one; free text, which might hold anything, is none."""
    return value if isinstance(value, str) and _CODE.fullmatch(value) else None


def _meaning(status: int) -> type[ProviderError]:
    if status in _MEANINGS:
        return _MEANINGS[status]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ProviderFault
    return ProviderError if status >= HTTPStatus.BAD_REQUEST else InvalidResponse


def _code(body: bytes) -> str | None:
    try:
        error = json.loads(body)["error"]
        return as_code(error["code"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
