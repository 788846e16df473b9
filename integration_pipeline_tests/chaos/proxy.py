"""A TCP proxy before PostgreSQL that loses a session at a message: on its way there, or its answer on the way back.

client ── statement ──► proxy ── forwarded, or lost ──► server ── answer, forwarded or lost ──► client
"""

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo

_STATEMENTS = b"QP"  # Query and Parse: the messages that carry SQL (PostgreSQL's manual, "Message Formats")


class Loss(Enum):
    """What a cut loses. Either way the session ends."""

    STATEMENT = "the statement, before the server gets it"
    ANSWER = "the answer, after the server did what it was told"
    NOTHING = "nothing: something else happens at that moment"


@dataclass(slots=True)
class Cut:
    """Where to cut: the ``nth`` statement that the pattern is found in, and all that follow where ``is_lasting``.

    :param meanwhile: done at that moment, before anything is forwarded.
    """

    pattern: str
    loss: Loss
    nth: int = 1
    is_lasting: bool = False
    meanwhile: Callable[[], None] | None = None
    met: int = field(default=0)

    def meets(self, statement: bytes) -> bool:
        if not re.search(self.pattern, statement.decode(errors="replace")):
            return False
        self.met += 1
        return self.met == self.nth or (self.is_lasting and self.met > self.nth)


class Proxy:
    """``with Proxy(url) as proxy:`` and then the database under ``proxy.url``, cut as ``proxy.cuts`` say."""

    def __init__(self, url: str) -> None:
        self._parts = conninfo_to_dict(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._mutex = threading.Lock()
        self.cuts: list[Cut] = []
        self.is_refusing = False
        """New sessions are turned away while this is set."""

    @property
    def url(self) -> str:
        host, port = self._listener.getsockname()
        own = {**self._parts, "host": host, "port": port, "sslmode": "disable", "gssencmode": "disable"}
        return "postgresql://?" + "&".join(
            f"{name}={value}" for name, value in conninfo_to_dict(make_conninfo(**own)).items()
        )

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.is_refusing:
                client.close()
                continue
            threading.Thread(target=self._session, args=(client,), name="proxied", daemon=True).start()

    def _session(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, self._server() as server:
            answers = threading.Thread(target=_copy, args=(server, client), name="answers", daemon=True)
            try:
                answers.start()
                server.sendall(_first_message(client))
                self._forward(client, server)
            finally:
                # Whatever the server was told it does, and then finds nobody there. Closing alone would not tell it.
                server.shutdown(socket.SHUT_WR)
                answers.join(10)

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        for kind, message in _messages(client):
            cut = self._cut(kind, message)
            if cut is not None and cut.meanwhile:
                cut.meanwhile()
            if cut is None or cut.loss is Loss.NOTHING:
                server.sendall(message)
                continue
            with contextlib.suppress(OSError):  # whoever was killed has hung up already
                client.shutdown(socket.SHUT_RDWR)  # from here on, no answer arrives
            if cut.loss is Loss.ANSWER:
                server.sendall(message)
            return

    def _server(self) -> socket.socket:
        host, port = str(self._parts["host"]), int(self._parts.get("port") or 5432)
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    def _cut(self, kind: bytes, message: bytes) -> Cut | None:
        if kind not in _STATEMENTS:
            return None
        with self._mutex:
            met = [cut for cut in self.cuts if cut.meets(message)]  # each of them counts the statement
        return met[0] if met else None


def _first_message(client: socket.socket) -> bytes:
    """The start of a session, which alone has no letter before its length."""
    length = _exactly(client, 4)
    return length + _exactly(client, int.from_bytes(length) - 4)


def _messages(client: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    while kind := client.recv(1):
        length = _exactly(client, 4)
        yield kind, kind + length + _exactly(client, int.from_bytes(length) - 4)


def _exactly(client: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = client.recv(size - len(parts))
        if not part:
            raise ConnectionResetError
        parts += part
    return bytes(parts)


def _copy(server: socket.socket, client: socket.socket) -> None:
    """Bring every answer back; what the client no longer takes is read all the same, so that the server gets done."""
    is_taken = True
    with contextlib.suppress(OSError):
        while answer := server.recv(65536):
            try:
                if is_taken:
                    client.sendall(answer)
            except OSError:
                is_taken = False
    with contextlib.suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)
