"""What Google's errors mean, and what a person should do about them. Pure.

(answer) -> error | None        Codes and reasons decide, never a message ("Errors", google.rpc.Status and ErrorInfo).
"""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from integration_pipeline.errors import (
    CredentialsError,
    Forbidden,
    Garbled,
    ProviderError,
    RateLimited,
    SpreadsheetGone,
    TimedOut,
)
from integration_pipeline.http.status import as_code, as_object, meaning
from integration_pipeline.provider import Answer

_OVER_QUOTA = frozenset({"RATE_LIMIT_EXCEEDED", "rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"})
_OWN: Mapping[int, type[ProviderError]] = {404: SpreadsheetGone}
_BAD_REQUEST = 400

QUOTA_SECONDS = 31.0
"""How long to wait where Google names no time: a quota is filled up every minute, and two such waits outlast it."""


def refusal(answer: Answer, place: str, email: str) -> ProviderError | None:
    """The error of an answer of the Sheets API; None for a 2xx.

    :param place: what was asked, for the message.
    :param email: of the service account.
    """
    if httpx.codes.is_success(answer.status):
        return None
    body = (as_object(answer.body) or {}).get("error")
    error = body if isinstance(body, dict) else {}
    reasons = set(_reasons(error))
    kind = RateLimited if reasons & _OVER_QUOTA else meaning(answer.status, _OWN)
    code = as_code(error.get("status"))
    said, remedy = _words(kind, answer.status, reasons, email)
    message = f"{place}: {said or 'status'} ({' '.join(filter(None, [str(answer.status), code]))})"
    # Google sends no Retry-After with a 429.
    waits = QUOTA_SECONDS if kind is RateLimited else None
    return kind(message, status=answer.status, code=code, retry_after_seconds=waits, remedy=remedy)


def _words(kind: type[ProviderError], status: int, reasons: set[str], email: str) -> tuple[str | None, str | None]:
    """What happened, and what to do, in words."""
    if kind is RateLimited:
        return "the quota of requests a minute is used up", _more_quota(email)
    if kind is Forbidden and "SERVICE_DISABLED" in reasons:
        return (
            "the Google Sheets API is switched off for the service account's project",
            f"Enable the Google Sheets API in the project of {email} (Google Cloud's console, APIs & Services).",
        )
    if kind is Forbidden:
        return (
            "the service account may not edit the spreadsheet",
            f"Share the spreadsheet with {email} as an editor; where its sheets are protected, allow it to edit them.",
        )
    if kind is SpreadsheetGone:
        return (
            "there is no such spreadsheet (any more)",
            f"Restore it, or import another one's id with `spreadsheets import` and share it with {email} as an editor.",
        )
    if status == _BAD_REQUEST:
        return (
            "Google refuses to make this change",
            f"See whether the sheets or parts of them are protected: {email} must be allowed to edit them.",
        )
    return None, None


def _more_quota(email: str) -> str:
    return f"Publish again in a few minutes; if it happens often, ask Google for a higher quota for the project of {email}."


def _reasons(error: Mapping[str, Any]) -> Iterator[str]:
    """The machine's words for why: of ErrorInfo, and of the older form."""
    for name in ("details", "errors"):
        found = error.get(name)
        for item in found if isinstance(found, list) else []:
            if isinstance(item, dict) and isinstance(item.get("reason"), str):
                yield item["reason"]


def token_refusal(answer: Answer, place: str, email: str) -> ProviderError | None:
    """The error of an answer of the token endpoint (RFC 6749 §5.2); None for a 2xx."""
    if httpx.codes.is_success(answer.status):
        return None
    kind = meaning(answer.status)
    if kind is RateLimited:
        message, remedy = f"{place}: the quota of tokens is used up ({answer.status})", _more_quota(email)
        return RateLimited(message, status=answer.status, retry_after_seconds=QUOTA_SECONDS, remedy=remedy)
    if not httpx.codes.is_client_error(answer.status) or kind is TimedOut:
        return kind(f"{place}: status {answer.status}", status=answer.status)
    code = as_code((as_object(answer.body) or {}).get("error"))
    return CredentialsError(
        f"Google accepts no key of {email} ({code or answer.status})",
        status=answer.status,
        code=code,
        remedy=f"Make a new key for {email} in Google Cloud's console and import it with `spreadsheets import`. If the key "
        "is right, the clock of this machine may be wrong.",
    )


def parsed(answer: Answer, place: str) -> Mapping[str, Any]:
    """The object in a good answer.

    :raises Garbled: it is something else (half an answer, a proxy's page); asking again may help.
    """
    found = as_object(answer.body)
    if found is None:
        raise Garbled(f"{place}: an answer that is no JSON object", status=answer.status)
    return found
