-- name: Mapping coverage
-- name_ja: マッピング率
-- unit: percent
-- meaning: Accounts in use that belong to an active internal user, of all in use; the tenant's over all systems read.
-- kind: present
-- per: tenant, system
SELECT
    u.system_type,
    100.0 * count(m.internal_user_id) FILTER (WHERE m.sync_status = 'ACTIVE') / nullif(count(*), 0)
FROM external_system_connections AS c
INNER JOIN external_users AS u
    ON c.tenant_id = u.tenant_id AND c.system_type = u.system_type
LEFT JOIN user_matches AS m
    ON u.tenant_id = m.tenant_id AND u.system_type = m.system_type AND u.external_user_id = m.external_user_id
WHERE
    c.tenant_id = %(tenant_id)s
    AND c.sync_enabled
    AND c.sync_users
    AND c.users_listed_at IS NOT NULL
    AND u.is_active
GROUP BY GROUPING SETS ((u.system_type), ())
