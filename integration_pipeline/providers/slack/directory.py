"""What is asked of Slack for each sync type, and in which order.

auth.test, team.info  -> workspace             (once per session)
users.list            -> users                 (bots among them are remembered for the notification settings)
conversations.list, usergroups.list -> teams
bots.info, users.list -> notification settings (users.list again only where this session has not read it whole)
"""

from collections.abc import Callable, Iterator, Mapping

from integration_pipeline.errors import Forbidden, NotFound, ProviderError
from integration_pipeline.http.listings import as_page, asked
from integration_pipeline.http.paging import parse
from integration_pipeline.model import Page, Rejection, Setting, User
from integration_pipeline.provider import Limit, Listing, Probe, Session
from integration_pipeline.providers.slack.answers import NOT_IN_THE_PLAN, add_scope
from integration_pipeline.providers.slack.pages import (
    BOT,
    BOTS,
    CHANNELS,
    CHANNELS_PAGES,
    CHANNELS_WANTED,
    CURSORS,
    GROUPS_WANTED,
    IDENTITY,
    MODEST_PAGE,
    USER_GROUPS,
    USERS,
    USERS_PAGES,
    WORKSPACE,
    Workspace,
)
from integration_pipeline.providers.slack.records import (
    Home,
    UserRow,
    bot,
    channel,
    is_bot,
    own_bot,
    user,
    user_group,
)


def _per_minute(method: str, requests: int) -> tuple[Limit, ...]:
    return (Limit(method, requests, 60.0),)


LIMITS: Mapping[str, tuple[Limit, ...]] = {
    method: _per_minute(method, requests)
    for method, requests in {
        "auth.test": 600,
        "team.info": 50,
        "users.list": 20,
        "conversations.list": 20,
        "usergroups.list": 20,
        "bots.info": 50,
        "token": 20,
    }.items()
}
"""Each method's tier counts for itself, per workspace and app (docs.slack.dev/apis/web-api/rate-limits)."""

_EMAIL_SCOPE = "users:read.email"
_NO_EMAILS = (
    f"no user came with an e-mail address: the app lacks the scope {_EMAIL_SCOPE}, and nobody is matched by e-mail"
)


def users(session: Session) -> Iterator[Listing]:
    """The people of the workspace, deactivated ones included."""
    yield Listing("users", _user_pages(session, _home(session)), is_main=True)


def teams(session: Session) -> Iterator[Listing]:
    """The channels, then the user groups."""
    _home(session)
    yield Listing(
        "channels",
        CURSORS.pages(session, CHANNELS, channel, "conversations.list", CHANNELS_WANTED, *CHANNELS_PAGES),
        is_main=True,
    )
    yield _user_groups(session)


def notifications(session: Session) -> Iterator[Listing]:
    """The bots: Slack has no list of them, and shows nobody's own preferences."""
    yield Listing("bots", _bot_pages(session, _home(session)), is_main=True)


def probe(session: Session) -> Probe:
    """Ask for a little of everything, and collect what Slack refuses."""
    home = _home(session)
    missing = dict[str, str | None].fromkeys(session.warnings)
    accounts = list[UserRow]()
    questions: Mapping[str, Callable[[], object]] = {
        "users": lambda: accounts.extend(
            asked(session, USERS, "users.list", {"limit": str(MODEST_PAGE)})[0]["members"]
        ),
        "channels": lambda: asked(session, CHANNELS, "conversations.list", {**CHANNELS_WANTED, "limit": "1"}),
        "user groups": lambda: asked(session, USER_GROUPS, "usergroups.list", GROUPS_WANTED),
    }
    for what, ask in questions.items():
        try:
            ask()
        except Forbidden as error:
            if error.code not in NOT_IN_THE_PLAN:
                missing[f"{what}: {error}"] = error.remedy
    people = [row for row in accounts if not is_bot(row)]
    if people and not any(_has_email(row) for row in people):
        missing[_NO_EMAILS] = add_scope(_EMAIL_SCOPE)
    remedies = dict.fromkeys(filter(None, missing.values()))
    return Probe((session.workspace or {}).get("name") or home.team_id, list(missing), list(remedies))


