"""What commands open before they work."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from integration_pipeline import settings
from integration_pipeline.pipeline import endpoints, open_database
from integration_pipeline.settings import Settings
from integration_pipeline.store.engine import Database


@dataclass(frozen=True, slots=True)
class Desk:
    """What a command that syncs nothing works with: no keys are needed for it."""

    settings: Settings
    database: Database


@contextmanager
def desk(environ: Mapping[str, str]) -> Iterator[Desk]:
    """Settings and database, as the environment names them.

    :raises UsageError: wrong configuration, in one line.
    """
    configured = settings.load(environ, endpoints())
    with open_database(configured) as database:
        yield Desk(configured, database)
