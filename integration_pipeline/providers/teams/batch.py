"""Graph's $batch: up to twenty requests in one, each answered, throttled and retried alone.

urls by id -> ask -> bodies or errors by id

The outer answer is 200 whatever became of its parts, and they come in any order
(learn.microsoft.com/graph/json-batching; …/graph/throttling: "requests in a batch are evaluated individually").
"""

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from itertools import islice
from typing import Any, NotRequired, TypeVar
from urllib.parse import quote, urlencode

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from integration_pipeline.errors import Garbled, ProviderError, TokenRejected
from integration_pipeline.http.paging import parse
from integration_pipeline.http.retry import parse_retry_after
from integration_pipeline.provider import Answer, Api
from integration_pipeline.providers.teams.answers import classify

T = TypeVar("T")

MAX_PARTS = 20


class PartAnswer(TypedDict):
    id: str
    status: int
    headers: NotRequired[dict[str, Any] | None]
    body: NotRequired[Any]


class BatchAnswer(TypedDict):
    responses: list[PartAnswer]


_ANSWER = TypeAdapter(BatchAnswer)


def url(path: str, query: Mapping[str, str]) -> str:
    """A part's URL, relative to the API's base."""
    return f"/{path}?" + urlencode(query, safe="$,:/()'", quote_via=quote)


def in_batches(things: Iterable[T]) -> Iterator[list[T]]:
    """Cut into lists as long as a batch may be."""
    iterator = iter(things)
    while batch := list(islice(iterator, MAX_PARTS)):
        yield batch


def followed(things: Iterable[T]) -> Iterator[tuple[T, bool]]:
    """Each with whether another comes after it."""
    iterator = iter(things)
    for before in islice(iterator, 1):
        latest = before
        for thing in iterator:
            yield latest, True
            latest = thing
        yield latest, False


def ask(
    api: Api,
    urls: Mapping[str, str],
    *,
    operation: str,
    headers: Mapping[str, str],
    part_headers: Mapping[str, str] | None = None,
    is_followed: bool = False,
) -> dict[str, Any]:
    """GET up to twenty URLs, relative to the API's base, in one request.

    Where more batches follow, in as many as :meth:`Api.room` thinks right: the last one ends no sooner for being cut.

    Parts that fail in a way that may heal are asked again without the others, as often as the client tries anything.

    :returns: for every id the part's body, parsed, or the ProviderError that it came to.
    :raises ProviderError: only a fatal one; any other failure of the whole is the answer of every part still open.
    """
    answers: dict[str, Any] = {}
    parts = list(urls)
    while parts:
        size = api.room(operation, len(parts)) if is_followed else len(parts)
        batch = _Batch({part: urls[part] for part in parts[:size]}, part_headers or {})
        answers |= _answers(api, batch, operation, headers)
        del parts[:size]
    return answers


def _answers(api: Api, batch: "_Batch", operation: str, headers: Mapping[str, str]) -> dict[str, Any]:
    try:
        api.post_json(
            "$batch", batch.read, operation=operation, json=batch.body, parts=batch.count_open, headers=headers
        )
    except ProviderError as error:
        if error.is_fatal:
            raise
        return {part: batch.answers.get(part, batch.failures.get(part, error)) for part in batch.urls}
    return batch.answers


class _Batch:
    """One batch under way: what is answered, and what failed and may be asked again."""

    def __init__(self, urls: Mapping[str, str], headers: Mapping[str, str]) -> None:
        self.urls = urls
        self._headers = dict(headers)
        self._is_token_renewed = False
        self.answers: dict[str, Any] = {}
        self.failures: dict[str, ProviderError] = {}

    def body(self) -> dict[str, Any]:
        """The request, for what is still open."""
        more = {"headers": self._headers} if self._headers else {}
        return {"requests": [{"id": part, "method": "GET", "url": self.urls[part], **more} for part in self._open()]}

    def count_open(self) -> int:
        return len(self._open())

    def read(self, answer: Answer) -> None:
        """Keep what is answered.

        :raises ProviderError: a retryable one, or TokenRejected, while something is open: the client asks again.
        """
        parts = {part["id"]: part for part in parse(_ANSWER, answer.body, holds_pages=True)["responses"]}
        self.failures = {}
        for part in self._open():
            self._keep(part, parts.get(part))
        self._ask_again()

    def _open(self) -> list[str]:
        return [part for part in self.urls if part not in self.answers]

    def _keep(self, part: str, answer: PartAnswer | None) -> None:
        if answer is None:
            self.failures[part] = Garbled("a batch's answer lacks one of its parts")
            return
        alone = _as_answer(answer)
        error = classify(alone)
        if error is None:
            self.answers[part] = answer.get("body")
            return
        # Every part has a Retry-After of its own. The date is looked at only where it is given as a date.
        error.retry_after_seconds = parse_retry_after(alone.headers.get("retry-after"), dt.datetime.now(dt.UTC))
        if error.is_retryable or isinstance(error, TokenRejected):
            self.failures[part] = error
        else:
            self.answers[part] = error

    def _ask_again(self) -> None:
        """Raise for what is open; the longest wait that any part asks for is the wait for all.

        A token that ran out on the way is renewed once. Parts that refuse the fresh one too, where others were
        answered, refuse for a reason of their own.
        """
        refused = {part: error for part, error in self.failures.items() if isinstance(error, TokenRejected)}
        if refused and not (self._is_token_renewed and self.answers):
            self._is_token_renewed = True
            raise next(iter(refused.values()))
        self.answers |= refused
        waiting = [error for part, error in self.failures.items() if part not in refused]
        if waiting:
            raise max(waiting, key=lambda error: error.retry_after_seconds or 0)


def _as_answer(part: PartAnswer) -> Answer:
    """A part as if it had come alone; a success's body is not written out only to be read again."""
    headers = {name.lower(): str(value) for name, value in (part.get("headers") or {}).items()}
    is_success = HTTPStatus.OK <= part["status"] < HTTPStatus.MULTIPLE_CHOICES
    return Answer(part["status"], headers, b"" if is_success else json.dumps(part.get("body")).encode())
