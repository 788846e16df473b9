"""Critical notices by webhook: a signed JSON POST, tried again like every other request.

notice -> body, time, signature -> exchange -> taken | ProviderError

The signature is HMAC-SHA256 over ``<timestamp>.<body>`` with the shared secret, so that neither can be changed and an old
request cannot be sent again later; its id lets the receiver drop one that comes twice (docs/operations.md has a receiver).
"""

import datetime as dt
import hashlib
import hmac
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from integration_pipeline.errors import Interrupted, ProviderError
from integration_pipeline.http.exchange import Exchange, Request
from integration_pipeline.http.retry import asked_to_wait, next_try
from integration_pipeline.http.status import classify
from integration_pipeline.notices import Told, as_json

ID = "Integration-Pipeline-Notice"
TIMESTAMP = "Integration-Pipeline-Timestamp"
SIGNATURE = "Integration-Pipeline-Signature"

ATTEMPTS = 3
TIMEOUT_SECONDS = 10.0
DEADLINE_SECONDS = 60.0
"""For one notice, tries and waits included."""


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """What the header says: the scheme's version, and the MAC in hexadecimal."""
    return f"v1={hmac.new(secret.encode(), timestamp.encode() + b'.' + body, hashlib.sha256).hexdigest()}"


class Webhook:
    """The receiver of notices behind a URL.

    :param clock: monotonic seconds.
    :param now: an aware clock, which the receiver compares with its own.
    :param wait_for: waits for an event, so many seconds at most; says whether it came.
    """

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        clock: Callable[[], float],
        now: Callable[[], dt.datetime],
        wait_for: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        self._url = httpx.URL(url)
        self._secret = secret
        self._wait_for = wait_for
        self._clock = clock
        self._now = now
        self._rng = random.Random()  # noqa: S311 - it spreads retries
        self._closed = threading.Event()
        self._exchange = Exchange(timeout_seconds=TIMEOUT_SECONDS)

    def __call__(self, told: Told) -> None:
        """Post it until it is taken.

        :raises ProviderError: it was not; retryable if the receiver may take it later.
        :raises Interrupted: :meth:`close` was called.
        """
        deadline = self._clock() + DEADLINE_SECONDS
        tried = 0
        while True:
            tried += 1
            error = self._try(told, deadline)
            if error is None:
                return
            seconds_left = deadline - self._clock()
            following = next_try(error, tried=tried, attempts=ATTEMPTS, seconds_left=seconds_left, rng=self._rng)
            if isinstance(following, ProviderError):
                raise following
            if self._wait_for(self._closed, following):
                raise Interrupted("the delivery was stopped")

    def close(self) -> None:
        """Hang up, from any thread."""
        self._closed.set()
        self._exchange.close()

    def _try(self, told: Told, deadline: float) -> ProviderError | None:
        body = as_json(told)
        timestamp = str(int(self._now().timestamp()))
        headers = {
            "Content-Type": "application/json",
            ID: str(told.notice_id),
            TIMESTAMP: timestamp,
            SIGNATURE: signature(self._secret, timestamp, body),
        }
        request = _Post("POST", self._url, headers, body)
        try:
            answer = self._exchange.send(request, seconds=deadline - self._clock())
        except ProviderError as silence:
            return silence
        error = classify(answer, request.place)
        if error is not None:
            error.retry_after_seconds = asked_to_wait(error, answer.headers, self._now())
        return error


@dataclass(frozen=True, slots=True)
class _Post(Request):
    """A request whose path may be a secret of the receiver's: messages name its host alone."""

    @property
    def place(self) -> str:
        return f"the receiver of notices at {self.url.host}"
