import contextlib
import logging
import math
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from integration_pipeline.errors import Interrupted, RateLimited
from integration_pipeline.http.limiter import Limiter, NoRoom, Pause, seconds_to_hold_back
from integration_pipeline.provider import Limit

MINUTE = Limit("minute", 3, 60.0)
SECOND = Limit("second", 2, 1.0)


class Clock:
    """Virtual time: a pause is over at once, and it is later."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[tuple[float, str]] = []

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float, reason: str) -> None:
        self.pauses.append((seconds, reason))
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def take(limiter: Limiter, clock: Clock, costs: dict[Limit, int], deadline: float = math.inf) -> float:
    """Take, and say when it went."""
    with limiter.take(costs, pause=clock.pause, deadline=deadline):
        return clock.now


def test_what_fits_goes_at_once_and_the_next_waits_for_exactly_as_long_as_it_must(clock: Clock) -> None:
    limiter = Limiter(clock)
    went = []
    for _ in range(5):
        went.append(take(limiter, clock, {MINUTE: 1}))
        clock.now += 1
    assert went == [0, 1, 2, 60, 61]
    assert clock.pauses == [(57, "the limit minute")]


def test_several_limits_are_taken_together_and_the_strictest_wins(clock: Clock) -> None:
    limiter = Limiter(clock)
    assert [take(limiter, clock, {MINUTE: 1, SECOND: 1}) for _ in range(4)] == [0, 0, 1, 60]


def test_limits_of_other_names_do_not_wait_for_each_other(clock: Clock) -> None:
    limiter = Limiter(clock)
    for _ in range(2):
        take(limiter, clock, {SECOND: 1})
    assert take(limiter, clock, {MINUTE: 1}) == 0
    assert take(limiter, clock, {SECOND: 1}) == 1


def test_who_waits_for_one_limit_takes_nothing_of_the_others_meanwhile(clock: Clock) -> None:
    limiter = Limiter(clock)
    take(limiter, clock, {SECOND: 2})
    with (
        pytest.raises(Interrupted),
        limiter.take({MINUTE: 3, SECOND: 1}, pause=lambda _seconds, _reason: interrupt()),
    ):
        pass
    assert take(limiter, clock, {MINUTE: 3}) == 0


def interrupt() -> None:
    raise Interrupted("stop")


def test_a_request_counts_until_a_window_after_its_answer_since_nobody_knows_when_it_was_counted(clock: Clock) -> None:
    limiter = Limiter(clock)
    with limiter.take({SECOND: 2}, pause=clock.pause):
        clock.now += 0.7
    assert take(limiter, clock, {SECOND: 1}) == 1.7


def test_a_request_that_failed_counts_as_well(clock: Clock) -> None:
    limiter = Limiter(clock)
    with contextlib.suppress(OSError), limiter.take({SECOND: 2}, pause=clock.pause):
        raise OSError
    assert take(limiter, clock, {SECOND: 1}) == 1


def test_a_cost_larger_than_a_window_goes_alone_and_is_paid_off_before_the_next(clock: Clock) -> None:
    limiter = Limiter(clock)
    take(limiter, clock, {SECOND: 1})
    assert take(limiter, clock, {SECOND: 5}) == 1
    assert take(limiter, clock, {SECOND: 1}) == 3  # five take two and a half windows
    assert take(limiter, clock, {SECOND: 2}) == 4


def test_a_block_lets_nothing_through_and_only_the_longest_counts(clock: Clock) -> None:
    limiter = Limiter(clock)
    limiter.block(["minute"], 30)
    limiter.block(["minute", "never heard of"], 10)
    assert take(limiter, clock, {SECOND: 1}) == 0
    assert take(limiter, clock, {MINUTE: 1, SECOND: 1}) == 30


def test_a_block_never_gives_more_than_the_window_has(clock: Clock) -> None:
    limiter = Limiter(clock)
    take(limiter, clock, {MINUTE: 3})
    limiter.block(["minute"], 10)
    assert take(limiter, clock, {MINUTE: 1}) == 60


@pytest.mark.parametrize(("blocked", "deadline"), [(301.0, math.inf), (30.0, 29.0), (0.5, 0.0)])
def test_a_wait_longer_than_anybody_waits_is_refused_at_once(clock: Clock, blocked: float, deadline: float) -> None:
    limiter = Limiter(clock)
    limiter.block(["minute"], blocked)
    with pytest.raises(NoRoom, match="limit minute") as caught:
        take(limiter, clock, {MINUTE: 1}, deadline)
    assert isinstance(caught.value, RateLimited)
    assert not caught.value.is_retryable
    assert clock.pauses == []


def test_a_limit_longer_than_any_provider_could_ask_to_wait_is_waited_for(clock: Clock) -> None:
    limiter = Limiter(clock)
    half_an_hour = Limit("long", 3600, 1800.0)
    for _ in range(4000):
        take(limiter, clock, {half_an_hour: 1}, deadline=4 * 3600.0)
    assert [seconds for seconds, _ in clock.pauses] == [1800]


def test_whoever_asks_for_long_without_a_pause_has_less_until_there_was_one(clock: Clock) -> None:
    limiter = Limiter(clock)
    limit = Limit("peak", 4, 1.0, sustained=2, sustained_after=3.0)
    went = [take(limiter, clock, {limit: 1}) for _ in range(18)]
    assert went == [0] * 4 + [1] * 4 + [2] * 4 + [3, 3, 4, 4, 5, 5]
    clock.now = 7
    assert [take(limiter, clock, {limit: 1}) for _ in range(5)] == [7] * 4 + [8]


def test_what_fits_is_told_without_being_taken(clock: Clock) -> None:
    limiter = Limiter(clock)
    assert limiter.fits({SECOND: 2}, {SECOND: 1}, pause=clock.pause)
    take(limiter, clock, {SECOND: 1})
    assert not limiter.fits({SECOND: 2}, {SECOND: 1}, pause=clock.pause)
    take(limiter, clock, {SECOND: 1})
    assert clock.now == 0
    assert limiter.fits({SECOND: 2}, {SECOND: 1}, pause=clock.pause)
    assert clock.now == 1


def test_the_minute_of_a_connection_is_used_to_the_full(clock: Clock) -> None:
    limiter = Limiter(clock)
    own, tier = Limit("api_rate_limit", 60, 60.0), Limit("tier 2", 20, 60.0)
    for _ in range(200):
        take(limiter, clock, {own: 1, tier: 1})
    assert clock.now == 540  # 20 at 0, 20 at 60, ... and the last at 540


def test_threads_never_share_more_than_there_is() -> None:
    limiter = Limiter(lambda: 0.0)  # time stands still: nothing expires
    limit = Limit("few", 10, 60.0)
    took: list[int] = []
    barrier = threading.Barrier(8)

    def work(name: int) -> None:
        barrier.wait()
        with contextlib.suppress(Interrupted):
            for _ in range(5):
                with limiter.take({limit: 1}, pause=lambda _seconds, _reason: interrupt()):
                    took.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(took) == 10


class Windows(RuleBasedStateMachine):
    """Takes of any cost in any order, answers whenever they come, blocks in between, and early wake-ups."""

    @initialize(
        limits=st.lists(
            st.builds(Limit, st.sampled_from("ab"), st.integers(1, 5), st.sampled_from([0.3, 1.0, 7.0])),
            min_size=1,
            max_size=3,
            unique=True,
        )
    )
    def begin(self, limits: list[Limit]) -> None:
        self.now = 0.0
        self.limits = limits
        self.limiter = Limiter(lambda: self.now)
        self.blocked: dict[str, float] = {}
        self.open: list[tuple[contextlib.ExitStack, dict[Limit, int], float]] = []
        self.landed: list[tuple[dict[Limit, int], float, float]] = []

    @rule(seconds=st.floats(0, 3))
    def later(self, seconds: float) -> None:
        self.now += seconds

    @rule(data=st.data(), early=st.floats(0.01, 1))
    def take(self, data: st.DataObject, early: float) -> None:
        chosen = data.draw(st.sets(st.sampled_from(self.limits), min_size=1))
        costs = {limit: data.draw(st.integers(1, limit.requests)) for limit in chosen}
        asked = self.now
        could_go = self.has_room(costs, self.now)

        def pause(seconds: float, _reason: str) -> None:
            assert seconds > 0
            assert not self.has_room(costs, self.now)
            # Not even if every answer came this instant.
            assert not self.has_room(costs, self.now + seconds * 0.999, answered_at=self.now)
            self.now += seconds * early if seconds > 0.01 else seconds
            if self.open:
                self.land(self.open[0])

        stack = contextlib.ExitStack()
        stack.enter_context(self.limiter.take(costs, pause=pause))
        assert self.now == asked or not could_go
        self.open.append((stack, costs, self.now))

    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        if self.open:
            self.land(data.draw(st.sampled_from(self.open)))

    @rule(name=st.sampled_from("ab"), seconds=st.floats(0, 5))
    def block(self, name: str, seconds: float) -> None:
        self.limiter.block([name], seconds)
        self.blocked[name] = max(self.blocked.get(name, 0.0), self.now + seconds)

    def land(self, grant: tuple[contextlib.ExitStack, dict[Limit, int], float]) -> None:
        stack, costs, went = grant
        stack.close()
        self.open.remove(grant)
        self.landed.append((costs, went, self.now))

    def has_room(self, costs: dict[Limit, int], at: float, answered_at: float = math.inf) -> bool:
        """The rule itself, said in the plainest way."""
        for limit, cost in costs.items():
            ends = [(end, other) for other, _, end in self.landed] + [(answered_at, other) for _, other, _ in self.open]
            counted = sum(other.get(limit, 0) for end, other in ends if end + limit.seconds > at)
            if counted + cost > limit.requests or self.blocked.get(limit.name, 0.0) > at:
                return False
        return True

    @invariant()
    def no_window_holds_more_than_its_limit(self) -> None:
        """Wherever a provider's window begins, and whenever between sending and answer it counts a request."""
        for limit in getattr(self, "limits", ()):
            spans = [(went, end, costs.get(limit, 0)) for costs, went, end in self.landed]
            spans += [(went, math.inf, costs.get(limit, 0)) for _, costs, went in self.open]
            for start in (span[1] for span in spans if span[1] < math.inf):
                within = [cost for went, end, cost in spans if end >= start and went < start + limit.seconds]
                assert sum(within) <= limit.requests

    def teardown(self) -> None:
        for stack, _, _ in getattr(self, "open", ()):
            stack.close()


