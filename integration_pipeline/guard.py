"""Whether so many may go at once: the last look before anybody is deactivated (requirement A10).

A directory that reads small is more often misread than shrunk. Removals by flag and by absence count alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MAX_REMOVED = 10
MAX_REMOVED_PERCENT = 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Above both numbers, nothing is removed. They can be raised per connection, never lowered or switched off.

    However far they are raised, all of a kind waits, where it is more than :data:`MAX_REMOVED`.
    """

    max_removed: int = MAX_REMOVED
    max_removed_percent: int = MAX_REMOVED_PERCENT


def objections(
    *, removals: Mapping[str, int], active: Mapping[str, int], emptied: Sequence[str], limits: Limits
) -> list[str]:
    """Why the removals of one sync must wait for a person; empty when they may go.

    :param removals: kind → how many active rows would become inactive.
    :param active: kind → how many rows are active now.
    :param emptied: listings that were complete and empty although active rows stand under them.
    """
    found = [f"the listing {listing!r} is empty although it had active rows" for listing in emptied[:1]]
    if len(emptied) > 1:
        found.append(f"so are {len(emptied) - 1} more")
    for kind, count in sorted(removals.items()):
        of = active.get(kind, 0)
        if count > limits.max_removed and count * 100 > limits.max_removed_percent * of:
            found.append(
                f"{count} of {of} active {kind} rows would be deactivated, more than {limits.max_removed} "
                f"and more than {limits.max_removed_percent} %"
            )
        elif MAX_REMOVED < count == of:
            found.append(f"all {count} active {kind} rows would be deactivated")
    return found
