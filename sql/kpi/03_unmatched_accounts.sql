-- name: Unmatched accounts
-- name_ja: 該当なしアカウント数
-- unit: count
-- meaning: Accounts in use that matched no internal user.
-- kind: present
-- per: system
SELECT
    c.system_type,
    count(u.external_user_id) FILTER (WHERE u.match_status IS NULL)
FROM external_system_connections AS c
LEFT JOIN external_users AS u
    ON c.tenant_id = u.tenant_id AND c.system_type = u.system_type AND u.is_active
WHERE
    c.tenant_id = %(tenant_id)s
    AND c.sync_enabled
    AND c.sync_users
    AND c.users_listed_at IS NOT NULL
GROUP BY c.system_type
