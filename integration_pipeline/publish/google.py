"""Google Sheets, through gspread's HTTP client on this project's own wire: its time-outs, limits and errors.

gspread makes the URLs and bodies, google-auth the signed assertion; every request goes out here, and nothing is tried again
here: what a lost answer means is for the writer to decide, who reads before it writes again. (gspread's BackOffHTTPClient
would repeat a write blindly, and for ever.)
"""

import io
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import google.auth.transport
import httpx
import requests
from google.auth.exceptions import GoogleAuthError
from google.oauth2 import service_account
from gspread.http_client import HTTPClient
from gspread.urls import SPREADSHEETS_API_V4_BASE_URL
from pydantic import SecretStr

from integration_pipeline.errors import CredentialsError, Garbled, ProviderError, RateLimited, TokenRejected
from integration_pipeline.http.exchange import Exchange, Request
from integration_pipeline.http.limiter import Limiter
from integration_pipeline.http.retry import parse_retry_after
from integration_pipeline.provider import Answer, Limit
from integration_pipeline.publish import refusals

SCOPE = "https://www.googleapis.com/auth/spreadsheets"
"""And no other: a spreadsheet is opened by its id, so that nothing of Drive is needed."""

READS = Limit("Sheets read requests", 60, 60.0)
WRITES = Limit("Sheets write requests", 60, 60.0)
"""A minute and user ("Usage limits"); a service account is a user, and a batchUpdate is one request."""

_TIMEOUT_SECONDS = 60.0
_EARLY_SECONDS = 60.0
"""A token with less life than this is not used any more."""
_HOST = SPREADSHEETS_API_V4_BASE_URL.removesuffix("v4/spreadsheets")
"""What gspread's URLs start with."""

Send = Callable[[Request], Answer]


class Account:
    """A service account: its token, shared by all spreadsheets that it writes. Thread safe.

    :param key: the key file's JSON.
    :param clock: monotonic seconds.
    """

    def __init__(self, key: SecretStr, token_url: str, clock: Callable[[], float]) -> None:
        self._key = key
        self._token_url = token_url
        self._clock = clock
        self._lock = threading.Lock()
        self._token: str | None = None
        self._ends_at = 0.0
        self.email: str = json.loads(key.get_secret_value())["client_email"]

    def token(self, stale: str | None, send: Send) -> str:
        """The current token, or one newer than ``stale``; of several that ask at once, one gets it for all.

        :raises CredentialsError: Google refuses the key.
        :raises ProviderError: the token endpoint did not answer as it should.
        """
        with self._lock:
            if self._token is None or self._token == stale or self._clock() >= self._ends_at:
                self._token, life = self._asked(send)
                self._ends_at = self._clock() + life - _EARLY_SECONDS
            return self._token

    def _asked(self, send: Send) -> tuple[str, float]:
        lives: list[float] = []

        def post(
            url: str, method: str = "GET", body: bytes | None = None, headers: Any = None, **_: Any
        ) -> _TokenAnswer:
            request = Request(method, httpx.URL(url), dict(headers or {}), body)
            answer = send(request)
            error = refusals.token_refusal(answer, request.place, self.email)
            if error is not None:
                raise error
            grant = refusals.parsed(answer, request.place)
            if not isinstance(grant.get("access_token"), str) or not isinstance(grant.get("expires_in", 0), int):
                raise Garbled(f"{request.place}: an answer without a token")
            lives.append(grant.get("expires_in", 0))
            return _TokenAnswer(answer)

        try:
            # The audience stays Google's, whatever the URL; only the request goes elsewhere.
            info = {**json.loads(self._key.get_secret_value()), "token_uri": self._token_url}
            info.pop("universe_domain", None)
            credentials = service_account.Credentials.from_service_account_info(info, scopes=[SCOPE])  # type: ignore[no-untyped-call]
            credentials.refresh(post)
        except (ValueError, GoogleAuthError) as error:
            message = f"the key of {self.email} cannot be used ({type(error).__name__})"
            raise CredentialsError(message, remedy="Import its whole key file with `spreadsheets import`.") from None
        return str(credentials.token), lives[-1]


