import datetime as dt
import email.utils
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_pipeline.errors import (
    CredentialsError,
    Forbidden,
    Garbled,
    InvalidResponse,
    NetworkError,
    NotFound,
    ProviderError,
    ProviderFault,
    RateLimited,
    TimedOut,
    TokenRejected,
)
from integration_pipeline.http.limiter import NoRoom
from integration_pipeline.http.retry import asked_to_wait, awaited, next_try, parse_retry_after

NOW = dt.datetime(2026, 11, 21, 21, 0, tzinfo=dt.UTC)


def test_a_wait_says_what_it_is_for() -> None:
    assert awaited(RateLimited("x"), "Slack", 1, 3) == "Slack's limit"
    assert awaited(ProviderFault("x"), "Slack", 2, 3) == "Slack (ProviderFault, try 2 of 3)"


def decide(error: ProviderError, tried: int = 1, seconds_left: float = math.inf) -> float | ProviderError:
    return next_try(error, tried=tried, attempts=3, seconds_left=seconds_left, rng=random.Random(7))  # noqa: S311 - repeatable


@pytest.mark.parametrize("error_type", [RateLimited, TimedOut, NetworkError, Garbled, ProviderFault])
def test_what_may_heal_is_tried_three_times_with_doubling_delays(error_type: type[ProviderError]) -> None:
    error = error_type("no")
    first, second = decide(error), decide(error, tried=2)
    assert isinstance(first, float)
    assert isinstance(second, float)
    assert 1 <= first <= 1.5
    assert 2 <= second <= 3
    assert decide(error, tried=3) is error


@pytest.mark.parametrize(
    "error_type", [CredentialsError, TokenRejected, Forbidden, NotFound, InvalidResponse, ProviderError, NoRoom]
)
def test_what_cannot_heal_is_not_tried_again(error_type: type[ProviderError]) -> None:
    error = error_type("no", retry_after_seconds=1)
    assert decide(error) is error


@given(st.integers(1, 9), st.randoms(use_true_random=False))
def test_a_delay_is_never_less_than_asked_nor_half_as_much_again(tried: int, rng: random.Random) -> None:
    delay = next_try(TimedOut("late"), tried=tried, attempts=10, seconds_left=math.inf, rng=rng)
    assert isinstance(delay, float)
    assert 2 ** (tried - 1) <= delay <= 1.5 * 2 ** (tried - 1)


@pytest.mark.parametrize("seconds", [0.5, 2.128, 60, 300])
def test_what_the_provider_asks_for_wins(seconds: float) -> None:
    assert decide(RateLimited("no", retry_after_seconds=seconds), tried=2) == seconds
    assert decide(ProviderFault("no", retry_after_seconds=seconds), tried=2) == seconds


def test_being_asked_to_come_back_at_once_is_no_licence_to_hammer() -> None:
    delay = decide(RateLimited("no", retry_after_seconds=0))
    assert isinstance(delay, float)
    assert delay >= 1


@pytest.mark.parametrize(("asked", "left"), [(301.0, math.inf), (86_400.0, math.inf), (31.0, 30.0), (1.0, -5.0)])
def test_a_wait_beyond_what_is_allowed_is_given_up_at_once_and_says_so(asked: float, left: float) -> None:
    error = RateLimited("ratelimited", status=429, code="ratelimited", retry_after_seconds=asked, remedy="Wait.")
    given_up = decide(error, seconds_left=left)
    assert isinstance(given_up, RateLimited)
    assert f"asks to wait {asked:.0f} s" in str(given_up)
    assert (given_up.status, given_up.code, given_up.remedy) == (429, "ratelimited", "Wait.")


def test_a_backoff_beyond_the_deadline_gives_up_with_the_error_as_it_is() -> None:
    error = TimedOut("late")
    assert decide(error, seconds_left=0.5) is error
    assert decide(error, seconds_left=-1) is error


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 30),
        (" 30 ", 30),
        ("0", 0),
        ("2.128", 2.128),
        ("Sat, 21 Nov 2026 21:00:30 GMT", 30),
        ("Sat, 21 Nov 2026 22:00:30 +0100", 30),
        ("Sat, 21 Nov 2026 21:00:30 -0000", 30),
        ("Sat, 21 Nov 2026 20:00:00 GMT", 0),
        ("999999999999", 86_400),
        ("9" * 400, 86_400),
        ("Fri, 21 Nov 2036 21:00:00 GMT", 86_400),
        (None, None),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("nan", None),
        ("inf", None),
        ("1e3", None),
        ("1_000", None),
        ("\uff13\uff10", None),
        ("soon", None),
        ("Sat, 99 Nov 2026 21:00:30 GMT", None),
        ("2026-11-21T21:00:30Z", None),
    ],
)
def test_retry_after_is_read_in_every_form_it_comes_in(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


@given(st.one_of(st.text(), st.from_regex(r"\w{3}, \d+ \w{3} \d+ \d+:\d+:\d+ [+-]?\w+"), st.floats().map(str)))
def test_whatever_a_header_holds_it_is_seconds_within_a_day_or_nothing(value: str) -> None:
    seconds = parse_retry_after(value, NOW)
    assert seconds is None or 0 <= seconds <= 86_400


@given(st.integers(0, 86_400))
def test_a_date_is_read_to_the_second(seconds: int) -> None:
    date = email.utils.format_datetime(NOW + dt.timedelta(seconds=seconds), usegmt=True)
    assert parse_retry_after(date, NOW) == seconds


@pytest.mark.parametrize(
    ("error", "headers", "seconds"),
    [
        (RateLimited("no"), {"retry-after": "7", "ratelimit-reset": "42"}, 7),
        (RateLimited("no"), {"ratelimit-reset": "42"}, 42),
        (RateLimited("no"), {"retry-after": "soon", "ratelimit-reset": "42"}, 42),
        (RateLimited("no"), {}, None),
        (ProviderFault("no"), {"retry-after": "7"}, 7),
        (ProviderFault("no"), {"ratelimit-reset": "42"}, None),
    ],
)
def test_a_reset_means_something_only_where_the_limit_was_the_reason(
    error: ProviderError, headers: dict[str, str], seconds: float | None
) -> None:
    assert asked_to_wait(error, headers, NOW) == seconds
