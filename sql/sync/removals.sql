-- What the guard weighs: for every kind how many rows are active, and of the rows that no page held (names) which
-- listing each stands under. A kind comes once for each of those, or once alone.
WITH census AS (
    SELECT kind, count(*) AS active_count
    FROM {table}
    WHERE tenant_id = %(tenant_id)s AND system_type = %(system_type)s AND is_active
    GROUP BY kind
),
unseen AS (
    SELECT {key} AS key, kind, listing, is_active
    FROM {table}
    WHERE tenant_id = %(tenant_id)s AND system_type = %(system_type)s AND {identity} = ANY(%(names)s)
)
SELECT kind, coalesce(census.active_count, 0) AS active_count, unseen.key, unseen.listing, unseen.is_active
FROM census
FULL JOIN unseen USING (kind)
