"""Events into Dagster's log, cheaply: the places where its public interface does not reach.

An event costs 3 to 15 ms when it is written alone, and a night of 1,000 tenants has 4,000 of them, besides those that
Dagster plans (:mod:`integration_pipeline.defs.storage`). Each place here works without what it stands on, slower.
"""

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from uuid import uuid4

import dagster as dg

_log = logging.getLogger(__name__)

BATCH_SIZE = "DAGSTER_EVENT_BATCH_SIZE"
"""Dagster's only switch: as many events at most reach its storage at once; unset, each goes alone."""

AT_ONCE = 500
"""Events written at once: 1 MB or so."""

EVERY_SECONDS = 1.0
"""How long a tenant's events wait for others' to be written with: the UI shows who is done."""

_STATEMENT_TIMEOUT_MILLISECONDS = 60_000
_RECYCLE_SECONDS = 3600

Event = dg.AssetMaterialization | dg.AssetObservation


class Batches:
    """The events of a step, written together: those of one kind and asset in one statement.

    :param clock: monotonic seconds.
    """

    def __init__(self, context: dg.OpExecutionContext, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._context = context
        self._clock = clock
        self._waiting: list[Event] = []
        self._tried_at = -EVERY_SECONDS
        self._is_stuck = False

    def add(self, event: Event) -> None:
        self._waiting.append(event)

    def write_when_due(self) -> None:
        """Write when enough of them wait, or the last try was a while ago. The work goes on where they cannot be written."""
        is_a_while_ago = self._clock() - self._tried_at >= EVERY_SECONDS
        if not is_a_while_ago and (self._is_stuck or len(self._waiting) < AT_ONCE):
            return
        try:
            self.write()
        except Exception as error:  # noqa: BLE001 - Dagster's storage may fail in any way; whoever writes last says so
            _log.warning("events wait count=%d error=%s", len(self._waiting), type(error).__name__)

    def write(self) -> None:
        """Write what waits. What cannot be written goes on waiting, for whoever writes next; the first error is raised."""
        batches: dict[tuple[type[Event], dg.AssetKey], list[Event]] = {}
        for event in self._waiting:
            batches.setdefault(_kind(event), []).append(event)
        failure: Exception | None = None
        for kind, batch in batches.items():
            try:
                _write(self._context, batch)
            except Exception as error:  # noqa: BLE001 - one kind's trouble keeps no other's from being written
                failure = failure or error
            else:
                self._waiting = [event for event in self._waiting if _kind(event) != kind]
        self._tried_at = self._clock()
        self._is_stuck = failure is not None
        if failure is not None:
            raise failure


def _kind(event: Event) -> tuple[type[Event], dg.AssetKey]:
    return type(event), event.asset_key


def _write(context: dg.OpExecutionContext, events: Sequence[Event]) -> None:
    """As ``context.log_event`` for each; in one statement where Dagster knows how.

    Dagster's own way for the events of a step's outputs: it keeps those of a batch until the last, and writes them one by
    one should writing them together fail.
    """
    try:
        from dagster._core.events import DagsterEvent, DagsterEventBatchMetadata  # noqa: PLC0415

        step = context.get_step_execution_context()
    except (ImportError, AttributeError):
        _log.info("this Dagster writes each event alone")
        for event in events:
            context.log_event(event)
        return
    name, last = str(uuid4()), len(events) - 1
    with _batches_taken():
        for number, event in enumerate(events):
            place = DagsterEventBatchMetadata(name, is_end=number == last)
            if isinstance(event, dg.AssetMaterialization):
                DagsterEvent.asset_materialization(step, event, place)
            else:
                DagsterEvent.asset_observation(step, event, place)


@contextmanager
def _batches_taken() -> Iterator[None]:
    """Dagster's switch on, while the block runs."""
    if BATCH_SIZE in os.environ:
        yield
        return
    os.environ[BATCH_SIZE] = str(AT_ONCE)
    try:
        yield
    finally:
        os.environ.pop(BATCH_SIZE, None)


def pool_sessions(instance: dg.DagsterInstance) -> None:
    """Write this process's events through sessions that stay open.

    Dagster's PostgreSQL storage opens a session or two for each statement, which is most of an event's cost: 9 ms against 3
    over a local socket, 20 against 3 over TCP (dagster 1.13). What its webserver calls to keep sessions is not documented.
    """
    optimize = getattr(instance, "optimize_for_webserver", None)
    if optimize is None:
        _log.info("this Dagster opens a session per event")
        return
    optimize(statement_timeout=_STATEMENT_TIMEOUT_MILLISECONDS, pool_recycle=_RECYCLE_SECONDS, max_overflow=5)


@contextmanager
def detail() -> Iterator[None]:
    """The package's own log (waits for limits, renewed tokens, retries) in the step's compute log while the block runs.

    Dagster's event log takes 10 ms a line, so it gets a line per failed tenant and no more.
    """
    package = logging.getLogger("integration_pipeline")
    handler, level = logging.StreamHandler(), package.level
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    package.addHandler(handler)
    package.setLevel(logging.INFO)
    try:
        yield
    finally:
        package.removeHandler(handler)
        package.setLevel(level)


def announce(context: dg.OpExecutionContext, partitions: Iterable[tuple[str, str]]) -> None:
    """Say which (asset, tenant) this run is about to materialize, as Dagster itself does for runs of assets.

    A job that is no run of assets has no public way to; without it, tenants that fail again keep the colour they had.
    """
    try:
        from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent  # noqa: PLC0415 - internal

        build = DagsterEvent.build_asset_materialization_planned_event
        report = context.instance.report_dagster_event
    except (ImportError, AttributeError):
        _log.warning("this Dagster cannot be told what a job plans: tenants that fail again will not turn red")
        return
    for asset, tenant_id in partitions:
        planned = AssetMaterializationPlannedData(dg.AssetKey(asset), partition=tenant_id)
        report(build(context.job_name, context.op.name, planned), context.run_id, logging.DEBUG)
