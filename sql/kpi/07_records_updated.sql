-- name: Records updated
-- name_ja: 更新件数
-- unit: count
-- meaning: Users, teams and settings that had changed in the day's syncs, or were matched anew.
-- kind: history
-- per: system
SELECT
    system_type,
    sum(records_updated)
FROM external_system_sync_history
WHERE
    tenant_id = %(tenant_id)s
    AND started_at >= %(day_start)s
    AND started_at < %(day_end)s
    AND status <> 'FAILED'
GROUP BY system_type
