"""The real client under a batch: a retry sends, and counts, only what is still open."""

import json
import math

import httpx

from integration_pipeline.http.client import Client
from integration_pipeline.http.limiter import Limiter
from integration_pipeline.provider import Api
from integration_pipeline.providers.teams import PROVIDER
from integration_pipeline.providers.teams.batch import ask, url
from integration_pipeline.providers.teams.pages import HEADERS
from integration_pipeline_tests.providers.teams.graph import Graph, ok, refused


class Wire:
    """A client whose requests end at a Graph, on a virtual clock."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.now = 0.0
        self.sent_at: list[float] = []
        self.stale: list[str | None] = []
        self.client: Api = Client(
            provider=PROVIDER,
            base_url=PROVIDER.api.default,
            allowed_hosts=frozenset(),
            token=self.token,
            limiter=Limiter(lambda: self.now),
            rate_limit=600,
            attempts=3,
            timeout_seconds=30,
            deadline=math.inf,
            clock=lambda: self.now,
            wait=self.wait,
            transport=httpx.MockTransport(self.answer),
        )

    def token(self, stale: str | None) -> str:
        self.stale.append(stale)
        return f"token-{len(self.stale)}"

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def answer(self, request: httpx.Request) -> httpx.Response:
        assert (request.url.host, request.url.path) == ("graph.microsoft.com", "/v1.0/$batch")
        self.sent_at.append(self.now)
        status, headers, body = self.graph.batch(json.loads(request.content))
        return httpx.Response(status, headers=dict(headers), json=body)


def test_a_throttled_part_waits_its_fractional_seconds_and_goes_alone() -> None:
    throttled = refused(429, "TooManyRequests", Retry_After="2.128")
    graph = Graph({"teams/a": ok({"id": "a"}), "teams/b": [throttled, ok({"id": "b"})]})
    wire = Wire(graph)
    urls = {name: url(f"teams/{name}", {"$select": "id"}) for name in ("a", "b")}
    assert ask(wire.client, urls, operation="teams", headers=HEADERS) == {"a": {"id": "a"}, "b": {"id": "b"}}
    assert graph.batches == [["teams/a", "teams/b"], ["teams/b"]]
    assert wire.client.calls == 2
    assert wire.sent_at == [0, 2.128]


def test_a_token_that_runs_out_inside_a_batch_is_renewed() -> None:
    stale = refused(401, "InvalidAuthenticationToken")
    graph = Graph({"teams/a": ok({"id": "a"}), "teams/b": [stale, ok({"id": "b"})]})
    wire = Wire(graph)
    urls = {name: url(f"teams/{name}", {"$select": "id"}) for name in ("a", "b")}
    assert ask(wire.client, urls, operation="teams", headers=HEADERS) == {"a": {"id": "a"}, "b": {"id": "b"}}
    assert wire.stale == [None, "token-1"]
    assert graph.batches == [["teams/a", "teams/b"], ["teams/b"]]


def test_the_parts_of_a_batch_are_counted_and_not_the_batch() -> None:
    names = [f"team-{number}" for number in range(20)]
    graph = Graph({f"teams/{name}": ok({"id": name}) for name in names})
    wire = Wire(graph)
    urls = {name: url(f"teams/{name}", {"$select": "id"}) for name in names}
    for _ in range(3):
        ask(wire.client, urls, operation="teams", headers=HEADERS)
    first, second, third = wire.sent_at
    assert second - first >= 1
    assert third - second >= 1
