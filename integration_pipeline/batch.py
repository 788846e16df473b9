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
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from integration_pipeline import registry
from integration_pipeline.attempt import Run, ignore
from integration_pipeline.crew import Crew, Turn, most_under_way
from integration_pipeline.errors import Busy, Interrupted, PipelineError, ProviderError, UsageError
from integration_pipeline.estimate import estimated
from integration_pipeline.http.limiter import Pause
from integration_pipeline.model import Connection, Estimate, Load, Outcome, SyncType, System
from integration_pipeline.pipeline import Manner, Pipeline, base_url, open_session
from integration_pipeline.provider import Session
from integration_pipeline.store import connections as store
from integration_pipeline.store import history, people
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


@dataclass(frozen=True, slots=True)
class Request:
    """What one invocation asks for; None = all."""

    tenant_ids: tuple[str, ...] | None = None
    systems: tuple[System, ...] | None = None
    sync_types: tuple[SyncType, ...] | None = None
    dry_run: bool = False
    force_refresh: bool = False
    batch_size: int | None = None
    wait: bool = False
    run_id: str | None = None


class Refused(NamedTuple):
    """A connection that another invocation is working on: nothing was done and no history row written."""

    tenant_id: str
    system: System
    message: str


class Started(NamedTuple):
    """A sync began to read."""

    connection: Connection
    sync_type: SyncType


class Read(NamedTuple):
    """So many rows of the source were read so far."""

    connection: Connection
    sync_type: SyncType
    rows: int


class Waiting(NamedTuple):
    """A connection waits for its provider, or for another invocation to let it go."""

    connection: Connection
    seconds: float
    """Infinite where nobody knows."""
    reason: str
    """As after "waiting for"."""


class CutOff(NamedTuple):
    """A sync was cut off with the whole batch, which yields no outcomes any more."""

    connection: Connection
    outcome: Outcome


Estimates = Mapping[tuple[str, System], Mapping[SyncType, Estimate]]
"""By tenant and system, what each sync type will cost."""

Event = Started | Read | Waiting | CutOff
Listener = Callable[[Event], None]


def select(pipeline: Pipeline, request: Request) -> list[Connection]:
    """The enabled connections a request means, by tenant and then in the registry's order.

    Without their secrets: each is opened when its turn comes, so that one that cannot be is the only one that fails.
    """
    found = store.describe(pipeline.database, tenant_ids=request.tenant_ids, systems=request.systems, enabled_only=True)
    order = list(registry.FOLDERS)
    return sorted(found, key=lambda connection: (connection.tenant_id, order.index(connection.system)))


def check(pipeline: Pipeline, request: Request, connections: Sequence[Connection]) -> None:
    """What keeps all of them from working is no connection's failure, and nothing is to be started with it.

    :raises UsageError: a tenant does not exist, or none of the connections can be used: a secret that the keys do not
        open, an API endpoint that is not allowed (any more).
    """
    with pipeline.database.operator() as cursor:
        people.require_tenants(cursor, request.tenant_ids or ())
    wrong: UsageError | None = None
    for each in connections:
        try:
            opened = store.read(pipeline.database, pipeline.keyring, each.tenant_id, each.system)
            base_url(opened, pipeline.settings)
        except UsageError as error:
            wrong = wrong or error
        else:
            return
    if wrong is not None:
        raise wrong


def estimates(pipeline: Pipeline, request: Request, connections: Sequence[Connection]) -> Estimates:
    """What the syncs of each connection will cost, as far as their last ones tell; a first night is in none of them."""
    known = history.loads(pipeline.database, sorted({connection.tenant_id for connection in connections}))
    found: dict[tuple[str, System], Mapping[SyncType, Estimate]] = {}
    for stored in connections:
        connection = pipeline.adjust(stored)
        loads = known.get((connection.tenant_id, connection.system), {})
        found[connection.tenant_id, connection.system] = estimated(
            {sync_type: loads[sync_type] for sync_type in due(connection, request) if sync_type in loads},
            registry.provider(connection.system).limits,
            requests_per_minute=connection.api_rate_limit,
        )
    return found


def due(connection: Connection, request: Request) -> tuple[SyncType, ...]:
    """The sync types to run: those the connection asks for, of those the request means."""
    wanted = request.sync_types
    return tuple(sync_type for sync_type in connection.due if wanted is None or sync_type in wanted)


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


def longest_first(request: Request, connections: Sequence[Connection], expected: Estimates) -> list[Connection]:
    """In the order in which they should begin: a batch lasts as long as the last of them to end.

    A type of which nobody knows how long it takes may be in for its first night, the longest of all.
    """

    def seconds(connection: Connection) -> float:
        known = expected.get((connection.tenant_id, connection.system), {})
        return sum(known[each].seconds if each in known else math.inf for each in due(connection, request))

    return sorted(connections, key=seconds, reverse=True)


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
