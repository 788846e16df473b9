-- Writes what match.sql finds. Comes back: the accounts whose mapping alone changed, that is, not in this sync.
WITH difference AS (
    {match}
),
unmatched AS (
    DELETE FROM user_matches AS stored USING difference
    WHERE
        stored.tenant_id = %(tenant_id)s AND stored.system_type = %(system_type)s
        AND stored.external_user_id = difference.external_user_id AND difference.rule IS NULL
),
-- One writer per connection holds its lock: what is new now stays new, and need not be looked for row by row.
matched AS (
    INSERT INTO user_matches (
        tenant_id, system_type, external_user_id, internal_user_id, rule, sync_status, reason, changed_at
    )
    SELECT
        %(tenant_id)s, %(system_type)s, external_user_id, internal_user_id, rule, sync_status, reason, %(at)s
    FROM difference
    WHERE rule IS NOT NULL AND is_new
),
moved AS (
    INSERT INTO user_matches (
        tenant_id, system_type, external_user_id, internal_user_id, rule, sync_status, reason, changed_at
    )
    SELECT
        %(tenant_id)s, %(system_type)s, external_user_id, internal_user_id, rule, sync_status, reason, %(at)s
    FROM difference
    WHERE rule IS NOT NULL AND NOT is_new
    ON CONFLICT (tenant_id, system_type, external_user_id) DO UPDATE SET
        internal_user_id = excluded.internal_user_id,
        rule = excluded.rule,
        sync_status = excluded.sync_status,
        reason = excluded.reason,
        changed_at = excluded.changed_at
)
SELECT difference.external_user_id
FROM difference
INNER JOIN external_users AS account
    ON account.tenant_id = %(tenant_id)s AND account.system_type = %(system_type)s
    AND account.external_user_id = difference.external_user_id
WHERE account.changed_sync_id IS DISTINCT FROM %(sync_id)s
