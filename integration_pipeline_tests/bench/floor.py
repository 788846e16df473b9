"""The least that the job can cost: download, parse, compare with stored hashes, write the changes. Slack's users only.

No validation beyond types, no mappings, no change log, no history, no guard: everything the product adds is above this.
"""

import os
from hashlib import blake2b
from typing import NotRequired

import httpx
import psycopg
from pydantic import TypeAdapter
from typing_extensions import TypedDict


class _Profile(TypedDict):
    display_name: NotRequired[str]
    real_name: NotRequired[str]
    email: NotRequired[str]


class _Member(TypedDict):
    id: str
    name: str
    deleted: NotRequired[bool]
    profile: _Profile


class _Metadata(TypedDict):
    next_cursor: NotRequired[str]


class _Page(TypedDict):
    members: list[_Member]
    response_metadata: NotRequired[_Metadata]


_PAGE = TypeAdapter(_Page)


def night(database_url: str, token: str) -> int:
    """One night; returns the number of HTTP calls."""
    base = os.environ["INTEGRATION_PIPELINE_SLACK_URL"]
    calls, cursor = 0, ""
    with psycopg.connect(database_url) as session, httpx.Client(headers={"Authorization": f"Bearer {token}"}) as client:
        session.execute("CREATE TABLE IF NOT EXISTS floor (id text PRIMARY KEY, hash bigint, name text, email text)")
        with session.cursor().copy("COPY (SELECT id, hash FROM floor) TO STDOUT") as copy:
            copy.set_types(["text", "int8"])
            stored = dict(copy.rows())
        changed: list[tuple[str, int, str | None, str | None]] = []
        while True:
            page = _PAGE.validate_json(
                client.get(f"{base}users.list", params={"limit": 1000, "cursor": cursor}).content
            )
            calls += 1
            for member in page["members"]:
                profile = member["profile"]
                name, email = profile.get("display_name"), profile.get("email")
                text = f"{name}\x1f{email}\x1f{member.get('deleted')}"
                digest = int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1
                if stored.get(member["id"]) != digest:
                    changed.append((member["id"], digest, name, email))
            cursor = page.get("response_metadata", {}).get("next_cursor") or ""
            if not cursor:
                break
        if changed:
            session.execute("CREATE TEMP TABLE incoming (LIKE floor) ON COMMIT DROP")
            with session.cursor().copy("COPY incoming FROM STDIN") as copy:
                for row in changed:
                    copy.write_row(row)
            session.execute(
                "INSERT INTO floor SELECT * FROM incoming "
                "ON CONFLICT (id) DO UPDATE SET hash = excluded.hash, name = excluded.name, email = excluded.email"
            )
    return calls
