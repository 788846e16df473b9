"""The only place that talks to providers: limit, send, classify, read, and try again where that may help.

    get | post_json | post_form -> limiter -> exchange -> classify -> read -> what the caller asked for

Errors come back as :mod:`integration_pipeline.errors`; none quotes a query, a token or a body.
"""

import base64
import contextlib
import dataclasses
import datetime as dt
import json as json_module
import logging
import math
import random
import re
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import httpx

from integration_pipeline.errors import (
    RECONNECT,
    CredentialsError,
    InvalidResponse,
    ProviderError,
    RateLimited,
    TimedOut,
    TokenRejected,
)
from integration_pipeline.http.exchange import Exchange, Request, without
from integration_pipeline.http.hosts import Hosts
from integration_pipeline.http.limiter import Limiter, Pause, Slot, Turn, Waiter, own_limit, seconds_to_hold_back
from integration_pipeline.http.retry import asked_to_wait, awaited, next_try
from integration_pipeline.http.status import classify
from integration_pipeline.model import Load
from integration_pipeline.provider import Answer, Limit, Provider

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_REDIRECTS = 3

_PLAIN_FIELDS = frozenset({"grant_type", "client_id", "scope", "client_assertion_type"})
"""What a token's form says that is no secret (RFC 6749, RFC 7521)."""

_TOKEN = re.compile(r"[\x21-\x7e]+")


