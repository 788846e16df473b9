"""Exclusive work on a connection, over all processes: PostgreSQL's advisory locks, which die with their session.

One session per process holds all of its locks. They are re-entrant within a session, so a set of what this process
holds stands before them. A lock names a connection by a hash of 64 bits: among a million connections, the chance that
any two share one is one in 37 million, and then one of the two waits for the other.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from hashlib import blake2b
from typing import Any

import psycopg

from integration_pipeline.errors import Busy
from integration_pipeline.model import System
from integration_pipeline.store import urls

_log = logging.getLogger(__name__)

_RUNNING = b"""
SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 1 AND granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


class Purpose(Enum):
    """What a lock is for; the same connection's locks of different purposes do not meet."""

    SYNC = b"sync"
    TOKEN = b"token"
    PUBLISH = b"publish"


def lock_key(tenant_id: str, system: System, purpose: Purpose = Purpose.SYNC) -> int:
    """The lock's number, signed, as ``pg_try_advisory_lock`` takes it."""
    name = f"{len(tenant_id)}:{tenant_id}|{system}".encode()
    return int.from_bytes(blake2b(name, digest_size=8, person=purpose.value).digest(), signed=True)


def running(cursor: psycopg.Cursor[Any]) -> set[int]:
    """The numbers of all locks that some process holds on this database now."""
    return {key for (key,) in cursor.execute(_RUNNING)}


class Locks:
    """The locks of one process. Its session is opened with the first of them, and anew after it was lost."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._mutex = threading.Lock()
        self._session: psycopg.Connection | None = None
        self._held: dict[int, psycopg.Connection] = {}
        """Lock → the session it was taken in."""
        self._is_closed = False

    @contextmanager
    def hold(
        self,
        tenant_id: str,
        system: System,
        *,
        wait: bool,
        pause: Callable[[float], None],
        on_wait: Callable[[], None] = lambda: None,
        purpose: Purpose = Purpose.SYNC,
        poll_seconds: float = 1.0,
    ) -> Iterator[None]:
        """Hold a connection.

        :param wait: whether to try again, every ``poll_seconds``, for as long as ``pause`` does not raise.
        :param on_wait: told once, where it must be waited for.
        :raises Busy: it is held by another invocation, or elsewhere in this process.
        """
        key = lock_key(tenant_id, system, purpose)
        if not self._take(key):
            if not wait:
                raise Busy(f"{tenant_id} {system}: another invocation is working on it")
            on_wait()
            pause(poll_seconds)
            while not self._take(key):
                pause(poll_seconds)
        try:
            yield
        finally:
            self._give_back(key, f"{tenant_id} {system}")

    def close(self) -> None:
        """End the session, and with it every lock."""
        with self._mutex:
            self._is_closed = True
            if self._session is not None:
                self._session.close()

    def _take(self, key: int) -> bool:
        with self._mutex:
            if key in self._held:
                return False
            session, is_taken = self._try(key)
            if is_taken:
                self._held[key] = session
            return is_taken

    def _try(self, key: int) -> tuple[psycopg.Connection, bool]:
        """Try the lock; once more in a new session where the old one turns out to be lost."""
        if self._session is not None and not self._session.closed:
            try:
                return self._session, _try_in(self._session, key)
            except psycopg.OperationalError:
                self._session.close()
        self._session = urls.connect(self._url, name="integration-pipeline locks")
        return self._session, _try_in(self._session, key)

    def _give_back(self, key: int, what: str) -> None:
        with self._mutex:
            session = self._held.pop(key)
            try:
                session.execute("SELECT pg_advisory_unlock(%s)", (key,))
            except psycopg.OperationalError:
                # Nothing to give back. What was written under it is guarded by the connection's sync_generation.
                session.close()
                if self._is_closed:
                    return
                _log.warning("%s: the lock's session was lost while it was held", what)


def _try_in(session: psycopg.Connection, key: int) -> bool:
    return session.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone() == (True,)
