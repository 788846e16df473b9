"""Rate limits: how many requests may go out, and how to wait for the next one.

    costs -> Limiter.take -> (wait) -> a request may go

A window is a log of what was sent, not a bucket that refills: a provider counts what reached it within the last minute,
wherever that minute starts, and a bucket would let twice its size through around a refill.
"""

import contextlib
import logging
import math
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

from integration_pipeline.errors import RateLimited
from integration_pipeline.provider import Limit

log = logging.getLogger(__name__)

Waiter = Callable[[float], None]
"""Sleeps so many seconds, or raises Interrupted as soon as the process is told to stop; ``0`` only looks."""

MAX_WAIT_SECONDS = 300.0
"""Nobody waits longer than this because a provider asks for it; the work fails as rate limited, and the next night tries
again. A limit that is known beforehand may take as long as its window."""
WORTH_TELLING_SECONDS = 1.0

_NUMBER = re.compile(r"\d+(\.\d+)?", re.ASCII)


def own_limit(requests_per_minute: int) -> Limit:
    """A connection's own ceiling (requirement A4)."""
    return Limit("api_rate_limit", requests_per_minute, 60.0)


class NoRoom(RateLimited):
    """No room within a limit in time for this sync; trying again would only wait again."""

    is_retryable = False


class Slot(Protocol):
    """The right to work, of which there are only so many (a semaphore)."""

    def acquire(self) -> object: ...
    def release(self) -> None: ...


class Turn(Protocol):
    """The right to compute now, one after the other: given up while an answer is waited for."""

    def take(self) -> None: ...
    def give_up(self) -> None: ...


class Pause:
    """Waiting, in the open: announced where it is worth telling, and without keeping others from working.

    :param wait: does the waiting.
    :param on_wait: told of every wait of a second or more: its seconds, and what it is for, as after "waiting for".
    :param slot: given up for as long as the wait lasts.
    """

    def __init__(
        self, wait: Waiter, *, on_wait: Callable[[float, str], None] | None = None, slot: Slot | None = None
    ) -> None:
        self._wait = wait
        self._on_wait = on_wait
        self._slot = slot

    def __call__(self, seconds: float, reason: str) -> None:
        if seconds >= WORTH_TELLING_SECONDS:
            log.info("waiting seconds=%.1f reason=%r", seconds, reason)
            if self._on_wait is not None:
                self._on_wait(seconds, reason)
        self.quietly(seconds)

    def quietly(self, seconds: float) -> None:
        """The same, of which nobody is told: one of many short waits for one thing."""
        with self._others_at_work():
            self._wait(seconds)

    @contextlib.contextmanager
    def _others_at_work(self) -> Iterator[None]:
        if self._slot is None:
            yield
            return
        self._slot.release()
        try:
            yield
        finally:
            self._slot.acquire()


class _Shortage(NamedTuple):
    """How long a limit has no room at least, and how long anybody waits for that."""

    seconds: float
    name: str
    patience: float


