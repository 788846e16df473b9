-- Claims the connection for this apply: no row comes back when another apply moved it since this one began to read.
WITH tenant AS (
    SELECT matching_version FROM tenants WHERE tenant_id = %(tenant_id)s
),
before AS (
    SELECT matched_version FROM external_system_connections
    WHERE tenant_id = %(tenant_id)s AND system_type = %(system_type)s
)
UPDATE external_system_connections AS connection SET
    sync_generation = connection.sync_generation + 1,
    last_sync_at = %(at)s,
    users_listed_at = CASE WHEN %(users_are_complete)s THEN %(at)s ELSE connection.users_listed_at END,
    matched_version = CASE WHEN %(matches)s THEN tenant.matching_version ELSE connection.matched_version END,
    workspace = coalesce(%(workspace)s, connection.workspace)
FROM tenant, before
WHERE
    connection.tenant_id = %(tenant_id)s AND connection.system_type = %(system_type)s
    AND connection.sync_generation = %(generation)s
RETURNING before.matched_version <> tenant.matching_version
