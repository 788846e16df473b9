-- The hold that waits for exactly these rows already. Gone is gone (hash 0), whether flagged or absent.
SELECT hold.hold_id
FROM sync_holds AS hold
WHERE
    hold.tenant_id = %(tenant_id)s AND hold.system_type = %(system_type)s AND hold.sync_type = %(sync_type)s
    AND hold.status = 'WAITING'
    AND hold.absent_count + hold.flagged_count = (SELECT count(*) FROM held)
    AND hold.absent_count + hold.flagged_count = (
        SELECT count(*)
        FROM held
        INNER JOIN sync_hold_rows AS kept
            ON held.kind = kept.kind AND held.key = kept.key AND held.content_hash = kept.content_hash
        WHERE kept.tenant_id = %(tenant_id)s AND kept.hold_id = hold.hold_id
    )
