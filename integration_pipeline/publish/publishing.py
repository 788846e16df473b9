"""Publishing: every tenant's KPIs into its spreadsheet, side by side. One that fails stops no other.

tenant -> lock -> KPIs of its days -> writer -> how it went, kept for the report
"""

import datetime as dt
import logging
import queue
import threading
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

import psycopg

from integration_pipeline import kpi, notices
from integration_pipeline.errors import Interrupted, Kind, Misconfigured, PipelineError, UsageError
from integration_pipeline.model import Status
from integration_pipeline.pipeline import Pipeline, require_one
from integration_pipeline.publish.access import Access
from integration_pipeline.publish.layout import Day
from integration_pipeline.publish.sheets import Duplicates
from integration_pipeline.store import people, spreadsheets
from integration_pipeline.store.people import Tenant

logger = logging.getLogger(__name__)

CONCURRENCY = 4
"""How many spreadsheets are written at once."""
DEADLINE_SECONDS = 600.0
"""How long one spreadsheet may take, limits and tries included."""
DAYS_AT_ONCE = 180
"""Days in one write: with every column, well below the 2 MB that Google recommends ("Usage limits")."""
MOST_DAYS = 3660
GRACE_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Request:
    """What to publish.

    :param tenant_ids: None = every tenant with a spreadsheet.
    :param first: None = each tenant's own today.
    """

    tenant_ids: tuple[str, ...] | None = None
    first: dt.date | None = None
    last: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """How one tenant's publishing ended.

    :param rows_written: days, each a row on both sheets.
    :param google_calls: requests to the Sheets API, those tried again included; the token's are not among them.
    :param error: why not all is well.
    """

    tenant_id: str
    spreadsheet_id: str
    first: dt.date
    last: dt.date
    rows_written: int
    google_calls: int
    status: Status
    error: PipelineError | None = None


class Duplicated(PipelineError):
    """A day stands in a sheet more than once; the first row was written."""

    kind = Kind.INCOMPLETE


class Unpublished(PipelineError):
    """What ended one tenant's publishing and is no answer of Google's."""


def select(pipeline: Pipeline, request: Request) -> list[tuple[Tenant, str]]:
    """The tenants that a request means, with the ids of their spreadsheets; none of a tenant that has no spreadsheet.

    Each key is opened when its turn comes, so that one that cannot be is the only one that fails.
    """
    tenants = {tenant.tenant_id: tenant for tenant in people.list_tenants(pipeline.database)}
    if request.tenant_ids is not None:
        tenants = {each: tenants[each] for each in request.tenant_ids if each in tenants}
    found = spreadsheets.standing(pipeline.database)
    return [(tenants[one.tenant_id], one.spreadsheet_id) for one in found if one.tenant_id in tenants]


def check(pipeline: Pipeline, request: Request, chosen: Sequence[tuple[Tenant, str]]) -> None:
    """What keeps all of them from being published is no spreadsheet's failure, and nothing is to be started with it.

    :raises UsageError: an unknown tenant, one without a spreadsheet, days that cannot be published, or no key opens.
    """
    with pipeline.database.operator() as cursor:
        people.require_tenants(cursor, request.tenant_ids or ())
    missing = set(request.tenant_ids or ()) - {tenant.tenant_id for tenant, _ in chosen}
    if missing:
        raise without(min(missing))
    first, last = request.first, request.last or request.first
    if first is not None and last is not None:
        here = kpi.local_days((tenant for tenant, _ in chosen), pipeline.now())
        _check(first, last, max(here.values(), default=last))
    tenant_ids = [tenant.tenant_id for tenant, _ in chosen]
    require_one(tenant_ids, lambda each: spreadsheets.read(pipeline.database, pipeline.keyring, each))


def without(tenant_id: str) -> Misconfigured:
    """That a tenant named has no spreadsheet."""
    return Misconfigured(f"{tenant_id} has no spreadsheet: see 'integration-pipeline spreadsheets import --help'")


def _check(first: dt.date, last: dt.date, today: dt.date) -> None:
    if last < first:
        raise UsageError(f"the days end on {last} and begin on {first}: the first must not be after the last")
    if last > today:
        raise UsageError(f"{last} is still to come: today is {today}")
    if (last - first).days >= MOST_DAYS:
        raise UsageError(f"from {first} to {last} are more than {MOST_DAYS} days")


def run(
    pipeline: Pipeline,
    request: Request,
    chosen: Sequence[tuple[Tenant, str]],
    *,
    concurrency: int = CONCURRENCY,
    on_wait: Callable[[str, float, str], None] | None = None,
) -> Generator[Published, None, None]:
    """Publish; yields every tenant's result when it ends.

    Interrupting it (an exception raised in the consumer's thread, or closing the iterator) ends all work within
    :data:`GRACE_SECONDS`. What was not written by then is written by the next publishing.

    :param on_wait: as of :class:`Access`.
    """
    work = _Work(pipeline, request, Access(pipeline, DEADLINE_SECONDS, on_wait))
    for pair in chosen:
        work.pending.put(pair)
    try:
        work.start(min(len(chosen), concurrency))
        for _ in chosen:
            result = work.results.get()
            if isinstance(result, BaseException):
                raise result
            yield result
    finally:
        work.stop()


