import datetime as dt
import gzip
import json
import logging
import math
import traceback
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from integration_pipeline.errors import (
    CredentialsError,
    Forbidden,
    Garbled,
    Interrupted,
    InvalidResponse,
    NetworkError,
    NotFound,
    ProviderError,
    ProviderFault,
    RateLimited,
    TimedOut,
    TokenRejected,
)
from integration_pipeline.http.client import Client
from integration_pipeline.http.exchange import LARGEST_BODY_BYTES
from integration_pipeline.http.limiter import Limiter, NoRoom
from integration_pipeline.model import Load, System, Token
from integration_pipeline.provider import Answer, Endpoint, Limit, Provider

NOW = dt.datetime(2026, 11, 21, 21, 0, tzinfo=dt.UTC)
URL = "https://api.example.jp/v1/"
SECRET = "s3cret"


def read_json(answer: Answer) -> Any:
    try:
        return json.loads(answer.body)
    except ValueError:
        raise Garbled("not JSON") from None


def classify_nothing(answer: Answer) -> ProviderError | None:
    return None


def unused(*args: Any) -> Any:
    raise AssertionError("nothing here asks for this part of a provider")


def provider(classify: Callable[[Answer], ProviderError | None] = classify_nothing) -> Provider:
    return Provider(
        system=System("ACME"),
        title="Acme",
        api=Endpoint("ACME_URL", URL, domains=("example.jp",)),
        token=Endpoint("ACME_TOKEN_URL", URL),
        limits={"users": (Limit("tier 2", 20, 60.0),), "batch": (Limit("parts", 30, 1.0),), "free": ()},
        options=(),
        problems=lambda _entry: [],
        token_request=lambda _connection, _now: None,
        read_token=lambda _answer, _now: Token(unused(), None, None),
        refresh_before=dt.timedelta(0),
        classify=classify,
        listings={},
        probe=unused,
    )


class World:
    """A provider that plays its answers in turn, and a virtual clock."""

    def __init__(self, *answers: httpx.Response | Exception, classify: Any = classify_nothing, **options: Any) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.sent_at: list[float] = []
        self.now = 0.0
        self.slept: list[float] = []
        self.is_stopped = False
        self.tokens = ["token-1", "token-2", "token-3"]
        self.stale: list[str | None] = []
        self.waits: list[tuple[float, str]] = []
        self.limiter = Limiter(lambda: self.now)
        limits: dict[str, Any] = {"rate_limit": 600, "attempts": 3, "timeout_seconds": 30.0, "deadline": math.inf}
        self.client = Client(
            provider=provider(classify),
            base_url=URL,
            allowed_hosts=frozenset(),
            limiter=self.limiter,
            clock=lambda: self.now,
            now=lambda: NOW + dt.timedelta(seconds=self.now),
            wait=self.wait,
            on_wait=lambda seconds, reason: self.waits.append((seconds, reason)),
            transport=httpx.MockTransport(self.answer),
            **{**limits, "token": self.token, **options},
        )

    def token(self, stale: str | None) -> str:
        self.stale.append(stale)
        if stale is not None:
            assert self.tokens.pop(0) == stale
        return self.tokens[0]

    def wait(self, seconds: float) -> None:
        if self.is_stopped:
            raise Interrupted("stop")
        if seconds:
            self.slept.append(seconds)
            self.now += seconds

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.sent_at.append(self.now)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def get(self, path: str = "users", **options: Any) -> Any:
        return self.client.get(path, read_json, **{"operation": "users", **options})


def ok(value: Any = None, **options: Any) -> httpx.Response:
    return httpx.Response(200, json={"ok": True} if value is None else value, **options)


# --- asking


def test_a_get_asks_under_the_base_url_with_the_token_and_reads_the_answer() -> None:
    world = World(ok([1]))
    assert world.get(params={"cursor": "a+b/c=", "$select": "id,名"}, headers={"Prefer": "x"}) == [1]
    (request,) = world.requests
    assert (request.method, str(request.url)) == (
        "GET",
        "https://api.example.jp/v1/users?cursor=a%2Bb%2Fc%3D&%24select=id%2C%E5%90%8D",
    )
    assert request.headers["authorization"] == "Bearer token-1"
    assert request.headers["prefer"] == "x"
    assert request.headers["accept-encoding"] == "gzip"
    assert world.client.calls == 1


