-- What is stored of a few rows, as identity and content hash.
SELECT {identity}, content_hash
FROM {table}
WHERE tenant_id = %(tenant_id)s AND system_type = %(system_type)s AND {identity} = ANY(%(names)s)