@dataclass(slots=True)
class _Work:
    """The state that the workers of one publishing share."""

    pipeline: Pipeline
    request: Request
    access: Access
    pending: queue.SimpleQueue[tuple[Tenant, str]] = field(default_factory=queue.SimpleQueue)
    results: queue.SimpleQueue[Published | BaseException] = field(default_factory=queue.SimpleQueue)
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self, workers: int) -> None:
        for number in range(workers):
            # A daemon: nobody waits for a thread that does not hear.
            thread = threading.Thread(target=self._loop, name=f"publish-{number}", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system gives no more: those there are do the rest
                if not self.threads:
                    raise
                return
            self.threads.append(thread)

    def _loop(self) -> None:
        """One worker: takes tenants until none is left."""
        while not self.access.stopping.is_set():
            try:
                tenant, spreadsheet_id = self.pending.get_nowait()
            except queue.Empty:
                return
            try:
                self.results.put(self._one(tenant, spreadsheet_id))
            except Interrupted:
                return
            except Exception as error:  # noqa: BLE001 - a thread's edge: carried to the consumer, which raises it
                self.results.put(error)
                return

    def _one(self, tenant: Tenant, spreadsheet_id: str) -> Published:
        """One tenant, whatever happens to it."""
        days: list[dt.date] = []
        error: PipelineError | None = None
        written = 0
        try:
            days = _days(self.request, tenant, self.pipeline.now())
            duplicates = self._written(tenant, days) if days else {}
            written = len(days)
            error = _said(duplicates) if duplicates else None
        except Interrupted:
            raise
        except PipelineError as failure:
            error = failure
        except psycopg.Error as failure:
            error = Unpublished(
                f"the database refused or was lost: {type(failure).__name__}", remedy="See its own log."
            )
        except Exception as failure:  # noqa: BLE001 - the edge of one tenant: a defect must not end the others' publishing
            # Where, and without the exception's own text, which may quote what it stumbled over.
            trace = "".join(traceback.format_tb(failure.__traceback__))
            logger.error("defect tenant=%s error=%s\n%s", tenant.tenant_id, type(failure).__name__, trace)  # noqa: TRY400
            error = Unpublished(f"a defect in the pipeline: {type(failure).__name__}", remedy="Report it with the log.")
        self._keep(tenant, error)
        status = Status.SUCCESS if error is None else Status.PARTIAL if isinstance(error, Duplicated) else Status.FAILED
        first = days[0] if days else self.request.first or self.pipeline.now().date()
        return Published(
            tenant_id=tenant.tenant_id,
            spreadsheet_id=spreadsheet_id,
            first=first,
            last=days[-1] if days else self.request.last or first,
            rows_written=written,
            google_calls=self.access.calls.get(tenant.tenant_id, 0),
            status=status,
            error=error,
        )

    def _written(self, tenant: Tenant, days: Sequence[dt.date]) -> Duplicates:
        """Write the days; what stands in the sheets twice comes back."""
        pipeline = self.pipeline
        duplicates: Duplicates = {}
        with self.access.exclusively(tenant):
            spreadsheet = spreadsheets.read(pipeline.database, pipeline.keyring, tenant.tenant_id)
            kpi.refresh(pipeline.database, tenant, days, now=pipeline.now())
            with self.access.writer(tenant, spreadsheet) as writer:
                for at in range(0, len(days), DAYS_AT_ONCE):
                    part = days[at : at + DAYS_AT_ONCE]
                    known = kpi.values(pipeline.database, tenant.tenant_id, part[0], part[-1])
                    duplicates = writer.write([Day(day, known.get(day, {})) for day in part])
            if writer.titles != spreadsheet.titles:
                spreadsheets.save_titles(pipeline.database, tenant.tenant_id, spreadsheet.spreadsheet_id, writer.titles)
        return duplicates

    def _keep(self, tenant: Tenant, error: PipelineError | None) -> None:
        at = self.pipeline.now()
        try:
            if error is None:
                spreadsheets.succeeded(self.pipeline.database, tenant.tenant_id, at)
            else:
                told = notices.of_publishing(tenant.tenant_id, error)
                spreadsheets.failed(self.pipeline.database, tenant.tenant_id, at, error, told)
                if told:
                    self.pipeline.notifier.wake()
        except psycopg.Error as lost:
            logger.error("how it ended is not kept tenant=%s error=%s", tenant.tenant_id, type(lost).__name__)  # noqa: TRY400

    def stop(self) -> None:
        """End all work; a no-op after everything ended by itself."""
        self.access.stop()
        until = time.monotonic() + GRACE_SECONDS
        for thread in self.threads:
            thread.join(max(0.0, until - time.monotonic()))


def _days(request: Request, tenant: Tenant, now: dt.datetime) -> list[dt.date]:
    """The days to write, none that has not begun where the tenant is."""
    today = kpi.local_day(tenant, now)
    first = request.first or today
    last = min(request.last or first, today)
    return [first + dt.timedelta(days=number) for number in range((last - first).days + 1)]


def _said(duplicates: Duplicates) -> Duplicated:
    """Which rows a person should look at; the first few, since a copied sheet may have hundreds."""
    said = [
        f'"{title}" has {day} in the rows {", ".join(str(row + 1) for row in rows)}'
        for title, days in duplicates.items()
        for day, rows in sorted(days.items())
    ]
    more = f" and {len(said) - 3} more" if len(said) > 3 else ""  # noqa: PLR2004 - as many as a line holds
    return Duplicated(
        f"{'; '.join(said[:3])}{more}; the first row of each was written",
        remedy="Delete the other rows: their numbers are not kept up to date.",
    )
