-- What is stored of one connection, as identity and content hash: the night's first read, on most nights the only one.
SELECT {identity}, content_hash
FROM {table}
WHERE tenant_id = %(tenant_id)s AND system_type = %(system_type)s
