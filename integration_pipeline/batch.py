"""The batch: every connection asked for, side by side, each with its sync types in turn.

Connections are independent: one that fails, waits or hangs never stops another. A connection is worked on by one
invocation at a time; its types share one client, one token and what they have fetched. A worker slot is held only
while there is work to do: a connection that waits for its provider's limits holds none.
"""

import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import MappingProxyType
from typing import Any
from uuid import UUID

import psycopg

from integration_pipeline import registry
from integration_pipeline.attempt import Run, ignore
from integration_pipeline.crew import Crew, Turn, most_under_way
from integration_pipeline.errors import Busy, Interrupted, PipelineError, ProviderError
from integration_pipeline.http.limiter import Pause
from integration_pipeline.invocation import CutOff, Estimates, Listener, Read, Refused, Request, Started, Waiting
from integration_pipeline.model import Connection, Load, Outcome
from integration_pipeline.pipeline import Manner, Pipeline, open_session
from integration_pipeline.provider import Session
from integration_pipeline.selection import due, estimates, longest_first
from integration_pipeline.store import connections as store
from integration_pipeline.store import history
from integration_pipeline.sync import sync

logger = logging.getLogger(__name__)

CONCURRENCY = 8
"""How many connections are worked on at once; those that wait for a limit do not count."""

MAX_UNDER_WAY = 1024
"""How many connections may be under way, waiting ones included: each has a thread, and what it has read so far. Fewer
where the system does not let the process open so many files."""

GRACE_SECONDS = 1.5
"""How long an interrupted batch waits for its workers to say so themselves. For a worker that does not hear it (it is
just connecting, or in a statement) its history row is closed here, and its thread ends with the process."""

ANOTHER = "another invocation that is working on it"

CLOSING_SECONDS = 0.5
"""How long closing those rows may take. A row left open says FAILED, INTERRUPTED too, and the next run closes it."""


def run(
    pipeline: Pipeline,
    request: Request,
    connections: Sequence[Connection],
    *,
    concurrency: int = CONCURRENCY,
    on_event: Listener = ignore,
    expected: Estimates | None = None,
) -> Generator[Outcome | Refused, None, None]:
    """Sync the connections, those that will take longest first; yields every outcome when it ends.

    :param expected: the :func:`estimates`, where the caller has them already.

    Interrupting it (an exception raised in the consumer's thread, or closing the iterator) ends all work within
    :data:`GRACE_SECONDS` and leaves true history rows.
    """
    if expected is None:
        expected = estimates(pipeline, request, connections)
    ordered = longest_first(request, connections, expected)
    work = _Work(pipeline, request, on_event, expected, ordered, concurrency)
    try:
        work.crew.start()
        left = len(connections)
        while left:
            result = work.results.get()
            if result is None:
                left -= 1
            elif isinstance(result, BaseException):
                raise result
            else:
                yield result
    finally:
        work.stop()


