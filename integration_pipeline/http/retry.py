"""Retries: whether to try again, and when. Pure; the client's loop is the only place that tries again.

(error, tries made, time left) -> seconds to wait | the error to raise
"""

import datetime as dt
import email.utils
import random
import re
from collections.abc import Mapping

from integration_pipeline.errors import ProviderError, RateLimited
from integration_pipeline.http.limiter import MAX_WAIT_SECONDS

LONGEST_RETRY_AFTER_SECONDS = 86_400.0
"""An answer that asks for more is read as asking for this; nobody waits that long either."""

_SECONDS = re.compile(r"\d+(\.\d+)?", re.ASCII)


def next_try(
    error: ProviderError, *, tried: int, attempts: int, seconds_left: float, rng: random.Random
) -> float | ProviderError:
    """Say how many seconds to wait before the next try, or which error to give up with.

    What the provider asks for wins; else 1 s × 2^n (requirement A12), up to half as much again at random, so that a
    provider that comes back does not meet everybody at once.

    :param error: what the last try ended with.
    :param tried: tries made so far, at least 1.
    :param attempts: tries allowed.
    :param seconds_left: until the sync's deadline.
    """
    if not error.is_retryable or tried >= attempts:
        return error
    asked = error.retry_after_seconds
    if not asked:
        delay = 2 ** (tried - 1) * rng.uniform(1.0, 1.5)
        return delay if delay < seconds_left else error
    allowed = min(MAX_WAIT_SECONDS, seconds_left)
    if asked <= allowed:
        return asked
    return type(error)(
        f"{error}; the provider asks to wait {asked:.0f} s, and this sync may wait {max(allowed, 0):.0f} s",
        status=error.status,
        code=error.code,
        retry_after_seconds=asked,
        remedy=error.remedy,
    )


def awaited(error: ProviderError, provider: str, tried: int, attempts: int) -> str:
    """What the wait before the next try is for, as people read it after "waiting for"."""
    if isinstance(error, RateLimited):
        return f"{provider}'s limit"
    return f"{provider} ({type(error).__name__}, try {tried} of {attempts})"


def asked_to_wait(error: ProviderError, headers: Mapping[str, str], now: dt.datetime) -> float | None:
    """How long an answer asks to wait before the next try: ``Retry-After``, or what a rate limit's headers say.

    LINE WORKS sends ``rateLimit-reset``, the seconds left, and no ``Retry-After`` ("Rate limits"). It does so with every
    answer, so that it means something only where the limit was the reason.
    """
    seconds = parse_retry_after(headers.get("retry-after"), now)
    if seconds is None and isinstance(error, RateLimited):
        seconds = parse_retry_after(headers.get("ratelimit-reset"), now)
    return seconds


def parse_retry_after(value: str | None, now: dt.datetime) -> float | None:
    """Read a ``Retry-After``: seconds, whole or not (Graph sends ``2.128``), or an HTTP date (RFC 9110 §10.2.3).

    :returns: seconds from 0 to a day; None where there is nothing to read.
    """
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), LONGEST_RETRY_AFTER_SECONDS)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:  # "-0000": the sender's own zone is unknown, the time is UTC (RFC 5322 §3.3)
        moment = moment.replace(tzinfo=dt.UTC)
    return min(max((moment - now).total_seconds(), 0.0), LONGEST_RETRY_AFTER_SECONDS)
