"""Which outcomes a person must be told of, and how the notice reads to a program. Pure (requirement A13).

error, hold -> notices, one for each cause        ledger's notice -> JSON

What decides is the type of the error, which knows its cause; never a message.
"""

import datetime as dt
import json
import shlex
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID, uuid4

from integration_pipeline.errors import Cause, InvalidResponse, PipelineError, ProviderError
from integration_pipeline.model import Connection, Notice

VERSION = 1
"""Of the payload. Keys may be added to a version, and are never taken away or given another meaning."""

_PROGRAM = "integration-pipeline"


class Told(NamedTuple):
    """A notice as the ledger keeps it: one for each cause, connection and UTC day."""

    notice_id: UUID
    tenant_id: str
    system_type: str
    day: dt.date
    cause: str
    message: str
    remedy: str | None
    provider_code: str | None
    commands: Sequence[str]
    created_at: dt.datetime
    delivered_at: dt.datetime | None
    tries: int
    last_error: str | None


def of_errors(connection: Connection, errors: Iterable[BaseException]) -> tuple[Notice, ...]:
    """What of these errors only a person can mend, the first one of each cause."""
    found: dict[Cause, Notice] = {}
    for error in errors:
        if isinstance(error, PipelineError) and error.cause is not None and error.cause not in found:
            commands = _commands(error.cause, connection)
            found[error.cause] = Notice(error.cause, str(error), error.remedy, _code(error), commands)
    return tuple(found.values())


def of_commit(
    connection: Connection, unread: Iterable[ProviderError], objections: Sequence[str], hold_id: UUID | None
) -> tuple[Notice, ...]:
    """What of a sync that was committed only a person can mend.

    :param unread: why single listings could not be read.
    :param objections: the guard's.
    """
    found = of_errors(connection, unread)
    if not objections:
        return found
    held = Notice(
        Cause.HELD,
        f"nothing was deactivated: {'; '.join(objections)}",
        "Look at the provider's own directory and at what is held. If the directory really shrank, approve the hold; "
        "if not, repair the listing, or reject it.",
        commands=tuple(f"{_PROGRAM} holds {verb} {hold_id}" for verb in ("show", "approve", "reject")),
    )
    return (held, *found)


def of_publishing(tenant_id: str, error: BaseException) -> tuple[Notice, ...]:
    """What of a publishing's end only a person can mend: Google refuses, and will refuse again."""
    if not isinstance(error, PipelineError) or not _is_for_good(error):
        return ()
    commands = (
        f"{_PROGRAM} spreadsheets import FILE.json",
        f"{_PROGRAM} publish --tenant-id {shlex.quote(tenant_id)}",
    )
    return (Notice(Cause.SPREADSHEET, str(error), error.remedy, _code(error), commands),)


def _code(error: PipelineError) -> str | None:
    return error.code if isinstance(error, ProviderError) else None


def _is_for_good(error: PipelineError) -> bool:
    """Whether publishing again as things are would come to the same."""
    is_refusal = isinstance(error, ProviderError) and not isinstance(error, InvalidResponse) and not error.is_retryable
    return is_refusal or error.cause is not None


def rehearsal(at: dt.datetime) -> Told:
    """A notice that means nothing, to try a receiver with."""
    return Told(
        notice_id=uuid4(),
        tenant_id="test",
        system_type="TEST",
        day=at.date(),
        cause="TEST",
        message="This is a test: nothing happened.",
        remedy=None,
        provider_code=None,
        commands=(),
        created_at=at,
        delivered_at=None,
        tries=1,
        last_error=None,
    )


def as_json(told: Told) -> bytes:
    """The payload: docs/operations.md says what each key means."""
    payload = {
        "version": VERSION,
        "type": "critical_notice",
        "notice_id": str(told.notice_id),
        "tenant_id": told.tenant_id,
        "system": told.system_type,
        "cause": told.cause,
        "message": told.message,
        "remedy": told.remedy,
        "provider_code": told.provider_code,
        "commands": list(told.commands),
        "day": told.day.isoformat(),
        "created_at": told.created_at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z"),
    }
    return json.dumps(payload, ensure_ascii=False).encode()


def _commands(cause: Cause, connection: Connection) -> tuple[str, ...]:
    test = (
        f"{_PROGRAM} connections test --tenant-id {shlex.quote(connection.tenant_id)} --system-type {connection.system}"
    )
    is_imported_again = cause in {Cause.RECONNECT, Cause.CONFIGURATION}
    return (f"{_PROGRAM} connections import FILE.json", test) if is_imported_again else (test,)
