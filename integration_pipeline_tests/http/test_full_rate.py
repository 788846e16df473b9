"""Limits are used to the full and never overstepped: hours of asking in virtual time, judged by the vendors' own counting.

A judge counts what reaches it within the last window, wherever that window begins, and when in between sending and answer
it does so is a matter of chance. What is made is held against the most that the judge would have taken. Windows of a second
are judged without latency: whoever may not know when in between the provider counted has to leave a round trip's worth of
each window unused, in a second's a tenth, in a minute's nothing that matters.
"""

import json
import math
import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from integration_pipeline import registry
from integration_pipeline.http.client import Client
from integration_pipeline.http.limiter import Limiter
from integration_pipeline.model import System
from integration_pipeline.provider import Limit
from integration_pipeline.providers.teams.batch import MAX_PARTS, ask, followed, in_batches
from integration_pipeline_tests.builders import LINE_WORKS, SLACK, TEAMS

FULL = 0.97
HOURS = 2 * 3600.0
LATENCY = 0.05


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float, _reason: str = "") -> None:
        self.now += seconds


@dataclass
class Judge:
    """The vendor's count of one limit, in the plainest way."""

    requests: int
    seconds: float
    refused: int = 0
    taken: int = 0
    log: deque[tuple[float, int]] = field(default_factory=deque)
    within: int = 0

    def count(self, at: float, cost: int = 1) -> bool:
        """Whether the vendor takes it."""
        while self.log and self.log[0][0] <= at - self.seconds + 1e-9:
            self.within -= self.log.popleft()[1]
        if self.within + cost > self.requests:
            self.refused += cost
            return False
        self.log.append((at, cost))
        self.within += cost
        self.taken += cost
        return True

    def most(self, duration: float) -> int:
        return self.requests * math.ceil(duration / self.seconds)


def made(costs: Mapping[Limit, int], judges: list[Judge], duration: float, latency: float) -> int:
    """How many requests one connection makes that never has to wait for anything else."""
    clock, chance, sent = Clock(), random.Random(1), 0  # noqa: S311 - no secret
    limiter = Limiter(clock)
    while True:
        with limiter.take(costs, pause=clock.pause):
            if clock.now >= duration:
                return sent
            arrival = clock.now + latency * chance.random()
            for judge in judges:
                judge.count(arrival)
            sent += 1
            clock.now += latency


OPERATIONS = [
    pytest.param(system, operation, id=f"{system} {operation}")
    for system in (SLACK, TEAMS)
    for operation, limits in registry.provider(System(system)).limits.items()
    if limits
]


@pytest.mark.parametrize("rate", [60, 600], ids="own limit {}".format)
@pytest.mark.parametrize(("system", "operation"), OPERATIONS)
def test_every_operation_is_asked_as_often_as_its_limits_and_the_connections_own_allow(
    system: str, operation: str, rate: int
) -> None:
    limits = registry.provider(System(system)).limits[operation]
    own = Limit("api_rate_limit", rate, 60.0)
    judges = [Judge(limit.requests, limit.seconds) for limit in (own, *limits)]
    duration = HOURS if rate == 60 else HOURS / 10
    sent = made(dict.fromkeys((own, *limits), 1), judges, duration, LATENCY)
    assert [judge.refused for judge in judges] == [0] * len(judges)
    assert sent >= FULL * min(judge.most(duration) for judge in judges)


def test_line_works_takes_240_a_minute_for_half_an_hour_and_half_of_it_from_then_on() -> None:
    limits = registry.provider(System(LINE_WORKS)).limits["users"]
    peak = Judge(240, 60.0)
    sent = made(dict.fromkeys(limits, 1), [peak], HOURS, LATENCY)
    assert peak.refused == 0
    assert sent >= FULL * (240 * 30 + 120 * 90)
    late = [at for at, _ in peak.log]
    assert late[-1] - late[0] < 60
    assert len(late) <= 120


def test_a_pause_gives_line_works_whole_rate_back() -> None:
    (limit,) = registry.provider(System(LINE_WORKS)).limits["users"]
    clock = Clock()
    limiter = Limiter(clock)

    def minute() -> int:
        ends, sent = clock.now + 60, 0
        while True:
            with limiter.take({limit: 1}, pause=clock.pause):
                if clock.now >= ends:
                    return sent
                sent += 1

    rates = [minute() for _ in range(35)]
    clock.now += 120
    rates.append(minute())
    assert min(rates[:30]) >= 239
    assert max(rates[31:35]) <= 121
    assert rates[35] == 240


class Graph(httpx.BaseTransport):
    """Takes batches, counts each part, and refuses what is too much."""

    def __init__(self, clock: Clock, parts: Judge, calls: Judge) -> None:
        self.clock = clock
        self.parts = parts
        self.calls = calls
        self.sizes: list[int] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        asked = json.loads(request.content)["requests"]
        self.sizes.append(len(asked))
        self.calls.count(self.clock.now)
        answers = [
            {"id": part["id"], "status": 200 if self.parts.count(self.clock.now) else 429, "body": {}} for part in asked
        ]
        return httpx.Response(200, json={"responses": answers})


def asked(operation: str, requests: int, rate: int, teams: int) -> tuple[Graph, float]:
    """So many teams, each asked for one thing; and how long it took."""
    clock = Clock()
    graph = Graph(clock, Judge(requests, 1.0), Judge(rate, 60.0))
    settings: dict[str, Any] = {"attempts": 3, "timeout_seconds": 30.0, "deadline": math.inf}
    client = Client(
        provider=registry.provider(System(TEAMS)),
        base_url="https://graph.microsoft.com/v1.0/",
        allowed_hosts=frozenset(),
        token=lambda _stale: "token",
        limiter=Limiter(clock),
        rate_limit=rate,
        wait=clock.pause,
        clock=clock,
        transport=graph,
        **settings,
    )
    for batch, is_followed in followed(in_batches(f"team-{number}" for number in range(teams))):
        urls = {team: f"/teams/{team}" for team in batch}
        answers = ask(client, urls, operation=operation, headers={}, is_followed=is_followed)
        assert list(answers) == batch
    client.close()
    return graph, clock.now


@pytest.mark.parametrize(("operation", "requests"), [("teams", 30), ("apps", 30), ("channels", 60)])
def test_where_the_parts_are_scarce_a_batch_is_cut_to_the_room_there_is(operation: str, requests: int) -> None:
    graph, took = asked(operation, requests, rate=600, teams=1800)
    assert graph.parts.refused == graph.calls.refused == 0
    assert FULL * graph.parts.most(took) <= 1800
    assert set(graph.sizes) <= {MAX_PARTS, MAX_PARTS // 2}


@pytest.mark.parametrize("operation", ["teams", "channels"])
def test_where_the_calls_are_scarce_every_batch_is_full_and_no_call_allowed_goes_unused(operation: str) -> None:
    graph, took = asked(operation, 30 if operation == "teams" else 60, rate=60, teams=60 * 20 * 5)
    assert graph.parts.refused == graph.calls.refused == 0
    assert set(graph.sizes) == {MAX_PARTS}
    assert len(graph.sizes) >= FULL * graph.calls.most(took)


@pytest.mark.parametrize(("teams", "sizes"), [(20, [20]), (25, [20, 5]), (40, [20, 20]), (50, [20, 10, 10, 10])])
def test_the_last_batch_is_not_cut_since_it_would_end_no_sooner(teams: int, sizes: list[int]) -> None:
    graph, _ = asked("teams", 30, rate=600, teams=teams)
    assert graph.sizes == sizes
