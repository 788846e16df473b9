"""What is not as it was the day before, in a report's words: results, records, coverage."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from integration_pipeline.model import Status, SyncType
from integration_pipeline.report.days import Connected, Known, Moved, Overview
from integration_pipeline.report.words import Words


class Result(NamedTuple):
    """Sync types whose state moved alike."""

    types: str
    was: str
    came: str


class Change(NamedTuple):
    """One connection's; whatever did not change is empty."""

    results: list[Result]
    records: Mapping[SyncType, str]
    coverage: str
    """From what to what."""
    points: str
    """How far that is."""

    @property
    def is_any(self) -> bool:
        return bool(self.results or any(self.records.values()) or self.points)


def changed(words: Words, connected: Connected) -> Change:
    """What changed of a connection."""
    was_and_is: dict[tuple[str, str], list[str]] = {}
    for sync_type, pair in connected.changed.items():
        was_and_is.setdefault(pair, []).append(words(sync_type))
    results = [Result(words.list(types), *pair) for pair, types in was_and_is.items()]
    records = {sync_type: _records(words, connected.moved.get(sync_type, Moved())) for sync_type in SyncType}
    by = points(words, connected.coverage, connected.coverage_before)
    shares = (connected.coverage_before, connected.coverage)
    before, after = (words.percent(known.share if known else None) for known in shares)
    return Change(results, records, words("change", before=before, after=after) if by else "", by)


def unmoved(words: Words, changes: Sequence[tuple[Connected, Change]]) -> list[str]:
    """What is to be said of those of which no change is known: that there was none is known of what was read alone."""
    silent = [connected for connected, change in changes if not change.is_any]
    unread = sum(any(sync.state != Status.SUCCESS for sync in connected.syncs.values()) for connected in silent)
    if not unread and len(silent) == len(changes):
        return [words("changes.none")]
    counts = {"changes.unknown": unread, "changes.rest": len(silent) - unread}
    return [words.count(key, number) for key, number in counts.items() if number]


def has_day_before(overview: Overview) -> bool:
    """Whether anything was synced on it; else results cannot be compared."""
    return any(sync.status for connected in overview.connections for sync in connected.before.values())


def points(words: Words, now: Known | None, before: Known | None) -> str:
    """How far coverage moved, in percentage points; empty where one side is unknown or both look the same."""
    if now is None or before is None:
        return ""
    moved = round(100 * (now.share - before.share), 1)
    sign = "▲" if moved > 0 else "▼"
    return f"{sign} {words('points', number=f'{abs(moved):.1f}')}" if moved else ""


def _records(words: Words, moved: Moved) -> str:
    counts = {"created": moved.created, "updated": moved.updated, "deleted": moved.deleted}
    return words.list(words(f"changes.{name}", number=f"{number:,}") for name, number in counts.items() if number)
