"""One HTTP exchange: a request out, a whole answer or an error back.

    Request -> httpx's transport -> unpacked -> Answer | TimedOut | NetworkError | Garbled | InvalidResponse

What httpx raises stays in here: its texts may quote a URL, a header or the answer.
"""

import contextlib
import functools
import gzip
import io
import socket
import ssl
import threading
import time
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import httpx

from integration_pipeline.errors import (
    Garbled,
    Interrupted,
    InvalidResponse,
    NetworkError,
    PipelineError,
    TimedOut,
    reason,
)
from integration_pipeline.http.wire import Wire
from integration_pipeline.provider import Answer

LARGEST_BODY_BYTES = 64 * 1024 * 1024
"""After decompression. The largest honest page, a thousand users, has less than two."""
WHOLE_ANSWER_TIMEOUTS = 4
"""How many time-outs a whole answer may take: a provider that drips a byte at a time never meets a single one."""
SHORTEST_SECRET = 12
"""Whatever is shorter protects nothing, and may well be a word of the answer's own."""
_ECHO = b"(what was sent)"
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "integration-pipeline"}
_TIMEOUTS = ("connect", "read", "write", "pool")
_GZIP = zlib.MAX_WBITS | 16
KEEP_ALIVE_SECONDS = 4.0
"""Below the 5 s after which many servers hang up, so that a request seldom meets a connection just being closed."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to send. Everything but the method may carry secrets and is not shown."""

    method: str
    url: httpx.URL = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    content: bytes | None = field(default=None, repr=False)

    @property
    def place(self) -> str:
        """What is asked, for messages: never with the query, which may carry a cursor or worse."""
        return f"{self.method} {self.url.host}{self.url.path}"[:200]