def test_a_question_is_one_however_often_it_is_sent() -> None:
    renewed: list[str] = []

    def token(stale: str | None) -> str:
        if stale is not None:  # it must be asked for, as Tokens does
            renewed.append(world.client.post_form("https://login.test/token", lambda _: "token-2", form={}))
        return renewed[0] if renewed else "token-1"

    answers = (httpx.Response(503), redirect("/v2/users"), httpx.Response(401), ok(), ok(), ok())
    world = World(*answers, token=token)
    world.get()
    assert (world.client.load, world.client.calls) == ({"users": Load(1, 1)}, 5)
    world.get()
    assert (world.client.load, world.client.calls) == ({"users": Load(2, 2)}, 6)


def test_a_token_had_before_the_work_is_a_question() -> None:
    world = World(httpx.Response(503), ok())
    world.client.post_form("https://login.test/token", read_json, form={})
    assert (world.client.load, world.client.calls) == ({"token": Load(1, 1)}, 2)


def test_what_could_not_be_sent_was_not_asked() -> None:
    world = World(deadline=0.0)
    with pytest.raises(TimedOut):
        world.get()
    assert world.client.load == {}


def test_a_link_is_asked_as_it_came() -> None:
    link = "https://api.example.jp/v1/users?$skiptoken=RFN%2Bwd'(x)&$top=999"
    world = World(ok())
    world.get(link)
    assert str(world.requests[0].url) == link


def test_a_link_to_another_host_is_never_asked() -> None:
    world = World()
    with pytest.raises(InvalidResponse, match=r"evil\.test"):
        world.get("https://evil.test/users")
    assert world.client.calls == 0


def test_a_post_sends_json_and_counts_its_parts_against_the_vendors_limit_alone() -> None:
    world = World(ok(), ok(), ok(), rate_limit=3)
    for _ in range(3):
        world.client.post_json("$batch", read_json, operation="batch", json={"名": [1]}, parts=20)
    assert json.loads(world.requests[0].content) == {"名": [1]}
    assert world.requests[0].headers["content-type"] == "application/json"
    assert world.sent_at == [0, 1, 2]


def test_a_try_after_one_that_was_answered_in_part_asks_for_the_rest_alone() -> None:
    open_parts = ["a", "b", "c"]

    def read(answer: Answer) -> None:
        open_parts.remove(open_parts[0])
        if open_parts:
            raise RateLimited("parts are throttled", retry_after_seconds=5)

    world = World(ok(), ok(), ok())
    world.client.post_json(
        "$batch", read, operation="batch", json=lambda: {"ids": open_parts}, parts=lambda: 10 * len(open_parts)
    )
    assert [json.loads(request.content)["ids"] for request in world.requests] == [["a", "b", "c"], ["b", "c"], ["c"]]


def test_an_operation_without_a_declared_limit_is_a_mistake_and_not_unlimited() -> None:
    with pytest.raises(KeyError):
        World().get(operation="groups")


def test_the_connections_own_limit_counts_every_request() -> None:
    world = World(*(ok() for _ in range(5)), rate_limit=2)
    for _ in range(5):
        world.get(operation="free")
    assert world.sent_at == [0, 0, 60, 60, 120]
    assert world.waits == [(60, "the limit api_rate_limit")] * 2


def test_a_vendors_limit_counts_the_requests_of_its_operation() -> None:
    world = World(*(ok() for _ in range(22)))
    for _ in range(21):
        world.get()
    world.get(operation="free")
    assert world.sent_at[19:] == [0, 60, 60]


