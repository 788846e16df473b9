"""What a connection's syncs will cost: as much as they did last, in the time that the limits leave. Pure.

what was asked last, the provider's limits, the connection's own -> calls, seconds
"""

from collections.abc import Mapping

from integration_pipeline.http.limiter import Limiter, own_limit
from integration_pipeline.model import Estimate, Load, SyncType
from integration_pipeline.provider import Limit


def estimated(
    loads: Mapping[SyncType, Mapping[str, Load]],
    limits: Mapping[str, tuple[Limit, ...]],
    *,
    requests_per_minute: int,
) -> dict[SyncType, Estimate]:
    """What each of these syncs will cost, one after the other, as they share the limits.

    The limiter itself says when a request may go, on a clock that only its waits and the answers move: so the estimate
    waits exactly as the work would.

    :param loads: what each was asked last, in the order of the work.
    :param limits: the provider's, by operation; one that is no longer there limits nothing.
    :param requests_per_minute: the connection's own limit.
    """
    clock = _Clock()
    limiter = Limiter(clock.now)
    own = own_limit(requests_per_minute)
    found = {}
    for sync_type, load in loads.items():
        began, calls = clock.seconds, 0
        for operation, asked in load.items():
            calls += asked.questions
            for number in range(asked.questions):
                # The parts spread evenly: the last batch alone is shorter.
                parts = (number + 1) * asked.parts // asked.questions - number * asked.parts // asked.questions
                costs = {own: 1, **dict.fromkeys(limits.get(operation, ()), parts)}
                with limiter.take(costs, pause=clock.wait):
                    clock.wait(asked.seconds / asked.questions)
        found[sync_type] = Estimate(calls, clock.seconds - began)
    return found


class _Clock:
    """Time that passes only when somebody waits for it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def wait(self, seconds: float, _reason: str = "") -> None:
        self.seconds += seconds
