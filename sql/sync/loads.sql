-- What the last sync of each of these tenants' connections and types that was not FAILED asked of its provider.
SELECT
    c.tenant_id,
    c.system_type,
    t.sync_type,
    latest.api_load
FROM external_system_connections AS c
CROSS JOIN (VALUES ('USERS'), ('TEAMS'), ('NOTIFICATIONS')) AS t (sync_type)
CROSS JOIN LATERAL (
    SELECT h.api_load
    FROM external_system_sync_history AS h
    WHERE
        h.tenant_id = c.tenant_id
        AND h.system_type = c.system_type
        AND h.sync_type = t.sync_type
        AND h.api_load <> '{}'
    ORDER BY h.started_at DESC
    LIMIT 1
) AS latest
WHERE c.tenant_id = ANY(%(tenant_ids)s::text [])
