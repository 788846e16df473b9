"""Dagster's PostgreSQL storage, writing what a run plans in one statement for each asset (dagster.yaml names it).

A run over 250 tenants is announced by 1,000 planned events, written by whoever creates the run. Dagster can hand them to
its storage in batches, and its PostgreSQL storage (1.13) takes them apart again: two sessions and a transaction each, which
was half of what a tenant cost in Dagster. Materializations it does write at once, so planned events are written here as it
writes those. Where this class is not named, or a later Dagster lacks what it stands on, everything works as before, slower.
"""

import os
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, cast

from dagster import AssetKey, DagsterEventType
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.config import PostgresStorageConfig
from dagster._core.storage.event_log import SqlEventLogStorageTable
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.utils import get_token_provider_from_config, pg_url_from_config

from integration_pipeline.defs.events import AT_ONCE, BATCH_SIZE

STANDS_ON = ("prepare_insert_event_batch", "index_transaction", "_store_asset_event")
"""What is no part of Dagster's public interface."""


class EventLog(PostgresEventLogStorage):
    """The event log, with planned events written in batches."""

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """As its base; a batch may hold several types and assets."""
        for (event_type, _), group in groupby(events, key=_kind):
            batch = list(group)
            is_planned = event_type is DagsterEventType.ASSET_MATERIALIZATION_PLANNED
            if is_planned and all(hasattr(self, name) for name in STANDS_ON):
                self._store_planned(batch)
            else:
                super().store_event_batch(batch)

    def _store_planned(self, events: Sequence[EventLogEntry]) -> None:
        """One asset's events: a row each; the asset's own row tells of the last of them."""
        insert = self.prepare_insert_event_batch(events).returning(SqlEventLogStorageTable.c.id)
        with self.index_transaction() as session:
            ids = [row[0] for row in session.execute(insert)]
            self._store_asset_event(session, events[-1], ids[-1])


def _kind(event: EventLogEntry) -> tuple[DagsterEventType, AssetKey | None]:
    told = event.get_dagster_event()
    return told.event_type, told.asset_key


class Storage(DagsterPostgresStorage):
    """Runs, events and schedules in one PostgreSQL; configured as ``dagster_postgres`` is."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> "Storage":
        os.environ.setdefault(BATCH_SIZE, str(AT_ONCE))
        configured = cast("PostgresStorageConfig", config_value)
        url, provider = pg_url_from_config(configured), get_token_provider_from_config(configured)
        storage = cls(url, config_value.get("should_autocreate_tables", True), inst_data, provider)
        # The tables are there: the storage made just now has seen to that.
        storage._event_log_storage = EventLog(url, should_autocreate_tables=False, token_provider=provider)
        return storage
