"""What needs a person on a report's day: every sync that did not go well, and what else should not stay as it is."""

from typing import NamedTuple

from integration_pipeline.errors import Cause
from integration_pipeline.model import Status
from integration_pipeline.notices import Told
from integration_pipeline.report.integration import NOT_RUN, RUNNING, TOKYO, Report
from integration_pipeline.report.words import EN, Words
from integration_pipeline.store.spreadsheets import Standing

WARNING = "warning"
AMBIGUOUS = "ambiguous"

SHEETS = "GOOGLE_SHEETS"
"""Where the figures go, beside the systems."""
PUBLISHING = "PUBLISHING"
"""What going there is called, beside the sync types."""

_SHOW_AMBIGUOUS = "integration-pipeline mappings list --tenant-id … --status ERROR"


class Attention(NamedTuple):
    """Something that is not as it should be, and what to do about it."""

    tenant_id: str
    system: str
    state: str
    """The sync's; :data:`WARNING` where it is only something to know, :data:`AMBIGUOUS` where it is who is who."""
    error_type: str | None
    message: str | None
    remedy: str | None
    sync_types: tuple[str, ...]
    accounts: int = 0
    """How many, where it is who is who."""


class Stored(NamedTuple):
    """What the pipeline said of it when it happened: in the report's language where that is known, else in English."""

    text: str
    language: str


class Explained(NamedTuple):
    """The same in a report's language."""

    meaning: str
    todo: str | None
    exact: tuple[Stored, ...]
    """What was stored of it."""


def attention(report: Report) -> list[Attention]:
    """Everything that did not go well, the same trouble of one connection's types as one, the worst first."""
    found: dict[tuple[str, str, str, str | None, str | None, str | None], list[str]] = {}
    under_way = {(sync.tenant_id, sync.system) for sync in report.syncs if sync.state == RUNNING}
    for sync in sorted(report.syncs, key=lambda sync: sync.state != Status.FAILED):
        comes = sync.state == NOT_RUN and (sync.tenant_id, sync.system) in under_way
        if sync.state not in (Status.SUCCESS, RUNNING) and not comes:
            trouble = (sync.tenant_id, sync.system, sync.state, sync.error_type, sync.error_message, sync.remedy)
            found.setdefault(trouble, []).append(sync.sync_type)
    for one in report.publications:
        if one.last_error_type:
            trouble = (one.tenant_id, SHEETS, Status.FAILED, one.last_error_type, one.last_error, one.last_remedy)
            found[trouble] = [PUBLISHING]
    for row in report.coverage:
        if row.ambiguous:
            found[row.tenant_id, row.system, AMBIGUOUS, None, None, None] = []
    for sync in report.syncs:
        for warning in sync.warnings or ():
            found.setdefault((sync.tenant_id, sync.system, WARNING, None, warning, None), []).append(sync.sync_type)
    accounts = {(row.tenant_id, row.system, AMBIGUOUS): row.ambiguous for row in report.coverage}
    return [Attention(*trouble, tuple(types), accounts.get(trouble[:3], 0)) for trouble, types in found.items()]


def shared(report: Report) -> dict[Attention, list[Attention]]:
    """The same, each trouble that several tenants have said once: it by itself, and whom it concerns."""
    found: dict[Attention, list[Attention]] = {}
    for item in attention(report):
        found.setdefault(item._replace(tenant_id="", sync_types=(), accounts=0), []).append(item)
    return found


def place(words: Words, item: Attention, tenant: str) -> str:
    """Whom it concerns, and what of theirs."""
    parts = [words(sync_type) for sync_type in item.sync_types]
    if item.accounts:
        parts.append(words.count("count.accounts", item.accounts))
    return words("attention.where", tenant=tenant, types=words.list(parts))


def explained(words: Words, item: Attention) -> Explained:
    """What it means and what to do, in general where nothing exact is known in the language."""
    key = item.error_type if item.error_type and item.state not in {NOT_RUN, WARNING} else item.state
    if item.state == AMBIGUOUS:
        return Explained(words(f"kind.{key}"), words(f"todo.{key}"), (Stored(_SHOW_AMBIGUOUS, EN),))
    # What publishing has of its own is said of spreadsheets and not of a provider's directory.
    own = f"{key}.{item.system}"
    meaning = words.get(f"kind.{own}") or words.get(f"kind.{key}") or words("kind.UNKNOWN_ERROR")
    advice = words.get(f"todo.{own}") or words.get(f"todo.{key}")
    remedy = words.sentence(item.remedy) if item.remedy else None
    # A remedy that is known in English alone is what the general advice is made exact with.
    exact = filter(None, [item.message, None if remedy else item.remedy])
    return Explained(meaning, remedy or advice, tuple(stored(words, text) for text in exact))


def stored(words: Words, text: str) -> Stored:
    """What is stored, in the report's language where it can be said in it."""
    said = words.sentence(text)
    return Stored(text, EN) if said is None else Stored(said, words.language)


def is_settled(report: Report, told: Told) -> bool:
    """Whether what people were told of no longer stands: the hold was decided, the sync or the publishing went well since."""
    of = (told.tenant_id, told.system_type)
    if told.cause == Cause.HELD:
        return of not in {(hold.tenant_id, hold.system_type) for hold in report.holds}
    if told.cause == Cause.SPREADSHEET:
        return any(_is_well_since(one, told) for one in report.publications if one.tenant_id == told.tenant_id)
    ran = [sync for sync in report.syncs if (sync.tenant_id, sync.system) == of and sync.state != NOT_RUN]
    # What asked the provider nothing, as an approved hold, says nothing of its credentials.
    return all(sync.state == Status.SUCCESS for sync in ran) and any(sync.api_calls for sync in ran)


def _is_well_since(published: Standing, told: Told) -> bool:
    last = published.last_published_at
    return published.last_error_type is None and last is not None and last > told.created_at


def told_of(words: Words, report: Report, told: Told) -> str:
    """Why people were told, whether they were, and whether it is settled since."""
    at = told.delivered_at
    cause = words(f"cause.{told.cause}")
    if is_settled(report, told):
        cause = words("notices.settled", cause=cause)
    if at is None:
        return words("notices.not yet", cause=cause)
    return words("notices.told", cause=cause, at=f"{at.astimezone(TOKYO):%H:%M}")
