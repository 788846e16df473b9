-- Of the rows that no page held: which listing each stands under.
SELECT {key}, kind, listing, is_active
FROM {table}
WHERE tenant_id = %(tenant_id)s AND system_type = %(system_type)s AND {identity} = ANY(%(names)s)
