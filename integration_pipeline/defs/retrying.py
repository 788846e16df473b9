"""The retry: history → what failed last and is not running → sync exactly that → what the history says now.

Loads the clients and the database's driver, so the definitions import this where it is used.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from integration_pipeline import selection
from integration_pipeline.defs import batches, checks, events, standing
from integration_pipeline.defs.lines import BUSY, SYNC_TYPES, Line
from integration_pipeline.defs.tally import Tally
from integration_pipeline.invocation import Request
from integration_pipeline.model import SyncType, System
from integration_pipeline.pipeline import Pipeline

Types = tuple[SyncType, ...]


def retry(pipeline: Pipeline, tally: Tally, tenant_ids: Sequence[str] | None, *, at_once: int) -> None:
    """Sync again what failed, and say of each partition concerned how the whole tenant stands now.

    :raises dagster.Failure: none of the tenants named exists.
    """
    chosen = batches.existing(pipeline, tenant_ids, tally.context.log) if tenant_ids else None
    failed = [line for line in standing.lines(pipeline.database, chosen) if line.is_failed]
    if not failed:
        tally.context.log.info("nothing has failed")
        return
    partitions = _partitions(failed)
    events.announce(tally.context, [(asset, tenant_id) for tenant_id, assets in partitions.items() for asset in assets])
    lost: list[Line] = []
    for types, connections in grouped(failed).items():
        lost += _sync(pipeline, types, connections, tally.context.run_id, at_once=at_once)
    stands: dict[str, list[Line]] = defaultdict(list)
    for line in [*standing.lines(pipeline.database, partitions), *lost]:
        stands[line.tenant_id].append(line)
    for tenant_id, assets in partitions.items():
        concerned = {SYNC_TYPES[asset] for asset in assets}
        batches.finish(
            pipeline, tally, assets, tenant_id, [each for each in stands[tenant_id] if each.sync_type in concerned]
        )
    tally.check(checks.evaluate(pipeline.database, SYNC_TYPES, pipeline.now()))


def grouped(failed: Iterable[Line]) -> Mapping[Types, list[tuple[str, System]]]:
    """The connections by the types to sync again: a batch runs the same types on all of its connections."""
    by_connection: dict[tuple[str, System], list[SyncType]] = defaultdict(list)
    for line in failed:
        by_connection[line.tenant_id, line.system].append(line.sync_type)
    groups: dict[Types, list[tuple[str, System]]] = defaultdict(list)
    for connection, types in by_connection.items():
        groups[tuple(types)].append(connection)
    return groups


def _sync(
    pipeline: Pipeline, types: Types, connections: Sequence[tuple[str, System]], run_id: str, *, at_once: int
) -> list[Line]:
    """Sync these connections; returns the lines that the history will not have, of those that somebody else works on."""
    tenant_ids = tuple(dict.fromkeys(tenant_id for tenant_id, _ in connections))
    request = Request(tenant_ids=tenant_ids, sync_types=types, run_id=run_id)
    wanted = set(connections)
    chosen = [each for each in selection.select(pipeline, request) if (each.tenant_id, each.system) in wanted]
    return [line for line in batches.outcomes(pipeline, request, chosen, at_once=at_once) if line.status == BUSY]


def _partitions(failed: Iterable[Line]) -> dict[str, list[str]]:
    """Tenant → the assets that a sync again may turn green."""
    types: dict[str, set[SyncType]] = defaultdict(set)
    for line in failed:
        types[line.tenant_id].add(line.sync_type)
    return {
        tenant_id: [asset for asset, sync_type in SYNC_TYPES.items() if sync_type in of_tenant]
        for tenant_id, of_tenant in types.items()
    }
