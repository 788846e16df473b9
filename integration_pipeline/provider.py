"""What a provider is: data and pure functions, gathered in one folder (see docs/adding-a-provider.md).

The loop in ``sync.py`` is written once; a provider tells it what to ask, how to read the answers, and what they mean.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeVar

from integration_pipeline.errors import PipelineError, ProviderError
from integration_pipeline.model import Bookmark, Connection, Load, Page, SyncType, System, Token

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, whole. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A base URL: the variable that overrides it, the vendor's own, and the vendor's further host names.

    ``domains`` lists domain names whose hosts the vendor may redirect to (LINE WORKS' 307 to another instance).
    """

    variable: str
    default: str
    domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``requests`` within any ``seconds``, over all operations that share ``name`` (per connection).

    :param sustained: how many for those who have been asking for ``sustained_after`` seconds without a pause of two windows;
        None = as many as ever.
    """

    name: str
    requests: int
    seconds: float
    sustained: int | None = None
    sustained_after: float = 0.0


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A form to post to the token endpoint. Never shown: it carries secrets."""

    path: str
    """Appended to the provider's token endpoint."""
    form: Mapping[str, str] = field(repr=False)
    basic_auth: tuple[str, str] | None = field(default=None, repr=False)
    uses_refresh_token: bool = False
    """Whether the refresh token may be spent by this request (so that a lost answer is remembered)."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A set of things the provider lists, page by page.

    :param name: what it lists, kept beside every stored row (``users``, ``channels:<team id>``): only a row's own
        listing, read to its end, can prove the row absent.
    :param pages: read lazily; a page that cannot be read raises.
    :param is_main: its failure fails the sync. The failure of any other listing makes the sync PARTIAL, unless
        no listing at all could be read.
    :param proves_absence: false where the provider is known to leave things out (an archived team's channels).
    :param is_often_empty: true where it is nothing unusual that the last row goes (one team's apps). Any other listing
        that reads empty over active rows is suspect.
    :param tells_changes: true where the pages hold what changed since ``Session.bookmarks`` and nothing else: what they
        do not name is as it was, and what is gone is in ``Page.removed``. No key comes twice.
    """

    name: str
    pages: Iterable[Page]
    is_main: bool = False
    proves_absence: bool = True
    is_often_empty: bool = False
    tells_changes: bool = False

    def __post_init__(self) -> None:
        # It may hold a provider's own id, and stands in the database: without U+0000, as all text there.
        object.__setattr__(self, "name", self.name.replace("\x00", ""))


