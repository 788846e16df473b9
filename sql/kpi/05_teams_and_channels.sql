-- name: Teams and channels
-- name_ja: チーム・チャンネル数
-- unit: count
-- meaning: Teams, channels, groups and organisational units in use, as last read; unknown until they were read once.
-- kind: present
-- per: system
SELECT
    c.system_type,
    count(t.external_team_id)
FROM external_system_connections AS c
LEFT JOIN external_teams AS t
    ON c.tenant_id = t.tenant_id AND c.system_type = t.system_type AND t.is_active
WHERE
    c.tenant_id = %(tenant_id)s
    AND c.sync_enabled
    AND c.sync_teams
    AND EXISTS (
        SELECT FROM external_system_sync_history AS h
        WHERE
            h.tenant_id = c.tenant_id
            AND h.system_type = c.system_type
            AND h.sync_type = 'TEAMS'
            AND h.status <> 'FAILED'
    )
GROUP BY c.system_type
