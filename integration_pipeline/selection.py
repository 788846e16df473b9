"""What an invocation means: request → its connections, what is due of each, what that will cost, in which order they begin."""

import math
from collections.abc import Mapping, Sequence

from integration_pipeline import registry
from integration_pipeline.estimate import estimated
from integration_pipeline.invocation import Estimates, Request
from integration_pipeline.model import Connection, Estimate, SyncType, System
from integration_pipeline.pipeline import Pipeline, base_url, require_one
from integration_pipeline.store import connections as store
from integration_pipeline.store import history, people


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

    def use(each: Connection) -> None:
        opened = store.read(pipeline.database, pipeline.keyring, each.tenant_id, each.system)
        base_url(opened, pipeline.settings)

    require_one(connections, use)


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


def longest_first(request: Request, connections: Sequence[Connection], expected: Estimates) -> list[Connection]:
    """In the order in which they should begin: a batch lasts as long as the last of them to end.

    A type of which nobody knows how long it takes may be in for its first night, the longest of all.
    """

    def seconds(connection: Connection) -> float:
        known = expected.get((connection.tenant_id, connection.system), {})
        return sum(known[each].seconds if each in known else math.inf for each in due(connection, request))

    return sorted(connections, key=seconds, reverse=True)
