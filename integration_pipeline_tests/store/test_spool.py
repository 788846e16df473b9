"""Changes on their way: COPY's text, made once, held in part, and read back where somebody looks at it."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_pipeline.diff import Absence, Diff
from integration_pipeline.model import Page, Record, Setting, State, Team, User
from integration_pipeline.store.spool import COPY_FORMAT, Row, Spool, as_row, row_of, row_of_absence

AWKWARD = [
    "\x1e",
    "\x1f",
    "a\x1fb",
    "\\",
    "a\\",
    "\\N",
    "\\.",
    "\n",
    "a\r\nb",
    "\t",
    "",
    "None",
    "山田\x85\u2028",
    "😀",
]

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=5) | st.sampled_from(
    AWKWARD
)


def user(key: str, name: str | None = "山田 太郎", *, state: State = State.ACTIVE, mail: str | None = None) -> User:
    return User(key, "USER", state, None, name, mail, None, None, None, mail, None)


@contextmanager
def spooled(*records: Record, stored: dict[str, int] | None = None) -> Iterator[Spool]:
    with closing(Spool(3, max_memory_bytes=50)) as spool:
        for change in Diff(stored or {}, by_kind=False).feed("all", Page(list(records), [])):
            spool.add(row_of(change), deactivates=change.deactivates)
        yield spool


@pytest.fixture(scope="module")
def session(server_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server_url) as session:
        session.execute("CREATE TEMPORARY TABLE copied (at serial, listing text, key text, name text, is_it boolean)")
        yield session


def through_copy(session: psycopg.Connection, rows: Sequence[str]) -> list[tuple[Any, ...]]:
    cursor = session.cursor()
    cursor.execute("DELETE FROM copied")
    with cursor.copy(f"COPY copied (listing, key, name, is_it) FROM STDIN {COPY_FORMAT}".encode()) as copy:
        copy.write("".join(f"{row}\n" for row in rows))
    return cursor.execute("SELECT listing, key, name, is_it FROM copied ORDER BY at").fetchall()


def test_rows_come_back_as_they_were_given_whatever_spilled_to_disk() -> None:
    people = [user(f"key-{number}", f"名 {number}") for number in range(20)]
    with spooled(*people) as spool:
        found = [(row.key, row.values[0], row.action) for row in spool.rows()]
    assert found == [(person.key, person.external_username, "C") for person in people]


def test_a_second_reading_begins_anew() -> None:
    with spooled(*(user(f"key-{number}") for number in range(10))) as spool:
        assert next(spool.rows()).key == "key-0"
        assert len(list(spool.rows())) == 10
        assert b"".join(spool.blocks()) == b"".join(spool.blocks()) != b""


def test_what_deactivates_waits_apart() -> None:
    with spooled(user("off", state=State.INACTIVE), user("new"), stored={"off": 1}) as spool:
        spool.add(row_of_absence(Absence("left", "USER", "all", is_active=True), 7), deactivates=True)
        assert [row.key for row in spool.rows(is_held=True)] == ["new"]
        assert [(row.key, row.deactivates) for row in spool.rows()] == [("new", False), ("off", True), ("left", True)]
        assert [(row.key, row.action) for row in spool.deactivations()] == [("off", "U"), ("left", "G")]
        assert b"left" not in b"".join(spool.blocks(is_held=True))


def test_an_empty_spool_has_no_block() -> None:
    with spooled() as nothing, spooled(user("off", state=State.INACTIVE), stored={"off": 1}) as held:
        assert list(nothing.blocks()) == list(held.blocks(is_held=True)) == []


def test_a_record_that_is_gone_brings_nothing_but_that() -> None:
    with spooled(user("a", "秘密", state=State.GONE), stored={"a": 1}) as spool:
        (row,) = spool.rows()
    assert row == Row("all", "a", "USER", "GONE", None, (None,) * 7, 0, "G", deactivates=True)


def test_truth_values_are_copys() -> None:
    team = Team("1", "TEAM", State.ACTIVE, None, None, "営業", None, None, is_archived=True)
    with spooled(team, team._replace(key="2", is_archived=False)) as spool:
        found = [row.values[-1] for row in spool.rows()]
    assert found == ["t", "f"]


@given(st.lists(st.tuples(texts, texts, st.none() | texts, st.none() | st.booleans()), max_size=4))
def test_postgresql_reads_any_text_as_it_was_written(
    session: psycopg.Connection, values: list[tuple[str, str, str | None, bool | None]]
) -> None:
    assert through_copy(session, [as_row(value) for value in values]) == values


@given(texts.filter(bool), st.none() | texts, st.none() | texts)
def test_a_records_row_is_read_back_as_it_was(key: str, name: str | None, mail: str | None) -> None:
    given = user(key, name, mail=mail)
    with spooled(given) as spool:
        (row,) = spool.rows()
    assert (row.listing, row.key, row.values) == ("all", key, given[4:])


@given(texts, st.none() | texts)
def test_the_quick_way_into_copys_text_is_the_careful_one(settings: str, name: str | None) -> None:
    setting = Setting("B", "BOT", State.ACTIVE, None, None, name, settings)
    (change,) = Diff({}, by_kind=False).feed("all", Page([setting], []))
    assert row_of(change) == as_row(("all", *setting, change.content_hash, "C"))
