-- name: API calls above minimum
-- name_ja: 最小値を超えた API 呼び出し数
-- unit: count
-- meaning: HTTP requests beyond the fewest with which the day's syncs could have read the same: retries, small pages.
-- kind: history
-- per: system
SELECT
    system_type,
    sum(api_calls - api_calls_minimum)
FROM external_system_sync_history
WHERE
    tenant_id = %(tenant_id)s
    AND started_at >= %(day_start)s
    AND started_at < %(day_end)s
    -- Null of what failed, and of what is still open.
    AND api_calls_minimum IS NOT NULL
GROUP BY system_type
