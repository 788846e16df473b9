import datetime as dt
import json
from typing import Any

import pytest

from integration_pipeline.errors import InvalidResponse
from integration_pipeline.http.grant import granted, read_grant
from integration_pipeline.provider import Answer

NOW = dt.datetime(2026, 11, 21, 6, 0, tzinfo=dt.UTC)


def expiry(**said: Any) -> dt.datetime | None:
    body = json.dumps({"access_token": "a", **said}).encode()
    return granted(read_grant(Answer(200, {}, body)), NOW).expires_at


@pytest.mark.parametrize(("said", "seconds"), [(3599, 3599), ("86400", 86400), (0, 0), (-1, 0)])
def test_a_tokens_life_is_counted_from_now_in_either_spelling(said: Any, seconds: int) -> None:
    assert expiry(expires_in=said) == NOW + dt.timedelta(seconds=seconds)


@pytest.mark.parametrize("said", [10**12, 10**30])
def test_a_life_longer_than_any_calendar_is_ten_years(said: int) -> None:
    assert expiry(expires_in=said) == NOW + dt.timedelta(days=3650)


@pytest.mark.parametrize("said", [{}, {"expires_in": None}])
def test_a_token_that_says_nothing_of_an_end_has_none(said: dict[str, Any]) -> None:
    assert expiry(**said) is None


@pytest.mark.parametrize("body", [b"{}", b'{"access_token": ""}', b'{"access_token": 7}'])
def test_an_answer_without_a_token_is_unreadable(body: bytes) -> None:
    with pytest.raises(InvalidResponse):
        read_grant(Answer(200, {}, body))
