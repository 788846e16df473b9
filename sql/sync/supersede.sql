-- A sync that is committed has seen the directory anew: what waited before it may not be applied any more.
WITH superseded AS (
    UPDATE sync_holds SET status = 'SUPERSEDED', decided_at = %(at)s, decided_sync_id = %(sync_id)s
    WHERE
        tenant_id = %(tenant_id)s AND system_type = %(system_type)s AND sync_type = %(sync_type)s
        AND status = 'WAITING'
    RETURNING hold_id
)
DELETE FROM sync_hold_rows AS kept USING superseded
WHERE kept.tenant_id = %(tenant_id)s AND kept.hold_id = superseded.hold_id