# --- trying again


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.Response(500),
        httpx.Response(503, html="<title>down</title>"),
        httpx.Response(408),
        httpx.Response(504),
        httpx.Response(429),
        httpx.Response(200, html="<title>proxy</title>"),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("late"),
        httpx.RemoteProtocolError("cut"),
    ],
)
def test_what_may_heal_is_tried_again(trouble: httpx.Response | Exception) -> None:
    world = World(trouble, trouble, ok([1]))
    assert world.get() == [1]
    assert world.client.calls == 3
    assert 1 <= world.sent_at[1] <= 1.5
    assert 3 <= world.sent_at[2] <= 4.5


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (httpx.Response(500), ProviderFault),
        (httpx.Response(599), ProviderFault),
        (httpx.Response(504), TimedOut),
        (httpx.Response(429), RateLimited),
        (httpx.Response(200, text="<html>"), Garbled),
        (httpx.ConnectTimeout("late"), TimedOut),
        (httpx.ReadError("reset"), NetworkError),
    ],
)
def test_after_the_last_try_its_error_is_raised(
    trouble: httpx.Response | Exception, error: type[ProviderError]
) -> None:
    world = World(*[trouble] * 3)
    with pytest.raises(error) as caught:
        world.get()
    assert type(caught.value) is error
    assert world.client.calls == 3
    assert isinstance(caught.value.__cause__, error)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, ProviderError),
        (403, Forbidden),
        (404, NotFound),
        (410, ProviderError),
        (501, ProviderError),
        (304, InvalidResponse),
    ],
)
def test_what_cannot_heal_is_asked_once(status: int, error: type[ProviderError]) -> None:
    world = World(httpx.Response(status, html="<p>no"))
    with pytest.raises(error) as caught:
        world.get()
    assert type(caught.value) is error
    assert caught.value.status == status
    assert str(status) in str(caught.value)
    assert world.client.calls == 1


def test_the_number_of_tries_is_the_connections() -> None:
    world = World(httpx.Response(500), attempts=1)
    with pytest.raises(ProviderFault):
        world.get()


def test_what_reading_rejects_is_tried_again_or_not_as_its_error_says() -> None:
    def read(answer: Answer) -> Any:
        raise InvalidResponse("no list")

    world = World(ok())
    with pytest.raises(InvalidResponse, match="no list"):
        world.client.get("users", read, operation="users")
    assert world.client.calls == 1


def test_the_providers_own_classification_comes_first() -> None:
    def classify(answer: Answer) -> ProviderError | None:
        return NotFound("gone", code="gone") if answer.status == 500 else None

    world = World(httpx.Response(500), classify=classify)
    with pytest.raises(NotFound) as caught:
        world.get()
    assert (caught.value.status, caught.value.code) == (500, "gone")


def test_retries_are_logged_without_the_query(caplog: pytest.LogCaptureFixture) -> None:
    world = World(httpx.Response(503), ok())
    with caplog.at_level(logging.INFO, "integration_pipeline"):
        world.get(params={"cursor": SECRET})
    assert "trying again system=ACME error=ProviderFault status=503 code=None tried=1 seconds=" in caplog.messages[0]
    assert SECRET not in caplog.text


# --- rate limits


def test_retry_after_wins() -> None:
    world = World(httpx.Response(429, headers={"Retry-After": "2.128"}), ok())
    world.get()
    assert world.sent_at == [0, 2.128]
    assert world.waits == [(2.128, "Acme's limit")]


def test_a_date_is_measured_by_the_clock() -> None:
    world = World(httpx.Response(503, headers={"Retry-After": "Sat, 21 Nov 2026 21:00:07 GMT"}), ok())
    world.get()
    assert world.sent_at == [0, 7]


def test_the_header_beats_the_providers_custom_and_the_custom_a_missing_header() -> None:
    def classify(answer: Answer) -> ProviderError | None:
        return RateLimited("ratelimited", retry_after_seconds=60) if answer.status == 429 else None

    world = World(httpx.Response(429, headers={"Retry-After": "5"}), httpx.Response(429), ok(), classify=classify)
    world.get()
    assert world.sent_at == [0, 5, 65]


def test_what_counts_with_a_rate_limited_request_is_held_back_with_it() -> None:
    world = World(httpx.Response(429, headers={"Retry-After": "40"}), ok(), ok(), attempts=1)
    with pytest.raises(RateLimited):
        world.get()
    world.get(operation="free")
    world.get()
    assert world.sent_at == [0, 0, 40]


