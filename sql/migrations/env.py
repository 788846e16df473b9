"""Alembic's environment: one connection, one transaction, one migrating process at a time.

Run by ``integration-pipeline migrate`` (integration_pipeline/store/migrations.py), which hands the connection over.
"""

from alembic import context

# Any number, as long as nobody else uses it: the first eight bytes of "integration_pipeline migrate", so to speak.
MIGRATING = 7_594_867_101_216_337_001

connection = context.config.attributes["connection"]
connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATING})")
context.configure(connection=connection)
with context.begin_transaction():
    context.run_migrations()
