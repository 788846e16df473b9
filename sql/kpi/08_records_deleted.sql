-- name: Records deleted
-- name_ja: 削除件数
-- unit: count
-- meaning: Users, teams and settings that were deactivated in the day's syncs.
-- kind: history
-- per: system
SELECT
    system_type,
    sum(records_deleted)
FROM external_system_sync_history
WHERE
    tenant_id = %(tenant_id)s
    AND started_at >= %(day_start)s
    AND started_at < %(day_end)s
    AND status <> 'FAILED'
GROUP BY system_type