def test_a_wait_that_nobody_waits_is_given_up_at_once_and_for_all_that_count_with_it() -> None:
    world = World(httpx.Response(429, headers={"Retry-After": "3600"}))
    with pytest.raises(RateLimited, match="asks to wait 3600 s"):
        world.get()
    with pytest.raises(NoRoom):
        world.get()
    assert world.client.calls == 1
    assert world.slept == []


def test_a_rate_limit_inside_an_answer_is_one_too() -> None:
    answers: Iterator[Any] = iter([RateLimited("part 3", retry_after_seconds=9), "done"])

    def read(answer: Answer) -> Any:
        value = next(answers)
        if isinstance(value, ProviderError):
            raise value
        return value

    world = World(ok(), ok())
    assert world.client.post_json("$batch", read, operation="batch", json={}, parts=20) == "done"
    assert world.sent_at == [0, 9]


def test_a_server_that_says_nothing_is_left_is_believed_before_it_refuses() -> None:
    world = World(ok(headers={"rateLimit-remaining": "0", "rateLimit-reset": "33"}), ok())
    world.get()
    world.get()
    assert world.sent_at == [0, 33]


def test_a_reset_without_retry_after_is_waited_for() -> None:
    world = World(httpx.Response(429, headers={"rateLimit-remaining": "0", "rateLimit-reset": "12"}), ok())
    world.get()
    assert world.sent_at == [0, 12]


# --- tokens


def test_a_rejected_token_is_renewed_once_and_the_request_sent_again() -> None:
    world = World(httpx.Response(401), ok([1]), ok())
    assert world.get() == [1]
    world.get()
    assert world.stale == [None, "token-1", None]
    assert [request.headers["authorization"] for request in world.requests] == [
        "Bearer token-1",
        "Bearer token-2",
        "Bearer token-2",
    ]
    assert world.slept == []


def test_a_rejected_fresh_token_means_that_a_person_must_act() -> None:
    world = World(httpx.Response(401), httpx.Response(401))
    with pytest.raises(CredentialsError, match="even a fresh access token") as caught:
        world.get()
    assert caught.value.status == 401
    assert caught.value.remedy
    assert world.client.calls == 2


def test_a_token_may_expire_in_the_middle_of_retries() -> None:
    world = World(httpx.Response(500), httpx.Response(401), httpx.Response(500), httpx.Response(500), ok([1]))
    assert world.get() == [1]


def test_a_token_rejected_inside_a_200_is_renewed_as_well() -> None:
    def classify(answer: Answer) -> ProviderError | None:
        return TokenRejected("token_expired", code="token_expired") if b"token_expired" in answer.body else None

    world = World(ok({"ok": False, "error": "token_expired"}), ok([1]), classify=classify)
    assert world.get() == [1]


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "トークン"])
def test_a_token_that_can_be_none_is_never_sent_nor_shown(token: str) -> None:
    world = World()
    world.tokens = [token]
    with pytest.raises(CredentialsError) as caught:
        world.get()
    assert not token or token not in "".join(traceback.format_exception(caught.value))


# --- token endpoint


def test_a_form_is_posted_without_a_bearer_within_the_same_limits_and_counted() -> None:
    world = World(httpx.Response(200, text="<title>proxy</title>"), ok([1]), ok(), rate_limit=2)
    read = world.client.post_form(
        "https://login.test/token", read_json, form={"a": "+/= 名"}, basic_auth=("id", "pass")
    )
    assert read == [1]
    world.get(operation="free")
    request = world.requests[1]
    assert request.content == b"a=%2B%2F%3D+%E5%90%8D"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.headers["authorization"] == "Basic aWQ6cGFzcw=="
    assert world.client.calls == 3
    assert world.sent_at[2] >= 60
    assert world.stale == [None]


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 503])
def test_what_a_token_endpoint_refuses_is_its_readers_affair(status: int) -> None:
    def classify(answer: Answer) -> ProviderError | None:
        raise AssertionError

    world = World(httpx.Response(status, json={"error": "invalid_client"}), classify=classify)
    assert world.client.post_form("https://login.test/token", lambda answer: answer.status, form={}) == status
    assert "authorization" not in world.requests[0].headers


