"""The running pipeline: settings, database, locks and keys, opened together and closed together."""

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from integration_pipeline import registry, settings
from integration_pipeline.crypto import Keyring
from integration_pipeline.errors import Misconfigured, UsageError
from integration_pipeline.http.client import Client
from integration_pipeline.http.limiter import Limiter, Slot, Turn
from integration_pipeline.http.webhook import Webhook
from integration_pipeline.model import Connection, Token
from integration_pipeline.notifier import Notifier
from integration_pipeline.provider import Endpoint, Session, TokenRequest
from integration_pipeline.settings import Settings
from integration_pipeline.store import migrations, sealing
from integration_pipeline.store.connections import ConnectionTokens
from integration_pipeline.store.embedded import Embedded
from integration_pipeline.store.engine import Database
from integration_pipeline.store.locks import Locks
from integration_pipeline.tokens import Tokens

T = TypeVar("T")

GOOGLE_SHEETS = Endpoint("INTEGRATION_PIPELINE_GOOGLE_SHEETS_URL", "https://sheets.googleapis.com/")
GOOGLE_TOKEN = Endpoint("INTEGRATION_PIPELINE_GOOGLE_TOKEN_URL", "https://oauth2.googleapis.com/token")

DEADLINE_SECONDS = 4 * 60 * 60
"""How long the work on one connection may take: a directory of a million users at LINE WORKS' rate, and no more."""


def utc_now() -> dt.datetime:
    """The calendar's clock, of everything that has a day."""
    return dt.datetime.now(dt.UTC)


def unchanged(connection: Connection) -> Connection:
    return connection


def endpoints() -> tuple[Endpoint, ...]:
    """Every base URL that the environment may override."""
    providers = (endpoint for provider in registry.providers() for endpoint in (provider.api, provider.token))
    return (*providers, GOOGLE_SHEETS, GOOGLE_TOKEN)


@dataclass(slots=True)
class Pipeline:
    """What a batch runs on. Its limiters outlive a batch: a second one within the minute counts the first one's calls."""

    settings: Settings
    database: Database
    locks: Locks
    keyring: Keyring
    notifier: Notifier
    now: Callable[[], dt.datetime] = field(default_factory=lambda: utc_now)
    clock: Callable[[], float] = time.monotonic
    wait_for: Callable[[threading.Event, float], bool] = threading.Event.wait
    """Waits for an event, so many seconds at most; says whether it came."""
    adjust: Callable[[Connection], Connection] = unchanged
    """What the caller makes of a stored connection before it is used: Dagster's resources put ceilings over its limits."""
    _limiters: dict[tuple[str, ...], Limiter] = field(default_factory=dict)
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def limiter(self, connection: Connection) -> Limiter:
        return self.limiter_of(connection.tenant_id, connection.system)

    def limiter_of(self, *name: str) -> Limiter:
        """The limiter of whoever is counted under a name: a service account's, for all spreadsheets that it writes."""
        with self._mutex:
            return self._limiters.setdefault(name, Limiter(self.clock))


@contextmanager
def open_pipeline(environ: Mapping[str, str]) -> Iterator[Pipeline]:
    """Everything a batch needs.

    :raises UsageError: wrong configuration, in one line.
    """
    configured = settings.load(environ, endpoints())
    with open_database(configured) as database:
        keyring = sealing.ring(configured, database)
        locks = Locks(database.url)
        try:
            with _notifier(configured, database) as notifier:
                yield Pipeline(configured, database, locks, keyring, notifier)
        finally:
            locks.close()


def webhook(configured: Settings) -> Webhook | None:
    """The receiver of notices that the settings name; None = the log is all there is."""
    if configured.notice_url is None or configured.notice_secret is None:
        return None
    return Webhook(configured.notice_url, configured.notice_secret, clock=time.monotonic, now=utc_now)


def _notifier(configured: Settings, database: Database) -> Notifier:
    """Who tells people, first of what an earlier process could not: its receiver was down, or it was killed."""
    notifier = Notifier(database, now=utc_now, receiver=webhook(configured))
    notifier.wake()
    return notifier


