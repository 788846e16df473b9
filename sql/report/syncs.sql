-- The last sync of a day for every tenant, system and sync type that was due or ran; without one, the columns of the
-- history are null. Days are Tokyo's, as the schedule's are.
WITH ran AS (
    SELECT DISTINCT ON (h.tenant_id, h.system_type, h.sync_type)
        h.*,
        count(*) OVER (PARTITION BY h.tenant_id, h.system_type, h.sync_type) AS attempts
    FROM external_system_sync_history AS h
    WHERE
        h.started_at >= %(day)s::date::timestamp AT TIME ZONE 'Asia/Tokyo'
        AND h.started_at < (%(day)s::date + 1)::timestamp AT TIME ZONE 'Asia/Tokyo'
    ORDER BY h.tenant_id ASC, h.system_type ASC, h.sync_type ASC, h.started_at DESC, h.sync_id DESC
),

due AS (
    SELECT
        c.tenant_id,
        c.system_type,
        t.sync_type
    FROM external_system_connections AS c
    CROSS JOIN
        LATERAL (
            VALUES ('USERS', c.sync_users), ('TEAMS', c.sync_teams), ('NOTIFICATIONS', c.sync_notifications)
        ) AS t (sync_type, is_due)
    WHERE c.sync_enabled AND t.is_due
)

SELECT
    tenant_id,
    n.name,
    system_type,
    sync_type,
    ran.status,
    ran.started_at,
    ran.completed_at,
    ran.records_processed,
    ran.records_created,
    ran.records_updated,
    ran.records_deleted,
    ran.records_unchanged,
    ran.records_rejected,
    ran.api_calls,
    ran.api_calls_minimum,
    ran.error_type,
    ran.error_message,
    ran.remedy,
    ran.warnings,
    coalesce(ran.attempts, 0) AS attempts
FROM due
FULL JOIN ran USING (tenant_id, system_type, sync_type)
INNER JOIN tenants AS n USING (tenant_id)
ORDER BY tenant_id, system_type, array_position(ARRAY['USERS', 'TEAMS', 'NOTIFICATIONS'], sync_type)
