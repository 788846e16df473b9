"""Answers that no vendor documents: pages of the right shape with anything at all in any place, and what is no page."""

import json
import types
from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, NotRequired, TypeVar, Union, get_args, get_origin

from hypothesis import strategies as st
from typing_extensions import get_type_hints, is_typeddict

from integration_pipeline.errors import NetworkError, ProviderError
from integration_pipeline.model import Load
from integration_pipeline.provider import Answer, Provider

T = TypeVar("T")

MARK = "hunter 2"
"""Stands in every text that a vendor sends here. It looks like no code, and so may stand in no message."""
MOST_ANSWERS = 8
TRIES = 2

TEXTS = st.text(st.characters(), max_size=4).map(lambda text: MARK + text)
LONG = st.sampled_from([MARK * 100, MARK + "\x00", MARK + "\ud83d", MARK + "𠮷野家🍜", MARK + "\u202e"])
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 2**63, 10**40, 1.5, float("nan"), float("inf"), "", [], {}, [[]], {"": None}]
)
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    ODD | TEXTS | LONG | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "ok", "error", "x"]), inner),
    max_leaves=6,
)


@cache
def of_type(wanted: Any) -> st.SearchStrategy[Any]:
    """What a field of this type may hold, and now and then anything else."""
    return st.integers(0, 11).flatmap(lambda turn: ANYTHING if turn == 0 else _plain(wanted))


def _plain(wanted: Any) -> st.SearchStrategy[Any]:
    if is_typeddict(wanted):
        return _object(wanted)
    origin, inner = get_origin(wanted), get_args(wanted)
    if origin in (Annotated, NotRequired):
        return _plain(inner[0])
    if origin in (Union, types.UnionType):
        return st.one_of([_plain(each) for each in inner])
    if origin is list:
        return st.lists(of_type(inner[0]), max_size=3)
    known: dict[Any, st.SearchStrategy[Any]] = {
        str: TEXTS | LONG, int: st.integers(), bool: st.booleans(), float: st.floats(), type(None): st.none(),
    }  # fmt: skip
    return known.get(wanted, ANYTHING)


def _object(wanted: Any) -> st.SearchStrategy[Any]:
    hints = get_type_hints(wanted, include_extras=True)
    return st.fixed_dictionaries(
        {name: of_type(hints[name]) for name in wanted.__required_keys__},
        optional={name: of_type(hints[name]) for name in wanted.__optional_keys__},
    )


def bodies(shapes: list[Any]) -> st.SearchStrategy[bytes]:
    """JSON of one of these shapes, mostly; or cut, or anything, or no JSON."""
    shaped = st.sampled_from(shapes).flatmap(of_type).map(_answer)
    return st.one_of(
        shaped,
        shaped,
        shaped,
        ANYTHING.map(_answer),
        st.tuples(shaped, st.integers(0, 40)).map(lambda cut: cut[0][: cut[1]]),
        st.binary(max_size=20),
        st.just(b"[" * 100_000),
    )


def _answer(value: Any) -> bytes:
    # Slack's answers are read only where they say ok; the others do not know the key.
    whole = {"ok": True, **value} if isinstance(value, dict) else value
    return json.dumps(whole).encode()


class WildApi:
    """Implements :class:`~integration_pipeline.provider.Api`: every answer is drawn when it is asked for."""

    def __init__(self, provider: Provider, data: st.DataObject, shapes: list[Any]) -> None:
        self.calls = 0
        self.load: dict[str, Load] = {}
        self._provider = provider
        self._data = data
        self._bodies = bodies(shapes)

    def get(self, path: str, read: Callable[[Answer], T], **_: Any) -> T:
        assert path
        return self._read(self._drawn(self._bodies), read)

    def room(self, _operation: str, parts: int) -> int:
        return parts

    def post_json(self, path: str, read: Callable[[Answer], T], *, json: Any, **_: Any) -> T:
        assert path
        error: ProviderError | None = None
        for _try in range(TRIES):
            body = json() if callable(json) else json
            try:
                return self._read(self._drawn(self._batch(body) | self._bodies), read)
            except ProviderError as refused:
                error = refused
        assert error is not None
        raise error

    def _read(self, answer: Answer, read: Callable[[Answer], T]) -> T:
        error = self._provider.classify(answer)
        if error is not None:
            raise error
        return read(answer)

    def _drawn(self, bodies: st.SearchStrategy[bytes]) -> Answer:
        self.calls += 1
        if self.calls > MOST_ANSWERS:
            raise NetworkError("no more answers")
        status = self._data.draw(st.sampled_from([200] * 12 + [204, 302, 400, 401, 403, 404, 410, 429, 500, 503]))
        header = self._data.draw(st.sampled_from([None, "", "1", "-1", "1e9", "soon", "Wed, 21 Oct 2026 07:28:00 GMT"]))
        return Answer(status, {} if header is None else {"retry-after": header}, self._data.draw(bodies))

    def _batch(self, request: Mapping[str, Any]) -> st.SearchStrategy[bytes]:
        """Graph's ``$batch``: an answer for each part, or nearly."""
        parts = [
            st.fixed_dictionaries(
                {"id": st.just(part["id"]), "status": st.sampled_from([200, 200, 200, 403, 404, 429, 500])},
                optional={
                    "headers": of_type(dict) | st.just({"Retry-After": "1"}),
                    "body": self._bodies.map(_parsed),
                },
            )
            for part in request["requests"]
        ]
        return st.fixed_dictionaries({"responses": st.tuples(*parts).map(list)}).map(_answer)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
