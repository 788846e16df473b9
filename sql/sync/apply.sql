-- All changes of one walk in one statement. Created rows carry the sync that made them; for every other row the change
-- log keeps what it was before. Accounts are written with what match.sql wants of them; those whose match alone
-- changes come back.
WITH {matching}staged AS NOT MATERIALIZED (
    SELECT * FROM stage {matched}
),
logged AS (
    INSERT INTO sync_changes (sync_id, tenant_id, system_type, sync_type, kind, key, action, before)
    SELECT
        %(sync_id)s, %(tenant_id)s, %(system_type)s, %(sync_type)s, target.kind, target.{key},
        CASE
            WHEN target.is_active AND stage.state <> 'ACTIVE' THEN 'DEACTIVATED'
            WHEN NOT target.is_active AND stage.state = 'ACTIVE' THEN 'REACTIVATED'
            ELSE 'UPDATED'
        END,
        to_jsonb(target) - 'tenant_id' - 'system_type' - 'kind' - '{key}'
    FROM {table} AS target
    INNER JOIN stage ON target.kind = stage.kind AND target.{key} = stage.key
    WHERE
        target.tenant_id = %(tenant_id)s AND target.system_type = %(system_type)s {among_staged}
        AND stage.action <> 'C'
),
written AS (
    UPDATE {table} AS target SET
        listing = staged.listing, is_active = staged.state = 'ACTIVE', inactive_reason = staged.reason, {assignments}
        content_hash = staged.content_hash, changed_sync_id = %(sync_id)s, changed_at = %(at)s
    FROM staged
    WHERE
        target.tenant_id = %(tenant_id)s AND target.system_type = %(system_type)s {among_staged}
        AND target.kind = staged.kind AND target.{key} = staged.key AND staged.action = 'U'
),
gone AS (
    UPDATE {table} AS target SET
        is_active = false, inactive_reason = staged.reason, {found_assignments}
        content_hash = staged.content_hash, changed_sync_id = %(sync_id)s, changed_at = %(at)s
    FROM staged
    WHERE
        target.tenant_id = %(tenant_id)s AND target.system_type = %(system_type)s {among_staged}
        AND target.kind = staged.kind AND target.{key} = staged.key AND staged.action = 'G'
),
created AS (
    INSERT INTO {table} (
        tenant_id, system_type, {key}, kind, listing, is_active, inactive_reason, {columns},
        content_hash, created_sync_id, changed_sync_id, changed_at
    )
    SELECT
        %(tenant_id)s, %(system_type)s, key, kind, listing, state = 'ACTIVE', reason, {columns},
        content_hash, %(sync_id)s, %(sync_id)s, %(at)s
    FROM staged
    WHERE action = 'C'
    -- A key after its neighbour finds its place in the index at once.
    ORDER BY key COLLATE "C"
)
{rematched}
