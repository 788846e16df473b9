-- name: Mapping coverage
-- name_ja: マッピング率
-- unit: percent
-- meaning: Accounts in use that belong to an active internal user, of all in use; the tenant's over all systems read.
-- kind: present
-- per: tenant, system
SELECT
    u.system_type,
    100.0 * count(*) FILTER (WHERE u.match_status = 'ACTIVE') / nullif(count(*), 0)
FROM external_system_connections AS c
INNER JOIN external_users AS u
    ON c.tenant_id = u.tenant_id AND c.system_type = u.system_type
WHERE
    c.tenant_id = %(tenant_id)s
    AND c.sync_enabled
    AND c.sync_users
    AND c.users_listed_at IS NOT NULL
    AND u.is_active
GROUP BY GROUPING SETS ((u.system_type), ())
