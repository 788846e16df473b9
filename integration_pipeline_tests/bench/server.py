"""The provider of the bench: answers that are ready before anybody asks, from a process of its own.

``GET /<directory>/users.list?cursor=…`` → the recorded page; ``GET /tally`` → how many calls so far, and this process's CPU.
Nothing is computed while it serves, so that what a client waits for is the client's. Spoken is as much HTTP as it takes:
GET, keep-alive, gzip.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qs, urlsplit

import httpx

from integration_pipeline_tests.bench.pages import DIRECTORIES, LARGEST_PAGE, Recording, recorded

_HEAD_ENDS = b"\r\n\r\n"


class Tally(NamedTuple):
    """What the server was asked so far, and what that took it in seconds of CPU."""

    calls: int
    cpu: float


class Server(NamedTuple):
    """The bench's handle on a server that is up."""

    base: str

    def url(self, directory: str) -> str:
        """The base URL of the directory's Slack API."""
        return f"{self.base}/{directory}/"

    def tally(self) -> Tally:
        return Tally(**httpx.get(f"{self.base}/tally").json())


@contextmanager
def serving(
    users: int,
    *,
    directories: Sequence[str] = DIRECTORIES,
    page_size: int = LARGEST_PAGE,
    latency_ms: int = 0,
) -> Iterator[Server]:
    """A server with a workspace of so many users.

    :param page_size: the largest page served, whatever is asked for.
    :param latency_ms: how long after a call its answer is sent.
    """
    command = [sys.executable, "-m", __name__, "--users", str(users), "--directories", *directories]
    command += ["--page-size", str(page_size), "--latency-ms", str(latency_ms)]
    # A group of its own, so that those who record for it end with it.
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, process_group=0) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, "the bench's server did not start"
            yield Server(line.strip())
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # they have nothing to put in order


class _Talk(asyncio.Protocol):
    """One client's connection."""

    calls = 0

    def __init__(self, recordings: dict[str, Recording], latency: float) -> None:
        self._recordings = recordings
        self._latency = latency
        self._heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._heard += data
        while _HEAD_ENDS in self._heard:
            head, _, self._heard = self._heard.partition(_HEAD_ENDS)
            answer = self._answer(urlsplit(head.split(b" ", 2)[1].decode()))
            if self._latency:
                asyncio.get_running_loop().call_later(self._latency, self._transport.write, answer)
            else:
                self._transport.write(answer)

    def _answer(self, asked: SplitResult) -> bytes:
        if asked.path == "/tally":
            return _http(200, json.dumps(Tally(_Talk.calls, time.process_time())._asdict()).encode())
        _Talk.calls += 1
        _, directory, method = asked.path.split("/")
        cursor = parse_qs(asked.query).get("cursor", [""])[0] if method == "users.list" else ""
        body = self._recordings.get(directory, {}).get((method, cursor))
        if body is None:
            return _http(404, b'{"ok": false, "error": "not recorded"}')
        return _http(200, body, "Content-Encoding: gzip\r\n")


def _http(status: int, body: bytes, headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status} .\r\nContent-Type: application/json\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _serve(recordings: dict[str, Recording], latency: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Talk(recordings, latency), "127.0.0.1", 0, backlog=256)
    host, port = server.sockets[0].getsockname()
    print(f"http://{host}:{port}", flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, required=True)
    parser.add_argument("--directories", nargs="+", default=DIRECTORIES)
    parser.add_argument("--page-size", type=int, default=LARGEST_PAGE)
    parser.add_argument("--latency-ms", type=int, default=0)
    arguments = parser.parse_args()
    record = partial(recorded, arguments.users, arguments.page_size)
    with ProcessPoolExecutor() as pool:
        recordings = dict(zip(arguments.directories, pool.map(record, arguments.directories), strict=True))
    asyncio.run(_serve(recordings, arguments.latency_ms / 1000))


if __name__ == "__main__":
    main()