class Client:
    """One connection's way to its provider; implements :class:`~integration_pipeline.provider.Api`.

    :param base_url: the API's, or the connection's own ``api_endpoint``.
    :param token: ``token(None)`` gives a bearer token, ``token(stale)`` one newer than ``stale``.
    :param rate_limit: HTTP requests a minute: the connection's own ceiling (requirement A4).
    :param attempts: tries of a request, the first one included (requirement A12).
    :param deadline: an instant of ``clock`` at which the work must have ended.
    :param wait: an interruptible sleep; with 0 it only looks whether to stop.
    :param on_wait: told of the waits that are worth telling.
    :param slot: the worker slot, given up while waiting.
    :param turn: given up while an answer is waited for.
    """

    def __init__(
        self,
        *,
        provider: Provider,
        base_url: str,
        allowed_hosts: frozenset[str],
        token: Callable[[str | None], str],
        limiter: Limiter,
        rate_limit: int,
        attempts: int,
        timeout_seconds: float,
        deadline: float,
        wait: Waiter,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        on_wait: Callable[[float, str], None] | None = None,
        slot: Slot | None = None,
        turn: Turn | None = None,
        transport: httpx.BaseTransport | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.calls = 0
        """HTTP requests sent, retries, redirects and token requests included."""
        self.load: dict[str, Load] = {}
        """As :attr:`integration_pipeline.provider.Api.load`."""
        self._answering_seconds = 0.0
        self._provider = provider
        self._hosts = Hosts(base_url, domains=provider.api.domains, allowed=allowed_hosts)
        self._token = token
        self._limiter = limiter
        self._own_limit = own_limit(rate_limit)
        self._attempts = attempts
        self._deadline = deadline
        self._wait = wait
        self._pause = Pause(wait, on_wait=on_wait, slot=slot)
        self._turn = turn
        self._clock = clock
        self._now = now
        self._rng = rng or random.SystemRandom()
        self._exchange = Exchange(timeout_seconds=timeout_seconds, transport=transport)

    def get(
        self,
        path: str,
        read: Callable[[Answer], T],
        *,
        operation: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """As :meth:`integration_pipeline.provider.Api.get`."""
        url = self._hosts.url(path)
        request = Request("GET", url.copy_merge_params(params) if params else url, headers or {})
        return self._call(lambda: request, read, operation=operation)

    def room(self, operation: str, parts: int) -> int:
        """As :meth:`integration_pipeline.provider.Api.room`."""
        limits = self._provider.limits[operation]
        rest = min((limit.requests % parts for limit in limits if self._is_cut_worth(limit, parts)), default=0)
        if not rest:
            return parts
        costs = {self._own_limit: 1}
        most, least = {**costs, **dict.fromkeys(limits, parts)}, {**costs, **dict.fromkeys(limits, rest)}
        fits = self._limiter.fits(most, least, pause=self._pause, deadline=self._deadline)
        return parts if fits else rest

    def _is_cut_worth(self, limit: Limit, parts: int) -> bool:
        """Whether requests of so many parts leave something of a window, and our own limit the requests to use it."""
        if not limit.requests % parts or parts > limit.requests:
            return False
        requests = math.ceil(limit.requests / parts)
        return self._own_limit.requests / self._own_limit.seconds >= requests / limit.seconds

    def post_json(
        self,
        path: str,
        read: Callable[[Answer], T],
        *,
        operation: str,
        json: Any | Callable[[], Any],
        parts: int | Callable[[], int] = 1,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """As :meth:`integration_pipeline.provider.Api.post_json`."""
        request = Request("POST", self._hosts.url(path), {"Content-Type": "application/json", **(headers or {})})

        def filled() -> Request:
            body = json() if callable(json) else json
            content = json_module.dumps(body, ensure_ascii=False, allow_nan=False).encode()
            return dataclasses.replace(request, content=content)

        return self._call(filled, read, operation=operation, parts=parts)

    def post_form(
        self,
        url: str,
        read: Callable[[Answer], T],
        *,
        form: Mapping[str, str],
        basic_auth: tuple[str, str] | None = None,
        operation: str = "token",
    ) -> T:
        """Ask a token endpoint, at a URL that is trusted: within the same limits, tried again and counted like the rest.

        ``read`` sees every answer, whatever its status, but redirects, which a form full of secrets does not follow:
        what a refusal looks like is the provider's own affair here. :meth:`close` lets an answer come that is under way:
        it may bring the one refresh token that is still good.
        """
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if basic_auth is not None:
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(basic_auth).encode()).decode()
        request = Request("POST", httpx.URL(url), headers, urllib.parse.urlencode(form).encode())
        limits = self._provider.limits.get(operation, ())

        def read_unless_redirected(answer: Answer) -> T:
            error = classify(answer, request.place)
            if isinstance(error, InvalidResponse):
                raise error
            return read(answer)

        secrets = [value for name, value in form.items() if name not in _PLAIN_FIELDS] + list(basic_auth or ())[1:]

        def attempt() -> T:
            answer = self._send(request, limits, 1, is_kept=True)
            # A grant may bring the same refresh token again; only a refusal has no business to repeat what was sent.
            clean = without(answer, secrets)
            try:
                return self._read(answer, read_unless_redirected)
            except ProviderError:
                if clean is answer:
                    raise
            return self._read(clean, read_unless_redirected)  # out here, so that the first error hangs on no trace

        with self._one_question(operation, 1):
            return self._with_retries(limits, attempt)

    def close(self) -> None:
        """Hang up, from any thread: an exchange under way ends at once with Interrupted, one for a token when it is over."""
        self._exchange.close()

    def _call(
        self,
        request: Callable[[], Request],
        read: Callable[[Answer], T],
        *,
        operation: str,
        parts: int | Callable[[], int] = 1,
    ) -> T:
        """Ask until it is answered; the request is made anew for every try, for one may ask less than the one before."""
        limits = self._provider.limits[operation]

        def attempt(token: str) -> T:
            plain = request()
            authorized = dataclasses.replace(plain, headers={**plain.headers, "Authorization": f"Bearer {token}"})
            answer = self._follow(authorized, limits, parts() if callable(parts) else parts)
            return self._read(answer, lambda answer: read(self._accepted(answer, plain.place)))

        with self._one_question(operation, parts() if callable(parts) else parts):
            return self._with_token(lambda token: self._with_retries(limits, lambda: attempt(token)))

    @contextlib.contextmanager
    def _one_question(self, operation: str, parts: int) -> Iterator[None]:
        """What is sent here counts as one question; where nothing could be sent, nothing was asked."""
        calls, seconds = self.calls, self._answering_seconds
        try:
            yield
        finally:
            if self.calls > calls:
                one = Load(1, parts, self._answering_seconds - seconds)
                self.load[operation] = self.load.get(operation, Load()).plus(one)

    def _with_token(self, attempt: Callable[[str], T]) -> T:
        token = self._checked_token(None)
        try:
            return attempt(token)
        except TokenRejected as error:
            rejection = error
            log.info("token rejected system=%s code=%s", self._provider.system, error.code)
        load = dict(self.load)
        try:
            fresh = self._checked_token(token)
        except CredentialsError as refusal:
            if refusal.code is None:  # no other was asked for: what the provider said of this one is all there is
                refusal.status, refusal.code = rejection.status, rejection.code
                refusal.remedy = rejection.remedy or refusal.remedy
            raise
        self.load = load
        try:
            return attempt(fresh)
        except TokenRejected as error:
            raise CredentialsError(
                f"the provider rejects even a fresh access token: {error}",
                status=error.status,
                code=error.code,
                remedy=error.remedy or RECONNECT,
            ) from error

    def _checked_token(self, stale: str | None) -> str:
        token = self._token(stale)
        if not _TOKEN.fullmatch(token):  # httpx would refuse the header, and quote it
            raise CredentialsError("the access token holds characters that no token can have", remedy=RECONNECT)
        return token

    def _with_retries(self, limits: tuple[Limit, ...], attempt: Callable[[], T]) -> T:
        """Try until it works or no more tries help; the last error is raised as it is, caused by the one before."""
        errors: list[ProviderError] = []
        while True:
            try:
                return attempt()
            except ProviderError as error:
                errors.append(error)
            self._wait(0)  # whoever was told to stop reports that, and not what it broke
            following = self._after(errors[-1], limits, tried=len(errors))
            if isinstance(following, ProviderError):
                raise following from (errors[-2] if len(errors) > 1 else following.__cause__)
            self._pause(following, awaited(errors[-1], self._provider.title, len(errors), self._attempts))

    def _after(self, error: ProviderError, limits: tuple[Limit, ...], *, tried: int) -> float | ProviderError:
        """Decide with :func:`next_try`; what rate-limited this request holds back all that count with it."""
        seconds_left = self._deadline - self._clock()
        following = next_try(error, tried=tried, attempts=self._attempts, seconds_left=seconds_left, rng=self._rng)
        delay = error.retry_after_seconds if isinstance(following, ProviderError) else following
        if isinstance(error, RateLimited) and delay:
            self._limiter.block((limit.name for limit in limits), delay)
        if not isinstance(following, ProviderError):
            log.info(
                "trying again system=%s error=%s status=%s code=%s tried=%d seconds=%.1f",
                *(self._provider.system, type(error).__name__, error.status, error.code, tried, following),
            )
        return following

    def _follow(self, request: Request, limits: tuple[Limit, ...], parts: int) -> Answer:
        """Send, and send again where the vendor moves it to another of its instances, token and all."""
        for _ in range(1 + MAX_REDIRECTS):
            answer = self._send(request, limits, parts)
            location = answer.headers.get("location")
            if answer.status not in {307, 308} or location is None:
                return answer
            request = dataclasses.replace(request, url=self._hosts.redirected(request.url, location))
        raise InvalidResponse(f"{request.place}: more than {MAX_REDIRECTS} redirects")

    def _send(self, request: Request, limits: tuple[Limit, ...], parts: int, *, is_kept: bool = False) -> Answer:
        self._wait(0)
        if self._clock() >= self._deadline:
            raise TimedOut("the time allowed for this sync is over")
        costs = {self._own_limit: 1, **dict.fromkeys(limits, parts)}
        with self._turn_taken_after(), self._limiter.take(costs, pause=self._pause, deadline=self._deadline):
            if self._turn is not None:
                self._turn.give_up()
            self.calls += 1
            began = self._clock()
            try:
                answer = self._exchange.send(request, seconds=self._deadline - began, is_kept=is_kept)
            finally:
                self._answering_seconds += self._clock() - began
        held_back = seconds_to_hold_back(answer.headers)
        if held_back:
            self._limiter.block((limit.name for limit in limits), held_back)
        return answer

    @contextlib.contextmanager
    def _turn_taken_after(self) -> Iterator[None]:
        try:
            yield
        finally:
            if self._turn is not None:
                self._turn.take()

    def _accepted(self, answer: Answer, place: str) -> Answer:
        error = self._provider.classify(answer) or classify(answer, place)
        if error is not None:
            raise error
        return answer

    def _read(self, answer: Answer, read: Callable[[Answer], T]) -> T:
        """Read an answer; its error learns what every answer tells: the status, and how long it asks to wait."""
        try:
            return read(answer)
        except ProviderError as error:
            error.status = error.status or answer.status
            asked = asked_to_wait(error, answer.headers, self._now())
            if asked is not None:  # else it is as long as the provider's custom
                error.retry_after_seconds = asked
            raise
