"""A batch as Dagster sees it: tenant by tenant. Tenants → connections → batch.run → each tenant's lines, when it is done.

Loads the clients and the database's driver, so the definitions import this where it is used.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from logging import Logger

import dagster as dg
import psycopg

from integration_pipeline import batch, selection, sync
from integration_pipeline.defs import lines, rendering, standing
from integration_pipeline.defs.lines import MAPPINGS, SYNC_TYPES, Line
from integration_pipeline.defs.tally import Tally
from integration_pipeline.invocation import Refused, Request
from integration_pipeline.model import Connection, SyncType
from integration_pipeline.pipeline import Pipeline

_log = logging.getLogger(__name__)

Report = Callable[[str, Sequence[Line]], None]
"""Told each tenant once, with all its lines; none where nothing of it was due."""


def existing(pipeline: Pipeline, tenant_ids: Sequence[str], log: Logger) -> list[str]:
    """Those of a run's partitions that are tenants (still): one that is gone must not fail the others.

    :raises dagster.Failure: none of them is.
    """
    known = standing.existing(pipeline.database, tenant_ids)
    gone = [tenant_id for tenant_id in tenant_ids if tenant_id not in known]
    if len(gone) == len(tenant_ids):
        raise dg.Failure(f"there is no tenant {', '.join(gone[: rendering.NAMED])}", allow_retries=False)
    if gone:
        log.warning("no tenants any more, left out: %s", ", ".join(gone))
    return [tenant_id for tenant_id in tenant_ids if tenant_id in known]


def sync_assets(pipeline: Pipeline, request: Request, assets: Sequence[str], tally: Tally, *, at_once: int) -> None:
    """Bring these assets of the request's tenants in step, and tell the tally of each tenant as it ends.

    The mappings are in step after a sync of users; without one they are matched anew, which asks no provider.
    """
    synced = [asset for asset in assets if SYNC_TYPES[asset] in (request.sync_types or ())]
    if synced:
        run(pipeline, request, partial(finish, pipeline, tally, synced), at_once=at_once)
    matched = [asset for asset in assets if asset not in synced]
    if matched and request.dry_run:
        tally.context.log.warning("a dry run matches together with external_users only: %s was left out", MAPPINGS)
    elif matched:
        rematch(pipeline, request, partial(finish, pipeline, tally, matched))


def finish(pipeline: Pipeline, tally: Tally, assets: Sequence[str], tenant_id: str, ended: Sequence[Line]) -> None:
    shown: dict[str, Mapping[str, dg.MetadataValue]] = {}
    for asset in assets:
        shown[asset] = _coverage(pipeline, tenant_id) if asset == MAPPINGS else {}
    tally.finish(tenant_id, ended, shown)


def _coverage(pipeline: Pipeline, tenant_id: str) -> Mapping[str, dg.MetadataValue]:
    """What is shown beside a tenant's mappings: they are in step also where it cannot be read just now."""
    try:
        found = standing.coverage(pipeline.database, [tenant_id])
    except psycopg.Error as error:
        _log.warning("coverage not read tenant=%s error=%s", tenant_id, type(error).__name__)
        return {}
    return rendering.coverage(found) if found else {}


def run(pipeline: Pipeline, request: Request, report: Report, *, at_once: int) -> None:
    """Sync the request's tenants, and report each when the last of its syncs has ended.

    Raised exceptions, an interruption among them, end the batch and leave true history rows.
    """
    connections = selection.select(pipeline, request)
    ended: dict[str, list[Line]] = {tenant_id: [] for tenant_id in request.tenant_ids or ()}
    left = dict.fromkeys(ended, 0)
    for connection in connections:
        left[connection.tenant_id] += len(selection.due(connection, request))
    for tenant_id in [tenant_id for tenant_id, count in left.items() if not count]:
        report(tenant_id, ended[tenant_id])
        del left[tenant_id]
    for line in outcomes(pipeline, request, connections, at_once=at_once):
        ended[line.tenant_id].append(line)
        left[line.tenant_id] -= 1
        if not left[line.tenant_id]:
            report(line.tenant_id, ended[line.tenant_id])
            del left[line.tenant_id]
    # A connection that was changed under way may have had fewer types due than before.
    for tenant_id in left:
        report(tenant_id, ended[tenant_id])


def outcomes(
    pipeline: Pipeline, request: Request, connections: Sequence[Connection], *, at_once: int
) -> Iterator[Line]:
    """A line for every connection and type that was due, in the order in which they end."""
    due = {(each.tenant_id, each.system): selection.due(each, request) for each in connections}
    with closing(batch.run(pipeline, request, connections, concurrency=at_once)) as results:
        for result in results:
            types = due[result.tenant_id, result.system]
            if isinstance(result, Refused):
                yield from _refused(result, types)
            elif result.sync_type in types:  # else it was switched on under way: it is in the history, for the next run
                yield lines.of_outcome(result)


def rematch(pipeline: Pipeline, request: Request, report: Report) -> None:
    """Match the tenants' accounts anew without asking any provider, and report each."""
    connections = selection.select(pipeline, request)
    for tenant_id in request.tenant_ids or ():
        report(tenant_id, [_rematched(pipeline, each) for each in connections if each.tenant_id == tenant_id])


def _refused(refused: Refused, types: Sequence[SyncType]) -> list[Line]:
    return [lines.of_refusal(refused.tenant_id, refused.system, each, refused.message) for each in types]


def _rematched(pipeline: Pipeline, connection: Connection) -> Line:
    try:
        changed = sync.rematch(pipeline.database, connection)
    except psycopg.Error as error:  # for one connection it must not stop the others
        return lines.of_rematch_failed(connection.tenant_id, connection.system, type(error).__name__)
    return lines.of_rematch(connection.tenant_id, connection.system, changed)
