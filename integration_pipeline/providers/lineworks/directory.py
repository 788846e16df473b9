"""What is asked of LINE WORKS for each sync type, and in which order.

users              -> users:<domain>                      a listing per domain
groups, orgunits   -> groups:<domain>, orgunits:<domain>  a listing per domain
bots, bots/<id>    -> bots                                the list, then each bot's details

A call sees one domain, and a company group has several: each is named by the connection's ``domain_ids``. Without them
the listings are the app's own domain and carry no suffix. No domain is the main one: what cannot be read of one does not
keep the others from being synced.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from urllib.parse import quote

from integration_pipeline.errors import Forbidden, NotFound, ProviderError
from integration_pipeline.http.listings import asked
from integration_pipeline.http.paging import parse
from integration_pipeline.model import Rejection, Setting
from integration_pipeline.provider import Limit, Listing, Probe, Session
from integration_pipeline.providers.lineworks.pages import BOT, BOTS, GROUPS, ORG_UNITS, USERS, pages
from integration_pipeline.providers.lineworks.records import BotDetails, BotRow, bot, group, org_unit, user


def _limits(operation: str) -> tuple[Limit, ...]:
    return (Limit(operation, 240, 60.0, sustained=120, sustained_after=30 * 60.0),)


LIMITS: Mapping[str, tuple[Limit, ...]] = {
    operation: _limits(operation) for operation in ("users", "groups", "orgunits", "bots", "bot", "token")
}
"""Per API and domain of the app, on the paid plans; whoever calls for half an hour keeps to half of it
(developers.worksmobile.com/jp/docs/rate-limits). The Free plan has 60 a minute, which is the default of the
connection's own ``api_rate_limit``.
"""


def users(session: Session) -> Iterator[Listing]:
    """The people of every domain."""
    for suffix, params in _domains(session):
        yield Listing(f"users{suffix}", pages(session, USERS, user, "users", params))


def teams(session: Session) -> Iterator[Listing]:
    """The groups of every domain, then its org units. There is no list of talk rooms."""
    for suffix, params in _domains(session):
        yield Listing(f"groups{suffix}", pages(session, GROUPS, group, "groups", params))
        yield Listing(f"orgunits{suffix}", pages(session, ORG_UNITS, org_unit, "orgunits", params))


def notifications(session: Session) -> Iterator[Listing]:
    """The bots of the tenant, whichever their domains."""
    yield Listing("bots", pages(session, BOTS, partial(_described, session), "bots", {}), is_main=True)


def probe(session: Session) -> Probe:
    """Ask for one row of everything, and collect what is refused."""
    domains, missing = _domains(session), dict[str, str | None]()
    one = {"count": "1"}
    questions: dict[str, Callable[[], object]] = {"bots": partial(asked, session, BOTS, "bots", one)}
    for suffix, params in domains:
        query = {**params, **one}
        questions[f"users{suffix}"] = partial(asked, session, USERS, "users", query)
        questions[f"groups{suffix}"] = partial(asked, session, GROUPS, "groups", query)
        questions[f"orgunits{suffix}"] = partial(asked, session, ORG_UNITS, "orgunits", query)
    for what, ask in questions.items():
        try:
            ask()
        except Forbidden as error:
            missing[f"{what}: {error}"] = error.remedy
    named = (f"domain {params['domainId']}" if params else "the app's own domain" for _, params in domains)
    return Probe(", ".join(named), list(missing), list(dict.fromkeys(filter(None, missing.values()))))


def _domains(session: Session) -> list[tuple[str, Mapping[str, str]]]:
    domain_ids = session.connection.options.get("domain_ids")
    if not domain_ids:
        return [("", {})]
    return [(f":{domain_id}", {"domainId": str(domain_id)}) for domain_id in domain_ids]


def _described(session: Session, row: BotRow) -> Setting | Rejection | None:
    """A bot with its details; None when it was deleted since the list was made, a rejection when they are unreadable."""
    key = row["botId"]
    try:
        details: BotDetails = session.api.get(
            f"bots/{quote(key, safe='')}", lambda answer: parse(BOT, answer.body), operation="bot"
        )
    except ProviderError as error:
        if error.is_fatal:
            raise
        if isinstance(error, NotFound) and error.code:  # without one it was not LINE WORKS that said so
            return None
        return Rejection(key, "BOT", f"its details could not be read: {error}")
    return bot(row, details)
