"""The outside world as Dagster resources: they say where it is and how hard it may be used, and open the pipeline.

Where nothing is set here, the environment rules (``settings.py``). No field takes a secret: Dagster stores and shows
configuration as it is. The database's URL and the keys come from the environment alone.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import dagster as dg
from pydantic import Field

from integration_pipeline.errors import UsageError
from integration_pipeline.model import Connection, System

if TYPE_CHECKING:  # loading the definitions must not load the clients and the database's driver
    from integration_pipeline.pipeline import Pipeline
    from integration_pipeline.store.engine import Database


class ProviderResource(dg.ConfigurableResource[None]):
    """One provider: its base URLs, and ceilings over what its connections say."""

    system: ClassVar[System]

    base_url: str | None = Field(
        default=None, description="The API's base URL; unset: the environment's, else the vendor's."
    )
    token_url: str | None = Field(default=None, description="The token endpoint's base URL, likewise.")
    max_requests_per_minute: int | None = Field(
        default=None, gt=0, description="A ceiling over every connection's api_rate_limit; the stricter one counts."
    )
    max_timeout_seconds: int | None = Field(
        default=None, gt=0, description="A ceiling over every connection's timeout_seconds."
    )

    def environment(self) -> Mapping[str, str]:
        """The base URLs as the variables they stand for, to be checked like these."""
        from integration_pipeline import registry  # noqa: PLC0415 - loads the provider

        provider = registry.provider(self.system)
        # Slack has one endpoint for both, and base_url is the name by which it is meant.
        urls = ((provider.token.variable, self.token_url), (provider.api.variable, self.base_url))
        return {variable: url for variable, url in urls if url is not None}

    def limited(self, connection: Connection) -> Connection:
        """The connection under this resource's ceilings."""
        if connection.system != self.system:
            return connection
        return replace(
            connection,
            api_rate_limit=min(connection.api_rate_limit, self.max_requests_per_minute or connection.api_rate_limit),
            timeout_seconds=min(connection.timeout_seconds, self.max_timeout_seconds or connection.timeout_seconds),
        )


class TeamsResource(ProviderResource):
    """Microsoft Teams, through Graph."""

    system: ClassVar[System] = System("TEAMS")


class SlackResource(ProviderResource):
    """Slack."""

    system: ClassVar[System] = System("SLACK")


class LineWorksResource(ProviderResource):
    """LINE WORKS."""

    system: ClassVar[System] = System("LINE_WORKS")


class GoogleSheetsResource(dg.ConfigurableResource[None]):
    """Google Sheets, where KPIs are published. Each tenant's spreadsheet and key come from the database."""

    base_url: str | None = Field(
        default=None, description="The API's base URL; unset: the environment's, else Google's."
    )
    token_url: str | None = Field(default=None, description="The token endpoint's URL, likewise.")
    spreadsheets_at_once: int = Field(default=4, gt=0, description="How many spreadsheets one run writes at once.")

    def environment(self) -> Mapping[str, str]:
        """The URLs as the variables they stand for, to be checked like these."""
        from integration_pipeline import pipeline  # noqa: PLC0415 - loads clients and driver

        urls = ((pipeline.GOOGLE_TOKEN.variable, self.token_url), (pipeline.GOOGLE_SHEETS.variable, self.base_url))
        return {variable: url for variable, url in urls if url is not None}


class DatabaseResource(dg.ConfigurableResource[None]):
    """The pipeline's own PostgreSQL: by ``INTEGRATION_PIPELINE_DATABASE_URL``, else the embedded one."""

    connections_at_once: int = Field(
        default=8, gt=0, description="How many connections one run works on at once; those that wait do not count."
    )

    @contextmanager
    def open(self) -> Iterator["Database"]:
        """The database alone, for those who read.

        :raises dagster.Failure: wrong configuration, in one line.
        """
        from integration_pipeline import pipeline, settings  # noqa: PLC0415 - loads clients and driver

        with _readable(), pipeline.open_database(settings.load(os.environ, pipeline.endpoints())) as database:
            yield database

    @contextmanager
    def open_pipeline(self, *resources: ProviderResource | GoogleSheetsResource) -> Iterator["Pipeline"]:
        """Everything a batch or a publishing needs, with what the resources say.

        :raises dagster.Failure: wrong configuration, in one line.
        """
        from integration_pipeline import pipeline  # noqa: PLC0415 - loads clients and driver

        environment = dict(os.environ)
        for resource in resources:
            environment.update(resource.environment())
        providers = [each for each in resources if isinstance(each, ProviderResource)]
        with _readable(), pipeline.open_pipeline(environment) as opened:
            opened.adjust = partial(_limited, providers)
            yield opened


def _limited(providers: Sequence[ProviderResource], connection: Connection) -> Connection:
    for provider in providers:
        connection = provider.limited(connection)
    return connection


@contextmanager
def _readable() -> Iterator[None]:
    """Wrong usage or configuration as a failure that reads as its one line, and that no retry heals."""
    try:
        yield
    except UsageError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
