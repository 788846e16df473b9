-- name: Unmatched accounts
-- name_ja: 該当なしアカウント数
-- unit: count
-- meaning: Accounts in use that matched no internal user.
-- kind: present
-- per: system
SELECT
    c.system_type,
    count(u.external_user_id) FILTER (WHERE coalesce(m.sync_status, 'ACTIVE') = 'ACTIVE' AND m.internal_user_id IS NULL)
FROM external_system_connections AS c
LEFT JOIN external_users AS u
    ON c.tenant_id = u.tenant_id AND c.system_type = u.system_type AND u.is_active
LEFT JOIN user_matches AS m
    ON u.tenant_id = m.tenant_id AND u.system_type = m.system_type AND u.external_user_id = m.external_user_id
WHERE
    c.tenant_id = %(tenant_id)s
    AND c.sync_enabled
    AND c.sync_users
    AND c.users_listed_at IS NOT NULL
GROUP BY c.system_type
