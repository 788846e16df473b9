-- name: API calls
-- name_ja: API 呼び出し数
-- unit: count
-- meaning: HTTP requests sent by the day's syncs that have ended, retries and tokens included.
-- kind: history
-- per: system
SELECT
    system_type,
    sum(api_calls)
FROM external_system_sync_history
WHERE
    tenant_id = %(tenant_id)s
    AND started_at >= %(day_start)s
    AND started_at < %(day_end)s
    AND completed_at IS NOT NULL
    -- Nobody counted the calls of a process that was killed.
    AND (error_type IS DISTINCT FROM 'INTERRUPTED' OR api_calls > 0)
GROUP BY system_type
