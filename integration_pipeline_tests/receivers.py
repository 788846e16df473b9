"""A receiver of critical notices, as docs/operations.md describes one: it keeps what it got, and answers as it is told."""

import http.server
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from integration_pipeline.settings import NOTICE_SECRET, NOTICE_URL

SECRET = "a secret that two sides share"
OPERATIONS = Path(__file__).parents[1] / "docs/operations.md"


class Post(NamedTuple):
    headers: Mapping[str, str]
    body: bytes

    @property
    def notice(self) -> dict[str, Any]:
        return dict(json.loads(self.body))


@dataclass
class Receiver:
    """What came, and what the next ones are answered: status and headers; 204 where nothing is said."""

    port: int
    posts: list[Post] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    is_down: bool = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/s3cr3t-path?key=s3cr3t-query"

    @property
    def environment(self) -> dict[str, str]:
        return {NOTICE_URL: self.url, NOTICE_SECRET: SECRET}

    @property
    def causes(self) -> list[tuple[str, str, str]]:
        return [(post.notice["tenant_id"], post.notice["system"], post.notice["cause"]) for post in self.posts]


def is_genuine() -> Callable[[Mapping[str, str], bytes, str], bool]:
    """The documented receiver's check, out of the document."""
    found = re.search(r"```python\n(.*?)```", OPERATIONS.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(found[1], names)  # noqa: S102 - what readers are told to run
    check: Callable[[Mapping[str, str], bytes, str], bool] = names["is_genuine"]
    return check


@contextmanager
def receiver() -> Iterator[Receiver]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.posts.append(Post(dict(self.headers), body))
            status, headers = found.answers.pop(0) if found.answers else (503 if found.is_down else 204, {})
            self.send_response(status)
            for name, value in {**headers, "Content-Length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Keep quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        found = Receiver(server.server_port)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield found
        server.shutdown()
