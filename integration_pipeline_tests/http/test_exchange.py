"""One exchange against real sockets on loopback: what no imitation of a transport shows."""

import contextlib
import gzip
import http.server
import math
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_pipeline.errors import Garbled, Interrupted, InvalidResponse, NetworkError, PipelineError, TimedOut
from integration_pipeline.http.client import Client
from integration_pipeline.http.exchange import LARGEST_BODY_BYTES, Exchange, Request
from integration_pipeline.http.limiter import Limiter
from integration_pipeline.provider import Answer
from integration_pipeline_tests.http.test_client import provider

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SOON = 60.0
"""A guard against hanging for ever, no expectation."""


class Server:
    """Accepts connections one after another and lets ``talk`` do what it likes with each."""

    def __init__(self, talk: Callable[[socket.socket], object]) -> None:
        self._talk = talk
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self.accepted = 0
        self.asked = threading.Event()
        self.over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # closed by the test's end
            while True:
                connection, _ = self._listener.accept()
                self.accepted += 1
                with connection, contextlib.suppress(OSError):  # the client hung up, as it should
                    connection.recv(65536)
                    self.asked.set()
                    self._talk(connection)

    def close(self) -> None:
        self.over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(SOON)


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[socket.socket], object]], Server]]:
    servers: list[Server] = []

    def start(talk: Callable[[socket.socket], object]) -> Server:
        servers.append(Server(talk))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def exchanges() -> Iterator[Callable[[float], Exchange]]:
    opened: list[Exchange] = []

    def start(timeout_seconds: float = SOON, **changes: Any) -> Exchange:
        opened.append(Exchange(timeout_seconds=timeout_seconds, **changes))
        return opened[-1]

    yield start
    for exchange in opened:
        exchange.close()


Serve = Callable[[Callable[[socket.socket], object]], Server]
Exchanges = Callable[..., Exchange]


def get(server: Server) -> Request:
    return Request("GET", httpx.URL(server.url + "users?cursor=s3cret"), {})


def test_a_whole_answer_comes_back_with_lower_case_headers(serve: Serve, exchanges: Exchanges) -> None:
    body = gzip.compress(b'{"a":1}')
    head = HEAD + f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\nX-Req-Id: 7\r\n\r\n".encode()
    answer = exchanges().send(get(serve(lambda connection: connection.sendall(head + body))), seconds=math.inf)
    assert (answer.status, answer.body, answer.headers["x-req-id"]) == (200, b'{"a":1}', "7")


def test_the_connection_stays_open_between_requests(exchanges: Exchanges, monkeypatch: pytest.MonkeyPatch) -> None:
    # However long a busy machine takes from one to the next.
    monkeypatch.setattr("integration_pipeline.http.exchange.KEEP_ALIVE_SECONDS", SOON)
    ports: set[int] = set()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            ports.add(self.client_address[1])
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_args: object) -> None:
            """Keep quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        exchange = exchanges()
        for _ in range(3):
            exchange.send(Request("GET", httpx.URL(f"http://127.0.0.1:{server.server_port}/"), {}), seconds=math.inf)
        exchange.close()
        server.shutdown()
    assert len(ports) == 1


def test_a_server_that_hangs_times_out(serve: Serve, exchanges: Exchanges) -> None:
    server = serve(lambda _connection: server.over.wait(SOON))
    with pytest.raises(TimedOut, match=r"GET 127\.0\.0\.1/users: no answer in time"):
        exchanges(0.05, clock=lambda: 0.0).send(get(server), seconds=math.inf)


def test_a_server_that_drips_times_out_although_no_single_read_does(serve: Serve, exchanges: Exchanges) -> None:
    clock = Clock()

    def drip(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"Content-Length: 1000000\r\n\r\n")
        while not server.over.wait(0.001):
            clock.seconds += SOON / 2
            connection.sendall(b" ")

    server = serve(drip)
    with pytest.raises(TimedOut, match="too slowly"):
        exchanges(clock=clock).send(get(server), seconds=math.inf)


class Clock:
    """The seconds of the sockets, as far as their server lets them pass."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Stream(httpx.SyncByteStream):
    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks


@pytest.mark.parametrize(("allowed", "chunks"), [(math.inf, 13), (50.0, 6)])
def test_a_body_that_drips_is_given_up_after_four_timeouts_or_the_time_allowed(allowed: float, chunks: int) -> None:
    read: list[float] = []

    def drip() -> Iterator[bytes]:
        while True:
            read.append(10.0)
            yield b" "

    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Stream(drip())))
    exchange = Exchange(timeout_seconds=30.0, clock=lambda: sum(read), transport=transport)
    with pytest.raises(TimedOut, match="too slowly"):
        exchange.send(Request("GET", httpx.URL("https://api.example/"), {}), seconds=allowed)
    assert len(read) == chunks


def test_a_server_that_drips_its_headers_times_out_too(serve: Serve, exchanges: Exchanges) -> None:
    clock = Clock()

    def drip(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"X-Slow: ")
        for _ in range(250):
            clock.seconds += SOON / 2
            connection.sendall(b"a")

    # Whoever read on until the server ends would say that it was cut off.
    with pytest.raises(TimedOut, match="too slowly"):
        exchanges(clock=clock).send(get(serve(drip)), seconds=math.inf)


def test_the_time_allowed_ends_an_answer_too(serve: Serve, exchanges: Exchanges) -> None:
    server = serve(lambda _connection: server.over.wait(SOON))
    with pytest.raises(TimedOut):
        exchanges().send(get(server), seconds=0.05)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        HEAD + b"Content-Length: 1000\r\n\r\n" + b'{"members":[',
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}",
        b"s3cret s3cret s3cret\r\n\r\n",
    ],
)
def test_a_cut_answer_is_an_error_and_no_shorter_answer(serve: Serve, exchanges: Exchanges, sent: bytes) -> None:
    server = serve(lambda connection: connection.sendall(sent))
    with pytest.raises(NetworkError, match=r"GET 127\.0\.0\.1/users") as caught:
        exchanges().send(get(server), seconds=math.inf)
    assert "s3cret" not in str(caught.value)


def test_a_cut_compressed_answer_is_garbled(serve: Serve, exchanges: Exchanges) -> None:
    body = gzip.compress(bytes(range(256)) * 100)[:-300]
    server = serve(
        lambda connection: connection.sendall(
            HEAD + f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        )
    )
    with pytest.raises(Garbled):
        exchanges().send(get(server), seconds=math.inf)


def unpacked(body: bytes) -> bytes:
    """What an exchange makes of a compressed body."""
    head = {"Content-Encoding": "gzip"}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=head, stream=Stream(iter([body]))))
    exchange = Exchange(timeout_seconds=5.0, transport=transport)
    return exchange.send(Request("GET", httpx.URL("https://api.example/"), {}), seconds=math.inf).body


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=5), st.integers(0, 3))
def test_a_body_compressed_in_several_members_is_read_to_its_end(parts: list[bytes], padding: int) -> None:
    assert unpacked(b"".join(gzip.compress(part) for part in parts) + bytes(padding)) == b"".join(parts)


@given(st.lists(st.binary(max_size=50), min_size=2, max_size=4), st.data())
def test_a_body_whose_last_member_is_cut_or_followed_by_something_else_is_garbled(
    parts: list[bytes], data: st.DataObject
) -> None:
    *whole, last = (gzip.compress(part) for part in parts)
    tail = data.draw(st.integers(1, len(last) - 1).map(lambda end: last[:end]) | st.just(last + b"{}"))
    with pytest.raises(Garbled):
        unpacked(b"".join(whole) + tail)


