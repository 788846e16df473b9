"""A connection's test: one token, one cheap call."""

import threading
from collections.abc import Callable

from integration_pipeline import registry
from integration_pipeline.model import System
from integration_pipeline.pipeline import Manner, Pipeline, open_session
from integration_pipeline.provider import Probe
from integration_pipeline.store import connections


def probe(
    pipeline: Pipeline, tenant_id: str, system: System, *, on_wait: Callable[[float, str], None] | None = None
) -> Probe:
    """What the provider says of itself and of our permissions.

    :param on_wait: told of waits that are worth telling: how many seconds, and what for.
    :raises UsageError: there is no such connection.
    :raises ProviderError: it does not work.
    """
    never = threading.Event()

    def wait(seconds: float) -> None:
        pipeline.wait_for(never, seconds)

    connection = connections.read(pipeline.database, pipeline.keyring, tenant_id, system)
    request = registry.provider(system).token_request(connection, pipeline.now())
    # A token that still lives proves nothing of a secret given since. A refresh token is spent by asking: left alone.
    is_asked_anew = request is not None and not request.uses_refresh_token
    manner = Manner(wait=wait, on_wait=on_wait, force_refresh=is_asked_anew)
    with open_session(pipeline, connection, manner) as (session, tokens, _):
        tokens(None)
        return registry.provider(system).probe(session)
