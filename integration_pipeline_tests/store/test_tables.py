"""tables.py and the migrated database say the same, both ways."""

from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, NullPool, Table, create_engine, inspect

from integration_pipeline.store import tables, urls

TABLES = [*tables.metadata.sorted_tables, *tables.views.sorted_tables]


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    engine = create_engine("postgresql+psycopg://", creator=lambda: urls.connect(database_url), poolclass=NullPool)
    with engine.connect() as connection:
        yield connection


def test_no_migration_is_missing_and_none_is_unsaid(connection: Connection) -> None:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    assert compare_metadata(context, tables.metadata) == []


def test_the_same_tables_and_views_are_there(connection: Connection) -> None:
    found = inspect(connection)
    assert set(found.get_table_names()) == set(tables.metadata.tables) | {"alembic_version"}
    assert found.get_view_names() == list(tables.views.tables)


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_columns_agree_in_name_type_nullability_and_computation(connection: Connection, table: Table) -> None:
    dialect = connection.dialect
    there = [
        (column["name"], column["type"].compile(dialect), column["nullable"], "computed" in column)
        for column in inspect(connection).get_columns(table.name)
    ]
    here = [
        (column.name, column.type.compile(dialect), column.nullable, column.computed is not None)
        for column in table.columns
    ]
    assert sorted(here) == sorted(there)


@pytest.mark.parametrize("table", tables.metadata.sorted_tables, ids=str)
def test_keys_agree(connection: Connection, table: Table) -> None:
    found = inspect(connection)
    assert found.get_pk_constraint(table.name)["constrained_columns"] == [c.name for c in table.primary_key.columns]
    here = {
        (
            tuple(element.parent.name for element in constraint.elements),
            tuple(element.target_fullname for element in constraint.elements),
        )
        for constraint in table.foreign_key_constraints
    }
    there = {
        (
            tuple(key["constrained_columns"]),
            tuple(f"{key['referred_table']}.{name}" for name in key["referred_columns"]),
        )
        for key in found.get_foreign_keys(table.name)
    }
    assert here == there


@pytest.mark.parametrize("table", tables.metadata.sorted_tables, ids=str)
def test_every_table_is_secured_against_other_tenants_and_against_its_owner(
    connection: Connection, table: Table
) -> None:
    row = connection.exec_driver_sql(
        f"SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = '{table.name}'::regclass"
    ).one()
    assert tuple(row) == (True, True)
    assert "tenant_id" in table.columns


def test_the_view_looks_with_its_readers_eyes(connection: Connection) -> None:
    options = connection.exec_driver_sql(
        "SELECT reloptions FROM pg_class WHERE oid = 'external_user_mappings'::regclass"
    ).scalar_one()
    assert options == ["security_invoker=true"]
