"""Links made by hand that take effect at once, and not with the next sync."""

from integration_pipeline.model import System
from integration_pipeline.store import connections, mappings
from integration_pipeline.store.engine import Database
from integration_pipeline.sync import rematch


def link(database: Database, tenant_id: str, system: System, external_user_id: str, *, internal_user_id: str) -> None:
    """:raises UsageError: there is no such tenant or internal user."""
    mappings.link(database, tenant_id, system, external_user_id=external_user_id, internal_user_id=internal_user_id)
    _rematch(database, tenant_id, system)


def unlink(database: Database, tenant_id: str, system: System, external_user_id: str) -> None:
    """:raises UsageError: there is no such tenant or link."""
    mappings.unlink(database, tenant_id, system, external_user_id=external_user_id)
    _rematch(database, tenant_id, system)


def _rematch(database: Database, tenant_id: str, system: System) -> None:
    # Without a connection there is nothing to match yet: its first sync will find the link.
    for connection in connections.describe(database, tenant_ids=[tenant_id], systems=[system]):
        rematch(database, connection)
