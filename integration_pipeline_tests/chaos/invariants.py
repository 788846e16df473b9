"""What must hold whatever went wrong. Pure: snapshots in, broken promises out, in words.

before ──(a night in which something went wrong)──► after        truth: a fresh database that read the same world in peace
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from integration_pipeline import guard
from integration_pipeline.model import Outcome
from integration_pipeline_tests.chaos.snapshot import (
    ACCOUNTS,
    MATCHES,
    TABLES,
    Part,
    Row,
    Rows,
    Snapshot,
    content,
    part_of,
)

NOT_TRIED = "its moment never came: nothing was tried"
"""What a case says of itself whose fault nothing ran into: it would hold whatever the pipeline did."""

_COUNTS = ("created", "updated", "deleted", "unchanged", "rejected")


def broken(before: Snapshot, after: Snapshot, truth: Snapshot, *, is_lied_to: bool = False) -> list[str]:
    """What a night broke, judged by the rows it left behind.

    :param truth: what a peaceful night would have written.
    :param is_lied_to: whether the provider gave an untrue answer in its documented form. Nobody can tell that from the
        truth; what holds then is the guard's bound.
    """
    new = {sync_id: row for sync_id, row in after.history.items() if sync_id not in before.history}
    by_part: dict[Part, list[Row]] = {}
    for row in new.values():
        by_part.setdefault(part_of(row), []).append(row)
    found = [problem for row in new.values() for problem in _lies(row)]
    found += [
        f"the history row {sync_id} of an earlier night was rewritten"
        for sync_id, row in before.history.items()
        if row["completed_at"] and after.history.get(sync_id) != row
    ]
    for part in sorted(before.parts | after.parts | truth.parts):
        rows = by_part.get(part, [])
        if len(rows) > 1:
            found.append(f"{part}: {len(rows)} history rows for one sync")
        written = next((row for row in rows if row["status"] != "FAILED"), None)
        found += [f"{part}: {problem}" for problem in _of(part, written, before, after, truth, is_lied_to=is_lied_to)]
    return found


def unlike(found: Snapshot, truth: Snapshot) -> list[str]:
    """Where a database does not hold what it must, row for row, and which history rows have no end."""
    problems = [
        f"{part}: {table} does not equal the world: {_named(unlike)}"
        for part in sorted(found.parts | truth.parts)
        for table in TABLES[part.sync_type]
        if (unlike := found.unlike(truth, part, table))
    ]
    open_rows = [row for row in found.history.values() if row["completed_at"] is None]
    return problems + [f"{part_of(row)}: an interrupted row was not closed" for row in open_rows]


def told_otherwise(outcomes: Iterable[Outcome], after: Snapshot) -> list[str]:
    """Where what was reported is not what the history says."""
    problems = []
    for outcome in outcomes:
        row = after.history.get(outcome.sync_id or "")
        told = (outcome.status.value, *(getattr(outcome.counts, name) for name in _COUNTS))
        kept = row and (row["status"], *(row[f"records_{name}"] for name in _COUNTS))
        # Without a row: the database could not even take the one that says FAILED.
        if kept != told and (outcome.sync_id or outcome.status != "FAILED"):
            problems.append(f"{outcome.tenant_id} {outcome.system} {outcome.sync_type}: told {told}, kept {kept}")
    return problems


def _lies(row: Row) -> Iterator[str]:
    """What a history row says that cannot be true, whatever happened."""
    part, counts = part_of(row), {name: row[f"records_{name}"] for name in _COUNTS}
    if row["records_processed"] != sum(counts.values()):
        yield f"{part}: {row['records_processed']} processed is not the sum of {counts}"
    if row["completed_at"] is None and (row["status"], row["error_type"]) != ("FAILED", "INTERRUPTED"):
        yield f"{part}: a sync without an end says {row['status']} {row['error_type']}"
    if row["completed_at"] and _time(row["completed_at"]) < _time(row["started_at"]):
        yield f"{part}: it ended before it began"
    if (row["error_type"] is None) != (row["status"] == "SUCCESS"):
        yield f"{part}: {row['status']} with the error {row['error_type']}"
    if row["status"] == "FAILED" and any(counts.values()):
        yield f"{part}: FAILED, and yet {counts}"


def _of(
    part: Part, written: Row | None, before: Snapshot, after: Snapshot, truth: Snapshot, *, is_lied_to: bool
) -> Iterator[str]:
    """What is wrong with one part.

    :param written: the history row of the sync that was committed, if one was.
    """
    for table in TABLES[part.sync_type]:
        was, is_ = before.rows(part, table), after.rows(part, table)
        if written is None and was != is_:
            yield f"nothing was committed, and yet {table} changed: {_named(_differing(was, is_))}"
        if table == MATCHES:
            continue
        yield from _wrong_removals(table, was, is_, after.visible(part, table), truth, part, is_lied_to=is_lied_to)
    if written is None:
        return
    if not is_lied_to:
        yield from _half(part, written, before, after, truth)
    yield from _miscounted(part, written, before, after)


def _wrong_removals(
    table: str, was: Rows, is_: Rows, visible: Rows, truth: Snapshot, part: Part, *, is_lied_to: bool
) -> Iterator[str]:
    there = truth.visible(part, table)
    active = {key for key, row in was.items() if row["is_active"]}
    removed = [
        key for key in active if key in there and there[key]["is_active"] and not is_.get(key, {}).get("is_active")
    ]
    if not removed:
        return
    if not is_lied_to:
        yield f"{table} lost rows that are in the world: {_named(removed)}"
        return
    of_kind = Counter(was[key]["kind"] for key in active)
    for kind, count in Counter(was[key]["kind"] for key in removed).items():
        if count > max(guard.MAX_REMOVED, guard.MAX_REMOVED_PERCENT * of_kind[kind] / 100):
            yield f"{table} lost {count} of {of_kind[kind]} {kind} rows that are in the world: the guard let them go"


def _half(part: Part, written: Row, before: Snapshot, after: Snapshot, truth: Snapshot) -> Iterator[str]:
    """SUCCESS is all of the world; PARTIAL is made of rows as they were and rows as they should be."""
    for table in TABLES[part.sync_type]:
        unlike = after.unlike(truth, part, table)
        if written["status"] == "SUCCESS" and unlike:
            yield f"SUCCESS, and {table} does not equal the world: {_named(unlike)}"
        if written["status"] == "PARTIAL" and table != MATCHES:
            found, old = after.visible(part, table), before.visible(part, table)
            odd = [key for key in unlike if found.get(key) != old.get(key)]
            if odd:
                yield f"{table} has rows that are neither as they were nor as they should be: {_named(odd)}"


def _miscounted(part: Part, written: Row, before: Snapshot, after: Snapshot) -> Iterator[str]:
    sync_id = written["sync_id"]
    table, *_ = TABLES[part.sync_type]
    was, is_ = before.rows(part, table), after.rows(part, table)
    created = {key for key in is_ if key not in was}
    changed = {key for key in is_ if key in was and is_[key] != was[key]}
    deleted = {key for key in changed if was[key]["is_active"] and not is_[key]["is_active"]}
    rematched = _rematched(part, before, after) - created - changed if table == ACCOUNTS else set[str]()
    counted = {name: written[f"records_{name}"] for name in ("created", "updated", "deleted")}
    true = {"created": len(created), "updated": len(changed - deleted | rematched), "deleted": len(deleted)}
    if counted != true:
        yield f"counted {counted}, and it was {true}"
    if after.logged.get(sync_id, 0) != len(changed):
        yield f"{len(changed)} rows changed, and {after.logged.get(sync_id, 0)} are in the change log"
    unsigned = [key for key in created | changed if is_[key]["changed_sync_id"] != sync_id]
    if unsigned:
        yield f"rows that do not say which sync wrote them: {_named(unsigned)}"


def _rematched(part: Part, before: Snapshot, after: Snapshot) -> set[str]:
    was, is_ = before.rows(part, MATCHES), after.rows(part, MATCHES)
    return {key for key in was.keys() | is_.keys() if content(was.get(key, {})) != content(is_.get(key, {}))}


def _differing(one: Rows, other: Rows) -> list[str]:
    return [key for key in one.keys() | other.keys() if one.get(key) != other.get(key)]


def _named(keys: Iterable[str]) -> str:
    listed = sorted(keys)
    return ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if listed[3:] else "")


def _time(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def statuses(outcomes: Mapping[Any, Outcome]) -> str:
    """What a night came to, in a word for the summary."""
    found = {outcome.status.value for outcome in outcomes.values()}
    return "failed" if "FAILED" in found else "partial" if "PARTIAL" in found else "unharmed"
