-- Who is who, as it stands now, for every connection: accounts that are in use, those of them that belong to an
-- internal user, that matched nobody, that have more than one candidate, and that belong to somebody who is not active
-- any more.
SELECT
    m.tenant_id,
    m.system_type,
    count(*) FILTER (WHERE u.is_active) AS active,
    count(*) FILTER (WHERE m.sync_status = 'ACTIVE' AND m.internal_user_id IS NOT NULL) AS mapped,
    count(*) FILTER (WHERE m.sync_status = 'ACTIVE' AND m.internal_user_id IS NULL) AS unmatched,
    count(*) FILTER (WHERE m.sync_status = 'ERROR') AS ambiguous,
    count(*) FILTER (WHERE m.sync_status = 'INACTIVE' AND u.is_active) AS of_leavers
FROM external_user_mappings AS m
INNER JOIN external_users AS u USING (tenant_id, system_type, external_user_id)
GROUP BY m.tenant_id, m.system_type
