-- How every enabled connection stands: for each sync type it asks for, the latest history row, and the last success.
SELECT
    c.tenant_id,
    c.system_type,
    due.sync_type,
    latest.started_at,
    latest.completed_at,
    latest.status,
    coalesce(latest.records_created, 0),
    coalesce(latest.records_updated, 0),
    coalesce(latest.records_deleted, 0),
    coalesce(latest.records_unchanged, 0),
    coalesce(latest.records_rejected, 0),
    latest.error_type,
    latest.error_message,
    latest.remedy,
    coalesce(latest.warnings, '{}'),
    coalesce(latest.api_calls, 0),
    latest.api_calls_minimum,
    latest.run_id,
    good.completed_at
FROM external_system_connections AS c
CROSS JOIN LATERAL (
    VALUES (1, 'USERS', c.sync_users), (2, 'TEAMS', c.sync_teams), (3, 'NOTIFICATIONS', c.sync_notifications)
) AS due (turn, sync_type, is_due)
LEFT JOIN LATERAL (
    SELECT h.*
    FROM external_system_sync_history AS h
    WHERE h.tenant_id = c.tenant_id AND h.system_type = c.system_type AND h.sync_type = due.sync_type
    ORDER BY h.started_at DESC, h.sync_id DESC
    LIMIT 1
) AS latest ON true
LEFT JOIN LATERAL (
    SELECT h.completed_at
    FROM external_system_sync_history AS h
    WHERE
        h.tenant_id = c.tenant_id
        AND h.system_type = c.system_type
        AND h.sync_type = due.sync_type
        AND h.status <> 'FAILED'
    ORDER BY h.started_at DESC, h.sync_id DESC
    LIMIT 1
) AS good ON true
WHERE
    c.sync_enabled
    AND due.is_due
    AND (%(tenant_ids)s::text [] IS NULL OR c.tenant_id = ANY(%(tenant_ids)s))
ORDER BY c.tenant_id, c.system_type, due.turn
