"""The sockets under an exchange: none of its reads and writes outlasts the whole of it, and whoever hangs up knows them all.

httpcore has a time-out for every single read and none for all of them: a server that sends its headers byte by byte would never
meet one. So every read gets what is left of the time, here, where the reading is done.
"""

import math
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any

import httpcore
import httpx


class Wire(httpx.HTTPTransport):
    """httpx's own transport, with every read bounded.

    :param clock: monotonic seconds.
    :param on_open: told of every socket, as it is opened.
    """

    def __init__(
        self,
        tls: ssl.SSLContext,
        *,
        keep_alive_seconds: float,
        clock: Callable[[], float],
        on_open: Callable[[socket.socket], None],
    ) -> None:
        super().__init__(verify=tls, trust_env=False)
        self._backend = _Backend(clock, on_open)
        # httpx (0.28) has no public way to give httpcore's pool a backend.
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls, keepalive_expiry=keep_alive_seconds, network_backend=self._backend
        )

    def end_at(self, until: float) -> None:
        """Let nothing go on beyond this instant of the clock."""
        self._backend.until = until


class _Backend(httpcore.SyncBackend):
    def __init__(self, clock: Callable[[], float], on_open: Callable[[socket.socket], None]) -> None:
        self.until = math.inf
        self._clock = clock
        self.on_open = on_open

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = self.left(timeout, httpcore.ConnectTimeout)
        return _Stream(super().connect_tcp(host, port, left, local_address, socket_options), self)

    def left(self, timeout: float | None, too_late: type[Exception]) -> float:
        """How long one step may take.

        :raises too_late: the time for all of them is over.
        """
        left = min(math.inf if timeout is None else timeout, self.until - self._clock())
        if left <= 0:
            raise too_late("the time for the whole exchange is over")
        return left


class _Stream(httpcore.NetworkStream):
    """A connection, bounded."""

    def __init__(self, inner: httpcore.NetworkStream, backend: _Backend) -> None:
        self._inner = inner
        self._backend = backend
        backend.on_open(inner.get_extra_info("socket"))

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._backend.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._backend.left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._backend.left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._backend)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