class _TokenAnswer(google.auth.transport.Response):
    """An answer as google-auth wants to see it."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    @property
    def status(self) -> int:
        return self._answer.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._answer.headers

    @property
    def data(self) -> bytes:
        return self._answer.body


class Google(HTTPClient):
    """One publishing's way to Sheets.

    :param base_url: where the API is, with a slash at its end.
    :param pause: waits so many seconds, for a reason.
    :param deadline: an instant of ``clock`` at which the work must have ended.
    """

    def __init__(
        self,
        account: Account,
        *,
        base_url: str,
        limiter: Limiter,
        pause: Callable[[float, str], None],
        deadline: float,
        clock: Callable[[], float],
        now: Callable[[], Any],
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(auth=None, session=requests.Session())  # type: ignore[arg-type]  # neither is used: see request()
        self.calls = 0
        """Requests to the Sheets API; the token's are not among them."""
        self._account = account
        self._base_url = base_url
        self._limiter = limiter
        self._pause = pause
        self._deadline = deadline
        self._clock = clock
        self._now = now
        self._exchange = Exchange(timeout_seconds=_TIMEOUT_SECONDS, transport=transport)

    def get(self, spreadsheet_id: str, *, fields: str, ranges: Sequence[str] = ()) -> Any:
        """A spreadsheet, as far as the mask and the ranges want it; one read."""
        params: dict[str, Any] = {"fields": fields, **({"ranges": list(ranges)} if ranges else {})}
        return self.fetch_sheet_metadata(spreadsheet_id, params)

    def update(self, spreadsheet_id: str, changes: Sequence[Mapping[str, Any]]) -> None:
        """All of the changes or none; one write.

        :raises Garbled: the answer does not name the spreadsheet, so that it is nobody's word that anything was written.
        """
        answered = self.batch_update(spreadsheet_id, {"requests": list(changes)})
        if answered.get("spreadsheetId") != spreadsheet_id:
            raise Garbled("an answer to batchUpdate that does not name the spreadsheet")

    def close(self) -> None:
        """Hang up, from any thread: a call under way ends with Interrupted."""
        self._exchange.close()

    def request(self, method: str, endpoint: str, params: Any = None, *_: Any, **named: Any) -> requests.Response:
        """What gspread's methods go through: within the limits, with a token, and an error of ours for all that goes wrong."""
        url = httpx.URL(self._base_url + endpoint.removeprefix(_HOST))
        if params:
            url = url.copy_with(query=urlencode(params, doseq=True).encode())
        content = named.get("json")
        body = None if content is None else json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
        limit = READS if method == "get" else WRITES
        token = self._account.token(None, self._unlimited)
        try:
            answer = self._sent(method.upper(), url, body, token, limit)
        except TokenRejected:
            answer = self._again(method.upper(), url, body, token, limit)
        response = requests.Response()
        response.status_code = answer.status
        response.raw = io.BytesIO(answer.body)
        return response

    def _again(self, method: str, url: httpx.URL, body: bytes | None, stale: str, limit: Limit) -> Answer:
        """Once more with a fresh token: the first request was refused, and did nothing."""
        try:
            return self._sent(method, url, body, self._account.token(stale, self._unlimited), limit)
        except TokenRejected as error:
            raise CredentialsError(
                f"Google rejects even a fresh token of {self._account.email}", status=error.status, code=error.code
            ) from error

    def _sent(self, method: str, url: httpx.URL, body: bytes | None, token: str, limit: Limit) -> Answer:
        headers = {"Authorization": f"Bearer {token}", **({"Content-Type": "application/json"} if body else {})}
        request = Request(method, url, headers, body)
        with self._limiter.take({limit: 1}, pause=self._pause, deadline=self._deadline):
            self.calls += 1
            answer = self._exchange.send(request, seconds=self._deadline - self._clock())
        error = refusals.refusal(answer, request.place, self._account.email)
        if error is not None:
            raise self._noted(error, answer, limit)
        refusals.parsed(answer, request.place)
        return answer

    def _noted(self, error: ProviderError, answer: Answer, limit: Limit) -> ProviderError:
        """How long it asks to wait; what is over its quota holds back everybody who shares it."""
        asked = parse_retry_after(answer.headers.get("retry-after"), self._now())
        if asked is not None:
            error.retry_after_seconds = asked
        if isinstance(error, RateLimited) and error.retry_after_seconds:
            self._limiter.block([limit.name], error.retry_after_seconds)
        return error

    def _unlimited(self, request: Request) -> Answer:
        return self._exchange.send(request, seconds=self._deadline - self._clock())