TestWindows = Windows.TestCase
TestWindows.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(st.lists(st.integers(1, 25), min_size=1, max_size=30), st.integers(1, 8))
def test_costs_of_any_size_pass_and_none_costs_more_than_its_share_of_time(costs: list[int], requests: int) -> None:
    clock = Clock()
    limiter = Limiter(clock)
    limit = Limit("any", requests, 1.0)
    for cost in costs:
        take(limiter, clock, {limit: cost})
    windows = sum(math.ceil(cost / requests) for cost in costs)
    assert clock.now <= windows
    assert sum(costs[:-1]) <= requests * (clock.now + 1)


# --- pauses


class Slot:
    def __init__(self, events: list[str]) -> None:
        self._events = events

    def acquire(self) -> bool:
        self._events.append("acquired")
        return True

    def release(self) -> None:
        self._events.append("released")


def test_a_pause_is_announced_and_gives_up_the_slot(caplog: pytest.LogCaptureFixture) -> None:
    events: list[str] = []
    pause = Pause(
        lambda seconds: events.append(f"waited {seconds}"),
        on_wait=lambda seconds, reason: events.append(f"told {seconds} {reason}"),
        slot=Slot(events),
    )
    with caplog.at_level(logging.INFO):
        pause(2.5, "rate limit x")
    assert events == ["told 2.5 rate limit x", "released", "waited 2.5", "acquired"]
    assert caplog.messages == ["waiting seconds=2.5 reason='rate limit x'"]


