"""The batch definition's loop, word for word: look a user up, then insert or update, one after the other.

Its sketch asks for all users first, opens no transaction and updates whatever it finds (spec, "syncSlackUsers"). Written here
with nothing between it and PostgreSQL but psycopg: an ORM would double its cost.
"""

import json
from typing import Any

import httpx
import psycopg

_LOOK_UP = "SELECT mapping_id FROM mapping WHERE tenant_id = %s AND system_type = %s AND external_user_id = %s"
_UPDATE = (
    "UPDATE mapping SET external_username = %s, external_email = %s, sync_status = %s, last_synced_at = now() "
    "WHERE mapping_id = %s"
)
_INSERT = (
    "INSERT INTO mapping (tenant_id, system_type, external_user_id, external_username, external_email, sync_status, "
    "last_synced_at) VALUES (%s, %s, %s, %s, %s, %s, now())"
)
_TABLE = """
    CREATE TABLE IF NOT EXISTS mapping (
        mapping_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant_id text, system_type text,
        internal_user_id text, external_user_id text, external_username text, external_email text, sync_status text,
        last_synced_at timestamptz, UNIQUE (tenant_id, system_type, external_user_id)
    )
"""


def night(url: str, database_url: str, tenant_id: str) -> int:
    """One tenant's night; returns the number of statements."""
    statements = 1
    with psycopg.connect(database_url, autocommit=True) as session:
        session.execute(_TABLE)
        for user in _users(url):
            if user["is_bot"] or user["deleted"]:
                continue
            profile = user["profile"]
            found = session.execute(_LOOK_UP, (tenant_id, "SLACK", user["id"])).fetchone()
            if found:
                session.execute(_UPDATE, (profile["real_name"], profile.get("email"), "ACTIVE", found[0]))
            else:
                row = (tenant_id, "SLACK", user["id"], profile["real_name"], profile.get("email"), "ACTIVE")
                session.execute(_INSERT, row)
            statements += 2
    return statements


def _users(url: str) -> list[dict[str, Any]]:
    users: list[dict[str, Any]] = []
    cursor = ""
    with httpx.Client(headers={"Authorization": "Bearer bench"}) as client:
        while True:
            page = json.loads(client.get(f"{url}users.list", params={"limit": 1000, "cursor": cursor}).content)
            users += page["members"]
            cursor = page["response_metadata"]["next_cursor"]
            if not cursor:
                return users