def test_members_are_not_unpacked_beyond_the_bound() -> None:
    half = gzip.compress(bytes(LARGEST_BODY_BYTES // 2 + 1), compresslevel=1)
    with pytest.raises(InvalidResponse, match="more than"):
        unpacked(half + half)


def test_nobody_listening_is_an_error_that_says_why(exchanges: Exchanges) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen; nobody else gets the port meanwhile
        url = httpx.URL(f"http://127.0.0.1:{taken.getsockname()[1]}/")
        with pytest.raises(NetworkError, match="refused"):
            exchanges().send(Request("GET", url, {}), seconds=math.inf)


def test_proxies_of_the_environment_are_not_asked(
    serve: Serve, exchanges: Exchanges, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(lambda connection: connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}"))
    server = serve(lambda connection: connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    exchanges().send(get(server), seconds=math.inf)
    assert (proxy.accepted, server.accepted) == (0, 1)


@pytest.mark.parametrize("begun", [b"", HEAD + b"Content-Length: 1000\r\n\r\n{"])
def test_hanging_up_ends_a_read_under_way_as_interrupted(serve: Serve, exchanges: Exchanges, begun: bytes) -> None:
    def hang(connection: socket.socket) -> None:
        connection.sendall(begun)
        server.over.wait(SOON)

    server = serve(hang)
    exchange = exchanges()
    ended: list[PipelineError] = []

    def read() -> None:
        try:
            exchange.send(get(server), seconds=math.inf)
        except PipelineError as error:
            ended.append(error)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    assert server.asked.wait(SOON)
    exchange.close()
    reader.join(SOON)
    assert [type(error) for error in ended] == [Interrupted]


def test_an_answer_that_cannot_be_had_again_is_waited_for_before_hanging_up(serve: Serve, exchanges: Exchanges) -> None:
    hung_up = threading.Event()

    def answer_late(connection: socket.socket) -> None:
        hung_up.wait(SOON)
        connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")

    server = serve(answer_late)
    exchange = exchanges()
    answers: list[Answer] = []
    reader = threading.Thread(
        target=lambda: answers.append(exchange.send(get(server), seconds=math.inf, is_kept=True)), daemon=True
    )
    reader.start()
    assert server.asked.wait(SOON)
    exchange.close()
    hung_up.set()
    reader.join(SOON)
    assert [answer.body for answer in answers] == [b"{}"]
    for is_kept in (False, True):
        with pytest.raises(Interrupted):
            exchange.send(get(server), seconds=math.inf, is_kept=is_kept)
    assert server.accepted == 1


def test_the_answer_to_a_refresh_token_is_kept_by_a_client_that_is_told_to_hang_up(serve: Serve) -> None:
    def answer_late(connection: socket.socket) -> None:
        client.close()
        connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")

    server = serve(answer_late)
    client = Client(
        provider=provider(),
        base_url=server.url,
        allowed_hosts=frozenset(),
        token=lambda _stale: "token",
        limiter=Limiter(),
        rate_limit=60,
        attempts=1,
        timeout_seconds=60.0,
        deadline=math.inf,
        wait=lambda _seconds: None,
    )
    form = {"refresh_token": "works once"}
    assert client.post_form(server.url + "token", lambda answer: answer.body, form=form) == b"{}"
    with pytest.raises(Interrupted):
        client.get("users", lambda answer: answer.body, operation="users")


def test_a_connection_that_opens_while_the_others_are_hung_up_is_hung_up_too(
    serve: Serve, exchanges: Exchanges, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(lambda _: server.over.wait(SOON))
    exchange = exchanges()
    connect = socket.create_connection

    def close_meanwhile(*args: Any, **options: Any) -> socket.socket:
        opened = connect(*args, **options)
        exchange.close()
        return opened

    monkeypatch.setattr(socket, "create_connection", close_meanwhile)
    with pytest.raises(Interrupted):
        exchange.send(get(server), seconds=math.inf)


def test_after_hanging_up_nothing_is_sent(serve: Serve, exchanges: Exchanges) -> None:
    server = serve(lambda connection: connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}"))
    exchange = exchanges()
    exchange.close()
    exchange.close()
    with pytest.raises(Interrupted):
        exchange.send(get(server), seconds=math.inf)
    assert server.accepted == 0


def test_a_request_shows_neither_its_query_nor_its_secrets() -> None:
    request = Request("POST", httpx.URL("https://a.test/x?c=s3cret"), {"Authorization": "s3cret"}, b"s3cret")
    assert request.place == "POST a.test/x"
    assert "s3cret" not in repr(request)
