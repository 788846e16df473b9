-- Keeps what is held, each row with the name by which people know it.
WITH hold AS (
    INSERT INTO sync_holds (
        tenant_id, system_type, sync_type, sync_id, reasons, absent_count, flagged_count, created_at
    )
    SELECT
        %(tenant_id)s, %(system_type)s, %(sync_type)s, %(sync_id)s, %(reasons)s::text[],
        count(*) FILTER (WHERE reason = 'absent'), count(*) FILTER (WHERE reason IS DISTINCT FROM 'absent'), %(at)s
    FROM held
    RETURNING hold_id
),
kept AS (
    INSERT INTO sync_hold_rows (tenant_id, hold_id, kind, key, name, listing, reason, content_hash, content)
    SELECT
        %(tenant_id)s, hold.hold_id, held.kind, held.key, target.{name},
        held.listing, held.reason, held.content_hash, held.content
    FROM held
    CROSS JOIN hold
    INNER JOIN {table} AS target ON held.kind = target.kind AND held.key = target.{key}
    WHERE target.tenant_id = %(tenant_id)s AND target.system_type = %(system_type)s
)
SELECT hold_id
FROM hold
