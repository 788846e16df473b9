-- Connections with history rows that have no end: a sync that runs at this moment, or one whose process was killed.
SELECT DISTINCT
    tenant_id,
    system_type
FROM external_system_sync_history
WHERE
    completed_at IS NULL
    AND (%(tenant_ids)s::text [] IS NULL OR tenant_id = ANY(%(tenant_ids)s))
ORDER BY tenant_id, system_type
