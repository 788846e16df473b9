"""The sensor that keeps Dagster's picture true: partitions as the tenants are, and what was synced without Dagster."""

import datetime as dt
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Self

import dagster as dg

from integration_pipeline.defs import checks, rendering
from integration_pipeline.defs.lines import SYNC_TYPES, SYNCED, in_order
from integration_pipeline.defs.partitions import TENANTS, difference, is_usable
from integration_pipeline.defs.resources import DatabaseResource

if TYPE_CHECKING:  # loading the definitions must not load the database's driver
    from integration_pipeline.store.engine import Database

INTERVAL_SECONDS = 30

SETTLED_AFTER = dt.timedelta(seconds=30)
"""How old a history row's end must be before it is told. Rows end by the clocks of the machines that ran them, and become
visible a moment later: whoever reads up to now would pass over some for ever."""

ROWS_AT_ONCE = 200
"""History rows told in one tick: each may become an event or two, and a tick must end within a minute."""

FRESHNESS_EVERY = dt.timedelta(hours=1)

UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]

Event = dg.AssetMaterialization | dg.AssetCheckEvaluation


class Cursor(NamedTuple):
    """How far the history has been told, and what was last said of freshness."""

    ended: str = "0001-01-01T00:00:00+00:00"
    sync_id: str = "00000000-0000-0000-0000-000000000000"
    checked: str = "0001-01-01T00:00:00+00:00"
    said: str = ""

    @classmethod
    def read(cls, text: str | None) -> Self:
        return cls(*json.loads(text)) if text else cls()

    def write(self) -> str:
        return json.dumps(self)


@dg.sensor(
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Adds and removes partitions as tenants get and lose their connections; shows syncs made by the command "
    "line as materializations; says when connections grow stale.",
)
def tenants_in_step(context: dg.SensorEvaluationContext, database: DatabaseResource) -> dg.SensorResult:
    """One look at the database."""
    now = dt.datetime.now(dt.UTC)
    with database.open() as opened:
        from integration_pipeline.defs import standing  # noqa: PLC0415 - loads the database's driver

        existing = TENANTS.get_partition_keys(dynamic_partitions_store=context.instance)
        added, removed = difference(existing, standing.tenants(opened))
        if removed and _is_anything_under_way(context.instance):
            removed = []
        told, cursor = news(opened, Cursor.read(context.cursor), now)
        stale, cursor = staleness(opened, cursor, now)
    requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if added:
        requests.append(TENANTS.build_add_request(added))
    if removed:
        requests.append(TENANTS.build_delete_request(removed))
    return dg.SensorResult(
        skip_reason=f"tenants: {len(added)} added, {len(removed)} removed; events: {len(told) + len(stale)}",
        cursor=cursor.write(),
        dynamic_partitions_requests=requests,
        asset_events=[*told, *stale],
    )


def _is_anything_under_way(instance: dg.DagsterInstance) -> bool:
    """Whether a run has not ended: it may name its tenants by the ends of a range, and without an end syncs nobody."""
    return bool(instance.get_runs(dg.RunsFilter(statuses=UNFINISHED), limit=1))


def news(
    database: "Database", cursor: Cursor, now: dt.datetime, *, limit: int = ROWS_AT_ONCE
) -> tuple[list[Event], Cursor]:
    """What ended without Dagster since the cursor: the partitions it brought in step, and the checks as they are now.

    A tenant's partition is in step only when all of its systems are; one that failed cannot be turned red from here,
    and shows in the checks.
    """
    from integration_pipeline.defs import standing  # noqa: PLC0415 - loads the database's driver

    position = {"ended": cursor.ended, "sync_id": cursor.sync_id}
    ended = standing.unseen(database, **position, before=now - SETTLED_AFTER, limit=limit)
    if not ended:
        return [], cursor
    touched = {(each.tenant_id, each.sync_type) for each in ended}
    lines = standing.lines(database, {tenant_id for tenant_id, _ in touched})
    events: list[Event] = []
    for tenant_id, sync_type in sorted(touched):
        own = in_order(line for line in lines if (line.tenant_id, line.sync_type) == (tenant_id, sync_type))
        is_news = any(line.run_id is None for line in own)
        if is_usable(tenant_id) and is_news and all(line.is_good for line in own):
            shown = {**rendering.metadata(own), "synced_by": dg.MetadataValue.text("command line")}
            events += [
                dg.AssetMaterialization(asset, partition=tenant_id, metadata=shown)
                for asset, of in SYNC_TYPES.items()
                if of is sync_type
            ]
    types = {sync_type for _, sync_type in touched}
    events += checks.evaluate(database, [asset for asset, of in SYNC_TYPES.items() if of in types], now)
    last = ended[-1]
    return events, cursor._replace(ended=last.completed_at.isoformat(), sync_id=str(last.sync_id))


def staleness(database: "Database", cursor: Cursor, now: dt.datetime) -> tuple[list[Event], Cursor]:
    """The freshness checks, once an hour, where they say something new: it is when nothing runs that they go bad."""
    if now - dt.datetime.fromisoformat(cursor.checked) < FRESHNESS_EVERY:
        return [], cursor
    found = list(_freshness(database, now))
    said = json.dumps([[each.asset_key.to_user_string(), each.passed, each.description] for each in found])
    return [] if said == cursor.said else [*found], cursor._replace(checked=now.isoformat(), said=said)


def _freshness(database: "Database", now: dt.datetime) -> Iterator[dg.AssetCheckEvaluation]:
    from integration_pipeline.defs import standing  # noqa: PLC0415 - loads the database's driver

    lines = standing.lines(database)
    for asset, sync_type in SYNCED.items():
        yield checks.freshness(asset, [line for line in lines if line.sync_type is sync_type], now)
