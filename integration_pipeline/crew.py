"""Who works when: as many at once as there are slots, a thread for each job that has begun, waiting ones besides.

A job holds a slot while it works and gives it up while it waits. The slot goes to whoever comes back from a wait, and to the
next job only when nobody does: a night lasts as long as its slowest tenant, so one that its provider lets go on must not
queue behind hundreds that have not begun. A thread is made where a job can begin and none is done with its own, so
that they are as many as those who work and those who wait, however many jobs there are.
"""

import resource
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from integration_pipeline.http.limiter import Slot

Job = TypeVar("Job")

FILES_EACH = 3
"""What a job may have open while it waits: its way to the provider, and two temporary files."""
OTHER_FILES = 200
"""What the process has open besides."""
PATIENCE_SECONDS = 0.25
"""How long anybody waits for a turn: longer than seven others take for a page and what goes with it."""


def most_under_way(wanted: int, *, slots: int) -> int:
    """How many jobs may be under way with the files that the process may open; it asks the system for as many as it needs.

    A shell's or a service's soft limit is often 1,024, and whoever waits beyond it could not even be told so.
    """
    needed = OTHER_FILES + wanted * FILES_EACH
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), hard))
    return max(slots, min(wanted, (allowed - OTHER_FILES) // FILES_EACH))


class Turn:
    """One at a time, in the order in which they came: a courtesy among those who hold a slot, on which nothing depends.

    Python runs one thread at a time. Eight that compute at once take eight times as long, each of them, and ask their
    providers all at the same moment, night long; one after the other, the first is done in an eighth of that time, and
    computes while the others wait for an answer. A turn is given up for a call, and for a wait with the slot. Nobody
    waits for it longer than :data:`PATIENCE_SECONDS`: who hangs (in the database, say) loses it and stops nobody.

    :param slot: what is held beside it (:class:`Crew`).
    """

    def __init__(self, slot: Slot, *, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._slot = slot
        self._patience = patience_seconds
        self._mutex = threading.Lock()
        self._holder: int | None = None
        self._waiting: deque[tuple[int, threading.Lock]] = deque()

    def acquire(self) -> None:
        """Take a slot, and the turn."""
        self._slot.acquire()
        self.take()

    def release(self) -> None:
        """Give up both."""
        self.give_up()
        self._slot.release()

    def take(self) -> None:
        """Wait for the turn; nothing to whoever has it."""
        me = threading.get_ident()
        with self._mutex:
            if self._holder in {None, me}:
                self._holder = me
                return
            gate = threading.Lock()
            gate.acquire()
            self._waiting.append((me, gate))
        if gate.acquire(timeout=self._patience):
            return
        with self._mutex:
            if (me, gate) in self._waiting:  # else it came at the last moment, and may be somebody else's again
                self._waiting.remove((me, gate))
                self._holder = me

    def give_up(self) -> None:
        """Pass it on; nothing to whoever does not have it (any more)."""
        with self._mutex:
            if self._holder != threading.get_ident():
                return
            self._holder = None
            if self._waiting:
                self._holder, gate = self._waiting.popleft()
                gate.release()


class Crew(Generic[Job]):
    """Runs jobs in the order given. It is the slot that its jobs hold: ``release`` to wait, ``acquire`` to go on.

    :param work: does one job; it raises nothing.
    :param slots: how many work at once.
    :param most: how many may have begun and not ended, waiting ones included.
    """

    def __init__(self, work: Callable[[Job], None], jobs: Iterable[Job], *, slots: int, most: int) -> None:
        self._work = work
        self._pending = deque(jobs)
        self._free = slots
        self._most = most
        self._coming_back = 0
        self._lock = threading.Lock()
        self._slot_is_free = threading.Condition(self._lock)
        self._threads: set[threading.Thread] = set()

    def start(self) -> None:
        with self._lock:
            self._begin()

    def acquire(self) -> None:
        """Take a slot again, after a wait."""
        with self._lock:
            self._coming_back += 1
            self._slot_is_free.wait_for(lambda: self._free)
            self._coming_back -= 1
            self._free -= 1

    def release(self) -> None:
        """Give the slot to whoever can use it."""
        with self._lock:
            self._free += 1
            if self._coming_back:
                self._slot_is_free.notify()
            self._begin()

    def stop(self) -> list[threading.Thread]:
        """Begin nothing more; returns the threads that are still under way."""
        with self._lock:
            self._pending.clear()
            return list(self._threads)

    def _begin(self) -> None:
        """Begin what the slots that nobody comes back for are enough for."""
        while self._pending and self._free > self._coming_back and len(self._threads) < self._most:
            # A daemon: nobody waits for a thread that hangs in a read.
            thread = threading.Thread(target=self._run, args=(self._pending[0],), name="crew", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system gives no more: those there are do the rest, one job after the other
                if not self._threads:
                    raise
                return
            self._pending.popleft()
            self._free -= 1
            self._threads.add(thread)

    def _run(self, job: Job) -> None:
        following: list[Job] = [job]
        while following:
            self._work(following.pop())
            with self._lock:
                self._free += 1
                if self._coming_back:
                    self._slot_is_free.notify()
                if self._pending and self._free > self._coming_back:
                    following.append(self._pending.popleft())
                    self._free -= 1
                else:
                    self._threads.discard(threading.current_thread())
                self._begin()
