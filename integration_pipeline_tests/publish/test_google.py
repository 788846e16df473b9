"""The way to Google: limits shared by whoever shares a service account, one token for all, errors in our words."""

import datetime as dt
import json
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from integration_pipeline.errors import (
    CredentialsError,
    Forbidden,
    Garbled,
    ProviderError,
    ProviderFault,
    RateLimited,
    SpreadsheetGone,
    TimedOut,
)
from integration_pipeline.http.limiter import Limiter, NoRoom, Pause
from integration_pipeline.provider import Answer
from integration_pipeline.publish.google import SCOPE, Account, Google
from integration_pipeline.publish.refusals import refusal, token_refusal
from integration_pipeline_tests.nights import Time

EMAIL = "kpi@project.iam.gserviceaccount.com"
TOKEN_URL = "https://oauth2.googleapis.com/token"
Handler = Callable[[httpx.Request], httpx.Response]


@cache
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def key_file(**changes: Any) -> SecretStr:
    form = serialization.PrivateFormat.PKCS8
    pem = private_key().private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
    account = {"type": "service_account", "client_email": EMAIL, "private_key": pem, "private_key_id": "kid1"}
    return SecretStr(json.dumps({**account, "token_uri": "https://evil.example/token", **changes}))


def done(request: httpx.Request, status: int = 200) -> httpx.Response:
    """An answer that names the spreadsheet it was asked for."""
    return httpx.Response(status, json={"spreadsheetId": request.url.path.split("/")[3].partition(":")[0]})


class Wire:
    """Google, as one function; remembers what it was asked."""

    def __init__(self, answer: Handler | None = None) -> None:
        self.requests: list[httpx.Request] = []
        self.assertions: list[str] = []
        self._answer = answer or done

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            self.assertions.append(dict(httpx.QueryParams(request.content.decode()))["assertion"])
            token = f"ya29.{len(self.assertions)}"
            return httpx.Response(200, json={"access_token": token, "expires_in": 3599, "token_type": "Bearer"})
        self.requests.append(request)
        return self._answer(request)


def way(wire: Wire, time: Time, account: Account | None = None, limiter: Limiter | None = None) -> Google:
    def wait(seconds: float) -> None:
        time.wait_for(threading.Event(), seconds)

    return Google(
        account or Account(key_file(), TOKEN_URL, time),
        base_url="https://sheets.googleapis.com/",
        limiter=limiter or Limiter(time),
        pause=Pause(wait),
        deadline=time() + 600,
        clock=time,
        now=lambda: dt.datetime(2026, 11, 21, tzinfo=dt.UTC),
        transport=httpx.MockTransport(wire),
    )


def test_the_requests_are_gspreads_and_the_token_has_one_scope_and_googles_audience() -> None:
    wire, time = Wire(), Time()
    google = way(wire, time)
    google.get("sheet-1", fields="sheets.properties", ranges=["'KPI Tracking'!A:A", "'KPI Tracking'!1:10"])
    google.update("sheet-1", [{"deleteSheet": {"sheetId": 1}}])
    read, write = wire.requests
    assert str(read.url) == (
        "https://sheets.googleapis.com/v4/spreadsheets/sheet-1?fields=sheets.properties"
        "&ranges=%27KPI+Tracking%27%21A%3AA&ranges=%27KPI+Tracking%27%211%3A10"
    )
    assert (write.method, str(write.url)) == (
        "POST",
        "https://sheets.googleapis.com/v4/spreadsheets/sheet-1:batchUpdate",
    )
    assert json.loads(write.content) == {"requests": [{"deleteSheet": {"sheetId": 1}}]}
    assert {request.headers["authorization"] for request in wire.requests} == {"Bearer ya29.1"}
    (assertion,) = wire.assertions
    claims = jwt.decode(assertion, private_key().public_key(), algorithms=["RS256"], audience=TOKEN_URL)
    assert (claims["iss"], claims["scope"], claims["exp"] - claims["iat"]) == (EMAIL, SCOPE, 3600)
    assert google.calls == 2


def test_a_service_account_stays_below_sixty_a_minute_over_all_its_spreadsheets() -> None:
    wire, time = Wire(), Time()
    account, limiter = Account(key_file(), TOKEN_URL, time), Limiter(time)
    ways = [way(wire, time, account, limiter) for _ in range(2)]
    moments: list[float] = []
    for number in range(150):
        ways[number % 2].get(f"sheet-{number}", fields="sheets")
        moments.append(time())
    assert all(later - earlier >= 60 for earlier, later in zip(moments, moments[60:], strict=False))
    assert len(wire.assertions) == 1
    before = time()
    for number in range(60):  # writes have a minute of their own
        ways[0].update(f"sheet-{number}", [])
    assert time() == before


def test_a_quota_that_others_used_up_holds_back_all_who_share_it() -> None:
    statuses = iter([429, *[200] * 5])
    wire, time = Wire(lambda request: done(request, next(statuses))), Time()
    account, limiter = Account(key_file(), TOKEN_URL, time), Limiter(time)
    with pytest.raises(RateLimited) as caught:
        way(wire, time, account, limiter).get("sheet-1", fields="sheets")
    assert caught.value.retry_after_seconds == 31
    way(wire, time, account, limiter).update("sheet-2", [])
    assert not time.waited
    way(wire, time, account, limiter).get("sheet-2", fields="sheets")
    assert sum(time.waited) == pytest.approx(31)


