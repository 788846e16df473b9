-- Where a sync stands before it reads: its history row is born (unless nothing is to be written), and back come the
-- connection's generation, whether a hold of this type waits, and the bookmarks, a row for each or one without any.
-- No row comes back of a connection that is gone.
WITH opened AS (
    INSERT INTO external_system_sync_history (
        sync_id, tenant_id, system_type, sync_type, started_at, error_type, error_message, run_id,
        api_calls_estimate, seconds_estimate
    )
    SELECT
        new_id(), %(tenant_id)s, %(system_type)s, %(sync_type)s, %(at)s, %(error_type)s, %(error_message)s, %(run_id)s,
        %(calls)s, %(seconds)s
    WHERE %(is_written)s
    RETURNING sync_id
)
SELECT
    (SELECT opened.sync_id FROM opened) AS sync_id,
    connection.sync_generation,
    hold.hold_id IS NOT NULL AS has_hold,
    bookmark.listing, bookmark.cursor, bookmark.question, bookmark.listed_at
FROM external_system_connections AS connection
LEFT JOIN sync_holds AS hold
    ON
        connection.tenant_id = hold.tenant_id AND connection.system_type = hold.system_type
        AND hold.sync_type = %(sync_type)s AND hold.status = 'WAITING'
LEFT JOIN sync_cursors AS bookmark
    ON
        connection.tenant_id = bookmark.tenant_id AND connection.system_type = bookmark.system_type
        AND bookmark.sync_type = %(sync_type)s
WHERE connection.tenant_id = %(tenant_id)s AND connection.system_type = %(system_type)s