@contextmanager
def open_database(configured: Settings) -> Iterator[Database]:
    """The database the settings name; the embedded one is started and brought up to date, since nobody else would.

    :raises UsageError: it cannot be reached or used.
    """
    with ExitStack() as stack:
        url = configured.database_url
        if url is None:
            url = stack.enter_context(Embedded(configured.home))
            migrations.upgrade(url)
        yield stack.enter_context(Database.open(url))


@dataclass(frozen=True, slots=True)
class Manner:
    """How one invocation goes about its connections.

    :param wait: an interruptible sleep; raises Interrupted.
    :param slot: the worker slot, given up while waiting.
    :param turn: given up while the provider is asked.
    :param force_refresh: renew tokens although the stored ones are good, and read every listing whole.
    :param keep_tokens: store renewed tokens; False in a dry run, which keeps only what would else be lost.
    """

    wait: Callable[[float], None]
    on_wait: Callable[[float, str], None] | None = None
    slot: Slot | None = None
    turn: Turn | None = None
    force_refresh: bool = False
    keep_tokens: bool = True


class Opened(NamedTuple):
    """One connection's way to its provider, for one invocation."""

    session: Session
    tokens: Tokens
    hang_up: Callable[[], None]
    """Ends a request that is under way, from any thread; it raises Interrupted there."""


@contextmanager
def open_session(pipeline: Pipeline, connection: Connection, manner: Manner) -> Iterator[Opened]:
    """The client, the limits and the token of one connection."""
    connection = pipeline.adjust(connection)
    provider = registry.provider(connection.system)
    configured = pipeline.settings
    token_url = configured.url(provider.token)

    def send(request: TokenRequest) -> Token:
        return client.post_form(
            token_url + request.path,
            lambda answer: provider.read_token(answer, pipeline.now()),
            form=request.form,
            basic_auth=request.basic_auth,
        )

    tokens = Tokens(
        provider=provider,
        connection=connection,
        store=ConnectionTokens(
            database=pipeline.database,
            keyring=pipeline.keyring,
            locks=pipeline.locks,
            tenant_id=connection.tenant_id,
            system=connection.system,
            pause=manner.wait,
        ),
        send=send,
        now=pipeline.now,
        force=manner.force_refresh,
        keep=manner.keep_tokens,
    )
    client = Client(
        provider=provider,
        base_url=base_url(connection, configured),
        allowed_hosts=configured.allowed_hosts,
        token=tokens,
        limiter=pipeline.limiter(connection),
        rate_limit=connection.api_rate_limit,
        attempts=connection.retry_attempts,
        timeout_seconds=connection.timeout_seconds,
        deadline=pipeline.clock() + DEADLINE_SECONDS,
        wait=manner.wait,
        clock=pipeline.clock,
        now=pipeline.now,
        on_wait=manner.on_wait,
        slot=manner.slot,
        turn=manner.turn,
    )
    try:
        yield Opened(Session(connection, client, reads_all=manner.force_refresh), tokens, client.close)
    finally:
        client.close()


def base_url(connection: Connection, configured: Settings) -> str:
    """Where the connection's API is.

    :raises Misconfigured: its own endpoint is on a host that is not allowed.
    """
    provider = registry.provider(connection.system)
    if connection.api_endpoint is None:
        return configured.url(provider.api)
    try:
        return settings.check_api_endpoint(connection.api_endpoint, provider.api, configured)
    except UsageError as error:
        remedy = "Allow the host, or import the connection again with another api_endpoint."
        raise Misconfigured(f"{connection}: {error}", remedy=remedy) from None


def require_one(things: Iterable[T], use: Callable[[T], object]) -> None:
    """Make sure that one of them can be used as it is configured; of none nothing is required.

    :raises UsageError: the first one's, where not one can be: then not it is wrong, but what all of them are used with.
    """
    wrong: UsageError | None = None
    for each in things:
        try:
            use(each)
        except UsageError as error:
            wrong = wrong or error
        else:
            return
    if wrong is not None:
        raise wrong