def test_a_token_endpoint_may_ask_to_wait_as_well() -> None:
    def read(answer: Answer) -> int:
        if answer.status == 429:
            raise RateLimited("ratelimited", retry_after_seconds=60)
        return answer.status

    world = World(httpx.Response(429, headers={"Retry-After": "3"}), httpx.Response(429), ok())
    assert world.client.post_form("https://login.test/token", read, form={}) == 200
    assert world.sent_at == [0, 3, 63]


def test_a_form_full_of_secrets_follows_no_redirect() -> None:
    world = World(httpx.Response(307, headers={"Location": "https://api.example.jp/token"}))
    with pytest.raises(InvalidResponse):
        world.client.post_form("https://login.test/token", read_json, form={"client_secret": SECRET})
    assert world.client.calls == 1


def test_a_refusal_after_a_lost_answer_remembers_the_loss() -> None:
    def read(answer: Answer) -> Any:
        raise CredentialsError("invalid_refresh_token")

    world = World(httpx.ReadTimeout("late"), ok())
    with pytest.raises(CredentialsError) as caught:
        world.client.post_form("https://login.test/token", read, form={})
    assert isinstance(caught.value.__cause__, TimedOut)


# --- redirects


def redirect(location: str, status: int = 307) -> httpx.Response:
    return httpx.Response(status, headers={"Location": location})


@pytest.mark.parametrize("status", [307, 308])
def test_the_vendors_redirect_is_followed_with_the_token(status: int) -> None:
    world = World(redirect("https://jp2.example.jp/v1/users?a=b", status), redirect("/v2/users"), ok([1]))
    assert world.get() == [1]
    assert [str(request.url) for request in world.requests[1:]] == [
        "https://jp2.example.jp/v1/users?a=b",
        "https://jp2.example.jp/v2/users",
    ]
    assert world.requests[2].headers["authorization"] == "Bearer token-1"
    assert world.client.calls == 3


def test_a_redirected_post_keeps_its_body() -> None:
    world = World(redirect("https://jp2.example.jp/v1/$batch"), ok())
    world.client.post_json("$batch", read_json, operation="batch", json={"a": 1})
    assert (world.requests[1].method, json.loads(world.requests[1].content)) == ("POST", {"a": 1})


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.test/?x=s3cret",
        "http://jp2.example.jp/",
        "https://user:s3cret@jp2.example.jp/",
        "http://127.0.0.1/",
    ],
)
def test_a_redirect_elsewhere_is_not_followed(location: str) -> None:
    world = World(redirect(location))
    with pytest.raises(InvalidResponse) as caught:
        world.get()
    assert SECRET not in str(caught.value)
    assert world.client.calls == 1


@pytest.mark.parametrize(
    "answer", [redirect("/v2", 301), redirect("/v2", 302), redirect("/v2", 303), httpx.Response(307)]
)
def test_other_redirects_are_no_answer(answer: httpx.Response) -> None:
    world = World(answer)
    with pytest.raises(InvalidResponse, match="redirect"):
        world.get()


def test_redirects_end_after_three() -> None:
    world = World(*(redirect(f"/{number}") for number in range(3)), ok([1]))
    assert world.get() == [1]
    world = World(*(redirect(f"/{number}") for number in range(4)))
    with pytest.raises(InvalidResponse, match="more than 3 redirects"):
        world.get()
    assert world.client.calls == 4


# --- time


def test_nothing_is_sent_after_the_deadline() -> None:
    world = World(deadline=10.0)
    world.now = 10.0
    with pytest.raises(TimedOut, match="over"):
        world.get()
    assert world.client.calls == 0


def test_a_retry_that_would_come_after_the_deadline_is_not_waited_for() -> None:
    world = World(httpx.Response(503), deadline=0.5)
    with pytest.raises(ProviderFault):
        world.get()
    assert world.slept == []