class Api(Protocol):
    """What a provider's ``directory.py`` may do to the outside: ask, within limits, with retries and a valid token."""

    @property
    def calls(self) -> int:
        """HTTP requests sent so far, retries and token requests included."""

    @property
    def load(self) -> Mapping[str, Load]:
        """What was asked so far, by operation, each question once, however often it had to be sent.

        A token counts when it had to be had before the work began, and not when the provider took one back in its middle.
        """

    def get(
        self,
        path: str,
        read: Callable[[Answer], T],
        *,
        operation: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """GET ``path`` (under the API base URL, or an absolute URL on an allowed host) and read the answer.

        ``operation`` names the provider's limits that apply (``Provider.limits``). ``read`` raises a ProviderError
        for an answer it cannot accept; a retryable one is tried again here and nowhere else.
        """

    def room(self, operation: str, parts: int) -> int:
        """How many of so many parts the next request should carry; waits until that many may go.

        All of them, but where they do not fill a limit's window evenly (twenty and twenty are more than thirty): then what
        full requests leave of the window goes in a smaller one (ten), if the connection's own limit of requests has room
        for that many. So no call is made that could be saved where calls are what is scarce, and nothing a limit allows
        is left unused where it is the parts.
        """

    def post_json(
        self,
        path: str,
        read: Callable[[Answer], T],
        *,
        operation: str,
        json: Any | Callable[[], Any],
        parts: int | Callable[[], int] = 1,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """POST a JSON body that only reads (Graph's ``$batch``), counted ``parts`` times against ``operation``'s limits.

        ``json`` and ``parts`` may be functions: they are called before every try, so that a try after one that was
        answered in part (``read`` kept what it got, and raised for the rest) asks for the rest alone.
        """


class Cost(NamedTuple):
    """HTTP requests: those that were sent, and the fewest with which the same could have been read; and what was asked."""

    calls: int = 0
    fewest: int = 0
    load: Mapping[str, Load] = MappingProxyType({})


@dataclass(slots=True)
class Session:
    """One invocation's work on one connection: its types run in turn and share the client, the token and the memo."""

    connection: Connection
    api: Api
    memo: dict[str, Any] = field(default_factory=dict)
    """What one sync type has fetched and another needs (Slack's bots are found while its users are listed)."""
    warnings: list[str] = field(default_factory=list)
    """Things an operator should know that do not make the sync PARTIAL; each is said once."""
    workspace: dict[str, Any] | None = None
    """What the provider says of the workspace or organisation, where it was asked."""
    reads_all: bool = False
    """Whether every listing is to be read whole, whatever is remembered (``--force-refresh``)."""
    bookmarks: Mapping[str, Bookmark] = field(default_factory=dict)
    """listing → where its changes go on from, of the type being synced; empty where the listings are to be read whole."""
    next_bookmarks: dict[str, Bookmark] = field(default_factory=dict)
    """listing → where the next night may go on from. Kept with this night's rows, if it is a SUCCESS."""
    known: Callable[[SyncType, str], Mapping[str, str]] = lambda _sync_type, _kind: {}
    """The stored, active rows of a type and kind: key → the listing that each stands under."""
    failure: PipelineError | None = None
    """What ended this connection's work for good: the types still due fail with it, without asking again."""
    avoidable: int = 0
    """Questions that the provider's largest pages would have made needless (``http/listings.py`` counts them)."""
    accounted: Cost = field(default_factory=Cost)
    """What the outcomes so far have told."""

    @property
    def questions(self) -> int:
        """How many were asked so far."""
        return sum(one.questions for one in self.api.load.values())

    @property
    def cost(self) -> Cost:
        """Of all that was asked so far."""
        return Cost(self.api.calls, self.questions - self.avoidable, dict(self.api.load))

    @property
    def cost_since_accounted(self) -> Cost:
        cost, before = self.cost, self.accounted
        load = {name: one.minus(before.load.get(name, Load())) for name, one in cost.load.items()}
        asked = {name: one for name, one in load.items() if one.questions}
        return Cost(cost.calls - before.calls, cost.fewest - before.fewest, asked)

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)


@dataclass(frozen=True, slots=True)
class Option:
    """One key of a connection's ``options``.

    :param check: returns what is wrong with a value, or None.
    """

    name: str
    meaning: str
    check: Callable[[Any], str | None]
    is_secret: bool = False


@dataclass(frozen=True, slots=True)
class Probe:
    """What ``connections test`` found: the workspace's name and the permissions that are missing."""

    workspace: str
    missing: Sequence[str] = ()
    remedies: Sequence[str] = ()
    """Where a person grants them."""
    notes: Sequence[str] = ()
    """What could not be tried."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One vendor. Everything that lists vendors (CLI choices, assets, limits, tests) is derived from these."""

    system: System
    title: str
    api: Endpoint
    token: Endpoint
    limits: Mapping[str, tuple[Limit, ...]]
    """operation → the limits that count it; every operation used must be listed."""
    options: tuple[Option, ...]
    problems: Callable[[Mapping[str, Any]], list[str]]
    """What is missing in a whole connection entry (contract's JSON), in words."""
    token_request: Callable[[Connection, dt.datetime], TokenRequest | None]
    """How to ask for a token now; None where the stored one is all there is."""
    read_token: Callable[[Answer, dt.datetime], Token]
    """Raises CredentialsError when the provider refuses."""
    refresh_before: dt.timedelta
    """A token with less life than this left is renewed before the work starts."""
    classify: Callable[[Answer], ProviderError | None]
    """What an answer's status, headers and error body mean; None when it is fine as far as they tell."""
    listings: Mapping[SyncType, Callable[[Session], Iterator[Listing]]]
    probe: Callable[[Session], Probe]
