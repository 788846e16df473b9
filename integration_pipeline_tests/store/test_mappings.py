"""Links made by hand, and the list of who is who."""

from uuid import UUID

import psycopg
import pytest

from integration_pipeline.errors import UsageError
from integration_pipeline.store import mappings
from integration_pipeline.store.engine import Database
from integration_pipeline_tests import builders
from integration_pipeline_tests.builders import LINE_WORKS, SLACK


@pytest.fixture
def tenant(database: Database) -> str:
    builders.add_tenant(database)
    for internal_user_id in ("u1", "u2"):
        builders.add_internal_user(database, internal_user_id)
    return "tenant-a"


def links(database: Database) -> list[tuple[object, ...]]:
    with builders.everything(database) as cursor:
        return cursor.execute("SELECT system_type, external_user_id, internal_user_id FROM user_links").fetchall()


def version(database: Database) -> int:
    with builders.everything(database) as cursor:
        row = cursor.execute("SELECT matching_version FROM tenants WHERE tenant_id = 'tenant-a'").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.usefixtures("tenant")
def test_a_link_is_made_changed_and_taken_back_and_asks_for_matching_each_time(database: Database) -> None:
    start = version(database)
    mappings.link(database, "tenant-a", SLACK, external_user_id="X", internal_user_id="u1")
    assert links(database) == [("SLACK", "X", "u1")]
    mappings.link(database, "tenant-a", SLACK, external_user_id="X", internal_user_id="u2")
    assert links(database) == [("SLACK", "X", "u2")]
    mappings.unlink(database, "tenant-a", SLACK, external_user_id="X")
    assert links(database) == []
    assert version(database) == start + 3


@pytest.mark.usefixtures("tenant")
def test_the_same_link_again_changes_nothing(database: Database) -> None:
    mappings.link(database, "tenant-a", SLACK, external_user_id="X", internal_user_id="u1")
    before = version(database)
    mappings.link(database, "tenant-a", SLACK, external_user_id="X", internal_user_id="u1")
    assert version(database) == before


@pytest.mark.usefixtures("tenant")
def test_what_does_not_exist_is_named(database: Database) -> None:
    with pytest.raises(UsageError, match="tenant-a has no internal user u9"):
        mappings.link(database, "tenant-a", SLACK, external_user_id="X", internal_user_id="u9")
    with pytest.raises(UsageError, match="there is no tenant nobody"):
        mappings.link(database, "nobody", SLACK, external_user_id="X", internal_user_id="u1")
    with pytest.raises(UsageError, match="tenant-a has no SLACK link for the account X"):
        mappings.unlink(database, "tenant-a", SLACK, external_user_id="X")
    with pytest.raises(UsageError, match="there is no tenant nobody"):
        mappings.unlink(database, "nobody", SLACK, external_user_id="X")
    with pytest.raises(UsageError, match="there is no tenant nobody"):
        mappings.listing(database, "nobody")
    assert links(database) == []


@pytest.mark.usefixtures("tenant")
def test_another_tenants_user_cannot_be_linked(database: Database) -> None:
    builders.add_tenant(database, "tenant-b")
    with pytest.raises(UsageError, match="tenant-b has no internal user u1"):
        mappings.link(database, "tenant-b", SLACK, external_user_id="X", internal_user_id="u1")


@pytest.mark.usefixtures("tenant")
def test_the_list_is_one_tenants_filtered_as_asked(database: Database, database_url: str) -> None:
    with psycopg.connect(database_url) as session:
        for tenant_id in ("tenant-a", "tenant-b"):
            session.execute(
                "INSERT INTO tenants (tenant_id, name) VALUES (%s, 'x') ON CONFLICT DO NOTHING", (tenant_id,)
            )
            for system in (SLACK, LINE_WORKS):
                session.execute("INSERT INTO external_system_connections VALUES (%s, %s)", (tenant_id, system))
                for account, is_active in (("X", True), ("Y", False), ("Z", True)):
                    session.execute(
                        "INSERT INTO external_users (tenant_id, system_type, external_user_id, kind, listing, is_active, "
                        "inactive_reason, content_hash, created_sync_id, changed_sync_id, changed_at) "
                        "VALUES (%s, %s, %s, 'USER', 'users', %s, %s, 0, %s, %s, now())",
                        (
                            tenant_id,
                            system,
                            account,
                            is_active,
                            None if is_active else "deleted",
                            UUID(int=0),
                            UUID(int=0),
                        ),
                    )
                session.execute(
                    "UPDATE external_users SET match_rule = 'EMAIL', match_status = 'ERROR', "
                    "match_reason = 'two candidates' WHERE external_user_id = 'Z'",
                )
    everything = mappings.listing(database, "tenant-a")
    assert [(found.system_type, found.external_user_id, found.sync_status, found.reason) for found in everything] == [
        ("LINE_WORKS", "X", "ACTIVE", None),
        ("LINE_WORKS", "Y", "INACTIVE", "deleted"),
        ("LINE_WORKS", "Z", "ERROR", "two candidates"),
        ("SLACK", "X", "ACTIVE", None),
        ("SLACK", "Y", "INACTIVE", "deleted"),
        ("SLACK", "Z", "ERROR", "two candidates"),
    ]
    assert {found.tenant_id for found in everything} == {"tenant-a"}
    errors = mappings.listing(database, "tenant-a", system=SLACK, status="ERROR")
    assert [(found.system_type, found.external_user_id) for found in errors] == [("SLACK", "Z")]
