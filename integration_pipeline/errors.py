"""What can go wrong, as types: an error knows its kind, whether a retry may help, and what a person should do.

Messages are for people and carry no secret; nothing reads them to decide (requirement A13).

PipelineError
├── UsageError               wrong usage or configuration: exit 2, one line
│   └── Misconfigured        of one connection or spreadsheet: it alone fails where others can be used
├── Interrupted              a signal, or the process is ending
├── Misplaced                people changed their spreadsheet so that writing it would be guessing
├── Busy                     another process works on this connection
├── Superseded               the connection moved on while we were reading
└── ProviderError            the provider, or the way to it
    ├── CredentialsError     the connection's credentials are no good: nothing of it can work
    │   └── ConsentMissing   they are good, and allowed nothing in this tenant (any more)
    ├── TokenRejected        this access token is no good: a fresh one may be
    ├── Forbidden            a permission, scope or plan is missing for this one thing
    ├── NotFound             it is not there
    │   └── SpreadsheetGone  a tenant's spreadsheet: deleted, or never one of that id
    ├── RateLimited          too many requests
    ├── TimedOut             no answer in time
    ├── NetworkError         no answer at all
    ├── InvalidResponse      an answer that cannot be read
    └── ProviderFault        the provider failed (5xx)
"""

import re
from enum import StrEnum
from typing import ClassVar

RECONNECT = "Connect the tenant again: import fresh credentials for it with `connections import`."
"""The remedy where a connection's credentials are gone for good."""


_NUMBERED = re.compile(r"\[Errno -?[0-9]+\] ")


def reason(error: BaseException) -> str:
    """What an error of the operating system's, or one that quotes it, says: one line, without the error's number."""
    return _NUMBERED.sub("", " ".join(str(error).split()))


class Kind(StrEnum):
    """The classes of errors that history rows, reports and operators see."""

    AUTH_ERROR = "AUTH_ERROR"
    RATE_LIMIT = "RATE_LIMIT"
    TIMEOUT = "TIMEOUT"
    NETWORK_ERROR = "NETWORK_ERROR"
    CONFIGURATION = "CONFIGURATION"
    UNKNOWN_ERROR = "UNKNOWN_ERROR"
    INVALID_RESPONSE = "INVALID_RESPONSE"
    INCOMPLETE = "INCOMPLETE"
    REJECTED_RECORDS = "REJECTED_RECORDS"
    HELD = "HELD"
    INTERRUPTED = "INTERRUPTED"


class Cause(StrEnum):
    """What only a person can mend: the stable words that critical notices go by (requirement A13)."""

    RECONNECT = "RECONNECT"
    """The connection's credentials are no good, or are gone."""
    PERMISSION = "PERMISSION"
    """Consent, a permission or a scope is missing or was withdrawn."""
    CONFIGURATION = "CONFIGURATION"
    """What is stored of the connection cannot be used here: no key opens it, or its endpoint is not allowed."""
    HELD = "HELD"
    """So much would be deactivated at once that a person must look first."""
    SPREADSHEET = "SPREADSHEET"
    """The tenant's spreadsheet cannot be written any more."""


class PipelineError(Exception):
    """The root. ``remedy`` says in words what a person should do, where there is something to do."""

    kind: ClassVar[Kind] = Kind.UNKNOWN_ERROR
    cause: ClassVar[Cause | None] = None
    """What a person must mend before it can work again; None where time or a retry may do."""

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy


class UsageError(PipelineError):
    """Wrong usage or configuration. The message is the one line the user sees; nothing was changed."""


class Misconfigured(UsageError):
    """What is stored of one connection or spreadsheet cannot be used as this process is configured."""

    kind = Kind.CONFIGURATION
    cause = Cause.CONFIGURATION


class Interrupted(PipelineError):
    """The process was told to stop."""

    kind = Kind.INTERRUPTED


class Misplaced(PipelineError):
    """What people made of their spreadsheet, where writing on would be guessing."""

    cause = Cause.SPREADSHEET


class Busy(PipelineError):
    """Another invocation holds this connection."""


class Superseded(PipelineError):
    """Another apply moved the connection's ``sync_generation`` while this one was reading."""


class ProviderError(PipelineError):
    """A provider's refusal or silence.

    :param status: the HTTP status, where there was an answer.
    :param code: the provider's own error code (``ratelimited``, ``AADSTS7000222``, ``FORBIDDEN``).
    :param retry_after_seconds: how long the provider asked to wait.
    """

    is_retryable: ClassVar[bool] = False
    is_fatal: ClassVar[bool] = False
    """Whether it ends the whole connection's work and not just the listing in which it happened."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        retry_after_seconds: float | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.status = status
        self.code = code
        self.retry_after_seconds = retry_after_seconds


class CredentialsError(ProviderError):
    """The connection's credentials or its consent are gone; a person must act."""

    kind = Kind.AUTH_ERROR
    is_fatal = True
    cause = Cause.RECONNECT


class ConsentMissing(CredentialsError):
    """The credentials are good, and nobody has allowed them anything in this tenant (any more)."""

    cause = Cause.PERMISSION


class TokenRejected(ProviderError):
    """The access token was refused; the client asks for a fresh one once, and then raises CredentialsError."""

    kind = Kind.AUTH_ERROR


class Forbidden(ProviderError):
    """A scope, permission or plan is missing; a person must act, and a retry never helps."""

    kind = Kind.AUTH_ERROR
    cause = Cause.PERMISSION


class NotFound(ProviderError):
    """What was asked for is not there."""


class SpreadsheetGone(NotFound):
    """Google knows no spreadsheet of this id: it was deleted, or the id is wrong. As with access, a person must act."""

    kind = Kind.AUTH_ERROR
    cause = Cause.SPREADSHEET


class RateLimited(ProviderError):
    """Too many requests."""

    kind = Kind.RATE_LIMIT
    is_retryable = True


class TimedOut(ProviderError):
    """No answer, or not all of it, within the time allowed."""

    kind = Kind.TIMEOUT
    is_retryable = True


class NetworkError(ProviderError):
    """The connection could not be made or broke."""

    kind = Kind.NETWORK_ERROR
    is_retryable = True


class InvalidResponse(ProviderError):
    """An answer that is not what the provider documents. Never the same as an empty one."""

    kind = Kind.INVALID_RESPONSE


class Garbled(InvalidResponse):
    """An answer that is not even JSON (a proxy's HTML page, a cut body): the next one may be."""

    is_retryable = True


class ProviderFault(ProviderError):
    """The provider failed on its side (5xx and its codes for the same)."""

    is_retryable = True
