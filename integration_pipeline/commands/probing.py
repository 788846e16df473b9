"""A connection's test: one token, one cheap call."""

import time

from integration_pipeline import registry
from integration_pipeline.model import System
from integration_pipeline.pipeline import Manner, Pipeline, open_session
from integration_pipeline.provider import Probe
from integration_pipeline.store import connections


def probe(pipeline: Pipeline, tenant_id: str, system: System) -> Probe:
    """What the provider says of itself and of our permissions.

    :raises UsageError: there is no such connection.
    :raises ProviderError: it does not work.
    """
    connection = connections.read(pipeline.database, pipeline.keyring, tenant_id, system)
    with open_session(pipeline, connection, Manner(wait=time.sleep)) as (session, tokens, _):
        tokens(None)
        return registry.provider(system).probe(session)
