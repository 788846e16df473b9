"""Graph's statuses: the status decides, the code is only told."""

import json
from typing import Any

import pytest

from integration_pipeline.errors import (
    Forbidden,
    InvalidResponse,
    NotFound,
    ProviderError,
    ProviderFault,
    RateLimited,
    TimedOut,
    TokenRejected,
)
from integration_pipeline.provider import Answer
from integration_pipeline.providers.teams.answers import classify

THROTTLED = {
    "error": {
        "code": "TooManyRequests",
        "innerError": {"code": "429", "date": "2020-08-18T12:51:51", "message": "Please retry after", "status": "429"},
        "message": "Please retry again later.",
    }
}


def answer(status: int, body: Any = None) -> Answer:
    return Answer(status, {}, json.dumps(body).encode())


def error_of(status: int, body: Any = None) -> ProviderError:
    error = classify(answer(status, body))
    assert error is not None
    return error


@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_success_is_no_error(status: int) -> None:
    assert classify(answer(status)) is None


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (302, InvalidResponse),
        (400, ProviderError),
        (401, TokenRejected),
        (403, Forbidden),
        (404, NotFound),
        (408, TimedOut),
        (410, ProviderError),
        (423, ProviderFault),
        (424, ProviderFault),
        (429, RateLimited),
        (500, ProviderFault),
        (501, ProviderError),
        (502, ProviderFault),
        (503, ProviderFault),
        (504, TimedOut),
        (509, RateLimited),
    ],
)
def test_a_status_has_one_meaning(status: int, meaning: type[ProviderError]) -> None:
    error = error_of(status)
    assert type(error) is meaning
    assert error.status == status


def test_the_documented_throttling_answer_is_read() -> None:
    assert error_of(429, THROTTLED).code == "TooManyRequests"


@pytest.mark.parametrize(
    "body", [None, [], "x", {"error": "x"}, {"error": {"code": ""}}, {"error": {"code": "山 田 <b>"}}]
)
def test_a_body_without_a_code_has_none(body: Any) -> None:
    error = error_of(403, body)
    assert error.code is None
    assert str(error) == "Microsoft answered 403"


def test_a_code_is_told_and_the_message_is_not() -> None:
    error = error_of(403, {"error": {"code": "Authorization_RequestDenied", "message": "about taro@contoso.co.jp"}})
    assert str(error) == "Microsoft answered 403 (Authorization_RequestDenied)"