def _home(session: Session) -> Home:
    """Who and where we are, asked once per session; every sync type reads its rows by it."""
    if "home" not in session.memo:
        me = session.api.get("auth.test", lambda answer: parse(IDENTITY, answer.body), operation="auth.test")
        workspace = _workspace(session)
        described = {
            "team_id": me["team_id"],
            "name": workspace.get("name") or me.get("team"),
            "domain": workspace.get("domain"),
            "url": workspace.get("url") or me.get("url"),
            "enterprise_id": workspace.get("enterprise_id") or me.get("enterprise_id"),
            "enterprise_name": workspace.get("enterprise_name"),
            "user_id": me.get("user_id"),
            "bot_id": me.get("bot_id"),
            "app_id": me.get("app_id"),
        }
        session.workspace = {name: value for name, value in described.items() if value}
        session.memo["home"] = Home(me["team_id"], described["enterprise_id"], me.get("user_id"), me.get("bot_id"))
    home: Home = session.memo["home"]
    return home


def _workspace(session: Session) -> Workspace:
    try:
        answer = session.api.get("team.info", lambda answer: parse(WORKSPACE, answer.body), operation="team.info")
    except Forbidden as error:
        session.warn(f"the workspace's name and domain: {error}. {error.remedy or ''}".strip())
        return Workspace()
    return answer["team"]


def _user_pages(session: Session, home: Home) -> Iterator[Page]:
    bots: list[Setting] = []
    shown: set[str] = set()
    emails: set[bool] = set()
    is_whole = True

    def person(row: UserRow) -> User | None:
        record = user(row, home)
        if record is not None:
            if True not in emails:
                emails.add(_has_email(row))
        elif (setting := bot(row, home)) is not None:
            bots.append(setting)
        return record

    before = 0
    for page in CURSORS.pages(session, USERS, person, "users.list", {}, *USERS_PAGES):
        keys = {setting.key for setting in bots[before:]}
        if keys & shown:  # whoever compares the people sees no bot
            page.rejected.append(Rejection(None, "BOT", "came twice, on different pages: other rows may be missing"))
        shown |= keys
        before = len(bots)
        is_whole = is_whole and not page.rejected
        yield page
    if is_whole:
        session.memo["bots"] = bots
    if emails == {False}:
        session.warn(f"{_NO_EMAILS}. {add_scope(_EMAIL_SCOPE)}")


def _has_email(row: UserRow) -> bool:
    """Without the scope Slack leaves the key out of every row, and says nothing."""
    return "email" in (row.get("profile") or ())


def _user_groups(session: Session) -> Listing:
    """All user groups, which come unpaged. Where the plan has none, what is stored of them stays as it was."""
    try:
        page, rejected = asked(session, USER_GROUPS, "usergroups.list", GROUPS_WANTED)
    except ProviderError as error:
        if error.code in NOT_IN_THE_PLAN:
            return Listing("usergroups", (), proves_absence=False)
        return Listing("usergroups", _unreadable(error))
    return Listing("usergroups", [as_page(page["usergroups"], rejected, user_group)])


def _unreadable(error: ProviderError) -> Iterator[Page]:
    raise error
    yield


def _bot_pages(session: Session, home: Home) -> Iterator[Page]:
    """Our own bot, then the others. Our own is told twice, and better by itself."""
    own = _own_bot(session, home)
    if own is not None:
        yield Page([own], [])
    remembered: list[Setting] | None = session.memo.get("bots")
    for page in _other_bots(session, home) if remembered is None else [Page(remembered, [])]:
        yield Page([setting for setting in page.records if own is None or setting.key != own.key], page.rejected)


def _own_bot(session: Session, home: Home) -> Setting | None:
    if home.bot_id is None:
        return None
    try:
        answer = session.api.get(
            "bots.info", lambda answer: parse(BOT, answer.body), operation="bots.info", params={"bot": home.bot_id}
        )
    except NotFound:
        return None
    return own_bot(answer["bot"])


def _other_bots(session: Session, home: Home) -> Iterator[Page]:
    """The bots among the users. A row that cannot be read may be any of those stored, so it is rejected without a key.

    So may one that was skipped: an account that comes twice on different pages, bot or not, tells that the pages shifted.
    """
    on_page, before = set[str](), set[str]()

    def noted(row: UserRow) -> Setting | None:
        on_page.add(row["id"])
        return bot(row, home=home)

    for page in CURSORS.pages(session, BOTS, noted, "users.list", {}, *USERS_PAGES):
        rejected = [rejection._replace(key=None) for rejection in page.rejected]
        if on_page & before:
            rejected.append(Rejection(None, "BOT", "users.list: an account came twice on different pages"))
        before |= on_page
        on_page.clear()
        yield Page(page.records, rejected)
