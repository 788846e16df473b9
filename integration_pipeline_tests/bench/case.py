"""One case in a process of its own, so that its memory is its own; prints its cost as JSON.

``floor``, ``product``, or ``warm-up``: the product's dry run.
"""

import dataclasses
import json
import os
import sys

from integration_pipeline import batch
from integration_pipeline.model import Outcome, Status, SyncType
from integration_pipeline.pipeline import open_pipeline
from integration_pipeline_tests.bench import floor
from integration_pipeline_tests.bench.meter import measured
from integration_pipeline_tests.nights import Time


def main() -> None:
    """``python -m integration_pipeline_tests.bench.case product``, with the bench's environment."""
    case = sys.argv[1]
    request = batch.Request(sync_types=(SyncType.USERS,), dry_run=case == "warm-up")
    with open_pipeline(os.environ) as pipeline:
        # The provider's limits are kept, in a time that passes when somebody waits: what is measured is the work.
        virtual = Time()
        pipeline.clock, pipeline.wait_for = virtual, virtual.wait_for
        connections = batch.select(pipeline, request)
        with measured(pipeline.database.url) as cost:
            if case == "floor":
                token = connections[0].access_token
                assert token is not None
                cost.calls = floor.night(pipeline.database.url, token.get_secret_value())
            else:
                outcomes = list(batch.run(pipeline, request, connections))
                assert all(isinstance(one, Outcome) and one.status is Status.SUCCESS for one in outcomes), outcomes
                cost.calls = sum(one.api_calls for one in outcomes if isinstance(one, Outcome))
    print(json.dumps(dataclasses.asdict(cost)))


if __name__ == "__main__":
    main()
