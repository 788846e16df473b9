"""A Graph of canned answers, and an Api that asks it: enough to see what is asked, and how often."""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from integration_pipeline.errors import CredentialsError, ProviderError, TokenRejected
from integration_pipeline.model import Connection, Load, Page, SyncType, System
from integration_pipeline.provider import Answer, Listing, Session
from integration_pipeline.providers.teams import PROVIDER
from integration_pipeline.providers.teams.pages import HEADERS

T = TypeVar("T")

ATTEMPTS = 3

Canned = tuple[int, Mapping[str, str], Any]
Known = Callable[[SyncType, str], Mapping[str, str]]


def ok(body: Any) -> Canned:
    return 200, {}, body


def rows(*found: Mapping[str, Any], next_link: str | None = None) -> Canned:
    return ok({"value": list(found)} | ({"@odata.nextLink": next_link} if next_link else {}))


def refused(status: int, code: str = "Whatever", **headers: str) -> Canned:
    return status, {name.replace("_", "-"): value for name, value in headers.items()}, {"error": {"code": code}}


class Graph:
    """Paths (without their query) and what they answer; of a list, one answer after the other, the last for ever."""

    def __init__(self, answers: Mapping[str, Canned | list[Canned]]) -> None:
        self._answers = {path: answer if isinstance(answer, list) else [answer] for path, answer in answers.items()}
        self.asked: list[tuple[str, dict[str, str], dict[str, str]]] = []
        """path, query, headers of every request, those inside batches too."""
        self.batches: list[list[str]] = []
        """The paths of every batch."""
        self.is_reversed = False
        self.batch_answers: list[Canned | None] = []
        """What the next batches answer as a whole; None = what their parts say."""

    def answer(self, url: str, headers: Mapping[str, str]) -> Canned:
        parts = urlsplit(url)
        path = parts.path.removeprefix("/v1.0").strip("/")
        self.asked.append((path, dict(parse_qsl(parts.query)), dict(headers)))
        answers = self._answers.get(path, [refused(404, "NotFound")])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def batch(self, body: Any) -> Canned:
        requests = body["requests"]
        assert len(requests) <= 20
        assert len({request["id"] for request in requests}) == len(requests)
        self.batches.append([urlsplit(request["url"]).path.strip("/") for request in requests])
        whole = self.batch_answers.pop(0) if self.batch_answers else None
        if whole is not None:
            return whole
        responses = []
        for request in requests:
            assert request["method"] == "GET"
            status, given, content = self.answer(request["url"], request.get("headers", {}))
            responses.append({"id": request["id"], "status": status, "headers": dict(given), "body": content})
        return ok({"responses": responses[::-1] if self.is_reversed else responses})

    def count(self, path: str) -> int:
        return sum(1 for asked, _, _ in self.asked if asked == path)


class FakeApi:
    """provider.Api over a Graph: the client's promises about tries and tokens, and nothing else."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.calls = 0
        self.load: dict[str, Load] = {}
        self.waits: list[float | None] = []
        self.counted: list[tuple[str, int]] = []
        """Operation and number of parts of every call."""

    def get(
        self,
        path: str,
        read: Callable[[Answer], T],
        *,
        operation: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        query = "&".join(f"{name}={value}" for name, value in (params or {}).items())
        url = f"{path}?{query}" if query else path
        return self._try(lambda: self.graph.answer(url, headers or {}), read, operation, lambda: 1)

    def room(self, _operation: str, parts: int) -> int:
        return parts

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
        assert path == "$batch"
        assert headers == HEADERS
        return self._try(
            lambda: self.graph.batch(json() if callable(json) else json),
            read,
            operation,
            lambda: parts() if callable(parts) else parts,
        )

    def _try(
        self, send: Callable[[], Canned], read: Callable[[Answer], T], operation: str, count: Callable[[], int]
    ) -> T:
        assert operation in PROVIDER.limits
        tries, is_renewed = 0, False
        self.load[operation] = self.load.get(operation, Load()).plus(Load(1, count()))
        while True:
            self.calls += 1
            self.counted.append((operation, count()))
            status, headers, body = send()
            answer = Answer(status, {name.lower(): value for name, value in headers.items()}, json.dumps(body).encode())
            try:
                error = PROVIDER.classify(answer)
                if error is not None:
                    raise error
                return read(answer)
            except TokenRejected as error:
                if is_renewed:
                    raise CredentialsError("refused twice") from error
                is_renewed = True
            except ProviderError as error:
                tries += 1
                if not error.is_retryable or tries >= ATTEMPTS:
                    raise
                self.waits.append(error.retry_after_seconds)


def session(graph: Graph, **options: Any) -> Session:
    connection = Connection("tenant-a", System("TEAMS"), options={"directory_id": "contoso.example", **options})
    return Session(connection, FakeApi(graph))


def stored_teams(*team_ids: str) -> Known:
    """A session's ``known`` where these teams are stored, and nothing else."""
    return lambda *what: dict.fromkeys(team_ids, "teams") if what == (SyncType.TEAMS, "TEAM") else {}


def stored_apps(**team_ids: str) -> Known:
    """The same for apps, each installed in a team."""
    apps = {app: f"apps:{team_id}" for app, team_id in team_ids.items()}
    return lambda *what: apps if what == (SyncType.NOTIFICATIONS, "INSTALLED_APP") else {}


def walk(current: Session, sync_type: SyncType) -> tuple[dict[str, list[Page]], dict[str, ProviderError]]:
    """Read all listings as the line does: their pages, and the errors of those that could not be read."""
    read: dict[str, list[Page]] = {}
    unread: dict[str, ProviderError] = {}
    for listing in PROVIDER.listings[sync_type](current):
        try:
            read[listing.name] = list(listing.pages)
        except ProviderError as error:
            if listing.is_main:
                raise
            unread[listing.name] = error
    return read, unread


def listings(current: Session, sync_type: SyncType) -> dict[str, Listing]:
    """All listings, each read before the next one is asked for."""
    found = {}
    for listing in PROVIDER.listings[sync_type](current):
        list(listing.pages)
        found[listing.name] = listing
    return found
