-- name: Records rejected
-- name_ja: 取込不可件数
-- unit: count
-- meaning: Records that could not be read, in the day's last applied sync of each type.
-- kind: history
-- per: system
SELECT
    latest.system_type,
    sum(latest.records_rejected)
FROM (
    SELECT DISTINCT ON (system_type, sync_type)
        system_type,
        records_rejected
    FROM external_system_sync_history
    WHERE
        tenant_id = %(tenant_id)s
        AND started_at >= %(day_start)s
        AND started_at < %(day_end)s
        AND status <> 'FAILED'
    ORDER BY system_type ASC, sync_type ASC, started_at DESC, sync_id DESC
) AS latest
GROUP BY latest.system_type
