-- Of the rows that no page held: which listing each stands under.
SELECT {key}, kind, listing
FROM {table}
WHERE tenant_id = %(tenant_id)s AND system_type = %(system_type)s AND is_active AND {identity} = ANY(%(names)s)
