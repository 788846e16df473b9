"""Outcomes as lines: the contract's JSON, and aligned text for people."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from integration_pipeline.commands import estimates
from integration_pipeline.commands.output import iso
from integration_pipeline.model import Outcome, PlannedChange, Status, SyncType
from integration_pipeline.registry import FOLDERS
from integration_pipeline.text import clean, count, figure, pad, width

NAMED_CHANGES = 20
"""How many changes of a dry run are shown for each sync; the counts above them are whole."""

_INDENT = "    "
_NUMBERS = ("CREATED", "UPDATED", "DELETED", "UNCHANGED", "REJECTED", "CALLS", "LEAST", "SECONDS")
_MARKS = {"CREATE": "+", "UPDATE": "~", "DEACTIVATE": "-", "MATCH": "="}
_SYSTEM = max(len(name) for name in ("SYSTEM", *FOLDERS))
_TYPE = max(len(name) for name in SyncType)
_STATUS = max(len(name) for name in Status)


def as_json(outcome: Outcome) -> Mapping[str, Any]:
    """The contract's line: these keys, in this order."""
    counts = outcome.counts
    return {
        "sync_id": outcome.sync_id,
        "tenant_id": outcome.tenant_id,
        "system_type": outcome.system,
        "sync_type": outcome.sync_type,
        "started_at": iso(outcome.started_at),
        "completed_at": iso(outcome.completed_at),
        "status": outcome.status,
        "records_processed": counts.processed,
        "records_created": counts.created,
        "records_updated": counts.updated,
        "records_deleted": counts.deleted,
        "records_unchanged": counts.unchanged,
        "records_rejected": counts.rejected,
        "error_type": outcome.error_type,
        "error_message": outcome.error_message,
        "api_calls": outcome.api_calls,
        "api_calls_minimum": outcome.api_calls_minimum,
        "dry_run": outcome.dry_run,
    }


class Lines:
    """Outcomes as text, in columns that are as wide as the longest tenant id needs."""

    def __init__(self, tenant_ids: Iterable[str]) -> None:
        self._tenant = max(width(clean(text)) for text in ("TENANT", *tenant_ids))

    def header(self) -> str:
        return "  ".join([*self._names("TENANT", "SYSTEM", "TYPE", "STATUS"), *_NUMBERS])

    def of(self, outcome: Outcome) -> Iterator[str]:
        """One line, and below it what is to be said of it."""
        counts = outcome.counts
        numbers = (
            *(counts.created, counts.updated, counts.deleted, counts.unchanged, counts.rejected),
            *(outcome.api_calls, outcome.api_calls_minimum),
        )
        seconds = (outcome.completed_at - outcome.started_at).total_seconds()
        cells = [*map(figure, numbers), f"{seconds:.1f}"]
        names = self._names(outcome.tenant_id, outcome.system, outcome.sync_type, outcome.status)
        yield "  ".join(
            [*names, *(pad(cell, len(name), right=True) for cell, name in zip(cells, _NUMBERS, strict=True))]
        )
        if outcome.error_type:
            yield f"{_INDENT}{outcome.error_type}: {clean(outcome.error_message or 'no message')}"
        if outcome.remedy:
            yield f"{_INDENT}what to do: {clean(outcome.remedy)}"
        yield from (f"{_INDENT}note: {clean(warning)}" for warning in outcome.warnings)
        yield from _changes(outcome)

    def _names(self, tenant_id: str, system: str, sync_type: str, status: str) -> Sequence[str]:
        return (
            pad(clean(tenant_id), self._tenant),
            pad(system, _SYSTEM),
            pad(sync_type, _TYPE),
            pad(status, _STATUS),
        )


def summary(outcomes: Sequence[Outcome], *, refused: int, seconds: float) -> str:
    """The last line: how many of each, and what they came to."""
    parts = _by_status(outcomes)
    if refused:
        parts.append(f"{count(refused, 'connection')} refused")
    totals = [
        f"{sum(getattr(outcome.counts, name) for outcome in outcomes):,} {name}"
        for name in ("created", "updated", "deleted", "unchanged")
    ]
    calls = count(sum(outcome.api_calls for outcome in outcomes), "API call")
    least = f"{sum(outcome.api_calls_minimum or 0 for outcome in outcomes):,} at least"
    dry = (
        "; a dry run: nothing was written, and applying it costs as much again"
        if any(o.dry_run for o in outcomes)
        else ""
    )
    expected = f"; {estimates.after(outcomes)}" if outcomes else ""
    return (
        f"{count(len(outcomes), 'sync')}: {', '.join(parts) or 'none'}; {', '.join(totals)}; "
        f"{calls}, {least}, in {seconds:.1f} s{expected}{dry}"
    )


def cut_short(ended: Sequence[Outcome], started: int, due: int, *, dry_run: bool) -> str:
    """The last line of a batch that was told to end: what it came to, and what becomes of the rest.

    :param started: how many syncs began, of all that were due.
    """
    of = ", ".join(_by_status(ended))
    rest = "a dry run: nothing was written" if dry_run else "the next run goes on from here"
    return (
        f"cut short: {count(len(ended), 'sync')} ended{f' ({of})' if of else ''}, {started - len(ended):,} interrupted, "
        f"{due - started:,} not begun; {rest}"
    )


def _by_status(outcomes: Sequence[Outcome]) -> list[str]:
    found = Counter(outcome.status for outcome in outcomes)
    return [f"{found[status]} {status}" for status in Status if found[status]]


def _changes(outcome: Outcome) -> Iterator[str]:
    counts = outcome.counts
    shown = outcome.changes[:NAMED_CHANGES]
    yield from (f"{_INDENT}{_change(change)}" for change in shown)
    more = max(counts.created + counts.updated + counts.deleted, len(outcome.changes)) - len(shown)
    if outcome.dry_run and more > 0:
        yield f"{_INDENT}… and {more:,} more"


def _change(change: PlannedChange) -> str:
    mark = _MARKS.get(change.action, "?")
    name = f"  {clean(change.name)}" if change.name else ""
    return f"{mark} {change.action.lower()} {change.kind.lower()} {clean(change.key)}{name}"
