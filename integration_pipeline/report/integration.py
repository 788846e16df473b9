"""The integration report (requirement A15): what a day's syncs came to, who is who, and what needs a person.

history, mappings -> one day's rows -> text for a terminal, or Markdown
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from zoneinfo import ZoneInfo

from integration_pipeline.model import Status, SyncType, System
from integration_pipeline.report import markdown
from integration_pipeline.report.markdown import escaped
from integration_pipeline.store import holds, locks, spreadsheets
from integration_pipeline.store.engine import Database
from integration_pipeline.store.holds import Hold
from integration_pipeline.store.queries import sql
from integration_pipeline.store.spreadsheets import Standing
from integration_pipeline.text import clean, count, table

TOKYO = ZoneInfo("Asia/Tokyo")
"""The report's days are the schedule's."""

NOT_RUN, RUNNING, WARNING = "not run", "running", "warning"

SHEETS, PUBLISHING = "GOOGLE_SHEETS", "PUBLISHING"
"""Where the figures go, and what going there is called, beside the systems and their sync types."""
_NUMBERS = ("CREATED", "UPDATED", "DELETED", "UNCHANGED", "REJECTED", "CALLS", "SECONDS")
_SYNCS = ("TENANT", "SYSTEM", *SyncType, *_NUMBERS)
_PEOPLE_NUMBERS = ("ACCOUNTS", "MAPPED", "%", "UNMATCHED", "AMBIGUOUS", "LEAVERS")
_PEOPLE = ("TENANT", "NAME", "SYSTEM", *_PEOPLE_NUMBERS)
_LEGEND = (
    "ACCOUNTS in use; of them MAPPED to an internal user, UNMATCHED (nobody found), AMBIGUOUS (more than one found), "
    "LEAVERS (the internal user is not active any more)"
)

_HOLD_NUMBERS = ("HELD",)
_HOLDS = ("TENANT", "SYSTEM", "TYPE", *_HOLD_NUMBERS, "SINCE", "WHY", "HOLD")
_DECIDE = "Nobody of them is deactivated until a person decides: integration-pipeline holds show, approve, reject"


class Sync(NamedTuple):
    """The last sync of the day of one tenant, system and type; without one, the status is null."""

    tenant_id: str
    tenant_name: str
    system: str
    sync_type: str
    status: str | None
    started_at: dt.datetime | None
    completed_at: dt.datetime | None
    processed: int | None
    created: int | None
    updated: int | None
    deleted: int | None
    unchanged: int | None
    rejected: int | None
    api_calls: int | None
    error_type: str | None
    error_message: str | None
    remedy: str | None
    warnings: Sequence[str] | None
    attempts: int
    is_running: bool = False

    @property
    def state(self) -> str:
        """The status, or why there is none yet."""
        if self.status is None:
            return NOT_RUN
        return RUNNING if self.is_running else self.status

    @property
    def seconds(self) -> float:
        if self.started_at is None or self.completed_at is None:
            return 0.0
        return (self.completed_at - self.started_at).total_seconds()


class Coverage(NamedTuple):
    """How many of a connection's accounts in use belong to somebody known, as it stands now."""

    tenant_id: str
    system: str
    active: int
    mapped: int
    unmatched: int
    ambiguous: int
    of_leavers: int


@dataclass(frozen=True, slots=True)
class Report:
    """One day, read."""

    day: dt.date
    syncs: Sequence[Sync]
    coverage: Sequence[Coverage]
    holds: Sequence[Hold] = ()
    """What the guard keeps back and nobody has decided yet, as it stands now."""
    publications: Sequence[Standing] = ()
    """How each tenant's last publishing ended, as it stands now."""


class Attention(NamedTuple):
    """Something that is not as it should be, and what to do about it."""

    tenant_id: str
    system: str
    state: str
    """The sync's, or :data:`WARNING` where it is only something to know."""
    error_type: str | None
    message: str | None
    remedy: str | None
    sync_types: tuple[str, ...]

    @property
    def what(self) -> str:
        """All of it in one sentence."""
        if self.state == NOT_RUN:
            return "was due and did not run"
        if self.state == WARNING:
            return self.message or ""
        return f"{self.state}, {self.error_type}: {self.message or 'no message'}"


def read(database: Database, *, day: dt.date | None, now: dt.datetime) -> Report:
    """A day's report from the database.

    :param day: None = today in Tokyo, or where nothing was synced today yet, the newest day on which something was.
    """
    with database.operator() as cursor:
        if day is None:
            today = now.astimezone(TOKYO).date()
            newest = cursor.execute(sql("report/day"), {"day": today}).fetchone()
            day = newest[0] if newest and newest[0] else today
        running = locks.running(cursor)
        rows = cursor.execute(sql("report/syncs"), {"day": day}).fetchall()
        running |= locks.running(cursor)
        coverage = [Coverage(*row) for row in cursor.execute(sql("report/coverage"))]
        waiting = holds.waiting(cursor)
    publications = spreadsheets.standing(database)
    syncs = [Sync(*row) for row in rows]
    syncs = [sync._replace(is_running=_is_running(sync, running)) for sync in syncs]
    return Report(day, syncs, coverage, waiting, publications)