class Exchange:
    """The connection to one provider, kept open between requests.

    No proxies from the environment, no redirects, no cookies, HTTP/1.1, gzip: httpx's transport alone, without the client
    above it, whose part in a call takes as long as the transport's.

    :param clock: monotonic seconds, which pass as they do for the sockets: not the clock of the limits, which may be moved on.
    """

    def __init__(
        self,
        *,
        timeout_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._is_kept_open = False
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._wire = Wire(_tls(), keep_alive_seconds=KEEP_ALIVE_SECONDS, clock=clock, on_open=self._opened)
        self._http = transport or self._wire

    def send(self, request: Request, *, seconds: float, is_kept: bool = False) -> Answer:
        """Send once and read the whole answer.

        :param seconds: how long it may take, where that is less than its time-outs allow.
        :param is_kept: whether to wait for the answer although :meth:`close` is called meanwhile: it cannot be had again.
        :raises TimedOut: it did not come, or not all of it, in time.
        :raises NetworkError: there was no connection, or it broke.
        :raises Garbled: its compression is broken.
        :raises InvalidResponse: it is too large.
        :raises Interrupted: :meth:`close` was called.
        """
        with self._kept_open() if is_kept else contextlib.nullcontext():
            answer = self._send(request, seconds)
        return without(answer, [request.headers.get("Authorization", "").rpartition(" ")[2]])

    def close(self) -> None:
        """Hang up, from any thread: an exchange under way ends at once with Interrupted, or with its answer if it is kept."""
        with self._lock:
            self._closed.set()
            if self._is_kept_open:
                return  # whoever keeps it hangs up
        self._hang_up()

    @contextlib.contextmanager
    def _kept_open(self) -> Iterator[None]:
        with self._lock:
            if self._closed.is_set():
                raise _interrupted()
            self._is_kept_open = True
        try:
            yield
        finally:
            with self._lock:
                self._is_kept_open = False
            if self._closed.is_set():
                self._hang_up()

    def _hang_up(self) -> None:
        with self._lock:
            opened = list(self._sockets)
        for one in opened:
            _shut(one)
        self._http.close()

    def _send(self, request: Request, seconds: float) -> Answer:
        if self._closed.is_set() and not self._is_kept_open:
            raise _interrupted()
        timeout = max(min(self._timeout_seconds, seconds), 0.001)
        until = self._clock() + min(WHOLE_ANSWER_TIMEOUTS * self._timeout_seconds, seconds)
        self._wire.end_at(until)
        try:
            outgoing = httpx.Request(
                request.method,
                request.url,
                headers={**_HEADERS, **request.headers},
                content=request.content,
                extensions={"timeout": dict.fromkeys(_TIMEOUTS, timeout)},
            )
            with contextlib.closing(self._http.handle_request(outgoing)) as response:
                headers = _headers(response)
                body = self._body(request, response, until)
            return Answer(response.status_code, headers, _unpacked(request, headers, body))
        except (httpx.HTTPError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and not self._closed.is_set():
                raise  # RuntimeError is how a pool that was closed meanwhile ends, and else a mistake of ours
            failure = self._failure(request, error, is_over=self._clock() >= until)
        raise failure  # out here, so that httpx's own text hangs on no trace

    def _body(self, request: Request, response: httpx.Response, until: float) -> bytes:
        chunks: list[bytes] = []
        size = 0
        assert isinstance(response.stream, httpx.SyncByteStream)  # noqa: S101 - httpx's types know no other way
        for chunk in response.stream:
            size += len(chunk)
            if size > LARGEST_BODY_BYTES:
                raise _too_large(request)
            if self._clock() > until:
                raise _too_slow(request)
            chunks.append(chunk)
        return b"".join(chunks)

    def _failure(self, request: Request, error: Exception, *, is_over: bool) -> PipelineError:
        if self._closed.is_set():
            return _interrupted()
        if isinstance(error, httpx.TimeoutException) and is_over:
            return _too_slow(request)
        if isinstance(error, httpx.TimeoutException):
            return TimedOut(f"{request.place}: no answer in time ({type(error).__name__})")
        # The operating system's words say why and quote nobody; those of a broken protocol quote what was sent.
        said = reason(error) if isinstance(error, httpx.NetworkError) else ""
        return NetworkError(f"{request.place}: {said or type(error).__name__}")

    def _opened(self, opened: socket.socket) -> None:
        with self._lock:
            self._sockets.add(opened)
            is_late = self._closed.is_set() and not self._is_kept_open
        if is_late:  # it was being opened while the others were hung up
            _shut(opened)


def _headers(response: httpx.Response) -> dict[str, str]:
    """By lower-case name; of those that came more than once, all values."""
    encoding = response.headers.encoding
    found: dict[str, str] = {}
    for raw_name, raw_value in response.headers.raw:
        name, value = raw_name.decode(encoding).lower(), raw_value.decode(encoding)
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _unpacked(request: Request, headers: Mapping[str, str], body: bytes) -> bytes:
    """The body as it was before it was compressed, in one go."""
    how = headers.get("content-encoding", "identity").strip().lower()
    if how == "identity" or not body:
        return body
    try:
        found = _inflated(body) if how in {"gzip", "x-gzip"} else None
    except (zlib.error, gzip.BadGzipFile, EOFError):
        found = None
    if found is None:
        raise Garbled(f"{request.place}: an answer whose compression is broken")
    if len(found) > LARGEST_BODY_BYTES:
        raise _too_large(request)
    return found


def _inflated(body: bytes) -> bytes | None:
    """What was compressed, one byte more than the largest body at most; None = it was cut short."""
    first = zlib.decompressobj(_GZIP)
    found = first.decompress(body, LARGEST_BODY_BYTES + 1)
    if first.eof and first.unused_data:  # members may follow (RFC 1952, 2.2); they seldom do, and cost another reader
        return gzip.GzipFile(fileobj=io.BytesIO(body)).read(LARGEST_BODY_BYTES + 1)
    return found if first.eof or len(found) > LARGEST_BODY_BYTES else None


def _too_slow(request: Request) -> TimedOut:
    return TimedOut(f"{request.place}: the answer came too slowly")


def _too_large(request: Request) -> InvalidResponse:
    return InvalidResponse(f"{request.place}: an answer of more than {LARGEST_BODY_BYTES} bytes")


def without(answer: Answer, secrets: Iterable[str]) -> Answer:
    """The answer with none of its request's secrets in its body.

    A server that fails may quote what it was sent, and what looks like an error's code or a name is told to people.
    """
    body = answer.body
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            body = body.replace(secret.encode(), _ECHO)
    return answer if body == answer.body else replace(answer, body=body)


def _interrupted() -> Interrupted:
    return Interrupted("the connection to the provider was closed")


def _shut(opened: socket.socket) -> None:
    """End what any thread does with it: closing alone would leave a blocked reader blocked."""
    with contextlib.suppress(OSError):  # the other side hung up first
        opened.shutdown(socket.SHUT_RDWR)


@functools.cache
def _tls() -> ssl.SSLContext:
    """One for all connections: it takes longer to make than a small tenant's whole night."""
    return httpx.create_ssl_context(trust_env=False)
