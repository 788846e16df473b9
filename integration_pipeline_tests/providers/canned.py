"""An Api of canned answers: what a provider's directory asks, in which order, and what it makes of the answers."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from integration_pipeline.errors import ProviderError
from integration_pipeline.model import Connection, Load, Page, Record, SyncType
from integration_pipeline.provider import Answer, Provider, Session

T = TypeVar("T")

Body = Mapping[str, Any] | bytes | Answer | ProviderError
"""A JSON body, raw bytes, a whole answer, or what the client ends with after its own tries."""


def answer(body: Mapping[str, Any] | bytes, status: int = 200, **headers: str) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


class CannedApi:
    """Implements :class:`~integration_pipeline.provider.Api`, without limits, tries or tokens.

    :param answers: path → its answers in turn; the last one goes on for ever.
    """

    def __init__(self, provider: Provider, answers: Mapping[str, Body | Sequence[Body]]) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self._provider = provider
        self._answers = {
            path: list(given) if isinstance(given, Sequence) and not isinstance(given, bytes) else [given]
            for path, given in answers.items()
        }

    @property
    def calls(self) -> int:
        return len(self.asked)

    @property
    def load(self) -> dict[str, Load]:
        return {"": Load(self.calls, self.calls)}

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    def get(
        self,
        path: str,
        read: Callable[[Answer], T],
        *,
        operation: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        assert operation in self._provider.limits
        assert headers is None
        self.asked.append((path, dict(params or {})))
        turns = self._answers[path]
        given = turns.pop(0) if len(turns) > 1 else turns[0]
        if isinstance(given, ProviderError):
            raise given
        whole = given if isinstance(given, Answer) else answer(given)
        error = self._provider.classify(whole)
        if error is not None:
            raise error
        return read(whole)

    def room(self, _operation: str, parts: int) -> int:
        return parts

    def post_json(self, path: str, read: Callable[[Answer], T], **_: Any) -> T:
        raise AssertionError(path, read)


def session(
    provider: Provider, answers: Mapping[str, Body | Sequence[Body]], **connection: Any
) -> tuple[Session, CannedApi]:
    api = CannedApi(provider, answers)
    return Session(Connection("tenant-a", provider.system, **connection), api), api


def read(provider: Provider, sync_type: SyncType, session: Session) -> dict[str, list[Page]]:
    """Every listing to its end, as the line reads them: the next one is asked for when the one before is done."""
    return {listing.name: list(listing.pages) for listing in provider.listings[sync_type](session)}


def records(pages: Mapping[str, list[Page]]) -> list[Record]:
    return [record for listing in pages.values() for page in listing for record in page.records]


def samples(folder: Path) -> dict[str, Any]:
    """A folder's ``samples/*.json`` by name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("samples/*.json"))}


def as_json(record: Record) -> dict[str, Any]:
    """A record as ``expected.json`` writes it: what is null or false is left out, settings are opened."""
    plain = {name: value for name, value in record._asdict().items() if value not in (None, False)}
    return plain | ({"settings": json.loads(plain["settings"])} if "settings" in plain else {})
