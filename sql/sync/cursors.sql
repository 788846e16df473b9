-- Where the next night goes on, for one connection and type: what was not proposed any more is forgotten.
WITH forgotten AS (
    DELETE FROM sync_cursors
    WHERE
        tenant_id = %(tenant_id)s AND system_type = %(system_type)s AND sync_type = %(sync_type)s
        AND NOT listing = ANY(%(listings)s)
)
INSERT INTO sync_cursors (tenant_id, system_type, sync_type, listing, cursor, question, listed_at, moved_at)
SELECT %(tenant_id)s, %(system_type)s, %(sync_type)s, proposed.*, %(at)s
FROM unnest(
    %(listings)s::text[], %(cursors)s::text[], %(questions)s::text[], %(listed_ats)s::timestamptz[]
) AS proposed
ON CONFLICT (tenant_id, system_type, sync_type, listing) DO UPDATE SET
    cursor = excluded.cursor, question = excluded.question, listed_at = excluded.listed_at, moved_at = excluded.moved_at
