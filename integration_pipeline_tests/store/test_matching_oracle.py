"""What is matched over many nights, beside the rules of matching written down a second time, one account at a time."""

import random
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import pytest

from integration_pipeline.crypto import Keyring
from integration_pipeline.diff import Absence, Change, Diff
from integration_pipeline.model import Connection, Page, SyncType, System
from integration_pipeline.store import matching, staging
from integration_pipeline.store.engine import Database
from integration_pipeline.store.staging import TARGETS
from integration_pipeline_tests import builders
from integration_pipeline_tests.builders import SLACK, TEAMS
from integration_pipeline_tests.store.test_rematching import ACCOUNTS, PEOPLE, any_account, anybody
from integration_pipeline_tests.store.test_staging import generation_of, rows, task, user

USERS = TARGETS[SyncType.USERS]
MATCH = ("match_rule", "match_user_id", "match_status", "match_reason")
NIGHTS = 25

Row = dict[str, Any]
Match = tuple[str | None, ...]
"""Rule, internal user, status, reason."""


def accounts(database: Database, system: System) -> dict[str, Row]:
    found = rows(database, f"SELECT * FROM external_users WHERE system_type = '{system}'")
    return {row["external_user_id"]: row for row in found}


def matches(database: Database, system: System) -> dict[str, Match]:
    """What is stored."""
    return {key: tuple(row[name] for name in MATCH) for key, row in accounts(database, system).items()}


def expected(database: Database, system: System) -> dict[str, Match]:
    """What ought to be stored."""
    people = rows(database, "SELECT * FROM internal_users")
    links = {
        (row["system_type"], row["external_user_id"]): row["internal_user_id"]
        for row in rows(database, "SELECT * FROM user_links")
    }
    listed = accounts(database, system)
    found = {key: reached(row, links.get((system, key)), people) for key, row in listed.items()}
    return {key: judged(key, listed, found, people) for key in listed}


def reached(account: Row, linked: str | None, people: Sequence[Row]) -> tuple[str, str | None] | None:
    """The first rule that leads to anybody, and whom to, unless to several; None = no rule does."""
    rules = (
        ("LINK", linked, "internal_user_id"),
        ("EXTERNAL_KEY", account["external_key"], "internal_user_id"),
        ("EMPLOYEE_NUMBER", account["employee_number"], "employee_number"),
        ("EMAIL", account["match_email"], "email"),
        ("EMAIL_2", account["match_email_2"], "email"),
    )
    for rule, value, column in rules:
        if wanted := plain(value, column):
            candidates = [person for person in people if plain(person[column], column) == wanted]
            chosen = [person for person in candidates if person["is_active"]] or candidates
            if chosen:
                return rule, chosen[0]["internal_user_id"] if len(chosen) == 1 else None
    return None


def plain(value: str | None, column: str) -> str:
    """As it is compared: ids to the letter, all else without spaces around it, addresses in small letters."""
    text = value or ""
    if column == "internal_user_id":
        return text
    return text.strip(" ").lower() if column == "email" else text.strip(" ")


def judged(
    key: str, listed: dict[str, Row], found: dict[str, tuple[str, str | None] | None], people: Sequence[Row]
) -> Match:
    """One account's match beside those of its rivals: the active accounts that reach the same internal user."""
    if (own := found[key]) is None:
        return None, None, None, None
    rule, person = own
    if person is None:
        what = "employee number" if rule == "EMPLOYEE_NUMBER" else "e-mail address"
        return rule, None, "ERROR", f"several internal users have this {what}"
    rivals = {other: match[0] for other, match in found.items() if match and match[1] == person}
    rivals = {other: how for other, how in rivals.items() if listed[other]["is_active"]}
    is_the_only_link = rule == "LINK" and list(rivals.values()).count("LINK") == 1
    if listed[key]["is_active"] and len(rivals) > 1 and not is_the_only_link:
        return rule, person, "ERROR", f"several accounts reach internal user {person}"
    if next(row["is_active"] for row in people if row["internal_user_id"] == person):
        return rule, person, "ACTIVE", None
    return rule, person, "INACTIVE", "the internal user is not active"


