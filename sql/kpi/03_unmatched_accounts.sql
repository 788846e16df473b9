-- name: Unmatched accounts
-- name_ja: 該当なしアカウント数
-- unit: count
-- meaning: Accounts in use that matched no internal user.
-- kind: present
-- per: system
SELECT
    c.system_type,
    count(m.external_user_id)
FROM external_system_connections AS c
LEFT JOIN external_user_mappings AS m
    ON
        c.tenant_id = m.tenant_id
        AND c.system_type = m.system_type
        AND m.sync_status = 'ACTIVE'
        AND m.internal_user_id IS NULL
WHERE
    c.tenant_id = %(tenant_id)s
    AND c.sync_enabled
    AND c.sync_users
    AND c.users_listed_at IS NOT NULL
GROUP BY c.system_type
