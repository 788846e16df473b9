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
    request = registry.provider(system).token_request(connection, pipeline.now())
    # A token that still lives proves nothing of a secret given since. A refresh token is spent by asking: left alone.
    is_asked_anew = request is not None and not request.uses_refresh_token
    manner = Manner(wait=time.sleep, force_refresh=is_asked_anew)
    with open_session(pipeline, connection, manner) as (session, tokens, _):
        tokens(None)
        return registry.provider(system).probe(session)
