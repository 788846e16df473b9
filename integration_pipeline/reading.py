"""Walking a provider: its pages against what is stored, what is absent, and what the guard says. Nothing is written.

listings -> pages -> diff -> spool        what no complete listing held -> guard -> Plan
"""

from collections import Counter
from functools import partial

from integration_pipeline import guard
from integration_pipeline.attempt import Attempt
from integration_pipeline.diff import Absence, Diff
from integration_pipeline.errors import InvalidResponse, ProviderError
from integration_pipeline.model import Connection, Page, SyncType
from integration_pipeline.provider import Listing, Provider
from integration_pipeline.store import staging
from integration_pipeline.store.spool import Spool, row_of, row_of_absence
from integration_pipeline.verdict import Plan, Walk

LARGEST_LISTING = 10_000_000
"""Rows. Ten times the largest directory there is; a provider that goes on has lost its way, and would take our memory."""


def read(attempt: Attempt, provider: Provider, spool: Spool) -> Plan:
    """Walk the provider and compare; nothing is written."""
    target = attempt.target
    attempt.session.known = partial(_known, attempt)
    diff = Diff({}, by_kind=target.by_kind)
    if attempt.stored is not None:
        diff.load(attempt.stored)
        attempt.stored = None
    walk = _walk(attempt, provider, diff, spool)
    if diff.unproven:
        attempt.session.memo.clear()  # nor does what it fetched for other types count as whole
    absent, objections = _removals(attempt, diff, walk)
    for absence in absent:
        if absence.is_active or not objections:  # where the guard doubts the listing, nothing is believed of it
            spool.add(row_of_absence(absence, len(target.columns)), deactivates=absence.is_active)
    if objections:
        diff.hold()
    else:
        diff.absent(absent)
    return Plan(attempt.generation, diff, walk, objections)


def _walk(attempt: Attempt, provider: Provider, diff: Diff, spool: Spool) -> Walk:
    walk = Walk()
    for listing in provider.listings[attempt.sync_type](attempt.session):
        if listing.is_main:
            walk.main.add(listing.name)
        try:
            _compare(attempt, listing, diff, spool)
        except ProviderError as error:
            if listing.is_main or error.is_fatal:
                raise
            walk.unread[listing.name] = error
        else:
            (walk.complete if listing.proves_absence else walk.silent).add(listing.name)
            if listing.is_often_empty:
                walk.often_empty.add(listing.name)
    if walk.unread and not walk.complete:
        raise next(iter(walk.unread.values()))
    return walk


def _compare(attempt: Attempt, listing: Listing, diff: Diff, spool: Spool) -> None:
    """Read one listing to its end, against all that is stored or, where it tells changes, against what it names."""
    connection, target = attempt.session.connection, attempt.target
    if not listing.tells_changes and not diff.is_loaded:
        with attempt.transaction() as cursor:
            diff.load(staging.stored(cursor, target, connection))
    for page in listing.pages:
        if listing.tells_changes:
            _learn(attempt, listing, diff, page)
        for change in diff.feed(listing.name, page):
            spool.add(row_of(change), deactivates=change.deactivates)
        if diff.rows[listing.name] > LARGEST_LISTING:
            raise InvalidResponse(f"the listing does not end: it has more than {LARGEST_LISTING} rows")
        attempt.rows_read += len(page.records) + len(page.rejected) + len(page.removed)
        attempt.run.on_read(connection, attempt.sync_type, attempt.rows_read)
    if listing.tells_changes:
        there = attempt.ask(lambda cursor: staging.count_there(cursor, target, connection, listing.name))
        diff.keep_others(listing.name, there)


def _learn(attempt: Attempt, listing: Listing, diff: Diff, page: Page) -> None:
    names = diff.names(page)
    if names:
        connection = attempt.session.connection
        hashes = attempt.ask(lambda cursor: staging.hashes(cursor, attempt.target, connection, names))
        diff.learn(listing.name, hashes)


def _known(attempt: Attempt, sync_type: SyncType, kind: str) -> dict[str, str]:
    connection, target = attempt.session.connection, staging.TARGETS[sync_type]
    return attempt.ask(lambda cursor: staging.active_rows(cursor, target, connection, kind))


def _removals(attempt: Attempt, diff: Diff, walk: Walk) -> tuple[list[Absence], list[str]]:
    """The rows proven absent, and why they must stay as they are for now if they must."""
    names = diff.unseen()
    if not names and not diff.deactivated:
        return [], []
    connection, target = attempt.session.connection, attempt.target
    unseen, active = attempt.ask(lambda cursor: staging.removals(cursor, target, connection, names))
    absent = [absence for absence in unseen if walk.may_prove_absent(absence.listing, diff.unproven)]
    leaving = [absence for absence in absent if absence.is_active]
    lost = Counter(absence.kind for absence in leaving)
    # No listing at all is as good as an empty one that is often empty: suspect when nothing of the kind is left.
    always_filled = walk.complete - walk.often_empty
    emptied = {
        absence.listing
        for absence in leaving
        if not diff.rows.get(absence.listing)
        and (absence.listing in always_filled or lost[absence.kind] == active[absence.kind])
    }
    return absent, guard.objections(
        removals=lost + Counter(diff.deactivated), active=active, emptied=sorted(emptied), limits=_limits(connection)
    )


def _limits(connection: Connection) -> guard.Limits:
    return guard.Limits(
        max_removed=connection.options.get("guard_max_removed", guard.MAX_REMOVED),
        max_removed_percent=connection.options.get("guard_max_removed_percent", guard.MAX_REMOVED_PERCENT),
    )
