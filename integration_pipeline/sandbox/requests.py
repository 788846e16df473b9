"""What was asked of the sandbox, for tests to count."""

from collections import Counter, deque
from typing import NamedTuple

_KEPT = 100_000


class Request(NamedTuple):
    tenant_id: str | None
    """None where the call named no tenant that there is."""
    system: str
    route: str
    method: str
    path: str
    query: str
    status: int
    is_part: bool
    """A part of a batch: no HTTP request of its own."""


class Requests:
    """The log, oldest first. Counts go on where the log has forgotten."""

    def __init__(self) -> None:
        self.log: deque[Request] = deque(maxlen=_KEPT)
        self.counts: Counter[tuple[str | None, str, str]] = Counter()
        """HTTP requests by tenant's id, system and route."""
        self.parts: Counter[tuple[str | None, str, str]] = Counter()
        """The same for the parts of batches."""

    def add(self, request: Request) -> None:
        self.log.append(request)
        (self.parts if request.is_part else self.counts)[request.tenant_id, request.system, request.route] += 1

    def count(self, *, tenant_id: str | None = None, system: str | None = None, route: str | None = None) -> int:
        """How many HTTP requests there were; None = of any."""
        wanted = (tenant_id, system, route)
        return sum(
            number
            for key, number in list(self.counts.items())  # a copy: calls come meanwhile
            if all(name in (None, is_) for name, is_ in zip(wanted, key, strict=True))
        )

    def clear(self) -> None:
        self.log.clear()
        self.counts.clear()
        self.parts.clear()