class _Work:
    """The state the workers of one batch share."""

    def __init__(
        self,
        pipeline: Pipeline,
        request: Request,
        on_event: Listener,
        expected: Estimates,
        connections: Sequence[Connection],
        concurrency: int,
    ) -> None:
        self.pipeline = pipeline
        self.request = request
        self.on_event = on_event
        self.expected = expected
        most = most_under_way(min(MAX_UNDER_WAY, len(connections)), slots=concurrency)
        self.crew = Crew(self._work_on, connections, slots=concurrency, most=most)
        self.turn = Turn(self.crew)
        self.results: queue.SimpleQueue[Outcome | Refused | BaseException | None] = queue.SimpleQueue()
        self.stopping = threading.Event()
        self.open_rows: dict[UUID, Connection] = {}
        self.hang_ups: set[Callable[[], None]] = set()

    def _work_on(self, connection: Connection) -> None:
        """One connection, whatever happens to it; holds a slot of the crew's."""
        try:
            self.turn.take()
            self._one(connection)
        except Interrupted:
            return
        except Exception as error:  # noqa: BLE001 - a thread's edge: carried to the consumer, which raises it
            self.results.put(error)
            return
        finally:
            self.turn.give_up()
        self.results.put(None)

    def _one(self, connection: Connection) -> None:
        try:
            with self._exclusively(connection):
                self._in_session(self._opened(connection))
        except Interrupted:
            raise
        except Busy as error:
            self.results.put(Refused(connection.tenant_id, connection.system, str(error)))
        except PipelineError as error:
            self._unbegun(connection, error)
        except psycopg.Error as error:
            self._unbegun(connection, PipelineError(f"the database refused or was lost: {type(error).__name__}"))

    def _unbegun(self, connection: Connection, error: PipelineError) -> None:
        """Each type that was due fails with what kept the work from beginning."""
        self._types(Session(connection, _Closed(), failure=error))

    def _opened(self, connection: Connection) -> Connection:
        """The connection as it is now, with its secrets; what a killed process left open of it is closed."""
        of = (self.pipeline.database, self.pipeline.keyring, connection.tenant_id, connection.system)
        return store.read(*of) if self.request.dry_run else store.take_over(*of, at=self.pipeline.now())

    def _in_session(self, connection: Connection) -> None:
        manner = Manner(
            wait=self.pause,
            on_wait=lambda seconds, reason: self.on_event(Waiting(connection, seconds, reason)),
            slot=self.turn,
            turn=self.turn,
            force_refresh=self.request.force_refresh,
            keep_tokens=not self.request.dry_run,
        )
        with (
            open_session(self.pipeline, connection, manner) as (session, tokens, hang_up),
            self._hung_up_on_stop(hang_up),
        ):
            try:
                tokens(None)
            except ProviderError as error:
                session.failure = error
            self._types(session)

    @contextmanager
    def _hung_up_on_stop(self, hang_up: Callable[[], None]) -> Iterator[None]:
        """Let :meth:`stop` end this connection's reads, also one that nothing would ever answer."""
        self.hang_ups.add(hang_up)
        try:
            self.pause(0)  # whoever was told to stop just before may not have seen it
            yield
        finally:
            self.hang_ups.discard(hang_up)

    def _exclusively(self, connection: Connection) -> AbstractContextManager[None]:
        if self.request.dry_run:
            return nullcontext()
        return self.pipeline.locks.hold(
            connection.tenant_id,
            connection.system,
            wait=self.request.wait,
            pause=Pause(self.pause, slot=self.turn).quietly,
            on_wait=lambda: self._waits_for_another(connection),
        )

    def _waits_for_another(self, connection: Connection) -> None:
        logger.info("waiting connection=%s reason=%r", connection, ANOTHER)
        self.on_event(Waiting(connection, math.inf, ANOTHER))

    def _types(self, session: Session) -> None:
        provider = registry.provider(session.connection.system)
        run = Run(
            database=self.pipeline.database,
            now=self.pipeline.now,
            dry_run=self.request.dry_run,
            batch_size=self.request.batch_size,
            run_id=self.request.run_id,
            estimates=self.expected.get((session.connection.tenant_id, session.connection.system), {}),
            give_way=self.turn.give_up,
            on_begin=lambda connection, sync_id: self.open_rows.update({sync_id: connection}),
            on_interrupted=lambda connection, outcome: self.on_event(CutOff(connection, outcome)),
            on_read=lambda connection, sync_type, rows: self.on_event(Read(connection, sync_type, rows)),
        )
        for sync_type in due(session.connection, self.request):
            self.on_event(Started(session.connection, sync_type))
            outcome = sync(session, provider, sync_type, run)
            if outcome.sync_id:
                self.open_rows.pop(UUID(outcome.sync_id), None)
            if outcome.notices:
                self.pipeline.notifier.wake()
            self.results.put(outcome)

    def pause(self, seconds: float) -> None:
        """Sleep that ends when the batch does.

        :raises Interrupted: the batch was told to stop.
        """
        if self.pipeline.wait_for(self.stopping, seconds):
            message = "the run was stopped"
            raise Interrupted(message)

    def stop(self) -> None:
        """End all work; a no-op after everything ended by itself."""
        self.stopping.set()
        threads = self.crew.stop()
        for hang_up in list(self.hang_ups):
            hang_up()
        until = time.monotonic() + GRACE_SECONDS
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        until = time.monotonic() + CLOSING_SECONDS
        for sync_id, connection in list(self.open_rows.items()):
            if time.monotonic() > until:
                logger.warning("history rows left open count=%d", len(self.open_rows))
                return
            try:
                history.interrupt(self.pipeline.database, connection, sync_id, at=self.pipeline.now())
            except psycopg.Error as error:
                logger.warning("history row left open sync_id=%s error=%s", sync_id, type(error).__name__)


class _Closed:
    """The API of a connection whose work ended before it began: its syncs fail without asking anything."""

    calls = 0
    load = MappingProxyType[str, Load]({})

    def get(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("nothing may be asked here")

    post_json = room = get