class Company:
    """One tenant's people, and its directories in two systems, which share nothing but the people."""

    def __init__(self, database: Database, keyring: Keyring, rng: random.Random) -> None:
        self.database = database
        self._rng = rng
        self._connections = [
            builders.add_connection(database, keyring, builders.connection(system=system)) for system in (SLACK, TEAMS)
        ]
        self._directories: dict[System, dict[str, Row]] = {SLACK: {}, TEAMS: {}}
        for person in PEOPLE:
            builders.add_internal_user(database, person, **anybody(rng))

    def any_connection(self) -> tuple[Connection, System]:
        """One, and the other's system."""
        chosen, other = self._rng.sample(self._connections, 2)
        return chosen, other.system

    def moves(self, connection: Connection) -> None:
        """Now and then somebody changes, comes or goes, or a link does."""
        chance = self._rng.random()
        with builders.everything(self.database) as cursor:
            if chance < 0.05:
                cursor.execute("DELETE FROM user_links WHERE internal_user_id = 'P1'")
                cursor.execute("DELETE FROM internal_users WHERE internal_user_id = 'P1'")
            elif chance < 0.1:
                cursor.execute(
                    "INSERT INTO internal_users (tenant_id, internal_user_id, email) VALUES ('tenant-a', 'P1', %s) "
                    "ON CONFLICT DO NOTHING",
                    (anybody(self._rng)["email"],),
                )
            elif chance < 0.2:
                cursor.execute(
                    "UPDATE internal_users SET email = %(email)s, employee_number = %(employee_number)s, "
                    "is_active = %(is_active)s WHERE internal_user_id = %(person)s",
                    {**anybody(self._rng), "person": self._rng.choice(PEOPLE)},
                )
            elif chance < 0.3:
                cursor.execute(
                    "INSERT INTO user_links SELECT tenant_id, %s, %s, internal_user_id FROM internal_users "
                    "WHERE internal_user_id = %s ON CONFLICT (tenant_id, system_type, external_user_id) "
                    "DO UPDATE SET internal_user_id = excluded.internal_user_id",
                    (connection.system, self._rng.choice((*ACCOUNTS, "later")), self._rng.choice(PEOPLE)),
                )
            elif chance < 0.35:
                cursor.execute("DELETE FROM user_links WHERE external_user_id = %s", (self._rng.choice(ACCOUNTS),))

    def found(self, connection: Connection) -> tuple[list[Change], list[Absence], bool]:
        """What a walk comes to, complete or of a few, some of it held back; and whether people moved."""
        rng, directory = self._rng, self._directories[connection.system]
        directory.update((key, any_account(rng)) for key in rng.sample(ACCOUNTS, rng.choice((0, 1, 1, 2, 4))))
        if directory and rng.random() < 0.25:
            directory.pop(rng.choice(list(directory)))
        is_complete = rng.random() < 0.6
        listed = list(directory) if is_complete else rng.sample(list(directory), min(len(directory), 2))
        with self.database.transaction(connection.tenant_id) as cursor:
            known = staging.stored(cursor, USERS, connection)
            people_moved = matching.people_moved(cursor, connection)
            diff = Diff({key: row for key, row in known.items() if is_complete or key in listed}, by_kind=False)
            changes = diff.feed("all", Page([user(key, **directory[key]) for key in listed], []))
            is_held = rng.random() < 0.3
            absent = [] if is_held else staging.removals(cursor, USERS, connection, diff.unseen())[0]
        return [change for change in changes if not (is_held and change.deactivates)], absent, people_moved


@pytest.mark.parametrize("seed", range(4))
def test_after_every_night_everybody_is_matched_as_the_rules_say(
    database: Database, keyring: Keyring, seed: int
) -> None:
    company = Company(database, keyring, random.Random(seed))  # noqa: S311 - nights that can be repeated
    for _ in range(NIGHTS):
        connection, other = company.any_connection()
        company.moves(connection)
        changes, absent, people_moved = company.found(connection)
        before, elsewhere = accounts(database, connection.system), accounts(database, other)
        sync_id, planned, rematched = applied(database, connection, changes, absent, people_moved=people_moved)
        assert matches(database, connection.system) == expected(database, connection.system)
        staged = {change.record.key for change in changes} | {absence.key for absence in absent}
        after = accounts(database, connection.system)
        differing = [key for key in before if any(before[key][name] != after[key][name] for name in MATCH)]
        assert sorted(planned) == sorted(rematched) == sorted(set(differing) - staged)
        assert logged(database, sync_id) == {key: told(before[key], after[key]) for key in staged & set(before)}
        assert accounts(database, other) == elsewhere


@pytest.mark.parametrize("seed", range(2))
def test_a_link_that_is_set_between_nights_is_followed_at_once(database: Database, keyring: Keyring, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - links that can be repeated
    company = Company(database, keyring, rng)
    for _ in range(NIGHTS):
        connection, _ = company.any_connection()
        company.moves(connection)
        changes, absent, people_moved = company.found(connection)
        applied(database, connection, changes, absent, people_moved=people_moved)
        assert matches(database, connection.system) == expected(database, connection.system)
        company.moves(connection)
        with database.transaction(connection.tenant_id) as cursor:
            matching.rematch_now(cursor, connection)
        assert matches(database, connection.system) == expected(database, connection.system)


def applied(
    database: Database,
    connection: Connection,
    changes: Iterable[Change],
    absent: Iterable[Absence],
    *,
    people_moved: bool,
) -> tuple[UUID, list[str], list[str]]:
    """The sync's id, whom a dry run says would rematch, and who then does."""
    with builders.spooled(USERS, changes, absent) as spool:
        with database.transaction(connection.tenant_id) as cursor:
            apply = task(connection, generation=generation_of(cursor, connection))
            planned = staging.planned_matches(cursor, connection, spool.blocks(), people_moved=people_moved)
        with database.transaction(connection.tenant_id) as cursor:
            return apply.sync_id, planned, staging.apply(cursor, apply, spool.blocks())


def told(before: Row, after: Row) -> tuple[str, Row]:
    """What becomes of an account, and how it was matched."""
    was, is_ = before["is_active"], after["is_active"]
    action = "UPDATED" if was == is_ else "REACTIVATED" if is_ else "DEACTIVATED"
    return action, {name: before[name] for name in MATCH}


def logged(database: Database, sync_id: UUID) -> dict[str, tuple[str, Row]]:
    """The same of all that a sync wrote, as its log says."""
    found = rows(database, f"SELECT key, action, before FROM sync_changes WHERE sync_id = '{sync_id}'")
    return {row["key"]: (row["action"], {name: row["before"][name] for name in MATCH}) for row in found}