def as_text(report: Report) -> list[str]:
    """The report for a terminal."""
    lines = [*_headline(report), ""]
    if report.syncs:
        lines += [*table(_SYNCS, list(_sync_rows(report.syncs)), numbers=_NUMBERS), ""]
    if report.coverage:
        lines += ["Who is who, as it stands now", *table(_PEOPLE, list(_people_rows(report)), numbers=_PEOPLE_NUMBERS)]
        lines += [_LEGEND, ""]
    if report.holds:
        lines += ["Holds waiting, as it stands now", *table(_HOLDS, list(_hold_rows(report)), numbers=_HOLD_NUMBERS)]
        lines += [_DECIDE, ""]
    return lines + _attention_lines(report)


def as_markdown(report: Report) -> list[str]:
    """The same for people's documents."""
    title, *facts = _headline(report)
    lines = [f"# {escaped(title)}", "", *map(escaped, facts), ""]
    if report.syncs:
        lines += ["## Syncs", "", *markdown.table(_SYNCS, list(_sync_rows(report.syncs)), numbers=_NUMBERS), ""]
    if report.coverage:
        lines += ["## Who is who, as it stands now", ""]
        lines += [
            *markdown.table(_PEOPLE, list(_people_rows(report)), numbers=_PEOPLE_NUMBERS),
            "",
            escaped(_LEGEND),
            "",
        ]
    if report.holds:
        lines += ["## Holds waiting, as it stands now", ""]
        lines += [*markdown.table(_HOLDS, list(_hold_rows(report)), numbers=_HOLD_NUMBERS), "", escaped(_DECIDE), ""]
    lines += ["## What needs attention", ""]
    for item in attention(report):
        lines.append(f"- **{escaped(_where(item))}**: {escaped(item.what)}")
        if item.remedy:
            lines.append(f"  - What to do: {escaped(item.remedy)}")
    return lines if lines[-1] else [*lines, "Nothing."]


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
    for sync in report.syncs:
        for warning in sync.warnings or ():
            found.setdefault((sync.tenant_id, sync.system, WARNING, None, warning, None), []).append(sync.sync_type)
    return [Attention(*trouble, tuple(types)) for trouble, types in found.items()]


def _is_running(sync: Sync, running: set[int]) -> bool:
    is_open = sync.status is not None and sync.completed_at is None
    return is_open and locks.lock_key(sync.tenant_id, System(sync.system)) in running


def _headline(report: Report) -> Iterator[str]:
    yield f"Integration report for {report.day} (Asia/Tokyo)"
    if not report.syncs:
        yield "No connection is enabled, and nothing was synced."
        return
    states = Counter(sync.state for sync in report.syncs)
    named = [f"{states[state]:,} {state}" for state in (*Status, RUNNING, NOT_RUN) if states[state]]
    tenants = len({sync.tenant_id for sync in report.syncs})
    connections = len({(sync.tenant_id, sync.system) for sync in report.syncs})
    yield f"{count(tenants, 'tenant')}, {count(connections, 'connection')}, the last sync of each type: {', '.join(named)}"


def _sync_rows(syncs: Sequence[Sync]) -> Iterator[list[str]]:
    """A row for each connection, its types side by side, and one for all of them."""
    by_connection: dict[tuple[str, str], list[Sync]] = {}
    for sync in syncs:
        by_connection.setdefault((sync.tenant_id, sync.system), []).append(sync)
    for (tenant_id, system), own in by_connection.items():
        states = {sync.sync_type: sync.state for sync in own}
        yield [tenant_id, system, *(states.get(sync_type, "off") for sync_type in SyncType), *_sums(own)]
    yield ["all", "", *("" for _ in SyncType), *_sums(syncs)]


def _sums(syncs: Sequence[Sync]) -> list[str]:
    columns = zip(
        *((s.created, s.updated, s.deleted, s.unchanged, s.rejected, s.api_calls) for s in syncs), strict=True
    )
    totals = [f"{sum(number or 0 for number in column):,}" for column in columns]
    return [*totals, f"{sum(sync.seconds for sync in syncs):,.1f}"]


def _people_rows(report: Report) -> Iterator[list[str]]:
    names = {sync.tenant_id: sync.tenant_name for sync in report.syncs}
    rows = sorted(report.coverage)
    for row in rows:
        yield [row.tenant_id, names.get(row.tenant_id, ""), row.system, *_people_numbers(row[2:])]
    if rows:
        yield [
            "all",
            "",
            "",
            *_people_numbers([sum(column) for column in zip(*(row[2:] for row in rows), strict=True)]),
        ]


def _people_numbers(numbers: Sequence[int]) -> list[str]:
    active, mapped, *others = numbers
    share = f"{100 * mapped / active:.1f}" if active else ""
    return [f"{active:,}", f"{mapped:,}", share, *(f"{number:,}" for number in others)]


def _hold_rows(report: Report) -> Iterator[list[str]]:
    for hold in report.holds:
        since = f"{hold.created_at.astimezone(TOKYO):%Y-%m-%d %H:%M}"
        where = (hold.tenant_id, hold.system_type, hold.sync_type)
        yield [*where, f"{hold.held:,}", since, "; ".join(hold.reasons), str(hold.hold_id)]


def _attention_lines(report: Report) -> list[str]:
    items = attention(report)
    if not items:
        return ["Nothing needs attention."]
    lines = ["What needs attention"]
    for item in items:
        lines.append(f"- {clean(_where(item))}: {clean(item.what)}")
        if item.remedy:
            lines.append(f"  what to do: {clean(item.remedy)}")
    return lines


def _where(item: Attention) -> str:
    return f"{item.tenant_id} {item.system} ({', '.join(item.sync_types)})"
