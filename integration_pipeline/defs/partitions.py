"""Tenants as partitions, one key per tenant with a connection, kept in step with the database by a sensor; and days."""

from collections.abc import Iterable, Iterator, Sequence

import dagster as dg

TENANTS = dg.DynamicPartitionsDefinition(name="tenants")

DAYS = dg.DailyPartitionsDefinition(start_date="2025-01-01", timezone="Asia/Tokyo", end_offset=1)
"""A partition is the rows dated so in each tenant's own calendar; today's is there from midnight in Tokyo on. Tenants are
rows and no second dimension: with date and tenant as keys, every backfill crawls."""

CHUNK = 250
"""Tenants in one scheduled run. A run costs seconds to start whatever it does; a chunk bounds what one run can take
down with it, and how long its events go on."""

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"

# What Dagster refuses in a key: "..." is how it writes a range.
_UNUSABLE = ("...", "\a", "\b", "\f", "\n", "\r", "\t", "\v", "\0")


def is_usable(tenant_id: str) -> bool:
    """Whether a tenant's id can be a partition key. One that cannot is synced by the command line alone."""
    return not any(part in tenant_id for part in _UNUSABLE)


def chunks(keys: Sequence[str], size: int = CHUNK) -> Iterator[Sequence[str]]:
    """The keys in runs of at most ``size``, in the partition set's own order: only neighbours there make a range."""
    for start in range(0, len(keys), size):
        yield keys[start : start + size]


def range_tags(keys: Sequence[str]) -> dict[str, str]:
    """The tags with which one run takes all of these neighbouring partitions."""
    return {RANGE_START: keys[0], RANGE_END: keys[-1]}


def difference(existing: Iterable[str], wanted: Iterable[str]) -> tuple[list[str], list[str]]:
    """What to add to the partition set and what to take out of it."""
    have, want = set(existing), {key for key in wanted if is_usable(key)}
    return sorted(want - have), sorted(have - want)