def test_a_short_pause_is_not_worth_telling(caplog: pytest.LogCaptureFixture) -> None:
    told: list[float] = []
    with caplog.at_level(logging.INFO):
        Pause(lambda _seconds: None, on_wait=lambda seconds, _reason: told.append(seconds))(0.9, "x")
    assert told == []
    assert caplog.messages == []


def test_an_interrupted_pause_takes_its_slot_back_for_its_owner_to_give_up() -> None:
    events: list[str] = []
    with pytest.raises(Interrupted):
        Pause(lambda _seconds: interrupt(), slot=Slot(events))(1, "x")
    assert events == ["released", "acquired"]


# --- what headers say


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "42"}, 42),
        ({"ratelimit-remaining": " 0 ", "ratelimit-reset": " 1.5 "}, 1.5),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "99999"}, 300),
        ({"ratelimit-remaining": "1", "ratelimit-reset": "42"}, 0),
        ({"ratelimit-remaining": "0"}, 0),
        ({"ratelimit-reset": "42"}, 0),
        ({"ratelimit-remaining": "-1", "ratelimit-reset": "42"}, 0),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "soon"}, 0),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "nan"}, 0),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "\uff14\uff12"}, 0),
        ({"x-ms-throttle-limit-percentage": "1.2"}, 0),
    ],
)
def test_headers_hold_back_only_when_nothing_is_left(headers: dict[str, str], seconds: float) -> None:
    assert seconds_to_hold_back(headers) == seconds
