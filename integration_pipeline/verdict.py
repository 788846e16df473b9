"""What a walk came to, before anything is written: what is proven, what is held, and the status that follows. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from uuid import UUID

from integration_pipeline.diff import NAMED, Diff
from integration_pipeline.errors import Kind, ProviderError
from integration_pipeline.model import Counts, Status
from integration_pipeline.store.staging import Problem

NAMED_LISTINGS = 3
"""How many listings an error message names; ``sync_errors`` has more of them."""


@dataclass(slots=True)
class Walk:
    """What was read to its end, and what was not."""

    main: set[str] = field(default_factory=set)
    complete: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    """Read to their end, but known to leave things out."""
    often_empty: set[str] = field(default_factory=set)
    unread: dict[str, ProviderError] = field(default_factory=dict)

    def may_prove_absent(self, listing: str, unproven: Mapping[str, str]) -> bool:
        """Whether a row under this listing is gone when nobody saw it.

        A listing that was never opened has lost its parent: gone with it, if the main listing is proven. Where none is
        the main one, its rows may have moved to any other, so that every other must be proven.
        """
        if listing in self.complete:
            return listing not in unproven
        if not self.main:
            return not (self.unread or self.silent or unproven)
        return not (listing in self.unread or listing in self.silent or self.main & unproven.keys())


@dataclass(frozen=True, slots=True)
class Plan:
    """What a walk came to, before anything is written."""

    generation: int
    diff: Diff
    walk: Walk
    objections: list[str]

    @property
    def is_held(self) -> bool:
        return bool(self.objections)

    @property
    def is_complete(self) -> bool:
        """Whether everybody who is stored was seen or is known to be gone."""
        return not self.walk.unread and not self.diff.unproven and not self.is_held


def verdict(plan: Plan, hold_id: UUID | None = None) -> tuple[Status, Counts, Kind | None, str | None, str | None]:
    """SUCCESS, or PARTIAL with every reason; the kind is the gravest one's."""
    diff, walk = plan.diff, plan.walk
    reasons: list[tuple[Kind, str]] = []
    if plan.is_held:
        reasons.append((Kind.HELD, f"nothing was deactivated: {'; '.join(plan.objections)}"))
    if walk.unread:
        reasons.append((Kind.INCOMPLETE, f"could not read {_named(walk.unread)}"))
    if diff.unproven:
        reasons.append((Kind.INCOMPLETE, f"cannot tell what is gone, {_named(diff.unproven)}"))
    if diff.counts.rejected:
        reasons.append((Kind.REJECTED_RECORDS, f"{diff.counts.rejected} records could not be read"))
    if not reasons:
        return Status.SUCCESS, diff.counts, None, None, None
    return Status.PARTIAL, diff.counts, reasons[0][0], "; ".join(text for _, text in reasons), _remedy(plan, hold_id)


def _named(listings: Mapping[str, object]) -> str:
    """The first few listings with what is wrong with each."""
    named = "; ".join(f"{name}: {why}" for name, why in islice(listings.items(), NAMED_LISTINGS))
    more = len(listings) - NAMED_LISTINGS
    return f"{named}; and {more} more" if more > 0 else named


def _remedy(plan: Plan, hold_id: UUID | None) -> str | None:
    if plan.is_held:
        if hold_id is None:
            return "Look at the provider's own directory. The sync itself keeps a hold, to be approved or rejected."
        command = "integration-pipeline holds"
        return (
            f"Look at the provider's own directory and at what is held: {command} show {hold_id}. "
            f"If it really shrank: {command} approve {hold_id}. If not: repair the listing, or reject it."
        )
    return next((error.remedy for error in plan.walk.unread.values() if error.remedy), None)


def problems(plan: Plan) -> list[Problem]:
    """What ``sync_errors`` keeps: the first of what could not be read, and how much more there was."""
    unread, further = plan.walk.unread, plan.diff.further
    found = [
        Problem(error.kind.value, f"{name}: {error}", error.code, error.remedy, None, None)
        for name, error in islice(unread.items(), NAMED)
    ]
    if len(unread) > NAMED:
        found.append(_more(Kind.INCOMPLETE, f"{len(unread) - NAMED} more listings could not be read"))
    found += [
        Problem(Kind.REJECTED_RECORDS.value, rejection.message, None, None, rejection.kind, rejection.key)
        for rejection in plan.diff.rejections
    ]
    if further:
        counted = f"{sum(further.values())} more records could not be read and are not named here"
        found.append(_more(Kind.REJECTED_RECORDS, f"{counted} ({_named(further)})"))
    return found


def _more(kind: Kind, message: str) -> Problem:
    return Problem(kind.value, message, None, None, None, None)
