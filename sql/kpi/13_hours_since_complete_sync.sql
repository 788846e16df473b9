-- name: Hours since the last complete sync
-- name_ja: 最後の完全な同期からの時間
-- unit: hours
-- meaning: Up to the end of the day, from when the last of all due types was a SUCCESS; unknown while one never was.
-- kind: history
-- per: system
-- The end of the day, also for today: it makes a day's value the same at every hour, and days comparable.
SELECT
    c.system_type,
    extract(EPOCH FROM %(day_end)s - min(good.completed_at)) / 3600
FROM external_system_connections AS c
CROSS JOIN LATERAL (
    VALUES ('USERS', c.sync_users), ('TEAMS', c.sync_teams), ('NOTIFICATIONS', c.sync_notifications)
) AS due (sync_type, is_due)
LEFT JOIN LATERAL (
    SELECT h.completed_at
    FROM external_system_sync_history AS h
    WHERE
        h.tenant_id = c.tenant_id
        AND h.system_type = c.system_type
        AND h.sync_type = due.sync_type
        AND h.status = 'SUCCESS'
        AND h.completed_at <= %(day_end)s
    ORDER BY h.started_at DESC, h.sync_id DESC
    LIMIT 1
) AS good ON TRUE
WHERE
    c.tenant_id = %(tenant_id)s
    AND c.sync_enabled
    AND due.is_due
GROUP BY c.system_type
HAVING count(good.completed_at) = count(*)
