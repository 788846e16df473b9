"""The least that the job can cost, in three steps. Slack's users only.

``download``: every page, looked at just enough to find the next one. ``copied``: also parsed, and COPYed into a plain table.
``night``: also compared with stored hashes, so that only changes are written: **the floor**. No validation beyond types, no
mappings, no change log, no history, no guard: everything the product adds is above it.
"""

import re
from collections.abc import Iterator
from functools import cache
from hashlib import blake2b
from typing import NotRequired

import httpx
import psycopg
from pydantic import TypeAdapter
from typing_extensions import TypedDict

_NEXT_CURSOR = re.compile(rb'"next_cursor":\s*"([^"]*)"')


class _Profile(TypedDict):
    display_name: NotRequired[str]
    real_name: NotRequired[str]
    email: NotRequired[str]


class _Member(TypedDict):
    id: str
    name: str
    deleted: NotRequired[bool]
    profile: _Profile


class _Page(TypedDict):
    members: list[_Member]


_PAGE = TypeAdapter(_Page)


def download(url: str) -> int:
    """Every page; returns how many bytes they have."""
    return sum(map(len, _bodies(url)))


def copied(url: str, database_url: str) -> int:
    """Every page into a plain table, without looking at what is there; returns the number of rows."""
    rows = 0
    with psycopg.connect(database_url) as session:
        session.execute("CREATE TABLE IF NOT EXISTS plain (id text, name text, email text)")
        with session.cursor().copy("COPY plain FROM STDIN") as copy:
            for member in _members(url):
                copy.write_row((member["id"], member["profile"].get("display_name"), member["profile"].get("email")))
                rows += 1
    return rows


def night(url: str, session: psycopg.Connection, table: str = "floor") -> int:
    """The floor, in one transaction; returns the number of rows written."""
    with session.transaction():
        session.execute(f"CREATE TABLE IF NOT EXISTS {table} (id text PRIMARY KEY, hash bigint, name text, email text)")
        with session.cursor().copy(f"COPY (SELECT id, hash FROM {table}) TO STDOUT") as copy:
            copy.set_types(["text", "int8"])
            stored = dict(copy.rows())
        changed: list[tuple[str, int, str | None, str | None]] = []
        for member in _members(url):
            profile = member["profile"]
            name, email = profile.get("real_name"), profile.get("email")
            text = f"{name}\x1f{email}\x1f{member.get('deleted')}"
            digest = int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
            if stored.pop(member["id"], None) != digest:
                changed.append((member["id"], digest, name, email))
        if changed:
            session.execute(f"CREATE TEMP TABLE incoming (LIKE {table}) ON COMMIT DROP")
            with session.cursor().copy("COPY incoming FROM STDIN") as copy:
                for row in changed:
                    copy.write_row(row)
            session.execute(
                f"INSERT INTO {table} SELECT * FROM incoming "
                "ON CONFLICT (id) DO UPDATE SET hash = excluded.hash, name = excluded.name, email = excluded.email"
            )
        if stored:
            session.execute(f"DELETE FROM {table} WHERE id = ANY(%s)", (list(stored),))
    return len(changed) + len(stored)


def _members(url: str) -> Iterator[_Member]:
    for body in _bodies(url):
        yield from _PAGE.validate_json(body)["members"]


def _bodies(url: str) -> Iterator[bytes]:
    cursor = ""
    while True:
        body = _client().get(f"{url}users.list", params={"limit": 1000, "cursor": cursor}).content
        yield body
        found = _NEXT_CURSOR.findall(body[-200:])
        cursor = found[-1].decode() if found else ""
        if not cursor:
            return


@cache
def _client() -> httpx.Client:
    """One for all tenants: its TLS context takes longer to make than a small tenant's night."""
    return httpx.Client(headers={"Authorization": "Bearer bench", "Accept-Encoding": "gzip"})
