-- name: Records created
-- name_ja: 作成件数
-- unit: count
-- meaning: Users, teams and settings that were new in the day's syncs; unknown on a day on which none was applied.
-- kind: history
-- per: system
SELECT
    system_type,
    sum(records_created)
FROM external_system_sync_history
WHERE
    tenant_id = %(tenant_id)s
    AND started_at >= %(day_start)s
    AND started_at < %(day_end)s
    AND status <> 'FAILED'
GROUP BY system_type
