-- How far every enabled connection's active accounts are matched with internal users.
SELECT
    m.tenant_id,
    m.system_type,
    count(*),
    count(m.internal_user_id) FILTER (WHERE m.sync_status = 'ACTIVE'),
    count(*) FILTER (WHERE m.sync_status = 'ERROR')
FROM external_user_mappings AS m
INNER JOIN external_system_connections AS c USING (tenant_id, system_type)
WHERE
    c.sync_enabled
    AND m.sync_status IN ('ACTIVE', 'ERROR')
    AND (%(tenant_ids)s::text [] IS NULL OR m.tenant_id = ANY(%(tenant_ids)s))
GROUP BY m.tenant_id, m.system_type
ORDER BY m.tenant_id, m.system_type
