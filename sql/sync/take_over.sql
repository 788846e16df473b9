-- A connection that nobody else works on from now: what a killed process left open of it is closed, and it is read.
WITH closed AS (
    UPDATE external_system_sync_history SET completed_at = greatest(%(at)s, started_at)
    WHERE tenant_id = %(tenant_id)s AND system_type = %(system_type)s AND completed_at IS NULL
)
SELECT {columns}
FROM external_system_connections
WHERE tenant_id = %(tenant_id)s AND system_type = %(system_type)s
