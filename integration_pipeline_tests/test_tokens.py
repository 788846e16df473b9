import contextlib
import dataclasses
import datetime as dt
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from integration_pipeline.errors import (
    CredentialsError,
    InvalidResponse,
    NetworkError,
    ProviderError,
    ProviderFault,
    RateLimited,
    TimedOut,
)
from integration_pipeline.model import Connection, System, Token
from integration_pipeline.provider import Endpoint, Provider, TokenRequest
from integration_pipeline.tokens import Tokens

NOW = dt.datetime(2026, 11, 21, 21, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
TokenRequester = Callable[[Connection, dt.datetime], TokenRequest | None]


def unused(*args: Any) -> Any:
    raise AssertionError("nothing here asks for this part of a provider")


def by_refresh_token(connection: Connection, now: dt.datetime) -> TokenRequest | None:
    """Slack with rotation: the stored refresh token, good for one use."""
    if connection.refresh_token is None:
        return None
    form = {"refresh_token": connection.refresh_token.get_secret_value()}
    return TokenRequest("oauth.v2.access", form, uses_refresh_token=True)


def by_credentials(connection: Connection, now: dt.datetime) -> TokenRequest | None:
    """Graph: ask again with the client's secret."""
    return TokenRequest("token", {"grant_type": "client_credentials"})


def provider(token_request: TokenRequester) -> Provider:
    return Provider(
        system=System("ACME"),
        title="Acme",
        api=Endpoint("ACME_URL", "https://acme.test/"),
        token=Endpoint("ACME_TOKEN_URL", "https://acme.test/"),
        limits={},
        options=(),
        problems=unused,
        token_request=token_request,
        read_token=unused,
        refresh_before=HOUR,
        classify=unused,
        listings={},
        probe=unused,
    )


def connection(access: str | None = "a0", refresh: str | None = "r0", hours: float | None = 0.5) -> Connection:
    return Connection(
        tenant_id="t",
        system=System("ACME"),
        access_token=None if access is None else SecretStr(access),
        refresh_token=None if refresh is None else SecretStr(refresh),
        token_expires_at=None if hours is None else NOW + hours * HOUR,
    )


class Store:
    """The stored row, and a log of what was done to it."""

    def __init__(self, stored: Connection) -> None:
        self.stored = stored
        self.log: list[str] = []
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        with self._lock:
            self.log.append("lock")
            yield
            self.log.append("unlock")

    def read(self) -> Connection:
        assert self._lock.locked()
        self.log.append("read")
        return self.stored

    def begin_refresh(self, at: dt.datetime) -> None:
        self.log.append("begin")
        self.stored = dataclasses.replace(self.stored, refresh_started_at=at)

    def save(self, token: Token) -> None:
        self.log.append("save")
        self.stored = dataclasses.replace(
            self.stored,
            access_token=token.access_token,
            refresh_token=token.refresh_token,
            token_expires_at=token.expires_at,
            refresh_started_at=None,
        )

    def end_refresh(self) -> None:
        self.log.append("end")
        self.stored = dataclasses.replace(self.stored, refresh_started_at=None)


class Endpointed:
    """A token endpoint with refresh tokens that work once; ``script`` may make it fail first."""

    def __init__(self, store: Store, *, rotates: bool = True, script: list[Exception] | None = None) -> None:
        self._store = store
        self._rotates = rotates
        self._script = script or []
        self._spent: set[str] = set()
        self.asked = 0

    def __call__(self, request: TokenRequest) -> Token:
        self._store.log.append("send")
        self.asked += 1
        if self._script:
            raise self._script.pop(0)
        spending = request.form.get("refresh_token")
        if spending is not None and self._rotates:
            if spending in self._spent:
                raise CredentialsError("invalid_refresh_token", code="invalid_refresh_token")
            self._spent.add(spending)
        refresh = SecretStr(f"r{self.asked}") if spending is not None and self._rotates else None
        return Token(SecretStr(f"a{self.asked}"), refresh, NOW + 12 * HOUR)


def tokens(
    store: Store,
    send: Callable[[TokenRequest], Token],
    *,
    token_request: TokenRequester = by_refresh_token,
    known: Connection | None = None,
    force: bool = False,
    keep: bool = True,
) -> Tokens:
    return Tokens(
        provider=provider(token_request),
        connection=known or store.stored,
        store=store,
        send=send,
        now=lambda: NOW,
        force=force,
        keep=keep,
    )


def secrets(stored: Connection) -> tuple[str | None, str | None]:
    access, refresh = (
        None if secret is None else secret.get_secret_value() for secret in (stored.access_token, stored.refresh_token)
    )
    return access, refresh


# --- the stored token


@pytest.mark.parametrize("hours", [None, 1.01, 12])
def test_a_stored_token_with_life_enough_is_used_without_a_word_to_anyone(hours: float | None) -> None:
    store = Store(connection(hours=hours))
    assert tokens(store, unused)(None) == "a0"
    assert store.log == []


@pytest.mark.parametrize("hours", [-1, 0, 0.5, 1])
def test_a_token_that_would_not_outlast_the_work_is_renewed_first(hours: float) -> None:
    store = Store(connection(hours=hours))
    assert tokens(store, Endpointed(store))(None) == "a1"


def test_a_refresh_is_marked_before_it_is_asked_for_and_saved_before_it_is_used() -> None:
    store = Store(connection())
    assert tokens(store, Endpointed(store))(None) == "a1"
    assert store.log == ["lock", "read", "begin", "send", "save", "unlock"]
    assert secrets(store.stored) == ("a1", "r1")
    assert store.stored.refresh_started_at is None


def test_a_token_asked_for_with_lasting_credentials_needs_no_mark() -> None:
    store = Store(connection(access=None, refresh=None, hours=None))
    assert tokens(store, Endpointed(store), token_request=by_credentials)(None) == "a1"
    assert store.log == ["lock", "read", "send", "save", "unlock"]


def test_the_old_refresh_token_is_kept_when_none_comes_back() -> None:
    store = Store(connection())
    assert tokens(store, Endpointed(store, rotates=False))(None) == "a1"
    assert secrets(store.stored) == ("a1", "r0")


def test_one_invocation_renews_once_however_often_it_asks() -> None:
    store = Store(connection())
    endpoint = Endpointed(store)
    token = tokens(store, endpoint, force=True)
    assert [token(None) for _ in range(3)] == ["a1", "a1", "a1"]
    assert endpoint.asked == 1


def test_nothing_stored_and_nothing_to_ask_with_means_that_a_person_must_act() -> None:
    store = Store(connection(access=None, refresh=None))
    with pytest.raises(CredentialsError, match="no access token") as caught:
        tokens(store, unused)(None)
    assert caught.value.remedy


def test_a_token_that_cannot_be_renewed_is_used_as_long_as_the_provider_takes_it() -> None:
    store = Store(connection(refresh=None, hours=-1))
    assert tokens(store, unused)(None) == "a0"


# --- what other processes do


def test_what_another_process_has_just_renewed_is_used() -> None:
    known = connection()
    store = Store(connection("theirs", "r9", hours=12))
    assert tokens(store, unused, known=known)(None) == "theirs"


def test_a_forced_refresh_uses_what_another_process_has_just_renewed() -> None:
    known = connection(hours=12)
    store = Store(connection("theirs", "r9", hours=12))
    assert tokens(store, unused, known=known, force=True)(None) == "theirs"


def test_a_forced_refresh_renews_a_token_that_is_still_good() -> None:
    store = Store(connection(hours=12))
    assert tokens(store, Endpointed(store), force=True)(None) == "a1"


def test_a_forced_refresh_of_a_token_that_cannot_be_renewed_changes_nothing() -> None:
    store = Store(connection(refresh=None, hours=None))
    assert tokens(store, unused, force=True)(None) == "a0"


def test_what_another_process_left_nearly_dead_is_renewed_again() -> None:
    known = connection()
    store = Store(connection("theirs", "r9", hours=0.1))
    assert tokens(store, Endpointed(store), known=known)(None) == "a1"


@pytest.mark.parametrize("force", [False, True])
def test_two_that_race_for_a_refresh_token_that_works_once_both_get_a_token(*, force: bool) -> None:
    store = Store(connection())
    endpoint = Endpointed(store)
    barrier = threading.Barrier(2)
    got: list[str] = []

    def work(token: Tokens) -> None:
        barrier.wait(60)
        got.append(token(None))

    threads = [threading.Thread(target=work, args=(tokens(store, endpoint, force=force),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert got == ["a1", "a1"]
    assert endpoint.asked == 1
    assert secrets(store.stored) == ("a1", "r1")


# --- a rejected token


def test_a_rejected_token_is_renewed_although_it_should_still_live() -> None:
    store = Store(connection(hours=12))
    token = tokens(store, Endpointed(store))
    assert token(None) == "a0"
    assert token("a0") == "a1"
    assert token(None) == "a1"


def test_a_token_rejected_twice_over_is_renewed_once() -> None:
    store = Store(connection(hours=12))
    endpoint = Endpointed(store)
    token = tokens(store, endpoint)
    token(None)
    barrier = threading.Barrier(4)
    got: list[str] = []

    def work() -> None:
        barrier.wait(60)
        got.append(token("a0"))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert got == ["a1"] * 4
    assert endpoint.asked == 1


def test_a_rejected_token_gives_way_to_what_another_process_has_stored_meanwhile() -> None:
    store = Store(connection(hours=12))
    token = tokens(store, unused)
    assert token(None) == "a0"
    store.stored = connection("theirs", "r9", hours=12)
    assert token("a0") == "theirs"


def test_a_rejected_token_that_cannot_be_renewed_means_that_a_person_must_act() -> None:
    store = Store(connection(refresh=None, hours=None))
    token = tokens(store, unused)
    with pytest.raises(CredentialsError, match="cannot be renewed") as caught:
        token(token(None))
    assert caught.value.remedy


def test_a_fresh_static_token_imported_meanwhile_is_used() -> None:
    store = Store(connection(refresh=None, hours=None))
    token = tokens(store, unused)
    assert token(None) == "a0"
    store.stored = connection("imported", None, hours=None)
    assert token("a0") == "imported"


# --- when it goes wrong


def test_a_definite_refusal_clears_the_mark() -> None:
    store = Store(connection())
    refusal = CredentialsError("invalid_refresh_token", code="invalid_refresh_token")
    with pytest.raises(CredentialsError) as caught:
        tokens(store, Endpointed(store, script=[refusal]))(None)
    assert caught.value is refusal
    assert store.log == ["lock", "read", "begin", "send", "end"]
    assert secrets(store.stored) == ("a0", "r0")


@pytest.mark.parametrize(
    "error", [NetworkError("cut"), TimedOut("late"), ProviderFault("503"), InvalidResponse("?"), KeyboardInterrupt()]
)
def test_a_lost_answer_leaves_the_mark(error: Exception) -> None:
    store = Store(connection())
    with pytest.raises(type(error)):
        tokens(store, Endpointed(store, script=[error]))(None)
    assert store.stored.refresh_started_at == NOW
    assert secrets(store.stored) == ("a0", "r0")


def test_a_refusal_after_an_interrupted_refresh_says_so() -> None:
    interrupted = dataclasses.replace(connection(), refresh_started_at=NOW - 24 * HOUR)
    store = Store(interrupted)
    refusal = CredentialsError("Slack answered invalid_refresh_token", status=200, code="invalid_refresh_token")
    with pytest.raises(
        CredentialsError, match=r"interrupted at 2026-11-20 21:00:00 UTC.*invalid_refresh_token"
    ) as caught:
        tokens(store, Endpointed(store, script=[refusal]))(None)
    assert (caught.value.status, caught.value.code) == (200, "invalid_refresh_token")
    assert caught.value.remedy is not None
    assert "again" in caught.value.remedy
    assert store.stored.refresh_started_at is None


def test_an_interrupted_refresh_that_was_not_spent_is_simply_done_again() -> None:
    store = Store(dataclasses.replace(connection(), refresh_started_at=NOW - 24 * HOUR))
    assert tokens(store, Endpointed(store))(None) == "a1"
    assert store.stored.refresh_started_at is None


@pytest.mark.parametrize(("lost", "says_so"), [(TimedOut("late"), True), (RateLimited("slow down"), False)])
def test_a_refusal_after_a_lost_answer_says_so(lost: ProviderError, *, says_so: bool) -> None:
    refusal = CredentialsError("invalid_refresh_token")
    refusal.__cause__ = lost
    store = Store(connection())
    with pytest.raises(CredentialsError) as caught:
        tokens(store, Endpointed(store, script=[refusal]))(None)
    assert ("was lost" in str(caught.value)) is says_so


def test_a_refusal_of_lasting_credentials_is_raised_as_it_is() -> None:
    store = Store(dataclasses.replace(connection(refresh=None), refresh_started_at=NOW))
    refusal = CredentialsError("AADSTS7000222", remedy="Make a new client secret.")
    with pytest.raises(CredentialsError) as caught:
        tokens(store, Endpointed(store, script=[refusal]), token_request=by_credentials)(None)
    assert caught.value is refusal
    assert store.log == ["lock", "read", "send"]


def test_a_failed_attempt_may_be_repeated() -> None:
    store = Store(connection())
    token = tokens(store, Endpointed(store, script=[NetworkError("cut")]), force=True)
    with pytest.raises(NetworkError):
        token(None)
    assert token(None) == "a2"


# --- dry run


def test_a_dry_run_keeps_a_rotated_pair_which_would_else_be_lost() -> None:
    store = Store(connection())
    assert tokens(store, Endpointed(store), keep=False)(None) == "a1"
    assert secrets(store.stored) == ("a1", "r1")
    assert store.stored.refresh_started_at is None


def test_a_dry_run_keeps_nothing_where_the_old_refresh_token_lives_on() -> None:
    store = Store(connection())
    assert tokens(store, Endpointed(store, rotates=False), keep=False)(None) == "a1"
    assert store.stored == connection()
    assert store.log == ["lock", "read", "begin", "send", "end", "unlock"]


def test_a_dry_run_keeps_nothing_that_was_asked_for_with_lasting_credentials() -> None:
    store = Store(connection(access=None, refresh=None))
    token = tokens(store, Endpointed(store), token_request=by_credentials, keep=False)
    assert token(None) == "a1"
    assert store.log == ["lock", "read", "send", "unlock"]
    assert token("a1") == "a2"


# --- secrets


def test_no_error_shows_a_token() -> None:
    store = Store(connection(access="s3cret-a", refresh="s3cret-r"))
    refusal = CredentialsError("invalid_refresh_token")
    refusal.__cause__ = TimedOut("late")
    with pytest.raises(CredentialsError) as caught:
        tokens(store, Endpointed(store, script=[refusal]))(None)
    assert "s3cret" not in repr(caught.value)
