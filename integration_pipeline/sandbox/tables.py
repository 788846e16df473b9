"""What an imitated provider holds for one tenant: accounts, teams, apps, in tables that remember what changed and when.

The rows are the same for every provider; how a row looks on the wire is the provider's own matter. ``extra`` is laid
over the wire form as it is, so that a test can make a single row as odd as it likes.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

ABSENT = object()
"""As a value in ``extra``: this key is not in the answer at all."""


class Account(NamedTuple):
    """A user, as one provider knows it."""

    id: str
    number: int
    last_name: str | None
    first_name: str | None
    last_kana: str | None = None
    first_kana: str | None = None
    email: str | None = None
    login: str | None = None
    """What the person signs in with, where that is not the e-mail address: Slack's handle, Graph's UPN."""
    employee_number: str | None = None
    external_key: str | None = None
    department: str | None = None
    kind: str = "member"
    """``member``, ``guest``, ``channel_guest``, ``room``, ``bot``, ``workflow_bot``, ``slackbot``."""
    state: str = "active"
    """``active``, ``deleted``, ``disabled``, ``suspended``, ``leave``, ``pending``, ``awaiting``."""
    domain_id: int | None = None
    extra: Mapping[str, Any] | None = None


class Team(NamedTuple):
    """A channel, team, group, user group or organisational unit."""

    id: str
    number: int
    kind: str
    """``CHANNEL``, ``TEAM``, ``PLAIN_GROUP``, ``FLAGGED_GROUP`` (flagged as a team, but none), ``GROUP``, ``USER_GROUP``, ``ORG_UNIT``."""
    name: str
    description: str | None = None
    visibility: str = "public"
    is_archived: bool = False
    has_app: bool = True
    """Whether our app is a member: a Slack bot sees no other private channels."""
    parent_id: str | None = None
    member_ids: tuple[str, ...] = ()
    domain_id: int | None = None
    extra: Mapping[str, Any] | None = None


class App(NamedTuple):
    """A bot, an app installed in a team, or a subscription."""

    id: str
    number: int
    kind: str
    """``BOT``, ``INSTALLED_APP``, ``SUBSCRIPTION``."""
    name: str
    team_id: str | None = None
    user_id: str | None = None
    callback_url: str | None = None
    domain_ids: tuple[int, ...] = ()
    extra: Mapping[str, Any] | None = None


Row = TypeVar("Row", Account, Team, App)


class Change(NamedTuple):
    """One entry of a table's memory: at ``version``, this row was added, changed or removed."""

    version: int
    id: str
    kind: str
    removed: str | None
    """``changed`` (can come back) or ``deleted`` (gone for good), in Graph's words; None where the row is there."""
    before: Any = None
    """The row as it was, where it was there before."""


class Table(Generic[Row]):
    """Rows by id, in the order of their making, with a version that moves with every change."""

    def __init__(self, make: Callable[[int], Row], rows: list[Row]) -> None:
        """``make`` makes the row of a number that no row has yet."""
        self._make: Callable[[int], Row] = make
        self._rows: dict[str, Row] = {row.id: row for row in rows}
        self.next_number = len(rows)
        self._derived: dict[object, Any] = {}
        self.version = 0
        self.changes: list[Change] = []
        self.era = 0
        """Moves when the memory is lost: what was remembered of another era means nothing any more."""

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows())

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def __getitem__(self, key: str) -> Row:
        return self._rows[key]

    def get(self, key: str) -> Row | None:
        return self._rows.get(key)

    def rows(self, *kinds: str) -> list[Row]:
        """The rows of these kinds, or all."""

        def choose() -> list[Row]:
            return [row for row in self._rows.values() if not kinds or row.kind in kinds]

        chosen: list[Row] = self.derived(("kinds", kinds), choose)
        return chosen

    def derived(self, name: object, make: Callable[[], Any]) -> Any:
        """Something made of the rows, kept until they change."""
        if name not in self._derived:
            self._derived[name] = make()
        return self._derived[name]

    def add(self, **changes: Any) -> Row:
        """A new row, made like the others, then changed as asked (``email="…"``)."""
        row: Row = self._make(self.next_number)._replace(**changes)
        self.next_number += 1
        self._put(row)
        return row

    def change(self, key: str, **changes: Any) -> Row:
        row = self._rows[key]._replace(**changes)
        if row.id != key:
            raise ValueError("an id is for ever: remove the row and add another")
        self._put(row)
        return row

    def remove(self, key: str, reason: str = "deleted") -> Row:
        """Take a row out of every listing, without a trace but Graph's delta.

        :param reason: ``changed`` where it may come back, ``deleted`` where not.
        """
        row = self._rows.pop(key)
        self._moved(row, reason, row)
        return row

    def restore(self, row: Row) -> None:
        """Put a removed row back as it was."""
        self._put(row)

    def _put(self, row: Row) -> None:
        before = self._rows.get(row.id)
        self._rows[row.id] = row
        self._moved(row, None, before)

    def forget(self) -> None:
        """Lose the memory of changes, as a provider does after a while: whoever asks for them starts anew."""
        self.changes.clear()
        self.era += 1

    def _moved(self, row: Row, removed: str | None, before: Row | None) -> None:
        self.version += 1
        self._derived = {}
        self.changes.append(Change(self.version, row.id, row.kind, removed, before))


class Tables(NamedTuple):
    users: Table[Account]
    teams: Table[Team]
    apps: Table[App]


def overlay(row: dict[str, Any], extra: Mapping[str, Any] | None) -> dict[str, Any]:
    """``row`` with ``extra`` laid over it: objects are merged, ABSENT takes a key away, all else replaces."""
    if not extra:
        return row
    result = dict(row)
    for key, value in extra.items():
        below = result.get(key)
        if value is ABSENT:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(below, dict):
            result[key] = overlay(below, value)
        else:
            result[key] = value
    return result
