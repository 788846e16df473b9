-- name: Sync success rate, 7 days
-- name_ja: 同期成功率・直近7日
-- unit: percent
-- meaning: Syncs that were a SUCCESS, of those that were started in the seven days up to this one and have ended.
-- kind: history
-- per: tenant, system
SELECT
    system_type,
    100.0 * count(*) FILTER (WHERE status = 'SUCCESS') / nullif(count(*), 0)
FROM external_system_sync_history
WHERE
    tenant_id = %(tenant_id)s
    AND started_at >= %(week_start)s
    AND started_at < %(day_end)s
    AND completed_at IS NOT NULL
GROUP BY GROUPING SETS ((system_type), ())