def test_a_limit_without_room_before_the_deadline_is_not_waited_for() -> None:
    world = World(ok(), rate_limit=1, deadline=50.0)
    world.get()
    with pytest.raises(NoRoom):
        world.get()
    assert world.slept == []


@pytest.mark.parametrize(("deadline", "timeout"), [(math.inf, 30.0), (7.0, 7.0)])
def test_no_request_may_take_longer_than_its_timeout_nor_than_the_sync_has_left(
    deadline: float, timeout: float
) -> None:
    world = World(ok(), deadline=deadline)
    world.get()
    assert world.requests[0].extensions["timeout"] == dict.fromkeys(("connect", "read", "write", "pool"), timeout)


class Stream(httpx.SyncByteStream):
    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks


def test_a_stop_ends_everything_before_the_next_request() -> None:
    world = World()
    world.is_stopped = True
    with pytest.raises(Interrupted):
        world.get()
    assert world.client.calls == 0


def test_a_stop_is_reported_as_a_stop_and_not_as_what_it_broke() -> None:
    world = World(attempts=1)

    def break_off() -> Iterator[bytes]:
        world.is_stopped = True
        raise httpx.ReadError("closed")
        yield

    world.answers = [httpx.Response(200, stream=Stream(break_off()))]
    with pytest.raises(Interrupted):
        world.get()


# --- bodies


def test_a_compressed_answer_is_read() -> None:
    content = gzip.compress(b'{"a":1}')
    assert World(httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=Stream(iter([content])))).get() == {
        "a": 1
    }


def test_broken_compression_is_garbled() -> None:
    def broken() -> httpx.Response:
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=Stream(iter([SECRET.encode()])))

    world = World(broken(), broken(), broken())
    with pytest.raises(Garbled) as caught:
        world.get()
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_bomb_is_not_unpacked() -> None:
    unpacked: list[int] = []

    def bomb() -> Iterator[bytes]:
        while True:
            unpacked.append(1)
            yield gzip_block

    gzip_block = bytes(1024 * 1024)
    world = World(httpx.Response(200, stream=Stream(bomb())))
    with pytest.raises(InvalidResponse, match="more than"):
        world.get()
    assert len(unpacked) == LARGEST_BODY_BYTES // len(gzip_block) + 1


def test_a_compressed_bomb_is_not_unpacked_beyond_the_bound() -> None:
    content = gzip.compress(bytes(LARGEST_BODY_BYTES + 1), compresslevel=1)
    world = World(httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=Stream(iter([content]))))
    with pytest.raises(InvalidResponse, match="more than"):
        world.get()


def test_an_answer_in_a_compression_that_nobody_asked_for_is_garbled() -> None:
    def zipped() -> httpx.Response:
        content = zlib.compress(b'{"a":1}')
        return httpx.Response(200, headers={"Content-Encoding": "deflate"}, stream=Stream(iter([content])))

    with pytest.raises(Garbled):
        World(zipped(), zipped(), zipped()).get()


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.Response(500, text=SECRET),
        httpx.Response(404, text=SECRET),
        httpx.Response(200, text=SECRET),
        httpx.RemoteProtocolError(SECRET),
        httpx.LocalProtocolError(f"Illegal header value b'Bearer {SECRET}'"),
        httpx.UnsupportedProtocol(SECRET),
        httpx.DecodingError(SECRET),
        httpx.ReadTimeout(SECRET),
    ],
)
def test_no_error_nor_its_trace_quotes_query_token_or_body(trouble: httpx.Response | Exception) -> None:
    world = World(*[trouble] * 3)
    world.tokens = [SECRET]
    with pytest.raises(ProviderError) as caught:
        world.get(params={"cursor": SECRET})
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_an_error_of_the_network_names_the_place_and_the_reason() -> None:
    world = World(*[httpx.ConnectError("[Errno 111] Connection refused")] * 3)
    with pytest.raises(NetworkError, match=r"^GET api\.example\.jp/v1/users: Connection refused$"):
        world.get(params={"a": "b"})
