-- name: Sync duration
-- name_ja: 同期時間
-- unit: seconds
-- meaning: How long the day's syncs took together, those that were interrupted aside.
-- kind: history
-- per: system
SELECT
    system_type,
    sum(extract(EPOCH FROM completed_at - started_at))
FROM external_system_sync_history
WHERE
    tenant_id = %(tenant_id)s
    AND started_at >= %(day_start)s
    AND started_at < %(day_end)s
    AND completed_at IS NOT NULL
    -- What a killed process left open is closed by the next one, hours later.
    AND error_type IS DISTINCT FROM 'INTERRUPTED'
GROUP BY system_type