class Limiter:
    """The sliding windows of one connection. Thread safe.

    :param clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[Limit, _Window] = {}
        self._blocked_until: dict[str, float] = {}

    @contextlib.contextmanager
    def take(
        self, costs: Mapping[Limit, int], *, pause: Callable[[float, str], None], deadline: float = math.inf
    ) -> Iterator[None]:
        """Enter when every limit has room for its cost, at once or after ``pause``; leave when the answer is there.

        A request counts from the moment it may go until the window's length after its answer came, since nobody knows
        when in between the provider counted it: so no window of the provider's ever holds more than its limit either,
        however slow the network was.

        A cost larger than a whole window waits until that window is empty, goes alone, and keeps the window closed
        for as long as so many would have taken one by one: what cannot be split must pass, and the rate still holds.

        :param deadline: an instant of ``clock``.
        :raises NoRoom: the wait would last beyond the deadline, or longer than anybody waits.
        """
        self._wait_while(lambda: self._reserve(costs), pause, deadline)
        try:
            yield
        finally:
            with self._lock:
                now = self._clock()
                for limit, cost in costs.items():
                    self._windows[limit].land(cost, now)

    def fits(
        self,
        most: Mapping[Limit, int],
        least: Mapping[Limit, int],
        *,
        pause: Callable[[float, str], None],
        deadline: float = math.inf,
    ) -> bool:
        """Wait until there is room for the least, and say whether there is for the most. Takes nothing.

        :raises NoRoom: as :meth:`take`.
        """
        self._wait_while(lambda: self._look(least), pause, deadline)
        return self._look(most) is None

    def _wait_while(
        self, look: Callable[[], "_Shortage | None"], pause: Callable[[float, str], None], deadline: float
    ) -> None:
        while (shortage := look()) is not None:
            seconds, name, patience = shortage
            if seconds > min(patience, deadline - self._clock()):
                raise NoRoom(f"the limit {name} has room in {seconds:.0f} s, longer than this sync may wait")
            pause(seconds, f"the limit {name}")

    def block(self, names: Iterable[str], seconds: float) -> None:
        """Let nothing through that counts against these limits for so long: the provider said so.

        A block only ever lowers what is left; an earlier one that lasts longer stands.
        """
        with self._lock:
            until = self._clock() + seconds
            for name in names:
                self._blocked_until[name] = max(until, self._blocked_until.get(name, until))

    def _reserve(self, costs: Mapping[Limit, int]) -> _Shortage | None:
        """Count all costs, or none of them and say how long at least there will be no room, and for which limit."""
        with self._lock:
            now = self._clock()
            worst = self._worst(costs, now)
            if worst is None:
                for limit, cost in costs.items():
                    self._windows[limit].enter(cost, now)
            return worst

    def _look(self, costs: Mapping[Limit, int]) -> _Shortage | None:
        """The same, and count nothing."""
        with self._lock:
            return self._worst(costs, self._clock())

    def _worst(self, costs: Mapping[Limit, int], now: float) -> _Shortage | None:
        worst = max((self._shortage(limit, cost, now) for limit, cost in costs.items()), default=None)
        return worst if worst is not None and worst.seconds > 0 else None

    def _shortage(self, limit: Limit, cost: int, now: float) -> _Shortage:
        window = self._windows.setdefault(limit, _Window(limit))
        blocked = self._blocked_until.get(limit.name, now) - now
        return max(
            _Shortage(window.seconds_until_room(cost, now), limit.name, max(limit.seconds, MAX_WAIT_SECONDS)),
            _Shortage(blocked, limit.name, MAX_WAIT_SECONDS),
        )


class _Window:
    """What one limit counts: requests without an answer yet, and a log of those that had theirs."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._in_flight = 0
        self._expiries: deque[tuple[float, int]] = deque()
        self._landed = 0
        self._asking_since = self._answered_at = -math.inf

    def seconds_until_room(self, cost: int, now: float) -> float:
        while self._expiries and self._expiries[0][0] <= now:
            self._landed -= self._expiries.popleft()[1]
        size = self._size(now)
        excess = self._in_flight + self._landed + min(cost, size) - size
        if excess <= 0:
            return 0.0
        for expiry, expiring in self._expiries:
            excess -= expiring
            if excess <= 0:
                return expiry - now
        return self._limit.seconds  # an answer that is still to come stays for a whole window at least

    def _size(self, now: float) -> int:
        limit = self._limit
        if limit.sustained is None or self._has_paused(now) or now - self._asking_since < limit.sustained_after:
            return limit.requests
        return limit.sustained

    def _has_paused(self, now: float) -> bool:
        """Longer than whoever uses a window up at its start has to wait for the next."""
        return not self._in_flight and now - self._answered_at >= 2 * self._limit.seconds

    def enter(self, cost: int, now: float) -> None:
        if self._has_paused(now):
            self._asking_since = now
        self._in_flight += cost

    def land(self, cost: int, now: float) -> None:
        self._in_flight -= cost
        self._answered_at = now
        self._landed += cost
        expiry = now
        while cost > 0:
            expiry += self._limit.seconds
            self._expiries.append((expiry, min(cost, self._limit.requests)))
            cost -= self._limit.requests


def seconds_to_hold_back(headers: Mapping[str, str]) -> float:
    """How long an answer's headers ask to send nothing more of the kind, 0 when they do not.

    ``rateLimit-remaining`` and ``rateLimit-reset`` (seconds left; LINE WORKS, "Rate limits"). A provider's further
    headers belong here. Graph's ``x-ms-throttle-limit-percentage`` names no time to wait and changes nothing: its 429
    brings a ``Retry-After``.
    """
    remaining, reset = (headers.get(f"ratelimit-{name}", "").strip() for name in ("remaining", "reset"))
    if not (_NUMBER.fullmatch(remaining) and _NUMBER.fullmatch(reset)) or float(remaining) > 0:
        return 0.0
    return min(float(reset), MAX_WAIT_SECONDS)