def test_waits_for_the_limit_end_with_the_deadline() -> None:
    wire, time = Wire(), Time()
    limiter = Limiter(time)
    limiter.block(["Sheets read requests"], 700)
    with pytest.raises(NoRoom):
        way(wire, time, limiter=limiter).get("sheet-1", fields="sheets")
    assert not wire.requests


def test_a_token_lives_until_shortly_before_its_end_and_many_who_ask_get_one() -> None:
    wire, time = Wire(), Time()
    account = Account(key_file(), TOKEN_URL, time)
    threads = [
        threading.Thread(target=lambda: way(wire, time, account).get("sheet-1", fields="sheets")) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wire.assertions) == 1
    time.seconds += 3500
    way(wire, time, account).get("sheet-1", fields="sheets")
    assert len(wire.assertions) == 1
    time.seconds += 60
    way(wire, time, account).get("sheet-1", fields="sheets")
    assert len(wire.assertions) == 2


def test_a_rejected_token_is_renewed_once() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return done(request, 401 if request.headers["authorization"] == "Bearer ya29.1" else 200)

    wire, time = Wire(answer), Time()
    google = way(wire, time)
    google.update("sheet-1", [])
    assert [request.headers["authorization"] for request in wire.requests] == ["Bearer ya29.1", "Bearer ya29.2"]
    assert google.calls == 2
    with pytest.raises(CredentialsError, match="rejects even a fresh token"):
        way(Wire(lambda _request: httpx.Response(401)), time).get("sheet-1", fields="sheets")


@pytest.mark.parametrize("changes", [{"private_key": "nonsense"}, {"private_key_id": 7, "private_key": None}])
def test_a_key_that_cannot_sign_is_said_without_quoting_it(changes: dict[str, Any]) -> None:
    wire, time = Wire(), Time()
    account = Account(key_file(**changes), TOKEN_URL, time)
    with pytest.raises(CredentialsError) as caught:
        way(wire, time, account).get("sheet-1", fields="sheets")
    assert "nonsense" not in str(caught.value)
    assert EMAIL in str(caught.value)


def test_a_write_whose_answer_does_not_name_the_spreadsheet_counts_as_none() -> None:
    with pytest.raises(Garbled, match="does not name the spreadsheet"):
        way(Wire(lambda _request: httpx.Response(200, json={"ok": True})), Time()).update("sheet-1", [])


def test_silence_and_nonsense_are_errors_that_may_pass() -> None:
    def silent(_request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("no answer")

    for answer, error in (
        (silent, TimedOut),
        (lambda _request: httpx.Response(200, content=b"<html>"), Garbled),
        (lambda _request: httpx.Response(200, content=b'{"sheets": ['), Garbled),
        (lambda _request: httpx.Response(502, content=b"<html>"), ProviderFault),
    ):
        with pytest.raises(error) as caught:
            way(Wire(answer), Time()).get("sheet-1", fields="sheets")
        assert isinstance(caught.value, ProviderError)
        assert caught.value.is_retryable


def google_error(status: int, code: str, *reasons: str, **more: Any) -> Answer:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason} for reason in reasons]
    error = {"code": status, "message": "hunter2", "status": code, "details": details, **more}
    return Answer(status, {}, json.dumps({"error": error}).encode())


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (
            google_error(400, "INVALID_ARGUMENT"),
            ProviderError,
            "Google refuses to make this change (400 INVALID_ARGUMENT)",
        ),
        (google_error(403, "PERMISSION_DENIED"), Forbidden, "may not edit"),
        (google_error(403, "PERMISSION_DENIED", "SERVICE_DISABLED"), Forbidden, "switched off"),
        (google_error(403, "PERMISSION_DENIED", "RATE_LIMIT_EXCEEDED"), RateLimited, "quota"),
        (google_error(403, "x", errors=[{"reason": "userRateLimitExceeded"}]), RateLimited, "quota"),
        (google_error(404, "NOT_FOUND"), SpreadsheetGone, "no such spreadsheet"),
        (google_error(429, "RESOURCE_EXHAUSTED"), RateLimited, "quota"),
        (google_error(500, "INTERNAL"), ProviderFault, "status (500 INTERNAL)"),
        (Answer(503, {}, b"<html>hunter2"), ProviderFault, "status (503)"),
        (Answer(403, {}, b'{"error": "hunter2 and more"}'), Forbidden, "may not edit the spreadsheet (403)"),
        (Answer(403, {}, b'{"error": {"status": "hunter2 !", "details": 7, "errors": [7]}}'), Forbidden, "(403)"),
    ],
)
def test_errors_are_told_apart_by_codes_and_told_in_our_words(answer: Answer, kind: type, said: str) -> None:
    error = refusal(answer, "GET sheets", EMAIL)
    assert error is not None
    assert type(error) is kind
    assert said in str(error)
    assert "hunter2" not in str(error) + str(error.remedy)
    assert error.remedy or error.is_retryable


def test_a_used_up_quota_of_tokens_says_what_to_do_as_one_of_requests_does() -> None:
    error = token_refusal(Answer(429, {}, b""), "POST token", EMAIL)
    assert type(error) is RateLimited
    assert "quota" in str(error)
    assert "Publish again in a few minutes" in (error.remedy or "")
