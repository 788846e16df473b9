-- name: Mapping coverage
-- name_ja: 紐付け率
-- unit: percent
-- meaning: Accounts in use that belong to an active internal user, of all in use; the tenant's over all systems.
-- kind: present
-- per: tenant, system
SELECT
    m.system_type,
    100.0 * count(*) FILTER (WHERE m.sync_status = 'ACTIVE' AND m.internal_user_id IS NOT NULL)
    / nullif(count(*) FILTER (WHERE u.is_active), 0)
FROM external_system_connections AS c
INNER JOIN external_users AS u USING (tenant_id, system_type)
INNER JOIN external_user_mappings AS m USING (tenant_id, system_type, external_user_id)
WHERE
    tenant_id = %(tenant_id)s
    AND c.sync_enabled
    AND c.sync_users
    AND c.users_listed_at IS NOT NULL
GROUP BY GROUPING SETS ((m.system_type), ())
