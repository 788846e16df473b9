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
from integration_pipeline.providers.lineworks.answers import classify
from integration_pipeline_tests.providers.canned import answer


@pytest.mark.parametrize(
    ("status", "code", "meaning"),
    [
        (400, "INVALID_PARAMETER", ProviderError),
        (401, "UNAUTHORIZED", TokenRejected),
        (403, "FORBIDDEN", Forbidden),
        (403, "ACCESS_DENIED", Forbidden),
        (404, "NOT_FOUND", NotFound),
        (404, "BOT_NOT_EXIST", NotFound),
        (408, "TIMEOUT", TimedOut),
        (409, "CONFLICT", ProviderError),
        (410, "DELETED", NotFound),
        (429, "TOO_MANY_REQUESTS", RateLimited),
        (500, "INTERNAL_SERVER_ERROR", ProviderFault),
        (503, "SERVICE_UNAVAILABLE", ProviderFault),
    ],
)
def test_the_status_says_what_went_wrong(status: int, code: str, meaning: type[ProviderError]) -> None:
    error = classify(answer({"code": code, "description": "whatever"}, status))
    assert error is not None
    assert (type(error), error.status, error.code) == (meaning, status, code)
    assert code in str(error)


@pytest.mark.parametrize("status", [200, 201])
def test_a_success_is_left_to_its_reader(status: int) -> None:
    assert classify(answer(b"", status)) is None


@pytest.mark.parametrize(
    ("status", "meaning"), [(502, ProviderFault), (429, RateLimited), (404, NotFound), (302, InvalidResponse)]
)
def test_an_answer_without_json_goes_by_its_status(status: int, meaning: type[ProviderError]) -> None:
    assert type(classify(answer(b"<html>", status))) is meaning


def test_a_rate_limit_lasts_a_minute_where_nothing_is_said() -> None:
    error = classify(answer({"code": "TOO_MANY_REQUESTS", "description": "API rate limit exceeded"}, 429))
    assert error is not None
    assert error.retry_after_seconds == 60


@pytest.mark.parametrize(("status", "meaning"), [(401, TokenRejected), (404, NotFound), (400, ProviderError)])
def test_an_answer_of_the_api_is_no_refusal_of_a_token_however_it_words_its_error(
    status: int, meaning: type[ProviderError]
) -> None:
    assert type(classify(answer({"error": "invalid_token"}, status))) is meaning


@pytest.mark.parametrize("status", [429, 500])
def test_a_token_host_in_trouble_refuses_nothing(status: int) -> None:
    error = classify(answer({"returnCode": "99", "returnMessage": "UnexpectedError"}, status))
    assert error is not None
    assert error.is_retryable


@pytest.mark.parametrize("status", [401, 403])
def test_who_must_act_is_told_how(status: int) -> None:
    error = classify(answer({"code": "FORBIDDEN", "description": "x"}, status))
    assert error is not None
    assert error.remedy


def test_a_missing_scope_or_foreign_domain_is_told_in_words() -> None:
    error = classify(answer({"code": "FORBIDDEN", "description": "x"}, 403))
    assert error is not None
    assert all(
        word in str(error.remedy)
        for word in ("user.read", "group.read", "orgunit.read", "bot.read", "domain_ids", "plan")
    )


def test_what_the_vendor_describes_is_not_repeated() -> None:
    error = classify(answer({"code": "token jp1AAAB is bad", "description": "token jp1AAAB"}, 401))
    assert "jp1" not in str(error)
